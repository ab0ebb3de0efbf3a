//! Model pools: which models take part, and where their files are.
//!
//! A pool is a TOML file. [`wire`] is the file as written; the types here are what it means, with
//! defaults filled in and every rule checked. Files are looked for only when they are needed: a
//! finished run replays without its models.

pub mod check;
mod hub;
mod source;
mod wire;

use std::path::{Path, PathBuf};

use gra_synth::request::{ModelName, Sampling};
use serde::{Deserialize, Serialize};

pub use source::Source;
use wire::{EncoderEntry, ModelEntry, PoolFile};

/// Who runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// llama.cpp on this machine.
    #[default]
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Replies recorded earlier, in a JSONL file.
    #[serde(rename = "recorded")]
    Recorded,
}

/// Sampling values that a model sets for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SamplingOverrides {
    /// Temperature, 0 or above.
    pub temperature: Option<f32>,
    /// Nucleus mass in (0, 1].
    pub top_p: Option<f32>,
}

impl SamplingOverrides {
    /// The method's values with this model's own in their place.
    #[must_use]
    pub fn apply(self, method: Sampling) -> Sampling {
        Sampling {
            temperature: self.temperature.unwrap_or(method.temperature),
            top_p: self.top_p.unwrap_or(method.top_p),
        }
    }
}

/// A model of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolModel {
    /// Its name, unique in the pool.
    pub name: ModelName,
    /// Where its file is.
    pub source: Source,
    /// The file's SHA-256, lower-case hexadecimal, when the pool pins it.
    pub sha256: Option<String>,
    /// Number of parameters, as the pool states it.
    pub parameters: Option<u64>,
    /// Licence, as the pool states it.
    pub licence: Option<String>,
    /// Tokens that prompt and reply together may take. By default what the model was trained for,
    /// at most [`DEFAULT_CONTEXT`].
    pub context: Option<u32>,
    /// Who runs it.
    pub backend: Backend,
    /// Models of one family share a family name in tables.
    pub family: Option<String>,
    /// Its own sampling values.
    pub sampling: SamplingOverrides,
}

/// The encoder of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEncoder {
    /// Its name.
    pub name: String,
    /// Where its file is.
    pub source: Source,
    /// The file's SHA-256, when the pool pins it.
    pub sha256: Option<String>,
}

/// Tokens of context where neither pool nor model asks for less.
pub const DEFAULT_CONTEXT: u32 = 4096;

/// The models that take part in a run, and the encoder that embeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPool {
    /// The pool's name.
    pub name: String,
    /// The models, in the order of the file. Not empty.
    pub models: Vec<PoolModel>,
    /// The encoder.
    pub encoder: PoolEncoder,
}

/// Why a pool cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The pool file cannot be read.
    #[error("cannot read model pool {}: {error}", file.display())]
    Read {
        /// The pool file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no valid TOML, or has unknown or missing keys.
    #[error("model pool {}: {error}", file.display())]
    Syntax {
        /// The pool file.
        file: PathBuf,
        /// Place and reason.
        error: Box<toml::de::Error>,
    },
    /// A value breaks a rule.
    #[error("model pool {}: {field}: {reason}", file.display())]
    Value {
        /// The pool file.
        file: PathBuf,
        /// The key, e.g. `model.1.path`.
        field: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// A model's file is not where the pool says.
    #[error("the file of model `{model}` is missing: {}\n  hint: {hint}", path.display())]
    Missing {
        /// The model's name.
        model: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What to type next.
        hint: String,
    },
    /// A model's file cannot be read.
    #[error("cannot read the file of model `{model}`, {}: {error}", path.display())]
    File {
        /// The model's name.
        model: String,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A model's file is not the one that the pool pins.
    #[error(
        "the file of model `{model}` is not the pinned one: {} has sha256 {found}, the pool says \
         {pinned}\n  hint: fetch the file again, or correct `sha256` if it was replaced on purpose",
        path.display()
    )]
    WrongHash {
        /// The model's name.
        model: String,
        /// Its file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// The pool's.
        pinned: String,
    },
}

