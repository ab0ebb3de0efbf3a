//! `export`: a trial's samples in the formats of other tools.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gra_synth::candidate::{Candidate, Outcome};

use crate::export;
use crate::raters::{BlindedSheet, KEY, PAGE, SHEET};
use crate::session::GlobalArgs;
use crate::store::Store;
use crate::terminal;
use crate::trial::TrialId;
use crate::trial::stored::{StoredTrial, TrialSelection};
use gra_files::write_atomic;

/// Write a trial's samples in the formats of other tools.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench export ablation/gra/seed-42 --out data/gra
  gra-bench export ablation/gra/seed-42 --out data/gra --format alpaca
  gra-bench export ablation/gra/seed-42 --out raters --for-raters --n 100
  gra-bench export ablation --out tables --tidy")]
pub(crate) struct ExportArgs {
    /// EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made; with --tidy also an EXPERIMENT
    pub(super) trial: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these formats, separated by commas.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    format: Vec<ExportFormat>,
    /// Write what was recorded as four CSV tables in long form (candidates, samples, reviews, calls), for polars
    /// and R; all finished trials of an experiment together.
    #[arg(long, conflicts_with_all = ["format", "for_raters"])]
    tidy: bool,
    /// Write a sheet of candidates for people to rate, half of them accepted and half rejected without telling
    /// which, its key, and how to rate. `stats --raters` reads it back.
    #[arg(long, conflicts_with = "format")]
    for_raters: bool,
    /// At most N rows of the sheet.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "for_raters",
          value_parser = clap::value_parser!(u16).range(2..))]
    n: u16,
    /// Seed of the sheet's rows and their order [default: the trial's].
    #[arg(long, value_name = "N", requires = "for_raters")]
    seed: Option<u64>,
    /// Write over a sheet that is there, filled in or not, and its key.
    #[arg(long, requires = "for_raters")]
    replace: bool,
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
    if args.tidy {
        return tidy(args, &store);
    }
    let trial = StoredTrial::open_finished(&store, &args.trial.parse()?)?;
    let (id, candidates) = (trial.id(), store.candidates(trial.row)?);
    if args.for_raters {
        return for_raters(args, id, &candidates);
    }
    let samples = check_samples(id, &candidates, &id.to_string())?;
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

/// Writes the tables of trials.
fn tidy(args: &ExportArgs, store: &Store) -> Result<()> {
    let selection = TrialSelection { names: vec![args.trial.clone()], seed: None };
    let mut trials = Vec::new();
    for row in selection.find(store)?.iter().filter(|row| row.finished) {
        let trial = StoredTrial::read(store, row)?;
        trials.push((row.id.clone(), trial.facts(store)?));
    }
    if trials.is_empty() {
        bail!(
            "no trial of {} is finished\nhint: run its experiment again; it goes on where it was",
            args.trial
        );
    }
    let mut out = terminal::stdout();
    for file in export::tidy::tables(&trials)? {
        let path = args.out.join(file.name);
        write_atomic(&path, &file.bytes)?;
        writeln!(out, "{}", path.display())?;
    }
    writeln!(
        out,
        "{} trial{} of {}",
        trials.len(),
        if trials.len() == 1 { "" } else { "s" },
        args.trial
    )?;
    Ok(())
}

/// How many samples there are; an error where there is none. `named`: the trial as commands are to name it.
pub(super) fn check_samples(id: &TrialId, candidates: &[Candidate], named: &str) -> Result<usize> {
    let samples = candidates.iter().filter(|candidate| candidate.is_sample()).count();
    if samples == 0 {
        bail!(
            "{id} has no sample to export: of its {} candidates none was accepted ({})\n\
             hint: gra-bench inspect {named} says why each ended; gra-bench rescore {named} what other thresholds \
             would have accepted",
            candidates.len(),
            outcomes(candidates)
        );
    }
    Ok(samples)
}

/// Writes a sheet for people to rate.
fn for_raters(args: &ExportArgs, id: &TrialId, candidates: &[Candidate]) -> Result<()> {
    let seed = args.seed.unwrap_or(id.seed);
    let sheet = BlindedSheet::draw(id, candidates, args.n.into(), seed)?;
    let mut out = terminal::stdout();
    for path in sheet.write(&args.out, args.replace)? {
        writeln!(out, "{}", path.display())?;
    }
    writeln!(
        out,
        "{}\nGive raters {SHEET} and {PAGE}, and keep {KEY} to yourself. When copies are filled in:\n  gra-bench stats --raters {}",
        sheet.describe(),
        args.out.join("sheet-NAME.csv").display()
    )?;
    Ok(())
}

/// How candidates ended, by outcome.
pub(super) fn outcomes(candidates: &[Candidate]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.outcome.map_or("undecided", Outcome::name)).or_default() += 1;
    }
    let counts = counts.iter().map(|(outcome, count)| format!("{count} {outcome}"));
    counts.collect::<Vec<_>>().join(", ")
}
