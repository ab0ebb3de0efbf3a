//! `report`: one HTML file about a trial or an experiment.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::artifact::write_atomic;
use crate::cli::Places;
use crate::report::{self, Scope};
use crate::store::{Store, TrialId};
use crate::terminal::{self, Printed};

/// `report`
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// EXPERIMENT, or EXPERIMENT/VARIANT/seed-N
    subject: String,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// File to write [default: report.html in the experiment's results, or TRIAL.report.html].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ReportArgs, places: &Places) -> Result<()> {
    let store = Store::open_read_only(&places.store())?;
    let scope = Scope { name: Some(args.subject.clone()), seed: args.seed };
    let html = report::render(&store, &places.results, &scope)?;
    let path = args.out.clone().unwrap_or_else(|| default_path(args, places));
    write_atomic(&path, html.as_bytes())?;
    writeln!(terminal::stdout(Printed::Text), "{}", path.display())?;
    Ok(())
}

fn default_path(args: &ReportArgs, places: &Places) -> PathBuf {
    let name = args.subject.trim_end_matches('/');
    let file = match (name.parse::<TrialId>(), args.seed) {
        (Ok(trial), _) => format!("{trial}.report.html"),
        (Err(_), Some(seed)) => format!("{name}/seed-{seed}.report.html"),
        (Err(_), None) => format!("{name}/report.html"),
    };
    places.results.join(file)
}
