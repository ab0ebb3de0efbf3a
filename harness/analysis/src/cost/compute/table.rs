//! The ledger of operations as CSV, Markdown and terminal text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Compute, CostSplit, Spending};
use crate::foreign_text::CsvWriter;
use crate::grid::{self, Align, Column, count, wrap};

const MISSING: &str = "-";

/// A line of the table.
struct Line {
    name: String,
    calls: CostSplit<Spending>,
    seconds: Option<CostSplit<f64>>,
}

/// The stages, their sum, and the sum without annotation where something was annotated.
fn lines(compute: &Compute) -> Vec<Line> {
    let mut lines: Vec<Line> = compute
        .stages
        .iter()
        .map(|(stage, calls)| Line {
            name: stage.to_string(),
            calls: *calls,
            seconds: compute.seconds.get(stage).copied(),
        })
        .collect();
    let (calls, seconds) = (compute.total(), compute.total_seconds());
    lines.push(Line { name: "total".to_owned(), calls, seconds });
    lines
}

impl Compute {
    /// Writes one line per stage, their sums and the teacher as CSV: a header, exact integers, an empty
    /// field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, trial: &str, writer: impl Write) -> io::Result<()> {
        let mut writer = CsvWriter::from_writer(writer);
        let teacher = self.teacher.spending;
        let more = [
            Line { name: "rounds".to_owned(), calls: self.rounds(), seconds: None },
            Line {
                name: "teacher".to_owned(),
                calls: CostSplit { all: teacher, own: teacher },
                seconds: None,
            },
        ];
        for (number, line) in lines(self).iter().chain(&more).enumerate() {
            let record = record(self, trial, line);
            if number == 0 {
                writer.write_record(record.iter().map(|(name, _)| name))?;
            }
            writer.write_record(record.iter().map(|(_, value)| value))?;
        }
        writer.flush()
    }

    /// A Markdown table, the comparison in a sentence, and how to read it.
    #[must_use]
    pub fn markdown(&self, trial: &str) -> String {
        let columns = grid::markdown(&columns(self));
        let mut out = format!("### {}\n\n{columns}\n{}\n\n", title(self, trial), comparison(self));
        for note in notes(self) {
            let _ = writeln!(out, "- {note}");
        }
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
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let whole = |value: Option<u128>| value.map_or_else(String::new, |value| value.to_string());
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
            ("prompt_flop", whole(spending.flop.map(|flop| flop.prompt))),
            ("reply_flop", whole(spending.flop.map(|flop| flop.reply))),
            ("flop_per_sample", number(compute.per_sample(spending.flop))),
            ("engine_s", number(seconds)),
        ];
        fields.extend(fields_of_kind.map(|(name, value)| (format!("{kind}{name}"), value)));
    }
    // Clock and energy are of the whole run: no stage has a part of them.
    let run = compute.run.filter(|_| line.name == "total");
    fields.push(("own_wall_s".to_owned(), number(run.map(|run| run.wall_seconds))));
    fields.push(("own_energy_j".to_owned(), number(run.and_then(|run| run.joules))));
    let ratio = compute.ratio().filter(|_| line.name == "rounds");
    fields.push(("times_teacher".to_owned(), number(ratio)));
    let assumed = compute.assumed.map(u128::from);
    fields.push(("assumed_parameters".to_owned(), whole(assumed)));
    let teacher = compute.teacher.parameters.to_string();
    fields.push(("teacher_parameters".to_owned(), teacher));
    fields
}

fn title(compute: &Compute, trial: &str) -> String {
    let plural = if compute.samples == 1 { "" } else { "s" };
    format!("{trial}: {} accepted sample{plural}", count(compute.samples))
}

fn columns(compute: &Compute) -> Vec<Column> {
    let lines = lines(compute);
    let column = |title: &str, cell: &dyn Fn(&Line) -> String| Column {
        title: title.to_owned(),
        cells: lines.iter().map(cell).collect(),
        align: Align::Right,
    };
    let seconds = |seconds: Option<f64>| seconds.map_or_else(missing, |s| format!("{s:.1}"));
    vec![
        Column { align: Align::Left, ..column("stage", &|line| line.name.clone()) },
        column("calls", &|line| count(line.calls.all.calls)),
        column("prompt\ntokens", &|line| count(line.calls.all.prompt_tokens)),
        column("reply\ntokens", &|line| count(line.calls.all.reply_tokens)),
        column("prompt\nFLOP", &|line| flop(line.calls.all.flop.map(|flop| flop.prompt))),
        column("reply\nFLOP", &|line| flop(line.calls.all.flop.map(|flop| flop.reply))),
        column("FLOP per\nsample", &|line| short(compute.per_sample(line.calls.all.flop))),
        column("engine\nseconds", &|line| seconds(line.seconds.map(|seconds| seconds.all))),
        column("own\ncalls", &|line| count(line.calls.own.calls)),
        column("own FLOP\nper sample", &|line| short(compute.per_sample(line.calls.own.flop))),
        column("own\nseconds", &|line| seconds(line.seconds.map(|seconds| seconds.own))),
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
    let mut notes = vec![
        "FLOP: two operations per parameter and token, attention left out; prompt tokens as asked for, \
         although an engine may evaluate a stage's role prompt once for a whole batch."
            .to_owned(),
        "The comparison leaves seed annotation out, which both need, and counts the teacher's tokens as \
         the pool's models counted them."
            .to_owned(),
        "own: without calls that an earlier variant of the experiment had made, whose replies the store \
         had."
            .to_owned(),
        "Engine seconds are those of the chunks that answered, on the machine that ran them.".to_owned(),
        run(compute),
    ];
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
    let seconds =
        format!("The run that paid for its own calls took {:.1} wall seconds", run.wall_seconds);
    match run.joules {
        Some(joules) => {
            format!("{seconds} and {joules:.0} J of the processors, all that ran on them included.")
        }
        None => format!(
            "{seconds}. Energy is not known: the machine has no counter that the run could read."
        ),
    }
}

fn missing() -> String {
    MISSING.to_owned()
}

fn flop(value: Option<u128>) -> String {
    short(value.map(|value| value as f64))
}

/// `3.10e14`.
fn short(value: Option<f64>) -> String {
    value.map_or_else(
        missing,
        |value| if value > 0.0 { format!("{value:.2e}") } else { "0".to_owned() },
    )
}

/// Two significant digits, as a plain number.
fn significant(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// `72.7 billion parameters`, `135 million parameters`.
fn billions(parameters: u64) -> String {
    let parameters = parameters as f64;
    if parameters >= 1e9 {
        format!("{} billion parameters", three_digits(parameters / 1e9))
    } else {
        format!("{} million parameters", three_digits(parameters / 1e6))
    }
}

fn three_digits(value: f64) -> String {
    let text = if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
