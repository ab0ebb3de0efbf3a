//! Where a model's file is, and whether it is the right one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{PoolError, hub};
use crate::digest::DigestCache;

/// Where a model's file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A file on this machine.
    Path(PathBuf),
    /// A file of a Hugging Face repository, looked up in the local hub cache.
    Hub {
        /// `ORGANISATION/NAME`.
        repo: String,
        /// File name within the repository.
        file: String,
    },
}

impl Source {
    /// Where the file is, or would be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Hub { repo, file } => hub::locate(&hub::cache(), repo, file),
        }
    }

    /// The file's path, if it is there. `model` is named in the error only.
    ///
    /// # Errors
    /// [`PoolError::Missing`], with what to type to get it.
    pub fn locate(&self, model: &str) -> Result<PathBuf, PoolError> {
        let path = self.path();
        if path.is_file() {
            return Ok(path);
        }
        let hint = match self {
            Self::Path(_) => "put the file there, or correct `path` in the model pool".to_owned(),
            Self::Hub { repo, file } => format!("hf download {repo} {file}"),
        };
        Err(PoolError::Missing { model: model.to_owned(), path, hint })
    }

    /// The file's path and SHA-256.
    ///
    /// # Errors
    /// When it is missing, cannot be read, or is not the one that is `pinned`.
    pub fn verify(
        &self,
        model: &str,
        pinned: Option<&str>,
        digests: &mut DigestCache,
    ) -> Result<(PathBuf, String), PoolError> {
        let path = self.locate(model)?;
        let found = sha256(model, &path, digests)?;
        match pinned {
            Some(pinned) if pinned != found => Err(PoolError::WrongHash {
                model: model.to_owned(),
                path,
                found,
                pinned: pinned.to_owned(),
            }),
            _ => Ok((path, found)),
        }
    }
}

fn sha256(model: &str, path: &Path, digests: &mut DigestCache) -> Result<String, PoolError> {
    digests.sha256(path).map_err(|error| PoolError::File {
        model: model.to_owned(),
        path: path.to_owned(),
        error,
    })
}
