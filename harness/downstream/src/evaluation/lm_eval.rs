//! lm-evaluation-harness 0.4.13 scores a served model by its own prompts: another protocol than the paper's, never in
//! the columns of its tables.
//!
//! Tasks are the package's own, read from the data cache's files. It writes results when a call ends, so each benchmark is
//! a call, and replies go to a cache of its own from which a call that was stopped goes on. `HellaSwag` is not scored: its
//! task compares log-probabilities of given endings, which chat servers do not tell. Nor are `HumanEval` and MBPP: the
//! process that asks the model would run its code.

pub(crate) mod results;
mod tasks;

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use gra_paper::Benchmark;
use serde_json::json;

use super::data_cache::DataCache;
use super::record::ScoredBenchmark;
use super::scoring::{Asked, BenchmarkError};
use super::suite::Scope;
use crate::environment::Environment;
use crate::program::{Ending, EngineProcess};
use results::LmEvalResults;

/// Time between two looks at how many items were answered.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// Bytes at the end of a log in which the number of answered items is looked for.
const LOG_END: u64 = 4096;

/// What scores benchmarks, one at a time.
#[derive(Debug)]
pub(super) struct LmEval<'a> {
    /// The engine.
    pub environment: &'a Environment,
    /// The benchmarks' files.
    pub data: &'a DataCache,
    /// Where everything is written.
    pub folder: &'a Path,
    /// Who is asked.
    pub asked: Asked<'a>,
}

impl LmEval<'_> {
    /// Scores a benchmark, or reads its score where it has one. `None` when it was told to stop.
    pub(super) fn score(
        &self,
        scope: &Scope,
        stop: &AtomicBool,
        show: &mut dyn FnMut(u64),
    ) -> Result<Option<ScoredBenchmark>, BenchmarkError> {
        let benchmark = scope.benchmark;
        if let Some(reason) = tasks::why_not(benchmark) {
            return Err(BenchmarkError::NotScored { benchmark, reason });
        }
        let work = self.work(benchmark);
        let failed =
            |source| BenchmarkError::Io { benchmark, folder: self.folder.to_owned(), source };
        let out = work.join("out");
        if LmEvalResults::newest(&out).is_none() {
            let names = tasks::write(scope, self.environment, self.data, &work).map_err(failed)?;
            if self.call(scope, &names, stop, show)? == Ending::Stopped {
                return Ok(None);
            }
        }
        let file =
            LmEvalResults::newest(&out).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let mut scored = LmEvalResults::read(&file)?.score(benchmark, Some(scope))?;
        scored.whole &= self.asked.reply_limit.is_none();
        show(scored.n.unwrap_or_default());
        Ok(Some(scored))
    }

    fn call(
        &self,
        scope: &Scope,
        names: &[String],
        stop: &AtomicBool,
        show: &mut dyn FnMut(u64),
    ) -> Result<Ending, BenchmarkError> {
        let model = json!({
            "model": self.asked.model,
            "base_url": format!("{}/chat/completions", self.asked.url),
            "num_concurrent": self.asked.parallel,
            "max_retries": 3,
            "timeout": self.asked.answer_within,
        });
        let mut command = Command::new(self.environment.program("lm-eval"));
        command.args(["run", "--model", "local-chat-completions", "--apply_chat_template"]);
        command.args(["--model_args", &model.to_string(), "--tasks", &names.join(",")]);
        command.args(["--include_path", "tasks", "--output_path", "out", "--log_samples"]);
        command.args(["--use_cache", "replies"]);
        if let Some(items) = scope.items {
            command.args(["--limit", &items.to_string()]);
        }
        if let Some(limit) = self.asked.reply_limit {
            command.args(["--gen_kwargs", &format!("max_gen_toks={limit}")]);
        }
        let work = self.work(scope.benchmark);
        command.current_dir(&work).env("HF_HOME", work.join("cache"));
        command.env("NLTK_DATA", self.data.nltk_folder());
        command.envs([("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1")]);
        let log = self.log(scope.benchmark);
        // What earlier calls said is in the log, too.
        let before = std::fs::metadata(&log).map_or(0, |file| file.len());
        let mut counted = Instant::now();
        let ending = EngineProcess::start(command, &log)?.wait(stop, || {
            if counted.elapsed() >= COUNT_EVERY {
                show(answered(&log, before));
                counted = Instant::now();
            }
        })?;
        Ok(ending)
    }

    /// Where a benchmark is worked on.
    fn work(&self, benchmark: Benchmark) -> PathBuf {
        self.folder.join("lm-eval").join(benchmark.id())
    }

    fn log(&self, benchmark: Benchmark) -> PathBuf {
        self.folder.join("logs").join(format!("lm-eval-{benchmark}.log"))
    }
}

/// How many requests of the task that is being asked were answered, as the progress bar at the end of a log says.
/// The log's first `before` bytes are of earlier calls.
fn answered(log: &Path, before: u64) -> u64 {
    let read = || -> io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_END).max(before)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    shown(&read().unwrap_or_default())
}

/// The number before the last slash of a bar such as `Requesting API:  33%|###   | 1/3 [00:06<00:13,  6.57s/it]`.
fn shown(text: &str) -> u64 {
    let bar = text.rsplit("Requesting API:").next().filter(|bar| bar.len() < text.len());
    let count = bar.and_then(|bar| bar.split('/').next()?.rsplit(' ').next()?.parse().ok());
    count.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_bar_is_read() {
        let log = "\rRequesting API:   0%|          | 0/12 [00:00<?, ?it/s]\rRequesting API:  33%|███▎      | 4/12 [00:08<00:17,  8.90s/it]";
        for (text, count) in [(log, 4), ("", 0), ("Checking 1/2 [", 0), ("Requesting API:", 0)] {
            assert_eq!(shown(text), count, "{text}");
        }
    }
}
