//! What engines share: what they score with and who is asked, what makes a score one that can be trusted, and how a
//! benchmark that has none is told.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use gra_paper::Benchmark;

use super::data_cache::DataCache;
use super::record::{Item, ScoredBenchmark, ScoredPart, right_items};
use super::sandbox::Sandbox;
use super::suite::BenchmarkProtocol;
use crate::engine::{Ending, EngineProcess, Environment, ProgramError};

/// Metrics of `IFEval` that are of prompts, whose items are known.
const OF_PROMPTS: [&str; 2] = ["Prompt-level-strict-accuracy", "Prompt-level-loose-accuracy"];

/// How far the mean of items may be from the score in per cent: rounding of binary fractions only.
const SLACK: f64 = 1e-9;

/// Time between two counts of answered items, which reads files.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What an engine scores benchmarks with.
#[derive(Debug)]
pub(super) struct Scorer<'a> {
    /// Where the engine is installed.
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

/// Who is asked, as engines are told.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// The server's address, ending with `/v1`.
    pub url: &'a str,
    /// The model's name there.
    pub model: &'a str,
    /// Requests at the same time.
    pub parallel: u32,
    /// Tokens of prompt and reply together.
    pub context: u32,
    /// Most tokens of a reply, where that is fewer than the benchmark's.
    pub reply_limit: Option<u32>,
    /// Longest wait for a reply in seconds.
    pub answer_within: u64,
}

impl Scorer<'_> {
    /// Where an engine's words go to.
    pub(super) fn log(&self, name: impl Display) -> PathBuf {
        self.folder.join("logs").join(format!("{name}.log"))
    }

    /// An error of the system while a benchmark was scored.
    pub(super) fn failed(&self, benchmark: Benchmark) -> impl Fn(io::Error) -> BenchmarkError {
        let what = format!("cannot score {benchmark} in {}", self.folder.display());
        move |error| NoScore(format!("{what}: {error}")).into()
    }
}

/// Runs an engine until it ends or is told to stop. `count` shows how many items were answered.
pub(super) fn run_engine(
    command: Command,
    log: &Path,
    stop: &AtomicBool,
    mut count: impl FnMut(),
) -> Result<Ending, ProgramError> {
    let mut counted = Instant::now();
    EngineProcess::start(command, log)?.wait(stop, || {
        if counted.elapsed() >= COUNT_EVERY {
            count();
            counted = Instant::now();
        }
    })
}

/// A benchmark could not be scored.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchmarkError {
    /// The engine ended with an error.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The engine does not score it, or what it wrote is not to be trusted.
    #[error(transparent)]
    NoScore(#[from] NoScore),
}

/// A benchmark has no score that can be trusted; the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoScore(pub String);

impl NoScore {
    /// A file that is not as its engine writes it.
    pub(super) fn in_file(file: &Path, problem: impl Display) -> Self {
        Self(format!("{}: {problem}", file.display()))
    }

    /// A data set without a result file: its task failed, or did not run.
    pub(super) fn without_result(dataset: &str, file: &Path) -> Self {
        Self(format!("{dataset} has no result: {} is missing", file.display()))
    }
}

/// One score of a benchmark's parts: of BBH and MMLU the unweighted mean, whatever their sizes. The part of a benchmark
/// that has only one is called nothing.
pub(super) fn of_parts(
    mut parts: BTreeMap<String, ScoredPart>,
    items: Vec<Item>,
) -> ScoredBenchmark {
    #[expect(clippy::cast_precision_loss, reason = "at most 57 parts")]
    let score = parts.values().map(|part| part.score).sum::<f64>() / parts.len() as f64;
    // As soon as one part does not say how many items it has, the whole has no number.
    let n = parts.values().map(|part| part.n).sum();
    let only = parts.remove("");
    let (prompt_hash, metrics) =
        only.map(|only| (only.prompt_hash, only.metrics)).unwrap_or_default();
    ScoredBenchmark {
        score,
        n,
        whole: false,
        decimals: None,
        prompt_hash,
        pinned: false,
        metrics,
        parts,
        items,
        notes: Vec::new(),
    }
}

