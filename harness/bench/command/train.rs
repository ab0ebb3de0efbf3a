//! `train`: models are trained on data sets, by LLaMA-Factory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use gra_downstream::environment::{EngineKind, Environment};
use gra_downstream::training::{
    self, Base, OtherTraining, Recipe, TrainingError, TrainingEvent, TrainingPlan, TrainingRecord,
    TrainingSet,
};
use gra_files::digest::DigestCache;
use gra_files::write_atomic;
use gra_paper::grid::{self, Align, Column};
use serde_json::json;

use crate::answering::Interrupted;
use crate::benchmark_scores::{SUBJECT, TrainedSubject};
use crate::failure::bad_input;
use crate::progress::{ProgramProgress, Progress};
use crate::session::{GlobalArgs, on_interrupt, say_how_to_go_on};
use crate::training_data::TrainingData;
use crate::{builtin, engines, terminal};

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
    /// Trials, experiment files, folders of `export` and `synth`, or files of instruction data; NAME=FILE names one.
    #[arg(required = true, value_name = "DATA")]
    pub(super) data: Vec<String>,
    /// Of experiment files: only these variants and sources, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) sets: Vec<String>,
    /// The model to train: a Hugging Face folder, a name on the hub, or a GGUF file, which is converted.
    #[arg(long, value_name = "MODEL", required = true)]
    pub(super) base: Option<String>,
    /// Its name in tables [default: that of the file or on the hub, in small letters].
    #[arg(long, value_name = "NAME")]
    pub(super) base_name: Option<String>,
    /// `paper`, `smoke`, or a TOML file of LLaMA-Factory's arguments.
    #[arg(long, value_name = "RECIPE", default_value = "paper")]
    pub(super) recipe: String,
    /// Training seeds, separated by commas. One says nothing of how much trainings differ.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0,1,2")]
    pub(super) seeds: Vec<u32>,
    /// What scores of the data count as in the paper's tables, where its name does not say so: `distill-72b`.
    #[arg(long, value_name = "SOURCE")]
    pub(super) data_source: Option<String>,
    /// The seed set that the data was made from, likewise: `alpaca`.
    #[arg(long, value_name = "NAME")]
    pub(super) seed_dataset: Option<String>,
    /// Write what a training takes, and do not run it.
    #[arg(long)]
    pub(super) emit_only: bool,
    /// Make a GGUF file of each trained model, which llama.cpp serves.
    #[arg(long)]
    pub(super) to_gguf: bool,
    /// Keep checkpoints of finished trainings, each three times as large as the model.
    #[arg(long)]
    pub(super) keep_checkpoints: bool,
    /// Remove trainings of other inputs that stand in the same folders.
    #[arg(long)]
    pub(super) replace: bool,
    #[command(flatten)]
    pub(super) programs: EngineArgs,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
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

/// Where programs that train, serve and score are installed.
#[derive(Clone, Debug, Args)]
pub(crate) struct EngineArgs {
    /// Folder of the environments that `scripts/engines` makes.
    #[arg(long, value_name = "DIR", env = "GRA_ENGINES", default_value = ".engines")]
    pub(crate) engines: PathBuf,
}

/// Ctrl-C during programs of others: they are ended, and the same command goes on.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    on_interrupt(move || {
        flag.store(true, Ordering::Relaxed);
        terminal::say("stopping; press Ctrl-C again to stop at once");
    })?;
    Ok(stop)
}

/// A model that was trained, or is ready to be.
struct TrainedModel {
    subject: TrainedSubject,
    folder: PathBuf,
    record: Option<TrainingRecord>,
    gguf: Option<PathBuf>,
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
        return say(&trained.collect::<Result<Vec<_>>>()?, args.json);
    }
    let stop = stop_flag()?;
    let mut progress = Progress::new(global.verbosity());
    let trained = train(args, global, &stop, &mut progress);
    say_how_to_go_on(&trained, &progress);
    drop(progress);
    say(&trained?, args.json)
}

