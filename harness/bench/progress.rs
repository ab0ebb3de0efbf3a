//! What a run shows while it works: bars on a terminal, plain lines elsewhere. Goes to standard
//! error, so that standard output stays for results.

mod estimate;

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
use estimate::{EMBEDDING, Goal, STAGES, StageProgress, WholeProgress, place};

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
    work: Work,
    stage: StageProgress,
    /// Of an experiment's trials.
    whole: Option<WholeProgress>,
}

/// A trial, or work outside any.
#[derive(Debug, Default)]
struct Work {
    /// For people.
    name: String,
    round: u32,
    /// Of a trial.
    counts: Option<Counts>,
    /// Of a trial that ends with a number of samples.
    goal: Option<Goal>,
}

/// How far a program of others is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramProgress<'a> {
    /// What it works on.
    pub(crate) what: &'a str,
    pub(crate) done: u64,
    pub(crate) of: u64,
    /// `None` while it is not known.
    pub(crate) left: Option<Duration>,
    /// What it says besides; may be empty.
    pub(crate) note: &'a str,
}

/// Running counts of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    accepted: usize,
    rejected: usize,
    disputed: usize,
    failed: usize,
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
                // The bar is drawn here, so that parts of it can give way to the terminal's width.
                let style = ProgressStyle::with_template("{msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                Display::Bar(bar.with_finish(indicatif::ProgressFinish::AndClear))
            }
            _ => Display::Lines,
        };
        let stage = StageProgress::new("", None, 0, 0);
        Self { display, verbosity, work: Work::default(), stage, whole: None }
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Says a line of its own, above any bar.
    pub fn say(&self, line: &str) {
        self.voice()(line);
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

    /// So many trials follow, which are one work.
    pub(crate) fn begin_trials(&mut self, trials: usize) {
        self.whole = Some(WholeProgress::new(trials));
    }

    /// `wanted`: the samples that the trial ends with, where it does.
    pub(crate) fn begin_trial(&mut self, id: &TrialId, rounds: u32, wanted: Option<u32>) {
        if let Some(whole) = &mut self.whole {
            whole.begin_trial(rounds);
        }
        let goal = wanted.map(|wanted| Goal::new(wanted as usize));
        self.work = Work { name: id.to_string(), round: 0, counts: Some(Counts::default()), goal };
    }

    /// Work outside any trial, under a name for people.
    pub(crate) fn begin_work(&mut self, name: &str) {
        self.work = Work { name: name.to_owned(), ..Work::default() };
        self.whole = None;
    }

    pub(crate) fn end_trial(&mut self) {
        let accepted = self.work.counts.unwrap_or_default().accepted;
        let made = match self.work.goal.take() {
            Some(goal) => goal.words(),
            None => format!("{accepted} accepted in the last round"),
        };
        if let Some(whole) = &mut self.whole {
            whole.end_trial();
        }
        self.say(&format!("{}: done, {made}", self.work.name));
    }

    /// The state of the round's candidates after a step.
    pub(crate) fn in_round(&mut self, round: u32, candidates: &[Candidate]) {
        self.work.round = round;
        if candidates.is_empty() {
            return;
        }
        let count = |of: &dyn Fn(&Candidate) -> bool| candidates.iter().filter(|c| of(c)).count();
        if let Some(goal) = &mut self.work.goal {
            goal.set(round, count(&Candidate::is_sample), Instant::now());
        }
        self.work.counts = Some(Counts {
            // Before its round ends a candidate that passed may still turn out a duplicate.
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
        if let Some(goal) = self.work.goal.as_mut().filter(|_| missing > 0) {
            goal.begin_paying(Instant::now());
        }
        // Outside a trial a judge asks stages too, which have no place among those of a round.
        let place = self.work.counts.map(|_| place(stage));
        self.begin(StageProgress::new(name, place, asked, missing));
    }

    pub(crate) fn begin_embedding(&mut self, missing: usize) {
        let place = self.work.counts.map(|_| EMBEDDING);
        self.begin(StageProgress::new("embedding", place, missing, missing));
    }

    /// Passages are to be scored, of which the store lacks `missing`.
    pub(crate) fn begin_scoring(&mut self, what: &str, asked: usize, missing: usize) {
        self.begin(StageProgress::new(what, None, asked, missing));
    }

    fn begin(&mut self, stage: StageProgress) {
        self.stage = stage;
        self.show();
    }

    pub(crate) fn embedded(&mut self, texts: usize) {
        self.stage.done += texts;
        self.show();
    }

    /// How far a program of others is, in steps of its own, with what it says besides: a loss, a rate.
    pub(crate) fn of_program(&mut self, now: &ProgramProgress<'_>) {
        let ProgramProgress { what, done, of, left, note } = *now;
        let left = if done == of { "done".to_owned() } else { time_left(left) };
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        let line = format!("{what}: {done}/{of}, {left}{note}");
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => {
                bar.set_message(line.chars().take(terminal::width()).collect::<String>());
            }
            Display::Lines => {
                if done == of || self.stage.last_line.elapsed() >= LINE_EVERY {
                    self.stage.last_line = Instant::now();
                    self.say(&line);
                }
            }
        }
    }

    /// How far the chunk at this place of the stage is.
    pub(crate) fn in_chunk(&mut self, place: usize, so_far: ChunkProgress) {
        self.stage.chunks.insert(place, so_far);
        self.show();
    }

    pub(crate) fn end_chunk(&mut self, place: usize, replies: usize) {
        // What a chunk said last of itself counts for the stage from now on.
        let last = self.stage.chunks.remove(&place).unwrap_or_default();
        self.stage.tokens += last.reply_tokens;
        self.stage.done += replies;
        self.show();
    }

    pub(crate) fn end_stage(&mut self) {
        let is_verbose = self.verbosity == Verbosity::Verbose;
        match &self.display {
            Display::Lines if self.stage.missing > 0 || is_verbose => self.say(&self.line()),
            // The bar has shown it; a line stays when it moves on.
            Display::Bar(bar) if is_verbose => bar.println(self.line()),
            _ => {}
        }
    }

    fn show(&mut self) {
        let stage = &self.stage;
        let done = stage.done + stage.under_way().replies;
        if let Some(whole) = &mut self.whole {
            #[expect(clippy::cast_precision_loss, reason = "shown as a share")]
            let within = done as f64 / stage.missing.max(1) as f64;
            whole.advance(self.work.round, stage.place, within.min(1.0));
            if stage.missing > 0 {
                whole.begin_paying(stage.started);
            }
        }
        match &self.display {
            Display::Nothing => {}
            Display::Bar(bar) => bar.set_message(self.bar(terminal::width())),
            Display::Lines => {
                // The last line of a stage is said when it ends.
                if done < self.stage.missing && self.stage.last_line.elapsed() >= LINE_EVERY {
                    self.stage.last_line = Instant::now();
                    self.say(&self.line());
                }
            }
        }
    }

    /// The line of a terminal of so many columns. Where it is too long, the trial's name gives way first, then the bar,
    /// the tokens per second and the counts.
    fn bar(&self, width: usize) -> String {
        const BAR: usize = 20;
        let StageProgress { name, place, missing, .. } = &self.stage;
        let done = (self.stage.done + self.stage.under_way().replies).min(*missing);
        // Of what must be paid: what the store answers takes no time.
        let full = BAR * done / (*missing).max(1);
        // How many rounds a number of samples takes is not known, so no share of the whole is.
        let whole = self.whole.as_ref().filter(|_| self.work.goal.is_none());
        let share = whole.map(|whole| format!("{:.0}%", (100.0 * whole.share()).floor()));
        let left = match (&self.work.goal, whole) {
            (Some(goal), _) => goal.left(Instant::now()),
            (None, Some(whole)) => whole.left(),
            (None, None) => self.stage.left(),
        };
        let stage = place
            .map_or_else(|| name.clone(), |place| format!("stage {place} of {STAGES}, {name}"));
        let round = match self.work.round {
            0 => String::new(),
            round => format!("round {round}"),
        };
        // In the order of the line, each with how soon it gives way; 0: never.
        let parts = [
            (0, share.unwrap_or_default()),
            (4, plain(&self.work.name).into_owned()),
            (0, round),
            (0, stage),
            (3, format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))),
            (0, format!("{done}/{missing}")),
            (0, time_left(left)),
            (2, self.rate()),
            (u8::from(self.work.goal.is_none()), self.tally().trim_start().to_owned()),
        ];
        let line = |least: u8| {
            let kept = parts.iter().filter(|(rank, text)| *rank < least && !text.is_empty());
            kept.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
        };
        // Whole first, and then with less and less.
        let fits = (1..=5).rev().map(line).find(|line| line.chars().count() <= width);
        fits.unwrap_or_else(|| line(1).chars().take(width).collect())
    }

    fn rate(&self) -> String {
        let seconds = self.stage.started.elapsed().as_secs_f64().max(0.001);
        let tokens = self.stage.tokens + self.stage.under_way().reply_tokens;
        #[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
        let rate = tokens as f64 / seconds;
        // Embeddings and scores have no reply.
        if tokens == 0 { String::new() } else { format!("{rate:.0} tok/s") }
    }

    fn tally(&self) -> String {
        let Some(Counts { accepted, rejected, disputed, failed }) = self.work.counts else {
            return String::new();
        };
        let failed = if failed > 0 { format!(" failed {failed}") } else { String::new() };
        if let Some(goal) = &self.work.goal {
            return format!(" | {}{failed}", goal.words());
        }
        format!(" | accepted {accepted} rejected {rejected} disputed {disputed}{failed}")
    }

    fn line(&self) -> String {
        let StageProgress { name, asked, missing, done, started, .. } = &self.stage;
        let done = done + self.stage.under_way().replies;
        let seconds = started.elapsed().as_secs_f64();
        let left = match &self.work.goal {
            Some(goal) => goal.left(Instant::now()),
            None => self.stage.left().filter(|_| done < *missing),
        };
        let left = left.map_or_else(String::new, |left| format!(", {} left", rough(left)));
        let stored = asked - missing;
        let rate = self.rate();
        let rate = if rate.is_empty() { rate } else { format!(", {rate}") };
        let round = match self.work.round {
            0 => String::new(),
            round => format!(" round {round}"),
        };
        format!(
            "{}{round} {name}: {done}/{missing} paid, {stored} from the store, {seconds:.1} s{left}{rate}{}",
            self.work.name,
            self.tally()
        )
    }
}