/// The same of what OpenCompass says, with what a reader of the score should know.
pub(super) fn together(
    protocol: BenchmarkProtocol,
    parts: BTreeMap<String, ScoredPart>,
    items: Option<Vec<Item>>,
    pinned: bool,
) -> ScoredBenchmark {
    let mut scored = of_parts(parts, items.unwrap_or_default());
    scored.pinned = pinned;
    if pinned && !scored.parts.is_empty() {
        // Parts have hashes of their own; the configuration that all of them are from has this one.
        scored.prompt_hash = Some(protocol.prompt_hash.to_owned());
    }
    if scored.items.is_empty() {
        scored.notes.push("which items are right was not kept".to_owned());
    } else if protocol.benchmark == Benchmark::IfEval {
        let note = "an item is the mean of its prompt followed strictly and loosely; single instructions have no items";
        scored.notes.push(note.to_owned());
    }
    scored.notes.extend(grid_notes(protocol.benchmark, &scored));
    scored
}

/// Says where a score is no whole number of its items: then it is of other items than its `n` says, or a mean of runs.
pub(super) fn grid_notes(benchmark: Benchmark, scored: &ScoredBenchmark) -> Vec<String> {
    let note = |name: &str, score: f64, n: Option<u64>| {
        let n = n.filter(|&n| right_items(score, n).is_none())?;
        Some(format!("{name} is no whole number of {n} items"))
    };
    // The mean of several parts is no whole number of anything.
    if !scored.parts.is_empty() {
        let parts = scored.parts.iter();
        return parts.filter_map(|(name, part)| note(name, part.score, part.n)).collect();
    }
    if benchmark == Benchmark::IfEval {
        // Its score is a mean of four metrics, two of which are of single instructions.
        let of_prompt = |metric: &str| note(metric, *scored.metrics.get(metric)?, scored.n);
        return OF_PROMPTS.into_iter().filter_map(of_prompt).collect();
    }
    note("the score", scored.score, scored.n).into_iter().collect()
}

/// The one of several names that is meant: the wanted one, or the only one. Otherwise what there is, for an error.
pub(super) fn choose(has: Vec<String>, wanted: Option<&str>) -> Result<String, Vec<String>> {
    match (wanted, has.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (Some(name), _) if has.iter().any(|one| one == name) => Ok(name.to_owned()),
        (_, []) => Err(vec!["no model".to_owned()]),
        _ => Err(has),
    }
}

/// The mean of a benchmark's metrics; all but `IFEval` have one.
pub(super) fn score(
    protocol: BenchmarkProtocol,
    metrics: &BTreeMap<String, f64>,
    file: &Path,
) -> Result<f64, NoScore> {
    let mut sum = 0.0;
    for &metric in protocol.metrics {
        let Some(&value) = metrics.get(metric) else {
            return Err(NoScore::in_file(file, format!("there is no metric {metric}")));
        };
        if !(0.0..=100.0).contains(&value) {
            let problem = format!("{metric} is {value}, not from 0 to 100");
            return Err(NoScore::in_file(file, problem));
        }
        sum += value;
    }
    #[expect(clippy::cast_precision_loss, reason = "one or four")]
    Ok(sum / protocol.metrics.len() as f64)
}

/// Holds the items against the metric that is computed from them.
pub(super) fn agree(
    dataset: &str,
    protocol: BenchmarkProtocol,
    metrics: &BTreeMap<String, f64>,
    items: &[Item],
) -> Result<(), NoScore> {
    // Of IFEval's four metrics two are of single instructions, which have no items.
    let wanted = if protocol.benchmark == Benchmark::IfEval {
        OF_PROMPTS.iter().filter_map(|metric| metrics.get(*metric)).sum::<f64>() / 2.0
    } else {
        metrics.get(protocol.metrics[0]).copied().unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^52")]
    let found = items.iter().map(|item| item.right).sum::<f64>() / items.len() as f64 * 100.0;
    if (found - wanted).abs() <= SLACK {
        return Ok(());
    }
    let metric = protocol.metrics[0];
    Err(NoScore(format!("{dataset}: {metric} is {wanted}, and its items say {found}")))
}
