//! The ledger of operations as CSV, Markdown and terminal text.

use std::io::{self, Write};

use super::{Compute, CostSplit, Spending};
use crate::foreign_text::{field, write_lines};
use crate::grid::{self, Column, count, left, list, or_missing, right, wrap};

/// A line of the table.
struct Line {
    name: String,
    calls: CostSplit<Spending>,
    seconds: Option<CostSplit<f64>>,
}

/// The stages and their sum.
fn lines(compute: &Compute) -> Vec<Line> {
    let stages = compute.stages.iter().map(|(stage, calls)| {
        let seconds = compute.seconds.get(stage).copied();
        Line { name: stage.to_string(), calls: *calls, seconds }
    });
    let (calls, seconds) = (compute.total(), compute.total_seconds());
    stages.chain([Line { name: "total".to_owned(), calls, seconds }]).collect()
}

impl Compute {
    /// Writes one line per stage, their sums and the teacher as CSV: a header, exact integers, an empty
    /// field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, trial: &str, writer: impl Write) -> io::Result<()> {
        let teacher = self.teacher.spending;
        let teacher = CostSplit { all: teacher, own: teacher };
        let more = [("rounds", self.rounds()), ("teacher", teacher)];
        let more = more.map(|(name, calls)| Line { name: name.to_owned(), calls, seconds: None });
        let lines = lines(self).into_iter().chain(more);
        write_lines(writer, lines.map(|line| record(self, trial, &line)))
    }

    /// A Markdown table, the comparison in a sentence, and how to read it.
    #[must_use]
    pub fn markdown(&self, trial: &str) -> String {
        let columns = grid::markdown(&columns(self));
        let mut out = format!("### {}\n\n{columns}\n{}\n\n", title(self, trial), comparison(self));
        list(&mut out, &notes(self));
        out
    }

    /// The same as aligned columns for a terminal.
    #[must_use]
    pub fn terminal(&self, trial: &str) -> String {
        let mut out = format!("{}\n\n{}\n", title(self, trial), grid::terminal(&columns(self)));
        wrap(&mut out, &comparison(self));
        out.push('\n');
        for note in notes(self) {
            wrap(&mut out, &note);
        }
        out
    }
}

fn record(compute: &Compute, trial: &str, line: &Line) -> Vec<(String, String)> {
    let mut fields = vec![
        ("trial".to_owned(), trial.to_owned()),
        ("stage".to_owned(), line.name.clone()),
        ("samples".to_owned(), compute.samples.to_string()),
    ];
    let CostSplit { all, own } = line.calls;
    let seconds = line.seconds;
    let kinds = [("", all, seconds.map(|s| s.all)), ("own_", own, seconds.map(|s| s.own))];
    for (kind, spending, seconds) in kinds {
        let fields_of_kind = [
            ("calls", spending.calls.to_string()),
            ("prompt_tokens", spending.prompt_tokens.to_string()),
            ("reply_tokens", spending.reply_tokens.to_string()),
            ("prompt_flop", field(spending.flop.map(|flop| flop.prompt))),
            ("reply_flop", field(spending.flop.map(|flop| flop.reply))),
            ("flop_per_sample", field(compute.per_sample(spending.flop))),
            ("engine_s", field(seconds)),
        ];
        fields.extend(fields_of_kind.map(|(name, value)| (format!("{kind}{name}"), value)));
    }
    // Clock and energy are of the whole run: no stage has a part of them.
    let run = compute.run.filter(|_| line.name == "total");
    let ratio = compute.ratio().filter(|_| line.name == "rounds");
    let of_trial = [
        ("own_wall_s", field(run.map(|run| run.wall_seconds))),
        ("own_energy_j", field(run.and_then(|run| run.joules))),
        ("times_teacher", field(ratio)),
        ("assumed_parameters", field(compute.assumed)),
        ("teacher_parameters", compute.teacher.parameters.to_string()),
    ];
    fields.extend(of_trial.map(|(name, value)| (name.to_owned(), value)));
    fields
}

fn title(compute: &Compute, trial: &str) -> String {
    let plural = if compute.samples == 1 { "" } else { "s" };
    format!("{trial}: {} accepted sample{plural}", count(compute.samples))
}

