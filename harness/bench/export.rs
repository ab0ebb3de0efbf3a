//! A data set in the formats of other tools, as bytes. Writes no file itself.
//!
//! # Layout
//!
//! - `formats`: training data and preferences as trainers read them, the index of both for LLaMA-Factory, and all of a
//!   sample as Parquet
//! - `card`: the dataset card
//! - `tidy`: everything that trials recorded, as tables in long form

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::dataset::{self, DataSet, Sample};
use crate::trial::TrialRecord;
pub(crate) use formats::{PreferenceFormat, ScoredAnswers, lines};

mod card;
mod formats;
pub(crate) mod tidy;

/// Name of the file that holds the dataset card.
const CARD: &str = "README.md";

/// Name of the file that tells LLaMA-Factory what the training files are.
const DATASET_INFO: &str = "dataset_info.json";

/// Name of the file that tells what the others hold; written last.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Folder of the samples that are held out.
const TEST: &str = "test";

/// A form of training data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum TrainingFormat {
    /// Alpaca JSON: instruction, input, output.
    Alpaca,
    /// JSON Lines of `messages` with roles, as OpenAI, TRL and most others read them.
    Messages,
    /// JSON of `conversations` of `from` and `value`, as `ShareGPT` has them.
    Sharegpt,
    /// JSON Lines of `prompt` and `completion`, as TRL reads them.
    PromptCompletion,
    /// Parquet with everything that is known of a sample, its `messages` too.
    Parquet,
}

impl TrainingFormat {
    /// Those that a run publishes beside its tables.
    pub(crate) const PUBLISHED: [Self; 3] = [Self::Alpaca, Self::Messages, Self::Parquet];

    /// The name of its file.
    pub(crate) const fn file(self) -> &'static str {
        self.told().0
    }

    /// The name of its file, and what a card says of it.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Alpaca => ("alpaca.json", "instruction, input, output"),
            Self::Messages => {
                ("messages.jsonl", "`messages` of a user and an assistant, one pair a line")
            }
            Self::Sharegpt => ("sharegpt.json", "`conversations` of a human and a model"),
            Self::PromptCompletion => {
                ("prompt-completion.jsonl", "`prompt` and `completion`, one pair a line")
            }
            Self::Parquet => (
                "samples.parquet",
                "every sample with its messages, domain, keywords, summary, scores and models",
            ),
        }
    }
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportedFile {
    /// Its path within the folder of the export.
    pub(crate) name: String,
    /// Its content; the same data set gives the same bytes.
    pub(crate) bytes: Vec<u8>,
}

impl ExportedFile {
    /// A file of these bytes.
    pub(crate) fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

/// A data set to be exported.
#[derive(Clone, Debug)]
pub(crate) struct Export<'a> {
    /// Its name in training configurations, which take it from comma-separated lists: a plain name.
    name: String,
    set: Cow<'a, DataSet>,
    /// All candidates of its trial, which the card counts; none where it is no whole trial.
    candidates: &'a [Candidate],
}

/// What of an export is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extent {
    /// The forms.
    pub(crate) formats: Vec<TrainingFormat>,
    /// This share of the samples is held out, drawn by the run seed.
    pub(crate) test: Option<TestSplit>,
}

/// How samples are held out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TestSplit {
    /// Above 0 and below 1.
    pub(crate) share: f64,
    /// Seed of the draw.
    pub(crate) seed: u64,
}

impl Extent {
    /// These forms of all samples.
    pub(crate) fn whole(formats: &[TrainingFormat]) -> Self {
        let mut formats = formats.to_vec();
        formats.sort_unstable();
        formats.dedup();
        Self { formats, test: None }
    }
}

impl<'a> Export<'a> {
    /// The accepted ones among a trial's candidates, in their order.
    ///
    /// # Errors
    /// When an accepted candidate lacks its texts.
    pub(crate) fn of_trial(record: &TrialRecord, candidates: &'a [Candidate]) -> Result<Self> {
        // Surplus and rejected candidates are in the trial's own tables.
        for candidate in candidates.iter().filter(|candidate| candidate.is_sample()) {
            let texts =
                [(&candidate.instruction, "instruction"), (&candidate.response, "response")];
            for (text, what) in texts {
                ensure!(
                    text.is_some(),
                    "sample {} was accepted and has no {what}; its recorded facts are damaged",
                    candidate.id
                );
            }
        }
        let name = record.id.joined();
        let set = Cow::Owned(DataSet::of_candidates(name.clone(), record, candidates)?);
        Ok(Self { name, set, candidates })
    }

