//! A trial's samples in the formats of other tools, as bytes. Writes no file itself.
//!
//! # Layout
//!
//! - `formats`: training data and its index, as LLaMA-Factory reads them; all of a sample as Parquet
//! - `card`: the dataset card
//! - `tidy`: everything that trials recorded, as tables in long form

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use polars::error::PolarsError;

use crate::trial::TrialRecord;
use card::Card;

mod card;
mod formats;
pub(crate) mod tidy;

/// Names of the files that an export consists of.
pub mod file {
    /// Training data: a JSON array of instruction, input, output.
    pub const ALPACA: &str = "alpaca.json";
    /// Training data: one conversation per line.
    pub const SHAREGPT: &str = "sharegpt.jsonl";
    /// Every sample with its annotation, scores and models.
    pub const TABLE: &str = "samples.parquet";
    /// Tells LLaMA-Factory what the training files are.
    pub const DATASET_INFO: &str = "dataset_info.json";
    /// What the data is and how it was made.
    pub const CARD: &str = "README.md";
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// One of [`file`].
    pub name: &'static str,
    /// Its content; the same data set gives the same bytes.
    pub bytes: Vec<u8>,
}

/// The data set cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An accepted candidate lacks a text: the recorded facts are damaged.
    #[error("sample {id} was accepted and has no {missing}; its recorded facts are damaged")]
    Incomplete {
        /// Which.
        id: ItemId,
        /// `instruction` or `response`.
        missing: &'static str,
    },
    /// Writing JSON failed.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Writing Parquet failed.
    #[error("writing Parquet: {0}")]
    Parquet(#[from] PolarsError),
}

/// A candidate that was accepted, with the texts that this implies.
#[derive(Clone, Copy, Debug)]
struct ExportedSample<'a> {
    candidate: &'a Candidate,
    instruction: &'a str,
    response: &'a str,
}

impl<'a> ExportedSample<'a> {
    fn from_candidate(candidate: &'a Candidate) -> Result<Self, ExportError> {
        let incomplete = |missing| ExportError::Incomplete { id: candidate.id, missing };
        let text = |text: &'a Option<String>, name| text.as_deref().ok_or(incomplete(name));
        Ok(Self {
            candidate,
            instruction: text(&candidate.instruction, "instruction")?,
            response: text(&candidate.response, "response")?,
        })
    }
}

/// Every file of the export, the card last: the accepted ones among a trial's candidates, in their order. The
/// card counts the others.
///
/// # Errors
/// When an accepted candidate lacks its texts.
pub fn files(
    trial: &TrialRecord,
    candidates: &[Candidate],
) -> Result<Vec<ExportedFile>, ExportError> {
    let accepted = candidates.iter().filter(|candidate| candidate.is_sample());
    let samples: Vec<ExportedSample> =
        accepted.map(ExportedSample::from_candidate).collect::<Result<_, _>>()?;
    // Training tools take it from a comma-separated list and look it up in a folder; trials' names are plain.
    let name = trial.id.joined();
    let card = Card { name: &name, trial, candidates, samples: &samples };
    let file = |name, bytes| ExportedFile { name, bytes };
    Ok(vec![
        file(file::ALPACA, formats::alpaca(&samples)?),
        file(file::SHAREGPT, formats::sharegpt(&samples)?),
        file(file::TABLE, formats::table(&samples)?),
        file(file::DATASET_INFO, formats::dataset_info(&name)),
        file(file::CARD, card.render().into_bytes()),
    ])
}

#[cfg(test)]
mod tests;
