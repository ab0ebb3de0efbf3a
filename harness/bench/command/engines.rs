//! Which engines answer for a pool: llama.cpp, servers, recordings, or several of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
#[cfg(unix)]
use gra_llm::crew::Crew;
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::runtime::log_to;
use gra_llm::llama::settings::EngineSettings;
#[cfg(unix)]
use gra_llm::llama::settings::Isolation;
use gra_llm::model_pool::{Backend, ModelPool};
use gra_llm::recorded::RecordedEngine;
use gra_llm::routed::RoutedEngine;
use gra_llm::server::{Patience, ServerEngine};
#[cfg(unix)]
use gra_llm::worker::{News, Program, Setup, WorkerEngine};
use gra_synth::request::ModelName;

use crate::cli::Places;
use crate::failure::bad_input;
use crate::progress::{Progress, Verbosity};

/// What an engine meets in this program.
pub(crate) struct Around<'a> {
    pub(crate) places: &'a Places,
    /// What the engine has to say goes where the progress goes.
    pub(crate) progress: &'a Progress,
    /// Set when the run should end.
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// The engine of a pool. Loads no model yet.
pub(crate) fn engine(
    pool: &ModelPool,
    settings: &EngineSettings,
    around: &Around<'_>,
) -> Result<Box<dyn Engine>> {
    let mut served = Vec::new();
    let mut recordings: BTreeMap<PathBuf, Vec<ModelName>> = BTreeMap::new();
    for model in pool.members_and_teachers() {
        match &model.backend {
            Backend::LlamaCpp(_) => {}
            Backend::Server(_) => served.push(model.name.clone()),
            Backend::Recorded(source) => {
                recordings.entry(source.path()).or_default().push(model.name.clone());
            }
        }
    }
    let recorded: usize = recordings.values().map(Vec::len).sum();
    // A pool of recorded models alone has its embeddings in the recording too.
    let encoder = match recordings.pop_first() {
        Some((path, _)) if recorded == pool.members_and_teachers().count() => recording(&path)?,
        other => {
            recordings.extend(other);
            local(pool, settings, around)?
        }
    };
    if served.is_empty() && recordings.is_empty() {
        return Ok(encoder);
    }
    let mut engine = RoutedEngine::new(encoder);
    if !served.is_empty() {
        let servers = ServerEngine::new(pool, Patience::default(), Arc::clone(around.stop));
        engine = engine.route(served, Box::new(servers));
    }
    for (path, models) in recordings {
        engine = engine.route(models, recording(&path)?);
    }
    Ok(Box::new(engine))
}

fn recording(path: &Path) -> Result<Box<dyn Engine>> {
    let read = || -> Result<RecordedEngine> {
        let file = File::open(path)
            .with_context(|| format!("cannot read the recording {}", path.display()))?;
        RecordedEngine::read(BufReader::new(file))
            .with_context(|| format!("recording {}", path.display()))
    };
    Ok(Box::new(read().map_err(bad_input)?))
}

/// The engine of what llama.cpp runs on this machine.
fn local(
    pool: &ModelPool,
    settings: &EngineSettings,
    around: &Around<'_>,
) -> Result<Box<dyn Engine>> {
    // A folder that is not there yet is made by what writes results, and by nothing else.
    let results = &around.places.results;
    let digest_cache = results.is_dir().then(|| results.join("model-hashes.json"));
    let settings = EngineSettings { digest_cache, ..settings.clone() };
    if let Some(problem) = settings.problem() {
        return Err(bad_input(anyhow!("[engine] {problem}")));
    }
    #[cfg(unix)]
    if settings.isolation == Isolation::Process {
        let worker = |worker| {
            let setup = Setup { pool: pool.clone(), settings: settings.of_worker(worker) };
            in_a_worker(setup, around.progress)
        };
        return match settings.workers() {
            1 => worker(0),
            several => Ok(Box::new(Crew::new((0..several).map(worker).collect::<Result<_>>()?))),
        };
    }
    Ok(in_process(pool.clone(), settings, around.progress))
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
