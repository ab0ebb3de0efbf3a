//! Scores that engines wrote elsewhere become the same record: a finished work folder of OpenCompass (0.4 or 0.5), its
//! summary alone, or results and samples of lm-eval.
//!
//! A score is looked for by data set and metric, never by its place. What is missing of a benchmark that was begun, such
//! as one of 57 parts or a `-` in a summary, makes it a failure: nothing averages away.
//!
//! A summary is a CSV with a line a data set and metric, a column a model, and two decimals:
//! `dataset,version,metric,mode,<model>..`. Lines of groups have `-` for the prompts' hash; 0.5 has several of a group,
//! by other metrics.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;

use super::lm_eval::results::LmEvalResults;
use super::opencompass::results::{OpenCompassResults, entries, files};
use super::record::{
    BenchmarkOutcome, Evaluation, ScoredBenchmark, ScoredModel, ScoredPart, ScoringProtocol,
};
use super::scoring::{NoScore, choose, score, together};
use super::suite::BenchmarkProtocol;

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

/// A folder or file cannot be imported; why not, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ImportError(String);

impl ImportError {
    /// Of what holds nothing that an engine writes.
    fn nothing(path: &Path) -> Self {
        Self(format!(
            "{} holds no scores: neither results and summary of OpenCompass nor results_*.json of lm-eval\n\
             hint: give the folder that opencompass -w or lm-eval --output_path named",
            path.display()
        ))
    }
}

impl From<NoScore> for ImportError {
    fn from(error: NoScore) -> Self {
        Self(error.0)
    }
}

/// Reads scores of a model. `model` is its name in the files, needed where they have several.
///
/// # Errors
/// When there are no scores, of which model they are is not said, or a file has another form.
pub fn import(path: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    if path.is_file() {
        return match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => summary(path, model),
            Some("json") => lm_eval(path, model),
            _ => Err(ImportError::nothing(path)),
        };
    }
    if let Some(run) = newest_run(path) {
        return opencompass(&run, model);
    }
    // The summary's own folder may be named, or the run's.
    let summaries = [path, &path.join("summary")].map(|folder| files(folder, "csv").pop());
    if let Some(file) = summaries.into_iter().flatten().next() {
        return summary(&file, model);
    }
    let file = LmEvalResults::newest(path).ok_or_else(|| ImportError::nothing(path))?;
    lm_eval(&file, model)
}

/// A run of OpenCompass: the folder itself, or the newest below it, which are named by their times.
fn newest_run(path: &Path) -> Option<PathBuf> {
    // Results stand in a folder of their model; without one there may still be a summary.
    let is_run = |folder: &Path| !folders(&folder.join("results")).is_empty();
    if is_run(path) {
        return Some(path.to_owned());
    }
    folders(path).into_iter().rfind(|folder| is_run(folder))
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir()).collect()
}

/// The model that is meant.
fn model_of(has: Vec<String>, wanted: Option<&str>, path: &Path) -> Result<String, ImportError> {
    choose(has, wanted).map_err(|has| {
        let one = || "and one is imported at a time".to_owned();
        let wanted = wanted.map_or_else(one, |name| format!("not of {name}"));
        let (path, has) = (path.display(), has.join(", "));
        ImportError(format!("{path} holds scores of {has}, {wanted}\nhint: --model NAME"))
    })
}

fn begun(model: String, protocol: ScoringProtocol) -> Evaluation {
    Evaluation::new(ScoredModel { name: model, ..ScoredModel::default() }, protocol)
}

fn opencompass(run: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into();
    let has = folders(&run.join("results")).iter().map(name).collect();
    let model = model_of(has, model, run)?;
    let results = OpenCompassResults::open(run, &model)?;
    let mut evaluation = begun(model, ScoringProtocol::OpenCompass);
    for benchmark in Benchmark::ALL {
        let protocol = BenchmarkProtocol::of_benchmark(benchmark);
        let parts = protocol.parts();
        let (there, missing): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| results.file(&part.dataset).is_file());
        // A task that failed has a line in the summary and no result.
        let was_asked = missing.iter().any(|part| results.has_line(&part.dataset));
        // Otherwise the run is of other benchmarks, and says nothing of this one.
        if there.is_empty() && !was_asked {
            continue;
        }
        let outcome = if missing.is_empty() {
            let scored = results.score(protocol, &there, false);
            outcome(scored.map(|scored| completed(benchmark, scored)))
        } else {
            let names: BTreeSet<&str> = missing.iter().map(|part| part.dataset.as_str()).collect();
            BenchmarkOutcome::Failed(lacking(&names, there.len() + names.len()))
        };
        evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
    }
    some(evaluation, run)
}

