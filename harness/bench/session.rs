//! What verbs share: the options that every verb has and those of verbs that use engines of others, the
//! [`Session`] of a verb that asks models, and which engines answer for a pool: llama.cpp, servers, or both.
//!
//! Such a verb reads what the user named, opens the store, starts a session and hands it its work. The session
//! shows progress, hears Ctrl-C, and says how to go on where that ended the work.
//!
//! The first Ctrl-C lets the chunk under way finish and be saved (of a server: the requests under way finish, and
//! the chunk is asked again); the second one ends the process, and its workers with it. Workers hear neither.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;
use gra_downstream::training::TrainingError;
use gra_llm::dispatcher::Dispatcher;
use gra_llm::engine::{Engine, EngineError};
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::runtime::log_to;
use gra_llm::llama::settings::{EngineSettings, Isolation};
use gra_llm::model_pool::{Backend, ModelPool, PoolModel};
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_llm::worker::{News, Program, Setup, WorkerEngine};
use gra_synth::request::ModelName;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::answering::{Answering, Interrupted};
use crate::failure::bad_input;
use crate::progress::{Progress, Verbosity};
use crate::store::Store;
use crate::terminal::{self, shell_path, shell_word};
use crate::trial::TrialId;

/// Name of the file in the results folder that remembers hashes of models.
pub(crate) const HASHES: &str = "model-hashes.json";

/// Where results are unless a verb is told otherwise.
const DEFAULT_RESULTS: &str = "results";

/// Options of every verb: where things are kept, and how much is shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Folder that results are written to [default: results].
    #[arg(long, global = true, value_name = "DIR")]
    results: Option<PathBuf>,
    /// The store of replies and facts [default: store.db in the results folder].
    #[arg(long, global = true, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Folder that relative model paths start from.
    #[arg(long, global = true, value_name = "DIR", env = "GRA_MODELS", default_value = ".models")]
    pub(crate) models: PathBuf,
    /// Also show what the store answers, and llama.cpp's messages.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Show results and errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl GlobalArgs {
    pub(crate) fn store_path(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| self.results().join("store.db"))
    }

    pub(crate) fn results(&self) -> &Path {
        self.results.as_deref().unwrap_or(Path::new(DEFAULT_RESULTS))
    }

    /// What a command that is shown must say of where things are; nothing of what it finds by itself.
    pub(crate) fn place(&self) -> String {
        self.place_beside(Path::new(DEFAULT_RESULTS))
    }

    /// The same of a command that finds these results by itself.
    pub(crate) fn place_beside(&self, results: &Path) -> String {
        let said = |option, path: Option<&Path>| {
            path.map_or_else(String::new, |path| format!(" {option} {}", shell_path(path)))
        };
        let other_results = Some(self.results()).filter(|&own| own != results);
        said("--results", other_results) + &said("--store", self.store.as_deref())
    }

    /// The results of a data folder, unless the user names others.
    pub(crate) fn keep_results_in(&mut self, folder: &Path) {
        self.results.get_or_insert_with(|| folder.join("results"));
    }

    /// Opens the store for a verb that looks back and changes nothing.
    pub(crate) fn read_store(&self) -> Result<Store> {
        Store::open_read_only(&self.store_path())
    }

    /// The same; `None` where no run has made one yet.
    pub(crate) fn read_store_if_any(&self) -> Result<Option<Store>> {
        self.store_path().exists().then(|| self.read_store()).transpose()
    }

    /// The same; an empty one where no run has made one yet.
    pub(crate) fn read_store_or_empty(&self) -> Result<Store> {
        self.read_store_if_any()?.map_or_else(Store::in_memory, Ok)
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        // The parser refuses both together.
        match (self.verbose, self.quiet) {
            (_, true) => Verbosity::Quiet,
            (true, false) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }

    /// Where a verb that looks back on a trial writes its file with this ending: beside the trial's folder, whose
    /// files are whole and hashed (`results/ablation/gra/seed-42.rescore.csv`), or in the folder that the user
    /// names (`DIR/ablation-gra-seed-42.rescore.csv`).
    pub(crate) fn beside(&self, trial: &TrialId, ending: &str, out: Option<&Path>) -> PathBuf {
        match out {
            Some(folder) => folder.join(format!("{}.{ending}", trial.joined())),
            None => self.results().join(format!("{trial}.{ending}")),
        }
    }
}

/// Options of the verbs that have engines of others train and score.
#[derive(Clone, Debug, Args)]
pub(crate) struct DownstreamArgs {
    /// Folder of the environments that `scripts/engines` makes.
    #[arg(long, value_name = "DIR", env = "GRA_ENGINES", default_value = ".engines")]
    pub(crate) engines: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// llama.cpp's settings with the threads that a verb was given; without any, its own choice.
pub(crate) fn engine_settings(threads: Option<u16>) -> EngineSettings {
    let default = EngineSettings::default();
    EngineSettings { threads: threads.map_or(default.threads, Into::into), ..default }
}

/// A verb's work with models: the store, the engine, what is shown meanwhile, and the flag that Ctrl-C sets.
pub(crate) struct Session {
    store: Store,
    engine: Box<dyn Engine>,
    pub(crate) progress: Progress,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Starts the engine of a pool, which loads no model yet.
    pub(crate) fn start(
        global: &GlobalArgs,
        store: Store,
        pool: &ModelPool,
        settings: &EngineSettings,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        // The listening thread outlives the session, and must not keep its flag alive.
        let flag = Arc::downgrade(&stop);
        let said = "stopping after what is under way; press Ctrl-C again to stop at once";
        on_interrupt(move || match flag.upgrade() {
            Some(flag) => {
                flag.store(true, Ordering::Relaxed);
                terminal::say(said);
            }
            // The session is over: nothing hears the flag, and what is written is whole or not there.
            None => signal_hook::low_level::exit(130),
        })?;
        let progress = Progress::new(global.verbosity());
        let local = local_engine(pool, settings, global.results(), &progress)?;
        let engine = with_servers(local, pool, &stop);
        Ok(Self { store, engine, progress, stop })
    }

