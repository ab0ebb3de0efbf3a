//! OpenCompass 0.4.1 scores a served model on benchmarks, with the pinned configurations of their prompts.
//!
//! Each benchmark is a call of its own, so that one that fails is told by name and stops no other, and a run that was
//! stopped goes on with the first item that has no answer. OpenCompass tells failures in its log only; what counts
//! here is whether every data set has a result with the pinned prompts and the items that were asked for.

pub(crate) mod config;
pub(crate) mod results;
pub(crate) mod resume;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use gra_paper::Benchmark;

use super::data_cache::DataCache;
use super::record::ScoredBenchmark;
use super::sandbox::{Limits, Room, Sandbox};
use super::scoring::{Asked, BenchmarkError, ResultError};
use super::suite::{BenchmarkProtocol, Scope};
use crate::environment::Environment;
use crate::program::{Ending, EngineProcess, ProgramError};
use config::{ABBREVIATION, MODULE_TEXTS, RUNNER, config};
use results::OpenCompassResults;

/// Name of the run's folder below the work folder, where a call takes up what an earlier one has done.
const RUN: &str = "run";

/// Folder of the modules that Python finds. Configurations are not in it: one called `math.py` would stand in for Python's
/// own module.
const MODULES: &str = "modules";

/// Time between two counts of answered items.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What scores benchmarks, one at a time.
#[derive(Debug)]
pub(super) struct OpenCompass<'a> {
    /// The engine.
    pub environment: &'a Environment,
    /// The benchmarks' files.
    pub data: &'a DataCache,
    /// Keeps code of the model from the machine; `None` where no benchmark of the suite has any.
    pub sandbox: Option<&'a Sandbox>,
    /// Where everything is written.
    pub folder: &'a Path,
    /// Who is asked.
    pub asked: Asked<'a>,
}

