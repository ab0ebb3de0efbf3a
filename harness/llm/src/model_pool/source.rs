//! Where a model's files are, and whether they are the right ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelFileError;
use super::hub::{self, Absent, HubCache, Wanted};
use crate::gguf::{self, SplitName};
use gra_files::digest::DigestCache;

/// Parts that a message lists; more are named by a pattern.
const LISTED: usize = 3;

/// The encoder as `scripts/setup` makes it.
const ENCODER_FILE: &str = "all-MiniLM-L6-v2.F32.gguf";

/// How the files of the demonstration's pool begin, as `scripts/demo-pool` names them.
const DEMONSTRATION: &str = "SmolLM2-135M-Instruct.";

/// Where a model's file comes from. Of a model in several parts the first is named; the others lie beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSource {
    /// A file on this machine.
    Path(PathBuf),
    /// A file of a Hugging Face repository, looked up in the local hub cache.
    Hub {
        /// `ORGANISATION/NAME`.
        repo: String,
        /// File name within the repository.
        file: String,
        /// Branch, tag or commit; `None` is `main`.
        revision: Option<String>,
    },
}

/// A model's files, all of them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The only file, or the parts in order. Not empty.
    pub paths: Vec<PathBuf>,
    /// SHA-256 of each, lower-case hexadecimal.
    pub sha256: Vec<String>,
}

impl ModelFiles {
    /// The file that llama.cpp is told: it finds the others by its name.
    #[must_use]
    pub fn first(&self) -> &Path {
        self.paths.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let sizes = self.paths.iter().filter_map(|path| Some(fs::metadata(path).ok()?.len()));
        sizes.sum()
    }
}

impl ModelSource {
    /// Where the file is, or would be; of a model in several parts, the first.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Hub { repo, file, revision } => {
                find(repo, revision.as_deref(), file).unwrap_or_else(|absent| absent.path)
            }
        }
    }

    /// What the file's name says of the model's parts; `None` of a model in one file.
    pub(super) fn split_name(&self) -> Option<SplitName> {
        match self {
            Self::Path(path) => SplitName::of_path(path),
            Self::Hub { file, .. } => SplitName::parse(file),
        }
    }

    /// How many files the model has, by the name of its first.
    pub(super) fn count(&self) -> usize {
        self.split_name().map_or(1, |name| name.count as usize)
    }

    /// Bytes of those of the model's files that are there.
    pub(super) fn present(&self) -> u64 {
        let found = self.look_up().into_iter().filter_map(|file| file.found.ok());
        found.filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    }

    /// The paths of all of the model's files, in order, if all are there. `model` is named in errors only.
    ///
    /// # Errors
    /// [`ModelFileError::Missing`] with the files that are missing, where they were looked for and what to type to get
    /// them; [`ModelFileError::File`] when the system does not let one be looked at.
    pub fn locate(&self, model: &str) -> Result<Vec<PathBuf>, ModelFileError> {
        let files = self.look_up();
        let count = files.len();
        let (mut paths, mut missing) = (Vec::new(), Vec::new());
        for file in files {
            match file.found {
                Ok(path) => paths.push(path),
                Err(absent) => missing.push((file.number, file.name, absent)),
            }
        }
        // All parts that are missing are named at once, with one command for all of them.
        let Some((_, _, first)) = missing.first() else {
            // What the system does not let us look at is here, and an error of its own.
            for path in &paths {
                fs::metadata(path).map_err(|error| unreadable(model, path, &error))?;
            }
            return Ok(paths);
        };
        let numbers: Vec<usize> = missing.iter().map(|(number, ..)| *number).collect();
        let names: Vec<&str> = missing.iter().map(|(_, name, _)| name.as_str()).collect();
        Err(ModelFileError::Missing {
            model: model.to_owned(),
            what: in_words(&numbers, count),
            path: first.path.clone(),
            why: first.why.clone(),
            hint: self.hint(&names),
        })
    }

    /// The model's files, hashed.
    ///
    /// # Errors
    /// When one is missing, cannot be read, or is not the one that is `pinned`: a hash for each file, or none.
    pub fn verify(
        &self,
        model: &str,
        pinned: &[String],
        digests: &mut DigestCache,
    ) -> Result<ModelFiles, ModelFileError> {
        let paths = self.locate(model)?;
        let sha256 = paths
            .iter()
            .map(|path| digests.sha256(path).map_err(|error| unreadable(model, path, &error)))
            .collect::<Result<Vec<_>, _>>()?;
        let differs = sha256.iter().zip(pinned).position(|(found, pinned)| found != pinned);
        match differs {
            Some(at) => Err(ModelFileError::WrongHash {
                model: model.to_owned(),
                path: paths[at].clone(),
                found: sha256[at].clone(),
                pinned: pinned[at].clone(),
            }),
            None => Ok(ModelFiles { paths, sha256 }),
        }
    }

    /// Every file of the model with its place.
    fn look_up(&self) -> Vec<LookedUp> {
        match self {
            Self::Path(first) => {
                let files = gguf::files(first).into_iter().zip(1..);
                files.map(|(path, number)| LookedUp::of_path(path, number)).collect()
            }
            Self::Hub { repo, file, revision } => {
                let all = |name: SplitName| name.parts().collect();
                let names = SplitName::parse(file).map_or_else(|| vec![file.clone()], all);
                let look = |(name, number): (String, usize)| LookedUp {
                    found: find(repo, revision.as_deref(), &name),
                    name,
                    number,
                };
                names.into_iter().zip(1..).map(look).collect()
            }
        }
    }

    /// What to type, or to do, to get the files that are missing.
    fn hint(&self, missing: &[&str]) -> String {
        let Self::Hub { repo, file, revision } = self else {
            let put = "put the file there, name the folder that has it with --models, or correct `path` in the pool";
            let makes = if missing.iter().any(|file| file.ends_with(ENCODER_FILE)) {
                "scripts/setup makes it, and so does `gra-bench-encoder` of the wheel; or "
            } else if missing.iter().any(|file| file.contains(DEMONSTRATION)) {
                "scripts/setup and scripts/demo-pool make the demonstration's models; or "
            } else {
                ""
            };
            return format!("{makes}{put}");
        };
        let all = SplitName::parse(file).filter(|_| missing.len() > LISTED);
        let files = all
            .map_or_else(|| missing.join(" "), |name| format!("--include \"{}\"", name.pattern()));
        hub::download_command(repo, revision.as_deref(), &files)
    }
}

