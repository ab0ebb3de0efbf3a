//! `worker`: llama.cpp in a process of its own. `run` starts it; it is no command for users.

use std::io::Write;

use anyhow::{Context, Result};
use gra_llm::llama::{LlamaEngine, runtime};
use gra_llm::worker::{Setup, serve};

pub(crate) fn run() -> Result<()> {
    // The owner keeps the last lines, to explain a crash.
    let line = |text: &str| drop(std::io::stderr().write_all(text.as_bytes()));
    runtime::log_to(Some(Box::new(line)));
    let ended = serve(|Setup { pool, settings }| LlamaEngine::new(pool, settings));
    ended.map(|never| match never {}).context(
        "`gra-bench worker` holds the models for `gra-bench run`, which starts it itself\n\
         hint: gra-bench run experiments/ablation.toml",
    )
}