impl OpenCompass<'_> {
    /// Scores a benchmark, or reads its score where it has one. `show` is told how many items were answered. `None`
    /// when it was told to stop.
    pub(super) fn score(
        &self,
        scope: &Scope,
        stop: &AtomicBool,
        show: &mut dyn FnMut(u64),
    ) -> Result<Option<ScoredBenchmark>, BenchmarkError> {
        let benchmark = scope.benchmark;
        let failed =
            |source| BenchmarkError::Io { benchmark, folder: self.folder.to_owned(), source };
        let protocol = BenchmarkProtocol::of_benchmark(benchmark);
        let parts = scope.parts();
        let run = self.work().join(RUN);
        resume::mend(&run, ABBREVIATION).map_err(failed)?;
        let results = || OpenCompassResults::open(&run, ABBREVIATION);
        if !results()?.is_there(&parts) {
            self.write_config(scope).map_err(failed)?;
            let ending = if protocol.runs_code {
                match self.call(benchmark, "infer", stop, &mut || show(self.answered(scope)))? {
                    Ending::Stopped => Ending::Stopped,
                    Ending::Done => self.score_code(scope, stop).map_err(|error| match error {
                        CodeError::Program(error) => error.into(),
                        CodeError::Io(source) => failed(source),
                    })?,
                }
            } else {
                self.call(benchmark, "all", stop, &mut || show(self.answered(scope)))?
            };
            if ending == Ending::Stopped {
                return Ok(None);
            }
        }
        show(self.answered(scope));
        let mut scored = results()?.score(protocol, &parts, true)?;
        Self::check_items(scope, &scored)?;
        scored.whole = scope.is_whole() && self.asked.reply_limit.is_none();
        Ok(Some(scored))
    }

    /// Where OpenCompass works.
    fn work(&self) -> PathBuf {
        self.folder.join("opencompass")
    }

    fn write_config(&self, scope: &Scope) -> io::Result<()> {
        let work = self.work();
        for (name, text) in MODULE_TEXTS {
            gra_files::write_atomic(&work.join(MODULES).join(name), text.as_bytes())?;
        }
        let text = config(scope, &self.asked);
        gra_files::write_atomic(&work.join(config_file(scope.benchmark)), text.as_bytes())
    }

    /// How many items of a benchmark were answered.
    fn answered(&self, scope: &Scope) -> u64 {
        let run = self.work().join(RUN);
        let count = |part| resume::answered(&run, ABBREVIATION, part);
        scope.parts().iter().map(|part| count(&part.dataset)).sum()
    }

    /// Fewer items than there are would be a score over others than the table says.
    fn check_items(scope: &Scope, scored: &ScoredBenchmark) -> Result<(), ResultError> {
        for part in scope.parts() {
            let name = part.name.as_deref().unwrap_or_default();
            let found = scored.parts.get(name).map_or(scored.n, |part| part.n).unwrap_or_default();
            let wanted = scope.items.map_or(part.items, |items| items.min(part.items));
            // A few items are taken of what is there, which may be fewer than asked for.
            let is_right = match scope.items {
                Some(most) => (1..=most).contains(&found),
                None => found == wanted,
            };
            if !is_right {
                return Err(ResultError::OtherItems { dataset: part.dataset, found, wanted });
            }
        }
        Ok(())
    }

    /// The variables that every call has.
    fn variables(&self, work: &Path) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        let mut variables = BTreeMap::from([
            ("COMPASS_DATA_CACHE".to_owned(), path(&self.data.folder)),
            ("PYTHONPATH".to_owned(), path(&work.join(MODULES))),
            ("HF_HOME".to_owned(), path(&work.join("cache"))),
            ("NLTK_DATA".to_owned(), path(&self.data.nltk_folder())),
            // The model runs elsewhere, and threads of numpy only get in its way.
            ("CUDA_VISIBLE_DEVICES".to_owned(), String::new()),
            ("OMP_NUM_THREADS".to_owned(), "1".to_owned()),
        ]);
        for name in ["HF_HUB", "HF_DATASETS", "HF_EVALUATE", "TRANSFORMERS"] {
            variables.insert(format!("{name}_OFFLINE"), "1".to_owned());
        }
        variables.into_iter().collect()
    }

    /// Arguments of Python. In debug mode every task runs in the one process, whose end code tells of a failure;
    /// otherwise failures are in the log only.
    fn arguments(benchmark: Benchmark, mode: &str) -> Vec<String> {
        let (program, config) = (format!("{MODULES}/{RUNNER}"), config_file(benchmark));
        let arguments = [program.as_str(), config.as_str(), "-w", ".", "-r", RUN, "-m", mode];
        let arguments = arguments.into_iter().chain(["--debug", "--dump-eval-details"]);
        arguments.map(str::to_owned).collect()
    }

    fn log(&self, benchmark: Benchmark) -> PathBuf {
        self.folder.join("logs").join(format!("{benchmark}.log"))
    }

    fn call(
        &self,
        benchmark: Benchmark,
        mode: &str,
        stop: &AtomicBool,
        look: &mut dyn FnMut(),
    ) -> Result<Ending, ProgramError> {
        let work = self.work();
        let mut command = Command::new(self.environment.program("python"));
        command.args(Self::arguments(benchmark, mode)).current_dir(&work);
        command.envs(self.variables(&work)).env_remove("DATASET_SOURCE");
        let mut counted = Instant::now();
        EngineProcess::start(command, &self.log(benchmark))?.wait(stop, || {
            if counted.elapsed() >= COUNT_EVERY {
                look();
                counted = Instant::now();
            }
        })
    }

    /// Scores replies that are code: a copy of them in a throw-away folder, in the sandbox; only results come back.
    fn score_code(&self, scope: &Scope, stop: &AtomicBool) -> Result<Ending, CodeError> {
        let scratch = tempfile::Builder::new().prefix("gra-scoring-").tempdir()?;
        // A path without links: the sandbox has no others.
        let room = fs::canonicalize(scratch.path())?;
        let (work, run) = (self.work(), self.work().join(RUN));
        let modules = MODULE_TEXTS.map(|(name, _)| format!("{MODULES}/{name}"));
        for name in modules.into_iter().chain([config_file(scope.benchmark)]) {
            gra_files::write_atomic(&room.join(&name), &fs::read(work.join(&name))?)?;
        }
        let below = Path::new("predictions").join(ABBREVIATION);
        fs::create_dir_all(room.join(RUN).join(&below))?;
        for part in scope.parts() {
            let file = below.join(format!("{}.json", part.dataset));
            fs::copy(run.join(&file), room.join(RUN).join(&file))?;
        }
        let Some(sandbox) = self.sandbox else {
            return Err(io::Error::other("there is no sandbox for code").into());
        };
        let arguments = Self::arguments(scope.benchmark, "eval");
        let inside = Room {
            scratch: room.clone(),
            readable: self.readable()?,
            variables: self.variables(&room),
            limits: Limits::default(),
        };
        let command = sandbox.command(&inside, &self.environment.program("python"), &arguments);
        let log = self.log(scope.benchmark);
        let ending = EngineProcess::start(command, &log)?.wait(stop, || ())?;
        if ending == Ending::Done {
            for (folder, ending) in
                [(Path::new("results").join(ABBREVIATION), "json"), ("summary".into(), "csv")]
            {
                for file in resume::files(&room.join(RUN).join(&folder), ending) {
                    let name = file.file_name().unwrap_or_default();
                    gra_files::write_atomic(&run.join(&folder).join(name), &fs::read(&file)?)?;
                }
            }
        }
        Ok(ending)
    }

    /// What scoring reads: the engine, the Python that its environment links to, and the benchmarks.
    fn readable(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = vec![self.environment.folder.clone(), self.data.folder.clone()];
        let python = fs::canonicalize(self.environment.program("python"))?;
        // bin/python3 of an installation; the system's own is there anyway.
        folders.extend(python.ancestors().nth(2).map(Path::to_owned));
        folders.retain(|folder| !folder.starts_with("/usr"));
        Ok(folders)
    }
}

/// The configuration of a benchmark, below the work folder.
fn config_file(benchmark: Benchmark) -> String {
    format!("configs/{benchmark}.py")
}

/// Code could not be scored.
#[derive(Debug, thiserror::Error)]
enum CodeError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Io(#[from] io::Error),
}
