//! `tables` and `claims`: the paper's Tables 1 to 3 and what it claims, beside what was measured here, and the files that
//! are made of what the paper prints.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use gra_paper::Reference;
use gra_paper::benchmarks::Benchmarks;
use gra_paper::claims::{self, Finding, Measured};
use gra_paper::tables::{Table, TableNumber};
use serde_json::json;

use crate::session::GlobalArgs;
use crate::{benchmark_scores, measured, rows, terminal};
use gra_files::write_atomic;

/// Where generated files are, in the results folder.
const GENERATED: &str = "paper/generated";

/// Print the paper's Tables 1 to 3, with what was measured here beside it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench tables                       all three, for the terminal
  gra-bench tables 1 --format latex > table1.tex
  gra-bench tables 1 3 --results my-results --json
  gra-bench tables --check               fails when results/paper/generated is out of date

Scores of models that you trained are read from benchmarks.csv in the results folder, a line per
model, benchmark and training: base_model, seed_dataset, data_source, iteration, benchmark, score,
n, training_seed. results/paper/README.md has the names. Without that file the tables hold what
the paper prints, with footnotes where its own numbers disagree.")]
pub(crate) struct TablesArgs {
    /// 1, 2 or 3 [default: all three]
    #[arg(value_name = "TABLE")]
    tables: Vec<TableNumber>,
    /// How to write them.
    #[arg(long, value_name = "FORMAT", default_value = "terminal", conflicts_with = "json")]
    format: TablesFormat,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write tables and claims, as the paper alone has them, to paper/generated in the results folder.
    #[arg(long, conflicts_with_all = ["tables", "format", "json"])]
    write: bool,
    /// Fail when those files are not what --write would write.
    #[arg(long, conflicts_with_all = ["tables", "format", "json", "write"])]
    check: bool,
}

/// How tables are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TablesFormat {
    /// Aligned columns.
    Terminal,
    /// Markdown.
    Md,
    /// A line per cell.
    Csv,
    /// A float with booktabs rules.
    Latex,
    /// A fragment, escaped.
    Html,
}

pub(crate) fn tables(args: &TablesArgs, global: &GlobalArgs) -> Result<()> {
    let paper = Reference::embedded()?;
    let mut out = terminal::json_or_text(args.json);
    if args.write || args.check {
        for (name, text) in generated(&paper) {
            let path = global.results().join(GENERATED).join(name);
            // The same command with --check is what CI runs.
            if args.check {
                check(&path, &text)?;
                continue;
            }
            write_atomic(&path, text.as_bytes())?;
            writeln!(out, "{}", path.display())?;
        }
        return Ok(());
    }
    let measured = measured::load(global.results(), None)?;
    let numbers = if args.tables.is_empty() { &TableNumber::ALL[..] } else { &args.tables };
    let table = |&number| Table::from_reference(number, &paper, measured.benchmarks());
    let tables: Vec<Table> = numbers.iter().map(table).collect();
    if args.json {
        return Ok(writeln!(out, "{}", json!({ "cells": rows::json(&csv(&tables)?)? }))?);
    }
    let format = match args.format {
        TablesFormat::Terminal => Table::terminal,
        TablesFormat::Md => Table::markdown,
        TablesFormat::Latex => Table::latex,
        TablesFormat::Html => Table::html,
        TablesFormat::Csv => return Ok(out.write_all(&csv(&tables)?)?),
    };
    // Every format ends with a line's end, so a table stands below an empty line.
    let texts: Vec<String> = tables.iter().map(format).collect();
    write!(out, "{}", texts.join("\n"))?;
    if measured.benchmarks().is_empty() && matches!(args.format, TablesFormat::Terminal) {
        let missing = global.results().join(benchmark_scores::BENCHMARKS);
        writeln!(out, "There is no score of a trained model: {}", missing.display())?;
    }
    Ok(())
}

fn csv(tables: &[Table]) -> Result<Vec<u8>> {
    let mut csv = Vec::new();
    Table::write_csv(tables, &mut csv)?;
    Ok(csv)
}

