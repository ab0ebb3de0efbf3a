//! What `doctor` tells about a pool: each model's files with size and hash, what their headers say, and what the pool
//! takes of disk and memory. And what is looked at before a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::source::unreadable;
use super::{
    Backend, DEFAULT_CONTEXT, ModelFileError, ModelPool, ModelSource, PoolEncoder, PoolModel,
};
use crate::engine::EngineError;
use crate::gguf::{GgufHeader, GgufModel};
use gra_files::digest::{self, DigestCache};

/// Whether a model's files are the ones that the pool names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashCheck {
    /// The pool pins these hashes, and they are the files'.
    Matches,
    /// The pool pins another hash for a file, the first of those that differ.
    Differs {
        /// The file.
        file: PathBuf,
        /// Its hash.
        found: String,
        /// The pool's.
        pinned: String,
    },
    /// The pool pins none.
    Unpinned,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundFile {
    /// Where it is; in JSON as it is shown, since a path need not be UTF-8.
    #[serde(serialize_with = "as_shown")]
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

fn as_shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// What was found of a model whose files are all there.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundModel {
    /// The only file, or the parts in order.
    pub files: Vec<FoundFile>,
    /// Whether they are the pinned ones.
    pub hash: HashCheck,
    /// What the headers say, or what is wrong with the files.
    pub header: Result<GgufHeader, String>,
}

impl FoundModel {
    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Each file's hash, in order.
    #[must_use]
    pub fn hashes(&self) -> Vec<String> {
        self.files.iter().map(|file| file.sha256.clone()).collect()
    }

    /// The hash that stands for the model in store keys.
    #[must_use]
    pub fn sha256(&self) -> String {
        digest::of_model(&self.hashes())
    }
}

/// What a model is in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolPart {
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
    pub part: PoolPart,
    /// Bytes of its files, as the pool states them.
    pub stated_size: Option<u64>,
    /// Bytes of those of its files that are here.
    pub present: u64,
    /// Its context, as the pool states it.
    pub context: Option<u32>,
    /// Where its first file is, or should be.
    pub path: PathBuf,
    /// What is there, or why something is missing, with a hint.
    pub found: Result<FoundModel, String>,
}

impl ModelCheck {
    /// What keeps this model from being used, with its name; `None` when nothing does.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let found = match &self.found {
            Ok(found) => found,
            Err(reason) => return Some(reason.clone()),
        };
        let (name, path) = (&self.name, &self.path);
        if let HashCheck::Differs { file, found, pinned } = &found.hash {
            let file = file.display();
            return Some(format!(
                "model `{name}`: {file} has sha256 {found}, and the pool says {pinned}"
            ));
        }
        let reason = match &found.header {
            Err(reason) => reason.clone(),
            Ok(header) => unfit(header, self.part == PoolPart::Encoder)?,
        };
        Some(format!("model `{name}` cannot be used: {}: {reason}", path.display()))
    }
}

/// ggml's number for 32-bit floats.
const F32: u32 = 0;

/// Why a model with this header cannot play its part; `None` when it can. `encoder` says which part.
pub(crate) fn unfit(header: &GgufHeader, encoder: bool) -> Option<String> {
    let architecture = header.architecture().unwrap_or("without a name");
    if header.tensors.is_empty() {
        return Some("it holds a vocabulary and no weights".to_owned());
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
        (true, true) if header.number("split.count").is_some_and(|count| count > 1) => Some(
            "it is in several parts; an encoder's weights are read from one file, so merge them with \
             `llama-gguf-split --merge`"
                .to_owned(),
        ),
        (true, true) if header.tensors.values().any(|tensor| tensor.kind != F32) => Some(
            "it has other weights than 32-bit floats; quantised encoders are not read".to_owned(),
        ),
        _ => None,
    }
}

impl ModelPool {
    /// Looks at every file of the pool, teachers after members and the encoder last. What a server holds has none.
    pub fn check(&self, digests: &mut DigestCache) -> Vec<ModelCheck> {
        let members = self.models.iter().map(|model| (PoolPart::Member, model));
        let teachers = self.teachers.iter().map(|model| (PoolPart::Teacher, model));
        let mut check = |part, name: &str, source: &ModelSource, pinned: &[String]| ModelCheck {
            name: name.to_owned(),
            part,
            stated_size: None,
            context: None,
            path: source.path(),
            present: source.present(),
            found: look(name, source, pinned, digests).map_err(|error| error.to_string()),
        };
        let of_model = |(part, model): (PoolPart, &PoolModel)| {
            let (name, source) = (model.name.as_str(), model.source()?);
            let checked = check(part, name, source, &model.sha256);
            Some(ModelCheck { stated_size: model.size, context: model.context, ..checked })
        };
        let mut checks: Vec<ModelCheck> = members.chain(teachers).filter_map(of_model).collect();
        let PoolEncoder { name, source, sha256 } = &self.encoder;
        checks.push(check(PoolPart::Encoder, name, source, sha256));
        checks
    }
}

impl PoolModel {
    /// Finds the model's files there, whole by their headers, and fit to generate. Nothing is hashed, and nothing
    /// is looked at of what a server holds.
    ///
    /// # Errors
    /// Names the model, the file and what is wrong with it.
    pub fn check_usable(&self) -> Result<(), EngineError> {
        match &self.backend {
            Backend::LlamaCpp(source) => check_usable(self.name.as_str(), source, false),
            Backend::Server(_) => Ok(()),
        }
    }
}

