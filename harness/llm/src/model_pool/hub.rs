//! The local cache of the Hugging Face hub. Nothing is fetched: `hf download` does that.
//!
//! Layout: `models--ORG--NAME/refs/main` holds a commit; `snapshots/<commit>/FILE` is the file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The cache folder: `$HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`.
pub(super) fn cache() -> PathBuf {
    let named = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    named("HF_HUB_CACHE")
        .or_else(|| named("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/huggingface/hub")))
        .unwrap_or_else(|| PathBuf::from(".cache/huggingface/hub"))
}

/// Where a file of a repository is, or would be, in a cache.
pub(super) fn locate(cache: &Path, repo: &str, file: &str) -> PathBuf {
    let folder = cache.join(format!("models--{}", repo.replace('/', "--")));
    let commit = fs::read_to_string(folder.join("refs/main"));
    let commit = commit.as_deref().map(str::trim).ok().filter(|commit| plain(commit));
    folder.join("snapshots").join(commit.unwrap_or("main")).join(file)
}

/// Whether a name is a single path component.
pub(super) fn plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

/// Whether a path stays within its folder.
pub(super) fn plain_path(path: &str) -> bool {
    path.split('/').all(plain)
}
