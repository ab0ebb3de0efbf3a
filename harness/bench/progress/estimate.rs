//! How far a stage is, a trial that ends with a number of samples, and an experiment as a whole, and how long the rest
//! takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gra_llm::engine::ChunkProgress;
use gra_synth::request::Stage;

/// One stage under way.
#[derive(Debug)]
pub(super) struct StageProgress {
    pub(super) name: String,
    /// Among the [`STAGES`] of a round; `None` of work outside any trial.
    pub(super) place: Option<u8>,
    pub(super) asked: usize,
    pub(super) missing: usize,
    pub(super) done: usize,
    pub(super) tokens: u64,
    /// Chunks under way, by their places in the stage.
    pub(super) chunks: BTreeMap<usize, ChunkProgress>,
    pub(super) started: Instant,
    pub(super) last_line: Instant,
}

impl StageProgress {
    pub(super) fn new(name: &str, place: Option<u8>, asked: usize, missing: usize) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            place,
            asked,
            missing,
            done: 0,
            tokens: 0,
            chunks: BTreeMap::new(),
            started: now,
            last_line: now,
        }
    }

    /// Of the stage; `None` until a reply is there.
    pub(super) fn left(&self) -> Option<Duration> {
        let done = self.done + self.under_way().replies;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rest = self.missing.saturating_sub(done) as f64 / done as f64;
        (done > 0).then(|| self.started.elapsed().mul_f64(rest))
    }

    /// Of all chunks that have begun and are not done.
    pub(super) fn under_way(&self) -> ChunkProgress {
        self.chunks.values().copied().sum()
    }
}

/// Samples that are wanted, and those that there are.
#[derive(Debug)]
pub(super) struct Goal {
    wanted: usize,
    accepted: BTreeMap<u32, usize>,
    /// When the first call was paid, and how many samples there were: what the store answers says nothing of time.
    paying_since: Option<(Instant, usize)>,
    /// When the last samples came, and seconds that each has taken.
    last: Option<(Instant, f64)>,
}

impl Goal {
    pub(super) const fn new(wanted: usize) -> Self {
        Self { wanted, accepted: BTreeMap::new(), paying_since: None, last: None }
    }

    fn samples(&self) -> usize {
        self.accepted.values().sum()
    }

    /// Calls are about to be paid.
    pub(super) fn begin_paying(&mut self, now: Instant) {
        let samples = self.samples();
        self.paying_since.get_or_insert((now, samples));
    }

    /// A round has so many samples.
    pub(super) fn set(&mut self, round: u32, accepted: usize, now: Instant) {
        let before = self.samples();
        // A wave is told anew with those before it: the round's number takes the place of the earlier one.
        self.accepted.insert(round, accepted);
        let samples = self.samples();
        if let Some((since, had)) = self.paying_since
            && samples > before.max(had)
        {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let each = (now - since).as_secs_f64() / (samples - had) as f64;
            self.last = Some((now, each));
        }
    }

    pub(super) fn words(&self) -> String {
        format!("{} of {} samples", self.samples(), self.wanted)
    }

    /// Time for the rest; not told before a wave has brought samples.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.wanted.saturating_sub(self.samples());
        let (then, each) = self.last.filter(|_| left > 0)?;
        // Between two waves the clock runs down.
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = each * left as f64 - (now - then).as_secs_f64();
        Some(Duration::from_secs_f64(seconds.max(1.0)))
    }
}

/// How far an experiment is: every trial counts alike, every round of a trial, and every stage of a round.
#[derive(Debug)]
pub(super) struct WholeProgress {
    trials: usize,
    /// Trials that are done.
    done: usize,
    rounds: u32,
    /// From 0 to 1; does not fall where a round asks for another wave.
    share: f64,
    /// When the engine was first asked, and the share at that time.
    paid_since: Option<(Instant, f64)>,
}

impl WholeProgress {
    /// Least share that must have been paid for before the rest is estimated from it.
    const TOLD: f64 = 0.02;

    pub(super) const fn new(trials: usize) -> Self {
        Self { trials, done: 0, rounds: 1, share: 0.0, paid_since: None }
    }

    pub(super) const fn begin_trial(&mut self, rounds: u32) {
        self.rounds = rounds;
    }

    pub(super) fn end_trial(&mut self) {
        self.done += 1;
        self.advance(0, None, 0.0);
    }

    /// Calls are about to be paid: what the store answers says nothing of time.
    pub(super) fn begin_paying(&mut self, now: Instant) {
        self.paid_since.get_or_insert((now, self.share));
    }

    pub(super) const fn share(&self) -> f64 {
        self.share
    }

    pub(super) fn advance(&mut self, round: u32, stage: Option<u8>, within: f64) {
        // Places count from 1, and `within` is the share of the stage that is done.
        let stage =
            stage.map_or(0.0, |stage| (f64::from(stage) - 1.0 + within) / f64::from(STAGES));
        let round = f64::from(round.saturating_sub(1)) + stage;
        let trial = round / f64::from(self.rounds.max(1));
        #[expect(clippy::cast_precision_loss, reason = "counts of trials")]
        let share = (self.done as f64 + trial.min(1.0)) / self.trials.max(1) as f64;
        self.share = self.share.max(share.min(1.0));
    }

    /// `None` until enough was paid for.
    pub(super) fn left(&self) -> Option<Duration> {
        let (since, before) = self.paid_since?;
        let gained = self.share - before;
        (gained >= Self::TOLD)
            .then(|| since.elapsed().mul_f64((1.0 - self.share).max(0.0) / gained))
    }
}

/// Stages of a round that are counted: annotation, keywords, instruction and its review, response and its review,
/// adjudication (with the comments that it reads), embedding, summary.
pub(super) const STAGES: u8 = 9;

/// A stage's place among them.
pub(super) const fn place(stage: Stage) -> u8 {
    match stage {
        Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords => 1,
        Stage::Keywords => 2,
        Stage::Instruction => 3,
        Stage::InstructionReview => 4,
        Stage::Response => 5,
        Stage::ResponseReview => 6,
        Stage::ReviewComment | Stage::Adjudication => 7,
        Stage::Summary => STAGES,
    }
}

/// Between adjudication and summary.
pub(super) const EMBEDDING: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_once_samples_were_paid() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut goal = Goal::new(50);
        // The first ten came from the store.
        goal.set(1, 10, start);
        assert_eq!(goal.words(), "10 of 50 samples");
        goal.begin_paying(start);
        assert_eq!(goal.left(after(60)), None);
        goal.set(2, 4, after(80));
        assert_eq!(goal.words(), "14 of 50 samples");
        assert_eq!(goal.left(after(80)), Some(Duration::from_secs(720)));
        assert_eq!(goal.left(after(140)), Some(Duration::from_secs(660)));
        goal.set(2, 40, after(400));
        assert_eq!((goal.words(), goal.left(after(400))), ("50 of 50 samples".to_owned(), None));
    }
}
