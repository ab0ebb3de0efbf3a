//! What a training is made from, as a file beside it: a folder holds the training of one set of inputs.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use gra_files::digest;
use serde::{Deserialize, Serialize};

use super::base::BaseRecord;
use super::data_set::TrainingSetRecord;
use super::recipe::Recipe;
use super::{TrainingError, file, read_json};

/// Version of the file's form.
pub(super) const VERSION: u32 = 1;

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
            Some(Self { version, .. }) if version != VERSION => {
                let problem = format!("version {version}, and this reads {VERSION}");
                Err(TrainingError::damaged(&path, problem))
            }
            inputs => Ok(inputs),
        }
    }

    /// Those of a folder in which a training was prepared.
    pub(super) fn prepared(folder: &Path) -> Result<Self, TrainingError> {
        Self::read(folder)?.ok_or_else(|| TrainingError::NotPrepared(folder.to_owned()))
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
            let Ok(bytes) = fs::read(&path) else { return Err(TrainingError::FileMissing(path)) };
            if *sha256 != digest::of_bytes(&bytes) {
                return Err(TrainingError::FileChanged(path));
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
