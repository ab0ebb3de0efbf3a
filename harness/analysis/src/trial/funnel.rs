//! What became of a trial's candidates: one count per way to end, and the committee's scores.

use std::collections::BTreeMap;

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::request::Stage;

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
        let ratio = |part: u64, whole: u64| part as f64 / whole as f64;
        let tried = self.candidates - self.failed;
        (tried > 0).then(|| ratio(self.accepted + self.surplus, tried))
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
