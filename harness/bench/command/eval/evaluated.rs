//! What came out of an evaluation: its scores into `benchmarks.csv`, the results of single items beside it, a table for
//! people.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use gra_downstream::evaluation::{BenchmarkOutcome, Evaluation, ScoringProtocol};
use gra_files::write_atomic;
use gra_paper::Benchmark;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::foreign_text::CsvWriter;
use gra_paper::grid::{self, Align, Column};
use serde_json::json;

use crate::benchmark_scores::{self, BENCHMARKS, DataSubject, ScoreLine, TrainedSubject};
use crate::terminal;

/// Reads BASE/SEED-SET/SOURCE[/ROUNDS].
pub(super) fn subject(text: &str) -> Result<(String, DataSubject), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (base, seed, source, rounds) = match *parts.as_slice() {
        [base, seed, source] => (base, seed, source, None),
        [base, seed, source, rounds] => {
            let rounds =
                rounds.parse().map_err(|_| format!("`{rounds}` is no number of rounds"))?;
            (base, seed, source, Some(rounds))
        }
        _ => {
            return Err(
                "BASE/SEED-SET/SOURCE is wanted, such as qwen2.5-7b/alpaca/vanilla".to_owned()
            );
        }
    };
    let data = DataSubject {
        seed_dataset: seed.to_owned(),
        data_source: source.to_owned(),
        iteration: rounds,
    };
    Ok((base.to_owned(), data))
}

/// An evaluation that has ended.
pub(super) struct Evaluated {
    pub(super) folder: PathBuf,
    pub(super) subject: Option<TrainedSubject>,
    pub(super) protocol: String,
    pub(super) evaluation: Evaluation,
}

/// What a line of benchmarks.csv says of how a score was found. Only whole benchmarks with the paper's prompts are of
/// the paper's protocol.
pub(super) fn protocol(evaluation: &Evaluation) -> String {
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
    pub(super) fn record(&self, results: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        let mut csv = CsvWriter::from_writer(&mut bytes);
        csv.write_record(["benchmark", "item", "right"])?;
        let mut has_items = false;
        let mut lines = Vec::new();
        for benchmark in Benchmark::ALL {
            let Some(scored) = self.evaluation.scored(benchmark) else { continue };
            for item in &scored.items {
                has_items = true;
                csv.write_record([benchmark.id(), &item.id, &item.right.to_string()])?;
            }
            // An import may not say how many items a score is over; the benchmark's own number is then taken.
            let n = scored.n.unwrap_or(benchmark.items());
            lines.push(ScoreLine { benchmark, score: scored.score, n });
        }
        csv.flush()?;
        drop(csv);
        let file = self.folder.join("items.csv");
        if has_items {
            write_atomic(&file, &bytes)?;
        }
        let Some(subject) = self.subject.as_ref().filter(|_| !lines.is_empty()) else {
            return Ok(());
        };
        let named = file.strip_prefix(results).unwrap_or(&file).display().to_string();
        let named = has_items.then_some(named.as_str());
        benchmark_scores::record(results, subject, &self.protocol, named, &lines)
    }
}

pub(super) fn say(evaluated: &[Evaluated], results: &Path, is_json: bool) -> Result<()> {
    let mut out = terminal::json_or_text(is_json);
    if is_json {
        let list = evaluated.iter().map(|one| {
            json!({ "folder": one.folder, "subject": one.subject, "protocol": one.protocol, "evaluation": one.evaluation })
        });
        writeln!(out, "{}", json!({ "evaluated": list.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut columns = vec![Column {
        title: "per cent".to_owned(),
        cells: Benchmark::ALL
            .map(|one| one.title().to_owned())
            .into_iter()
            .chain(["AVG".to_owned()])
            .collect(),
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
        let average =
            one.evaluation.average().map_or_else(|| "-".to_owned(), |all| format!("{all:.2}"));
        columns.push(Column {
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
    if evaluated.iter().any(|one| one.subject.is_some()) {
        writeln!(
            out,
            "Scores:  {}\nNext:    gra-bench tables",
            results.join(BENCHMARKS).display()
        )?;
    } else {
        writeln!(
            out,
            "No training's folder says what it is; with --as it goes into {BENCHMARKS}."
        )?;
    }
    Ok(())
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