    /// The samples of a data set that have a response.
    pub(crate) fn of_data_set(name: String, set: &'a DataSet) -> Self {
        let candidates = set.trial.as_ref().map_or(&[][..], |trial| &trial.facts.candidates);
        Self { name, set: Cow::Borrowed(set), candidates }
    }

    /// Its name in training configurations.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its samples. Those without a response, as seed items may be, are no training data.
    fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.set.samples.iter().filter(|sample| sample.response.is_some())
    }

    /// How many samples it has.
    pub(crate) fn len(&self) -> usize {
        self.samples().count()
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a reader must know of its making, a sentence each.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.set.notes();
        // What a filter left out is among the notes already.
        let without = self.set.samples.len() - self.len();
        if without > 0 {
            notes.push(format!("{without} samples without a response are left out."));
        }
        notes
    }

    /// Every file, the manifest last.
    ///
    /// # Errors
    /// When a sample's facts are damaged.
    pub(crate) fn files(&self, extent: &Extent) -> Result<Vec<ExportedFile>> {
        let (train, test) = self.split(extent.test);
        let mut files = Vec::new();
        // The same names in the folder of held-out samples: a trainer takes either by its path.
        for format in &extent.formats {
            let name = format.file();
            files.push(ExportedFile::new(name, format.bytes(&train)?));
            if extent.test.is_some() {
                files.push(ExportedFile::new(format!("{TEST}/{name}"), format.bytes(&test)?));
            }
        }
        let info = formats::dataset_info(&self.name, &extent.formats);
        files.extend(info.map(|info| ExportedFile::new(DATASET_INFO, info)));
        let counts = (train.len(), test.len());
        files.push(ExportedFile::new(CARD, card::card(self, extent, counts).into_bytes()));
        // Last, with the hashes of all others.
        files.push(self.manifest(&files, counts)?);
        Ok(files)
    }

    /// What is trained on and what is held out, each in order.
    fn split(&self, test: Option<TestSplit>) -> (Vec<&Sample>, Vec<&Sample>) {
        let held_out = test.map_or_else(Vec::new, |TestSplit { share, seed }| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count that fits in memory"
            )]
            let n = (share * self.len() as f64).round() as usize;
            let ids: Vec<ItemId> = self.samples().map(|sample| sample.id).collect();
            // At least one sample on each side, where there are two.
            dataset::drawn(&ids, n.clamp(1, ids.len().saturating_sub(1).max(1)), seed)
        });
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (place, sample) in self.samples().enumerate() {
            let side = if held_out.binary_search(&place).is_ok() { &mut test } else { &mut train };
            side.push(sample);
        }
        (train, test)
    }

    /// Hashes of the files, and what the samples are.
    fn manifest(
        &self,
        files: &[ExportedFile],
        (train, test): (usize, usize),
    ) -> Result<ExportedFile> {
        let hashes: BTreeMap<&str, String> = files
            .iter()
            .map(|file| (file.name.as_str(), hex::encode(Sha256::digest(&file.bytes))))
            .collect();
        // Settings and no hash of them: they say how to make the data again.
        let records = self.set.records.iter();
        let trials: BTreeMap<String, _> =
            records.map(|record| (record.id.to_string(), &record.settings)).collect();
        let manifest = json!({
            "format": 1,
            "gra_bench": env!("CARGO_PKG_VERSION"),
            "data_set": self.name,
            "content": self.set.content,
            "subject": self.set.subject,
            "demonstration": self.set.is_demonstration,
            "samples": { "train": train, "test": test },
            "notes": self.notes(),
            "trials": trials,
            "files": hashes,
        });
        let mut bytes = serde_json::to_vec_pretty(&manifest)?;
        bytes.push(b'\n');
        Ok(ExportedFile::new(MANIFEST, bytes))
    }
}

#[cfg(test)]
mod tests;
