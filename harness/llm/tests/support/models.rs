//! The models that the set-up fetches: which, and where they are.

#![allow(clippy::print_stdout, reason = "a test says when it skips")]

use std::env;
use std::path::{Path, PathBuf};

pub(crate) const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// The folder that the set-up fetches models to.
pub(crate) fn models() -> PathBuf {
    env::var_os("GRA_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.models"), PathBuf::from)
}

/// A model that the set-up fetched; a missing one fails the test where models are required.
pub(crate) fn model(file: &str) -> Option<PathBuf> {
    let path = models().join(file);
    if path.exists() {
        return Some(path);
    }
    assert!(
        env::var_os("GRA_REQUIRE_MODELS").is_none_or(|v| v != "1"),
        "{} is missing and GRA_REQUIRE_MODELS=1",
        path.display()
    );
    println!("skipped: {} is not here", path.display());
    None
}
