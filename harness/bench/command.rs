//! The command line: its verbs, most of them a file each, the options that all of them have, and what a folder means
//! where a verb takes an experiment file, an experiment or a trial. Such a folder holds an experiment and what came of
//! it, as `synth` makes them: `experiment.toml`, and the results in `results/`. The two verbs that take a few lines,
//! `quantize` and the hidden `worker`, are here.

mod calibrate;
mod compare;
mod doctor;
mod eval;
mod export;
mod figures;
mod inspect;
mod itself;
mod paper;
mod plan;
mod recorded;
mod report;
mod reproduce;
mod run;
mod seed;
mod stats;
mod store;
mod synth;
mod train;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use gra_llm::llama;
use gra_llm::worker::{Setup, serve};
use serde::Serialize;

use crate::failure::{EXIT_CODES, bad_input};
use crate::session::GlobalArgs;
use crate::trial::TrialId;
use crate::{experiment, terminal};

/// Runs GRA and its ablations on llama.cpp, and measures the data that comes out.
///
/// GRA lets several small language models make instruction data together: a generator writes,
/// reviewers check and score, an adjudicator settles disputes.
#[derive(Debug, Parser)]
#[command(name = "gra-bench", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do. The help of a verb stands with its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    Synth(synth::SynthArgs),
    Run(run::RunArgs),
    Ablation(run::AblationArgs),
    Init(itself::InitArgs),
    Seed(seed::SeedArgs),
    Inspect(inspect::InspectArgs),
    Report(report::ReportArgs),
    View(report::ViewArgs),
    Stats(stats::StatsArgs),
    Compare(compare::CompareArgs),
    Plan(plan::PlanArgs),
    Doctor(doctor::DoctorArgs),
    Calibrate(calibrate::CalibrateArgs),
    Export(export::ExportArgs),
    Rescore(recorded::RescoreArgs),
    Compute(recorded::ComputeArgs),
    Train(train::TrainArgs),
    Eval(eval::EvalArgs),
    Reproduce(reproduce::ReproduceArgs),
    Tables(paper::TablesArgs),
    Claims(paper::ClaimsArgs),
    Figures(figures::FiguresArgs),
    Store(store::StoreArgs),
    Quantize(QuantizeArgs),
    Schema(itself::SchemaArgs),
    Completions(itself::CompletionsArgs),
    /// Print the manual page of the program and its verbs: `gra-bench man | man -l -`.
    Man,
    /// Hold the models for `run`, which starts this itself.
    #[command(hide = true)]
    Worker,
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever went wrong; [`crate::failure::report`] turns it into a message and an exit code.
    pub fn run(mut self) -> Result<()> {
        terminal::use_its_width();
        // Verbs know files, names and trials; only here a folder stands for one.
        resolve_folders(self.verb.folders(), &mut self.global)?;
        let global = &self.global;
        match &self.verb {
            Verb::Synth(args) => synth::run(args, global),
            Verb::Run(args) => run::run(args, global),
            Verb::Ablation(args) => run::ablation(args, global),
            Verb::Init(args) => itself::init(args),
            Verb::Seed(args) => seed::run(args),
            Verb::Inspect(args) => inspect::run(args, global),
            Verb::Report(args) => report::report(args, global),
            Verb::View(args) => report::view(args, global),
            Verb::Stats(args) => stats::run(args, global),
            Verb::Compare(args) => compare::run(args, global),
            Verb::Plan(args) => plan::run(args, global),
            Verb::Doctor(args) => doctor::run(args, global),
            Verb::Calibrate(args) => calibrate::run(args, global),
            Verb::Export(args) => export::run(args, global),
            Verb::Rescore(args) => recorded::rescore(args, global),
            Verb::Compute(args) => recorded::compute(args, global),
            Verb::Train(args) => train::run(args, global),
            Verb::Eval(args) => eval::run(args, global),
            Verb::Reproduce(args) => reproduce::run(args, global),
            Verb::Tables(args) => paper::tables(args, global),
            Verb::Claims(args) => paper::claims(args, global),
            Verb::Figures(args) => figures::run(args, global),
            Verb::Store(args) => store::run(args, global),
            Verb::Quantize(args) => quantize(args),
            Verb::Schema(args) => itself::schema(args),
            Verb::Completions(args) => itself::completions(args),
            Verb::Man => itself::manual(),
            Verb::Worker => worker(),
        }
    }
}

