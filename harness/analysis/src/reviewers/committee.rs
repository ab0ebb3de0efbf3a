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

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};

use crate::proportion::Proportion;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::Estimate;
use crate::trial::{CallFact, lineage};

mod instructions;
mod preference;
mod responses;
mod reviewers;

pub use instructions::{Criterion, InstructionAgreement};
pub use preference::UnknownFamily;
pub use responses::{ResponseAgreement, Scale};
pub use reviewers::Reviewer;

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
        let comparisons = preference::Comparisons::of(candidates, families)?;
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

#[cfg(test)]
mod tests;
