//! What an evaluation found: `evaluation.json`, written last, so its being there means that the evaluation has ended.
//!
//! It holds no time, no path and no server's address. A benchmark that could not be scored is in it with the reason. The
//! record without any benchmark is the evaluation's plan: `plan.json` is written first, and an evaluation goes on only as
//! what it began as.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use gra_paper::Benchmark;
use serde::{Deserialize, Serialize};

use super::suite::Suite;

/// Name of the file.
pub const EVALUATION_FILE: &str = "evaluation.json";

/// Name of the plan's file.
const PLAN: &str = "plan.json";

/// Folders that an evaluation makes below its own.
const MADE: [&str; 3] = ["opencompass", "lm-eval", "cache"];

/// Version of the file's form.
const VERSION: u32 = 1;

/// How far a score may be from a whole number of right items, in items: rounding of binary fractions only.
const GRID_SLACK: f64 = 1e-6;

/// Scores of a model on benchmarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Version of this form.
    pub version: u32,
    /// What was scored.
    pub model: ScoredModel,
    /// Which engine scored it, with whose prompts.
    pub protocol: ScoringProtocol,
    /// Versions of the engine's packages, and of the server's; of an import what its files say.
    pub packages: BTreeMap<String, String>,
    /// Which items were asked; `None` for an import, whose files do not say.
    pub suite: Option<Suite>,
    /// SHA-256 of the data files by their paths in the data cache; empty for an import.
    pub data: BTreeMap<String, String>,
    /// What became of each benchmark, by its id.
    pub benchmarks: BTreeMap<String, BenchmarkOutcome>,
}

/// A model that was scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredModel {
    /// The name that it was asked by.
    pub name: String,
    /// What served it, e.g. `llama-server` or `url`; empty where that is not known.
    pub served_by: String,
    /// SHA-256 of its weights: of a GGUF file, or of the hashes of a folder's weight files.
    pub sha256: Option<String>,
}

/// Whose prompts, and whose way to find an answer in a reply. Scores of different protocols are never compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoringProtocol {
    /// OpenCompass with the pinned configurations: the columns of the paper's tables.
    OpenCompass,
    /// lm-evaluation-harness: never in the paper's tables.
    LmEval,
}

/// What became of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchmarkOutcome {
    /// It was scored.
    Scored(ScoredBenchmark),
    /// It could not be scored; the reason.
    Failed(String),
}

/// A benchmark's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredBenchmark {
    /// Per cent. Unweighted mean of the parts where there are several, mean of the metrics for `IFEval`.
    pub score: f64,
    /// Items scored; `None` where an import does not say.
    pub n: Option<u64>,
    /// Whether every item of the benchmark was scored, and replies were as long as the protocol lets them be.
    pub whole: bool,
    /// Decimals of the score where it was read from a rounded summary.
    pub decimals: Option<u8>,
    /// First digits of the prompts' hash, as the configuration's name has it.
    pub prompt_hash: Option<String>,
    /// Whether the prompts are those of the pinned configuration; `false` where an import does not say which they are.
    pub pinned: bool,
    /// All metrics as they were reported; of a benchmark with several parts they are with the parts.
    pub metrics: BTreeMap<String, f64>,
    /// Its parts by name: 27 of BBH, 57 of MMLU.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, ScoredPart>,
    /// What is right of each item; empty where only a score is known.
    pub items: Vec<Item>,
    /// What a reader of the score should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A part's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredPart {
    /// Per cent.
    pub score: f64,
    /// Items scored; `None` where an import does not say.
    pub n: Option<u64>,
    /// First digits of its prompt's hash.
    pub prompt_hash: Option<String>,
    /// All metrics as they were reported.
    pub metrics: BTreeMap<String, f64>,
}

/// What is right of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its place in the data file, after the part's name where there are several; the task's own name for `HumanEval`.
    pub id: String,
    /// From 0, wrong, to 1, right. Halves are of `IFEval`: followed when read loosely, not when read strictly.
    pub right: f64,
}

/// An evaluation's record cannot be read or written: which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(String);

