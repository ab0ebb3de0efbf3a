//! What a run shows while it works: bars on a terminal, plain lines elsewhere. Goes to standard
//! error, so that standard output stays for results.

mod goal;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use gra_analysis::foreign_text::plain;
use gra_llm::engine::ChunkProgress;
use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::request::Stage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;
use crate::trial::TrialId;
use goal::Goal;

/// Seconds between two plain lines of one stage.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// How much to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Nothing but errors.
    Quiet,
    /// Stages that ask an engine.
    #[default]
    Normal,
    /// Also stages that the store answers whole.
    Verbose,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

/// Shows a run.
#[derive(Debug)]
pub struct Progress {
    display: Display,
    verbosity: Verbosity,
    trial: String,
    round: u32,
    /// Of a trial.
    counts: Option<Counts>,
    /// Of a trial that ends with a number of samples.
    goal: Option<Goal>,
    stage: StageProgress,
}

/// Running counts of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    accepted: usize,
    rejected: usize,
    disputed: usize,
    failed: usize,
}

/// One stage under way.
#[derive(Debug)]
struct StageProgress {
    name: String,
    asked: usize,
    missing: usize,
    done: usize,
    tokens: u64,
    /// Chunks under way, by their places in the stage.
    chunks: BTreeMap<usize, ChunkProgress>,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// Bars when standard error is a terminal, else plain lines.
    #[must_use]
    pub fn new(verbosity: Verbosity) -> Self {
        let display = match verbosity {
            Verbosity::Quiet => Display::Nothing,
            _ if std::io::stderr().is_terminal() => {
                let bar =
                    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
                let style = "{prefix:.bold} [{bar:24.cyan/dim}] {pos}/{len} eta {eta} {msg}";
                let style = ProgressStyle::with_template(style);
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                Display::Bar(bar.with_finish(indicatif::ProgressFinish::AndClear))
            }
            _ => Display::Lines,
        };
        Self {
            display,
            verbosity,
            trial: String::new(),
            round: 0,
            counts: None,
            goal: None,
            stage: StageProgress::new(String::new(), 0, 0),
        }
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Says a line of its own, above any bar.
    pub fn say(&self, line: &str) {
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => bar.println(plain(line)),
            Display::Lines => terminal::say(line),
        }
    }

    /// Says lines from other threads, as [`Self::say`]; they do not keep a bar alive.
    pub(crate) fn voice(&self) -> Box<dyn Fn(&str) + Send + Sync> {
        match &self.display {
            Display::Nothing => Box::new(|_| {}),
            Display::Lines => Box::new(terminal::say),
            Display::Bar(bar) => {
                let bar = bar.downgrade();
                Box::new(move |line| match bar.upgrade() {
                    Some(bar) => bar.println(plain(line)),
                    None => terminal::say(line),
                })
            }
        }
    }

    /// `wanted`: the samples that the trial ends with, where it does.
    pub(crate) fn begin_trial(&mut self, id: &TrialId, wanted: Option<u32>) {
        self.trial = id.to_string();
        self.round = 0;
        self.counts = Some(Counts::default());
        self.goal = wanted.map(|wanted| Goal::new(wanted as usize));
    }

    /// Work outside any trial, under a name for people.
    pub(crate) fn begin_work(&mut self, name: &str) {
        name.clone_into(&mut self.trial);
        self.round = 0;
        self.counts = None;
        self.goal = None;
    }

    pub(crate) fn end_trial(&mut self) {
        let made = if let Some(goal) = &self.goal {
            goal.words(Instant::now())
        } else {
            let accepted = self.counts.unwrap_or_default().accepted;
            format!("{accepted} accepted in the last round")
        };
        self.say(&format!("{}: done, {made}", self.trial));
        self.goal = None;
    }

    /// The state of the round's candidates after a step.
    pub(crate) fn in_round(&mut self, round: u32, candidates: &[Candidate]) {
        self.round = round;
        if candidates.is_empty() {
            return;
        }
        let count = |of: &dyn Fn(&Candidate) -> bool| candidates.iter().filter(|c| of(c)).count();
        if let Some(goal) = &mut self.goal {
            goal.set(round, count(&Candidate::is_sample), Instant::now());
        }
        self.counts = Some(Counts {
            accepted: count(&|c| {
                c.outcome == Some(Outcome::Accepted)
                    || (c.outcome.is_none() && c.decision == Some(Decision::Accept))
            }),
            rejected: count(&|c| matches!(c.outcome, Some(Outcome::Rejected | Outcome::Vetoed))),
            disputed: count(&|c| c.decision == Some(Decision::Dispute)),
            failed: count(&|c| matches!(c.outcome, Some(Outcome::Failed { .. }))),
        });
    }

