//! OpenCompass 0.4.1 scores a served model on benchmarks, with the pinned configurations of their prompts.
//!
//! Each benchmark is a call of its own, so that one that fails is told by name and stops no other, and a run that was
//! stopped goes on with the first item that has no answer. OpenCompass tells failures in its log only; what counts
//! here is whether every data set has a result with the pinned prompts and the items that were asked for.

pub(crate) mod results;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::record::ScoredBenchmark;
use super::sandbox::Room;
use super::scoring::{Asked, BenchmarkError, NoScore, Scorer, run_engine};
use super::suite::{BenchmarkProtocol, Scope};
use crate::engine::{Ending, EngineProcess};
use results::OpenCompassResults;

/// Name of the run's folder below the work folder, where a call takes up what an earlier one has done.
const RUN: &str = "run";

/// Folder of the modules that Python finds. Configurations are not in it: one called `math.py` would stand in for Python's
/// own module.
const MODULES: &str = "modules";

/// The module that starts the engine.
const RUNNER: &str = "run_opencompass.py";

/// Modules of ours that the engine loads, by name.
const MODULE_TEXTS: [(&str, &str); 2] = [
    (RUNNER, include_str!("opencompass/run_opencompass.py")),
    ("served_model.py", include_str!("opencompass/served_model.py")),
];

/// Name of the model in results: that of a folder and of a column, so it is the same for every model.
const ABBREVIATION: &str = "model";

/// Scores a benchmark, or reads its score where it has one. `show` is told how many items were answered. `None` when it
/// was told to stop.
pub(super) fn score(
    engine: &Scorer<'_>,
    scope: &Scope,
    stop: &AtomicBool,
    show: &mut dyn FnMut(u64),
) -> Result<Option<ScoredBenchmark>, BenchmarkError> {
    let task = Task { engine, scope, work: engine.folder.join("opencompass") };
    let failed = engine.failed(scope.benchmark);
    let protocol = BenchmarkProtocol::of_benchmark(scope.benchmark);
    let parts = scope.parts();
    let run = task.work.join(RUN);
    results::mend(&run, ABBREVIATION).map_err(&failed)?;
    let results = || OpenCompassResults::open(&run, ABBREVIATION);
    if !results()?.is_there(&parts) {
        task.write_config().map_err(failed)?;
        // Where scoring runs code, the model is asked first, and its code is run afterwards, in the sandbox.
        let mode = if protocol.runs_code { "infer" } else { "all" };
        let mut ending = task.call(mode, stop, || show(task.answered()))?;
        if protocol.runs_code && ending == Ending::Done {
            ending = task.score_code(stop)?;
        }
        if ending == Ending::Stopped {
            return Ok(None);
        }
    }
    show(task.answered());
    let mut scored = results()?.score(protocol, &parts, true)?;
    check_items(scope, &scored)?;
    scored.whole = scope.is_whole() && engine.asked.reply_limit.is_none();
    Ok(Some(scored))
}

/// Fewer items than there are would be a score over others than the table says.
fn check_items(scope: &Scope, scored: &ScoredBenchmark) -> Result<(), NoScore> {
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
            let dataset = part.dataset;
            return Err(NoScore(format!("{dataset}: {found} items were scored, not {wanted}")));
        }
    }
    Ok(())
}

/// A benchmark that is being scored.
struct Task<'a> {
    engine: &'a Scorer<'a>,
    scope: &'a Scope,
    /// Where OpenCompass works.
    work: PathBuf,
}

