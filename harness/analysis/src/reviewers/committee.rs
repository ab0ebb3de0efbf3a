//! How a trial's reviewers agree, and how each of them judges.
//!
//! Economy leaves out reviews that cannot change a sample: after a zero bit no other reviewer is asked, nor
//! when tau is out of reach. What is then missing depends on what was said, so coefficients over the
//! reviews that there are describe those, not the reviewers: a zero is never seen to be shared, and
//! whole committees are those that liked the response. [`Coverage`] says how many candidates are
//! thinned. Studies of reviewers run with `economy = false` (METHOD.md, section 3).
//!
//! Each number takes what it allows: alpha, ICC and AC1 every review, Fleiss' kappa and the means and
//! spreads of scores whole committees alone, comparisons of reviewers every candidate that two
//! different models reviewed. Intervals know which candidates depend on each other ([`crate::trial::lineage`]).
//!
//! Agreement is here; each reviewer beside its colleagues is in `reviewers`.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome, ResponseReview};
use gra_synth::committee::DIMENSIONS;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};

use crate::frames::CRITERIA;
use crate::proportion::Proportion;
use crate::reviewers::agreement::{Ratings, Votes};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife};
use crate::trial::{CallFact, lineage};

mod reviewers;

pub use reviewers::{Reviewer, UnknownFamily};

/// A trial's committee.
#[derive(Clone, Debug, PartialEq)]
pub struct Committee {
    /// The three bits of the instruction review.
    pub instructions: InstructionAgreement,
    /// The scores of the response review.
    pub responses: ResponseAgreement,
    /// Who reviewed responses, by model.
    pub reviewers: BTreeMap<ModelName, Reviewer>,
    /// Self-preference over all reviewers together; see [`Reviewer::self_preference`].
    pub self_preference: Estimate,
    /// Settled disputes; `yes` where the adjudicator's mean was below tau, against a mu that had
    /// reached it.
    pub overturned: Proportion,
}

/// How many candidates were reviewed, and by how much of their committee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// A review from every seat.
    pub whole: u64,
    /// Reviews from some seats: economy spared the others, or one stayed malformed.
    pub part: u64,
}

impl Committee {
    /// Measures the committee of a trial. A family is what counts as "own" in self-preference; the
    /// quantisations and fine-tunes of one base model share one.
    ///
    /// # Errors
    /// When a generator or reviewer of a reviewed response has no family.
    pub fn of(
        candidates: &[Candidate],
        families: &BTreeMap<ModelName, String>,
    ) -> Result<Self, UnknownFamily> {
        let comparisons = reviewers::Comparisons::of(candidates, families)?;
        Ok(Self {
            instructions: InstructionAgreement::of(candidates),
            responses: ResponseAgreement::of(candidates),
            reviewers: reviewers::by_model(candidates, &comparisons),
            self_preference: comparisons.preference(None),
            overturned: overturned(candidates),
        })
    }
}

/// Candidates that have reviews of a kind.
fn reviewed_by_any(candidates: &[Candidate], reviews: fn(&Candidate) -> usize) -> Vec<&Candidate> {
    candidates.iter().filter(|candidate| reviews(candidate) > 0).collect()
}

/// Candidates that every seat has reviewed.
fn reviewed_by_all(candidates: &[Candidate], reviews: fn(&Candidate) -> usize) -> Vec<&Candidate> {
    let any = reviewed_by_any(candidates, reviews).into_iter();
    any.filter(|candidate| reviews(candidate) == candidate.roles.reviewers.len()).collect()
}

fn dependence(candidates: &[&Candidate]) -> Dependence {
    Dependence::by_items(candidates.iter().map(|candidate| lineage(candidate)))
}

impl Coverage {
    fn of(any: &[&Candidate], all: &[&Candidate]) -> Self {
        Self { whole: all.len() as u64, part: (any.len() - all.len()) as u64 }
    }
}

fn overturned(candidates: &[Candidate]) -> Proportion {
    // Every dispute had reached tau: the adjudicator confirms the mean or overturns it.
    let settled = candidates.iter().filter(|c| c.adjudication.is_some());
    Proportion::from_cases(
        settled.filter_map(|c| c.outcome).map(|outcome| outcome == Outcome::AdjudicatedOut),
    )
}

/// Calls about candidates by stage and model; `yes` where the reply was malformed. Every try of a
/// retried call is one. Failed calls have no reply and are not counted, nor are calls about seed items:
/// no candidate records their fate.
#[must_use]
pub fn malformed_rates(
    candidates: &[Candidate],
    calls: &[CallFact],
) -> BTreeMap<(Stage, ModelName), Proportion> {
    let (mut malformed, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for candidate in candidates {
        let id = |stage, seat, attempt| RequestId { subject: candidate.id, stage, seat, attempt };
        let replies = candidate.malformed.iter();
        malformed.extend(replies.map(|reply| id(reply.stage, reply.seat, reply.attempt)));
        let calls = candidate.failed.iter();
        failed.extend(calls.map(|call| id(call.stage, call.seat, call.attempt)));
    }
    let mut rates: BTreeMap<(Stage, ModelName), Proportion> = BTreeMap::new();
    // No candidate records what became of a call about a seed item.
    let about_candidates = |call: &&CallFact| !matches!(call.id.subject, ItemId::Seed(_));
    for call in calls.iter().filter(about_candidates).filter(|call| !failed.contains(&call.id)) {
        let rate = rates.entry((call.id.stage, call.model.clone())).or_default();
        rate.count(malformed.contains(&call.id));
    }
    rates
}

/// Agreement on the bits of a trial's instruction reviews (paper, section 3.3; Prompt 6).
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionAgreement {
    /// Candidates whose instruction was reviewed.
    pub coverage: Coverage,
    /// Each bit, in prompt order.
    pub criteria: [Criterion; CRITERIA.len()],
}

/// One bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// What is asked for.
    pub name: &'static str,
    /// Mean over candidates of the share of reviewers that give a one.
    pub ones: Estimate,
    /// Share of reviewer pairs that give the same bit.
    pub agreement: Estimate,
    /// Gwet's AC1.
    pub ac1: Estimate,
    /// Fleiss' kappa over whole committees.
    pub fleiss: Estimate,
}

