//! The ablation table as people read it, in Markdown and on a terminal: rounded, grouped, `-` for what does not
//! exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gra_synth::request::Stage;

use super::comparison::{Comparison, Difference};
use super::delimited::CANDIDATE_STAGES;
use super::{AblationTable, RunCost, VariantRow};
use crate::cost::calls::Savings;
use crate::grid::{self, Align, Column, count, wrap};
use crate::statistics::inference::{self, Estimate};
use crate::trial::{Funnel, ScoreMeans};

const MISSING: &str = "-";

impl AblationTable {
    /// Markdown tables of decisions, cost and what was left out, and how to read them. A value that does not
    /// exist is `-`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let rows = self.rows();
        let mut decisions = outcomes(rows);
        decisions.extend(difference(rows, "rate", |comparison| comparison.acceptance));
        decisions.extend(changed(rows));
        decisions.extend(disputes(rows));
        let mut costs = scores(rows);
        costs.extend(difference(rows, "mu", |comparison| comparison.mu));
        costs.extend(cost(rows));
        let malformed = column("malformed replies", rows, malformed_by_stage);
        costs.push(Column { align: Align::Left, ..malformed });
        let blocks = [
            ("Decisions", decisions),
            ("Scores and cost", costs),
            ("Left out by economy", savings(rows)),
        ];
        let mut out = self.headline().map(|line| line + "\n\n").unwrap_or_default();
        for (title, columns) in blocks.into_iter().filter(|(_, columns)| !columns.is_empty()) {
            let _ =
                writeln!(out, "### {title}\n\n{}", grid::markdown(&beside_variants(rows, columns)));
        }
        for note in notes(&self.reference, rows) {
            let _ = writeln!(out, "- {note}");
        }
        out
    }

    /// Stacked blocks of aligned columns for a terminal, and how to read them. With every candidate decided
    /// and names of up to 18 characters they are at most 120 wide. A value that does not exist is `-`.
    #[must_use]
    pub fn terminal(&self) -> String {
        let rows = self.rows();
        let committee = [disputes(rows), scores(rows)].concat();
        let mut differences = difference(rows, "rate", |comparison| comparison.acceptance).to_vec();
        differences.extend(changed(rows));
        differences.extend(difference(rows, "mu", |comparison| comparison.mu));
        let mut costs = cost(rows);
        costs.push(column("malformed\nreplies", rows, |row| {
            count(row.funnel.malformed_replies_total())
        }));
        let to_reference = format!("Differences to the reference, {}", self.reference);
        let blocks = [
            ("What became of the candidates", outcomes(rows)),
            ("Committee", committee),
            (&to_reference, differences),
            ("Cost", costs),
            ("Left out by economy: no answer could have changed a sample", savings(rows)),
            (
                "Malformed replies by stage, retried ones included",
                by_stage(rows, |funnel| &funnel.malformed_replies),
            ),
            ("Failed calls by stage", by_stage(rows, |funnel| &funnel.failed_calls)),
        ];
        let mut out = String::new();
        if let Some(line) = self.headline() {
            wrap(&mut out, &line);
            out.push('\n');
        }
        for (title, columns) in blocks.into_iter().filter(|(_, columns)| !columns.is_empty()) {
            let _ = writeln!(out, "{title}\n{}", grid::terminal(&beside_variants(rows, columns)));
        }
        for note in notes(&self.reference, rows) {
            wrap(&mut out, &note);
        }
        out
    }

    /// What a reader must know before any number: targets that were not met, and variants that accepted unlike
    /// numbers. `None` where neither is so.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        let rows = self.rows();
        let is_missed =
            |row: &&VariantRow| row.target.is_some_and(|target| row.funnel.accepted < target);
        let missed: Vec<&VariantRow> = rows.iter().filter(is_missed).collect();
        let is_unequal = rows.iter().any(|row| row.funnel.accepted != rows[0].funnel.accepted);
        if missed.is_empty() && !is_unequal {
            return None;
        }
        let list = |rows: &mut dyn Iterator<Item = String>| rows.collect::<Vec<_>>().join(", ");
        let accepted = |row: &VariantRow| format!("{} {}", row.variant, count(row.funnel.accepted));
        let mut line = format!("Accepted: {}", list(&mut rows.iter().map(accepted)));
        // Targets differ where a variant has a scale of its own.
        let targets: BTreeSet<u64> = missed.iter().filter_map(|row| row.target).collect();
        for target in targets {
            let names: Vec<String> = missed
                .iter()
                .filter(|row| row.target == Some(target))
                .map(|row| row.variant.clone())
                .collect();
            let all = names.len() == rows.len() && rows.len() > 1;
            let names = if all { "any variant".to_owned() } else { names.join(", ") };
            let _ = write!(line, "; the target of {} was not met by {names}", count(target));
        }
        if is_unequal {
            line.push_str("; their data sets are of unequal size");
        }
        Some(line + ".")
    }
}

