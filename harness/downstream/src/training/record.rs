//! What is remembered of a finished training: `training.json`, written last, so that its being there means that the
//! training is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use gra_files::digest::{DigestCache, of_file};
use serde::{Deserialize, Serialize};

use super::base::{FileRecord, hashed_files};
use super::checkpoints::whole_safetensors;
use super::inputs::TrainingInputs;
use super::outputs::{self, LossPoint};
use super::{TrainingError, file, read_json};

/// Versions that trainings were seen to work with. Others are noted: LLaMA-Factory has changed what the template
/// `default` means.
const SEEN: [(&str, &str); 3] =
    [("llamafactory", "0.9.5"), ("transformers", "5.6.0"), ("torch", "2.13.0")];

/// A finished training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// What it was made from.
    pub inputs: TrainingInputs,
    /// Versions of Python and the packages that count, as they were when it ran.
    pub versions: BTreeMap<String, String>,
    /// How many devices it ran on.
    pub devices: u32,
    /// How many runs it took; more than one when it was interrupted.
    pub runs: usize,
    /// Seconds of the runs that ended by themselves, with loading and saving. What an interrupted run took is not known.
    pub wall_seconds: u64,
    /// Steps of the optimizer.
    pub steps: u64,
    /// The loss curve, by steps.
    pub loss: Vec<LossPoint>,
    /// `all_results.json` as LLaMA-Factory wrote it; times are those of its last run.
    pub results: BTreeMap<String, f64>,
    /// SHA-256 of the chat template that was saved with the model; `None` where LLaMA-Factory saved none.
    pub chat_template_sha256: Option<String>,
    /// The trained model: configuration, tokenizer, weights.
    pub model: BTreeMap<String, FileRecord>,
    /// What a reader should know before comparing it with other trainings.
    pub notes: Vec<String>,
}

/// A line of `sessions.jsonl`, which `train.sh` writes.
#[derive(Deserialize)]
#[serde(untagged)]
enum SessionLine {
    Started {
        started: u64,
        devices: u32,
        versions: BTreeMap<String, String>,
        base: BTreeMap<String, String>,
    },
    Ended {
        ended: u64,
    },
}

impl TrainingRecord {
    /// The record of a training's folder; `None` while it is not finished.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        read_json(&folder.join(file::RECORD))
    }

    /// Puts the runs together, and checks that each started from the base model that was meant.
    fn add_sessions(&mut self, folder: &Path) -> Result<(), TrainingError> {
        let path = folder.join(file::SESSIONS);
        let Ok(text) = fs::read_to_string(&path) else {
            return Err(TrainingError::FileMissing(path));
        };
        let mut running = None;
        let mut sets_of_versions = BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let line = serde_json::from_str(line).map_err(|_| {
                let problem = format!("line {} is not one that train.sh writes", at + 1);
                TrainingError::damaged(&path, problem)
            })?;
            match line {
                SessionLine::Started { started, devices, versions, base } => {
                    check_base(&self.inputs, &base)?;
                    self.runs += 1;
                    self.devices = devices;
                    sets_of_versions.insert(versions.clone());
                    self.versions = versions;
                    running = Some(started);
                }
                // A run that was interrupted has no such line, and its seconds are not known.
                SessionLine::Ended { ended } => {
                    let started = running.take().unwrap_or(ended);
                    self.wall_seconds += ended.saturating_sub(started);
                }
            }
        }
        if self.runs == 0 {
            return Err(TrainingError::damaged(&path, "no run is in it"));
        }
        self.notes = unseen_versions(&self.versions);
        let (runs, base) = (self.runs, &self.inputs.base);
        if sets_of_versions.len() > 1 {
            self.notes.push(format!(
                "its {runs} runs were of different versions; the last one's are recorded"
            ));
        }
        if base.files.is_empty() && base.revision.is_none() {
            let note = "was taken from the hub without a revision, so it may change";
            self.notes.push(format!("{} {note}", base.name));
        }
        Ok(())
    }
}

/// How versions of packages differ from those that trainings were seen to work with, a sentence for each package.
#[must_use]
pub fn unseen_versions(versions: &BTreeMap<String, String>) -> Vec<String> {
    let other = SEEN.iter().filter_map(|(package, seen)| {
        let version = versions.get(*package).map_or("missing", String::as_str);
        let differs = version != *seen;
        differs.then(|| format!("{package} is {version}; trainings were tried with {seen}"))
    });
    other.collect()
}

/// Makes the record of a finished training and writes it.
pub(super) fn write(
    folder: &Path,
    inputs: TrainingInputs,
) -> Result<TrainingRecord, TrainingError> {
    inputs.check_files(folder)?;
    let model = folder.join(file::MODEL);
    let outcome = outputs::read_outcome(&model, inputs.recipe.in_fp16())?;
    // A cache would be of no use: they are new.
    let files = hashed_files(&model, &mut DigestCache::in_memory())?;
    check_model(&model, &files)?;
    let mut record = TrainingRecord {
        inputs,
        versions: BTreeMap::new(),
        devices: 0,
        runs: 0,
        wall_seconds: 0,
        steps: outcome.steps,
        loss: outcome.loss,
        results: outcome.results,
        chat_template_sha256: of_file(&model.join("chat_template.jinja")).ok(),
        model: files,
        notes: Vec::new(),
    };
    record.add_sessions(folder)?;
    super::write_json(&folder.join(file::RECORD), &record)?;
    Ok(record)
}

fn check_model(model: &Path, files: &BTreeMap<String, FileRecord>) -> Result<(), TrainingError> {
    for needed in ["config.json", "tokenizer_config.json"] {
        if !files.contains_key(needed) {
            return Err(TrainingError::FileMissing(model.join(needed)));
        }
    }
    let weights = || files.keys().filter(|name| name.ends_with(".safetensors"));
    if weights().next().is_none() {
        return Err(TrainingError::FileMissing(model.join("model.safetensors")));
    }
    for file in weights().map(|name| model.join(name)) {
        whole_safetensors(&file).map_err(|problem| TrainingError::Damaged { file, problem })?;
    }
    Ok(())
}

/// A cluster may have another model by the same name.
fn check_base(
    inputs: &TrainingInputs,
    found: &BTreeMap<String, String>,
) -> Result<(), TrainingError> {
    let prepared = &inputs.base.files;
    // Of a hub's model no files were prepared, so there is nothing to compare.
    if prepared.is_empty() {
        return Ok(());
    }
    let is_same =
        |name: &str, sha256: &str| prepared.get(name).is_some_and(|file| file.sha256 == sha256);
    let other = found.iter().find(|(name, sha256)| !is_same(name, sha256)).map(|(name, _)| name);
    let file = match other {
        Some(name) => name.clone(),
        None if found.is_empty() => "config.json".to_owned(),
        None => return Ok(()),
    };
    Err(TrainingError::OtherBase { base: inputs.base.name.clone(), file })
}