impl InstructionAgreement {
    fn of(candidates: &[Candidate]) -> Self {
        let reviews = |candidate: &Candidate| candidate.instruction_reviews.len();
        let any = reviewed_by_any(candidates, reviews);
        let of_any = votes(&any);
        // All coefficients of one pass: the jackknife visits every candidate once for each.
        let estimates: [Estimate; 3 * CRITERIA.len()] = jackknife(&dependence(&any), |weights| {
            let tallies = of_any.each_ref().map(|votes| votes.tally(weights));
            std::array::from_fn(|k| match (&tallies[k / 3], k % 3) {
                (tally, 0) => tally.share(1),
                (tally, 1) => tally.agreement(),
                (tally, _) => tally.ac1(),
            })
        });
        // Fleiss' kappa is defined for units with equally many votes.
        let all = reviewed_by_all(candidates, reviews);
        let of_all = votes(&all);
        let fleiss: [Estimate; 3] = jackknife(&dependence(&all), |weights| {
            of_all.each_ref().map(|votes| votes.tally(weights).fleiss())
        });
        // Coefficients of a criterion stand side by side, in the order of the jackknife above.
        let criterion = |place: usize| Criterion {
            name: CRITERIA[place],
            ones: estimates[3 * place].within(0.0, 1.0),
            agreement: estimates[3 * place + 1].within(0.0, 1.0),
            ac1: estimates[3 * place + 2].within(-1.0, 1.0),
            fleiss: fleiss[place].within(-1.0, 1.0),
        };
        Self { coverage: Coverage::of(&any, &all), criteria: std::array::from_fn(criterion) }
    }
}

/// Zeros and ones of each candidate, by criterion.
fn votes(candidates: &[&Candidate]) -> [Votes<2>; CRITERIA.len()] {
    std::array::from_fn(|place| {
        Votes::of(candidates.iter().map(|candidate| {
            let mut votes = [0; 2];
            for review in &candidate.instruction_reviews {
                votes[usize::from(review.bits[place])] += 1;
            }
            votes
        }))
    })
}

/// The six dimensions and their mean.
const SCALES: usize = DIMENSIONS.len() + 1;

/// Agreement on the scores of a trial's response reviews (paper, section 3.3; Prompt 8).
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseAgreement {
    /// Candidates whose response was reviewed.
    pub coverage: Coverage,
    /// Each dimension in prompt order, then the reviewers' means (`mean`).
    pub scales: [Scale; SCALES],
}

/// What reviewers say on one scale from 1 to 10.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The dimension, or `mean`.
    pub name: &'static str,
    /// Mean score over whole committees. For `mean` this is the mean mu.
    pub mean: Estimate,
    /// Mean over whole committees of two and more of the population standard deviation between their
    /// reviewers. For `mean` this is the mean sigma.
    pub spread: Estimate,
    /// Krippendorff's alpha, interval.
    pub alpha: Estimate,
    /// ICC(1,1).
    pub icc: Estimate,
}

impl ResponseAgreement {
    fn of(candidates: &[Candidate]) -> Self {
        let reviews = |candidate: &Candidate| candidate.response_reviews.len();
        let any = reviewed_by_any(candidates, reviews);
        let of_any = ratings(&any);
        let agreement: [Estimate; 2 * SCALES] =
            jackknife(&dependence(&any), |weights| {
                let sums = of_any.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].alpha() } else { sums[k - SCALES].icc() }
                })
            });
        // Means and spreads of broken-off committees would be those of their first members.
        let all = reviewed_by_all(candidates, reviews);
        let of_all = ratings(&all);
        let level: [Estimate; 2 * SCALES] =
            jackknife(&dependence(&all), |weights| {
                let sums = of_all.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].mean() } else { sums[k - SCALES].spread() }
                })
            });
        let scale = |place: usize| Scale {
            name: DIMENSIONS.get(place).copied().unwrap_or("mean"),
            mean: level[place],
            spread: level[SCALES + place].within(0.0, f64::INFINITY),
            alpha: agreement[place].within(f64::NEG_INFINITY, 1.0),
            icc: agreement[SCALES + place].within(-1.0, 1.0),
        };
        Self { coverage: Coverage::of(&any, &all), scales: std::array::from_fn(scale) }
    }
}

fn ratings(candidates: &[&Candidate]) -> [Ratings; SCALES] {
    std::array::from_fn(|place| {
        let score = |review: &ResponseReview| {
            review.scores.values().get(place).copied().unwrap_or_else(|| review.scores.mean())
        };
        let unit = |c: &&Candidate| c.response_reviews.iter().map(score).collect();
        let units: Vec<Vec<f64>> = candidates.iter().map(unit).collect();
        Ratings::of(&units).expect("scores and their means are finite")
    })
}

#[cfg(test)]
mod tests;
