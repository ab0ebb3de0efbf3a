//! Which engines answer for a pool: llama.cpp, servers, or both.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
use gra_llm::dispatcher::Dispatcher;
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::runtime::log_to;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::llama::settings::Isolation;
use gra_llm::model_pool::{Backend, ModelPool, PoolModel};
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_llm::worker::{News, Program, Setup, WorkerEngine};
use gra_synth::request::ModelName;

use crate::failure::bad_input;
use crate::progress::{Progress, Verbosity};

/// Name of the file in the results folder that remembers hashes of models.
pub(crate) const HASHES: &str = "model-hashes.json";

/// The engine of a pool. Loads no model yet. What it has to say goes where the progress goes; once `stop` is set, it
/// asks servers nothing more.
pub(crate) fn engine(
    pool: &ModelPool,
    settings: &EngineSettings,
    results: &Path,
    progress: &Progress,
    stop: &Arc<AtomicBool>,
) -> Result<Box<dyn Engine>> {
    let local = local(pool, settings, results, progress)?;
    let is_served = |model: &&PoolModel| matches!(model.backend, Backend::Server(_));
    let served = pool.members_and_teachers().filter(is_served);
    let served: Vec<ModelName> = served.map(|model| model.name.clone()).collect();
    if served.is_empty() {
        return Ok(Box::new(local));
    }
    // The encoder is always one of llama.cpp's.
    let servers = ServerEngine::new(pool, RetryPolicy::default(), Arc::clone(stop));
    Ok(Box::new(local.route(served, Box::new(servers))))
}

/// The engine of what llama.cpp runs on this machine, in as many workers as the settings say.
pub(crate) fn local(
    pool: &ModelPool,
    settings: &EngineSettings,
    results: &Path,
    progress: &Progress,
) -> Result<Dispatcher> {
    // A folder that is not there yet is made by what writes results, and by nothing else.
    let digest_cache = results.is_dir().then(|| results.join(HASHES));
    let settings = EngineSettings { digest_cache, ..settings.clone() };
    if let Some(problem) = settings.problem() {
        return Err(bad_input(anyhow!("[engine] {problem}")));
    }
    if settings.isolation == Isolation::Process {
        let worker = |worker| {
            let setup = Setup { pool: pool.clone(), settings: settings.of_worker(worker) };
            in_a_worker(setup, progress)
        };
        let workers = (0..settings.workers()).map(worker).collect::<Result<_>>()?;
        return Ok(Dispatcher::new(workers));
    }
    Ok(Dispatcher::new(vec![in_process(pool.clone(), settings, progress)]))
}

fn in_a_worker(setup: Setup, progress: &Progress) -> Result<Box<dyn Engine>> {
    let program =
        Program::this(["worker"]).context("cannot find this program, to start it again")?;
    let (voice, verbose) = (progress.voice(), progress.verbosity() == Verbosity::Verbose);
    Ok(Box::new(WorkerEngine::new(program, setup, move |news| match news {
        News::Line(line) if verbose => voice(line),
        News::Line(_) => {}
        // Told in any case: the run goes on, and takes longer than it should.
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
