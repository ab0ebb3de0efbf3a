//! A data set becomes a trained model, by LLaMA-Factory (paper, section 4.1).
//!
//! A training has a folder. [`prepare`] writes what it is made from, [`train`] runs it here, or `train.sh` runs it on another
//! machine and [`import`] takes it back. Either way `training.json` is written last and says everything that a reader of a
//! score wants to know of the model. [`to_gguf`] makes a file of it that llama.cpp serves.
//!
//! ```text
//! inputs.json          what it is made from: data sets, base model, recipe, training seed, by their hashes
//! data/                the data sets, and dataset_info.json
//! train.yaml           LLaMA-Factory's configuration; zero-2.json is DeepSpeed's
//! train.sh             runs it, here and elsewhere; train.slurm gives it to a cluster
//! train.log            what the trainer said, of all runs
//! sessions.jsonl       when it ran, with which versions, from which base model
//! model/               the trained model, its checkpoints, LLaMA-Factory's logs
//! model.F16.gguf       the trained model as a GGUF file
//! training.json        the record, written last
//! ```
//!
//! # Layout
//!
//! - `recipe`: LLaMA-Factory's arguments as TOML, and the files that start a training
//! - `data_set`, `base`: what is trained on, and what is trained
//! - `run`, `outputs`: running and resuming a training, reading what it wrote
//! - `record`: what it was made from, and what is left of it

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use gra_files::digest::{self, DigestCache};
use gra_files::write_atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use base::{Base, BaseRecord, FileRecord, GgufOrigin};
pub use data_set::{TrainingSet, TrainingSetRecord};
pub use outputs::{LossPoint, TrainingProgress};
pub use recipe::Recipe;
pub use record::{RecipeRecord, TrainingInputs, TrainingRecord, unseen_versions};
pub use run::{TrainingEvent, to_gguf, train};

use crate::engine::{Ending, EngineProcess, ProgramError};
use TrainingError::Unusable;

mod base;
mod data_set;
mod outputs;
mod recipe;
mod record;
mod run;

/// Names of a training's files.
mod file {
    pub(super) const INPUTS: &str = "inputs.json";
    pub(super) const CONFIGURATION: &str = "train.yaml";
    pub(super) const ZERO_2: &str = "zero-2.json";
    pub(super) const SHELL: &str = "train.sh";
    pub(super) const SLURM: &str = "train.slurm";
    pub(super) const LOG: &str = "train.log";
    pub(super) const SESSIONS: &str = "sessions.jsonl";
    pub(super) const MODEL: &str = "model";
    pub(super) const GGUF: &str = "model.F16.gguf";
    pub(super) const RECORD: &str = "training.json";
}

/// What is to be trained, on what, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingPlan {
    /// At least one; the records of all of them are shuffled together.
    pub data_sets: Vec<TrainingSet>,
    /// The model to start from; of a GGUF file, what [`Base::converted`] made of it.
    pub base: Base,
    /// How.
    pub recipe: Recipe,
    /// Seed of the data's order and of everything drawn.
    pub seed: u32,
}

/// What [`prepare`] does with a folder that holds another training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherTraining {
    /// Leaves it alone and says what differs.
    Refuse,
    /// Removes it, with its model.
    Replace,
}

/// A training was not prepared, not run or not recorded.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// What was given, or what is in the folder, cannot be used; which file, what is wrong with it and what to do.
    #[error("{0}")]
    Unusable(String),
    /// A program could not be started or has failed.
    #[error("{0}\nhint: what is done stays done; repeat the command when the cause is gone")]
    Program(#[from] ProgramError),
    /// It ended while it wrote a checkpoint: the disk was full, or it was killed. How it ended, what is wrong with the
    /// checkpoint, and what to do.
    #[error("{0}")]
    CheckpointCutOff(String),
    /// It was told to stop.
    #[error("stopped; repeat the command to go on from the newest checkpoint")]
    Stopped,
    /// A trainer works there at this moment.
    #[error("a training runs in {} already\nhint: wait for its end, or end it: fuser -k {}/.running",
        .0.display(), .0.display())]
    Running(PathBuf),
    /// Loss or gradient became infinite, or no number.
    #[error(
        "the loss or its gradient is no finite number at step {step}: the model is broken from there on\n\
        hint: lower learning_rate in the recipe; with fp16, use bf16; look for records with empty or very long texts"
    )]
    LossIsNoNumber {
        /// The step where it was first seen.
        step: u64,
    },
    /// The system refused to read or write.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl TrainingError {
    fn from_io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }

    /// A file that cannot be read as what it is.
    fn damaged(file: &Path, problem: impl Display) -> Self {
        Self::Unusable(format!("{} is damaged: {problem}", file.display()))
    }

    /// A file that a finished training has.
    fn missing(file: &Path) -> Self {
        let file = file.display();
        Self::Unusable(format!(
            "{file} is missing: the training is not finished, or was not copied whole\n\
             hint: run it again, or copy it again"
        ))
    }
}