/// `3 (keywords 2, response 1)`.
fn malformed_by_stage(row: &VariantRow) -> String {
    let total = count(row.funnel.malformed_replies_total());
    let stages = CANDIDATE_STAGES.iter().filter_map(|stage| {
        let replies = row.funnel.malformed_replies.get(stage)?;
        Some(format!("{stage} {}", count(*replies)))
    });
    let stages: Vec<String> = stages.collect();
    if stages.is_empty() { total } else { format!("{total} ({})", stages.join(", ")) }
}

/// A column of numbers. The title's lines are stacked in the terminal.
fn column(title: &str, rows: &[VariantRow], cell: impl Fn(&VariantRow) -> String) -> Column {
    Column { title: title.to_owned(), cells: rows.iter().map(cell).collect(), align: Align::Right }
}

/// Columns under the names of the variants.
fn beside_variants(rows: &[VariantRow], columns: Vec<Column>) -> Vec<Column> {
    let names = column("variant", rows, |row| row.variant.clone());
    [vec![Column { align: Align::Left, ..names }], columns].concat()
}

/// A partition: all columns but the first and the rate add up to the first.
fn outcomes(rows: &[VariantRow]) -> Vec<Column> {
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
    // Only an interrupted trial has undecided candidates; others need no column of zeros.
    if rows.iter().any(|row| row.funnel.undecided > 0) {
        columns.push(column("un-\ndecided", rows, |row| count(row.funnel.undecided)));
    }
    columns.push(column("rate", rows, |row| number(row.funnel.acceptance_rate())));
    columns
}

fn disputes(rows: &[VariantRow]) -> Vec<Column> {
    vec![
        column("disputed", rows, |row| count(row.funnel.disputed)),
        column("adjud.\nin", rows, |row| count(row.funnel.adjudicated_in)),
    ]
}

fn scores(rows: &[VariantRow]) -> Vec<Column> {
    let reviewed = |row: &VariantRow| row.funnel.scores_reviewed;
    let accepted = |row: &VariantRow| row.funnel.scores_accepted;
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
fn difference(rows: &[VariantRow], of: &str, part: fn(Comparison) -> Difference) -> [Column; 2] {
    let found = |row: &VariantRow| row.difference.map(part);
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

/// Candidates that the variant and the reference decide otherwise.
fn changed(rows: &[VariantRow]) -> [Column; 2] {
    let counted = |title, of: fn(Comparison) -> usize| {
        column(title, rows, |row| {
            row.difference.map_or_else(missing, |found| count(of(found) as u64))
        })
    };
    [
        counted("passed\nhere only", |found| found.gained),
        counted("passed in\nreference only", |found| found.lost),
    ]
}

/// Calls and tokens, then what was measured, should anything have been.
fn cost(rows: &[VariantRow]) -> Vec<Column> {
    let mut columns = vec![
        column("calls", rows, |row| count(row.usage.calls)),
        column("calls\nshared", rows, |row| count(row.usage.shared)),
        column("prompt\ntokens", rows, |row| count(row.usage.prompt_tokens)),
        column("reply\ntokens", rows, |row| count(row.usage.reply_tokens)),
    ];
    if rows.iter().any(|row| row.measured.is_some()) {
        let measured = |title, cell: fn(RunCost) -> String| {
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
fn savings(rows: &[VariantRow]) -> Vec<Column> {
    // With `economy = false` nothing is left out, and the block is not shown.
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

/// A column per stage of what a funnel counts by stages, should any variant have any.
fn by_stage(rows: &[VariantRow], counts: fn(&Funnel) -> &BTreeMap<Stage, u64>) -> Vec<Column> {
    if rows.iter().all(|row| counts(&row.funnel).is_empty()) {
        return Vec::new();
    }
    let of_stage = |stage: Stage| {
        column(&stage.name().replace('-', "\n"), rows, |row| {
            count(counts(&row.funnel).get(&stage).copied().unwrap_or_default())
        })
    };
    CANDIDATE_STAGES.map(of_stage).to_vec()
}

/// How to read the table, a sentence or two per line.
fn notes(reference: &str, rows: &[VariantRow]) -> Vec<String> {
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
            range(differences().map(|difference| difference.acceptance.estimate.n)),
            range(differences().map(|difference| difference.mu.estimate.n)),
        ));
        notes.push(
            "passed here only, in reference only: of these pairs, the candidates that the two decide \
             otherwise, each way."
                .to_owned(),
        );
        notes.push(format!(
            "Brackets: {}; not corrected for the number of variants. p: of no difference, Holm-corrected for \
             all differences of the table. An interval that holds 0 or a large p means that so few pairs \
             cannot tell the two apart.",
            inference::INTERVALS,
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
    let text = grid::signed(value, 2);
    if text == "0.00" { " 0.00".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::inference::Interval;

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
