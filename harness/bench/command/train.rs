//! `train`: models are trained on data sets, by LLaMA-Factory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use gra_downstream::engine::{EngineKind, Environment};
use gra_downstream::training::{
    self, Base, LossPoint, OtherTraining, Recipe, TrainingEvent, TrainingPlan, TrainingRecord,
    TrainingSet,
};
use gra_files::digest::DigestCache;
use gra_files::write_atomic;
use gra_paper::grid::{self, Align};
use serde::Serialize;
use serde_json::json;

use crate::benchmark_scores::{DataSubject, SUBJECT, TrainedSubject};
use crate::builtin;
use crate::failure::bad_input;
use crate::progress::{ProgramProgress, Progress};
use crate::session::{DownstreamArgs, GlobalArgs, HASHES, with_programs};
use crate::terminal::{self, column};
use crate::training_data::TrainingData;

/// Train models on data sets, with LLaMA-Factory.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  gra-bench train ablation/gra/seed-42 --base Qwen/Qwen2.5-7B
  gra-bench train experiments/main.toml --sets vanilla,gra --base Qwen/Qwen2.5-7B --seeds 0,1,2
  gra-bench train data/ --base models/Qwen2.5-0.5B --recipe my-recipe.toml --to-gguf
  gra-bench train data/ --base Qwen/Qwen2.5-7B --emit-only      # train.sh, train.slurm: a cluster
  gra-bench train import results/trained/data-gra-seed-42/qwen2.5-7b/seed-0

Each data set is trained on with each seed, one after the other, in a folder of its own:
DATA/BASE/seed-N in `trained` of the results folder. An interrupted training goes on from its newest
checkpoint when the same command is given again; a finished one is not run again.
`scripts/engines llamafactory` installs the trainer. `gra-bench eval` scores what comes out."
)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    action: Option<TrainAction>,
    /// Trials, experiment files, folders of `export` and `synth`, or files of instruction data; NAME=FILE names one. What
    /// was run with `--base` or `--seed-set` is exported with them first.
    #[arg(required = true, value_name = "DATA")]
    data: Vec<String>,
    /// Of experiment files: only these variants and sources, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    sets: Vec<String>,
    /// The model to train: a Hugging Face folder, a name on the hub, or a GGUF file, which is converted.
    #[arg(long, value_name = "MODEL", required = true)]
    base: Option<String>,
    /// Its name in tables [default: that of the file or on the hub, in small letters].
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// `paper`, `smoke`, or a TOML file of LLaMA-Factory's arguments.
    #[arg(long, value_name = "RECIPE", default_value = "paper")]
    recipe: String,
    /// Training seeds, separated by commas. One says nothing of how much trainings differ.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u32>,
    /// What scores of the data count as in the paper's tables, where its name does not say so: `distill-72b`.
    #[arg(long, value_name = "SOURCE")]
    data_source: Option<String>,
    /// The seed set that the data was made from, likewise: `alpaca`.
    #[arg(long, value_name = "NAME")]
    seed_dataset: Option<String>,
    /// Write what a training takes, and do not run it.
    #[arg(long)]
    emit_only: bool,
    /// Make a GGUF file of each trained model, which llama.cpp serves.
    #[arg(long)]
    to_gguf: bool,
    /// Keep checkpoints of finished trainings, each three times as large as the model.
    #[arg(long)]
    keep_checkpoints: bool,
    /// Remove trainings of other inputs that stand in the same folders.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    downstream: DownstreamArgs,
}