/// Indented JSON, as verbs print a document of their own.
fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

impl Verb {
    /// The arguments that a folder of an experiment and its results can stand for.
    fn folders(&mut self) -> Vec<FolderArg<'_>> {
        match self {
            Self::Run(args) => vec![FolderArg::File(&mut args.experiment)],
            Self::Plan(args) => vec![FolderArg::File(&mut args.experiment)],
            Self::Compare(args) => vec![FolderArg::File(&mut args.experiment)],
            Self::Ablation(args) => args.like.iter_mut().map(FolderArg::File).collect(),
            Self::Report(args) => vec![FolderArg::Name(&mut args.subject)],
            Self::View(args) => args.subject.iter_mut().map(FolderArg::Name).collect(),
            Self::Compute(args) => args.trials.iter_mut().map(FolderArg::Trial).collect(),
            Self::Inspect(args) => vec![FolderArg::Trial(&mut args.trial)],
            Self::Export(args) => vec![FolderArg::Trial(&mut args.trial)],
            Self::Rescore(args) => vec![FolderArg::Trial(&mut args.trial)],
            Self::Stats(args) => args.sources.iter_mut().map(FolderArg::Source).collect(),
            // `synth` makes such folders and takes none; the others have no experiment.
            _ => Vec::new(),
        }
    }
}

/// An argument that may be such a folder, and what it then means.
enum FolderArg<'a> {
    /// The experiment file.
    File(&'a mut PathBuf),
    /// The experiment's name.
    Name(&'a mut String),
    /// The trial of the file's first variant under its first run seed.
    Trial(&'a mut String),
    /// Likewise, and maybe under another name: `NAME=FOLDER`.
    Source(&'a mut String),
}

/// The experiment file of a folder; nothing says whether it is there.
fn experiment_file(folder: &Path) -> PathBuf {
    folder.join("experiment.toml")
}

/// The trial of the first variant of an experiment file under its first run seed.
///
/// # Errors
/// When the file cannot be read or names no run seed.
fn first_trial(file: &Path) -> Result<TrialId> {
    let read = experiment::read(file, None)?;
    let first = read.variants.first().zip(read.seeds.first());
    let (variant, &seed) = first.with_context(|| format!("{} runs no trial", file.display()))?;
    Ok(TrialId { experiment: read.name, variant: variant.name.clone(), seed })
}

/// Puts what folders mean in the place of their names, and makes their results those of the verb unless the user has
/// named others.
///
/// # Errors
/// When the experiment file of a folder cannot be read, or folders have results of their own each.
fn resolve_folders(arguments: Vec<FolderArg<'_>>, global: &mut GlobalArgs) -> Result<()> {
    let found = arguments.into_iter().filter_map(|argument| argument.resolve().transpose());
    let found = found.collect::<Result<BTreeSet<PathBuf>>>()?;
    let mut folders = found.iter();
    let Some(first) = folders.next() else { return Ok(()) };
    // A set: the same folder may be named twice.
    if let Some(second) = folders.next() {
        return Err(bad_input(anyhow!(
            "{} and {} have a store each, and one is read at a time\nhint: name a file of the second, e.g. {}",
            first.display(),
            second.display(),
            second.join("alpaca.json").display()
        )));
    }
    global.keep_results_in(first);
    Ok(())
}

impl FolderArg<'_> {
    /// Replaces the argument by what it means, where it is such a folder; gives the folder.
    fn resolve(self) -> Result<Option<PathBuf>> {
        let named = match &self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Name(name) | Self::Trial(name) | Self::Source(name) => (*name).clone(),
        };
        let folder = PathBuf::from(&named);
        let file = experiment_file(&folder);
        if !file.is_file() {
            // It may have a label: NAME=FOLDER.
            let (Self::Source(source), Some((label, folder))) = (self, named.split_once('='))
            else {
                return Ok(None);
            };
            let mut trial = folder.to_owned();
            let found = FolderArg::Trial(&mut trial).resolve()?;
            *source = format!("{label}={trial}");
            return Ok(found);
        }
        match self {
            Self::File(path) => *path = file,
            Self::Name(name) => *name = first_trial(&file)?.experiment,
            Self::Trial(name) | Self::Source(name) => *name = first_trial(&file)?.to_string(),
        }
        Ok(Some(folder))
    }
}

/// A score that divides low ones from high ones.
fn score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok().filter(|score| (0.0..=10.0).contains(score));
    score.ok_or_else(|| format!("`{text}` is no score from 0 to 10"))
}

