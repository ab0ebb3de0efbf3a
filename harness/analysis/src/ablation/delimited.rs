//! The ablation table as CSV: the form that other programs read.

use std::io::{self, Write};

use gra_synth::request::Stage;

use super::{AblationTable, VariantRow};
use crate::ablation::comparison::{Comparison, Difference};
use crate::foreign_text::CsvWriter;
use crate::trial::ScoreMeans;

/// The stages that a candidate's reply can be malformed in.
pub(super) const CANDIDATE_STAGES: [Stage; 8] = [
    Stage::Keywords,
    Stage::Instruction,
    Stage::InstructionReview,
    Stage::Response,
    Stage::ResponseReview,
    Stage::ReviewComment,
    Stage::Adjudication,
    Stage::Summary,
];

impl AblationTable {
    /// Writes every number but the measured ones as CSV: a header, one line per variant, rates and
    /// means at full precision, an empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = CsvWriter::from_writer(writer);
        for (number, row) in self.rows.iter().enumerate() {
            let record = record(self, row);
            // The first record also names the columns.
            if number == 0 {
                writer.write_record(record.iter().map(|(name, _)| name))?;
            }
            writer.write_record(record.iter().map(|(_, value)| value))?;
        }
        writer.flush()
    }
}

/// Names and values side by side, so that header and lines cannot come apart.
fn record(table: &AblationTable, row: &VariantRow) -> Vec<(String, String)> {
    let mut fields = vec![
        ("variant".to_owned(), row.variant.clone()),
        ("reference".to_owned(), table.reference.clone()),
        ("seed".to_owned(), table.seed.to_string()),
    ];
    fields.extend(funnel(row));
    let funnel = &row.funnel;
    fields.push(("reviewed".to_owned(), funnel.scores_reviewed.n.to_string()));
    scores(&mut fields, "reviewed", funnel.scores_reviewed);
    fields.push(("accepted_reviewed".to_owned(), funnel.scores_accepted.n.to_string()));
    scores(&mut fields, "accepted", funnel.scores_accepted);
    let usage = row.usage;
    for (name, count) in [
        ("calls", usage.calls),
        ("calls_shared", usage.shared),
        ("prompt_tokens", usage.prompt_tokens),
        ("reply_tokens", usage.reply_tokens),
        ("early_duplicates", row.savings.early_duplicates),
        ("saved_after_early_duplicates", row.savings.after_early_duplicates),
        ("saved_after_veto", row.savings.after_veto),
        ("saved_after_bound", row.savings.after_bound),
        ("saved_comments", row.savings.comments),
    ] {
        fields.push((name.to_owned(), count.to_string()));
    }
    difference(&mut fields, "acceptance", row.difference.map(|difference| difference.acceptance));
    let changed = |of: fn(Comparison) -> usize| {
        row.difference.map_or_else(String::new, |found| of(found).to_string())
    };
    fields.extend([
        ("passed_here_only".to_owned(), changed(|found| found.gained)),
        ("passed_in_reference_only".to_owned(), changed(|found| found.lost)),
    ]);
    difference(&mut fields, "mu", row.difference.map(|difference| difference.mu));
    fields
}

fn funnel(row: &VariantRow) -> Vec<(String, String)> {
    let funnel = &row.funnel;
    let mut fields: Vec<(String, String)> = [
        ("candidates", funnel.candidates),
        ("malformed", funnel.malformed),
        ("failed", funnel.failed),
        ("repeated_keywords", funnel.repeated_keywords),
        ("vetoed", funnel.vetoed),
        ("rejected", funnel.rejected),
        ("disputed", funnel.disputed),
        ("adjudicated_in", funnel.adjudicated_in),
        ("adjudicated_out", funnel.adjudicated_out),
        ("voted_out", funnel.voted_out),
        ("duplicates", funnel.duplicates),
        ("surplus", funnel.surplus),
        ("accepted", funnel.accepted),
        ("undecided", funnel.undecided),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count.to_string()))
    .collect();
    fields.push(("acceptance_rate".to_owned(), number(funnel.acceptance_rate())));
    for stage in CANDIDATE_STAGES {
        let name = format!("malformed_replies_{}", stage.name().replace('-', "_"));
        let count = funnel.malformed_replies.get(&stage).copied().unwrap_or_default();
        fields.push((name, count.to_string()));
    }
    fields.push(("failed_calls".to_owned(), funnel.failed_calls_total().to_string()));
    fields
}

fn scores(fields: &mut Vec<(String, String)>, over: &str, scores: ScoreMeans) {
    fields.push((format!("mean_mu_{over}"), number(scores.mu)));
    fields.push((format!("mean_sigma_{over}"), number(scores.sigma)));
}

fn difference(fields: &mut Vec<(String, String)>, of: &str, difference: Option<Difference>) {
    let count = |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
    let estimate = difference.map(|difference| difference.estimate);
    let interval = estimate.and_then(|estimate| estimate.interval);
    let value = estimate.and_then(|estimate| estimate.value);
    for (name, text) in [
        ("pairs", count(estimate.map(|estimate| estimate.n))),
        ("difference", number(value)),
        ("difference_low", number(interval.map(|interval| interval.low))),
        ("difference_high", number(interval.map(|interval| interval.high))),
        ("p_holm", number(difference.and_then(|difference| difference.p))),
    ] {
        fields.push((format!("{of}_{name}"), text));
    }
}

/// The shortest text that reads back as the same number.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
