//! Model pools: which models take part, and where their files are.
//!
//! A pool has members, whom the method draws roles for, and may have teachers, who serve only where an
//! experiment names them. A pool is a TOML file. [`wire`] is the file as written; the types here are what it means, with
//! defaults filled in and every rule checked. Files are looked for only when they are needed: a
//! finished run replays without its models.

pub mod check;
mod entry;
mod hub;
mod source;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gra_synth::method::Member;
use gra_synth::request::{ModelName, Sampling};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::chat_template::TemplateVariables;
use entry::BrokenRule;
pub use entry::server_url;
pub use source::{ModelFiles, ModelSource};
use wire::PoolFile;

/// Who runs a model, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// llama.cpp on this machine, from a GGUF file.
    LlamaCpp(ModelSource),
    /// A server that speaks the `OpenAI` protocol.
    Server(Server),
}

/// Requests under way at once where the pool does not say.
pub const DEFAULT_CONCURRENCY: u32 = 16;

/// Seconds that one request may take, tries and waits included, where the pool does not say.
pub const DEFAULT_TIMEOUT_S: u32 = 600;

/// Which program serves. They share the `OpenAI` protocol and differ in how the form of a reply and
/// sampling beyond it are asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// llama.cpp's own server.
    LlamaServer,
    /// vLLM, 0.12 or later.
    Vllm,
    /// `SGLang`.
    Sglang,
    /// `LMDeploy`.
    Lmdeploy,
}

impl Dialect {
    /// As written in pools and fingerprints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Lmdeploy => "lmdeploy",
        }
    }

    /// The dialect of a program, as it names itself where it lists its models; `None` for others.
    #[must_use]
    pub fn of_program(name: &str) -> Option<Self> {
        match name {
            "llamacpp" => Some(Self::LlamaServer),
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::Sglang),
            "lmdeploy" => Some(Self::Lmdeploy),
            _ => None,
        }
    }
}

/// A model behind an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it answers, up to what comes before `/chat/completions`; no slash at the end.
    pub url: String,
    /// The name that the server knows the model by.
    pub model: String,
    /// Which program it is.
    pub dialect: Dialect,
    /// Environment variable that holds the key. The key itself is in no file of ours.
    pub api_key_env: Option<String>,
    /// Requests under way at once.
    pub concurrency: u32,
    /// Seconds that one request may take, tries and waits included.
    pub timeout_s: u32,
    /// What the server said of its model when the pool was written; checked when given, and believed
    /// when the server does not answer, so that a finished run replays without it.
    pub identity: Option<String>,
    /// Variables of the model's chat template, sent with every request as `chat_template_kwargs`.
    pub template: TemplateVariables,
}

impl Server {
    /// Most that one request may take.
    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s as u64)
    }
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
    /// Who runs it, and where it is found.
    pub backend: Backend,
    /// SHA-256 of each of its files, lower-case hexadecimal; empty where the pool pins none, and for a server.
    pub sha256: Vec<String>,
    /// Number of parameters, as the pool states it.
    pub parameters: Option<u64>,
    /// Licence, as the pool states it.
    pub licence: Option<String>,
    /// Tokens that prompt and reply together may take. By default what the model was trained for,
    /// at most [`DEFAULT_CONTEXT`]. `None` for a server, which has its own.
    pub context: Option<u32>,
    /// Bytes of its files, as the pool states them: what files that are not here will take.
    pub size: Option<u64>,
    /// Models of one family share a family name in tables.
    pub family: Option<String>,
    /// Its own sampling values.
    pub sampling: SamplingOverrides,
    /// Variables of its chat template, e.g. `enable_thinking`.
    pub template: TemplateVariables,
    /// Most tokens that it may think before each reply; 0, the default: it answers at once.
    pub thought_tokens: u32,
}

impl PoolModel {
    /// The model as the method sees it, under the method's sampling values.
    #[must_use]
    pub fn member(&self, sampling: Sampling) -> Member {
        Member {
            name: self.name.clone(),
            sampling: self.sampling.apply(sampling),
            thought_tokens: self.thought_tokens,
        }
    }

    /// Where its file is; `None` when a server holds it.
    #[must_use]
    pub const fn source(&self) -> Option<&ModelSource> {
        match &self.backend {
            Backend::LlamaCpp(source) => Some(source),
            Backend::Server(_) => None,
        }
    }
}

/// The encoder of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEncoder {
    /// Its name.
    pub name: String,
    /// Where its file is.
    pub source: ModelSource,
    /// SHA-256 of each of its files; empty where the pool pins none.
    pub sha256: Vec<String>,
}

/// Tokens of context where neither pool nor model asks for less.
pub const DEFAULT_CONTEXT: u32 = 4096;

/// The models that take part in a run, and the encoder that embeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPool {
    /// The pool's name.
    pub name: String,
    /// The members, in the order of the file: every role may be drawn from them. Not empty.
    pub models: Vec<PoolModel>,
    /// Models that no role is drawn for and that serve where they are named: large ones, to compare
    /// with. In the order of the file; names are unique over members and teachers.
    pub teachers: Vec<PoolModel>,
    /// The encoder.
    pub encoder: PoolEncoder,
}

/// The JSON Schema of pool files, as the generator is set.
#[must_use]
pub fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<PoolFile>()
}

/// Why a pool file cannot be used.
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
}

/// Why a model's files cannot be used. Crosses a worker's socket as it is.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// A model's file, or a part of it, is not where the pool says.
    #[error("{what} of model `{model}` is missing: {}\n  {why}\n  hint: {hint}", path.display())]
    Missing {
        /// The model's name.
        model: String,
        /// What is missing of it: the file, or which parts.
        what: String,
        /// Where it was looked for; of several parts, the first.
        path: PathBuf,
        /// What was found there instead.
        why: String,
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
        error: String,
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
            encoder: entry::encoder(wire.encoder, models).map_err(|bad| bad.of(file, "encoder"))?,
            models: entry::models("model", wire.model, file, models)?,
            teachers: entry::models("teacher", wire.teacher, file, models)?,
        };
        pool.checked().map_err(|bad| bad.of(file, ""))
    }

    /// The member or teacher of this name.
    #[must_use]
    pub fn model(&self, name: &ModelName) -> Option<&PoolModel> {
        self.members_and_teachers().find(|model| model.name == *name)
    }

    /// Everyone whom a request may be for.
    pub fn members_and_teachers(&self) -> impl Iterator<Item = &PoolModel> {
        self.models.iter().chain(&self.teachers)
    }

    fn checked(self) -> Result<Self, BrokenRule> {
        if self.name.trim().is_empty() {
            return Err(BrokenRule::new("name", "is empty; name the pool, e.g. name = \"demo\""));
        }
        if self.models.is_empty() {
            return Err(BrokenRule::new("model", "the pool has no models; add a [[model]] table"));
        }
        let place = |at: usize| match at.checked_sub(self.models.len()) {
            None => format!("model.{at}"),
            Some(at) => format!("teacher.{at}"),
        };
        // Requests name a model alone, so a member and a teacher must differ as well.
        let mut places = BTreeMap::new();
        for (at, model) in self.members_and_teachers().enumerate() {
            if let Some(first) = places.insert(&model.name, at) {
                let reason = format!("`{}` is already the name of {}", model.name, place(first));
                return Err(BrokenRule::new(&format!("{}.name", place(at)), reason));
            }
        }
        Ok(self)
    }
}
