//! The ablation table: one row per variant, with its difference to a reference variant.
//!
//! CSV holds every number at full precision; Markdown and the terminal show them rounded. What depends
//! on the machine ([`RunCost`]) is shown there and never part of the CSV, so that the CSV of a rerun
//! has the same bytes.
//!
//! The CSV is here; the table as people read it is in `readable`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use gra_synth::pool::ItemId;
use gra_synth::request::Stage;

use crate::ablation::comparison::{Compared, Comparison, Difference, compare};
use crate::columns::{self, field};
use crate::cost::calls::{Savings, Usage};
use crate::statistics::inference::holm;
use crate::trial::{Funnel, TrialFacts};

pub mod comparison;
mod readable;
pub mod sweep;

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct AblationTable {
    reference: String,
    seed: u64,
    rows: Vec<VariantRow>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantRow {
    /// Its name.
    pub variant: String,
    /// What became of its candidates.
    pub funnel: Funnel,
    /// What its calls cost.
    pub usage: Usage,
    /// Which calls were left out.
    pub savings: Savings,
    /// How it differs from the reference, p-values corrected for the whole table; `None` for the
    /// reference itself.
    pub difference: Option<Comparison>,
    /// How many samples its rounds were to add; `None` where nothing says so, as over a seed set's own instructions.
    pub target: Option<u64>,
    /// What the shell measured, where it did.
    pub measured: Option<RunCost>,
}

/// What a run cost on this machine, with the store that it had. For display.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunCost {
    /// Calls that an engine answered during this run.
    pub paid_calls: u64,
    /// Calls that the completion store answered.
    pub answered_from_store: u64,
    /// Seconds spent inside engines.
    pub engine_seconds: f64,
    /// Seconds from the trial's start to its end.
    pub wall_seconds: f64,
}

/// The trials make no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AblationError {
    /// No trial has that name.
    #[error("the ablation has no variant `{variant}`; it has {}", .known.join(", "))]
    UnknownVariant {
        /// The name that was asked for.
        variant: String,
        /// The names that there are, as given.
        known: Vec<String>,
    },
    /// Two trials have one name.
    #[error("two trials of the ablation are called `{variant}`")]
    RepeatedVariant {
        /// The name.
        variant: String,
    },
    /// Pairing needs unique ids.
    #[error("trial `{variant}` holds candidate {candidate} twice")]
    RepeatedCandidate {
        /// The trial.
        variant: String,
        /// The id.
        candidate: ItemId,
    },
}

impl AblationTable {
    /// Counts every trial and compares each with the reference, by name. Rows keep the order of the
    /// trials. The run seed is said in the table.
    ///
    /// # Errors
    /// When no trial has the reference's name, or a name or an id is repeated.
    pub fn new(trials: &[TrialFacts], reference: &str, seed: u64) -> Result<Self, AblationError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = trials.iter().find(|trial| !names.insert(&trial.variant)) {
            return Err(AblationError::RepeatedVariant { variant: twice.variant.clone() });
        }
        let Some(base) = trials.iter().position(|trial| trial.variant == reference) else {
            return Err(unknown(reference, trials.iter().map(|trial| &trial.variant)));
        };
        let all = trials.iter().map(compared).collect::<Result<Vec<Compared>, _>>()?;
        let row = |(trial, candidates): (&TrialFacts, &Compared)| VariantRow {
            variant: trial.variant.clone(),
            funnel: Funnel::of(&trial.candidates),
            usage: Usage::of(&trial.calls),
            savings: Savings::of(&trial.candidates),
            difference: (trial.variant != reference).then(|| compare(&all[base], candidates)),
            target: None,
            measured: None,
        };
        // p-values are corrected last, when all tests of the table are there.
        let mut rows: Vec<VariantRow> = trials.iter().zip(&all).map(row).collect();
        correct(&mut rows);
        Ok(Self { reference: reference.to_owned(), seed, rows })
    }

    /// Adds what the shell measured for a variant.
    ///
    /// # Errors
    /// When the table has no such variant.
    pub fn set_measured(&mut self, variant: &str, measured: RunCost) -> Result<(), AblationError> {
        self.row_mut(variant)?.measured = Some(measured);
        Ok(())
    }

    /// Says how many samples a variant was to have.
    ///
    /// # Errors
    /// When the table has no such variant.
    pub fn set_target(&mut self, variant: &str, target: Option<u64>) -> Result<(), AblationError> {
        self.row_mut(variant)?.target = target;
        Ok(())
    }

    fn row_mut(&mut self, variant: &str) -> Result<&mut VariantRow, AblationError> {
        match self.rows.iter().position(|row| row.variant == variant) {
            Some(place) => Ok(&mut self.rows[place]),
            None => Err(unknown(variant, self.rows.iter().map(|row| &row.variant))),
        }
    }

    /// Writes every number but the measured ones as CSV: a header, one line per variant, rates and
    /// means at full precision, an empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        columns::write_csv(writer, self.rows.iter().map(|row| record(self, row)))
    }

    /// The rows, in the order of the trials.
    #[must_use]
    pub fn rows(&self) -> &[VariantRow] {
        &self.rows
    }
}

