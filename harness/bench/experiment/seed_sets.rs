//! Seed sets as an axis: a file that names several is one experiment for each of them.
//!
//! They share everything but seed set and name. What joins them is named as the file is, and each of them as it would
//! be with `--seed-set`: a run of one of them alone is the same experiment.

use std::path::{Path, PathBuf};

use super::{Experiment, ExperimentError, ExperimentFile, Overrides, file, repeated, stem};
use crate::builtin;
use crate::trial::plain_name;

/// The experiments of a file: one, or one for each of its seed sets.
#[derive(Debug)]
pub struct Experiments {
    /// Folder name of what joins them.
    pub name: String,
    /// In the order of the file; at least one.
    pub each: Vec<Experiment>,
}

impl Experiments {
    /// Loads the experiments of a file with everything that they name, and checks them.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(
        path: &Path,
        models: &Path,
        overrides: &Overrides,
    ) -> Result<Self, ExperimentError> {
        let file = file::read(path, overrides.base.as_deref())?;
        if overrides.seed_set.is_some() || file.seed_sets.is_empty() {
            let only = Experiment::load(path, models, overrides)?;
            return Ok(Self { name: only.name.clone(), each: vec![only] });
        }
        let value_error = |reason| ExperimentError::Value { path: path.to_owned(), reason };
        let stems: Vec<String> = file.seed_sets.iter().map(|seed_set| stem(seed_set)).collect();
        if let Some(twice) = repeated(&stems) {
            return Err(value_error(format!(
                "seed_sets has two files called `{twice}`, and results are named after them\n  hint: rename one"
            )));
        }
        // All at once, so that they are fetched at once. Of a set without a command, loading says that it is not there.
        let missing: Vec<(PathBuf, String)> = file
            .seed_sets
            .iter()
            .filter(|seed_set| !builtin::exists(seed_set))
            .filter_map(|seed_set| Some((seed_set.clone(), fetch(&file, seed_set)?)))
            .collect();
        if !missing.is_empty() {
            return Err(ExperimentError::SeedSetsMissing { path: path.to_owned(), missing });
        }
        let name = overrides.derived_name(&file.name);
        plain_name("name", &name).map_err(value_error)?;
        // A derived name has the set's in it already, as with `--seed-set`; a name that was given gets it here.
        let one = |(seed_set, stem): (&PathBuf, &String)| {
            let renamed = overrides.name.as_ref().map(|name| format!("{name}-{stem}"));
            let seed_set = Some(seed_set.clone());
            Experiment::load(
                path,
                models,
                &Overrides { seed_set, name: renamed, ..overrides.clone() },
            )
        };
        let each = file.seed_sets.iter().zip(&stems).map(one).collect::<Result<_, _>>()?;
        Ok(Self { name, each })
    }
}

/// The command that gets a seed set, where the file states one.
fn fetch(file: &ExperimentFile, seed_set: &Path) -> Option<String> {
    file.fetch.get(seed_set.file_name()?.to_str()?).cloned()
}

/// The one seed set of an experiment.
pub(super) fn seed_set(
    file: &ExperimentFile,
    overrides: &Overrides,
    path: &Path,
) -> Result<PathBuf, ExperimentError> {
    let reason = match (&overrides.seed_set, &file.seed_set, file.seed_sets.is_empty()) {
        (_, Some(_), false) => "names both `seed_set` and `seed_sets`; one of them is enough",
        (Some(given), ..) => return Ok(given.clone()),
        (None, Some(own), true) => return Ok(own.clone()),
        (None, None, true) => "names no seed set\n  hint: seed_set = \"FILE\", or --seed-set FILE",
        (None, None, false) => {
            "names several seed sets\n  hint: take one of them with --seed-set FILE"
        }
    };
    Err(ExperimentError::Value { path: path.to_owned(), reason: reason.to_owned() })
}