/// Looks a file of a repository up in the cache of this process's environment.
fn find(repo: &str, revision: Option<&str>, file: &str) -> Result<PathBuf, Absent> {
    HubCache::here().find(Wanted { repo, revision: revision.unwrap_or(hub::MAIN), file })
}

/// A file of a model, and where it is.
struct LookedUp {
    /// Its name in its folder or repository.
    name: String,
    /// Which part it is, from 1.
    number: usize,
    found: Result<PathBuf, Absent>,
}

impl LookedUp {
    fn of_path(path: PathBuf, number: usize) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let why = match fs::metadata(&path) {
            Ok(found) if found.is_file() => None,
            Ok(_) => Some("what is there is no file".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(why_not_there(&path)),
            // Something is there that the system does not let us look at: an error of its own, see `locate`.
            Err(_) => None,
        };
        let found = match why {
            None => Ok(path),
            Some(why) => Err(Absent { path, why }),
        };
        Self { name, number, found }
    }
}

/// Why a path leads nowhere.
fn why_not_there(path: &Path) -> String {
    if let Ok(target) = fs::read_link(path) {
        return format!("it is a link to {}, which is not there", target.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if folder.is_dir() {
        format!("the folder {} has no such file", folder.display())
    } else {
        format!("there is no folder {}", folder.display())
    }
}

/// `part 2 of 3`, `parts 1, 2 of 3`; `the file` of a model that has one.
fn in_words(numbers: &[usize], count: usize) -> String {
    let listed: Vec<String> = numbers.iter().take(LISTED).map(usize::to_string).collect();
    let more = if numbers.len() > LISTED { ", .." } else { "" };
    match (count, numbers.len()) {
        (1, _) => "the file".to_owned(),
        (_, 1) => format!("part {} of {count}", listed.concat()),
        _ => format!("parts {}{more} of {count}", listed.join(", ")),
    }
}

pub(super) fn unreadable(model: &str, path: &Path, error: &io::Error) -> ModelFileError {
    let (model, path, error) = (model.to_owned(), path.to_owned(), error.to_string());
    ModelFileError::File { model, path, error }
}
