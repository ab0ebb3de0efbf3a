//! `report`: one HTML file about a trial or an experiment.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::report;
use crate::session::GlobalArgs;
use crate::terminal;
use crate::trial::TrialId;
use gra_files::write_atomic;

/// Write one HTML file about an experiment or a trial: verdict, tables, figures, every sample.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench report ablation                          results/ablation/report.html
  gra-bench report ablation --seed 42 --out ablation.html
  gra-bench report ablation/gra/seed-42

The file needs no network and no server. Trials that are not finished are told as far as they got.")]
pub(crate) struct ReportArgs {
    /// EXPERIMENT, EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made
    pub(super) subject: String,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// File to write [default: report.html in the experiment's results, or TRIAL.report.html].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ReportArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let html = report::render(&store, global.results(), &args.subject, args.seed)?;
    let path = args.out.clone().unwrap_or_else(|| default_path(args, global));
    write_atomic(&path, html.as_bytes())?;
    writeln!(terminal::stdout(), "{}", path.display())?;
    Ok(())
}

fn default_path(args: &ReportArgs, global: &GlobalArgs) -> PathBuf {
    let name = args.subject.trim_end_matches('/');
    let file = match (name.parse::<TrialId>(), args.seed) {
        (Ok(trial), _) => format!("{trial}.report.html"),
        (Err(_), Some(seed)) => format!("{name}/seed-{seed}.report.html"),
        (Err(_), None) => format!("{name}/report.html"),
    };
    global.results().join(file)
}