/// Make a smaller GGUF from a GGUF with llama.cpp's own quantiser.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  gra-bench quantize SmolLM2-135M-Instruct.Q4_1.gguf SmolLM2-135M-Instruct.Q8_0.gguf Q8_0")]
struct QuantizeArgs {
    /// GGUF to read.
    input: PathBuf,
    /// GGUF to write.
    output: PathBuf,
    /// `Q8_0`, `Q5_K_M`, `Q4_K_M`, `Q4_0`, `Q3_K_M`, `Q2_K` or `F16`.
    to: String,
}

fn quantize(args: &QuantizeArgs) -> Result<()> {
    let is_same = |(a, b): (PathBuf, PathBuf)| a == b;
    if args.input.canonicalize().ok().zip(args.output.canonicalize().ok()).is_some_and(is_same) {
        return Err(bad_input(anyhow!(
            "{} would be replaced by its own smaller copy\nhint: give the copy another name",
            args.input.display()
        )));
    }
    llama::runtime::quantize(&args.input, &args.output, &args.to)?;
    writeln!(terminal::stdout(), "{}", args.output.display())?;
    Ok(())
}

/// Holds models in a process of its own. `run` starts it; it is no command for users.
fn worker() -> Result<()> {
    // The owner keeps the last lines, to explain a crash.
    let line = |text: &str| drop(std::io::stderr().write_all(text.as_bytes()));
    llama::runtime::log_to(Some(Box::new(line)));
    // It returns only with an error: with its owner it ends at once.
    let ended = serve(|Setup { pool, settings }| llama::LlamaEngine::new(pool, settings));
    ended.map(|never| match never {}).context(
        "`gra-bench worker` holds the models for `gra-bench run`, which starts it itself\n\
         hint: gra-bench run experiments/ablation.toml",
    )
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    #[test]
    fn a_folder_stands_for_its_file_its_experiment_and_its_trial() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = 'a'\nquestion = 'b?'\npool = 'd'\nprompts = 'e'\nseeds = [7, 8]\n\
                    [[variant]]\nname = 'gra'\n[[variant]]\nname = 'x'\n";
        std::fs::write(experiment_file(folder.path()), text).unwrap();
        let path = folder.path().display().to_string();
        let (mut file, mut name, mut trial) =
            (folder.path().to_owned(), path.clone(), path.clone());
        let (mut source, mut other) = (format!("mine={path}"), "mine=a.json".to_owned());
        for argument in [
            FolderArg::File(&mut file),
            FolderArg::Name(&mut name),
            FolderArg::Trial(&mut trial),
            FolderArg::Source(&mut source),
        ] {
            assert_eq!(argument.resolve().unwrap().as_deref(), Some(folder.path()));
        }
        assert_eq!(FolderArg::Source(&mut other).resolve().unwrap(), None);
        assert_eq!(file, experiment_file(folder.path()));
        assert_eq!((name.as_str(), trial.as_str()), ("a", "a/gra/seed-7"));
        assert_eq!((source.as_str(), other.as_str()), ("mine=a/gra/seed-7", "mine=a.json"));
    }

    #[test]
    fn what_is_broken_into_lines_by_hand_is_not_broken_again() {
        // The help's widest lines: see `max_term_width`.
        const COLUMNS: usize = 100;
        fn check(command: &Command) {
            let by_hand = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let long = by_hand.lines().find(|line| line.chars().count() > COLUMNS);
            assert_eq!(long, None, "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
