//! What one trial recorded, in the form in which the analysis reads it: what became of its candidates, which of them
//! depend on each other, what calls it asked for, and which of them economy left out (METHOD.md, section 3).
//!
//! Counts what the method asked for. What was paid to an engine, and how long that took, depends on the machine and on
//! what its store already held; the shell measures that ([`crate::ablation::RunCost`]).

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};

use crate::frames::{self, RowMeasure, RowValues};

/// Everything that one trial (a variant under a seed) recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialFacts {
    /// Name of the variant; unique within an ablation.
    pub variant: String,
    /// Every candidate of every round, whatever became of it. Ids are unique.
    pub candidates: Vec<Candidate>,
    /// Every call that the method asked for, retries and seed annotation included, answered by the store or an engine.
    pub calls: Vec<CallFact>,
}

/// One call and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFact {
    /// Which call.
    pub id: RequestId,
    /// Who was asked.
    pub model: ModelName,
    /// Tokens of the prompt after the chat template.
    pub prompt_tokens: u32,
    /// Tokens of the reply, forced literals included.
    pub reply_tokens: u32,
    /// An earlier variant of the same ablation had made exactly this call, so its reply was free.
    /// This is a property of the ablation, not of the run: it does not depend on what a store held.
    pub shared: bool,
}

/// Measures of candidates, of columns of [`frames::outcomes`], beside the items that each goes back to.
pub(crate) fn values(
    candidates: &[Candidate],
    measures: impl IntoIterator<Item = RowMeasure>,
) -> RowValues<ItemId> {
    let items = candidates.iter().map(lineage).collect();
    let values = frames::outcomes(candidates)
        .and_then(|frame| RowValues::from_frame(items, &frame, measures));
    values.expect("measures of candidates name columns of their frame")
}

/// A trial's candidates, counted.
///
/// The ten outcomes and `undecided` partition the candidates: they sum to `candidates`. `disputed` and
/// `adjudicated_in` count what happened on the way and overlap with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Funnel {
    /// Drawn.
    pub candidates: u64,
    /// Outcome: dropped because a stage stayed malformed after its retries.
    pub malformed: u64,
    /// Outcome: the engine could not answer a call that it needed.
    pub failed: u64,
    /// Outcome: the keywords were those of an example.
    pub repeated_keywords: u64,
    /// Outcome: a reviewer gave the instruction a zero.
    pub vetoed: u64,
    /// Outcome: mu < tau.
    pub rejected: u64,
    /// Outcome: disputed, and the adjudicator's mean was below tau.
    pub adjudicated_out: u64,
    /// Outcome: disputed, and no majority reached tau.
    pub voted_out: u64,
    /// Outcome: too close to an item of the target pool.
    pub duplicates: u64,
    /// Outcome: passed everything and was not needed for the round's target.
    pub surplus: u64,
    /// Outcome: became a sample.
    pub accepted: u64,
    /// No outcome yet: the round is under way or was interrupted.
    pub undecided: u64,
    /// Candidates whose instruction some reviewer read.
    pub instructions_reviewed: u64,
    /// Candidates whose response some reviewer scored.
    pub responses_reviewed: u64,
    /// mu >= tau and sigma > delta, however that was settled.
    pub disputed: u64,
    /// Disputed, and the adjudicator's mean reached tau. Such a candidate may still have been a
    /// duplicate.
    pub adjudicated_in: u64,
    /// Replies about candidates that could not be read, retried ones included, by stage. Stages
    /// without any are absent.
    pub malformed_replies: BTreeMap<Stage, u64>,
    /// Calls about candidates that the engine could not answer, by stage. Stages without any are absent.
    pub failed_calls: BTreeMap<Stage, u64>,
    /// Over the candidates that the whole committee scored.
    pub scores_reviewed: ScoreMeans,
    /// Over the samples, where a committee scored them.
    pub scores_accepted: ScoreMeans,
}

/// Means of the committee's mu and sigma over some candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreMeans {
    /// How many candidates.
    pub n: u64,
    /// Mean of mu, on the scale of the scores; `None` for n = 0.
    pub mu: Option<f64>,
    /// Mean of sigma, on the scale of the scores; `None` for n = 0.
    pub sigma: Option<f64>,
}

