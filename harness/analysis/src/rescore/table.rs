//! The grid as CSV, Markdown and terminal text.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Acceptance, Knowledge, Rescored, Rule, RuleOutcome};
use crate::foreign_text::{field, write_lines};
use crate::grid::{self, Column, MISSING, count, left, list, right, wrap};
use crate::statistics::inference;

impl Rescored {
    /// Writes the recorded cell and the grid as CSV: a header, one line per rule, full precision, an
    /// empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        let grid = self.cells.iter().map(|cell| record(self, cell, false));
        let as_run = std::iter::once(record(self, &self.recorded, true));
        write_lines(writer, as_run.chain(grid))
    }

    /// The grid as a Markdown table, and how to read it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("{}\n\n{}\n", as_run(self), grid::markdown(&columns(self)));
        list(&mut out, &notes(self));
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

/// The fields of a cell.
fn record(grid: &Rescored, cell: &RuleOutcome, as_run: bool) -> [(&'static str, String); 23] {
    let RuleOutcome { rule, acceptance: Acceptance { least, most }, judge, .. } = cell;
    let [judge_low, judge_high] = judge.ends();
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
        ("acceptance_least", field(least.value)),
        ("acceptance_most", field(most.value)),
        // From the low end of the lower bound to the high end of the upper one.
        ("acceptance_low", field(least.ends()[0])),
        ("acceptance_high", field(most.ends()[1])),
        ("judged", cell.judged.to_string()),
        ("mean_judge", field(judge.value)),
        ("mean_judge_low", field(judge_low)),
        ("mean_judge_high", field(judge_high)),
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
    let cells = &grid.cells;
    // An axis that stays at the recorded value is said once, above the table.
    let varies = |differs: &dyn Fn(&Rule, &Rule) -> bool| {
        cells.iter().any(|cell| differs(&cell.rule, &grid.recorded.rule))
    };
    // What names a row stands on the left, and again where a table is broken into blocks.
    let mut columns = vec![
        left("tau", cells, |cell| cell.rule.tau.to_string()),
        left("delta", cells, |cell| cell.rule.delta.to_string()),
    ];
    if varies(&|a, b| a.reviewers != b.reviewers) {
        columns.push(left("reviewers", cells, |cell| cell.rule.reviewers.to_string()));
    }
    if varies(&|a, b| a.dispute != b.dispute) {
        columns.push(left("dispute", cells, |cell| cell.rule.dispute.name().to_owned()));
    }
    if varies(&|a, b| a.cosine_limit.total_cmp(&b.cosine_limit).is_ne()) {
        columns.push(left("cosine\nlimit", cells, |cell| cell.rule.cosine_limit.to_string()));
    }
    columns.extend([
        right("decided", cells, |cell| count(cell.decided)),
        right("disputed", cells, |cell| count(cell.disputed)),
        right("over-\nturned", cells, |cell| count(cell.overturned)),
        right("dupli-\ncates", cells, |cell| count(cell.duplicates)),
        right("failed", cells, |cell| count(cell.failed)),
        right("accepted", cells, |cell| count(cell.accepted)),
        right("unknown", cells, |cell| count(cell.unknown)),
        right("acceptance", cells, |cell| rate(&cell.acceptance)),
    ]);
    if cells.iter().any(|cell| cell.judged > 0) {
        columns.push(right("judge", cells, judge));
    }
    columns.push(left("knowledge", cells, |cell| cell.knowledge.name().to_owned()));
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
    let sentence = |kind: Knowledge| format!("{}: {}", kind.name(), kind.sentence());
    notes.extend(grid.knowledge().into_iter().map(sentence));
    notes
}
