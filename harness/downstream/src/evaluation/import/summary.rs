//! A summary of OpenCompass alone: a CSV with a line a data set and metric, a column a model, and two decimals.
//!
//! `dataset,version,metric,mode,<model>..`. Lines of groups have `-` for the prompts' hash; 0.5 has several of a group,
//! by other metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gra_paper::Benchmark;

use super::super::record::{
    BenchmarkOutcome, Evaluation, ScoredBenchmark, ScoredPart, ScoringProtocol,
};
use super::super::scoring::{score, together};
use super::super::suite::BenchmarkProtocol;
use super::{ImportError, begun, choose, completed, lacking, some};

/// Columns before those of models.
const COLUMNS: [&str; 4] = ["dataset", "version", "metric", "mode"];

/// Decimals of a summary.
const DECIMALS: u8 = 2;

/// The metric of a group that is the unweighted mean of its data sets.
const UNWEIGHTED: &str = "naive_average";

/// What is said of a data set.
#[derive(Debug, Default)]
struct Line {
    hash: Option<String>,
    /// By metric; `None` for `-`, a task that failed.
    values: BTreeMap<String, Option<f64>>,
}

/// Reads a summary.
pub(super) fn read(file: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let form = |problem: String| ImportError::Form(format!("{}: {problem}", file.display()));
    let mut reader = csv::Reader::from_path(file).map_err(|error| form(error.to_string()))?;
    let header = reader.headers().map_err(|error| form(error.to_string()))?.clone();
    if !header.iter().take(COLUMNS.len()).eq(COLUMNS) {
        return Err(form(format!("its first columns are not {}", COLUMNS.join(","))));
    }
    let models: Vec<String> = header.iter().skip(COLUMNS.len()).map(str::to_owned).collect();
    let model = choose(models.clone(), model, file)?;
    let column = COLUMNS.len() + models.iter().position(|one| *one == model).unwrap_or_default();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| form(error.to_string()))?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        let text = cell(column);
        let value =
            match text {
                "-" | "" => None,
                number => Some(number.parse().map_err(|_| {
                    form(format!("{} of {} is `{text}`, no number", cell(2), cell(0)))
                })?),
            };
        let line = lines.entry(cell(0).to_owned()).or_default();
        line.hash = Some(cell(1)).filter(|hash| *hash != "-").map(str::to_owned);
        line.values.insert(cell(2).to_owned(), value);
    }
    let mut evaluation = begun(model, ScoringProtocol::OpenCompass);
    for benchmark in Benchmark::ALL {
        if let Some(outcome) = outcome(benchmark, &lines, file) {
            evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
        }
    }
    some(evaluation, file)
}

/// What became of a benchmark; `None` where the summary does not have it.
fn outcome(
    benchmark: Benchmark,
    lines: &BTreeMap<String, Line>,
    file: &Path,
) -> Option<BenchmarkOutcome> {
    let protocol = BenchmarkProtocol::of_benchmark(benchmark);
    let parts = protocol.parts();
    let mut scored = BTreeMap::new();
    let mut missing = BTreeSet::new();
    let mut pinned = true;
    for part in &parts {
        let line = lines.get(&part.dataset);
        let metrics: BTreeMap<String, f64> = line
            .iter()
            .flat_map(|line| &line.values)
            .filter_map(|(metric, value)| Some((metric.clone(), (*value)?)))
            .collect();
        let Some(line) = line.filter(|_| !metrics.is_empty()) else {
            missing.insert(part.dataset.as_str());
            continue;
        };
        pinned &= line.hash.as_ref() == Some(&part.prompt_hash);
        let value = match score(protocol, &metrics, file) {
            Ok(value) => value,
            Err(error) => return Some(BenchmarkOutcome::Failed(error.to_string())),
        };
        let prompt_hash = line.hash.clone();
        let part = part.name.clone().unwrap_or_default();
        scored.insert(part, ScoredPart { score: value, n: None, prompt_hash, metrics });
    }
    let was_asked = missing.iter().any(|name| lines.contains_key(*name));
    let all = match (scored.is_empty(), missing.is_empty()) {
        (_, true) => together(protocol, scored, None, pinned),
        (true, false) if !was_asked => group(protocol, lines)?,
        _ => return Some(BenchmarkOutcome::Failed(lacking(&missing, parts.len()))),
    };
    let mut all = completed(benchmark, all);
    all.decimals = Some(DECIMALS);
    all.notes.push(format!("read from a summary of {DECIMALS} decimals"));
    if !is_near_grid(benchmark, &all) {
        all.notes.push(format!("no whole number of {} items", benchmark.items()));
    }
    Some(BenchmarkOutcome::Scored(all))
}

/// A group whose data sets the summary does not list.
fn group(protocol: BenchmarkProtocol, lines: &BTreeMap<String, Line>) -> Option<ScoredBenchmark> {
    let line = lines.get(protocol.benchmark.id())?;
    let value = (*line.values.get(UNWEIGHTED)?)?;
    let metrics = BTreeMap::from([(UNWEIGHTED.to_owned(), value)]);
    let only = ScoredPart { score: value, n: None, prompt_hash: None, metrics };
    Some(together(protocol, BTreeMap::from([(String::new(), only)]), None, false))
}

/// Whether some number of right items of the whole benchmark rounds to its score.
fn is_near_grid(benchmark: Benchmark, scored: &ScoredBenchmark) -> bool {
    if benchmark == Benchmark::IfEval || !scored.parts.is_empty() || benchmark.grid().is_none() {
        return true;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 5000 items")]
    let n = benchmark.items() as f64;
    let nearest = (scored.score / 100.0 * n).round() / n * 100.0;
    // Half of the last decimal, and what binary fractions add.
    (nearest - scored.score).abs() <= 0.005 + 1e-9
}
