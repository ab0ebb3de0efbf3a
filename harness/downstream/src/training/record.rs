//! What is remembered of a training: what it is made from (`inputs.json`, before it runs), and what came of it
//! (`training.json`, written last, so that its being there means that the training is whole). A folder holds the training
//! of one set of inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::Path;

use gra_files::digest::{self, DigestCache};
use serde::{Deserialize, Serialize};

use super::TrainingError::{self, Unusable};
use super::base::{BaseRecord, FileRecord, hashed_files, whole_safetensors};
use super::data_set::TrainingSetRecord;
use super::outputs::{self, LossPoint};
use super::recipe::Recipe;
use super::{file, read_json};

/// Version of the form of `inputs.json`.
pub(super) const INPUTS_VERSION: u32 = 1;

/// Versions that trainings were seen to work with. Others are noted: LLaMA-Factory has changed what the template
/// `default` means.
const SEEN: [(&str, &str); 3] =
    [("llamafactory", "0.9.5"), ("transformers", "5.6.0"), ("torch", "2.13.0")];

/// Everything that determines a training but the engine and the devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingInputs {
    /// Version of this form.
    pub version: u32,
    /// In the order in which they were given.
    pub data_sets: Vec<TrainingSetRecord>,
    /// The model that it starts from.
    pub base: BaseRecord,
    /// How it is trained.
    pub recipe: RecipeRecord,
    /// Seed of the data's order and of everything drawn.
    pub seed: u32,
    /// SHA-256 of the files that were written for the trainer, by their paths in the folder.
    pub files: BTreeMap<String, String>,
}

/// What a training remembers of its recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeRecord {
    /// `paper`, `smoke`, or a file's name.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: String,
    /// Records of a step of the optimizer, over all devices.
    pub batch: u64,
    /// Arguments of LLaMA-Factory, values as YAML writes them.
    pub settings: BTreeMap<String, String>,
}

impl RecipeRecord {
    /// Whether it trains in fp16, whose gradients overflow now and then.
    #[must_use]
    pub fn in_fp16(&self) -> bool {
        self.settings.get("fp16").is_some_and(|value| value == "true")
    }
}

impl From<&Recipe> for RecipeRecord {
    fn from(recipe: &Recipe) -> Self {
        let mut settings = recipe.settings.clone();
        if recipe.zero_2 {
            settings.insert("deepspeed".to_owned(), "zero-2".to_owned());
        }
        // The batch stands for it: on fewer devices it is another number.
        settings.remove("gradient_accumulation_steps");
        let batch = u64::from(recipe.per_device) * recipe.accumulation_of_all();
        Self { name: recipe.name.clone(), sha256: recipe.sha256.clone(), batch, settings }
    }
}

impl TrainingInputs {
    /// Those of a training's folder; `None` where there are none.
    ///
    /// # Errors
    /// When the file is damaged, or of another version.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let path = folder.join(file::INPUTS);
        match read_json::<Self>(&path)? {
            Some(Self { version, .. }) if version != INPUTS_VERSION => {
                let problem = format!("version {version}, and this reads {INPUTS_VERSION}");
                Err(TrainingError::damaged(&path, problem))
            }
            inputs => Ok(inputs),
        }
    }

    /// Those of a folder in which a training was prepared.
    pub(super) fn prepared(folder: &Path) -> Result<Self, TrainingError> {
        Self::read(folder)?.ok_or_else(|| {
            let what = "it has no inputs.json\nhint: gra-bench train --emit-only";
            Unusable(format!("no training was prepared in {}: {what}", folder.display()))
        })
    }

    /// What makes another training of it than `wanted`, a line for each. Where a base lies, what a recipe is called and
    /// its comments make no other training.
    #[must_use]
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let sets = |inputs: &Self| -> BTreeMap<String, String> {
            let text = |set: &TrainingSetRecord| {
                format!("sha256 {} (records: {})", short(&set.sha256), set.records)
            };
            inputs.data_sets.iter().map(|set| (set.name.clone(), text(set))).collect()
        };
        compare(&mut lines, "data set ", &sets(self), &sets(wanted));
        let order = |inputs: &Self| {
            let names: Vec<&str> = inputs.data_sets.iter().map(|set| set.name.as_str()).collect();
            names.join(", ")
        };
        // Records are read set after set before they are shuffled, so another order is another shuffle.
        if lines.is_empty() && order(self) != order(wanted) {
            lines.push(format!("data sets: {}; not {}", order(self), order(wanted)));
        }
        let base = |inputs: &Self| -> BTreeMap<String, String> {
            let files = inputs.base.files.iter();
            files.map(|(name, file)| (name.clone(), short(&file.sha256))).collect()
        };
        compare(&mut lines, "base model, ", &base(self), &base(wanted));
        // Of a hub's model no files are known, so its name and revision stand for them.
        if self.base.files.is_empty() || wanted.base.files.is_empty() {
            let name = |inputs: &Self| {
                let revision = inputs.base.revision.as_deref();
                revision.map_or(inputs.base.name.clone(), |it| format!("{}@{it}", inputs.base.name))
            };
            push_other(&mut lines, "base model", &name(self), &name(wanted));
        }
        push_other(&mut lines, "batch", &self.recipe.batch, &wanted.recipe.batch);
        compare(&mut lines, "recipe, ", &self.recipe.settings, &wanted.recipe.settings);
        push_other(&mut lines, "training seed", &self.seed, &wanted.seed);
        lines
    }

    /// Checks that the files which the trainer read are those that were prepared.
    pub(super) fn check_files(&self, folder: &Path) -> Result<(), TrainingError> {
        for (name, sha256) in &self.files {
            let path = folder.join(name);
            let Ok(bytes) = fs::read(&path) else { return Err(TrainingError::missing(&path)) };
            if *sha256 != digest::of_bytes(&bytes) {
                return Err(Unusable(format!(
                    "{} was changed after the training was prepared, so its record would be wrong\n\
                     hint: prepare it anew with --replace",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

fn push_other<T: PartialEq + Display>(lines: &mut Vec<String>, what: &str, here: &T, wanted: &T) {
    if here != wanted {
        lines.push(format!("{what}: {here}, not {wanted}"));
    }
}

fn compare(
    lines: &mut Vec<String>,
    what: &str,
    here: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) {
    for (name, value) in here {
        match wanted.get(name) {
            None => lines.push(format!("{what}{name}: {value}, and now it is not there")),
            Some(other) => push_other(lines, &format!("{what}{name}"), value, other),
        }
    }
    for (name, value) in wanted.iter().filter(|(name, _)| !here.contains_key(*name)) {
        lines.push(format!("{what}{name}: not there, and now it is {value}"));
    }
}

/// Enough of a hash to tell two apart by eye.
fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

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
            return Err(TrainingError::missing(&path));
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
        chat_template_sha256: digest::of_file(&model.join("chat_template.jinja")).ok(),
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
            return Err(TrainingError::missing(&model.join(needed)));
        }
    }
    let weights = || files.keys().filter(|name| name.ends_with(".safetensors"));
    if weights().next().is_none() {
        return Err(TrainingError::missing(&model.join("model.safetensors")));
    }
    for file in weights().map(|name| model.join(name)) {
        whole_safetensors(&file).map_err(|problem| TrainingError::damaged(&file, problem))?;
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
    let base = &inputs.base.name;
    Err(Unusable(format!(
        "it was not trained from {base} as it was prepared: {file} is another one\n\
         hint: prepare it with the base model that was used, or train it again"
    )))
}