impl Task<'_> {
    /// The benchmark's configuration, below the work folder.
    fn config_file(&self) -> String {
        format!("configs/{}.py", self.scope.benchmark)
    }

    fn write_config(&self) -> io::Result<()> {
        for (name, text) in MODULE_TEXTS {
            gra_files::write_atomic(&self.work.join(MODULES).join(name), text.as_bytes())?;
        }
        let text = config(self.scope, &self.engine.asked);
        gra_files::write_atomic(&self.work.join(self.config_file()), text.as_bytes())
    }

    /// How many items were answered.
    fn answered(&self) -> u64 {
        let run = self.work.join(RUN);
        let count = |dataset: &str| results::answered(&run, ABBREVIATION, dataset);
        self.scope.parts().iter().map(|part| count(&part.dataset)).sum()
    }

    /// The variables that every call has, in the order of their names.
    fn variables(&self, work: &Path) -> [(&'static str, String); 10] {
        let path = |path: &Path| path.display().to_string();
        [
            ("COMPASS_DATA_CACHE", path(&self.engine.data.folder)),
            // The model runs elsewhere, and threads of numpy only get in its way.
            ("CUDA_VISIBLE_DEVICES", String::new()),
            ("HF_DATASETS_OFFLINE", "1".to_owned()),
            ("HF_EVALUATE_OFFLINE", "1".to_owned()),
            ("HF_HOME", path(&work.join("cache"))),
            ("HF_HUB_OFFLINE", "1".to_owned()),
            ("NLTK_DATA", path(&self.engine.data.nltk_folder())),
            ("OMP_NUM_THREADS", "1".to_owned()),
            ("PYTHONPATH", path(&work.join(MODULES))),
            ("TRANSFORMERS_OFFLINE", "1".to_owned()),
        ]
    }

    /// Arguments of Python. In debug mode every task runs in the one process, whose end code tells of a failure;
    /// otherwise failures are in the log only.
    fn arguments(&self, mode: &str) -> Vec<String> {
        let (program, config) = (format!("{MODULES}/{RUNNER}"), self.config_file());
        let arguments = [program.as_str(), config.as_str(), "-w", ".", "-r", RUN, "-m", mode];
        let arguments = arguments.into_iter().chain(["--debug", "--dump-eval-details"]);
        arguments.map(str::to_owned).collect()
    }

    fn call(
        &self,
        mode: &str,
        stop: &AtomicBool,
        count: impl FnMut(),
    ) -> Result<Ending, BenchmarkError> {
        let mut command = Command::new(self.engine.environment.program("python"));
        command.args(self.arguments(mode)).current_dir(&self.work);
        // With DATASET_SOURCE set, data sets would come from a hub, not from the data cache.
        command.envs(self.variables(&self.work)).env_remove("DATASET_SOURCE");
        Ok(run_engine(command, &self.engine.log(self.scope.benchmark), stop, count)?)
    }

    /// Scores replies that are code: a copy of them in a throw-away folder, in the sandbox; only results come back.
    fn score_code(&self, stop: &AtomicBool) -> Result<Ending, BenchmarkError> {
        let failed = self.engine.failed(self.scope.benchmark);
        let scratch = tempfile::Builder::new().prefix("gra-scoring-").tempdir().map_err(&failed)?;
        // A path without links: the sandbox has no others.
        let room = fs::canonicalize(scratch.path()).map_err(&failed)?;
        let command = self.sandboxed(&room).map_err(&failed)?;
        let log = self.engine.log(self.scope.benchmark);
        let ending = EngineProcess::start(command, &log)?.wait(stop, || ())?;
        if ending == Ending::Done {
            self.take_back(&room).map_err(failed)?;
        }
        Ok(ending)
    }

    /// Copies what scoring needs into the room, and gives the command that runs in it.
    fn sandboxed(&self, room: &Path) -> io::Result<Command> {
        let modules = MODULE_TEXTS.map(|(name, _)| format!("{MODULES}/{name}"));
        for name in modules.into_iter().chain([self.config_file()]) {
            gra_files::write_atomic(&room.join(&name), &fs::read(self.work.join(&name))?)?;
        }
        let below = Path::new(RUN).join("predictions").join(ABBREVIATION);
        fs::create_dir_all(room.join(&below))?;
        for part in self.scope.parts() {
            let file = below.join(format!("{}.json", part.dataset));
            fs::copy(self.work.join(&file), room.join(&file))?;
        }
        let Some(sandbox) = self.engine.sandbox else {
            return Err(io::Error::other("there is no sandbox for code"));
        };
        let inside = Room {
            scratch: room.to_owned(),
            readable: self.readable()?,
            variables: self.variables(room).to_vec(),
            ..Room::default()
        };
        let python = self.engine.environment.program("python");
        Ok(sandbox.command(&inside, &python, &self.arguments("eval")))
    }

    /// Copies results and summaries out of the room.
    fn take_back(&self, room: &Path) -> io::Result<()> {
        let results = Path::new(RUN).join("results").join(ABBREVIATION);
        for (folder, ending) in [(results, "json"), (Path::new(RUN).join("summary"), "csv")] {
            for file in results::files(&room.join(&folder), ending) {
                let name = file.file_name().unwrap_or_default();
                gra_files::write_atomic(&self.work.join(&folder).join(name), &fs::read(&file)?)?;
            }
        }
        Ok(())
    }

    /// What scoring reads: the engine, the Python that its environment links to, and the benchmarks.
    fn readable(&self) -> io::Result<Vec<PathBuf>> {
        let Scorer { environment, data, .. } = self.engine;
        let mut folders = vec![environment.folder.clone(), data.folder.clone()];
        let python = fs::canonicalize(environment.program("python"))?;
        // bin/python3 of an installation; the system's own is there anyway.
        folders.extend(python.ancestors().nth(2).map(Path::to_owned));
        folders.retain(|folder| !folder.starts_with("/usr"));
        Ok(folders)
    }
}

