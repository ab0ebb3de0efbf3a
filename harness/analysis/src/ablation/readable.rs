//! The ablation table as people read it, in Markdown and on a terminal: rounded, grouped, `-` for what does not
//! exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gra_synth::request::Stage;

use super::{
    AblationTable, CANDIDATE_STAGES, COUNTS, Comparison, Difference, ON_THE_WAY, RunCost,
    VariantRow,
};
use crate::grid::{
    self, Column, MISSING, count, hundredths as number, left, list, or_missing, right, wrap,
};
use crate::statistics::inference::{self, Estimate};
use crate::trial::{Funnel, Savings, ScoreMeans};

impl AblationTable {
    /// Markdown tables of decisions, cost and what was left out, and how to read them. A value that does not
    /// exist is `-`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let rows = &self.rows;
        let mut decisions = outcomes(rows);
        decisions.extend(difference(rows, "rate", |comparison| comparison.acceptance));
        decisions.extend(changed(rows));
        decisions.extend(disputes(rows));
        let mut costs = scores(rows);
        costs.extend(difference(rows, "mu", |comparison| comparison.mu));
        costs.extend(cost(rows));
        costs.push(left("malformed replies", rows, malformed_by_stage));
        let blocks = [
            ("Decisions", decisions),
            ("Scores and cost", costs),
            ("Left out by economy", savings(rows)),
        ];
        let mut out = self.headline().map(|line| line + "\n\n").unwrap_or_default();
        for (title, columns) in blocks.into_iter().filter(|(_, columns)| !columns.is_empty()) {
            let block = grid::markdown(&beside_variants(rows, columns));
            let _ = writeln!(out, "### {title}\n\n{block}");
        }
        list(&mut out, &notes(&self.reference, rows));
        out
    }

    /// Stacked blocks of aligned columns for a terminal, and how to read them. With every candidate decided
    /// and names of up to 18 characters they are at most 120 wide. A value that does not exist is `-`.
    #[must_use]
    pub fn terminal(&self) -> String {
        let rows = &self.rows;
        let committee = [disputes(rows), scores(rows)].concat();
        let mut differences = difference(rows, "rate", |comparison| comparison.acceptance).to_vec();
        differences.extend(changed(rows));
        differences.extend(difference(rows, "mu", |comparison| comparison.mu));
        let mut costs = cost(rows);
        costs.push(right("malformed\nreplies", rows, |row| {
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
        let rows = &self.rows;
        // Rows beside the target that they missed.
        let missed = rows.iter().filter_map(|row| Some((row, row.target?)));
        let missed: Vec<(&VariantRow, u64)> =
            missed.filter(|(row, target)| row.funnel.accepted < *target).collect();
        // Numbers that move with the size of a set cannot be compared then.
        let is_unequal = rows.iter().any(|row| row.funnel.accepted != rows[0].funnel.accepted);
        if missed.is_empty() && !is_unequal {
            return None;
        }
        let accepted = |row: &VariantRow| format!("{} {}", row.variant, count(row.funnel.accepted));
        let accepted: Vec<String> = rows.iter().map(accepted).collect();
        let mut line = format!("Accepted: {}", accepted.join(", "));
        // Targets differ where a variant has a scale of its own.
        let targets: BTreeSet<u64> = missed.iter().map(|(_, target)| *target).collect();
        for target in targets {
            let of_target = missed.iter().filter(|(_, of_row)| *of_row == target);
            let names: Vec<&str> = of_target.map(|(row, _)| row.variant.as_str()).collect();
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

/// Columns under the names of the variants.
fn beside_variants(rows: &[VariantRow], columns: Vec<Column>) -> Vec<Column> {
    [vec![left("variant", rows, |row| row.variant.clone())], columns].concat()
}

/// A partition: all columns but the first and the rate add up to the first.
fn outcomes(rows: &[VariantRow]) -> Vec<Column> {
    // Only an interrupted trial has undecided candidates; others need no column of zeros.
    let all_are_decided = rows.iter().all(|row| row.funnel.undecided == 0);
    let mut columns = counts(rows, |name| match name {
        "undecided" => !all_are_decided,
        _ => !ON_THE_WAY.contains(&name),
    });
    columns.push(right("rate", rows, |row| number(row.funnel.acceptance_rate())));
    columns
}

fn disputes(rows: &[VariantRow]) -> Vec<Column> {
    counts(rows, |name| ON_THE_WAY.contains(&name))
}

/// A column for each of [`COUNTS`] that is shown.
fn counts(rows: &[VariantRow], is_shown: impl Fn(&str) -> bool) -> Vec<Column> {
    let shown = COUNTS.into_iter().filter(|(name, ..)| is_shown(name));
    shown.map(|(_, title, of)| right(title, rows, |row| count(of(&row.funnel)))).collect()
}

fn scores(rows: &[VariantRow]) -> Vec<Column> {
    let reviewed = |row: &VariantRow| row.funnel.scores_reviewed;
    let accepted = |row: &VariantRow| row.funnel.scores_accepted;
    let mu = |scores: ScoreMeans| number(scores.mu);
    let sigma = |scores: ScoreMeans| number(scores.sigma);
    vec![
        right("mu\nreviewed", rows, |row| mu(reviewed(row))),
        right("sigma\nreviewed", rows, |row| sigma(reviewed(row))),
        right("mu\naccepted", rows, |row| mu(accepted(row))),
        right("sigma\naccepted", rows, |row| sigma(accepted(row))),
    ]
}

/// A difference to the reference and its p-value.
fn difference(rows: &[VariantRow], of: &str, part: fn(Comparison) -> Difference) -> [Column; 2] {
    let found = |row: &VariantRow| row.difference.map(part);
    [
        right(&format!("{of}, difference\nto reference"), rows, |row| {
            or_missing(found(row), |difference| estimate(difference.estimate))
        }),
        right("p", rows, |row| {
            let p = found(row).and_then(|difference| difference.p);
            or_missing(p, |p| format!("{p:.3}"))
        }),
    ]
}

/// Candidates that the variant and the reference decide otherwise.
fn changed(rows: &[VariantRow]) -> [Column; 2] {
    let counted = |title, of: fn(Comparison) -> usize| {
        right(title, rows, |row| or_missing(row.difference, |found| count(of(found) as u64)))
    };
    [
        counted("passed\nhere only", |found| found.gained),
        counted("passed in\nreference only", |found| found.lost),
    ]
}

/// Calls and tokens, then what was measured, should anything have been.
fn cost(rows: &[VariantRow]) -> Vec<Column> {
    let mut columns = vec![
        right("calls", rows, |row| count(row.usage.calls)),
        right("calls\nshared", rows, |row| count(row.usage.shared)),
        right("prompt\ntokens", rows, |row| count(row.usage.prompt_tokens)),
        right("reply\ntokens", rows, |row| count(row.usage.reply_tokens)),
    ];
    if rows.iter().any(|row| row.measured.is_some()) {
        let measured = |title, cell: fn(RunCost) -> String| {
            right(title, rows, |row| or_missing(row.measured, cell))
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
        |title, cell: fn(Savings) -> u64| right(title, rows, |row| count(cell(row.savings)));
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
        right(&stage.name().replace('-', "\n"), rows, |row| {
            count(counts(&row.funnel).get(&stage).copied().unwrap_or_default())
        })
    };
    CANDIDATE_STAGES.map(of_stage).to_vec()
}

/// How to read the table, a sentence or two per line.
fn notes(reference: &str, rows: &[VariantRow]) -> Vec<String> {
    let mut notes = vec![
        "rate: accepted and surplus over drawn without failed; surplus passed and was not needed for the \
         round's target.",
        "mu, sigma: means over the candidates that the whole committee scored, and over the samples.",
        "calls shared: an earlier variant of this ablation had made exactly these.",
    ];
    if rows.iter().any(|row| row.savings.after_bound > 0) {
        notes.push(
            "Reviews that could not reach tau any more were broken off: mu over the reviewed is that of \
             the better ones. `economy = false` reviews all.",
        );
    }
    if rows.iter().any(|row| row.funnel.failed_calls_total() > 0) {
        notes.push(
            "failed: the engine could not answer a call; the same command with --retry-failed asks those \
             calls again.",
        );
    }
    let mut notes: Vec<String> = notes.into_iter().map(str::to_owned).collect();
    // A reference alone differs from nothing.
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
    let ends = numbers.clone().min().zip(numbers.max());
    or_missing(ends, |(least, most)| {
        let [low, high] = [least, most].map(|end| count(end as u64));
        if least == most { low } else { format!("{low} to {high}") }
    })
}

/// `-0.12 [-0.20, -0.04]`, or the value alone where there is no interval.
fn estimate(estimate: Estimate) -> String {
    let Some(value) = estimate.value else { return MISSING.to_owned() };
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
