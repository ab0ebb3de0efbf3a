//! Writes `benchmarks.csv`: scores of trained models, as `gra-bench eval` finds them, beside lines that were written by
//! hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
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

/// What training data is of, in the words of the paper's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataSubject {
    /// The seed set that the data was made from: `alpaca`.
    pub(crate) seed_dataset: String,
    /// Where the data is from: `gra`, `vanilla`.
    pub(crate) data_source: String,
    /// How many rounds of synthesis it is of.
    pub(crate) iteration: Option<u32>,
}

impl DataSubject {
    /// Of data of which nothing is known.
    pub(crate) const NONE: Self =
        Self { seed_dataset: String::new(), data_source: String::new(), iteration: None };
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

/// A model's score on a benchmark.
pub(crate) struct ScoreLine {
    pub(crate) benchmark: Benchmark,
    /// Per cent, unrounded.
    pub(crate) score: f64,
    /// Items scored.
    pub(crate) n: u64,
}

/// Puts the scores of a model into the file: in the place of earlier ones of the same model, protocol, training and
/// benchmark; others stay, and so do columns that are the user's own. A line without a protocol is of the paper's. `items` is the file of the single items, in the results folder.
///
/// # Errors
/// When the file is no CSV with these columns, or cannot be written.
pub(crate) fn record(
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
    let mut lines = read(&path)?;
    let iteration = model.data.iteration.map(|round| round.to_string()).unwrap_or_default();
    let of_model = [
        ("base_model", model.base_model.clone()),
        ("seed_dataset", model.data.seed_dataset.clone()),
        ("data_source", model.data.data_source.clone()),
        ("iteration", iteration),
        ("training_seed", model.training_seed.to_string()),
        ("protocol", protocol.to_owned()),
    ];
    let field = |line: &CsvLine, column: &str| line.get(column).cloned().unwrap_or_default();
    let is_of_model = |line: &CsvLine| {
        // A line that was written by hand may leave the protocol out, and then means the paper's.
        of_model.iter().all(|(column, value)| match field(line, column) {
            none if none.is_empty() && *column == "protocol" => value == PAPERS_PROTOCOL,
            found => found == *value,
        })
    };
    let is_scored = |line: &CsvLine| {
        scores.iter().any(|score| field(line, "benchmark") == score.benchmark.id())
    };
    lines.retain(|line| !(is_of_model(line) && is_scored(line)));
    for score in scores {
        let mut line: CsvLine =
            of_model.iter().map(|(column, value)| ((*column).to_owned(), value.clone())).collect();
        let own = [
            ("benchmark", score.benchmark.to_string()),
            ("score", score.score.to_string()),
            ("scale", "percent".to_owned()),
            ("n", score.n.to_string()),
            ("items", items.unwrap_or_default().to_owned()),
        ];
        line.extend(own.map(|(column, value)| (column.to_owned(), value)));
        lines.push(line);
    }
    let key = COLUMNS.into_iter().filter(|column| !VALUES.contains(column));
    // In one order, whatever was scored first.
    lines.sort_by_cached_key(|line| key.clone().map(|name| field(line, name)).collect::<Vec<_>>());
    let all: BTreeSet<&str> =
        lines.iter().flat_map(|line| line.keys().map(String::as_str)).collect();
    let others = all.into_iter().filter(|name| !COLUMNS.contains(name));
    let columns: Vec<&str> = COLUMNS.into_iter().chain(others).collect();
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(&columns)?;
    for line in &lines {
        csv.write_record(columns.iter().map(|column| field(line, column)))?;
    }
    Ok(write_atomic(&path, &csv.into_inner()?)?)
}

type CsvLine = BTreeMap<String, String>;

/// The lines of the file; none where there is no file.
fn read(path: &Path) -> Result<Vec<CsvLine>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let cannot = || format!("cannot read {}", path.display());
    let mut csv =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).with_context(cannot)?;
    let header = csv.headers().with_context(cannot)?.clone();
    let line = |record: csv::Result<csv::StringRecord>| {
        let record = record?;
        let fields = header.iter().zip(&record);
        Ok(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    };
    csv.records().map(line).collect::<csv::Result<_>>().with_context(cannot)
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
