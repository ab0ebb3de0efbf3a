//! What came out of an evaluation, here or elsewhere (`eval import`): its scores into `benchmarks.csv`, the results of
//! single items beside it, a table for people.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use gra_downstream::evaluation::{self, BenchmarkOutcome, Evaluation, ScoringProtocol};
use gra_files::write_atomic;
use gra_paper::Benchmark;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::foreign_text::CsvWriter;
use gra_paper::grid::{self, Align, Column};
use serde_json::json;

use crate::benchmark_scores::{self, BENCHMARKS, DataSubject, ScoreLine, TrainedSubject};
use crate::failure::bad_input;
use crate::numbers::or_dash;
use crate::session::GlobalArgs;
use crate::terminal;

/// Reads BASE/SEED-SET/SOURCE[/ROUNDS].
pub(super) fn subject(text: &str) -> Result<(String, DataSubject), String> {
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
    Ok(((*base).to_owned(), DataSubject { seed_dataset, data_source, iteration }))
}

const SUBJECT_WANTED: &str = "BASE/SEED-SET/SOURCE is wanted, such as qwen2.5-7b/alpaca/vanilla";

/// The model that `--as` and `--training-seed` name.
pub(super) fn trained_subject(
    named: Option<&(String, DataSubject)>,
    training_seed: u64,
) -> Option<TrainedSubject> {
    let (base_model, data) = named.cloned()?;
    Some(TrainedSubject { base_model, data, training_seed })
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The folder of one OpenCompass run, a summary.csv, or the results file or folder of lm-eval.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Which of several models that are in it, by the name that the engine knows it by.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What the model is in tables: BASE/SEED-SET/SOURCE or BASE/SEED-SET/gra/ROUNDS. Without it, benchmarks.csv is left
    /// as it is.
    #[arg(long = "as", value_name = "SUBJECT", value_parser = subject)]
    subject: Option<(String, DataSubject)>,
    /// Its training seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    training_seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ImportArgs {
    /// The last two names of the path and the model's, so that two imports do not share a folder.
    fn folder_name(&self) -> Result<String> {
        let path = std::path::absolute(&self.path).context("cannot tell the working directory")?;
        let names: Vec<String> =
            path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let last = names[names.len().saturating_sub(2)..].iter().chain(&self.model);
        let names: Vec<&str> = last.map(String::as_str).collect();
        let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        Ok(names.join("-").chars().map(plain).collect())
    }

    pub(super) fn run(&self, global: &GlobalArgs) -> Result<()> {
        let evaluation = evaluation::import(&self.path, self.model.as_deref())
            .map_err(|error| bad_input(error.into()))?;
        let subject = trained_subject(self.subject.as_ref(), self.training_seed);
        let folder = global.results().join("evaluated/imported").join(self.folder_name()?);
        // Kept as if it were of here: the folder that it is from may go.
        evaluation.write(&folder)?;
        let one = Evaluated::record(folder, subject, evaluation, global.results())?;
        say(&[one], global.results(), self.json)
    }
}

/// An evaluation that has ended.
pub(super) struct Evaluated {
    folder: PathBuf,
    subject: Option<TrainedSubject>,
    protocol: String,
    evaluation: Evaluation,
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
    pub(super) fn record(
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
            benchmark_scores::record(results, subject, &one.protocol, named, &lines)?;
        }
        Ok(one)
    }
}

pub(super) fn say(evaluated: &[Evaluated], results: &Path, is_json: bool) -> Result<()> {
    let mut out = terminal::json_or_text(is_json);
    if is_json {
        let list = evaluated.iter().map(|one| {
            let Evaluated { folder, subject, protocol, evaluation } = one;
            json!({ "folder": folder, "subject": subject, "protocol": protocol, "evaluation": evaluation })
        });
        return Ok(writeln!(out, "{}", json!({ "evaluated": list.collect::<Vec<_>>() }))?);
    }
    let titles = Benchmark::ALL.iter().map(|one| one.title()).chain(["AVG"]);
    let mut columns = vec![Column {
        title: "per cent".to_owned(),
        cells: titles.map(str::to_owned).collect(),
        align: Align::Left,
    }];
    for (number, one) in evaluated.iter().enumerate() {
        let cell = |benchmark| match one.evaluation.outcome(benchmark) {
            None => "-".to_owned(),
            Some(BenchmarkOutcome::Failed(_)) => "failed".to_owned(),
            Some(BenchmarkOutcome::Scored(scored)) => {
                let n = scored.n.map(|n| format!(" of {n}")).unwrap_or_default();
                format!("{:.2}{n}", scored.score)
            }
        };
        let average = or_dash(one.evaluation.average().map(|all| format!("{all:.2}")));
        columns.push(Column {
            // Folders are too long for a title; their list stands below.
            title: format!("[{}]", number + 1),
            cells: Benchmark::ALL.map(cell).into_iter().chain([average]).collect(),
            align: Align::Right,
        });
    }
    write!(out, "{}", grid::terminal(&columns))?;
    writeln!(out)?;
    for (number, one) in evaluated.iter().enumerate() {
        writeln!(out, "[{}] {} ({})", number + 1, one.folder.display(), one.protocol)?;
        for (benchmark, reason) in one.evaluation.failures() {
            writeln!(out, "    {benchmark} failed: {reason}")?;
        }
        for benchmark in Benchmark::ALL {
            for note in one.evaluation.scored(benchmark).iter().flat_map(|scored| &scored.notes) {
                writeln!(out, "    {benchmark}: {note}")?;
            }
        }
    }
    if evaluated.iter().all(|one| one.subject.is_none()) {
        let without = "No training's folder says what it is; with --as it goes into";
        return Ok(writeln!(out, "{without} {BENCHMARKS}.")?);
    }
    let scores = results.join(BENCHMARKS);
    Ok(writeln!(out, "Scores:  {}\nNext:    gra-bench tables", scores.display())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_or_refused() {
        let (base, data) = subject("qwen2.5-7b/alpaca/gra/5").unwrap();
        assert_eq!(
            (base.as_str(), data.data_source.as_str(), data.iteration),
            ("qwen2.5-7b", "gra", Some(5))
        );
        assert_eq!(subject("a/b/c").unwrap().1.iteration, None);
        for wrong in ["a/b", "a/b/c/d", "a"] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }
}