/// Besides training.
#[derive(Debug, Subcommand)]
enum TrainAction {
    /// Take back what `train.sh` or `train.slurm` trained elsewhere.
    Import {
        /// Folders that `--emit-only` wrote, with what was trained in them.
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
}

impl TrainArgs {
    /// What the user says of the data goes before what its name says.
    fn subject(&self, named: DataSubject) -> DataSubject {
        let seed_dataset = self.seed_dataset.clone().unwrap_or(named.seed_dataset);
        let data_source = self.data_source.clone().unwrap_or(named.data_source);
        DataSubject { seed_dataset, data_source, ..named }
    }
}

/// A model that was trained, or is ready to be.
#[derive(Serialize)]
struct TrainedModel {
    folder: PathBuf,
    subject: TrainedSubject,
    gguf: Option<PathBuf>,
    #[serde(rename = "training")]
    record: Option<TrainingRecord>,
}

pub(crate) fn run(args: &TrainArgs, global: &GlobalArgs) -> Result<()> {
    if let Some(TrainAction::Import { folders }) = &args.action {
        let trained = folders.iter().map(|folder| {
            let record = training::import(folder)?;
            Ok(TrainedModel {
                subject: TrainedSubject::read(folder)?,
                folder: folder.clone(),
                record: Some(record),
                gguf: None,
            })
        });
        return say(&trained.collect::<Result<Vec<_>>>()?, args.downstream.json);
    }
    let trained = with_programs(global, |stop, progress| train(args, global, stop, progress))?;
    say(&trained, args.downstream.json)
}

/// Prepares and runs the trainings; those that are finished are read.
fn train(
    args: &TrainArgs,
    global: &GlobalArgs,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<Vec<TrainedModel>> {
    let recipe = recipe(&args.recipe)?;
    let base = Base::parse(args.base.as_deref().unwrap_or_default())?;
    let base_name = args.base_name.clone().unwrap_or_else(|| name_of(&base));
    let data = TrainingData::load_all(&args.data, &args.sets, global)?;
    // A recipe is written without the trainer; only running it and converting models takes its environment.
    let is_needed = !args.emit_only || matches!(base, Base::Gguf(_)) || args.to_gguf;
    let find = || Environment::find(&args.downstream.engines, EngineKind::LlamaFactory);
    let environment = is_needed.then(find).transpose()?;
    for sentence in environment.iter().flat_map(|it| training::unseen_versions(&it.packages)) {
        progress.say(&format!("warning: {sentence}"));
    }
    let root = global.results().join("trained");
    let mut digests = DigestCache::at(&global.results().join(HASHES));
    let base = match &environment {
        Some(environment) => {
            base.converted(&root.join("bases"), environment, &mut digests, stop)?
        }
        None => base,
    };
    let mut trained = Vec::new();
    for data in &data {
        for &seed in &args.seeds {
            let (base_model, training_seed) = (base_name.clone(), seed.into());
            let of_data = args.subject(data.subject.clone());
            let subject = TrainedSubject { base_model, data: of_data, training_seed };
            let folder = root.join(&data.name).join(&base_name).join(format!("seed-{seed}"));
            let set = TrainingSet { name: data.name.clone(), file: data.file.clone() };
            let (base, recipe) = (base.clone(), recipe.clone());
            let plan = TrainingPlan { data_sets: vec![set], base, recipe, seed };
            let other = if args.replace { OtherTraining::Replace } else { OtherTraining::Refuse };
            training::prepare(&plan, &folder, other, &mut digests)?;
            // Before the training: one that is interrupted or runs elsewhere says whose scores it will have.
            write_atomic(&folder.join(SUBJECT), &serde_json::to_vec_pretty(&subject)?)?;
            let mut one = TrainedModel { subject, folder, record: None, gguf: None };
            if let Some(environment) = environment.as_ref().filter(|_| !args.emit_only) {
                one.train(args, environment, stop, progress)?;
            }
            trained.push(one);
        }
    }
    Ok(trained)
}

impl TrainedModel {
    /// What a pool file says to have the model take part.
    fn pool_entry(&self, gguf: &Path) -> Result<String> {
        let TrainedSubject { base_model, data, training_seed } = &self.subject;
        let path = std::path::absolute(gguf).context("cannot tell the working directory")?;
        let sha256 = gra_files::digest::of_file(gguf)
            .with_context(|| format!("cannot read {}", gguf.display()))?;
        let path = path.display().to_string();
        Ok(format!(
            "# In a pool file:\n[[model]]\nname = \"{base_model}-{}-{training_seed}\"\npath = {path:?}\nsha256 = \
             \"{sha256}\"",
            data.data_source,
        ))
    }

    /// Trains it, or goes on with that, and makes its GGUF file where one is wanted.
    fn train(
        &mut self,
        args: &TrainArgs,
        environment: &Environment,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<()> {
        let what = self.folder.display().to_string();
        let mut show = |event| match event {
            TrainingEvent::PutAside(path, why) => {
                progress.say(&format!("{}: not resumed from, {why}", path.display()));
            }
            TrainingEvent::ResumedFrom(done) => {
                progress.say(&format!("{what}: goes on after step {done}"));
            }
            TrainingEvent::Step(now) => progress.of_program(&ProgramProgress {
                what: &what,
                done: now.step,
                of: now.steps,
                left: now.remaining,
                note: &format!("loss {:.3}", now.loss),
            }),
        };
        let trained = training::train(&self.folder, environment, stop, &mut show);
        self.record = Some(trained?);
        if args.to_gguf {
            progress.say(&format!("{what}: to GGUF"));
            self.gguf = Some(training::to_gguf(&self.folder, environment, stop)?);
        }
        // Last: a conversion that failed is tried again from the trained model, which stays.
        if !args.keep_checkpoints {
            training::remove_checkpoints(&self.folder)?;
        }
        Ok(())
    }
}

/// A recipe by its name or file.
fn recipe(named: &str) -> Result<Recipe> {
    let path = builtin::named("recipes", named);
    let text = builtin::read_to_string(&path).map_err(|error| {
        let is_file = path == Path::new(named);
        let cannot = format!("cannot read {named}: {error}");
        let what = if is_file { cannot } else { format!("there is no recipe `{named}`") };
        let hint = "hint: there are `paper` and `smoke`; a file of your own ends in .toml";
        bad_input(anyhow!("{what}\n{hint}"))
    })?;
    let name = Path::new(named).file_stem().unwrap_or_default().to_string_lossy();
    Ok(Recipe::parse(&name, &text)?)
}

/// The name of a base model in tables.
fn name_of(base: &Base) -> String {
    let name = match base {
        // `.` and `..` have no name; the folder that they mean has.
        Base::Folder(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        Base::Gguf(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Base::Hub { name, .. } => name.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    name.to_lowercase()
}

fn say(trained: &[TrainedModel], is_json: bool) -> Result<()> {
    fn shown(point: &LossPoint) -> String {
        format!("{:.3}", point.loss)
    }
    let mut out = terminal::json_or_text(is_json);
    if is_json {
        return Ok(writeln!(out, "{}", json!({ "trained": trained }))?);
    }
    let text = |title: &str, cell: fn(&TrainedModel) -> String| {
        column(title, Align::Left, trained, |one| Some(cell(one)))
    };
    // A training that is only prepared has no numbers yet.
    let number = |title: &str, cell: fn(&TrainingRecord) -> Option<String>| {
        column(title, Align::Right, trained, |one| cell(one.record.as_ref()?))
    };
    let seed = |one: &TrainedModel| Some(one.subject.training_seed.to_string());
    let columns = [
        text("data", |one| one.subject.data.data_source.clone()),
        text("base", |one| one.subject.base_model.clone()),
        column("seed", Align::Right, trained, seed),
        number("steps", |record| Some(record.steps.to_string())),
        number("loss, first", |record| record.loss.first().map(shown)),
        number("last", |record| record.loss.last().map(shown)),
        number("seconds", |record| Some(record.wall_seconds.to_string())),
    ];
    writeln!(out, "{}", grid::terminal(&columns))?;
    for one in trained {
        if let Some(gguf) = &one.gguf {
            writeln!(out, "{}", one.pool_entry(gguf)?)?;
        }
        writeln!(out, "{}", one.gguf.as_ref().unwrap_or(&one.folder).display())?;
        for note in one.record.iter().flat_map(|record| &record.notes) {
            writeln!(out, "  note: {note}")?;
        }
    }
    // Folders that were only prepared are trained elsewhere first.
    let next = if trained.iter().all(|one| one.record.is_some()) {
        "gra-bench eval FOLDER.. --suite paper"
    } else {
        "sh train.sh (or sbatch train.slurm) in each folder, then gra-bench train import FOLDER.."
    };
    Ok(writeln!(out, "Next:    {next}")?)
}
