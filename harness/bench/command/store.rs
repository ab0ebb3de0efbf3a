//! `store`: whether the store is sound, and a new one of what can be read of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::pretty;
use crate::session::GlobalArgs;
use crate::store::{self, Salvaged, Survey, TableState};
use crate::terminal;

/// Check the store, or copy what can be read of a damaged one into a new one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench store check
  gra-bench store salvage salvaged.db --store results/store.db")]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
enum StoreVerb {
    /// Read the whole store and say what of it is damaged; changes nothing.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy what can be read of a damaged store into a new one.
    #[command(after_help = "Examples:
  gra-bench store salvage salvaged.db
  gra-bench run experiments/ablation.toml --store salvaged.db

Replies that were saved are not asked again. A chunk of which a reply is lost is asked again as it
was, and a trial of which facts are lost is finished by running its experiment again.")]
    Salvage {
        /// The new store; no file may be there.
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &StoreArgs, global: &GlobalArgs) -> Result<()> {
    let path = global.store_path();
    if !path.exists() {
        bail!("there is no store at {}\nhint: name the store with --store", path.display());
    }
    let print = |is_json, text: String| -> Result<()> {
        Ok(terminal::json_or_text(is_json).write_all(text.as_bytes())?)
    };
    match &args.verb {
        StoreVerb::Check { json } => {
            let survey = store::check(&path)?;
            print(*json, if *json { pretty(&survey)? } else { text(&survey, &path)? })?;
            // After the survey is printed: the exit code tells scripts, the text people.
            if !survey.is_sound() {
                let word = terminal::shell_path(&path);
                bail!(
                    "the store {} is damaged\nhint: gra-bench store salvage NEW --store {word}",
                    path.display()
                );
            }
            Ok(())
        }
        StoreVerb::Salvage { new, json } => {
            let salvaged = store::salvage(&path, new)?;
            let text = || Ok(text(&salvaged.survey, &path)? + &next_steps(&salvaged, new)?);
            print(*json, if *json { pretty(&salvaged) } else { text() }?)
        }
    }
}

/// What can be read and what cannot.
fn text(survey: &Survey, path: &Path) -> Result<String> {
    let mut text = String::new();
    let state = if survey.is_sound() { "sound" } else { "damaged" };
    writeln!(text, "store {}: {state}\n", path.display())?;
    // All tables, sound ones too: a reader sees that each was read.
    writeln!(text, "{:<14} {:>10}  damaged", "table", "rows")?;
    for table in &survey.tables {
        writeln!(text, "{:<14} {:>10}  {}", table.name, table.rows, damage(table))?;
        for fault in &table.faults {
            writeln!(text, "  {fault}")?;
        }
        for gap in &table.gaps {
            writeln!(text, "  cannot be read: {gap}")?;
        }
    }
    if !survey.trials.is_empty() {
        writeln!(text, "\ntrials")?;
    }
    for trial in &survey.trials {
        let end = if trial.finished { "finished" } else { "not finished" };
        let lost = match trial.lost.iter().map(String::as_str).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "whole".to_owned(),
            some => format!("something may be lost of: {some}"),
        };
        writeln!(text, "  {:<40} {end}, {lost}", trial.trial)?;
    }
    // Last, because it names pages and not what is on them.
    if !survey.sqlite.is_empty() {
        writeln!(text, "\nSQLite says")?;
    }
    for line in &survey.sqlite {
        writeln!(text, "  {line}")?;
    }
    for note in &survey.notes {
        writeln!(text, "\n{note}")?;
    }
    Ok(text)
}

fn damage(table: &TableState) -> String {
    match (table.faulty, table.gaps.len()) {
        (0, 0) => "nothing".to_owned(),
        (rows, 0) => format!("{rows} rows"),
        (0, places) => format!("{places} places"),
        (rows, places) => format!("{rows} rows, {places} places"),
    }
}

fn next_steps(salvaged: &Salvaged, new: &Path) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "\ncopied to {}", new.display())?;
    // What was lost needs nothing but the same commands again.
    if salvaged.chunks_to_ask_again > 0 {
        let why = "miss a reply: they are asked again as they were when a run needs them";
        writeln!(text, "{} chunks {why}", salvaged.chunks_to_ask_again)?;
    }
    if salvaged.survey.trials.iter().any(|trial| !trial.lost.is_empty()) {
        let what = "trials that are not whole: run their experiments again with --store";
        writeln!(text, "{what} {}", terminal::shell_path(new))?;
    }
    Ok(text)
}
