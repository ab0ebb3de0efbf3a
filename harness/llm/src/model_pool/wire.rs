//! A pool file as written. Unknown keys are errors: a misspelt `sha256` must not pass as unpinned.

use std::path::PathBuf;

use serde::Deserialize;

use super::Backend;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFile {
    pub(super) name: String,
    pub(super) encoder: EncoderEntry,
    #[serde(default)]
    pub(super) model: Vec<ModelEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncoderEntry {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) repo: Option<String>,
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) repo: Option<String>,
    pub(super) file: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) parameters: Option<u64>,
    pub(super) licence: Option<String>,
    pub(super) context: Option<u32>,
    pub(super) backend: Option<Backend>,
    pub(super) family: Option<String>,
    pub(super) sampling: Option<SamplingEntry>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SamplingEntry {
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
}