fn columns(compute: &Compute) -> Vec<Column> {
    let lines = lines(compute);
    let lines = lines.as_slice();
    let seconds = |seconds: Option<f64>| or_missing(seconds, |seconds| format!("{seconds:.1}"));
    vec![
        left("stage", lines, |line| line.name.clone()),
        right("calls", lines, |line| count(line.calls.all.calls)),
        right("prompt\ntokens", lines, |line| count(line.calls.all.prompt_tokens)),
        right("reply\ntokens", lines, |line| count(line.calls.all.reply_tokens)),
        right("prompt\nFLOP", lines, |line| flop(line.calls.all.flop.map(|flop| flop.prompt))),
        right("reply\nFLOP", lines, |line| flop(line.calls.all.flop.map(|flop| flop.reply))),
        right("FLOP per\nsample", lines, |line| short(compute.per_sample(line.calls.all.flop))),
        right("engine\nseconds", lines, |line| seconds(line.seconds.map(|seconds| seconds.all))),
        right("own\ncalls", lines, |line| count(line.calls.own.calls)),
        right("own FLOP\nper sample", lines, |line| short(compute.per_sample(line.calls.own.flop))),
        right("own\nseconds", lines, |line| seconds(line.seconds.map(|seconds| seconds.own))),
    ]
}

/// The paper's claim in numbers, as far as they exist.
fn comparison(compute: &Compute) -> String {
    let teacher = compute.teacher;
    let size = billions(teacher.parameters);
    if compute.samples == 0 {
        return format!(
            "No sample was accepted: there is nothing that a teacher of {size} could write."
        );
    }
    // Seed annotation is left out on both sides: a teacher would need it too.
    let rounds = compute.rounds().all;
    let (Some(ratio), Some(own)) = (compute.ratio(), compute.per_sample(rounds.flop)) else {
        let unstated: Vec<String> = compute.unstated.iter().map(ToString::to_string).collect();
        return format!(
            "No comparison with a teacher of {size}: the pool states no number of parameters for {}.",
            unstated.join(", ")
        );
    };
    let whose = compute.assumed.map_or_else(
        || "this pool".to_owned(),
        |count| format!("a pool of models of {}", billions(count)),
    );
    // Said in the direction in which the factor is above 1.
    let verdict = if ratio < 1.0 {
        let (times, orders) = (significant(1.0 / ratio), -ratio.log10());
        format!("The teacher takes {times} times as much, {orders:.1} orders of magnitude.")
    } else {
        format!("The rounds take {} times as much as the teacher.", significant(ratio))
    };
    format!(
        "With {whose} the rounds take {} FLOP per accepted sample, rejected candidates included. A \
         teacher of {size} that writes the same samples by Prompts 4, 5 and 7, each once and unreviewed, \
         takes {}. {verdict}",
        short(Some(own)),
        short(compute.per_sample(teacher.spending.flop)),
    )
}

fn notes(compute: &Compute) -> Vec<String> {
    let notes = [
        "FLOP: two operations per parameter and token, attention left out; prompt tokens as asked for, \
         although an engine may evaluate a stage's role prompt once for a whole batch.",
        "The comparison leaves seed annotation out, which both need, and counts the teacher's tokens as \
         the pool's models counted them.",
        "own: without calls that an earlier variant of the experiment had made, whose replies the store \
         had.",
        "Engine seconds are those of the chunks that answered, on the machine that ran them.",
    ];
    let mut notes: Vec<String> = notes.map(str::to_owned).to_vec();
    notes.push(run(compute));
    if !compute.unstated.is_empty() {
        let unstated: Vec<String> = compute.unstated.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "Unknown operations are those of {}: the pool states no number of parameters.",
            unstated.join(", ")
        ));
    }
    notes
}

/// Wall seconds and energy, or why they are not known.
fn run(compute: &Compute) -> String {
    let Some(run) = compute.run else {
        return "Wall seconds and energy are not known: the last run did not pay for all of these calls, \
                or its seed-N.measured.csv is gone."
            .to_owned();
    };
    let energy = run.joules.map_or_else(
        || ". Energy is not known: the machine has no counter that the run could read.".to_owned(),
        |joules| format!(" and {joules:.0} J of the processors, all that ran on them included."),
    );
    format!("The run that paid for its own calls took {:.1} wall seconds{energy}", run.wall_seconds)
}

fn flop(value: Option<u128>) -> String {
    short(value.map(|value| value as f64))
}

/// `3.10e14`.
fn short(value: Option<f64>) -> String {
    or_missing(value, |value| if value > 0.0 { format!("{value:.2e}") } else { "0".to_owned() })
}

/// Two significant digits, as a plain number.
fn significant(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// `72.7 billion parameters`, `135 million parameters`.
fn billions(parameters: u64) -> String {
    let parameters = parameters as f64;
    let (unit, word) = if parameters >= 1e9 { (1e9, "billion") } else { (1e6, "million") };
    format!("{} {word} parameters", three_digits(parameters / unit))
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        _ if value < 10.0 => 2,
        _ if value < 100.0 => 1,
        _ => return format!("{value:.0}"),
    };
    // Zeros behind the point say nothing about a size.
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
