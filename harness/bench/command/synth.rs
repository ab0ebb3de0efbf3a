//! `synth`: training data in one command. An experiment file of GRA alone is made, kept and run, and its samples are
//! written in every format beside it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use serde_json::json;

use super::{export, run};
use crate::data_folder::{self, Replaced};
use crate::experiment::{Experiments, MadeExperiment, Overrides, path_from, stem};
use crate::export::{Export, Extent, TrainingFormat};
use crate::failure::bad_input;
use crate::overwrite::WouldOverwrite;
use crate::progress::Verbosity;
use crate::served::Servers;
use crate::session::GlobalArgs;
use crate::terminal::shell_path;
use crate::trial::running::CompletedTrial;
use crate::{builtin, excerpt, report, terminal};
use gra_files::write_atomic;

/// The seed set where none is named.
const STARTER: &str = "built-in:seeds/starter.jsonl";

/// Make training data: GRA alone, until N samples are accepted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench synth alpaca.json --pool my-pool.toml --n 500 --out data/
  gra-bench synth alpaca.json --server http://127.0.0.1:8080/v1 --n 500 --out data/
  gra-bench synth --n 10                             starter seeds, demonstration models

The folder gets the samples in every training format, their card, report.html, and experiment.toml,
which other verbs take by the folder's name; results are in its results/ unless --results says
otherwise. What was interrupted goes on when the same command is given again.")]
pub(crate) struct SynthArgs {
    /// Seed set: instructions that new ones are made from, in any format that `seed describe` reads [default: the 201
    /// items of the starter set, which are built in].
    seeds: Option<PathBuf>,
    /// Model pool of five models or more [default: the demonstration's].
    #[arg(long, value_name = "FILE", conflicts_with = "servers")]
    pool: Option<PathBuf>,
    /// A server whose models take part, e.g. `http://127.0.0.1:8080/v1`; may be given several times.
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// Environment variable that holds the servers' key.
    #[arg(long, value_name = "NAME", requires = "servers")]
    api_key_env: Option<String>,
    /// Samples that are wanted.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Folder that is made.
    #[arg(long, value_name = "DIR", default_value = "data")]
    out: PathBuf,
    /// Run seed: another one makes other samples.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Only the first N seed items.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: Option<usize>,
    /// Name of the experiment [default: the folder's].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Replace what the folder holds of other settings.
    #[arg(long)]
    replace: bool,
    /// Ask the calls again that an engine could not answer; without it they stay failed.
    #[arg(long)]
    retry_failed: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SynthArgs, global: &GlobalArgs) -> Result<()> {
    let mut global = global.clone();
    global.keep_results_in(&args.out);
    let mut written = Replaced::default();
    let experiments = match args.prepare(&global, &mut written) {
        Ok(experiments) => experiments,
        Err(error) => {
            written.put_back(&args.out)?;
            return Err(error);
        }
    };
    let mut reports = match run::make(&experiments, args.replace, None, &global) {
        Ok(reports) => reports,
        Err(error) => {
            let would_overwrite = error.downcast::<WouldOverwrite>()?;
            // The file in the folder stays the one that made its data.
            written.put_back(&args.out)?;
            return Err(would_overwrite.elsewhere("--out").into());
        }
    };
    let trials = reports.swap_remove(0).swap_remove(0).trials;
    args.finish(&trials[0], &global)
}

impl SynthArgs {
    /// Writes the experiment and loads it with everything that it names.
    fn prepare(&self, global: &GlobalArgs, written: &mut Replaced) -> Result<Experiments> {
        let said = self.write_experiment(global, written)?;
        if global.verbosity() != Verbosity::Quiet {
            for line in &said {
                terminal::say(line);
            }
        }
        let overrides = Overrides { retry_failed: self.retry_failed, ..Overrides::default() };
        let file = data_folder::experiment_file(&self.out);
        Ok(Experiments::load(&file, &global.models, &overrides)?)
    }

    /// Writes the experiment file, and the pool of servers; gives what a user must know of both.
    fn write_experiment(&self, global: &GlobalArgs, written: &mut Replaced) -> Result<Vec<String>> {
        let file = data_folder::experiment_file(&self.out);
        let name = self.name.clone().map_or_else(|| self.folder_name(), Ok)?;
        self.check_folder(&file, &name, global)?;
        let mut said = Vec::new();
        let seeds = self.seeds.as_deref().unwrap_or_else(|| {
            said.push(
                "No seed set is named: the 201 items of the starter set, which are built in."
                    .to_owned(),
            );
            Path::new(STARTER)
        });
        let pool = self.pool.as_deref().unwrap_or(Path::new(builtin::DEMONSTRATION_POOL));
        let has_servers = !self.servers.is_empty();
        if has_servers {
            said.extend(self.write_pool(&name, written)?);
        } else if self.pool.is_none() {
            said.push(
                "No models are named: the demonstration's, five quantisations of one model of 135M parameters, which \
                 scripts/demo-pool of a clone makes and whose data is of no use. --pool FILE or --server URL names others."
                    .to_owned(),
            );
        }
        let made = MadeExperiment {
            samples: self.n,
            seed_set: path_from(&self.out, seeds),
            limit: self.limit,
            pool: if has_servers { "pool.toml".to_owned() } else { path_from(&self.out, pool) },
            seed: self.seed,
            demonstration: !has_servers && builtin::is_demonstration_pool(pool),
            name,
        };
        let command = format!("gra-bench run {}{}", shell_path(&file), global.place());
        if written.write(file.clone(), made.text(&command).as_bytes())? {
            said.push(format!("{}: written anew from this command", file.display()));
        }
        Ok(said)
    }

