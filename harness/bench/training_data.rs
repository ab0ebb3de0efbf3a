//! What models are trained on: data sets of every kind as files of Alpaca records, with what they are of in the words of
//! the paper's tables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use gra_files::write_atomic;
use serde::Deserialize;

use crate::benchmark_scores::DataSubject;
use crate::dataset::{DataSet, Named};
use crate::experiment::{Experiments, Overrides};
use crate::export::{Export, Extent, MANIFEST, TrainingFormat};
use crate::failure::bad_input;
use crate::session::GlobalArgs;
use crate::store::Store;
use crate::trial::TrialId;
use crate::{builtin, comparison};

/// Folder of the exported data sets, in the results folder.
const FOLDER: &str = "data";

/// A data set to train on.
#[derive(Clone, Debug)]
pub(crate) struct TrainingData {
    /// Its name in training configurations and folders.
    pub(crate) name: String,
    /// Alpaca records.
    pub(crate) file: PathBuf,
    pub(crate) subject: DataSubject,
}

/// Of an export's manifest, what is read here.
#[derive(Deserialize)]
struct ExportManifest {
    data_set: String,
    subject: DataSubject,
}

impl TrainingData {
    /// Data sets as they are named on the command line. Those that are not exported yet are, into `data` of the results
    /// folder; `sets` chooses among those of experiment files.
    ///
    /// # Errors
    /// When one of them is not there, is empty, or two have one name.
    pub(crate) fn load_all(
        named: &[String],
        sets: &[String],
        global: &GlobalArgs,
    ) -> Result<Vec<Self>> {
        let store = global.read_store_or_empty()?;
        let mut data = Vec::new();
        for text in named {
            // Files and folders that are there go before names of trials.
            let path = Path::new(text);
            if builtin::exists(path) && path.extension().is_some_and(|ending| ending == "toml") {
                data.extend(of_experiment(path, sets, &store, global)?);
            } else if path.is_dir() {
                data.push(of_export(path)?);
            } else {
                let set = Named::parse(text).map_err(bad_input)?.load(&store)?;
                data.push(exported(set.name.clone(), &set, global.results())?);
            }
        }
        let mut taken = BTreeSet::new();
        // Their trainings would stand in one folder.
        if let Some(Self { name, .. }) = data.iter().find(|one| !taken.insert(&one.name)) {
            let hint = "hint: name files NAME=FILE";
            return Err(bad_input(anyhow!("two data sets are called `{name}`\n{hint}")));
        }
        Ok(data)
    }
}

/// Every variant and source of an experiment file, or those of `sets`.
fn of_experiment(
    file: &Path,
    sets: &[String],
    store: &Store,
    global: &GlobalArgs,
) -> Result<Vec<TrainingData>> {
    let experiments = Experiments::load(file, &global.models, &Overrides::default())?;
    let mut data = Vec::new();
    for experiment in &experiments.each {
        for set in &comparison::data_sets(experiment, sets, store, file, "train on")? {
            // Named after the run seed too: data of another one is other data.
            let id = TrialId::new(&experiment.name, &set.name, experiment.seeds[0]);
            data.push(exported(id.joined(), set, global.results())?);
        }
    }
    Ok(data)
}

/// A folder that `export` wrote.
fn of_export(folder: &Path) -> Result<TrainingData> {
    let alpaca = TrainingFormat::Alpaca.file();
    let (manifest, file, shown) = (folder.join(MANIFEST), folder.join(alpaca), folder.display());
    let bytes = std::fs::read(&manifest).ok().filter(|_| file.is_file()).ok_or_else(|| {
        bad_input(anyhow!(
            "{shown} is no exported data set: it lacks {MANIFEST} or {alpaca}\n\
             hint: gra-bench export writes both; name a file of another data set instead of its folder"
        ))
    })?;
    let ExportManifest { data_set, subject } = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not as `export` writes it", manifest.display()))
        .map_err(bad_input)?;
    Ok(TrainingData { name: data_set, file, subject })
}

/// Writes a data set as one to train on.
fn exported(name: String, set: &DataSet, results: &Path) -> Result<TrainingData> {
    let export = Export::of_data_set(name.clone(), set);
    if export.is_empty() {
        return Err(bad_input(anyhow!("no sample of `{name}` has a response to train on")));
    }
    let folder = results.join(FOLDER).join(&name);
    // With manifest and card: the folder is an export like any other, and can be named as one.
    for file in export.files(&Extent::whole(&[TrainingFormat::Alpaca]))? {
        write_atomic(&folder.join(&file.name), &file.bytes)?;
    }
    let file = folder.join(TrainingFormat::Alpaca.file());
    Ok(TrainingData { name, file, subject: set.subject.clone() })
}