/// The folder of an evaluation cannot be used: why not, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl Evaluation {
    /// An evaluation without a score.
    #[must_use]
    pub fn new(model: ScoredModel, protocol: ScoringProtocol) -> Self {
        Self {
            version: VERSION,
            model,
            protocol,
            packages: BTreeMap::new(),
            suite: None,
            data: BTreeMap::new(),
            benchmarks: BTreeMap::new(),
        }
    }

    /// What became of a benchmark; `None` where it is not part of the evaluation.
    #[must_use]
    pub fn outcome(&self, benchmark: Benchmark) -> Option<&BenchmarkOutcome> {
        self.benchmarks.get(benchmark.id())
    }

    /// The score of a benchmark; `None` where it failed or is not part of the evaluation.
    #[must_use]
    pub fn scored(&self, benchmark: Benchmark) -> Option<&ScoredBenchmark> {
        match self.outcome(benchmark)? {
            BenchmarkOutcome::Scored(scored) => Some(scored),
            BenchmarkOutcome::Failed(_) => None,
        }
    }

    /// The benchmarks that could not be scored, with the reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.benchmarks.iter().filter_map(|(id, outcome)| match outcome {
            BenchmarkOutcome::Scored(_) => None,
            BenchmarkOutcome::Failed(reason) => Some((id.as_str(), reason.as_str())),
        })
    }

    /// The mean of the ten unrounded scores, per cent; `None` while one of them is missing.
    #[must_use]
    pub fn average(&self) -> Option<f64> {
        // One that is missing must not average away: a sum of options has no value then.
        let scores = Benchmark::ALL.map(|one| self.scored(one).map(|scored| scored.score));
        Some(scores.into_iter().sum::<Option<f64>>()? / 10.0)
    }

    /// Reads `evaluation.json`.
    ///
    /// # Errors
    /// When the file is not there or not of this form.
    pub fn read(file: &Path) -> Result<Self, RecordError> {
        let shown = file.display();
        let bytes =
            fs::read(file).map_err(|error| RecordError(format!("cannot read {shown}: {error}")))?;
        let broken = |problem: String| {
            RecordError(format!(
                "{shown} is no record of an evaluation: {problem}\n\
                 hint: gra-bench eval import FOLDER reads what engines wrote"
            ))
        };
        let read: Self =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if read.version != VERSION {
            return Err(broken(format!("its version is {}, not {VERSION}", read.version)));
        }
        Ok(read)
    }

    /// Writes `evaluation.json` into a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<(), RecordError> {
        let file = folder.join(EVALUATION_FILE);
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::other)
            .and_then(|json| gra_files::write_atomic(&file, &json));
        written.map_err(|error| RecordError(format!("cannot write {}: {error}", file.display())))
    }
}

/// Takes a folder for an evaluation: an empty one, one of the same plan, or with `replace` any that holds an
/// evaluation.
pub(super) fn take(folder: &Path, plan: &Evaluation, replace: bool) -> Result<(), PlanError> {
    let shown = folder.display();
    let failed = |error: io::Error| PlanError(format!("cannot write to {shown}: {error}"));
    let file = folder.join(PLAN);
    let form = |error: serde_json::Error| {
        PlanError(format!("{}: {error}\nhint: --replace begins anew", file.display()))
    };
    let json = serde_json::to_vec_pretty(plan).map_err(form)?;
    if let Ok(bytes) = fs::read(&file) {
        let differs = match serde_json::from_slice::<Evaluation>(&bytes) {
            Ok(before) => differences(&before, plan),
            Err(error) if !replace => return Err(form(error)),
            // What it is of is not known, so it is replaced as another one is.
            Err(_) => vec!["form"],
        };
        if !differs.is_empty() {
            if !replace {
                return Err(PlanError(format!(
                    "{shown} holds an evaluation with another {}\n\
                     hint: --replace removes it, or choose another folder with --out",
                    differs.join(" and ")
                )));
            }
            for made in MADE {
                remove(&folder.join(made)).map_err(failed)?;
            }
        }
    }
    // The record is written last, so it must not be there while an evaluation is on its way.
    remove(&folder.join(EVALUATION_FILE)).map_err(failed)?;
    gra_files::write_atomic(&file, &json).map_err(failed)
}

