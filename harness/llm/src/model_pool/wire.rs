//! A pool file as written. Unknown keys are errors: a misspelt `sha256` must not pass as unpinned.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Dialect;
use crate::chat_template::TemplateVariables;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub(super) enum BackendName {
    #[default]
    /// llama.cpp in this program, from a GGUF file.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// A server that speaks the `OpenAI` protocol.
    #[serde(rename = "server")]
    Server,
}

impl BackendName {
    /// As written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LlamaCpp => "llama.cpp",
            Self::Server => "server",
        }
    }
}

/// The hash of a file, or one for each part of a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be the hash of the file, or a list with one for each part")]
pub(super) enum Hashes {
    Whole(String),
    Parts(Vec<String>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFile {
    /// Name of the pool; calibrations are kept under it.
    pub(super) name: String,
    /// The sentence encoder, computed on the CPU.
    pub(super) encoder: EncoderEntry,
    /// Members, in pool order.
    #[serde(default)]
    pub(super) model: Vec<ModelEntry>,
    /// Models that no role is drawn for, written like members.
    #[serde(default)]
    pub(super) teacher: Vec<ModelEntry>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EncoderEntry {
    /// Its name.
    pub(super) name: String,
    /// Its GGUF file; a relative path starts at the folder of models. This, or `repo` and `file`.
    pub(super) path: Option<PathBuf>,
    /// Repository on Hugging Face, `ORGANISATION/NAME`.
    pub(super) repo: Option<String>,
    /// File in the repository.
    pub(super) file: Option<String>,
    /// Branch, tag or commit; default `main`.
    pub(super) revision: Option<String>,
    /// Hash of the file, which is refused with another.
    pub(super) sha256: Option<Hashes>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    /// Unique in the pool.
    pub(super) name: String,
    /// Its GGUF file; a relative path starts at the folder of models. This, or `repo` and `file`.
    pub(super) path: Option<PathBuf>,
    /// Repository on Hugging Face, `ORGANISATION/NAME`.
    pub(super) repo: Option<String>,
    /// File in the repository; of a model in several parts the first.
    pub(super) file: Option<String>,
    /// Branch, tag or commit; default `main`.
    pub(super) revision: Option<String>,
    /// Hash of the file, or one for each part; a file with another is refused.
    pub(super) sha256: Option<Hashes>,
    /// Number of parameters, by which operations are counted.
    pub(super) parameters: Option<u64>,
    /// Goes into the dataset card.
    pub(super) licence: Option<String>,
    /// Tokens of prompt and reply together; default: what it was trained for, at most 4096.
    pub(super) context: Option<u32>,
    /// Size in gigabytes while the file is not here.
    pub(super) size_gb: Option<f64>,
    /// Who runs it; default llama.cpp.
    pub(super) backend: Option<BackendName>,
    /// Models of one family share it in tables; default: the name.
    pub(super) family: Option<String>,
    /// Values in the place of the experiment's.
    pub(super) sampling: Option<SamplingEntry>,
    /// Variables of the chat template, e.g. `{ enable_thinking = false }`.
    #[serde(default)]
    pub(super) template: TemplateVariables,
    /// Most tokens of thought before each reply; 0, the default, asks for an answer at once.
    pub(super) thought_tokens: Option<u32>,
    /// Of a server: what comes before `/chat/completions`.
    pub(super) url: Option<String>,
    /// Of a server: the name that it knows the model by.
    pub(super) model: Option<String>,
    /// Of a server: which program it is.
    pub(super) dialect: Option<Dialect>,
    /// Of a server: the environment variable that holds the key.
    pub(super) api_key_env: Option<String>,
    /// Of a server: requests under way at once, 1 to 1024; default 16.
    pub(super) concurrency: Option<u32>,
    /// Of a server: seconds for one request, tries and waits included; default 600.
    pub(super) timeout_s: Option<u32>,
    /// Of a server: what `doctor` printed of its model; default: not checked.
    pub(super) identity: Option<String>,
}

impl ModelEntry {
    /// The first key given that has no effect with this backend: one of files for a server, one of servers for a
    /// file.
    pub(super) fn without_effect(&self, backend: BackendName) -> Option<&'static str> {
        let keys = match backend {
            BackendName::Server => [
                ("path", self.path.is_some()),
                ("repo", self.repo.is_some()),
                ("file", self.file.is_some()),
                ("revision", self.revision.is_some()),
                ("sha256", self.sha256.is_some()),
                ("context", self.context.is_some()),
                ("size_gb", self.size_gb.is_some()),
            ],
            BackendName::LlamaCpp => [
                ("url", self.url.is_some()),
                ("model", self.model.is_some()),
                ("dialect", self.dialect.is_some()),
                ("api_key_env", self.api_key_env.is_some()),
                ("concurrency", self.concurrency.is_some()),
                ("timeout_s", self.timeout_s.is_some()),
                ("identity", self.identity.is_some()),
            ],
        };
        keys.iter().find(|(_, given)| *given).map(|(key, _)| *key)
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SamplingEntry {
    /// 0 to 10; 0 takes the likeliest token.
    pub(super) temperature: Option<f32>,
    /// Above 0, at most 1; applied after the temperature.
    pub(super) top_p: Option<f32>,
}
