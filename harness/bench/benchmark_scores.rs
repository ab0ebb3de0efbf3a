//! Writes what came out of an evaluation: its scores into `benchmarks.csv`, beside lines that were written by hand, and
//! the results of single items beside it. And what a trained model is, in the words of the paper's tables and as it is
//! typed.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gra_downstream::evaluation::{BenchmarkOutcome, Evaluation, ScoringProtocol};
use gra_files::write_atomic;
use gra_paper::Benchmark;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::foreign_text::CsvWriter;
use serde::{Deserialize, Serialize};

/// Scores of trained models, in the results folder.
pub(crate) const BENCHMARKS: &str = "benchmarks.csv";

/// The columns, as [`gra_paper::benchmarks`] describes them.
const COLUMNS: [&str; 11] = [
    "base_model",
    "seed_dataset",
    "data_source",
    "iteration",
    "benchmark",
    "score",
    "scale",
    "n",
    "training_seed",
    "protocol",
    "items",
];

/// Columns of the score itself. The others say of what it is; another score of the same thing takes its place.
const VALUES: [&str; 4] = ["score", "scale", "n", "items"];

/// What training data is of, in the words of the paper's tables; empty where nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataSubject {
    /// The seed set that the data was made from: `alpaca`.
    pub(crate) seed_dataset: String,
    /// Where the data is from: `gra`, `vanilla`.
    pub(crate) data_source: String,
    /// How many rounds of synthesis it is of.
    pub(crate) iteration: Option<u32>,
}

/// A trained model, as a line of the file names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrainedSubject {
    /// The base model: `qwen2.5-7b`.
    pub(crate) base_model: String,
    /// What it was trained on.
    #[serde(flatten)]
    pub(crate) data: DataSubject,
    /// Which of several trainings on that data.
    pub(crate) training_seed: u64,
}

/// Name of the file in a training's folder that says what its model is in the paper's words.
pub(crate) const SUBJECT: &str = "subject.json";

impl TrainedSubject {
    /// What the model of a training's folder is.
    ///
    /// # Errors
    /// When the folder does not say so.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(SUBJECT);
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not as `train` writes it", file.display()))
    }
}

/// The model that `--as` names: its base model, and the data that it was trained on.
#[derive(Clone, Debug)]
pub(crate) struct NamedSubject(String, DataSubject);

impl NamedSubject {
    pub(crate) fn trained(self, training_seed: u64) -> TrainedSubject {
        let Self(base_model, data) = self;
        TrainedSubject { base_model, data, training_seed }
    }
}

/// Reads BASE/SEED-SET/SOURCE[/ROUNDS].
pub(crate) fn subject(text: &str) -> Result<NamedSubject, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let [base, seed, source, rounds @ ..] = parts.as_slice() else {
        return Err(SUBJECT_WANTED.to_owned());
    };
    let iteration = match rounds {
        [] => None,
        [rounds] => Some(rounds.parse().map_err(|_| format!("`{rounds}` is no number of rounds"))?),
        _ => return Err(SUBJECT_WANTED.to_owned()),
    };
    let (seed_dataset, data_source) = ((*seed).to_owned(), (*source).to_owned());
    Ok(NamedSubject((*base).to_owned(), DataSubject { seed_dataset, data_source, iteration }))
}

const SUBJECT_WANTED: &str = "BASE/SEED-SET/SOURCE is wanted, such as qwen2.5-7b/alpaca/vanilla";

/// An evaluation that has ended, and of which model it is.
#[derive(Serialize)]
pub(crate) struct Evaluated {
    pub(crate) folder: PathBuf,
    pub(crate) subject: Option<TrainedSubject>,
    pub(crate) protocol: String,
    pub(crate) evaluation: Evaluation,
}

/// What a line of benchmarks.csv says of how a score was found. Only whole benchmarks with the paper's prompts are of
/// the paper's protocol.
fn protocol(evaluation: &Evaluation) -> String {
    let engine = match evaluation.protocol {
        ScoringProtocol::OpenCompass => PAPERS_PROTOCOL,
        ScoringProtocol::LmEval => "lm-eval",
    };
    match &evaluation.suite {
        Some(suite) if !suite.is_whole() => format!("{engine}-{}", suite.name),
        Some(_) => engine.to_owned(),
        // Whose prompts and how many items is not known of everything that was scored elsewhere.
        None => {
            let scored = evaluation.benchmarks.values();
            let is_papers = scored.clone().all(|outcome| match outcome {
                BenchmarkOutcome::Scored(scored) => scored.pinned && scored.whole,
                BenchmarkOutcome::Failed(_) => true,
            });
            if is_papers { engine.to_owned() } else { format!("{engine}-imported") }
        }
    }
}

