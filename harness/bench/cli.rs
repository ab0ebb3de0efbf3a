//! The command line as typed. What it means is resolved by the verbs in [`crate::command`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command::calibrate::CalibrateArgs;
use crate::command::claims::ClaimsArgs;
use crate::command::compare::CompareArgs;
use crate::command::compute::ComputeArgs;
use crate::command::figures::FiguresArgs;
use crate::command::init::InitArgs;
use crate::command::report::ReportArgs;
use crate::command::rescore::RescoreArgs;
use crate::command::seed::SeedArgs;
use crate::command::stats::StatsArgs;
use crate::command::store::StoreArgs;
use crate::command::tables::TablesArgs;
use crate::command::view::ViewArgs;
use crate::experiment::Overrides;
use crate::failure::EXIT_CODES;
use crate::progress::Verbosity;

/// Runs GRA and its ablations on llama.cpp, and measures the data that comes out.
///
/// GRA lets several small language models make instruction data together: a generator writes,
/// reviewers check and score, an adjudicator settles disputes.
#[derive(Debug, Parser)]
#[command(name = "gra-bench", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(flatten)]
    pub(crate) volume: Volume,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where things are kept.
#[derive(Clone, Debug, Args)]
pub struct Places {
    /// Folder that results are written to.
    #[arg(long, global = true, value_name = "DIR", default_value = "results")]
    pub(crate) results: PathBuf,
    /// The store of replies and facts [default: store.db in the results folder].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Folder that relative model paths start from.
    #[arg(long, global = true, value_name = "DIR", env = "GRA_MODELS", default_value = ".models")]
    pub(crate) models: PathBuf,
}

impl Places {
    /// The store's file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| self.results.join("store.db"))
    }
}

