//! The command line: its verbs, most of them a file each, and the options that all of them have.

mod calibrate;
mod claims;
mod compare;
mod compute;
mod doctor;
mod eval;
mod export;
mod figures;
mod init;
mod inspect;
mod plan;
mod quantize;
mod report;
mod reproduce;
mod rescore;
mod run;
mod schema;
mod seed;
mod stats;
mod store;
mod synth;
mod tables;
mod train;
mod view;
mod worker;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::data_folder::{self, FolderArg};
use crate::failure::EXIT_CODES;
use crate::session::GlobalArgs;
use crate::terminal;

/// Runs GRA and its ablations on llama.cpp, and measures the data that comes out.
///
/// GRA lets several small language models make instruction data together: a generator writes,
/// reviewers check and score, an adjudicator settles disputes.
#[derive(Debug, Parser)]
#[command(name = "gra-bench", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do. The help of a verb stands with its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    Synth(synth::SynthArgs),
    Run(run::RunArgs),
    Ablation(run::AblationArgs),
    Init(init::InitArgs),
    Seed(seed::SeedArgs),
    Inspect(inspect::InspectArgs),
    Report(report::ReportArgs),
    View(view::ViewArgs),
    Stats(stats::StatsArgs),
    Compare(compare::CompareArgs),
    Plan(plan::PlanArgs),
    Doctor(doctor::DoctorArgs),
    Calibrate(calibrate::CalibrateArgs),
    Export(export::ExportArgs),
    Rescore(rescore::RescoreArgs),
    Compute(compute::ComputeArgs),
    Train(train::TrainArgs),
    Eval(eval::EvalArgs),
    Reproduce(reproduce::ReproduceArgs),
    Tables(tables::TablesArgs),
    Claims(claims::ClaimsArgs),
    Figures(figures::FiguresArgs),
    Store(store::StoreArgs),
    Quantize(quantize::QuantizeArgs),
    Schema(schema::SchemaArgs),
    Completions(schema::CompletionsArgs),
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
        data_folder::resolve(self.verb.folders().into_iter(), &mut self.global)?;
        let global = &self.global;
        match &self.verb {
            Verb::Synth(args) => synth::run(args, global),
            Verb::Run(args) => run::run(args, global),
            Verb::Ablation(args) => run::ablation(args, global),
            Verb::Init(args) => init::run(args),
            Verb::Seed(args) => seed::run(args),
            Verb::Inspect(args) => inspect::run(args, global),
            Verb::Report(args) => report::run(args, global),
            Verb::View(args) => view::run(args, global),
            Verb::Stats(args) => stats::run(args, global),
            Verb::Compare(args) => compare::run(args, global),
            Verb::Plan(args) => plan::run(args, global),
            Verb::Doctor(args) => doctor::run(args, global),
            Verb::Calibrate(args) => calibrate::run(args, global),
            Verb::Export(args) => export::run(args, global),
            Verb::Rescore(args) => rescore::run(args, global),
            Verb::Compute(args) => compute::run(args, global),
            Verb::Train(args) => train::run(args, global),
            Verb::Eval(args) => eval::run(args, global),
            Verb::Reproduce(args) => reproduce::run(args, global),
            Verb::Tables(args) => tables::run(args, global),
            Verb::Claims(args) => claims::run(args, global),
            Verb::Figures(args) => figures::run(args, global),
            Verb::Store(args) => store::run(args, global),
            Verb::Quantize(args) => quantize::run(args),
            Verb::Schema(args) => schema::run(args),
            Verb::Completions(args) => schema::completions(args),
            Verb::Man => schema::manual(),
            Verb::Worker => worker::run(),
        }
    }
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
            _ => Vec::new(),
        }
    }
}
