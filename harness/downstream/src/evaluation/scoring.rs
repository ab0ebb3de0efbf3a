//! What engines share: who is asked, what makes a score one that can be trusted, and how a benchmark that has none is
//! told.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;

use super::record::{Item, ScoredBenchmark, ScoredPart, right_items};
use super::suite::BenchmarkProtocol;
use crate::program::ProgramError;

/// Metrics of `IFEval` that are of prompts, whose items are known.
const OF_PROMPTS: [&str; 2] = ["Prompt-level-strict-accuracy", "Prompt-level-loose-accuracy"];

/// How far the mean of items may be from the score in per cent: rounding of binary fractions only.
const SLACK: f64 = 1e-9;

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

/// A benchmark could not be scored.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchmarkError {
    /// OpenCompass ended with an error.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What it wrote is not to be trusted.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// The engine does not score this benchmark here.
    #[error("{benchmark} is not scored: {reason}")]
    NotScored {
        /// The benchmark.
        benchmark: Benchmark,
        /// Why not.
        reason: &'static str,
    },
    /// A file cannot be read or written.
    #[error("cannot score {benchmark} in {}: {source}", .folder.display())]
    Io {
        /// The benchmark.
        benchmark: Benchmark,
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A benchmark has no score that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResultError {
    /// A data set has no result file: its task failed, or did not run.
    #[error("{dataset} has no result: {} is missing", .file.display())]
    Missing {
        /// The data set.
        dataset: String,
        /// The file.
        file: PathBuf,
    },
    /// A result file cannot be read.
    #[error("{}: {problem}", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The prompts are others than the pinned ones.
    #[error(
        "{dataset} was asked with other prompts: their hash is {found}, not {wanted}\nhint: OpenCompass 0.4.1 has the pinned ones: scripts/engines opencompass"
    )]
    OtherPrompts {
        /// The data set.
        dataset: String,
        /// The hash in the summary.
        found: String,
        /// That of the pinned configuration.
        wanted: String,
    },
    /// The items say something else than the score.
    #[error("{dataset}: {metric} is {score}, and its items say {items}")]
    Disagrees {
        /// The data set.
        dataset: String,
        /// The metric.
        metric: String,
        /// The score as it was reported, per cent.
        score: String,
        /// What the items say, per cent.
        items: String,
    },
    /// Other items were scored than were asked for.
    #[error("{dataset}: {found} items were scored, not {wanted}")]
    OtherItems {
        /// The data set.
        dataset: String,
        /// How many were scored.
        found: u64,
        /// How many should have been.
        wanted: u64,
    },
}

/// One score of a benchmark's parts: of BBH and MMLU the unweighted mean, whatever their sizes.
pub(super) fn together(
    protocol: BenchmarkProtocol,
    mut parts: BTreeMap<String, ScoredPart>,
    items: Option<Vec<Item>>,
    pinned: bool,
) -> ScoredBenchmark {
    #[expect(clippy::cast_precision_loss, reason = "at most 57 parts")]
    let score = parts.values().map(|part| part.score).sum::<f64>() / parts.len() as f64;
    let n = parts.values().map(|part| part.n).sum();
    let mut scored = ScoredBenchmark {
        score,
        n,
        whole: false,
        decimals: None,
        prompt_hash: pinned.then(|| protocol.prompt_hash.to_owned()),
        pinned,
        metrics: BTreeMap::new(),
        parts: BTreeMap::new(),
        items: items.unwrap_or_default(),
        notes: Vec::new(),
    };
    if let Some(only) = parts.remove("") {
        scored.metrics = only.metrics;
        scored.prompt_hash = only.prompt_hash;
    }
    scored.parts = parts;
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
    if !scored.parts.is_empty() {
        let parts = scored.parts.iter();
        return parts.filter_map(|(name, part)| note(name, part.score, part.n)).collect();
    }
    if benchmark == Benchmark::IfEval {
        // Its score is a mean of four metrics, two of which are of single instructions.
        let of_prompts = OF_PROMPTS.iter();
        let value = |metric: &&str| scored.metrics.get(*metric).copied();
        return of_prompts.filter_map(|one| note(one, value(one)?, scored.n)).collect();
    }
    note("the score", scored.score, scored.n).into_iter().collect()
}

/// The mean of a benchmark's metrics; all but `IFEval` have one.
pub(super) fn score(
    protocol: BenchmarkProtocol,
    metrics: &BTreeMap<String, f64>,
    file: &Path,
) -> Result<f64, ResultError> {
    let mut sum = 0.0;
    for &metric in protocol.metrics {
        let value = metrics.get(metric).copied();
        let form = |problem: String| ResultError::Form { file: file.to_owned(), problem };
        let value = value.ok_or_else(|| form(format!("there is no metric {metric}")))?;
        if !(0.0..=100.0).contains(&value) {
            return Err(form(format!("{metric} is {value}, not from 0 to 100")));
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
) -> Result<(), ResultError> {
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
    Err(ResultError::Disagrees {
        dataset: dataset.to_owned(),
        metric: protocol.metrics[0].to_owned(),
        score: wanted.to_string(),
        items: found.to_string(),
    })
}
