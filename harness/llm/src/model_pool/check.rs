//! What `doctor` tells about a pool: each file's place, size, hash and header.

use std::path::PathBuf;

use super::{Backend, ModelPool, PoolError, Source};
use crate::digest::DigestCache;
use crate::gguf::GgufHeader;

/// Whether a file is the one that the pool names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashCheck {
    /// The pool pins this hash, and it is the file's.
    Matches,
    /// The pool pins another hash.
    Differs {
        /// The pool's.
        pinned: String,
    },
    /// The pool pins none.
    Unpinned,
}

/// What was found at a model's place.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFile {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Whether that is the pinned one.
    pub hash: HashCheck,
    /// Its header, or why it is no GGUF file. `None` for recorded replies.
    pub header: Option<Result<GgufHeader, String>>,
}

/// The check of one model or encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCheck {
    /// Its name.
    pub name: String,
    /// Whether it is the pool's encoder.
    pub encoder: bool,
    /// Where it is, or should be.
    pub path: PathBuf,
    /// What is there, or why nothing is, with a hint.
    pub found: Result<FoundFile, String>,
}

impl ModelCheck {
    /// What keeps this model from being used; `None` when nothing does.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let found = match &self.found {
            Ok(found) => found,
            Err(reason) => return Some(reason.clone()),
        };
        if let HashCheck::Differs { pinned } = &found.hash {
            return Some(format!("has sha256 {}, the pool says {pinned}", found.sha256));
        }
        match &found.header {
            None => None,
            Some(Err(reason)) => Some(reason.clone()),
            Some(Ok(header)) => unfit(header, self.encoder, found.size),
        }
    }
}

/// Why a file with this header cannot play its part; `None` when it can.
///
/// `encoder` says which part; `size` is the file's size in bytes.
#[must_use]
pub fn unfit(header: &GgufHeader, encoder: bool, size: u64) -> Option<String> {
    let architecture = header.architecture().unwrap_or("without a name");
    if header.tensors == 0 {
        return Some("it holds a vocabulary and no weights".to_owned());
    }
    if header.last_tensor_offset >= size {
        return Some(format!("it is cut short: {size} bytes, and its weights go on behind that"));
    }
    match (header.is_encoder(), encoder) {
        (true, false) => Some(format!(
            "it is an encoder (architecture {architecture}), which embeds and cannot generate"
        )),
        (false, true) => Some(format!(
            "it is a generator (architecture {architecture}); the pool's encoder must be a \
             sentence encoder such as all-MiniLM-L6-v2"
        )),
        _ => None,
    }
}

impl ModelPool {
    /// Looks at every file of the pool, teachers after members and the encoder last. What a server holds has none.
    pub fn check(&self, digests: &mut DigestCache) -> Vec<ModelCheck> {
        let models = self.members_and_teachers().filter_map(|model| {
            let gguf = matches!(model.backend, Backend::LlamaCpp(_));
            let source = model.source()?;
            Some((model.name.to_string(), source, model.sha256.as_deref(), gguf, false))
        });
        let encoder = &self.encoder;
        let pinned = encoder.sha256.as_deref();
        let encoder = (encoder.name.clone(), &encoder.source, pinned, true, true);
        models
            .chain([encoder])
            .map(|(name, source, pinned, gguf, encoder)| {
                let found = look(&name, source, pinned, digests);
                let found = found.map(|mut found| {
                    if gguf {
                        let header = GgufHeader::read(&source.path());
                        found.header = Some(header.map_err(|error| error.to_string()));
                    }
                    found
                });
                let found = found.map_err(|error| error.to_string());
                ModelCheck { name, encoder, path: source.path(), found }
            })
            .collect()
    }
}

fn look(
    name: &str,
    source: &Source,
    pinned: Option<&str>,
    digests: &mut DigestCache,
) -> Result<FoundFile, PoolError> {
    let (path, sha256) = source.verify(name, None, digests)?;
    let size = std::fs::metadata(&path)
        .map_err(|error| PoolError::File { model: name.to_owned(), path, error })?
        .len();
    let hash = match pinned {
        None => HashCheck::Unpinned,
        Some(pinned) if pinned == sha256 => HashCheck::Matches,
        Some(pinned) => HashCheck::Differs { pinned: pinned.to_owned() },
    };
    Ok(FoundFile { size, sha256, hash, header: None })
}