/// Prepares and runs the trainings; those that are finished are read.
fn train(
    args: &TrainArgs,
    global: &GlobalArgs,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<Vec<TrainedModel>> {
    let recipe = recipe(&args.recipe)?;
    let base =
        Base::parse(args.base.as_deref().unwrap_or_default()).map_err(TrainingError::from)?;
    let base_name = args.base_name.clone().unwrap_or_else(|| name_of(&base));
    let data = TrainingData::load_all(&args.data, &args.sets, global)?;
    let environment = Environment::find(&args.programs.engines, EngineKind::LlamaFactory);
    let is_needed = !args.emit_only || matches!(base, Base::Gguf(_)) || args.to_gguf;
    let environment = if is_needed { Some(environment?) } else { None };
    for sentence in environment.iter().flat_map(|it| training::unseen_versions(&it.packages)) {
        progress.say(&format!("warning: {sentence}"));
    }
    let root = global.results().join("trained");
    let mut digests = DigestCache::at(&global.results().join(engines::HASHES));
    let base = match &environment {
        Some(environment) => {
            base.converted(&root.join("bases"), environment, &mut digests, stop)?
        }
        None => base,
    };
    let mut trained = Vec::new();
    for data in &data {
        for &seed in &args.seeds {
            let mut of_data = data.subject.clone();
            if let Some(source) = &args.data_source {
                of_data.data_source.clone_from(source);
            }
            if let Some(name) = &args.seed_dataset {
                of_data.seed_dataset.clone_from(name);
            }
            let subject = TrainedSubject {
                base_model: base_name.clone(),
                data: of_data,
                training_seed: seed.into(),
            };
            let folder = root.join(&data.name).join(&base_name).join(format!("seed-{seed}"));
            let set = TrainingSet { name: data.name.clone(), file: data.file.clone() };
            let plan = TrainingPlan {
                data_sets: vec![set],
                base: base.clone(),
                recipe: recipe.clone(),
                seed,
            };
            let other = if args.replace { OtherTraining::Replace } else { OtherTraining::Refuse };
            training::prepare(&plan, &folder, other, &mut digests)?;
            write_atomic(&folder.join(SUBJECT), &serde_json::to_vec_pretty(&subject)?)?;
            let mut one = TrainedModel { subject, folder, record: None, gguf: None };
            if let Some(environment) = environment.as_ref().filter(|_| !args.emit_only) {
                one.train(environment, stop, progress)?;
                if args.to_gguf {
                    progress.say(&format!("{}: to GGUF", one.folder.display()));
                    one.gguf = Some(training::to_gguf(&one.folder, environment, stop)?);
                }
                if !args.keep_checkpoints {
                    training::remove_checkpoints(&one.folder)?;
                }
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
        Ok(format!(
            "# In a pool file:\n[[model]]\nname = \"{base_model}-{}-{training_seed}\"\npath = {:?}\nsha256 = \"{sha256}\"",
            data.data_source,
            path.display().to_string(),
        ))
    }

    fn train(
        &mut self,
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
        self.record = Some(trained.map_err(|error| match error {
            TrainingError::Stopped => anyhow::Error::from(Interrupted),
            error => error.into(),
        })?);
        Ok(())
    }
}

/// A recipe by its name or file.
fn recipe(named: &str) -> Result<Recipe> {
    let is_file = Path::new(named).extension().is_some_and(|ending| ending == "toml");
    let path = if is_file {
        PathBuf::from(named)
    } else {
        PathBuf::from(format!("{}recipes/{named}.toml", builtin::PREFIX))
    };
    let text = builtin::read_to_string(&path).map_err(|error| {
        let what = if is_file {
            format!("cannot read {named}: {error}")
        } else {
            format!("there is no recipe `{named}`")
        };
        bad_input(anyhow!(
            "{what}\nhint: there are `paper` and `smoke`; a file of your own ends in .toml"
        ))
    })?;
    let name = Path::new(named).file_stem().unwrap_or_default().to_string_lossy();
    Ok(Recipe::parse(&name, &text).map_err(TrainingError::from)?)
}

/// The name of a base model in tables.
fn name_of(base: &Base) -> String {
    let name = match base {
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
    let mut out = terminal::json_or_text(is_json);
    if is_json {
        let list = trained.iter().map(|one| {
            json!({ "folder": one.folder, "subject": one.subject, "gguf": one.gguf, "training": one.record })
        });
        writeln!(out, "{}", json!({ "trained": list.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let loss = |one: &TrainedModel, last: bool| {
        let curve = one.record.as_ref().map_or(&[][..], |record| &record.loss);
        let point = if last { curve.last() } else { curve.first() };
        point.map_or_else(|| "-".to_owned(), |point| format!("{:.3}", point.loss))
    };
    let of_record = |one: &TrainedModel, text: fn(&TrainingRecord) -> String| {
        one.record.as_ref().map_or_else(|| "-".to_owned(), text)
    };
    let column = |title: &str, align, cell: &dyn Fn(&TrainedModel) -> String| Column {
        title: title.to_owned(),
        cells: trained.iter().map(cell).collect(),
        align,
    };
    let columns = [
        column("data", Align::Left, &|one| one.subject.data.data_source.clone()),
        column("base", Align::Left, &|one| one.subject.base_model.clone()),
        column("seed", Align::Right, &|one| one.subject.training_seed.to_string()),
        column("steps", Align::Right, &|one| of_record(one, |record| record.steps.to_string())),
        column("loss, first", Align::Right, &|one| loss(one, false)),
        column("last", Align::Right, &|one| loss(one, true)),
        column("seconds", Align::Right, &|one| {
            of_record(one, |record| record.wall_seconds.to_string())
        }),
    ];
    write!(out, "{}", grid::terminal(&columns))?;
    writeln!(out)?;
    for one in trained {
        if let Some(gguf) = &one.gguf {
            writeln!(out, "{}", one.pool_entry(gguf)?)?;
        }
        writeln!(out, "{}", one.gguf.as_ref().unwrap_or(&one.folder).display())?;
        for note in one.record.iter().flat_map(|record| &record.notes) {
            writeln!(out, "  note: {note}")?;
        }
    }
    let next = if trained.iter().all(|one| one.record.is_some()) {
        "gra-bench eval FOLDER.. --suite paper"
    } else {
        "sh train.sh (or sbatch train.slurm) in each folder, then gra-bench train import FOLDER.."
    };
    writeln!(out, "Next:    {next}")?;
    Ok(())
}
