//! `compute`: what a trial's tokens cost, beside a large model that writes the same samples.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use gra_analysis::compute::{Compute, PaidRun, Parameters, TEACHER_PARAMETERS};

use crate::session::GlobalArgs;
use crate::store::Store;
use crate::suite::RunMeasurement;
use crate::trial::stored::StoredTrial;
use crate::{rows, terminal};
use gra_files::write_atomic;

/// Say what a trial's tokens cost in operations, beside a large model that writes the same samples.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench compute ablation/gra/seed-42
  gra-bench compute ablation/gra/seed-42 --parameters 7.6e9
  gra-bench compute ablation/gra/seed-42 ablation/no-reviewer/seed-42 --teacher-parameters 32.5e9

Writes TRIAL.compute.csv and .md beside the trial's folder.")]
pub(crate) struct ComputeArgs {
    /// EXPERIMENT/VARIANT/seed-N
    #[arg(required = true, value_name = "TRIAL")]
    pub(super) trials: Vec<String>,
    /// Parameters of the large model that the trial is compared with, e.g. 32.5e9.
    #[arg(long, value_name = "N", default_value_t = TEACHER_PARAMETERS, value_parser = parameters)]
    teacher_parameters: u64,
    /// Reckon as if every model of the pool had so many parameters, e.g. 7.6e9.
    #[arg(long, value_name = "N", value_parser = parameters)]
    parameters: Option<u64>,
    /// Folder for the tables [default: beside the trial's results].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON: an object, and a list of them for several trials.
    #[arg(long)]
    json: bool,
}

/// A whole number, also as `7.6e9`.
fn parameters(text: &str) -> Result<u64, String> {
    // By way of a float, whose 53 bits hold every size that a model has.
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if !(1.0..=1e15).contains(&value) {
        return Err("a model has from 1 to 1e15 parameters".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 1e15")]
    let count = value.round() as u64;
    Ok(count)
}

pub(crate) fn run(args: &ComputeArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    // All are read before the first is written.
    let trials: Vec<StoredTrial> = args
        .trials
        .iter()
        .map(|name| StoredTrial::open_finished(&store, &name.parse()?))
        .collect::<Result<_>>()?;
    let mut out = terminal::json_or_text(args.json);
    let mut documents = Vec::new();
    for (number, trial) in trials.iter().enumerate() {
        let compute = compute(args, trial, &store, global.results())?;
        let name = trial.id().to_string();
        let (mut csv, markdown) = (Vec::new(), compute.markdown(&name));
        compute.write_csv(&name, &mut csv)?;
        let path = |ending| global.beside(trial.id(), ending, args.out.as_deref());
        let files = [path("compute.csv"), path("compute.md")];
        write_atomic(&files[0], &csv)?;
        write_atomic(&files[1], markdown.as_bytes())?;
        if args.json {
            let rows = rows::json(&csv)?;
            documents.push(serde_json::json!({ "trial": name, "rows": rows }));
            continue;
        }
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", compute.terminal(&name))?;
        writeln!(out, "\n{}\n{}", files[0].display(), files[1].display())?;
    }
    if args.json {
        writeln!(out, "{}", rows::document(documents))?;
    }
    Ok(())
}

fn compute(
    args: &ComputeArgs,
    trial: &StoredTrial,
    store: &Store,
    results: &Path,
) -> Result<Compute> {
    let parameters = match args.parameters {
        Some(count) => Parameters::Assumed(count),
        None => Parameters::Stated(trial.record.stated_parameters()),
    };
    let seconds = store.engine_seconds(trial.row)?;
    let compute = Compute::of(&trial.facts(store)?, &parameters, args.teacher_parameters, seconds);
    let total = compute.total();
    // A run that found more in the store than earlier variants share took less than the calls; one that paid for
    // other calls was of a trial that was replaced.
    let shared = total.all.calls - total.own.calls;
    let is_whole =
        |run: &RunMeasurement| run.stored_calls == shared && run.paid_calls == total.own.calls;
    // The last of several such runs.
    let paid = RunMeasurement::read(results, trial.id())?.into_iter().rfind(is_whole);
    let run = paid.map(|run| PaidRun { wall_seconds: run.wall_s, joules: run.energy_j });
    Ok(Compute { run, ..compute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_whole_and_may_be_written_short() {
        assert_eq!(parameters("72.7e9"), Ok(TEACHER_PARAMETERS));
        assert_eq!(parameters("134515008"), Ok(134_515_008));
        for bad in ["", "many", "0", "-7e9", "nan", "inf", "1e16"] {
            assert!(parameters(bad).is_err(), "{bad}");
        }
    }
}
