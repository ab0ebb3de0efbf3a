//! How large a difference between two variants must be to be found: the power of the planned design.

use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference::detectable;
use gra_synth::pool::ItemId;
use gra_synth::stream::Stream;
use serde::Serialize;

use crate::experiment::Experiment;

/// Two variants that decide about the same candidates as two coins would: the variance of a difference of 0 and 1 is
/// largest then.
const VARIANCE_OF_ACCEPTANCE: f64 = 0.5;

/// Standard deviation of a judge's scores that is assumed, in points of the scale.
pub(super) const JUDGE_DEVIATION: f64 = 1.5;

/// The smallest differences that a test at 5% finds four times in five.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Detectable {
    /// Candidates of each variant, compared pair by pair.
    pub(super) candidates: u64,
    /// Of acceptance, as a share.
    pub(super) acceptance: f64,
    /// Of a judge's mean score, where every candidate is judged.
    pub(super) judge: f64,
}

impl Detectable {
    /// For the fewest candidates that any variant draws; `None` for too few for a test.
    pub(super) fn of(experiment: &Experiment, candidates: u64) -> Option<Self> {
        let pool = experiment.seed_set.items.len();
        let mut draw = Stream::named(experiment.seeds[0], &["plan", "examples"]);
        // As round 1 draws them: two to four examples of the seed set for each candidate.
        let of_candidate = |number| {
            let shown = (2 + draw.below(3)).min(pool);
            let own = ItemId::Candidate { round: 1, number };
            let seed = |place| ItemId::Seed(u32::try_from(place).unwrap_or(u32::MAX));
            let examples = draw.choose(pool, shown).into_iter().map(seed);
            examples.chain([own]).collect::<Vec<_>>()
        };
        let number = u32::try_from(candidates).unwrap_or(u32::MAX);
        let dependence = Dependence::by_items((0..number).map(of_candidate));
        Some(Self {
            candidates,
            acceptance: detectable(&dependence, VARIANCE_OF_ACCEPTANCE)?,
            judge: detectable(&dependence, 2.0 * JUDGE_DEVIATION.powi(2))?,
        })
    }
}
