//! The ablation table's cells as people read them: rounded, grouped, `-` for what does not exist.

use gra_synth::request::Stage;

use super::{Measured, Row};
use crate::bootstrap::{CONFIDENCE, Estimate, REPLICATES};
use crate::comparison::{Comparison, Difference};
use crate::funnel::ScoreMeans;
use crate::grid::{Align, Column, count};
use crate::savings::Savings;

const MISSING: &str = "-";

/// A column of numbers. The title's lines are stacked in the terminal.
pub(super) fn column(title: &str, rows: &[Row], cell: impl Fn(&Row) -> String) -> Column {
    Column { title: title.to_owned(), cells: rows.iter().map(cell).collect(), align: Align::Right }
}

pub(super) fn variant(rows: &[Row]) -> Column {
    Column { align: Align::Left, ..column("variant", rows, |row| row.variant.clone()) }
}

/// A partition: all columns but the first and the rate add up to the first.
pub(super) fn outcomes(rows: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        column("drawn", rows, |row| count(row.funnel.candidates)),
        column("mal-\nformed", rows, |row| count(row.funnel.malformed)),
        column("failed", rows, |row| count(row.funnel.failed)),
        column("repeated\nkeywords", rows, |row| count(row.funnel.repeated_keywords)),
        column("vetoed", rows, |row| count(row.funnel.vetoed)),
        column("rejected", rows, |row| count(row.funnel.rejected)),
        column("adjud.\nout", rows, |row| count(row.funnel.adjudicated_out)),
        column("voted\nout", rows, |row| count(row.funnel.voted_out)),
        column("dupli-\ncate", rows, |row| count(row.funnel.duplicates)),
        column("sur-\nplus", rows, |row| count(row.funnel.surplus)),
        column("accepted", rows, |row| count(row.funnel.accepted)),
    ];
    if rows.iter().any(|row| row.funnel.undecided > 0) {
        columns.push(column("un-\ndecided", rows, |row| count(row.funnel.undecided)));
    }
    columns.push(column("rate", rows, |row| number(row.funnel.acceptance_rate())));
    columns
}

pub(super) fn disputes(rows: &[Row]) -> Vec<Column> {
    vec![
        column("disputed", rows, |row| count(row.funnel.disputed)),
        column("adjud.\nin", rows, |row| count(row.funnel.adjudicated_in)),
    ]
}

pub(super) fn scores(rows: &[Row]) -> Vec<Column> {
    let reviewed = |row: &Row| row.funnel.scores_reviewed;
    let accepted = |row: &Row| row.funnel.scores_accepted;
    let mu = |scores: ScoreMeans| number(scores.mu);
    let sigma = |scores: ScoreMeans| number(scores.sigma);
    vec![
        column("mu\nreviewed", rows, |row| mu(reviewed(row))),
        column("sigma\nreviewed", rows, |row| sigma(reviewed(row))),
        column("mu\naccepted", rows, |row| mu(accepted(row))),
        column("sigma\naccepted", rows, |row| sigma(accepted(row))),
    ]
}

/// A difference to the reference and its p-value.
pub(super) fn difference(
    rows: &[Row],
    of: &str,
    part: fn(Comparison) -> Difference,
) -> [Column; 2] {
    let found = |row: &Row| row.difference.map(part);
    [
        column(&format!("{of}, difference\nto reference"), rows, |row| {
            found(row).map_or_else(missing, |difference| estimate(difference.estimate))
        }),
        column("p", rows, |row| {
            let p = found(row).and_then(|difference| difference.p);
            p.map_or_else(missing, |p| format!("{p:.3}"))
        }),
    ]
}

pub(super) fn acceptance_difference(rows: &[Row]) -> [Column; 2] {
    difference(rows, "rate", |comparison| comparison.acceptance)
}

pub(super) fn mu_difference(rows: &[Row]) -> [Column; 2] {
    difference(rows, "mu", |comparison| comparison.mu)
}

/// Calls and tokens, then what was measured, should anything have been.
pub(super) fn cost(rows: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        column("calls", rows, |row| count(row.ledger.total().calls)),
        column("calls\nshared", rows, |row| count(row.ledger.total().shared)),
        column("prompt\ntokens", rows, |row| count(row.ledger.total().prompt_tokens)),
        column("reply\ntokens", rows, |row| count(row.ledger.total().reply_tokens)),
    ];
    if rows.iter().any(|row| row.measured.is_some()) {
        let measured = |title, cell: fn(Measured) -> String| {
            column(title, rows, move |row| row.measured.map_or_else(missing, cell))
        };
        columns.extend([
            measured("calls\npaid", |run| count(run.paid_calls)),
            measured("calls from\nstore", |run| count(run.answered_from_store)),
            measured("engine\nseconds", |run| format!("{:.1}", run.engine_seconds)),
            measured("wall\nseconds", |run| format!("{:.1}", run.wall_seconds)),
        ]);
    }
    columns
}

