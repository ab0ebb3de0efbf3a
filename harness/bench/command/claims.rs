//! `claims`: every claim of the paper, printed, recomputed and measured here.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use gra_paper::Reference;
use gra_paper::claims::{self, Finding};

use crate::session::GlobalArgs;
use crate::terminal;
use crate::{measured, rows};

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
    format: Format,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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

impl VerdictArg {
    const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Off => "off",
            Self::Contradicted => "contradicted",
            Self::NotMeasurable => "not-measurable",
            Self::Derived => "derived",
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A few short lines per claim.
    Terminal,
    /// Markdown tables.
    Md,
    /// A line per claim.
    Csv,
}

pub(crate) fn run(args: &ClaimsArgs, global: &GlobalArgs) -> Result<()> {
    let findings = claims::audit(
        &Reference::embedded()?,
        &measured::load(global.results(), args.stats.as_deref())?,
    );
    let is_shown = |finding: &Finding| {
        let word = finding.claim.verdict.word();
        args.verdict.is_empty() || args.verdict.iter().any(|verdict| verdict.word() == word)
    };
    let csv = || -> Result<Vec<u8>> {
        let mut csv = Vec::new();
        claims::write_csv(findings.iter().filter(|finding| is_shown(finding)), &mut csv)?;
        Ok(csv)
    };
    let mut out = terminal::json_or_text(args.json);
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "claims": rows::json(&csv()?)? }))?;
        return Ok(());
    }
    match args.format {
        Format::Terminal => write!(out, "{}", claims::terminal(&findings, is_shown))?,
        Format::Md => write!(out, "{}", claims::markdown(&findings, is_shown))?,
        Format::Csv => out.write_all(&csv()?)?,
    }
    Ok(())
}
