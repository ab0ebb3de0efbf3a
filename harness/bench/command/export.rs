//! `export`: a trial's samples in the formats of other tools.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gra_synth::candidate::{Candidate, Outcome};

use crate::artifact::write_atomic;
use crate::export;
use crate::session::GlobalArgs;
use crate::terminal;
use crate::trial::stored::StoredTrial;

/// Write a trial's samples in the formats of other tools.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench export ablation/gra/seed-42 --out data/gra
  gra-bench export ablation/gra/seed-42 --out data/gra --format alpaca")]
pub(crate) struct ExportArgs {
    /// EXPERIMENT/VARIANT/seed-N
    trial: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these formats, separated by commas.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    format: Vec<ExportFormat>,
}

/// A data set format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Alpaca JSON with `dataset_info.json`.
    Alpaca,
    /// `ShareGPT` JSON Lines with `dataset_info.json`.
    Sharegpt,
    /// Parquet with scores and provenance.
    Parquet,
}

pub(crate) fn run(args: &ExportArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let trial = StoredTrial::open_finished(&store, &args.trial.parse()?)?;
    let (id, candidates) = (trial.id(), store.candidates(trial.row)?);
    let samples = candidates.iter().filter(|candidate| candidate.is_sample()).count();
    if samples == 0 {
        bail!(
            "{id} has no sample to export: of its {} candidates none was accepted ({})\n\
             hint: gra-bench inspect {id} says why each ended; gra-bench rescore {id} what other thresholds \
             would have accepted",
            candidates.len(),
            outcomes(&candidates)
        );
    }
    let wanted = |file: &str| {
        let of = |format| args.format.is_empty() || args.format.contains(&format);
        match file {
            "alpaca.json" => of(ExportFormat::Alpaca),
            "sharegpt.jsonl" => of(ExportFormat::Sharegpt),
            "samples.parquet" => of(ExportFormat::Parquet),
            _ => true,
        }
    };
    let mut out = terminal::stdout();
    let files = export::files(&trial.record, &candidates)?;
    for file in files.into_iter().filter(|file| wanted(file.name)) {
        let path = args.out.join(file.name);
        write_atomic(&path, &file.bytes)?;
        writeln!(out, "{}", path.display())?;
    }
    writeln!(out, "{samples} samples of {id}")?;
    Ok(())
}

/// How candidates ended, by outcome.
fn outcomes(candidates: &[Candidate]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.outcome.map_or("undecided", Outcome::name)).or_default() += 1;
    }
    let counts = counts.iter().map(|(outcome, count)| format!("{count} {outcome}"));
    counts.collect::<Vec<_>>().join(", ")
}
