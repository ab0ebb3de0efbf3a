//! `run` and `ablation`: every variant and run seed of an experiment, and the table.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use gra_synth::request::Stage;

use super::plan::{Detectable, Recorded};
use crate::calibration::CalibrationRecord;
use crate::experiment::{Experiment, Experiments, Overrides};
use crate::progress::Verbosity;
use crate::session::{GlobalArgs, Session};
use crate::store::Store;
use crate::suite::{self, SeedReport, Sweep};
use crate::trial::Fingerprints;
use crate::{builtin, overwrite, publish, rows, terminal};

/// Run an experiment file: every variant, every run seed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench run experiments/ablation.toml
  gra-bench run experiments/ablation.toml --seeds 42,43,44 --variants gra,no-reviewer

A run that was interrupted goes on when the same command is given again.")]
pub(crate) struct RunArgs {
    /// The experiment file.
    experiment: PathBuf,
    /// Run seeds, separated by commas, instead of the file's.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    seeds: Vec<u64>,
    #[command(flatten)]
    options: RunOptions,
    /// Print the table as JSON: an object, and a list of them for several run seeds or seed sets.
    #[arg(long)]
    json: bool,
}

/// Run GRA and its ablations and print one row per variant.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench ablation --seed 42
  gra-bench ablation --variants gra,majority-vote
  gra-bench ablation --seed-set alpaca.json --limit 200 --pool my-pool.toml

A run that was interrupted goes on when the same command is given again.")]
pub(crate) struct AblationArgs {
    /// Run seed.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The experiment file.
    #[arg(long, value_name = "FILE", default_value = "experiments/ablation.toml")]
    experiment: PathBuf,
    #[command(flatten)]
    options: RunOptions,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// What `run` and `ablation` share.
#[derive(Debug, Args)]
struct RunOptions {
    #[command(flatten)]
    overrides: Overrides,
    /// Replace earlier trials of the same names that were run with other settings.
    #[arg(long)]
    replace: bool,
    /// Ask the calls again that an engine could not answer; without it they stay failed.
    #[arg(long)]
    retry_failed: bool,
}

pub(crate) fn run(args: &RunArgs, global: &GlobalArgs) -> Result<()> {
    run_trials(&args.experiment, &args.seeds, &args.options, args.json, global)
}

pub(crate) fn ablation(args: &AblationArgs, global: &GlobalArgs) -> Result<()> {
    run_trials(&args.experiment, &[args.seed], &args.options, args.json, global)
}

fn run_trials(
    file: &Path,
    seeds: &[u64],
    options: &RunOptions,
    is_json: bool,
    global: &GlobalArgs,
) -> Result<()> {
    if global.verbosity() != Verbosity::Quiet && builtin::is_built_in(file) {
        let file = file.display();
        terminal::say(&format!(
            "{file}: the file that is built in; gra-bench init DIR writes it out"
        ));
    }
    let RunOptions { overrides, replace, retry_failed } = options;
    let (seeds, retry_failed) = (seeds.to_vec(), *retry_failed);
    let overrides = Overrides { seeds, retry_failed, ..overrides.clone() };
    let experiments = Experiments::load(file, &global.models, &overrides)?;
    // Those of several seed sets differ in nothing else.
    let (each, first) = (&experiments.each, &experiments.each[0]);
    let results = &global.results;
    publish::check_writable(results)?;
    let store = Store::open(&global.store_path())?;
    each.iter().try_for_each(|experiment| suite::check_files(experiment, &store))?;
    // What only shows how things work answers no question.
    let detectable = if first.demonstration {
        None
    } else {
        Detectable::of(first, &Recorded::read(first, &store, results)?)
    };
    let session = Session::start(global, store, &first.pool, &first.engine)?;
    let blunt = detectable.and_then(|found| found.warning(first));
    // What the seed set is stands before what can be found with it.
    let lines = first.starter_warning().into_iter().chain(reviewer_warnings(first, results)?);
    for line in lines.chain(blunt) {
        session.progress.say(&line);
    }
    let reports = session.ask(first.chunk, |answering| {
        let fingerprints = Fingerprints::read(first, answering.engine())?;
        let mut differing = Vec::new();
        for experiment in each {
            let store = answering.store();
            differing.extend(overwrite::differing(experiment, &fingerprints, store, results)?);
        }
        overwrite::settle(differing, *replace, results, &experiments.name)?;
        let run = |experiment| suite::run_all(experiment, &fingerprints, answering, results);
        each.iter().map(run).collect::<Result<Vec<Vec<SeedReport>>>>()
    })?;
    let over_seed_sets = Sweep::over_seed_sets(&experiments, &reports, results)?;
    let mut out = terminal::json_or_text(is_json);
    let mut json = Vec::new();
    for (experiment, reports) in each.iter().zip(&reports) {
        let over_seeds = Sweep::over_seeds(experiment, reports, results)?;
        if is_json {
            json.extend(reports.iter().map(SeedReport::json).collect::<Result<Vec<_>>>()?);
            continue;
        }
        for report in reports {
            report.print(experiment, results, &mut out)?;
        }
        over_seeds.map_or(Ok(()), |sweep| sweep.print(&mut out))?;
    }
    if is_json {
        writeln!(out, "{}", rows::document(json))?;
        return Ok(());
    }
    over_seed_sets.map_or(Ok(()), |sweep| sweep.print(&mut out))
}

/// What the pool's last calibration says against its reviewers, or that there was none.
fn reviewer_warnings(experiment: &Experiment, results: &Path) -> Result<Vec<String>> {
    let pool = &experiment.pool.name;
    let tau = f64::from(experiment.method.tau);
    let reviewing = experiment.variants.iter().filter(|variant| variant.reviews() > 0);
    let own = &experiment.prompts;
    // Prompts that review in the experiment's own words need no calibration of their own.
    let reviewed_with = |variant| {
        let of = experiment.prompts_of(variant);
        let reviews = [Stage::InstructionReview, Stage::ResponseReview];
        let is_alike = reviews.into_iter().all(|stage| of.set.asks_alike(&own.set, stage));
        if is_alike { own.sha256.as_str() } else { of.sha256.as_str() }
    };
    let prompts: BTreeSet<&str> = reviewing.map(reviewed_with).collect();
    let mut warnings = Vec::new();
    for sha256 in prompts {
        match CalibrationRecord::find(results, pool, sha256)? {
            Some(record) => warnings.extend(record.warnings(&experiment.members, tau)),
            None if experiment.demonstration => {}
            None => warnings.push(format!(
                "the models of pool `{pool}` were not calibrated with {}: whether they can review is not known",
                if sha256 == own.sha256 {
                    "these prompts (gra-bench calibrate --pool FILE)"
                } else {
                    "a variant's prompts (gra-bench calibrate --pool FILE --prompts DIR, which has all nine)"
                }
            )),
        }
    }
    Ok(warnings)
}