impl ModelPool {
    /// Reads a pool file. Relative paths in it start at `models`, the models directory.
    ///
    /// # Errors
    /// When the file cannot be read or breaks a rule. Whether the models' files exist is not
    /// looked at.
    pub fn load(file: &Path, models: &Path) -> Result<Self, PoolError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| PoolError::Read { file: file.to_owned(), error })?;
        Self::parse(&text, file, models)
    }

    /// Parses a pool; `file` is named in errors only.
    ///
    /// # Errors
    /// When the text breaks a rule.
    pub fn parse(text: &str, file: &Path, models: &Path) -> Result<Self, PoolError> {
        let wire: PoolFile = toml::from_str(text)
            .map_err(|error| PoolError::Syntax { file: file.to_owned(), error: Box::new(error) })?;
        let pool = Self {
            name: wire.name,
            encoder: encoder(wire.encoder, models).map_err(|bad| bad.of(file, "encoder"))?,
            models: (0..)
                .zip(wire.model)
                .map(|(i, entry)| {
                    model(entry, models).map_err(|bad| bad.of(file, &format!("model.{i}")))
                })
                .collect::<Result<_, _>>()?,
        };
        pool.checked().map_err(|bad| bad.of(file, ""))
    }

    /// The model of this name.
    #[must_use]
    pub fn model(&self, name: &ModelName) -> Option<&PoolModel> {
        self.models.iter().find(|model| model.name == *name)
    }

    fn checked(self) -> Result<Self, Bad> {
        if self.name.trim().is_empty() {
            return Err(Bad::new("name", "is empty; name the pool, e.g. name = \"demo\""));
        }
        if self.models.is_empty() {
            return Err(Bad::new("model", "the pool has no models; add a [[model]] table"));
        }
        for (i, model) in self.models.iter().enumerate() {
            if let Some(first) = self.models[..i].iter().position(|m| m.name == model.name) {
                let reason = format!("`{}` is already the name of model.{first}", model.name);
                return Err(Bad::new(&format!("model.{i}.name"), &reason));
            }
        }
        Ok(self)
    }
}

/// A broken rule, before it is known where.
struct Bad {
    field: String,
    reason: String,
}

impl Bad {
    fn new(field: &str, reason: &str) -> Self {
        Self { field: field.to_owned(), reason: reason.to_owned() }
    }

    fn of(self, file: &Path, table: &str) -> PoolError {
        let field = if table.is_empty() { self.field } else { format!("{table}.{}", self.field) };
        PoolError::Value { file: file.to_owned(), field, reason: self.reason }
    }
}

fn model(entry: ModelEntry, models: &Path) -> Result<PoolModel, Bad> {
    let place = (entry.path, entry.repo, entry.file);
    let context = entry.context;
    if context == Some(0) {
        return Err(Bad::new("context", "is 0; give a number of tokens or leave it out"));
    }
    let sampling = entry.sampling.unwrap_or_default();
    if sampling.temperature.is_some_and(|t| !(0.0..=10.0).contains(&t)) {
        return Err(Bad::new("sampling.temperature", "must be from 0 to 10"));
    }
    if sampling.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
        return Err(Bad::new("sampling.top_p", "must be above 0 and at most 1"));
    }
    Ok(PoolModel {
        name: ModelName::new(&name(entry.name)?),
        source: source(place, models)?,
        sha256: sha256(entry.sha256)?,
        parameters: entry.parameters,
        licence: entry.licence,
        context,
        backend: entry.backend.unwrap_or_default(),
        family: entry.family,
        sampling: SamplingOverrides { temperature: sampling.temperature, top_p: sampling.top_p },
    })
}

fn encoder(entry: EncoderEntry, models: &Path) -> Result<PoolEncoder, Bad> {
    Ok(PoolEncoder {
        name: name(entry.name)?,
        source: source((entry.path, entry.repo, entry.file), models)?,
        sha256: sha256(entry.sha256)?,
    })
}

fn name(name: String) -> Result<String, Bad> {
    if name.trim().is_empty() { Err(Bad::new("name", "is empty")) } else { Ok(name) }
}

fn source(
    place: (Option<PathBuf>, Option<String>, Option<String>),
    models: &Path,
) -> Result<Source, Bad> {
    match place {
        (Some(path), None, None) if path.as_os_str().is_empty() => {
            Err(Bad::new("path", "is empty"))
        }
        (Some(path), None, None) => Ok(Source::Path(models.join(path))),
        (None, Some(repo), Some(file)) => match repo.split_once('/') {
            Some((organisation, name)) if hub::plain(organisation) && hub::plain(name) => {
                if hub::plain_path(&file) {
                    Ok(Source::Hub { repo, file })
                } else {
                    Err(Bad::new("file", "must be a file name of the repository"))
                }
            }
            _ => Err(Bad::new("repo", "must look like ORGANISATION/NAME")),
        },
        (Some(_), _, _) => Err(Bad::new("path", "give either `path`, or `repo` and `file`")),
        (None, Some(_), None) => Err(Bad::new("file", "is missing; `repo` needs a `file`")),
        (None, None, Some(_)) => Err(Bad::new("repo", "is missing; `file` needs a `repo`")),
        (None, None, None) => {
            Err(Bad::new("path", "is missing; give `path`, or `repo` and `file`"))
        }
    }
}

fn sha256(pinned: Option<String>) -> Result<Option<String>, Bad> {
    let Some(pinned) = pinned else { return Ok(None) };
    if pinned.len() == 64 && pinned.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(Some(pinned.to_ascii_lowercase()))
    } else {
        Err(Bad::new("sha256", "must be 64 hexadecimal digits"))
    }
}
