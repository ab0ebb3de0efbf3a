//! The grid as CSV, Markdown and terminal text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Acceptance, Rescored, Rule, RuleOutcome};
use crate::foreign_text::CsvWriter;
use crate::grid::{self, Align, Column, count, wrap};
use crate::statistics::inference::{self, Estimate};

const MISSING: &str = "-";

impl Rescored {
    /// Writes the recorded cell and the grid as CSV: a header, one line per rule, full precision, an
    /// empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = CsvWriter::from_writer(writer);
        writer.write_record(record(self, &self.recorded, true).map(|(name, _)| name))?;
        writer.write_record(record(self, &self.recorded, true).map(|(_, value)| value))?;
        for cell in &self.cells {
            writer.write_record(record(self, cell, false).map(|(_, value)| value))?;
        }
        writer.flush()
    }

    /// The grid as a Markdown table, and how to read it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("{}\n\n{}\n", as_run(self), grid::markdown(&columns(self)));
        for note in notes(self) {
            let _ = writeln!(out, "- {note}");
        }
        out
    }

    /// The grid as aligned columns, and how to read it.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut out = String::new();
        wrap(&mut out, &as_run(self));
        let _ = writeln!(out, "\n{}", grid::terminal(&columns(self)));
        for note in notes(self) {
            wrap(&mut out, &note);
        }
        out
    }
}

/// Names and values side by side, so that header and lines cannot come apart.
fn record(grid: &Rescored, cell: &RuleOutcome, as_run: bool) -> [(&'static str, String); 23] {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let RuleOutcome { rule, acceptance: Acceptance { least, most }, judge, .. } = cell;
    let low = |estimate: &Estimate| number(estimate.interval.map(|interval| interval.low));
    let high = |estimate: &Estimate| number(estimate.interval.map(|interval| interval.high));
    [
        ("as_run", as_run.to_string()),
        ("tau", rule.tau.to_string()),
        ("delta", rule.delta.to_string()),
        ("reviewers", rule.reviewers.to_string()),
        ("dispute", rule.dispute.name().to_owned()),
        ("cosine_limit", rule.cosine_limit.to_string()),
        ("candidates", grid.candidates.to_string()),
        ("decided", cell.decided.to_string()),
        ("disputed", cell.disputed.to_string()),
        ("overturned", cell.overturned.to_string()),
        ("duplicates", cell.duplicates.to_string()),
        ("failed", cell.failed.to_string()),
        ("accepted", cell.accepted.to_string()),
        ("unknown", cell.unknown.to_string()),
        ("acceptance_least", number(least.value)),
        ("acceptance_most", number(most.value)),
        ("acceptance_low", low(least)),
        ("acceptance_high", high(most)),
        ("judged", cell.judged.to_string()),
        ("mean_judge", number(judge.value)),
        ("mean_judge_low", low(judge)),
        ("mean_judge_high", high(judge)),
        ("knowledge", cell.knowledge.name().to_owned()),
    ]
}

/// The recorded rule and what it gave.
fn as_run(grid: &Rescored) -> String {
    let Rule { tau, delta, reviewers, dispute, cosine_limit } = grid.recorded.rule;
    format!(
        "As run: tau {tau}, delta {delta}, {reviewers} reviewers, dispute {}, cosine limit \
         {cosine_limit}: {} of {} candidates passed, {}.",
        dispute.name(),
        count(grid.recorded.accepted),
        count(grid.candidates),
        rate(&grid.recorded.acceptance),
    )
}

fn columns(grid: &Rescored) -> Vec<Column> {
    let column = |title: &str, cell: &dyn Fn(&RuleOutcome) -> String| Column {
        title: title.to_owned(),
        cells: grid.cells.iter().map(cell).collect(),
        align: Align::Right,
    };
    // An axis that stays at the recorded value is said once, above the table.
    let varies = |differs: &dyn Fn(&Rule, &Rule) -> bool| {
        grid.cells.iter().any(|cell| differs(&cell.rule, &grid.recorded.rule))
    };
    // What names a row stands on the left, and again where a table is broken into blocks.
    let rule = |title: &str, cell: &dyn Fn(&RuleOutcome) -> String| Column {
        align: Align::Left,
        ..column(title, cell)
    };
    let mut columns = vec![
        rule("tau", &|cell| cell.rule.tau.to_string()),
        rule("delta", &|cell| cell.rule.delta.to_string()),
    ];
    if varies(&|a, b| a.reviewers != b.reviewers) {
        columns.push(rule("reviewers", &|cell| cell.rule.reviewers.to_string()));
    }
    if varies(&|a, b| a.dispute != b.dispute) {
        columns.push(rule("dispute", &|cell| cell.rule.dispute.name().to_owned()));
    }
    if varies(&|a, b| a.cosine_limit.total_cmp(&b.cosine_limit).is_ne()) {
        columns.push(rule("cosine\nlimit", &|cell| cell.rule.cosine_limit.to_string()));
    }
    columns.extend([
        column("decided", &|cell| count(cell.decided)),
        column("disputed", &|cell| count(cell.disputed)),
        column("over-\nturned", &|cell| count(cell.overturned)),
        column("dupli-\ncates", &|cell| count(cell.duplicates)),
        column("failed", &|cell| count(cell.failed)),
        column("accepted", &|cell| count(cell.accepted)),
        column("unknown", &|cell| count(cell.unknown)),
        column("acceptance", &|cell| rate(&cell.acceptance)),
    ]);
    if grid.cells.iter().any(|cell| cell.judged > 0) {
        columns.push(column("judge", &|cell| judge(cell)));
    }
    let knowledge = column("knowledge", &|cell| cell.knowledge.name().to_owned());
    columns.push(Column { align: Align::Left, ..knowledge });
    columns
}

/// `0.42 [0.30, 0.55]`, or `0.42-0.50 [0.30, 0.62]` between bounds.
fn rate(acceptance: &Acceptance) -> String {
    let Acceptance { least, most } = acceptance;
    let (Some(low), Some(high)) = (least.value, most.value) else { return MISSING.to_owned() };
    let value = if low < high { format!("{low:.2}-{high:.2}") } else { format!("{low:.2}") };
    match (least.interval, most.interval) {
        (Some(least), Some(most)) => format!("{value} [{:.2}, {:.2}]", least.low, most.high),
        _ => value,
    }
}

fn judge(cell: &RuleOutcome) -> String {
    let Some(value) = cell.judge.value else { return MISSING.to_owned() };
    match cell.judge.interval {
        Some(interval) => {
            format!("{value:.2} [{:.2}, {:.2}], n {}", interval.low, interval.high, cell.judged)
        }
        None => format!("{value:.2}, n {}", cell.judged),
    }
}

/// How to read the grid, a sentence or two each.
fn notes(grid: &Rescored) -> Vec<String> {
    let mut notes = vec![
        "acceptance: passed review and deduplication, surplus included, over all candidates drawn but the \
         failed ones. decided: the committee's decision is known. overturned: disputed and dropped, against the \
         committee's mean."
            .to_owned(),
        "A run under another rule would draw fewer or more waves until its target is met.".to_owned(),
        format!("Brackets: {}; not corrected for the number of rules.", inference::INTERVALS),
    ];
    let sentence = |kind: super::Knowledge| format!("{}: {}", kind.name(), kind.sentence());
    notes.extend(grid.knowledge().into_iter().map(sentence));
    notes
}