/// `12 min left`.
fn time_left(left: Option<Duration>) -> String {
    left.map_or_else(|| "time left unknown".to_owned(), |left| format!("{} left", rough(left)))
}

/// `40 s`, `12 min`, `3.5 h`.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        short if short < 90.0 => format!("{short:.0} s"),
        middle if middle < 5_400.0 => format!("{:.0} min", middle / 60.0),
        long => format!("{:.1} h", long / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_and_the_name_and_the_bar_give_way_first() {
        let mut progress = Progress::new(Verbosity::Quiet);
        progress.begin_trials(4);
        let (experiment, variant) = ("ablation".to_owned(), "single-reviewer".to_owned());
        progress.begin_trial(&TrialId { experiment, variant, seed: 42 }, 2, None);
        progress.in_round(1, &[]);
        progress.begin_stage(Stage::Response, 40, 20);
        let line = |progress: &Progress, width| {
            let line = progress.bar(width);
            assert!(line.chars().count() <= width, "{line}");
            line
        };
        insta::assert_snapshot!(line(&progress, 200), @"5% ablation/single-reviewer/seed-42 round 1 stage 5 of 9, response [--------------------] 0/20 time left unknown | accepted 0 rejected 0 disputed 0");
        insta::assert_snapshot!(line(&progress, 120), @"5% round 1 stage 5 of 9, response [--------------------] 0/20 time left unknown | accepted 0 rejected 0 disputed 0");
        insta::assert_snapshot!(line(&progress, 100), @"5% round 1 stage 5 of 9, response 0/20 time left unknown | accepted 0 rejected 0 disputed 0");
        insta::assert_snapshot!(line(&progress, 60), @"5% round 1 stage 5 of 9, response 0/20 time left unknown");
        assert_eq!(line(&progress, 10).len(), 10);
        // A second trial begins where a quarter is done, and another wave takes nothing back.
        progress.end_trial();
        let share = |progress: &Progress| progress.whole.as_ref().map(WholeProgress::share);
        assert_eq!(share(&progress), Some(0.25));
        progress.begin_work("stats");
        progress.begin_scoring("loss", 10, 10);
        insta::assert_snapshot!(line(&progress, 100), @"stats loss [--------------------] 0/10 time left unknown");
    }
}
