//! `tables`: the paper's Tables 1 to 3, and the files that are made of what the paper prints.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use gra_paper::Reference;
use gra_paper::benchmarks::Benchmarks;
use gra_paper::claims::{self, Measured};
use gra_paper::tables::{Table, TableNumber};

use crate::session::GlobalArgs;
use crate::terminal;
use crate::{benchmark_scores, measured, rows};
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
    format: Format,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
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

pub(crate) fn run(args: &TablesArgs, global: &GlobalArgs) -> Result<()> {
    let paper = Reference::embedded()?;
    let mut out = terminal::json_or_text(args.json);
    if args.write || args.check {
        for (name, text) in generated(&paper) {
            let path = global.results().join(GENERATED).join(name);
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
    let numbers =
        if args.tables.is_empty() { TableNumber::ALL.to_vec() } else { args.tables.clone() };
    let table =
        |number: &TableNumber| Table::from_reference(*number, &paper, measured.benchmarks());
    let tables: Vec<Table> = numbers.iter().map(table).collect();
    if args.json {
        let rows = rows::json(&csv(&tables)?)?;
        writeln!(out, "{}", serde_json::json!({ "cells": rows }))?;
        return Ok(());
    }
    let format = match args.format {
        Format::Terminal => Table::terminal,
        Format::Md => Table::markdown,
        Format::Latex => Table::latex,
        Format::Html => Table::html,
        Format::Csv => {
            out.write_all(&csv(&tables)?)?;
            return Ok(());
        }
    };
    let texts: Vec<String> = tables.iter().map(format).collect();
    write!(out, "{}", texts.join("\n"))?;
    if measured.benchmarks().is_empty() && matches!(args.format, Format::Terminal) {
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
    let mut number = 0;
    loop {
        number += 1;
        let (here, there) = (ours.next(), theirs.next());
        if here != there {
            let shown =
                |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
            return Some(format!("line {number} is {}, not {}", shown(here), shown(there)));
        }
    }
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
