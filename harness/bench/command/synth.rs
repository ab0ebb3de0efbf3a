//! `synth`: training data in one command. An experiment file of GRA alone is made, kept and run, and its samples are
//! written in every format beside it.

use std::fs;
use std::io::Write;
use std::iter::{once, repeat};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use serde_json::json;

use super::{experiment_file, export, first_trial, run};
use crate::experiment::{Experiments, MadeExperiment, Overrides, path_from, stem};
use crate::export::{Export, Extent, TrainingFormat};
use crate::failure::bad_input;
use crate::overwrite::WouldOverwrite;
use crate::pool_files::Servers;
use crate::progress::Verbosity;
use crate::session::GlobalArgs;
use crate::terminal::shell_path;
use crate::trial::running::CompletedTrial;
use crate::{builtin, report, terminal, trail};
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
    match run::make(&experiments, args.replace, None, &global) {
        Ok(reports) => args.finish(&reports[0][0].trials[0], &global),
        Err(error) => {
            let would_overwrite = error.downcast::<WouldOverwrite>()?;
            // The file in the folder stays the one that made its data.
            written.put_back(&args.out)?;
            Err(would_overwrite.elsewhere("--out").into())
        }
    }
}

impl SynthArgs {
    /// Writes the experiment and loads it with everything that it names.
    fn prepare(&self, global: &GlobalArgs, written: &mut Replaced) -> Result<Experiments> {
        let said = self.write_experiment(global, written)?;
        let is_told = global.verbosity() != Verbosity::Quiet;
        for line in said.iter().filter(|_| is_told) {
            terminal::say(line);
        }
        let overrides = Overrides { retry_failed: self.retry_failed, ..Overrides::default() };
        let file = experiment_file(&self.out);
        Ok(Experiments::load(&file, &global.models, &overrides)?)
    }

    /// Writes the experiment file, and the pool of servers; gives what a user must know of both.
    fn write_experiment(&self, global: &GlobalArgs, written: &mut Replaced) -> Result<Vec<String>> {
        let file = experiment_file(&self.out);
        let name = self.name.clone().map_or_else(|| self.folder_name(), Ok)?;
        self.check_folder(&file, &name, global)?;
        let mut said = Vec::new();
        let seeds = self.seeds.as_deref().unwrap_or_else(|| {
            let starter = "the 201 items of the starter set, which are built in.";
            said.push(format!("No seed set is named: {starter}"));
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
        let name = path.file_name().map(|_| stem(&path)).filter(|name| !name.is_empty());
        Ok(name.unwrap_or_else(|| "synth".to_owned()))
    }

    /// Refuses a folder of other things, and one whose trial these settings would stand beside and not continue.
    fn check_folder(&self, file: &Path, name: &str, global: &GlobalArgs) -> Result<()> {
        let out = self.out.display();
        if !file.is_file() {
            let is_in_use = fs::read_dir(&self.out).is_ok_and(|mut files| files.next().is_some());
            let hint = "hint: name a new folder with --out";
            let other = || bad_input(anyhow!("{out} holds files and no experiment.toml\n{hint}"));
            return if is_in_use { Err(other()) } else { Ok(()) };
        }
        let there = first_trial(file)?;
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
        let extent = Extent::whole(TrainingFormat::value_variants());
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
            return Ok(writeln!(out, "{document}")?);
        }
        let (n, of, outcomes) = (self.n, candidates.len(), export::outcomes(candidates));
        writeln!(out, "{accepted} of {n} samples, from {of} candidates: {outcomes}")?;
        if accepted < self.n as usize {
            writeln!(out, "{}", why_fewer(trial))?;
        }
        if record.demonstration {
            writeln!(out, "A demonstration: these models are too small for data of use.")?;
        }
        for excerpt in trail::excerpts(candidates, &record.settings.method) {
            writeln!(out, "\n{excerpt}")?;
        }
        let place = global.place_beside(&self.out.join("results"));
        writeln!(out)?;
        // A title stands before the first line alone.
        for (title, file) in once("Files:").chain(repeat("")).zip(files.iter().chain([&page])) {
            writeln!(out, "{title:<8} {}", file.display())?;
        }
        writeln!(out, "Next:    gra-bench inspect {named} --outcome disputed{place}")?;
        writeln!(out, "         gra-bench rescore {named} --tau 7:9:0.5{place}")?;
        Ok(writeln!(out, "         gra-bench ablation --like {named}{place}")?)
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

/// Files that were written and can be put back as they were.
#[derive(Debug, Default)]
struct Replaced(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Replaced {
    /// Writes a file; says whether another one was in its place.
    fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<bool> {
        let before = std::fs::read(&path).ok();
        if before.as_deref() == Some(bytes) {
            return Ok(false);
        }
        write_atomic(&path, bytes)?;
        let has_replaced = before.is_some();
        self.0.push((path, before));
        Ok(has_replaced)
    }

    /// Puts all of them back, and removes the folder where nothing else was in it.
    fn put_back(self, folder: &Path) -> Result<()> {
        // Backwards, so that a file that was written twice ends as it first was.
        for (path, before) in self.0.into_iter().rev() {
            match before {
                Some(bytes) => write_atomic(&path, &bytes)?,
                None => std::fs::remove_file(&path)?,
            }
        }
        // Refused where something is in it, which is then kept.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (new, own) = (folder.path().join("new"), folder.path().join("new/own.txt"));
        let old = folder.path().join("old.txt");
        std::fs::write(&old, "before").unwrap();
        let mut replaced = Replaced::default();
        replaced.write(own, b"a").unwrap();
        replaced.write(old.clone(), b"b").unwrap();
        replaced.put_back(&new).unwrap();
        assert_eq!(std::fs::read_to_string(old).unwrap(), "before");
        assert!(!new.exists());
    }
}