impl ScoreMeans {
    fn of<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Self {
        let (mut n, mut mu, mut sigma) = (0_u32, 0.0, 0.0);
        // Candidates whose committee was broken off have no tally, and no part in the means.
        for tally in candidates.filter_map(Candidate::tally) {
            n += 1;
            mu += tally.mu();
            sigma += tally.sigma();
        }
        let mean = |sum: f64| (n > 0).then(|| sum / f64::from(n));
        Self { n: u64::from(n), mu: mean(mu), sigma: mean(sigma) }
    }
}

/// Whether the candidate passed review and deduplication. Surplus passed too: it was cut because the
/// round's target was met, which says nothing about its quality.
#[must_use]
pub fn has_passed(candidate: &Candidate) -> bool {
    matches!(candidate.outcome, Some(Outcome::Accepted | Outcome::Surplus))
}

/// What review said of a response, disputes as they were settled and before deduplication; `None` without a response,
/// and where a candidate ended without that word.
#[must_use]
pub fn review_verdict(candidate: &Candidate) -> Option<bool> {
    // A near-duplicate that economy found before it was answered has no response.
    candidate.response.as_ref()?;
    match candidate.outcome? {
        Outcome::Accepted | Outcome::Surplus | Outcome::Duplicate => Some(true),
        Outcome::Rejected | Outcome::AdjudicatedOut | Outcome::VotedOut => Some(false),
        _ => None,
    }
}

impl Funnel {
    /// Counts candidates.
    #[must_use]
    pub fn of(candidates: &[Candidate]) -> Self {
        let mut funnel = Self::default();
        for candidate in candidates {
            funnel.count(candidate);
        }
        funnel.scores_reviewed = ScoreMeans::of(candidates.iter());
        funnel.scores_accepted = ScoreMeans::of(candidates.iter().filter(|c| c.is_sample()));
        funnel
    }

    fn count(&mut self, candidate: &Candidate) {
        self.candidates += 1;
        *match candidate.outcome {
            None => &mut self.undecided,
            Some(Outcome::Malformed { .. }) => &mut self.malformed,
            Some(Outcome::Failed { .. }) => &mut self.failed,
            Some(Outcome::RepeatedKeywords) => &mut self.repeated_keywords,
            Some(Outcome::Vetoed) => &mut self.vetoed,
            Some(Outcome::Rejected) => &mut self.rejected,
            Some(Outcome::AdjudicatedOut) => &mut self.adjudicated_out,
            Some(Outcome::VotedOut) => &mut self.voted_out,
            Some(Outcome::Duplicate) => &mut self.duplicates,
            Some(Outcome::Surplus) => &mut self.surplus,
            Some(Outcome::Accepted) => &mut self.accepted,
        } += 1;
        self.instructions_reviewed += u64::from(!candidate.instruction_reviews.is_empty());
        self.responses_reviewed += u64::from(!candidate.response_reviews.is_empty());
        self.disputed += u64::from(candidate.decision == Some(Decision::Dispute));
        let adjudicated_out = candidate.outcome == Some(Outcome::AdjudicatedOut);
        // An adjudicator that let a candidate in is seen by its end: anything but adjudicated out.
        let settled = candidate.adjudication.is_some() && candidate.outcome.is_some();
        self.adjudicated_in += u64::from(settled && !adjudicated_out);
        // Of all tries, also of those whose retry was read: a stage's trouble shows before it ends candidates.
        for reply in &candidate.malformed {
            *self.malformed_replies.entry(reply.stage).or_default() += 1;
        }
        for call in &candidate.failed {
            *self.failed_calls.entry(call.stage).or_default() += 1;
        }
    }

    /// Share of the candidates that passed review and deduplication, in [0, 1]: accepted and surplus
    /// over all but the failed, of which the method knows no end. Counting the surplus makes the rate
    /// independent of the round's target. `None` without such candidates.
    #[must_use]
    pub fn acceptance_rate(&self) -> Option<f64> {
        let tried = self.candidates - self.failed;
        (tried > 0).then(|| (self.accepted + self.surplus) as f64 / tried as f64)
    }

    /// All malformed replies about candidates.
    #[must_use]
    pub fn malformed_replies_total(&self) -> u64 {
        self.malformed_replies.values().sum()
    }