/// The configuration of a benchmark. Prompts come from the installed package; here is only which of its data sets are
/// taken, how many items of each, and who is asked.
fn config(scope: &Scope, asked: &Asked) -> String {
    let protocol = BenchmarkProtocol::of_benchmark(scope.benchmark);
    let names: Vec<String> = scope.parts().iter().map(|part| python(&part.dataset)).collect();
    let reader = match scope.items {
        // A range leaves the prompts' hash as it is.
        Some(items) => format!("dict(one['reader_cfg'], test_range='[0:{items}]')"),
        None => "one['reader_cfg']".to_owned(),
    };
    let reply_limit = asked.reply_limit.map_or("None".to_owned(), |limit| limit.to_string());
    // Names that others chose come last: what is in them is no place to be filled.
    include_str!("opencompass/benchmark.py.template")
        .replace("@CONFIG@", &protocol.config())
        .replace("@LIST@", protocol.list)
        .replace("@NAMES@", &names.join(",\n        "))
        .replace("@READER@", &reader)
        .replace("@ABBREVIATION@", ABBREVIATION)
        .replace("@CONTEXT@", &asked.context.to_string())
        .replace("@PARALLEL@", &asked.parallel.to_string())
        .replace("@REPLY_LIMIT@", &reply_limit)
        .replace("@ANSWER_WITHIN@", &asked.answer_within.to_string())
        .replace("@URL@", &python(asked.url))
        .replace("@MODEL@", &python(asked.model))
}

/// A text as a Python literal. JSON's escapes mean the same in Python, but for pairs of surrogates, which are only
/// written for characters that are escaped here one by one.
fn python(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\\' | '\'' => literal.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(literal, "\\x{:02x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::suite::Suite;
    use gra_paper::Benchmark;

    #[test]
    fn a_configuration_takes_the_pinned_prompts() {
        let suite = Suite::smoke().only(&[Benchmark::Bbh]).unwrap();
        let asked = Asked {
            url: "http://127.0.0.1:9/v1",
            model: "it's",
            parallel: 2,
            context: 8192,
            reply_limit: suite.reply_limit,
            answer_within: 600,
        };
        insta::assert_snapshot!(config(&suite.scopes[0], &asked));
        let whole = Suite::paper().only(&[Benchmark::Gsm8k]).unwrap();
        let text = config(&whole.scopes[0], &asked);
        assert!(text.contains("gsm8k_gen_1d7fe4 import gsm8k_datasets"), "{text}");
        assert!(text.contains("dict(one, reader_cfg=one['reader_cfg'])"), "{text}");
    }
}
