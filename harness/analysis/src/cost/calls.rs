//! What calls a trial asked for, and which of them economy left out (METHOD.md, section 3), counted from recorded
//! facts.
//!
//! Counts what the method asked for. What was paid to an engine, and how long that took, depends on
//! the machine and on what its store already held; the shell measures that
//! ([`crate::ablation::RunCost`]).

use std::collections::BTreeSet;

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::request::Stage;

use crate::trial::CallFact;

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
mod tests {
    use gra_synth::candidate::MalformedReply;
    use gra_synth::form::Malformed;

    use super::*;
    use crate::trial_by_hand::{accepted, id, rejected, vetoed, written};

    #[test]
    fn each_saving_is_counted_once() {
        let mut early = written(0);
        early.response = None;
        early.outcome = Some(Outcome::Duplicate);
        let mut alone = early.clone();
        alone.id = id(1);
        alone.roles.reviewers.clear();
        let mut vetoed = vetoed(2);
        vetoed.instruction_reviews.truncate(1);
        // Asked twice and given up on: a seat all the same.
        for attempt in 0..2 {
            let (stage, reason) = (Stage::InstructionReview, Malformed::NoTags);
            vetoed.malformed.push(MalformedReply { stage, seat: 1, attempt, reason });
        }
        let mut hopeless = rejected(3);
        hopeless.response_reviews.truncate(2);
        hopeless.response_reviews[0].comment = None;
        let expected = Savings {
            early_duplicates: 2,
            after_early_duplicates: 4,
            after_veto: 1,
            after_bound: 1,
            comments: 1,
        };
        assert_eq!(Savings::of(&[early, alone, vetoed, hopeless, accepted(4)]), expected);
        assert!(Savings::of(&[accepted(4), rejected(5)]).is_none());
    }
}