    /// Does the work, of which `chunk` requests at most run together, and ends the session: whatever is printed
    /// afterwards stands below no progress bar.
    pub(crate) fn ask<T>(
        mut self,
        chunk: usize,
        work: impl FnOnce(&mut Answering<'_>) -> Result<T>,
    ) -> Result<T> {
        let Self { store, engine, progress, stop } = &mut self;
        let mut answering = Answering::new(store, &mut **engine, progress, stop, chunk);
        let result = work(&mut answering).map_err(|error| {
            // Of a server that was asked what it serves; what is asked in chunks tells by itself.
            match error.downcast_ref() {
                Some(EngineError::Stopped) => Interrupted.into(),
                _ => error,
            }
        });
        say_how_to_go_on(&result, &self.progress);
        result
    }
}

/// Does work with programs of others, which Ctrl-C ends by the flag; whatever is printed afterwards stands below no
/// progress bar.
pub(crate) fn with_programs<T>(
    global: &GlobalArgs,
    work: impl FnOnce(&AtomicBool, &mut Progress) -> Result<T>,
) -> Result<T> {
    let stop = stop_flag()?;
    let mut progress = Progress::new(global.verbosity());
    let result = work(&stop, &mut progress).map_err(|error| {
        let is_stop = matches!(error.downcast_ref(), Some(TrainingError::Stopped));
        if is_stop { Interrupted.into() } else { error }
    });
    say_how_to_go_on(&result, &progress);
    result
}

/// Of a command that was interrupted: what goes on with it.
fn say_how_to_go_on<T>(result: &Result<T>, progress: &Progress) {
    if result.as_ref().is_err_and(Error::is::<Interrupted>) {
        let words: Vec<String> = std::env::args().map(|word| shell_word(&word)).collect();
        let command = words.join(" ");
        progress.say(&format!("to go on, give the same command again: {command}"));
    }
}

/// A flag that Ctrl-C sets during programs of others: they are ended, and the same command goes on.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    on_interrupt(move || {
        flag.store(true, Ordering::Relaxed);
        terminal::say("stopping; press Ctrl-C again to stop at once");
    })?;
    Ok(stop)
}

/// Calls `stop` at the first Ctrl-C (or SIGTERM) and ends the process at the second.
pub(crate) fn on_interrupt(stop: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        let mut heard = signals.forever();
        if heard.next().is_some() {
            stop();
        }
        if heard.next().is_some() {
            // What was committed is safe; the chunk under way will be run again. No destructor runs: llama.cpp may
            // be computing in another thread.
            signal_hook::low_level::exit(130);
        }
    });
    Ok(())
}

/// The engine of a pool: llama.cpp's, and where models are on servers also one that asks these, until `stop` is set.
fn with_servers(local: Dispatcher, pool: &ModelPool, stop: &Arc<AtomicBool>) -> Box<dyn Engine> {
    let is_served = |model: &&PoolModel| matches!(model.backend, Backend::Server(_));
    let served = pool.members_and_teachers().filter(is_served).map(|model| model.name.clone());
    let served: Vec<ModelName> = served.collect();
    if served.is_empty() {
        return Box::new(local);
    }
    // The encoder is always one of llama.cpp's.
    let servers = ServerEngine::new(pool, RetryPolicy::default(), Arc::clone(stop));
    Box::new(local.route(served, Box::new(servers)))
}

/// The engine of what llama.cpp runs on this machine, in as many workers as the settings say. Loads no model yet. What it
/// has to say goes where the progress goes.
pub(crate) fn local_engine(
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
    let is_verbose = progress.verbosity() == Verbosity::Verbose;
    if settings.isolation != Isolation::Process {
        if is_verbose {
            let voice = progress.voice();
            log_to(Some(Box::new(move |text| voice(text.trim_end()))));
        }
        return Ok(Dispatcher::new(vec![Box::new(LlamaEngine::new(pool.clone(), settings))]));
    }
    let worker = |worker| -> Result<Box<dyn Engine>> {
        let program =
            Program::this(["worker"]).context("cannot find this program, to start it again")?;
        let setup = Setup { pool: pool.clone(), settings: settings.of_worker(worker) };
        let voice = progress.voice();
        Ok(Box::new(WorkerEngine::new(program, setup, move |news| match news {
            News::Line(line) if is_verbose => voice(line),
            News::Line(_) => {}
            // Told in any case: the run goes on, and takes longer than it should.
            News::Crash(what) => voice(what),
        })))
    };
    Ok(Dispatcher::new((0..settings.workers()).map(worker).collect::<Result<_>>()?))
}