fn outcome(scored: Result<ScoredBenchmark, NoScore>) -> BenchmarkOutcome {
    scored
        .map_or_else(|error| BenchmarkOutcome::Failed(error.to_string()), BenchmarkOutcome::Scored)
}

/// What a benchmark lacks, in words.
fn lacking(names: &BTreeSet<&str>, of: usize) -> String {
    const TOLD: usize = 5;
    let told: Vec<&str> = names.iter().copied().take(TOLD).collect();
    let more = if names.len() > TOLD { ", .." } else { "" };
    format!("{} of {of} data sets have no score: {}{more}", names.len(), told.join(", "))
}

/// Says what a reader of an imported score should know, and whether it is of all items.
fn completed(benchmark: Benchmark, mut scored: ScoredBenchmark) -> ScoredBenchmark {
    scored.whole = scored.n == Some(benchmark.items());
    if !scored.pinned {
        let note = "asked with other prompts than the pinned ones, or the files do not say which";
        scored.notes.push(note.to_owned());
    }
    scored
}

fn lm_eval(file: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let results = LmEvalResults::read(file)?;
    let (name, version) = results.origin();
    let name = model_of(vec![name.to_owned()], model, file)?;
    let mut evaluation = begun(name, ScoringProtocol::LmEval);
    if !version.is_empty() {
        evaluation.packages.insert("lm-eval".to_owned(), version.to_owned());
    }
    for benchmark in results.benchmarks() {
        let outcome = outcome(results.score(benchmark, None));
        evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
    }
    some(evaluation, file)
}

/// The evaluation, unless it is of no benchmark.
fn some(evaluation: Evaluation, path: &Path) -> Result<Evaluation, ImportError> {
    if evaluation.benchmarks.is_empty() {
        return Err(ImportError::nothing(path));
    }
    Ok(evaluation)
}

/// Reads a summary.
fn summary(file: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let form = |problem: String| ImportError::from(NoScore::in_file(file, problem));
    let failed = |error: csv::Error| form(error.to_string());
    let mut reader = csv::Reader::from_path(file).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    if !header.iter().take(COLUMNS.len()).eq(COLUMNS) {
        return Err(form(format!("its first columns are not {}", COLUMNS.join(","))));
    }
    let models: Vec<String> = header.iter().skip(COLUMNS.len()).map(str::to_owned).collect();
    let model = model_of(models, model, file)?;
    let column = header.iter().skip(COLUMNS.len()).position(|one| *one == model);
    let column = COLUMNS.len() + column.unwrap_or_default();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        let (dataset, hash, metric, text) = (cell(0), cell(1), cell(2), cell(column));
        let no_number = |_| form(format!("{metric} of {dataset} is `{text}`, no number"));
        let value = match text {
            "-" | "" => None,
            number => Some(number.parse().map_err(no_number)?),
        };
        // A data set has a line for each of its metrics.
        let line = lines.entry(dataset.to_owned()).or_default();
        line.hash = Some(hash).filter(|hash| *hash != "-").map(str::to_owned);
        line.values.insert(metric.to_owned(), value);
    }
    let mut evaluation = begun(model, ScoringProtocol::OpenCompass);
    for benchmark in Benchmark::ALL {
        if let Some(outcome) = of_summary(benchmark, &lines, file) {
            evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
        }
    }
    some(evaluation, file)
}

/// What became of a benchmark; `None` where the summary does not have it.
fn of_summary(
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
        let values = line.iter().flat_map(|line| &line.values);
        let metrics: BTreeMap<String, f64> =
            values.filter_map(|(metric, value)| Some((metric.clone(), (*value)?))).collect();
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
        let name = part.name.clone().unwrap_or_default();
        scored.insert(name, ScoredPart { score: value, n: None, prompt_hash, metrics });
    }
    let was_asked = missing.iter().any(|name| lines.contains_key(*name));
    // Where none of its data sets is listed, a group's line may stand for them. Where some are, it was begun and is not whole.
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
    let value = line.values.get(UNWEIGHTED).copied()??;
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