/// What economy left out, should it have left out anything.
pub(super) fn savings(rows: &[Row]) -> Vec<Column> {
    if rows.iter().all(|row| row.savings.is_none()) {
        return Vec::new();
    }
    let saved =
        |title, cell: fn(Savings) -> u64| column(title, rows, move |row| count(cell(row.savings)));
    vec![
        saved("early\nduplicates", |saved| saved.early_duplicates),
        saved("calls after\nthem, at least", |saved| saved.after_early_duplicates),
        saved("reviews\nafter a zero", |saved| saved.after_veto),
        saved("reviews\nbelow tau", |saved| saved.after_bound),
        saved("comments", |saved| saved.comments),
    ]
}

/// Failed calls of one stage.
pub(super) fn failed_calls(rows: &[Row], stage: Stage) -> Column {
    column(&stage.name().replace('-', "\n"), rows, |row| {
        count(row.funnel.failed_calls.get(&stage).copied().unwrap_or_default())
    })
}

/// Malformed replies of one stage.
pub(super) fn malformed_replies(rows: &[Row], stage: Stage) -> Column {
    column(&stage.name().replace('-', "\n"), rows, |row| {
        count(row.funnel.malformed_replies.get(&stage).copied().unwrap_or_default())
    })
}

/// How to read the table, a sentence or two per line.
pub(super) fn notes(reference: &str, rows: &[Row]) -> Vec<String> {
    let mut notes = vec![
        "rate: accepted and surplus over drawn without failed; surplus passed and was not needed for the \
         round's target."
            .to_owned(),
        "mu, sigma: means over the candidates that the whole committee scored, and over the samples."
            .to_owned(),
        "calls shared: an earlier variant of this ablation had made exactly these.".to_owned(),
    ];
    if rows.iter().any(|row| row.savings.after_bound > 0) {
        notes.push(
            "Reviews that could not reach tau any more were broken off: mu over the reviewed is that of \
             the better ones. `economy = false` reviews all."
                .to_owned(),
        );
    }
    if rows.iter().any(|row| row.funnel.failed_calls_total() > 0) {
        notes.push(
            "failed: the engine could not answer a call; the same command with --retry-failed asks those \
             calls again."
                .to_owned(),
        );
    }
    let differences = || rows.iter().filter_map(|row| row.difference);
    if differences().next().is_some() {
        notes.push(format!(
            "Differences are to `{reference}`, over the candidates that both drew: {} pairs for the \
             rate, {} scored by both for mu.",
            range(differences().map(|difference| difference.acceptance.pairs)),
            range(differences().map(|difference| difference.mu.pairs)),
        ));
        notes.push(format!(
            "Brackets: {:.0}% percentile interval of {} bootstrap replicates over the seed items behind \
             the pairs, not corrected for the number of variants. p: of no difference, by sign flips of \
             seed items, corrected after Holm for all differences of the table. An interval that holds \
             0 or a large p means that so many pairs cannot tell the two apart.",
            CONFIDENCE * 100.0,
            count(REPLICATES as u64),
        ));
    }
    notes
}

/// `7`, or `5 to 9`.
fn range(numbers: impl Iterator<Item = usize> + Clone) -> String {
    let (least, most) = (numbers.clone().min(), numbers.max());
    match (least, most) {
        (Some(least), Some(most)) if least == most => count(least as u64),
        (Some(least), Some(most)) => format!("{} to {}", count(least as u64), count(most as u64)),
        _ => missing(),
    }
}

fn missing() -> String {
    MISSING.to_owned()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(missing, |value| format!("{value:.2}"))
}

/// `-0.12 [-0.20, -0.04]`, or the value alone where there is no interval.
fn estimate(estimate: Estimate) -> String {
    let Some(value) = estimate.value else { return missing() };
    match estimate.interval {
        Some(interval) => {
            format!("{} [{}, {}]", signed(value), signed(interval.low), signed(interval.high))
        }
        None => signed(value),
    }
}

/// Two decimals under a sign; what rounds to zero has none.
fn signed(value: f64) -> String {
    let text = format!("{value:+.2}");
    if matches!(text.as_str(), "+0.00" | "-0.00") { " 0.00".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::Interval;

    #[test]
    fn estimates_show_what_there_is() {
        let show = |n, value, interval: Option<(f64, f64)>| {
            let interval = interval.map(|(low, high)| Interval { low, high });
            estimate(Estimate { n, value, interval })
        };
        assert_eq!(show(9, Some(-0.12), Some((-0.2, -0.04))), "-0.12 [-0.20, -0.04]");
        assert_eq!(show(9, Some(-0.001), Some((-0.1, 0.1))), " 0.00 [-0.10, +0.10]");
        assert_eq!(show(1, Some(1.0), None), "+1.00");
        assert_eq!(show(0, None, None), "-");
    }
}
