//! What a trial's published manifest says, read again.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::trial::TrialId;

/// Of a published manifest, what is read again.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PublishedManifest {
    pub(crate) gra_bench: String,
    pub(crate) engine: String,
    pub(crate) question: String,
    pub(crate) demonstration: bool,
    /// As JSON: another release may have written it.
    pub(crate) settings: Value,
}

/// Where a trial's manifest is.
pub(crate) fn manifest_path(results: &Path, trial: &TrialId) -> PathBuf {
    results.join(trial.to_string()).join("manifest.json")
}

impl PublishedManifest {
    /// Reads a trial's manifest; `None` when no files of it are published, or not all.
    pub(crate) fn read(results: &Path, trial: &TrialId) -> Result<Option<Self>> {
        let path = manifest_path(results, trial);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let manifest = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} is damaged, so that nothing tells what the files beside it were made with\n\
                 hint: move {trial} away, or choose another --name or --results",
                path.display()
            )
        })?;
        Ok(Some(manifest))
    }
}
