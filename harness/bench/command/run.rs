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
use crate::trial::running::CompletedTrial;
use crate::{builtin, overwrite, publish, rows, terminal, trail};

/// Run an experiment file: every variant, every run seed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench run experiments/ablation.toml
  gra-bench run experiments/ablation.toml --seeds 42,43,44 --variants gra,no-reviewer

A run that was interrupted goes on when the same command is given again.")]
pub(crate) struct RunArgs {
    /// The experiment file, or a folder that `synth` made.
    pub(super) experiment: PathBuf,
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
  gra-bench ablation --like data/                    of what `synth` has made there

A run that was interrupted goes on when the same command is given again.")]
pub(crate) struct AblationArgs {
    /// Run seed [default: 42, or that of --like].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seed set, pool, prompts, method and run seed of this experiment file, or of a folder that `synth` made: what
    /// full GRA has asked there is not paid again. Results stand beside its own.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["base", "seed_set", "pool", "prompts", "limit"])]
    pub(super) like: Option<PathBuf>,
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
    let overrides = Overrides { seeds: args.seeds.clone(), ..args.options.overrides.clone() };
    run_trials(&args.experiment, overrides, &args.options, args.json, global).map(drop)
}

/// The same with one run seed; in the end a look at what full GRA made, and what to type next.
pub(crate) fn ablation(args: &AblationArgs, global: &GlobalArgs) -> Result<()> {
    let mut overrides = args.options.overrides.clone();
    overrides.seeds = args.seed.or_else(|| args.like.is_none().then_some(42)).into_iter().collect();
    if let Some(like) = &args.like {
        let name = super::first_trial(like)?.experiment;
        overrides.name.get_or_insert_with(|| format!("{name}-ablation"));
        overrides.base = Some(like.clone());
        overrides.is_like = true;
    }
    let trials = run_trials(&args.experiment, overrides, &args.options, args.json, global)?;
    let Some(reference) = trials.first().filter(|_| !args.json) else { return Ok(()) };
    let mut out = terminal::stdout();
    let record = &reference.record;
    for excerpt in trail::excerpts(&reference.facts.candidates, &record.settings.method) {
        writeln!(out, "\n{excerpt}")?;
    }
    let (id, place) = (&record.id, global.place());
    writeln!(out, "\nNext:    gra-bench report {}{place}", id.experiment)?;
    Ok(writeln!(out, "         gra-bench inspect {id} --outcome disputed{place}")?)
}

/// Runs the trials of an experiment file and prints their tables; gives the trials of the first table.
fn run_trials(
    file: &Path,
    overrides: Overrides,
    options: &RunOptions,
    is_json: bool,
    global: &GlobalArgs,
) -> Result<Vec<CompletedTrial>> {
    if global.verbosity() != Verbosity::Quiet && builtin::is_built_in(file) {
        let what = "the file that is built in; gra-bench init DIR writes it out";
        terminal::say(&format!("{}: {what}", file.display()));
    }
    let overrides = Overrides { retry_failed: options.retry_failed, ..overrides };
    let experiments = Experiments::load(file, &global.models, &overrides)?;
    let (each, results) = (&experiments.each, global.results());
    let mut reports = make(&experiments, options.replace, each[0].starter_warning(), global)?;
    let over_seed_sets = Sweep::over_seed_sets(&experiments, &reports, results)?;
    let mut out = terminal::json_or_text(is_json);
    let mut json = Vec::new();
    for (experiment, reports) in each.iter().zip(&reports) {
        // Tables over run seeds and seed sets are files too, so they are written whatever is printed.
        let over_seeds = Sweep::over_seeds(experiment, reports, results)?;
        if is_json {
            json.extend(reports.iter().map(SeedReport::json).collect::<Result<Vec<_>>>()?);
            continue;
        }
        for report in reports {
            report.print(experiment, results, &global.place(), &mut out)?;
        }
        over_seeds.map_or(Ok(()), |sweep| sweep.print(&mut out))?;
    }
    if is_json {
        writeln!(out, "{}", rows::document(json))?;
    } else {
        over_seed_sets.map_or(Ok(()), |sweep| sweep.print(&mut out))?;
    }
    // An experiment has at least one run seed and one variant.
    Ok(reports.swap_remove(0).swap_remove(0).trials)
}

/// Runs the trials of experiments that differ in nothing but their seed sets. `said` is said
/// before all else.
pub(super) fn make(
    experiments: &Experiments,
    replace: bool,
    said: Option<String>,
    global: &GlobalArgs,
) -> Result<Vec<Vec<SeedReport>>> {
    let (each, first, results) = (&experiments.each, &experiments.each[0], global.results());
    publish::check_writable(results)?;
    let store = Store::open(&global.store_path())?;
    let held = each.iter().map(|experiment| publish::hold(&results.join(&experiment.name)));
    let _held = held.collect::<Result<Vec<_>>>()?;
    // Before a model is loaded: a file that is missing would stop a run hours later.
    each.iter().try_for_each(|experiment| suite::check_files(experiment, &store))?;
    // What only shows how things work answers no question.
    let recorded = (!first.demonstration).then(|| Recorded::read(first, &store, results));
    let detectable = recorded.transpose()?.and_then(|found| Detectable::of(first, &found));
    let session = Session::start(global, store, &first.pool, &first.engine)?;
    let blunt = detectable.and_then(|found| found.warning(first));
    // What the seed set is stands before what can be found with it.
    for line in said.into_iter().chain(reviewer_warnings(first, results)?).chain(blunt) {
        session.progress.say(&line);
    }
    session.ask(first.chunk, |answering| {
        let fingerprints = Fingerprints::read(first, answering.engine())?;
        let mut differing = Vec::new();
        for experiment in each {
            let store = answering.store();
            differing.extend(overwrite::differing(experiment, &fingerprints, store, results)?);
        }
        // Of all seed sets together, so that none is begun where another one is refused.
        overwrite::settle(differing, replace, results, &experiments.name)?;
        // Seed sets are one work.
        let trials = each.iter().map(|one| one.seeds.len() * one.variants.len()).sum();
        answering.progress().begin_trials(trials);
        let run = |experiment| suite::run_all(experiment, &fingerprints, answering, results);
        each.iter().map(run).collect()
    })
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
