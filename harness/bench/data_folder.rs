//! A folder that holds an experiment and what came of it, as `synth` makes them: `experiment.toml`, and the results in
//! `results/`. Where a verb takes an experiment file, an experiment or a trial, such a folder stands for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::experiment;
use crate::failure::bad_input;
use crate::session::GlobalArgs;
use crate::trial::TrialId;
use gra_files::write_atomic;

/// Name of the experiment file of a data folder.
const EXPERIMENT: &str = "experiment.toml";

/// An argument that may be such a folder, and what it then means.
pub(crate) enum FolderArg<'a> {
    /// The experiment file.
    File(&'a mut PathBuf),
    /// The experiment's name.
    Name(&'a mut String),
    /// The trial of the file's first variant under its first run seed.
    Trial(&'a mut String),
    /// Likewise, and maybe under another name: `NAME=FOLDER`.
    Source(&'a mut String),
}

/// The experiment file of a folder; nothing says whether it is there.
pub(crate) fn experiment_file(folder: &Path) -> PathBuf {
    folder.join(EXPERIMENT)
}

/// The trial of the first variant of an experiment file under its first run seed.
///
/// # Errors
/// When the file cannot be read or names no run seed.
pub(crate) fn first_trial(file: &Path) -> Result<TrialId> {
    let read = experiment::read(file, None)?;
    let first = read.variants.first().zip(read.seeds.first());
    let (variant, &seed) = first.with_context(|| format!("{} runs no trial", file.display()))?;
    Ok(TrialId { experiment: read.name, variant: variant.name.clone(), seed })
}

/// Puts what folders mean in the place of their names, and makes their results those of the verb unless the user has
/// named others.
///
/// # Errors
/// When the experiment file of a folder cannot be read, or folders have results of their own each.
pub(crate) fn resolve<'a>(
    arguments: impl Iterator<Item = FolderArg<'a>>,
    global: &mut GlobalArgs,
) -> Result<()> {
    let mut folders = BTreeSet::new();
    for argument in arguments {
        if let Some(folder) = argument.resolve()? {
            global.keep_results_in(&folder);
            folders.insert(folder);
        }
    }
    let mut folders = folders.iter();
    if let (Some(first), Some(second)) = (folders.next(), folders.next()) {
        return Err(bad_input(anyhow!(
            "{} and {} have a store each, and one is read at a time\nhint: name a file of the second, e.g. {}",
            first.display(),
            second.display(),
            second.join("alpaca.json").display()
        )));
    }
    Ok(())
}

impl FolderArg<'_> {
    /// Replaces the argument by what it means, where it is such a folder; gives the folder.
    fn resolve(self) -> Result<Option<PathBuf>> {
        let named = match &self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Name(name) | Self::Trial(name) | Self::Source(name) => (*name).clone(),
        };
        let folder = PathBuf::from(&named);
        let file = experiment_file(&folder);
        if !file.is_file() {
            // It may have a label: NAME=FOLDER.
            let (Self::Source(source), Some((label, folder))) = (self, named.split_once('='))
            else {
                return Ok(None);
            };
            let mut trial = folder.to_owned();
            let found = FolderArg::Trial(&mut trial).resolve()?;
            *source = format!("{label}={trial}");
            return Ok(found);
        }
        match self {
            Self::File(path) => *path = file,
            Self::Name(name) => *name = first_trial(&file)?.experiment,
            Self::Trial(name) | Self::Source(name) => *name = first_trial(&file)?.to_string(),
        }
        Ok(Some(folder))
    }
}

/// Files that were written and can be put back as they were.
#[derive(Debug, Default)]
pub(crate) struct Replaced(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Replaced {
    /// Writes a file; says whether another one was in its place.
    pub(crate) fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<bool> {
        let before = std::fs::read(&path).ok();
        if before.as_deref() == Some(bytes) {
            return Ok(false);
        }
        write_atomic(&path, bytes)?;
        let has_replaced = before.is_some();
        self.0.push((path, before));
        Ok(has_replaced)
    }

    /// Puts all of them back, and removes the folder where nothing else was in it.
    pub(crate) fn put_back(self, folder: &Path) -> Result<()> {
        // Backwards, so that a file that was written twice ends as it first was.
        for (path, before) in self.0.into_iter().rev() {
            match before {
                Some(bytes) => write_atomic(&path, &bytes)?,
                None => std::fs::remove_file(&path)?,
            }
        }
        // Refused where something is in it, which is then kept.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_file_its_experiment_and_its_trial() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = 'a'\nquestion = 'b?'\npool = 'd'\nprompts = 'e'\nseeds = [7, 8]\n\
                    [[variant]]\nname = 'gra'\n[[variant]]\nname = 'x'\n";
        std::fs::write(folder.path().join(EXPERIMENT), text).unwrap();
        let path = folder.path().display().to_string();
        let (mut file, mut name, mut trial) =
            (folder.path().to_owned(), path.clone(), path.clone());
        let (mut source, mut other) = (format!("mine={path}"), "mine=a.json".to_owned());
        for argument in [
            FolderArg::File(&mut file),
            FolderArg::Name(&mut name),
            FolderArg::Trial(&mut trial),
            FolderArg::Source(&mut source),
        ] {
            assert_eq!(argument.resolve().unwrap().as_deref(), Some(folder.path()));
        }
        assert_eq!(FolderArg::Source(&mut other).resolve().unwrap(), None);
        assert_eq!(file, folder.path().join(EXPERIMENT));
        assert_eq!((name.as_str(), trial.as_str()), ("a", "a/gra/seed-7"));
        assert_eq!((source.as_str(), other.as_str()), ("mine=a/gra/seed-7", "mine=a.json"));
    }

    #[test]
    fn what_was_written_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (new, own) = (folder.path().join("new"), folder.path().join("new/own.txt"));
        let old = folder.path().join("old.txt");
        std::fs::write(&old, "before").unwrap();
        let mut replaced = Replaced::default();
        replaced.write(own, b"a").unwrap();
        replaced.write(old.clone(), b"b").unwrap();
        replaced.put_back(&new).unwrap();
        assert_eq!(std::fs::read_to_string(old).unwrap(), "before");
        assert!(!new.exists());
    }
}