/// Replaces the p-values of a table's differences by Holm-corrected ones.
fn correct(rows: &mut [VariantRow]) {
    let mut differences: Vec<&mut Difference> = rows
        .iter_mut()
        .filter_map(|row| row.difference.as_mut())
        .flat_map(|difference| [&mut difference.acceptance, &mut difference.mu])
        .collect();
    // All differences of the table are one family of tests, whatever they are about.
    let adjusted = holm(&differences.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p) in differences.iter_mut().zip(adjusted) {
        difference.p = p;
    }
}

fn unknown<'a>(variant: &str, known: impl Iterator<Item = &'a String>) -> AblationError {
    AblationError::UnknownVariant { variant: variant.to_owned(), known: known.cloned().collect() }
}

fn compared(trial: &TrialFacts) -> Result<Compared, AblationError> {
    Compared::from_candidates(&trial.candidates).map_err(|candidate| {
        AblationError::RepeatedCandidate { variant: trial.variant.clone(), candidate }
    })
}

/// The stages that a candidate's reply can be malformed in.
const CANDIDATE_STAGES: [Stage; 8] = [
    Stage::Keywords,
    Stage::Instruction,
    Stage::InstructionReview,
    Stage::Response,
    Stage::ResponseReview,
    Stage::ReviewComment,
    Stage::Adjudication,
    Stage::Summary,
];

/// The fields of a variant's line: every number but the measured ones.
fn record(table: &AblationTable, row: &VariantRow) -> Vec<(String, String)> {
    let VariantRow { funnel, usage, savings, difference, .. } = row;
    let mut fields = Vec::new();
    let mut push = |name: &str, value: String| fields.push((name.to_owned(), value));
    push("variant", row.variant.clone());
    push("reference", table.reference.clone());
    push("seed", table.seed.to_string());
    for (name, count) in [
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
    ] {
        push(name, count.to_string());
    }
    push("acceptance_rate", field(funnel.acceptance_rate()));
    // Every stage has its column, so that the tables of several experiments can be laid over each other.
    for stage in CANDIDATE_STAGES {
        let name = format!("malformed_replies_{}", stage.name().replace('-', "_"));
        let count = funnel.malformed_replies.get(&stage).copied().unwrap_or_default();
        push(&name, count.to_string());
    }
    push("failed_calls", funnel.failed_calls_total().to_string());
    for (name, over, scores) in [
        ("reviewed", "reviewed", funnel.scores_reviewed),
        ("accepted_reviewed", "accepted", funnel.scores_accepted),
    ] {
        push(name, scores.n.to_string());
        push(&format!("mean_mu_{over}"), field(scores.mu));
        push(&format!("mean_sigma_{over}"), field(scores.sigma));
    }
    for (name, count) in [
        ("calls", usage.calls),
        ("calls_shared", usage.shared),
        ("prompt_tokens", usage.prompt_tokens),
        ("reply_tokens", usage.reply_tokens),
        ("early_duplicates", savings.early_duplicates),
        ("saved_after_early_duplicates", savings.after_early_duplicates),
        ("saved_after_veto", savings.after_veto),
        ("saved_after_bound", savings.after_bound),
        ("saved_comments", savings.comments),
    ] {
        push(name, count.to_string());
    }
    fields.extend(of_difference("acceptance", difference.map(|found| found.acceptance)));
    fields.extend([
        ("passed_here_only".to_owned(), field(difference.map(|found| found.gained))),
        ("passed_in_reference_only".to_owned(), field(difference.map(|found| found.lost))),
    ]);
    fields.extend(of_difference("mu", difference.map(|found| found.mu)));
    fields
}

/// The fields of a difference to the reference, which has none to itself.
fn of_difference(of: &str, difference: Option<Difference>) -> [(String, String); 5] {
    let estimate = difference.map(|difference| difference.estimate);
    let interval = estimate.and_then(|estimate| estimate.interval);
    let fields = [
        ("pairs", field(estimate.map(|estimate| estimate.n))),
        ("difference", field(estimate.and_then(|estimate| estimate.value))),
        ("difference_low", field(interval.map(|interval| interval.low))),
        ("difference_high", field(interval.map(|interval| interval.high))),
        ("p_holm", field(difference.and_then(|difference| difference.p))),
    ];
    fields.map(|(name, value)| (format!("{of}_{name}"), value))
}

#[cfg(test)]
mod tests;