    /// The folder's name as that of an experiment.
    fn folder_name(&self) -> Result<String> {
        let path = std::path::absolute(&self.out).context("cannot tell the working directory")?;
        let name = stem(&path);
        let is_usable = !name.is_empty() && path.file_name().is_some();
        Ok(if is_usable { name } else { "synth".to_owned() })
    }

    /// Refuses a folder of other things, and one whose trial these settings would stand beside and not continue.
    fn check_folder(&self, file: &Path, name: &str, global: &GlobalArgs) -> Result<()> {
        let out = self.out.display();
        if !file.is_file() {
            let is_in_use = fs::read_dir(&self.out).is_ok_and(|mut files| files.next().is_some());
            return if is_in_use {
                Err(bad_input(anyhow!(
                    "{out} holds files and no experiment.toml\nhint: name a new folder with --out"
                )))
            } else {
                Ok(())
            };
        }
        let there = data_folder::first_trial(file)?;
        let is_same = there.experiment == name && there.seed == self.seed;
        if is_same || self.replace || !global.store_path().exists() {
            return Ok(());
        }
        Err(bad_input(anyhow!(
            "{out} is of the experiment `{}` with run seed {}, and this one is `{name}` with run seed {}\n\
             hint: keep both with another --out; --replace puts this one in its place",
            there.experiment,
            there.seed,
            self.seed
        )))
    }

    /// Writes `pool.toml`, unless it is there and of the same servers.
    fn write_pool(&self, name: &str, written: &mut Replaced) -> Result<Vec<String>> {
        let path = self.out.join("pool.toml");
        let servers = Servers { urls: &self.servers, api_key_env: self.api_key_env.as_deref() };
        if fs::read_to_string(&path).is_ok_and(|pool| servers.are_those_of(&pool)) {
            return Ok(Vec::new());
        }
        let (pool, said) = servers.pool(name)?;
        written.write(path, pool.as_bytes())?;
        Ok(said)
    }

    /// Writes the data set and the report, and says what came out.
    fn finish(&self, trial: &CompletedTrial, global: &GlobalArgs) -> Result<()> {
        let (record, candidates) = (&trial.record, &trial.facts.candidates);
        let named = shell_path(&self.out);
        let accepted = export::check_samples(&record.id, candidates, &named)?;
        let mut files = Vec::new();
        let extent = Extent::whole(&TrainingFormat::ALL);
        for file in Export::of_trial(record, candidates)?.files(&extent)? {
            let path = self.out.join(file.name);
            write_atomic(&path, &file.bytes)?;
            files.push(path);
        }
        let page = self.out.join("report.html");
        let html =
            report::render(&global.read_store()?, global.results(), &record.id.experiment, None)?;
        write_atomic(&page, html.as_bytes())?;
        let mut out = terminal::json_or_text(self.json);
        if self.json {
            let document = json!({
                "trial": record.id.to_string(),
                "asked": self.n,
                "accepted": accepted,
                "candidates": candidates.len(),
                "paid_calls": trial.paid.calls,
                "files": files,
                "report": page,
            });
            writeln!(out, "{document}")?;
            return Ok(());
        }
        writeln!(
            out,
            "{accepted} of {} samples, from {} candidates: {}",
            self.n,
            candidates.len(),
            export::outcomes(candidates)
        )?;
        if accepted < self.n as usize {
            writeln!(out, "{}", why_fewer(trial))?;
        }
        if record.demonstration {
            writeln!(out, "A demonstration: these models are too small for data of use.")?;
        }
        for candidate in excerpt::pair(candidates) {
            writeln!(out, "\n{}", excerpt::text(candidate, &record.settings.method))?;
        }
        let place = global.place_beside(&self.out.join("results"));
        writeln!(out)?;
        for (n, file) in files.iter().chain([&page]).enumerate() {
            let title = if n == 0 { "Files:" } else { "" };
            writeln!(out, "{title:<8} {}", file.display())?;
        }
        let next = [
            ("inspect", " --outcome disputed"),
            ("rescore", " --tau 7:9:0.5"),
            ("ablation --like", ""),
        ];
        for (n, (verb, more)) in next.iter().enumerate() {
            let title = if n == 0 { "Next:" } else { "" };
            writeln!(out, "{title:<8} gra-bench {verb} {named}{more}{place}")?;
        }
        Ok(())
    }
}

/// What ended the rounds before there were enough samples.
fn why_fewer(trial: &CompletedTrial) -> String {
    let candidates = &trial.facts.candidates;
    let round = |candidate: &Candidate| match candidate.id {
        ItemId::Candidate { round, .. } => round,
        ItemId::Seed(_) => 0,
    };
    let last = candidates.iter().map(round).max().unwrap_or_default();
    let added = candidates.iter().filter(|one| round(one) == last && one.is_sample()).count();
    let ended = if added == 0 {
        format!("round {last} added none, so no other followed")
    } else {
        format!("the {last} rounds that it has are over")
    };
    format!("Fewer than asked: {ended}. More seeds, other models or another threshold bring more.")
}