/// How much is shown while working.
#[derive(Clone, Copy, Debug, Args)]
pub struct Volume {
    /// Also show what the store answers, and llama.cpp's messages.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Show results and errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Volume {
    pub(crate) fn verbosity(self) -> Verbosity {
        match (self.verbose, self.quiet) {
            (_, true) => Verbosity::Quiet,
            (true, false) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run an experiment file: every variant, every run seed.
    #[command(after_help = "Examples:
  gra-bench run experiments/ablation.toml
  gra-bench run experiments/ablation.toml --seeds 42,43,44 --variants gra,no-reviewer

A run that was interrupted goes on when the same command is given again.")]
    Run(RunArgs),
    /// Run GRA and its ablations and print one row per variant.
    #[command(after_help = "Examples:
  gra-bench ablation --seed 42
  gra-bench ablation --variants gra,majority-vote
  gra-bench ablation --seed-set alpaca.json --limit 200 --pool my-pool.toml

A run that was interrupted goes on when the same command is given again.")]
    Ablation(AblationArgs),
    /// Write out the experiments, pools, prompts and seed set that are built in, to change them.
    #[command(after_help = "Example:
  gra-bench init mine && cd mine && gra-bench plan experiments/ablation.toml

Without it, a path such as experiments/ablation.toml means the file that is built in where there is
none on disk.")]
    Init(InitArgs),
    /// Import or describe a seed set.
    Seed(SeedArgs),
    /// Show the whole trail of one candidate or seed item.
    #[command(after_help = "Examples:
  gra-bench inspect ablation/gra/seed-42             lists the candidates
  gra-bench inspect ablation/gra/seed-42 r1-00003    draws, prompts, raw replies, scores, rule
  gra-bench inspect ablation/gra/seed-42 r1-00003 --brief")]
    Inspect(InspectArgs),
    /// Write one HTML file about an experiment or a trial: verdict, tables, figures, every sample.
    #[command(after_help = "Examples:
  gra-bench report ablation                          results/ablation/report.html
  gra-bench report ablation --seed 42 --out ablation.html
  gra-bench report ablation/gra/seed-42

The file needs no network and no server. Trials that are not finished are told as far as they got.")]
    Report(ReportArgs),
    /// Browse candidates and their trails in a web browser, served from the store.
    #[command(after_help = "Examples:
  gra-bench view                                     every trial of the store
  gra-bench view ablation --port 8080
  gra-bench view ablation/gra/seed-42

It reads the store and changes nothing, and listens on this machine alone unless --host names
another address.")]
    View(ViewArgs),
    /// Measure data sets side by side: lengths, scores, difficulty, diversity.
    #[command(after_help = "Examples:
  gra-bench stats ablation/gra/seed-42 alpaca.json wizardlm.json
  gra-bench stats seeds=alpaca.json gra=ablation/gra/seed-42 --n 500 --json
  gra-bench stats alpaca.json wizardlm.json --n 200 --ifd smollm2-q8_0
  gra-bench stats ablation/gra/seed-42 --judge smollm2-q8_0

What models say is kept in the store: a measurement that was interrupted goes on when the same
command is given again.")]
    Stats(StatsArgs),
    /// Put the data sets of an experiment side by side, and say what can be told apart.
    #[command(after_help = "Examples:
  gra-bench compare experiments/refine.toml
  gra-bench compare experiments/distill.toml --sets gra,distill-large --judge teacher-large
  gra-bench compare experiments/refine.toml --no-embeddings --json

Compares what `run` has made under one run seed, and the file's sources. What models say is kept in
the store: a comparison that was interrupted goes on when the same command is given again.")]
    Compare(CompareArgs),
    /// Say what an experiment would ask and cost, and run nothing.
    #[command(after_help = "Examples:
  gra-bench plan experiments/ablation.toml
  gra-bench plan experiments/ablation.toml --tokens-per-second 2500 --json")]
    Plan(PlanArgs),
    /// Check this machine: devices, models and their hashes, disk, threads.
    #[command(after_help = "Examples:
  gra-bench doctor
  gra-bench doctor --pool experiments/pools/laptop.toml
  gra-bench doctor --pool experiments/pools/laptop.toml --pin    once its files are here
  gra-bench doctor --pool experiments/pools/small.toml --judge   also whether they can review")]
    Doctor(DoctorArgs),
    /// Measure whether the models of a pool can review, on texts whose quality is known.
    #[command(after_help = "Examples:
  gra-bench calibrate
  gra-bench calibrate --pool my-pool.toml --per-domain 5
  gra-bench calibrate --pool my-pool.toml --prompts my-prompts --score-reading expected
  gra-bench calibrate --pool my-pool.toml --set my-texts.jsonl --json

For every model and every committee size: how often a good response scores above a faulty one (AUC), what
tau lets pass, and which instructions pass. Run it before a long run: `run` warns of models that failed it.
What models say is kept in the store: a calibration that was interrupted goes on when the same command is
given again.")]
    Calibrate(CalibrateArgs),
    /// Write a trial's samples in the formats of other tools.
    #[command(after_help = "Examples:
  gra-bench export ablation/gra/seed-42 --out data/gra
  gra-bench export ablation/gra/seed-42 --out data/gra --format alpaca")]
    Export(ExportArgs),
    /// Say what a trial's reviews would have decided under other thresholds; asks no model.
    #[command(after_help = "Examples:
  gra-bench rescore ablation/gra/seed-42 --tau 7:9:0.5 --delta 0.5:2.5:0.5
  gra-bench rescore ablation/gra/seed-42 --reviewers 1..3 --dispute adjudicator,majority-vote
  gra-bench rescore ablation/gra/seed-42 --tau 8 --cosine 0.85:0.95:0.05 --json

Writes TRIAL.rescore.csv, .md and .svg, a heat map, beside the trial's folder. What the trial never
asked is counted as unknown, and every line says how much of it is known. Trials that ran with
economy = false have the most to tell.")]
    Rescore(RescoreArgs),
    /// Say what a trial's tokens cost in operations, beside a large model that writes the same samples.
    #[command(after_help = "Examples:
  gra-bench compute ablation/gra/seed-42
  gra-bench compute ablation/gra/seed-42 --parameters 7.6e9
  gra-bench compute ablation/gra/seed-42 ablation/no-reviewer/seed-42 --teacher-parameters 32.5e9

Writes TRIAL.compute.csv and .md beside the trial's folder.")]
    Compute(ComputeArgs),
    /// Print the paper's Tables 1 to 3, with what was measured here beside it.
    #[command(after_help = "Examples:
  gra-bench tables                       all three, for the terminal
  gra-bench tables 1 --format latex > table1.tex
  gra-bench tables 1 3 --results my-results --json
  gra-bench tables --check               fails when results/paper/generated is out of date

Scores of models that you trained are read from benchmarks.csv in the results folder, a line per
model, benchmark and training: base_model, seed_dataset, data_source, iteration, benchmark, score,
n, training_seed. results/paper/README.md has the names. Without that file the tables hold what
the paper prints, with footnotes where its own numbers disagree.")]
    Tables(TablesArgs),
    /// Check every claim of the paper: printed, recomputed from its tables, measured here.
    #[command(after_help = "Examples:
  gra-bench claims --verdict off,contradicted
  gra-bench claims --results my-results --json
  gra-bench claims --stats results/ifd/seed-42.compare
  gra-bench claims --format md > claims.md

Results are joined by their files: benchmarks.csv (see `gra-bench tables --help`), stats/stats.csv
with data sets named gra, vanilla and distill-large, and the .compute.csv of trials. No model runs.")]
    Claims(ClaimsArgs),
    /// Draw what was measured, beside the paper's numbers, as SVG and PNG; asks no model.
    #[command(after_help = "Examples:
  gra-bench figures
  gra-bench figures ablation --only 4,funnel,agreement
  gra-bench figures ablation/gra/seed-42 --out pictures --format svg
  gra-bench figures --only 1,3 --json

What cannot be drawn is listed with the command that makes its data. Figures 5 to 8 are of what stats
wrote; they look for data sets named vanilla, gra and distill-large.")]
    Figures(FiguresArgs),
    /// Check the store, or copy what can be read of a damaged one into a new one.
    #[command(after_help = "Examples:
  gra-bench store check
  gra-bench store salvage salvaged.db --store results/store.db")]
    Store(StoreArgs),
    /// Make a smaller GGUF from a GGUF with llama.cpp's own quantiser.
    #[command(after_help = "Example:
  gra-bench quantize SmolLM2-135M-Instruct.Q4_1.gguf SmolLM2-135M-Instruct.Q8_0.gguf Q8_0")]
    Quantize(QuantizeArgs),
    /// Hold the models for `run`, which starts this itself.
    #[cfg(unix)]
    #[command(hide = true)]
    Worker,
}

/// What may differ from an experiment file.
#[derive(Clone, Debug, Args)]
pub struct OverrideArgs {
    /// Another file under the experiment's: the same question at another scale; its results are named
    /// after it.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Only these variants, separated by commas; the first of the file is the reference.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    variants: Vec<String>,
    /// Only the first N seed items.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Another seed set; its results are named after it.
    #[arg(long, value_name = "FILE")]
    seed_set: Option<PathBuf>,
    /// Another model pool.
    #[arg(long, value_name = "FILE")]
    pool: Option<PathBuf>,
    /// Another folder of prompt templates.
    #[arg(long, value_name = "DIR")]
    prompts: Option<PathBuf>,
    /// Another name for the results.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl OverrideArgs {
    pub(crate) fn overrides(&self, seeds: Vec<u64>) -> Overrides {
        Overrides {
            base: self.base.clone(),
            name: self.name.clone(),
            seeds,
            variants: self.variants.clone(),
            limit: self.limit,
            seed_set: self.seed_set.clone(),
            pool: self.pool.clone(),
            prompts: self.prompts.clone(),
            retry_failed: false,
        }
    }
}

/// `run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The experiment file.
    pub(crate) experiment: PathBuf,
    /// Run seeds, separated by commas, instead of the file's.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) seeds: Vec<u64>,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
    /// Replace earlier trials of the same names that were run with other settings.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Ask the calls again that an engine could not answer; without it they stay failed.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Print the table as JSON: an object, and a list of them for several run seeds.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ablation`
#[derive(Debug, Args)]
pub(crate) struct AblationArgs {
    /// Run seed.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// The experiment file.
    #[arg(long, value_name = "FILE", default_value = "experiments/ablation.toml")]
    pub(crate) experiment: PathBuf,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
    /// Replace earlier trials of the same names that were run with other settings.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Ask the calls again that an engine could not answer; without it they stay failed.
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Print the table as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// EXPERIMENT/VARIANT/seed-N
    pub(crate) trial: String,
    /// r1-00003 for a candidate, s00012 for a seed item; without it, all candidates are listed.
    pub(crate) subject: Option<String>,
    /// Leave out prompts and raw replies.
    #[arg(long)]
    pub(crate) brief: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The experiment file.
    pub(crate) experiment: PathBuf,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
    /// Reply tokens per second to assume [default: what the store's finished chunks took].
    #[arg(long, value_name = "N")]
    pub(crate) tokens_per_second: Option<f64>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The model pool to check.
    #[arg(long, value_name = "FILE", default_value = "experiments/pools/demo.toml")]
    pub(crate) pool: PathBuf,
    /// Write the hash of every file that is here and not pinned yet into the pool file.
    #[arg(long)]
    pub(crate) pin: bool,
    /// Also have every member review texts of known quality, as `calibrate --per-domain 3` does, and keep what
    /// was found for `run`.
    #[arg(long)]
    pub(crate) judge: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `export`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// EXPERIMENT/VARIANT/seed-N
    pub(crate) trial: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Only these formats, separated by commas.
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    pub(crate) format: Vec<ExportFormat>,
}

/// A data set format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Alpaca JSON with `dataset_info.json`.
    Alpaca,
    /// `ShareGPT` JSON Lines with `dataset_info.json`.
    Sharegpt,
    /// Parquet with scores and provenance.
    Parquet,
}

/// `quantize`
#[derive(Debug, Args)]
pub(crate) struct QuantizeArgs {
    /// GGUF to read.
    pub(crate) input: PathBuf,
    /// GGUF to write.
    pub(crate) output: PathBuf,
    /// `Q8_0`, `Q5_K_M`, `Q4_K_M`, `Q4_0`, `Q3_K_M`, `Q2_K` or `F16`.
    pub(crate) to: String,
}