/// The files of `paper/generated`: what the paper alone says, so that they are the same for everybody.
fn generated(paper: &Reference) -> [(&'static str, String); 2] {
    const MADE: &str = "<!-- Made by `gra-bench tables --write`. Do not edit. -->";
    let table = |number| Table::from_reference(number, paper, &Benchmarks::default()).markdown();
    let tables = TableNumber::ALL.map(table).join("\n");
    // Without results of this machine, likewise.
    let findings = claims::audit(paper, &Measured::default());
    let claims = claims::markdown(&findings, |_| true);
    [
        ("tables.md", format!("{MADE}\n\n# The paper's tables\n\n{tables}")),
        ("claims.md", format!("{MADE}\n\n# The paper's claims\n\n{}\n", claims.trim_end())),
    ]
}

/// Compares a file with what it should be, and names the first line that differs.
fn check(path: &Path, expected: &str) -> Result<()> {
    let hint = "hint: gra-bench tables --write";
    let found = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}\n{hint}", path.display()))?;
    match first_difference(&found, expected) {
        None => Ok(()),
        Some(difference) => bail!("{} is out of date: {difference}\n{hint}", path.display()),
    }
}

/// Where two texts differ first, in words.
fn first_difference(found: &str, expected: &str) -> Option<String> {
    if found == expected {
        return None;
    }
    let (mut ours, mut theirs) = (found.split('\n'), expected.split('\n'));
    let shown = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
    // Behind the last line of the shorter text stands nothing.
    let mut lines = (1_usize..).map(|number| (number, ours.next(), theirs.next()));
    let (number, here, there) = lines.find(|(_, here, there)| here != there)?;
    Some(format!("line {number} is {}, not {}", shown(here), shown(there)))
}

/// Check every claim of the paper: printed, recomputed from its tables, measured here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench claims --verdict off,contradicted
  gra-bench claims --results my-results --json
  gra-bench claims --stats results/ifd/seed-42.compare
  gra-bench claims --format md > claims.md

Results are joined by their files: benchmarks.csv (see `gra-bench tables --help`), stats/stats.csv
with data sets named gra, vanilla and distill-large, and the .compute.csv of trials. No model runs.")]
pub(crate) struct ClaimsArgs {
    /// Show only claims with these verdicts, separated by commas; the counts are of all.
    #[arg(long, value_name = "VERDICTS", value_delimiter = ',')]
    verdict: Vec<VerdictArg>,
    /// Folder of what `stats` or `compare` wrote [default: stats in the results folder].
    #[arg(long, value_name = "DIR")]
    stats: Option<PathBuf>,
    /// How to write it.
    #[arg(long, value_name = "FORMAT", default_value = "terminal", conflicts_with = "json")]
    format: ClaimsFormat,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A verdict of claims that are shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerdictArg {
    /// The recomputed number is the printed one, or within its bound.
    Holds,
    /// It is another number.
    Off,
    /// The paper's own tables or text say otherwise.
    Contradicted,
    /// Nothing printed decides it.
    NotMeasurable,
    /// The paper claims nothing; we note the number.
    Derived,
}

/// How claims are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClaimsFormat {
    /// A few short lines per claim.
    Terminal,
    /// Markdown tables.
    Md,
    /// A line per claim.
    Csv,
}

pub(crate) fn claims(args: &ClaimsArgs, global: &GlobalArgs) -> Result<()> {
    let measured = measured::load(global.results(), args.stats.as_deref())?;
    let findings = claims::audit(&Reference::embedded()?, &measured);
    let is_shown = |finding: &Finding| {
        let word = finding.claim.verdict.word();
        // The words of the command line are those of verdicts.
        let is_it = |verdict: &VerdictArg| {
            verdict.to_possible_value().is_some_and(|value| value.get_name() == word)
        };
        args.verdict.is_empty() || args.verdict.iter().any(is_it)
    };
    let mut csv = Vec::new();
    claims::write_csv(findings.iter().filter(|finding| is_shown(finding)), &mut csv)?;
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        return Ok(writeln!(out, "{}", json!({ "claims": rows::json(&csv)? }))?);
    }
    match args.format {
        ClaimsFormat::Terminal => write!(out, "{}", claims::terminal(&findings, is_shown))?,
        ClaimsFormat::Md => write!(out, "{}", claims::markdown(&findings, is_shown))?,
        ClaimsFormat::Csv => out.write_all(&csv)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let cases = [
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some("line 2 is `b`, not `c`")),
            ("a\n", "a\nb\n", Some("line 2 is ``, not `b`")),
            ("a\n", "a", Some("line 2 is ``, not nothing")),
            ("", "a", Some("line 1 is ``, not `a`")),
        ];
        for (found, expected, said) in cases {
            assert_eq!(
                first_difference(found, expected).as_deref(),
                said,
                "{found:?} {expected:?}"
            );
        }
    }
}
