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
    /// Where.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Whether that is the pinned one.
    pub hash: HashCheck,
    /// Its header, or why it is no GGUF file. `None` for recorded replies.
    pub header: Option<Result<GgufHeader, String>>,
}

/// What a model is in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Roles are drawn for it.
    Member,
    /// It serves where it is named.
    Teacher,
    /// It embeds.
    Encoder,
}

/// The check of one model or encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCheck {
    /// Its name.
    pub name: String,
    /// What it is in the pool.
    pub part: Part,
    /// Bytes of its file, as the pool states them.
    pub stated_size: Option<u64>,
    /// Its context, as the pool states it.
    pub context: Option<u32>,
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
            Some(Ok(header)) => unfit(header, self.part == Part::Encoder, found.size),
        }
    }
}

/// ggml's number for 32-bit floats.
const F32: u32 = 0;

/// Why a file with this header cannot play its part; `None` when it can.
///
/// `encoder` says which part; `size` is the file's size in bytes.
#[must_use]
pub fn unfit(header: &GgufHeader, encoder: bool, size: u64) -> Option<String> {
    let architecture = header.architecture().unwrap_or("without a name");
    if header.tensors.is_empty() {
        return Some("it holds a vocabulary and no weights".to_owned());
    }
    if header.last_tensor_offset() >= size {
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
        (true, true) if architecture != "bert" => Some(format!(
            "its architecture is {architecture}; texts are embedded by BERT encoders such as \
             all-MiniLM-L6-v2"
        )),
        (true, true) if header.tensors.values().any(|tensor| tensor.kind != F32) => Some(
            "it has other weights than 32-bit floats; quantised encoders are not read".to_owned(),
        ),
        _ => None,
    }
}

impl ModelPool {
    /// Looks at every file of the pool, teachers after members and the encoder last. What a server holds has none.
    pub fn check(&self, digests: &mut DigestCache) -> Vec<ModelCheck> {
        let members = self.models.iter().map(|model| (Part::Member, model));
        let teachers = self.teachers.iter().map(|model| (Part::Teacher, model));
        let mut checks: Vec<ModelCheck> = members
            .chain(teachers)
            .filter_map(|(part, model)| {
                let found =
                    look(model.name.as_str(), model.source()?, model.sha256.as_deref(), digests);
                Some(ModelCheck {
                    name: model.name.to_string(),
                    part,
                    stated_size: model.size,
                    context: model.context,
                    path: model.source()?.path(),
                    found: match model.backend {
                        Backend::LlamaCpp(_) => found.map(with_header),
                        Backend::Recorded(_) | Backend::Server(_) => found,
                    }
                    .map_err(|error| error.to_string()),
                })
            })
            .collect();
        let encoder = &self.encoder;
        let found = look(&encoder.name, &encoder.source, encoder.sha256.as_deref(), digests);
        checks.push(ModelCheck {
            name: encoder.name.clone(),
            part: Part::Encoder,
            stated_size: None,
            context: None,
            path: encoder.source.path(),
            found: found.map(with_header).map_err(|error| error.to_string()),
        });
        checks
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
        .map_err(|error| PoolError::File { model: name.to_owned(), path: path.clone(), error })?
        .len();
    let hash = match pinned {
        None => HashCheck::Unpinned,
        Some(pinned) if pinned == sha256 => HashCheck::Matches,
        Some(pinned) => HashCheck::Differs { pinned: pinned.to_owned() },
    };
    Ok(FoundFile { path, size, sha256, hash, header: None })
}

fn with_header(mut found: FoundFile) -> FoundFile {
    let header = GgufHeader::read(&found.path);
    found.header = Some(header.map_err(|error| error.to_string()));
    found
}
