//! What the recorded reviews of one candidate say under a rule: review, decision and dispute, before it
//! is compared with others.

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::{Decision, Scores, Tally, majority_reaches};
use gra_synth::form::Malformed;
use gra_synth::request::Stage;
use gra_synth::variant::DisputeRule;

use super::{NotRecorded, Rule};

/// A candidate's fate as far as reviews go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The committee's, where it is known.
    pub(super) decision: Option<Decision>,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Wants to join the target pool, with this sum of scores.
    Passed {
        score: u32,
    },
    Out(Outcome),
    Unknown(NotRecorded),
}

impl Word {
    const fn before_decision(end: End) -> Self {
        Self { decision: None, end }
    }

    const fn out(outcome: Outcome) -> Self {
        Self::before_decision(End::Out(outcome))
    }

    const fn unknown(missing: NotRecorded) -> Self {
        Self::before_decision(End::Unknown(missing))
    }
}

/// `retries` of the method: a seat that was asked so often after its first try has given up.
pub(super) fn word(candidate: &Candidate, rule: &Rule, retries: u8) -> Word {
    let table = Table { candidate, rule, retries };
    match candidate.outcome {
        None => Word::unknown(NotRecorded::Outcome),
        // Before any review.
        Some(outcome) if outcome == Outcome::RepeatedKeywords || is_lost_at(outcome, &WRITING) => {
            Word::out(outcome)
        }
        Some(Outcome::Duplicate) if candidate.response.is_none() => {
            Word::unknown(NotRecorded::Reviews)
        }
        Some(outcome) => table.instruction_review(outcome).unwrap_or_else(|| {
            if candidate.response.is_some() {
                table.response_review()
            } else if is_lost_at(outcome, &[Stage::Response]) {
                Word::out(outcome)
            } else {
                Word::unknown(NotRecorded::Response)
            }
        }),
    }
}

/// Whether review lets a response pass under a rule; `None` where the record does not say, as for a dispute that went to
/// no adjudicator, and where a reply could not be read.
pub(crate) fn lets_pass(candidate: &Candidate, rule: &Rule) -> Option<bool> {
    // A seat that gave up is none that was spared: neither says anything, so no number of retries is asked for.
    match word(candidate, rule, u8::MAX).end {
        End::Passed { .. } => Some(true),
        End::Out(Outcome::Malformed { .. } | Outcome::Failed { .. }) | End::Unknown(_) => None,
        End::Out(_) => Some(false),
    }
}

/// Stages before any review, and those that settle a dispute.
const WRITING: [Stage; 2] = [Stage::Keywords, Stage::Instruction];
const SETTLING: [Stage; 2] = [Stage::ReviewComment, Stage::Adjudication];

/// Whether a candidate ended for want of a reply at one of these stages.
fn is_lost_at(outcome: Outcome, stages: &[Stage]) -> bool {
    match outcome {
        Outcome::Malformed { stage } | Outcome::Failed { stage } => stages.contains(&stage),
        _ => false,
    }
}

/// The first seats of a candidate's committee.
struct Table<'a> {
    candidate: &'a Candidate,
    rule: &'a Rule,
    retries: u8,
}

impl Table<'_> {
    /// Whether the rule's committee is the candidate's whole one.
    fn is_whole(&self) -> bool {
        usize::from(self.rule.reviewers) == self.candidate.roles.reviewers.len()
    }

    /// How a stage ends the candidate where a seat that the rule hears has no review: its replies stayed malformed, or
    /// its call failed.
    fn lost(&self, stage: Stage) -> Option<Word> {
        let is_heard = |of: Stage, seat: u8| of == stage && seat < self.rule.reviewers;
        let gave_up = self.candidate.malformed.iter().any(|reply| {
            // A prompt that is too long is so at every try.
            let last = reply.attempt == self.retries || reply.reason == Malformed::PromptTooLong;
            is_heard(reply.stage, reply.seat) && last
        });
        let failed = self.candidate.failed.iter().any(|call| is_heard(call.stage, call.seat));
        if gave_up {
            Some(Word::out(Outcome::Malformed { stage }))
        } else {
            failed.then_some(Word::out(Outcome::Failed { stage }))
        }
    }

    /// How the instruction review ends the candidate; `None` when it goes on.
    fn instruction_review(&self, outcome: Outcome) -> Option<Word> {
        let stage = Stage::InstructionReview;
        if self.is_whole() {
            // Bits do not depend on what a rule changes.
            let ended = outcome == Outcome::Vetoed || is_lost_at(outcome, &[stage]);
            return ended.then_some(Word::out(outcome));
        }
        let reviews = &self.candidate.instruction_reviews;
        let heard = || reviews.iter().filter(|review| review.seat < self.rule.reviewers);
        if heard().any(|review| review.bits.contains(&false)) {
            return Some(Word::out(Outcome::Vetoed));
        }
        let spared = heard().count() < usize::from(self.rule.reviewers);
        self.lost(stage).or_else(|| spared.then_some(Word::unknown(NotRecorded::Reviews)))
    }

    fn response_review(&self) -> Word {
        let Rule { tau, delta, reviewers, dispute, .. } = *self.rule;
        let reviews = self.candidate.response_reviews.iter();
        let heard = reviews.filter(|review| review.seat < reviewers);
        let scores: Vec<Scores> = heard.map(|review| review.scores).collect();
        let tally = Tally::from_scores(scores.iter().copied());
        let (Some(tally), 0) = (tally, usize::from(reviewers) - scores.len()) else {
            return self.broken_off(tally);
        };
        let decision = tally.decide(tau, delta);
        let passed = End::Passed { score: tally.sum };
        let end = match (decision, dispute) {
            (Decision::Reject, _) => End::Out(Outcome::Rejected),
            (Decision::Accept, _) | (Decision::Dispute, DisputeRule::Accept) => passed,
            (Decision::Dispute, DisputeRule::MajorityVote) if majority_reaches(&scores, tau) => {
                passed
            }
            (Decision::Dispute, DisputeRule::MajorityVote) => End::Out(Outcome::VotedOut),
            (Decision::Dispute, DisputeRule::Adjudicator) => self.adjudication(passed),
        };
        Word { decision: Some(decision), end }
    }

    /// Some seats have no scores: they stayed malformed, their calls failed, or they were spared.
    fn broken_off(&self, tally: Option<Tally>) -> Word {
        if let Some(word) = self.lost(Stage::ResponseReview) {
            return word;
        }
        // Even top scores from the missing seats would leave the mean below tau.
        let hopeless = tally.is_some_and(|tally| {
            let left = u32::from(self.rule.reviewers) - tally.reviewers;
            tally.cannot_reach(left, self.rule.tau)
        });
        if hopeless {
            Word { decision: Some(Decision::Reject), end: End::Out(Outcome::Rejected) }
        } else {
            Word::unknown(NotRecorded::Reviews)
        }
    }

    /// The adjudicator read the comments of the whole committee; after fewer it may say something else,
    /// and a smaller committee has another one.
    fn adjudication(&self, passed: End) -> End {
        let unknown = End::Unknown(NotRecorded::Adjudication);
        match (&self.candidate.adjudication, self.candidate.outcome) {
            _ if !self.is_whole() => unknown,
            (Some(word), _) if word.scores.reach(self.rule.tau) => passed,
            (Some(_), _) => End::Out(Outcome::AdjudicatedOut),
            // The dispute was one under the recorded rule too, and was not settled.
            (None, Some(outcome)) if is_lost_at(outcome, &SETTLING) => End::Out(outcome),
            (None, _) => unknown,
        }
    }
}