    /// All failed calls about candidates.
    #[must_use]
    pub fn failed_calls_total(&self) -> u64 {
        self.failed_calls.values().sum()
    }
}

/// What a candidate goes back to: itself and the items of the pool that it was shown. Candidates that share one share
/// its subject and its wording; they depend on each other ([`crate::statistics::dependence`]), and so do a candidate and
/// one that was shown it.
///
/// What is estimated of a trial is conditional on the pools that its rounds drew from: an example of a later round
/// stands for itself, not for its own examples. How far trials lie apart whose pools differ is seen by running several
/// seeds (METHOD.md, E7).
#[must_use]
pub fn lineage(candidate: &Candidate) -> Vec<ItemId> {
    std::iter::once(candidate.id).chain(candidate.examples.iter().copied()).collect()
}

/// Calls and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls asked for.
    pub calls: u64,
    /// Of these, calls that an earlier variant of the same ablation had made.
    pub shared: u64,
    /// Tokens of all prompts, those of shared calls included.
    pub prompt_tokens: u64,
    /// Tokens of all replies, those of shared calls included.
    pub reply_tokens: u64,
}

impl Usage {
    /// Adds up calls.
    #[must_use]
    pub fn of(calls: &[CallFact]) -> Self {
        let mut usage = Self::default();
        for call in calls {
            usage.calls += 1;
            usage.shared += u64::from(call.shared);
            usage.prompt_tokens += u64::from(call.prompt_tokens);
            usage.reply_tokens += u64::from(call.reply_tokens);
        }
        usage
    }
}

/// Calls that a trial without economy would have made as well. Those of [`Usage::shared`]
/// are not among them: they were made once, by another variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Savings {
    /// Candidates that ended as duplicates before their first review, or before their response
    /// without reviewers.
    pub early_duplicates: u64,
    /// Calls that these would have had next: one per reviewer, or the response. Later ones depend on
    /// the answers and are not counted, so this is the least that was saved.
    pub after_early_duplicates: u64,
    /// Instruction reviews left out after a zero bit.
    pub after_veto: u64,
    /// Response reviews left out because tau was out of reach.
    pub after_bound: u64,
    /// Comments that no step reads: the replies ended with the scores.
    pub comments: u64,
}

impl Savings {
    /// Counts over a trial's candidates.
    #[must_use]
    pub fn of(candidates: &[Candidate]) -> Self {
        let mut savings = Self::default();
        for candidate in candidates {
            savings.count(candidate);
        }
        savings
    }

    fn count(&mut self, candidate: &Candidate) {
        let seats = candidate.roles.reviewers.len() as u64;
        match candidate.outcome {
            Some(Outcome::Duplicate) if candidate.response.is_none() => {
                self.early_duplicates += 1;
                // Without reviewers the response would have been the next call.
                self.after_early_duplicates += seats.max(1);
            }
            Some(Outcome::Vetoed) => {
                let reviews = candidate.instruction_reviews.iter().map(|review| review.seat);
                self.after_veto += seats - asked(candidate, Stage::InstructionReview, reviews);
            }
            Some(Outcome::Rejected) => {
                let reviews = candidate.response_reviews.iter().map(|review| review.seat);
                self.after_bound += seats - asked(candidate, Stage::ResponseReview, reviews);
            }
            _ => {}
        }
        // A comment that some step reads is always asked for with the scores.
        let scored = candidate.response_reviews.iter().chain(&candidate.adjudication);
        self.comments += scored.filter(|review| review.comment.is_none()).count() as u64;
    }

    /// Whether anything was left out.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How many seats were asked: those that reviewed, and those whose replies stayed malformed or whose calls
/// failed.
fn asked(candidate: &Candidate, stage: Stage, reviews: impl Iterator<Item = u8>) -> u64 {
    let malformed = candidate.malformed.iter().filter(|reply| reply.stage == stage);
    let failed = candidate.failed.iter().filter(|call| call.stage == stage);
    let unread = malformed.map(|reply| reply.seat).chain(failed.map(|call| call.seat));
    let seats: BTreeSet<u8> = reviews.chain(unread).collect();
    seats.len() as u64
}

#[cfg(test)]
pub(crate) mod tests;
