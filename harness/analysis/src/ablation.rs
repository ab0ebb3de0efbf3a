//! The ablation table: one row per variant, with its difference to a reference variant.
//!
//! CSV holds every number at full precision; Markdown and the terminal show them rounded. What depends
//! on the machine ([`Measured`]) is shown there and never part of the CSV, so that the CSV of a rerun
//! has the same bytes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use gra_synth::pool::ItemId;

use crate::comparison::{ById, Comparison, Difference, compare};
use crate::facts::TrialFacts;
use crate::funnel::Funnel;
use crate::holm::holm;
use crate::ledger::Ledger;
use crate::savings::Savings;

mod columns;
mod delimited;
mod markdown;
mod terminal;

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct AblationTable {
    reference: String,
    seed: u64,
    rows: Vec<Row>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub variant: String,
    /// What became of its candidates.
    pub funnel: Funnel,
    /// What its calls cost.
    pub ledger: Ledger,
    /// Which calls were left out.
    pub savings: Savings,
    /// How it differs from the reference, p-values corrected for the whole table; `None` for the
    /// reference itself.
    pub difference: Option<Comparison>,
    /// What the shell measured, where it did.
    pub measured: Option<Measured>,
}

/// What a run cost on this machine, with the store that it had. For display.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
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
    /// trials. The run seed names the streams of the bootstrap.
    ///
    /// # Errors
    /// When no trial has the reference's name, or a name or an id is repeated.
    pub fn new(trials: &[TrialFacts], reference: &str, seed: u64) -> Result<Self, AblationError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = trials.iter().find(|trial| !names.insert(&trial.variant)) {
            return Err(AblationError::RepeatedVariant { variant: twice.variant.clone() });
        }
        let Some(base) = trials.iter().find(|trial| trial.variant == reference) else {
            return Err(unknown(reference, trials.iter().map(|trial| &trial.variant)));
        };
        let base = by_id(base)?;
        let row = |trial: &TrialFacts| {
            let candidates = by_id(trial)?;
            Ok(Row {
                variant: trial.variant.clone(),
                funnel: Funnel::of(&trial.candidates),
                ledger: Ledger::of(&trial.calls),
                savings: Savings::of(&trial.candidates),
                difference: (trial.variant != reference).then(|| compare(&base, &candidates, seed)),
                measured: None,
            })
        };
        let mut rows = trials.iter().map(row).collect::<Result<Vec<Row>, _>>()?;
        correct(&mut rows);
        Ok(Self { reference: reference.to_owned(), seed, rows })
    }

    /// Adds what the shell measured for a variant.
    ///
    /// # Errors
    /// When the table has no such variant.
    pub fn set_measured(&mut self, variant: &str, measured: Measured) -> Result<(), AblationError> {
        match self.rows.iter_mut().find(|row| row.variant == variant) {
            Some(row) => row.measured = Some(measured),
            None => return Err(unknown(variant, self.rows.iter().map(|row| &row.variant))),
        }
        Ok(())
    }

    /// The rows, in the order of the trials.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Writes every number but the measured ones as CSV: a header, one line per variant, rates and
    /// means at full precision, an empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        delimited::write(self, writer)
    }

    /// Writes two Markdown tables, decisions and cost, and how to read them. A value that does not
    /// exist is `-`.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_markdown(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(markdown::render(self).as_bytes())
    }

    /// Writes stacked blocks of aligned columns and how to read them. With every candidate decided
    /// and names of up to 18 characters they are at most 120 wide. A value that does not exist is `-`.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_terminal(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(terminal::render(self).as_bytes())
    }
}

/// Corrects the p-values of a table's differences after Holm: all of them are one family.
fn correct(rows: &mut [Row]) {
    let mut differences: Vec<&mut Difference> = rows
        .iter_mut()
        .filter_map(|row| row.difference.as_mut())
        .flat_map(|difference| [&mut difference.acceptance, &mut difference.mu])
        .collect();
    let adjusted = holm(&differences.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p) in differences.iter_mut().zip(adjusted) {
        difference.p = p;
    }
}

fn unknown<'a>(variant: &str, known: impl Iterator<Item = &'a String>) -> AblationError {
    AblationError::UnknownVariant { variant: variant.to_owned(), known: known.cloned().collect() }
}

fn by_id(trial: &TrialFacts) -> Result<ById<'_>, AblationError> {
    let mut by_id = ById::new();
    for candidate in &trial.candidates {
        if by_id.insert(candidate.id, candidate).is_some() {
            let variant = trial.variant.clone();
            return Err(AblationError::RepeatedCandidate { variant, candidate: candidate.id });
        }
    }
    Ok(by_id)
}

#[cfg(test)]
mod tests;