impl PoolEncoder {
    /// Finds the encoder's file there, whole by its header, and fit to embed.
    ///
    /// # Errors
    /// Names the encoder, the file and what is wrong with it.
    pub fn check_usable(&self) -> Result<(), EngineError> {
        check_usable(&self.name, &self.source, true)
    }
}

fn check_usable(name: &str, source: &ModelSource, encoder: bool) -> Result<(), EngineError> {
    source.locate(name)?;
    read_usable(name, &source.path(), encoder).map(drop)
}

/// What a model's files say, when they are whole and can play their part.
pub(crate) fn read_usable(
    name: &str,
    path: &Path,
    encoder: bool,
) -> Result<GgufModel, EngineError> {
    let failed = |reason: String| EngineError::load(name, path, reason);
    let model = GgufModel::read(path).map_err(|error| failed(error.to_string()))?;
    unfit(&model.header, encoder).map_or(Ok(model), |reason| Err(failed(reason)))
}

fn look(
    name: &str,
    source: &ModelSource,
    pinned: &[String],
    digests: &mut DigestCache,
) -> Result<FoundModel, ModelFileError> {
    // Nothing pinned: a wrong hash is told, and the header is read all the same.
    let hashed = source.verify(name, &[], digests)?;
    let mut files = Vec::new();
    for (path, sha256) in hashed.paths.into_iter().zip(hashed.sha256) {
        let size = fs::metadata(&path).map_err(|error| unreadable(name, &path, &error))?.len();
        files.push(FoundFile { path, size, sha256 });
    }
    let differs = files.iter().zip(pinned).find(|(file, pinned)| file.sha256 != **pinned);
    let hash = match differs {
        Some((file, pinned)) => HashCheck::Differs {
            file: file.path.clone(),
            found: file.sha256.clone(),
            pinned: pinned.clone(),
        },
        None if pinned.is_empty() => HashCheck::Unpinned,
        None => HashCheck::Matches,
    };
    let first = files.first().map_or(Path::new(""), |file| file.path.as_path());
    let model = GgufModel::read(first);
    let header = model.map(|model| model.header).map_err(|error| error.to_string());
    Ok(FoundModel { files, hash, header })
}

/// What some files of a pool take, in bytes: all of them on disk, and in memory the largest model. Models are loaded
/// one after the other where memory is short, so the largest one decides. Files that several models share count once.
///
/// The memory is the least that runs: the files, and the KV cache of one sequence at the model's whole
/// context. More sequences at once, and llama.cpp's own buffers, take more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Of all files: as they are, or as the pool states them where they are not here.
    pub disk: u64,
    /// Of those, what is still to be fetched.
    pub missing: u64,
    /// Models whose files are not all here and whose size the pool does not state.
    pub unknown: usize,
    /// The model that takes most memory, and how much; `None` without a known one.
    pub largest: Option<(String, u64)>,
}

impl Footprint {
    /// Of the files of these parts of a pool.
    #[must_use]
    pub fn of(checks: &[ModelCheck], parts: &[PoolPart]) -> Self {
        let mut footprint = Self::default();
        // Bytes of a model, and how many of them are here.
        let mut files: BTreeMap<&Path, (Option<u64>, u64)> = BTreeMap::new();
        for check in checks.iter().filter(|check| parts.contains(&check.part)) {
            let found = check.found.as_ref().ok();
            let size = found.map(FoundModel::size).or(check.stated_size);
            // By path: members that are one file under several names take its room once.
            files.insert(&check.path, (size, check.present));
            let memory = size.map(|size| size.saturating_add(one_sequence(check)));
            if let Some(memory) = memory.filter(|_| check.part != PoolPart::Encoder)
                && footprint.largest.as_ref().is_none_or(|(_, most)| memory > *most)
            {
                footprint.largest = Some((check.name.clone(), memory));
            }
        }
        for (size, here) in files.into_values() {
            footprint.disk += size.unwrap_or(here);
            footprint.missing += size.unwrap_or(here).saturating_sub(here);
            footprint.unknown += usize::from(size.is_none());
        }
        footprint
    }
}

/// Bytes of one sequence's keys and values; 0 where no header says.
fn one_sequence(check: &ModelCheck) -> u64 {
    let found = check.found.as_ref().ok();
    let header = found.and_then(|found| found.header.as_ref().ok());
    let Some(header) = header else { return 0 };
    let trained = header.trained_context().unwrap_or(DEFAULT_CONTEXT.into());
    let context = check.context.map_or(trained.min(DEFAULT_CONTEXT.into()), u64::from);
    // A header that lists `head_count` by layer leaves the cache out; a listed `head_count_kv` counts as all heads.
    let stated = |key| header.of_architecture(key);
    let (Some(layers), Some(heads), Some(width)) =
        (stated("block_count"), stated("attention.head_count"), stated("embedding_length"))
    else {
        return 0;
    };
    let kv_heads = stated("attention.head_count_kv").unwrap_or(heads);
    header.kv_bytes_per_token(layers, heads, kv_heads, width).saturating_mul(context)
}