    /// A stage asks for `asked` replies, of which the store lacks `missing`.
    pub(crate) fn begin_stage(&mut self, stage: Stage, asked: usize, missing: usize) {
        let name = match stage {
            // Domain, summary and keywords of a seed item are asked for together.
            Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords => "annotation",
            stage => stage.name(),
        };
        if let Some(goal) = self.goal.as_mut().filter(|_| missing > 0) {
            goal.begin_paying(Instant::now());
        }
        self.stage = StageProgress::new(name.to_owned(), asked, missing);
        self.show();
    }

    pub(crate) fn begin_embedding(&mut self, missing: usize) {
        self.stage = StageProgress::new("embedding".to_owned(), missing, missing);
        self.show();
    }

    /// Passages are to be scored, of which the store lacks `missing`.
    pub(crate) fn begin_scoring(&mut self, what: &str, asked: usize, missing: usize) {
        self.stage = StageProgress::new(what.to_owned(), asked, missing);
        self.show();
    }

    pub(crate) fn embedded(&mut self, texts: usize) {
        self.stage.done += texts;
        self.show();
    }

    /// How far the chunk at this place of the stage is.
    pub(crate) fn in_chunk(&mut self, place: usize, so_far: ChunkProgress) {
        self.stage.chunks.insert(place, so_far);
        self.show();
    }

    pub(crate) fn end_chunk(&mut self, place: usize, replies: usize) {
        let last = self.stage.chunks.remove(&place).unwrap_or_default();
        self.stage.tokens += last.reply_tokens;
        self.stage.done += replies;
        self.show();
    }

    pub(crate) fn end_stage(&mut self) {
        if self.stage.missing > 0 || self.verbosity == Verbosity::Verbose {
            match &self.display {
                Display::Lines => self.say(&self.line()),
                Display::Bar(bar) if self.verbosity == Verbosity::Verbose => {
                    bar.println(self.line());
                }
                Display::Bar(_) | Display::Nothing => {}
            }
        }
    }

    fn show(&mut self) {
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                let done = self.stage.done + self.stage.under_way().replies;
                bar.set_prefix(format!("{} {}", self.place(), self.stage.name));
                bar.set_length(self.stage.missing as u64);
                bar.set_position(done as u64);
                bar.set_message(format!("{}{}", self.rate(), self.tally()));
                if done == 0 {
                    bar.reset_eta();
                }
            }
            Display::Lines => {
                if self.stage.last_line.elapsed() >= LINE_EVERY {
                    self.stage.last_line = Instant::now();
                    self.say(&self.line());
                }
            }
        }
    }

    fn place(&self) -> String {
        match self.round {
            0 => self.trial.clone(),
            round => format!("{} round {round}", self.trial),
        }
    }

    fn rate(&self) -> String {
        let seconds = self.stage.started.elapsed().as_secs_f64().max(0.001);
        let tokens = self.stage.tokens + self.stage.under_way().reply_tokens;
        if tokens == 0 {
            return String::new();
        }
        #[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
        let rate = tokens as f64 / seconds;
        format!("{rate:.0} tok/s")
    }

    fn tally(&self) -> String {
        let Some(Counts { accepted, rejected, disputed, failed }) = self.counts else {
            return String::new();
        };
        let failed = if failed > 0 { format!(" failed {failed}") } else { String::new() };
        if let Some(goal) = &self.goal {
            return format!(" | {}{failed}", goal.words(Instant::now()));
        }
        format!(" | accepted {accepted} rejected {rejected} disputed {disputed}{failed}")
    }

    fn line(&self) -> String {
        let StageProgress { name, asked, missing, done, started, .. } = &self.stage;
        let done = done + self.stage.under_way().replies;
        let seconds = started.elapsed().as_secs_f64();
        let left = match done {
            0 => String::new(),
            done if done == *missing => String::new(),
            done => {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let eta = seconds / done as f64 * (missing - done) as f64;
                format!(", eta {eta:.0} s")
            }
        };
        let stored = asked - missing;
        let rate = self.rate();
        let rate = if rate.is_empty() { rate } else { format!(", {rate}") };
        format!(
            "{} {name}: {done}/{missing} paid, {stored} from the store, {seconds:.1} s{left}{rate}{}",
            self.place(),
            self.tally()
        )
    }
}

impl StageProgress {
    fn new(name: String, asked: usize, missing: usize) -> Self {
        let now = Instant::now();
        Self {
            name,
            asked,
            missing,
            done: 0,
            tokens: 0,
            chunks: BTreeMap::new(),
            started: now,
            last_line: now,
        }
    }

    /// Of all chunks that have begun and are not done.
    fn under_way(&self) -> ChunkProgress {
        self.chunks.values().copied().sum()
    }
}
