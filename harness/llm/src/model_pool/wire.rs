//! A pool file as written. Unknown keys are errors: a misspelt `sha256` must not pass as unpinned.

use std::path::PathBuf;

use serde::Deserialize;

use super::Dialect;
use crate::chat_template::TemplateVariables;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) enum BackendName {
    #[default]
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
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
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be the hash of the file, or a list with one for each part")]
pub(super) enum Hashes {
    Whole(String),
    Parts(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFile {
    pub(super) name: String,
    pub(super) encoder: EncoderEntry,
    #[serde(default)]
    pub(super) model: Vec<ModelEntry>,
    #[serde(default)]
    pub(super) teacher: Vec<ModelEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncoderEntry {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) repo: Option<String>,
    pub(super) file: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) sha256: Option<Hashes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) repo: Option<String>,
    pub(super) file: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) sha256: Option<Hashes>,
    pub(super) parameters: Option<u64>,
    pub(super) licence: Option<String>,
    pub(super) context: Option<u32>,
    pub(super) size_gb: Option<f64>,
    pub(super) backend: Option<BackendName>,
    pub(super) family: Option<String>,
    pub(super) sampling: Option<SamplingEntry>,
    #[serde(default)]
    pub(super) template: TemplateVariables,
    pub(super) thought_tokens: Option<u32>,
    pub(super) url: Option<String>,
    pub(super) model: Option<String>,
    pub(super) dialect: Option<Dialect>,
    pub(super) api_key_env: Option<String>,
    pub(super) concurrency: Option<u32>,
    pub(super) timeout_s: Option<u32>,
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

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SamplingEntry {
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
}