fn differences(before: &Evaluation, now: &Evaluation) -> Vec<&'static str> {
    // A server that is there has no hash, so its model is compared by name.
    let compared = [
        ("model", before.model != now.model),
        ("engine", before.protocol != now.protocol),
        ("suite", before.suite != now.suite),
        ("data", before.data != now.data),
        ("set of packages", before.packages != now.packages),
    ];
    compared.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How many of `n` items are right for a score in per cent; `None` where the score is no whole number of items.
pub(super) fn right_items(score: f64, n: u64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^52")]
    let most = n as f64;
    let right = score / 100.0 * most;
    let whole = right.round();
    let is_one = (right - whole).abs() <= GRID_SLACK && (0.0..=most).contains(&whole);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to n")]
    is_one.then_some(whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_whole_number_of_items_or_not() {
        for (score, n, right) in [
            (100.0 * 2.0 / 3.0, 3, Some(2)),
            (100.0 * 1318.0 / 1319.0, 1319, Some(1318)),
            (62.22, 1319, None),
            (0.0, 5, Some(0)),
            (100.0, 5, Some(5)),
            (120.0, 5, None),
            (-20.0, 5, None),
        ] {
            assert_eq!(right_items(score, n), right, "{score} of {n}");
        }
    }

    #[test]
    fn an_evaluation_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = Evaluation::new(ScoredModel::default(), ScoringProtocol::OpenCompass);
        made.suite = Some(Suite::smoke());
        let scored = ScoredBenchmark {
            score: 200.0 / 3.0,
            n: Some(3),
            whole: false,
            decimals: None,
            prompt_hash: Some("1d7fe4".to_owned()),
            pinned: true,
            metrics: BTreeMap::from([("accuracy".to_owned(), 200.0 / 3.0)]),
            parts: BTreeMap::new(),
            items: vec![Item { id: "0".to_owned(), right: 1.0 }],
            notes: Vec::new(),
        };
        made.benchmarks.insert("gsm8k".to_owned(), BenchmarkOutcome::Scored(scored));
        made.benchmarks.insert("math".to_owned(), BenchmarkOutcome::Failed("no result".to_owned()));
        made.write(folder.path()).unwrap();
        let file = folder.path().join(EVALUATION_FILE);
        assert_eq!(Evaluation::read(&file).unwrap(), made);
        assert_eq!(made.failures().collect::<Vec<_>>(), [("math", "no result")]);
        // A benchmark that failed must not average away.
        assert_eq!(made.average(), None);
        std::fs::write(&file, r#"{"version": 9}"#).unwrap();
        let error = Evaluation::read(&file).unwrap_err().to_string();
        assert!(error.contains("is no record of an evaluation"), "{error}");
    }
    #[test]
    fn a_folder_is_taken_for_one_plan() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("opencompass/run");
        let mut plan = Evaluation::new(ScoredModel::default(), ScoringProtocol::OpenCompass);
        take(folder.path(), &plan, false).unwrap();
        fs::create_dir_all(&made).unwrap();
        fs::write(folder.path().join(EVALUATION_FILE), "{}").unwrap();
        take(folder.path(), &plan, false).unwrap();
        assert!(made.is_dir() && !folder.path().join(EVALUATION_FILE).exists());

        plan.suite = Some(Suite::smoke());
        plan.model.name = "other".to_owned();
        let error = take(folder.path(), &plan, false).unwrap_err().to_string();
        assert!(error.contains("another model and suite\nhint: --replace"), "{error}");
        assert!(made.is_dir());
        take(folder.path(), &plan, true).unwrap();
        assert!(!made.exists());
        fs::write(folder.path().join(PLAN), "{").unwrap();
        assert!(take(folder.path(), &plan, false).unwrap_err().to_string().contains("plan.json"));
        take(folder.path(), &plan, true).unwrap();
    }
}