/// Writes everything that a training is made from into its folder. A folder that holds this training already is left as it
/// is, with what was trained.
///
/// # Errors
/// When a data set, the base or the recipe cannot be used, or the folder holds something else.
pub fn prepare(
    plan: &TrainingPlan,
    folder: &Path,
    other: OtherTraining,
    digests: &mut DigestCache,
) -> Result<TrainingInputs, TrainingError> {
    let sets = data_set::read_all(&plan.data_sets)?;
    let template_of = plan.recipe.needs_chat_template().then_some(plan.recipe.name.as_str());
    let base = plan.base.record(template_of, digests)?;
    let names: Vec<&str> = sets.iter().map(|set| set.record.name.as_str()).collect();
    let configuration = recipe::configuration(plan)?;
    // What the trainer reads; its hashes tell whether a folder that comes back was trained from the same.
    let mut read = BTreeMap::from([
        (file::CONFIGURATION.to_owned(), configuration.into_bytes()),
        ("data/dataset_info.json".to_owned(), data_set::index(&names)),
    ]);
    if plan.recipe.zero_2 {
        read.insert(file::ZERO_2.to_owned(), recipe::ZERO_2_CONFIGURATION.into());
    }
    for set in &sets {
        read.insert(format!("data/{}.json", set.record.name), set.bytes.clone());
    }
    let hashed = |(name, bytes): (&String, &Vec<u8>)| (name.clone(), digest::of_bytes(bytes));
    let inputs = TrainingInputs {
        version: record::INPUTS_VERSION,
        files: read.iter().map(hashed).collect(),
        data_sets: sets.into_iter().map(|set| set.record).collect(),
        base,
        recipe: RecipeRecord::from(&plan.recipe),
        seed: plan.seed,
    };
    make_room(folder, &inputs, other)?;

    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        write_atomic(&path, bytes).map_err(TrainingError::from_io(&path))
    };
    for (name, bytes) in &read {
        write(name, bytes)?;
    }
    // Not among the hashed files: people fit them to their cluster.
    write(file::SHELL, recipe::shell(&plan.base, &plan.recipe).as_bytes())?;
    write(file::SLURM, recipe::slurm(&plan.recipe).as_bytes())?;
    // Last: without it there is no training in the folder.
    write_json(&folder.join(file::INPUTS), &inputs)?;
    Ok(inputs)
}

/// Sees to it that the folder is empty or holds the same training.
fn make_room(
    folder: &Path,
    wanted: &TrainingInputs,
    other: OtherTraining,
) -> Result<(), TrainingError> {
    let shown = folder.display();
    let is_empty = entries(folder)?.is_empty();
    let Some(here) = TrainingInputs::read(folder)? else {
        // An interrupted `prepare` leaves files without inputs.json; they are ours to write again.
        if is_empty || folder.join("data").is_dir() {
            return Ok(());
        }
        return Err(Unusable(format!(
            "{shown} is not empty, and no training was prepared in it\nhint: choose another folder"
        )));
    };
    let differences = here.differences(wanted);
    match other {
        _ if differences.is_empty() => Ok(()),
        OtherTraining::Refuse => Err(Unusable(format!(
            "{shown} holds another training:\n  {}\n\
             hint: choose another folder, or replace it with --replace",
            differences.join("\n  ")
        ))),
        // It is a training's folder, so all that is in it is the training's.
        OtherTraining::Replace => {
            fs::remove_dir_all(folder).map_err(TrainingError::from_io(folder))
        }
    }
}

/// Whether a text is a name without surprises in lists, paths and addresses: letters, digits, `.`, `_`, `-`, and no `.`
/// before them.
fn is_plain(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    let failed = TrainingError::from_io(folder);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(&failed)?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// Records a training that `train.sh` has run elsewhere, in the folder that was prepared here and copied back.
///
/// # Errors
/// When it is not finished, its inputs are not those that were prepared, or its loss is no number.
pub fn import(folder: &Path) -> Result<TrainingRecord, TrainingError> {
    let inputs = TrainingInputs::prepared(folder)?;
    match TrainingRecord::read(folder)? {
        Some(record) => Ok(record),
        None => record::write(folder, inputs),
    }
}

/// Removes the checkpoints of a finished training, which are several times as large as its model.
///
/// Returns how many bytes it frees.
///
/// # Errors
/// When the training is not finished, or a checkpoint cannot be removed.
pub fn remove_checkpoints(folder: &Path) -> Result<u64, TrainingError> {
    match TrainingRecord::read(folder)? {
        Some(_) => run::remove_checkpoints(&folder.join(file::MODEL)),
        None => Err(TrainingError::missing(&folder.join(file::RECORD))),
    }
}

/// Runs a converter to its end; told to stop is no success.
fn convert(command: Command, log: &Path, stop: &AtomicBool) -> Result<(), TrainingError> {
    match EngineProcess::start(command, log)?.wait(stop, || ())? {
        Ending::Done => Ok(()),
        Ending::Stopped => Err(TrainingError::Stopped),
    }
}

/// Reads a JSON file; `None` where there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TrainingError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A record that is there and cannot be read must not be taken for a training that has not begun.
        Err(error) => return Err(TrainingError::from_io(path)(error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| TrainingError::damaged(path, error))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainingError> {
    let failed = TrainingError::from_io(path);
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    write_atomic(path, &bytes).map_err(failed)
}

#[cfg(test)]
mod tests;
