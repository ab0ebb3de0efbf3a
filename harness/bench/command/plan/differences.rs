//! How large a difference between two variants must be to be found: the power of the planned design.

use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference::detectable;
use gra_synth::stream::Stream;
use serde::Serialize;

use crate::experiment::Experiment;

/// Variance of a candidate's difference in acceptance, where two variants decide as two coins would: as each other at
/// half of the candidates.
const VARIANCE_OF_ACCEPTANCE: f64 = 0.5;

/// Candidates whose relations are drawn: with more, the degrees of freedom hardly change.
const DRAWN: u64 = 1_000;

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
        let (pool, method) = (experiment.seed_set.items.len(), &experiment.method);
        let most = method.max_examples.min(u32::try_from(pool).unwrap_or(u32::MAX));
        let least = method.min_examples.min(most);
        let mut draw = Stream::named(experiment.seeds[0], &["plan", "examples"]);
        // As round 1 draws them: items of the seed set for each candidate.
        let drawn = candidates.min(DRAWN);
        let examples = |_| {
            let shown = least as usize + draw.below((most - least + 1) as usize);
            draw.choose(pool, shown)
        };
        let dependence = Dependence::by_items((0..drawn).map(examples));
        // The standard error of all candidates, with the degrees of freedom of those that were drawn.
        #[expect(clippy::cast_precision_loss, reason = "counts of candidates")]
        let share = drawn as f64 / candidates as f64;
        Some(Self {
            candidates,
            acceptance: detectable(&dependence, share * VARIANCE_OF_ACCEPTANCE)?,
            judge: detectable(&dependence, share * 2.0 * JUDGE_DEVIATION.powi(2))?,
        })
    }
}
