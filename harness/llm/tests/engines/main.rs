//! Engines in this process: llama.cpp on real models, the dispatcher, the scripted engine; and the pool files that name
//! models. Models that are not here are skipped, plainly; with `GRA_REQUIRE_MODELS=1` they are failures.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod dispatcher;
#[path = "../support/gguf.rs"]
mod gguf;
mod model_pools;
#[path = "../support/models.rs"]
mod models;
mod real_model;
#[path = "../support/requests.rs"]
mod requests;
mod scoring;
mod scripted;
#[path = "../support/shapes.rs"]
mod shapes;
mod strict;
mod thinking;

use std::fs;
use std::path::Path;

use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::ModelPool;
use models::models;

const MINILM: &str = "all-MiniLM-L6-v2.F32.gguf";

/// A pool of the model at `path`, named `model`, with extra lines for its table.
fn pool(path: &Path, extra: &str) -> ModelPool {
    let encoder = models().join(MINILM);
    let text = format!(
        "name = \"test\"\n[encoder]\nname = \"minilm\"\npath = '{}'\n\
         [[model]]\nname = \"model\"\npath = '{}'\n{extra}\n",
        encoder.display(),
        path.display()
    );
    ModelPool::parse(&text, Path::new("test.toml"), Path::new("")).unwrap()
}

/// One thread per engine: tests run side by side, and threads that share a core wait for each other
/// at every layer.
fn settings() -> EngineSettings {
    EngineSettings { threads: 1, ..EngineSettings::default() }
}

fn engine(path: &Path, slots: u32) -> LlamaEngine {
    LlamaEngine::new(pool(path, ""), EngineSettings { slots, ..settings() })
}

/// A temporary copy of a file's first bytes.
fn cut_copy(path: &Path, bytes: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole = fs::read(path).unwrap();
    fs::write(file.path(), &whole[..bytes.min(whole.len())]).unwrap();
    file
}

/// A temporary copy of a model whose chat template has another name, so that the copy has none.
fn without_template(path: &Path) -> tempfile::NamedTempFile {
    const KEY: &[u8] = b"tokenizer.chat_template";
    let mut whole = fs::read(path).unwrap();
    // The header stands first; another name of the same length keeps every offset.
    let at = whole.windows(KEY.len()).position(|bytes| bytes == KEY).unwrap();
    whole[at + KEY.len() - 1] = b'_';
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), whole).unwrap();
    file
}
