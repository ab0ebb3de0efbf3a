//! Scores that engines wrote elsewhere become the same record: a finished work folder of OpenCompass (0.4 or 0.5), its
//! summary alone, or results and samples of lm-eval.
//!
//! A score is looked for by data set and metric, never by its place. What is missing of a benchmark that was begun, such
//! as one of 57 parts or a `-` in a summary, makes it a failure: nothing averages away.

mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;

use super::lm_eval::results::LmEvalResults;
use super::opencompass::results::OpenCompassResults;
use super::opencompass::resume::files;
use super::record::{BenchmarkOutcome, Evaluation, ScoredBenchmark, ScoredModel, ScoringProtocol};
use super::scoring::ResultError;
use super::suite::BenchmarkProtocol;

/// A folder or file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It holds nothing that an engine writes.
    #[error("{} holds no scores: neither results and summary of OpenCompass nor results_*.json of lm-eval\nhint: give the folder that opencompass -w or lm-eval --output_path named", .0.display())]
    Nothing(PathBuf),
    /// It holds scores of several models, or not of the one that was named.
    #[error("{} holds scores of {}, {wanted}\nhint: --model NAME", .path.display(), .has.join(", "))]
    Model {
        /// The folder or file.
        path: PathBuf,
        /// The models that it has scores of.
        has: Vec<String>,
        /// What was wanted.
        wanted: String,
    },
    /// A file is not of the form that its engine writes.
    #[error("{0}")]
    Form(String),
}

impl From<ResultError> for ImportError {
    fn from(error: ResultError) -> Self {
        Self::Form(error.to_string())
    }
}

/// Reads scores of a model. `model` is its name in the files, needed where they have several.
///
/// # Errors
/// When there are no scores, of which model they are is not said, or a file has another form.
pub fn import(path: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    if path.is_file() {
        return match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => summary::read(path, model),
            Some("json") => lm_eval(path, model),
            _ => Err(ImportError::Nothing(path.to_owned())),
        };
    }
    if let Some(run) = newest_run(path) {
        return opencompass(&run, model);
    }
    if let Some(file) =
        files(path, "csv").pop().or_else(|| files(&path.join("summary"), "csv").pop())
    {
        return summary::read(&file, model);
    }
    let file = LmEvalResults::newest(path).ok_or_else(|| ImportError::Nothing(path.to_owned()))?;
    lm_eval(&file, model)
}

/// A run of OpenCompass: the folder itself, or the newest below it, which are named by their times.
fn newest_run(path: &Path) -> Option<PathBuf> {
    // Results stand in a folder of their model; without one there may still be a summary.
    let is_run = |folder: &Path| {
        let models = fs::read_dir(folder.join("results")).into_iter().flatten().flatten();
        models.into_iter().any(|entry| entry.path().is_dir())
    };
    if is_run(path) {
        return Some(path.to_owned());
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    let mut runs: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|one| is_run(one)).collect();
    runs.sort();
    runs.pop()
}

/// The one of several names that is meant.
fn choose(has: Vec<String>, wanted: Option<&str>, path: &Path) -> Result<String, ImportError> {
    match (wanted, has.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (Some(name), _) if has.iter().any(|one| one == name) => Ok(name.to_owned()),
        (wanted, _) => {
            let wanted = wanted.map_or("and one is imported at a time".to_owned(), |name| {
                format!("not of {name}")
            });
            let has = if has.is_empty() { vec!["no model".to_owned()] } else { has };
            Err(ImportError::Model { path: path.to_owned(), has, wanted })
        }
    }
}

fn begun(model: String, protocol: ScoringProtocol) -> Evaluation {
    Evaluation::new(ScoredModel { name: model, ..ScoredModel::default() }, protocol)
}

fn opencompass(run: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let entries = fs::read_dir(run.join("results")).into_iter().flatten().flatten();
    let mut has: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    has.sort();
    let model = choose(has, model, run)?;
    let results = OpenCompassResults::open(run, &model)?;
    let mut evaluation = begun(model, ScoringProtocol::OpenCompass);
    for benchmark in Benchmark::ALL {
        let protocol = BenchmarkProtocol::of_benchmark(benchmark);
        let parts = protocol.parts();
        let (there, missing): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| results.file(&part.dataset).is_file());
        // A task that failed has a line in the summary and no result.
        let was_asked = missing.iter().any(|part| results.has_line(&part.dataset));
        if there.is_empty() && !was_asked {
            continue;
        }
        let outcome = if missing.is_empty() {
            match results.score(protocol, &there, false) {
                Ok(scored) => BenchmarkOutcome::Scored(completed(benchmark, scored)),
                Err(error) => BenchmarkOutcome::Failed(error.to_string()),
            }
        } else {
            let names: BTreeSet<&str> = missing.iter().map(|part| part.dataset.as_str()).collect();
            BenchmarkOutcome::Failed(lacking(&names, there.len() + names.len()))
        };
        evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
    }
    some(evaluation, run)
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
    let items = u64::try_from(benchmark.items()).ok();
    scored.whole = scored.n.is_some() && scored.n == items;
    if !scored.pinned {
        let note = "asked with other prompts than the pinned ones, or the files do not say which";
        scored.notes.push(note.to_owned());
    }
    scored
}

fn lm_eval(file: &Path, model: Option<&str>) -> Result<Evaluation, ImportError> {
    let results = LmEvalResults::read(file)?;
    let (name, version) = results.origin();
    let name = choose(vec![name.to_owned()], model, file)?;
    let mut evaluation = begun(name, ScoringProtocol::LmEval);
    if !version.is_empty() {
        evaluation.packages.insert("lm-eval".to_owned(), version.to_owned());
    }
    for benchmark in results.benchmarks() {
        let outcome = match results.score(benchmark, None) {
            Ok(scored) => BenchmarkOutcome::Scored(scored),
            Err(error) => BenchmarkOutcome::Failed(error.to_string()),
        };
        evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
    }
    some(evaluation, file)
}

/// The evaluation, unless it is of no benchmark.
fn some(evaluation: Evaluation, path: &Path) -> Result<Evaluation, ImportError> {
    if evaluation.benchmarks.is_empty() {
        return Err(ImportError::Nothing(path.to_owned()));
    }
    Ok(evaluation)
}
