//! Which engine answers for a pool.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result, bail};
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::runtime::log_to;
use gra_llm::llama::settings::EngineSettings;
#[cfg(unix)]
use gra_llm::llama::settings::Isolation;
use gra_llm::model_pool::{Backend, ModelPool};
use gra_llm::recorded::RecordedEngine;
#[cfg(unix)]
use gra_llm::worker::{News, Program, Setup, WorkerEngine};

use crate::cli::Places;
use crate::progress::{Progress, Verbosity};

/// The engine of a pool. Loads no model yet. What it has to say goes where the progress goes.
pub(crate) fn engine(
    pool: &ModelPool,
    settings: &EngineSettings,
    places: &Places,
    progress: &Progress,
) -> Result<Box<dyn Engine>> {
    let recorded = pool.models.iter().filter(|m| m.backend == Backend::Recorded).count();
    if recorded == 0 {
        let digest_cache = Some(places.results.join("model-hashes.json"));
        let settings = EngineSettings { digest_cache, ..settings.clone() };
        #[cfg(unix)]
        if settings.isolation == Isolation::Process {
            return in_a_worker(Setup { pool: pool.clone(), settings }, progress);
        }
        return Ok(in_process(pool.clone(), settings, progress));
    }
    if recorded < pool.models.len() {
        bail!(
            "pool `{}` mixes recorded and live models\nhint: give all of its models \
             backend = \"recorded\", or none",
            pool.name
        );
    }
    let path = pool.models[0].source.path();
    let file = File::open(&path)
        .with_context(|| format!("cannot read the recording {}", path.display()))?;
    let engine = RecordedEngine::read(BufReader::new(file))
        .with_context(|| format!("recording {}", path.display()))?;
    Ok(Box::new(engine))
}

#[cfg(unix)]
fn in_a_worker(setup: Setup, progress: &Progress) -> Result<Box<dyn Engine>> {
    let program =
        Program::this(["worker"]).context("cannot find this program, to start it again")?;
    let (voice, verbose) = (progress.voice(), progress.verbosity() == Verbosity::Verbose);
    Ok(Box::new(WorkerEngine::new(program, setup, move |news| match news {
        News::Line(line) if verbose => voice(line),
        News::Line(_) => {}
        News::Crash(what) => voice(what),
    })))
}

/// The engine in this process, and llama.cpp's messages where they are wanted.
fn in_process(pool: ModelPool, settings: EngineSettings, progress: &Progress) -> Box<dyn Engine> {
    if progress.verbosity() == Verbosity::Verbose {
        let voice = progress.voice();
        log_to(Some(Box::new(move |text| voice(text.trim_end()))));
    }
    Box::new(LlamaEngine::new(pool, settings))
}