impl Evaluated {
    /// Writes the results of single items, and the scores into benchmarks.csv where it is known of what they are.
    pub(crate) fn record(
        folder: PathBuf,
        subject: Option<TrainedSubject>,
        evaluation: Evaluation,
        results: &Path,
    ) -> Result<Self> {
        let one = Self { protocol: protocol(&evaluation), folder, subject, evaluation };
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record(["benchmark", "item", "right"])?;
        let mut has_items = false;
        let mut lines = Vec::new();
        for benchmark in Benchmark::ALL {
            // One that failed or was not asked for has no line: an earlier score stays.
            let Some(scored) = one.evaluation.scored(benchmark) else { continue };
            for item in &scored.items {
                has_items = true;
                csv.write_record([benchmark.id(), &item.id, &item.right.to_string()])?;
            }
            // An import may not say how many items a score is over; the benchmark's own number is then taken.
            let n = scored.n.unwrap_or(benchmark.items());
            lines.push(ScoreLine { benchmark, score: scored.score, n });
        }
        let file = one.folder.join("items.csv");
        if has_items {
            write_atomic(&file, &csv.into_inner()?)?;
        }
        if let Some(subject) = one.subject.as_ref().filter(|_| !lines.is_empty()) {
            // As seen from the results folder, which may be moved.
            let named = file.strip_prefix(results).unwrap_or(&file).display().to_string();
            let named = has_items.then_some(named.as_str());
            record(results, subject, &one.protocol, named, &lines)?;
        }
        Ok(one)
    }
}

/// A model's score on a benchmark.
struct ScoreLine {
    benchmark: Benchmark,
    /// Per cent, unrounded.
    score: f64,
    /// Items scored.
    n: u64,
}

/// A line of the file, field by field as [`COLUMNS`] names them, and after those the user's own columns; empty where
/// it says nothing.
type CsvLine = Vec<String>;

/// Puts the scores of a model into the file: in the place of earlier ones of the same model, protocol, training and
/// benchmark; others stay, and so do columns that are the user's own. A line without a protocol is of the paper's.
/// `items` is the file of the single items, in the results folder.
///
/// # Errors
/// When the file is no CSV with these columns, or cannot be written.
fn record(
    results: &Path,
    model: &TrainedSubject,
    protocol: &str,
    items: Option<&str>,
    scores: &[ScoreLine],
) -> Result<()> {
    let path = results.join(BENCHMARKS);
    // Another evaluation may end in the same moment: what one writes, the other must have read. Where folders cannot be
    // locked, that is left to chance.
    let folder = File::open(results);
    let _held = folder.ok().filter(|folder| folder.lock().is_ok());
    let (others, mut lines) = read(&path)?;
    let TrainedSubject { base_model, data, training_seed } = model;
    let DataSubject { seed_dataset, data_source, iteration } = data;
    let iteration = iteration.map(|round| round.to_string()).unwrap_or_default();
    let (items, training_seed) = (items.unwrap_or_default(), &training_seed.to_string());
    for ScoreLine { benchmark, score, n } in scores {
        let (benchmark, score, n) = (benchmark.id(), &score.to_string(), &n.to_string());
        let mut new: CsvLine = [
            base_model.as_str(),
            seed_dataset,
            data_source,
            &iteration,
            benchmark,
            score,
            "percent",
            n,
            training_seed,
            protocol,
            items,
        ]
        .map(str::to_owned)
        .to_vec();
        new.resize(COLUMNS.len() + others.len(), String::new());
        lines.retain(|line| !is_of_same(line, &new));
        lines.push(new);
    }
    // In one order, whatever was scored first.
    lines.sort_by(|a, b| key(a).cmp(key(b)));
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(COLUMNS.into_iter().chain(others.iter().map(String::as_str)))?;
    lines.iter().try_for_each(|line| csv.write_record(line))?;
    Ok(write_atomic(&path, &csv.into_inner()?)?)
}

/// The fields that say of what a score is.
fn key(line: &CsvLine) -> impl Iterator<Item = (&'static str, &String)> {
    COLUMNS.into_iter().zip(line).filter(|(column, _)| !VALUES.contains(column))
}

/// Whether a line of the file has a score of the same thing as a new one.
fn is_of_same(line: &CsvLine, new: &CsvLine) -> bool {
    // A line that was written by hand may leave the protocol out, and then means the paper's.
    key(line).zip(key(new)).all(|((column, found), (_, new))| {
        let is_left_out = column == "protocol" && found.is_empty();
        if is_left_out { new == PAPERS_PROTOCOL } else { found == new }
    })
}

