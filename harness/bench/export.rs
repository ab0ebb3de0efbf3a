//! A trial's samples in the formats of other tools, as bytes. Writes no file itself.
//!
//! # Layout
//!
//! - `alpaca`, `sharegpt`, `dataset_info`: training data and its index, as LLaMA-Factory reads them
//! - `table`: everything that a sample carries, as Parquet
//! - `card`: the dataset card

use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::variant::Instructions;
use polars::error::PolarsError;
use serde::{Deserialize, Serialize};

mod alpaca;
mod card;
mod dataset_info;
mod sharegpt;
mod table;

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

/// What is exported: the accepted ones among a trial's candidates, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Dataset<'a> {
    /// The data set's name in a training configuration: letters, digits, `.`, `_` and `-`.
    pub name: &'a str,
    /// How it was made.
    pub card: &'a CardFacts,
    /// All candidates of the trial; the card counts those that were not accepted.
    pub candidates: &'a [Candidate],
}

/// How a data set was made, for its card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardFacts {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the variant.
    pub variant: String,
    /// File or name of the seed set.
    pub seed_set: String,
    /// Run seed.
    pub seed: u64,
    /// The model pool, in its order, and the teachers that the variant names.
    pub models: Vec<ModelFacts>,
    /// Where its instructions come from; of trials of earlier releases, new ones.
    #[serde(default)]
    pub instructions: Instructions,
    /// All parameters of the method.
    pub method: Method,
    /// The experiment shows how things work; its data is no good.
    pub demonstration: bool,
}

/// A model that may have written part of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Name in the pool.
    pub name: String,
    /// Where its file comes from.
    pub source: String,
    /// Licence of its weights, where the pool states one.
    pub licence: Option<String>,
    /// Number of parameters, where the pool states it.
    pub parameters: Option<u64>,
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
    /// Training tools take the name from a comma-separated list and look it up in a folder.
    #[error(
        "`{0}` cannot name a data set\nhint: use letters, digits, `.`, `_` and `-` only, and at least one"
    )]
    Name(String),
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
struct Sample<'a> {
    candidate: &'a Candidate,
    instruction: &'a str,
    response: &'a str,
}

impl<'a> Sample<'a> {
    fn of(candidate: &'a Candidate) -> Result<Self, ExportError> {
        let incomplete = |missing| ExportError::Incomplete { id: candidate.id, missing };
        let text = |text: &'a Option<String>, name| text.as_deref().ok_or(incomplete(name));
        Ok(Self {
            candidate,
            instruction: text(&candidate.instruction, "instruction")?,
            response: text(&candidate.response, "response")?,
        })
    }
}

/// Every file of the export, the card last.
///
/// # Errors
/// When the name does not serve, or an accepted candidate lacks its texts.
pub fn files(dataset: &Dataset) -> Result<Vec<ExportedFile>, ExportError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if dataset.name.is_empty() || !dataset.name.chars().all(plain) {
        return Err(ExportError::Name(dataset.name.to_owned()));
    }
    let accepted = dataset.candidates.iter().filter(|candidate| candidate.is_sample());
    let samples: Vec<Sample> = accepted.map(Sample::of).collect::<Result<_, _>>()?;
    let file = |name, bytes| ExportedFile { name, bytes };
    Ok(vec![
        file(file::ALPACA, alpaca::render(&samples)?),
        file(file::SHAREGPT, sharegpt::render(&samples)?),
        file(file::TABLE, table::render(&samples)?),
        file(file::DATASET_INFO, dataset_info::render(dataset.name)?),
        file(file::CARD, card::render(dataset, &samples)),
    ])
}

#[cfg(test)]
mod tests;