/// The columns that are the user's own, and the lines; none where there is no file.
fn read(path: &Path) -> Result<(Vec<String>, Vec<CsvLine>)> {
    if !path.exists() {
        return Ok((Vec::new(), Vec::new()));
    }
    let cannot = || format!("cannot read {}", path.display());
    let mut csv =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).with_context(cannot)?;
    let header = csv.headers().with_context(cannot)?.clone();
    let others: Vec<&str> = header.iter().filter(|name| !COLUMNS.contains(name)).collect();
    let columns = COLUMNS.iter().chain(&others);
    let places: Vec<Option<usize>> =
        columns.map(|column| header.iter().position(|name| name == *column)).collect();
    let line = |record: csv::Result<csv::StringRecord>| {
        let record = record?;
        let field = |place: Option<usize>| place.and_then(|at| record.get(at)).unwrap_or_default();
        Ok(places.iter().map(|&place| field(place).to_owned()).collect())
    };
    let lines = csv.records().map(line).collect::<csv::Result<_>>().with_context(cannot)?;
    Ok((others.into_iter().map(str::to_owned).collect(), lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(source: &str, seed: u64) -> TrainedSubject {
        TrainedSubject {
            base_model: "qwen2.5-7b".to_owned(),
            data: DataSubject {
                seed_dataset: "alpaca".to_owned(),
                data_source: source.to_owned(),
                iteration: (source == "gra").then_some(5),
            },
            training_seed: seed,
        }
    }

    #[test]
    fn scores_take_the_place_of_earlier_ones_and_leave_others() {
        let folder = tempfile::tempdir().unwrap();
        let by_hand = "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n\
                       qwen2.5-7b,alpaca,vanilla,,gsm8k,62.2,1319,0\n";
        std::fs::write(folder.path().join(BENCHMARKS), by_hand).unwrap();
        let line = |benchmark, score| ScoreLine { benchmark, score, n: 3 };
        let write = |model: &TrainedSubject, scores: &[ScoreLine]| {
            record(folder.path(), model, "opencompass", Some("a/items.csv"), scores).unwrap();
        };
        write(&model("gra", 0), &[line(Benchmark::Gsm8k, 100.0 / 3.0), line(Benchmark::Math, 0.0)]);
        write(&model("gra", 1), &[line(Benchmark::Gsm8k, 50.0)]);
        write(&model("gra", 0), &[line(Benchmark::Gsm8k, 200.0 / 3.0)]);
        let text = std::fs::read_to_string(folder.path().join(BENCHMARKS)).unwrap();
        insta::assert_snapshot!(text, @"
        base_model,seed_dataset,data_source,iteration,benchmark,score,scale,n,training_seed,protocol,items
        qwen2.5-7b,alpaca,gra,5,gsm8k,66.66666666666667,percent,3,0,opencompass,a/items.csv
        qwen2.5-7b,alpaca,gra,5,gsm8k,50,percent,3,1,opencompass,a/items.csv
        qwen2.5-7b,alpaca,gra,5,math,0,percent,3,0,opencompass,a/items.csv
        qwen2.5-7b,alpaca,vanilla,,gsm8k,62.2,,1319,0,,
        ");
        let read = gra_paper::benchmarks::Benchmarks::read(text.as_bytes()).unwrap();
        assert_eq!((read.models().count(), read.others().count()), (2, 0));
        assert_eq!(read.item_files(), ["a/items.csv"]);
        // The line by hand is of the paper's protocol, so a score of it takes its place.
        write(&model("vanilla", 0), &[line(Benchmark::Gsm8k, 60.0)]);
        let text = std::fs::read_to_string(folder.path().join(BENCHMARKS)).unwrap();
        assert_eq!(text.matches(",vanilla,").count(), 1, "{text}");
    }

    #[test]
    fn subjects_are_read_or_refused() {
        let NamedSubject(base, data) = subject("qwen2.5-7b/alpaca/gra/5").unwrap();
        assert_eq!(
            (base.as_str(), data.data_source.as_str(), data.iteration),
            ("qwen2.5-7b", "gra", Some(5))
        );
        assert_eq!(subject("a/b/c").unwrap().1.iteration, None);
        for wrong in ["a/b", "a/b/c/d", "a"] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_lost_of_other_columns_or_of_evaluations_that_end_together() {
        let folder = tempfile::tempdir().unwrap();
        let by_hand = "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed,machine\n\
                       qwen2.5-7b,alpaca,vanilla,,gsm8k,62.2,1319,0,the old one\n";
        let path = folder.path().join(BENCHMARKS);
        std::fs::write(&path, by_hand).unwrap();
        std::thread::scope(|scope| {
            for seed in 0..16 {
                let results = folder.path();
                scope.spawn(move || {
                    let score = ScoreLine { benchmark: Benchmark::Gsm8k, score: 50.0, n: 3 };
                    record(results, &model("gra", seed), "opencompass", None, &[score]).unwrap();
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 18, "{text}");
        assert!(text.starts_with("base_model") && text.contains(",items,machine\n"), "{text}");
        assert!(text.contains("62.2,,1319,0,,,the old one\n"), "{text}");
    }
}
