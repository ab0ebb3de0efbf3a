//! The whole story at one scale: which experiments are run, which of their data sets are trained on, and what is scored.
//! It is a list of commands, each of which can be given by hand or on another machine.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::builtin;
use crate::experiment::{Experiments, Overrides};
use crate::failure::bad_input;
use crate::session::GlobalArgs;
use crate::trial::TrialId;

/// A scale as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReproductionScale {
    /// Parameters of a base model, for estimates.
    pub(crate) parameters: f64,
    /// The file under all experiments, in the folder of experiments.
    base: Option<PathBuf>,
    #[serde(rename = "experiment")]
    experiments: Vec<ScaleExperiment>,
    pub(crate) training: ScaleTraining,
    pub(crate) evaluation: ScaleEvaluation,
}

/// An experiment of a scale.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleExperiment {
    /// In the folder of experiments.
    file: PathBuf,
    /// Only these of its variants.
    #[serde(default)]
    run: Vec<String>,
    /// Variants and sources that are trained on: `NAME`, or `NAME=SOURCE` where tables call it otherwise.
    #[serde(default)]
    train: Vec<String>,
}

/// What is trained.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleTraining {
    pub(crate) bases: Vec<ScaleBase>,
    recipe: String,
    pub(crate) seeds: Vec<u32>,
}

/// A base model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleBase {
    /// On the hub, a folder, or a GGUF file of the models' folder.
    model: String,
    /// In tables.
    name: String,
}

/// What is scored.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleEvaluation {
    pub(crate) suite: String,
    engines: Vec<ScaleEngine>,
    threads: Option<u32>,
}

/// An engine that scores.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleEngine {
    name: String,
    /// Of these trainings alone.
    seeds: Option<Vec<u32>>,
}

/// The stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReproductionStage {
    /// Experiments are run.
    Run,
    /// Their data sets become files.
    Export,
    /// Models are trained on them.
    Train,
    /// Models are scored.
    Eval,
    /// Tables, claims, figures, reports.
    Report,
}

/// A command, as it could be typed behind `gra-bench`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StageCommand {
    pub(crate) stage: ReproductionStage,
    pub(crate) words: Vec<String>,
    /// Where its standard output goes; to that of the program where there is none.
    pub(crate) into: Option<PathBuf>,
}

impl ReproductionScale {
    /// Reads a scale by its name, or a file of one's own.
    ///
    /// # Errors
    /// When there is none, or it is not as a scale is written.
    pub(crate) fn read(named: &str) -> Result<Self> {
        let path = builtin::named("scales", named);
        // A file of one's own that cannot be read is no scale either.
        let text = builtin::read_to_string(&path).map_err(|_| {
            bad_input(anyhow!(
                "there is no scale `{named}`\nhint: there are smoke, laptop and paper; a file of your own ends in .toml"
            ))
        })?;
        toml::from_str(&text)
            .with_context(|| format!("{} is no scale", path.display()))
            .map_err(bad_input)
    }

    /// Every command, in order.
    ///
    /// # Errors
    /// When an experiment cannot be loaded, or has no data set of a name.
    pub(crate) fn commands(&self, name: &str, global: &GlobalArgs) -> Result<Vec<StageCommand>> {
        let out = global.results().join("reproduce").join(name);
        let (mut commands, mut trained, mut experiments) = (Vec::new(), Vec::new(), Vec::new());
        let base = self.base.as_ref().map(|base| Path::new("experiments").join(base));
        let shown_base = || base.as_deref().map(Path::display);
        for experiment in &self.experiments {
            let file = Path::new("experiments").join(&experiment.file);
            let overrides = Overrides { base: base.clone(), ..Overrides::default() };
            let loaded = Experiments::load(&file, &global.models, &overrides)
                .with_context(|| format!("scale {name}"))?;
            // Without names all variants are run.
            let variants = Some(experiment.run.join(",")).filter(|names| !names.is_empty());
            let run = StageCommand::new(ReproductionStage::Run, "run").with(file.display());
            commands.push(run.option("--variants", variants).option("--base", shown_base()));
            if !experiment.train.is_empty() {
                // A data set, and what tables call it where that is another name.
                let sets = experiment.train.iter().map(|text| match text.split_once('=') {
                    Some((name, called)) => (name, Some(called)),
                    None => (text.as_str(), None),
                });
                let sets: Vec<(&str, Option<&str>)> = sets.collect();
                let names: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
                let data = out.join("data").join(&loaded.name);
                let export = StageCommand::new(ReproductionStage::Export, "export")
                    .with(file.display())
                    .option("--sets", Some(names.join(",")))
                    .option("--out", Some(data.display()));
                commands.push(export.with("--replace").option("--base", shown_base()));
                let (trainings, folders) = self.trainings(&loaded, &sets, &data, global);
                commands.extend(trainings);
                trained.extend(folders);
            }
            experiments.push(loaded.name);
        }
        commands.extend(self.evaluation.commands(&trained));
        let report = |verb| StageCommand::new(ReproductionStage::Report, verb);
        // Last, of all that is in the results folder by then, whichever scale made it.
        for verb in ["tables", "claims"] {
            let into = Some(out.join(format!("{verb}.md")));
            commands.push(StageCommand { into, ..report(verb).option("--format", Some("md")) });
        }
        commands.push(report("figures").option("--out", Some(out.join("figures").display())));
        for experiment in &experiments {
            let page = out.join(format!("{experiment}.html"));
            commands.push(report("report").with(experiment).option("--out", Some(page.display())));
        }
        Ok(commands)
    }

    /// The trainings on data sets that were exported to `data`, and the seeds and folders of what they train.
    fn trainings(
        &self,
        experiments: &Experiments,
        sets: &[(&str, Option<&str>)],
        data: &Path,
        global: &GlobalArgs,
    ) -> (Vec<StageCommand>, Vec<(u32, PathBuf)>) {
        let ScaleTraining { bases, recipe, seeds } = &self.training;
        let listed = seeds.iter().map(ToString::to_string).collect::<Vec<String>>().join(",");
        let (mut commands, mut trained) = (Vec::new(), Vec::new());
        for one in &experiments.each {
            for &(name, called) in sets {
                // Trainings bear the name of the data set's export, whose run seed is the experiment's first.
                let set = TrialId::new(&one.name, name, one.seeds[0]).joined();
                // Of one data set alone, `export` makes no folder below the one that is named.
                let is_alone = sets.len() == 1 && experiments.each.len() == 1;
                let data = if is_alone { data.to_owned() } else { data.join(&set) };
                for ScaleBase { model, name } in bases {
                    // Files are in the models' folder; anything else is a name on the hub or a folder, as it stands.
                    let is_file =
                        Path::new(model).extension().is_some_and(|ending| ending == "gguf");
                    let model = if is_file { global.models.join(model) } else { model.into() };
                    let train = StageCommand::new(ReproductionStage::Train, "train")
                        .with(data.display())
                        .option("--base", Some(model.display()))
                        .option("--base-name", Some(name))
                        .option("--recipe", Some(recipe))
                        .option("--seeds", Some(&listed));
                    commands.push(train.with("--to-gguf").option("--data-source", called));
                    let folder = global.results().join("trained").join(&set).join(name);
                    let folders =
                        seeds.iter().map(|seed| (*seed, folder.join(format!("seed-{seed}"))));
                    trained.extend(folders);
                }
            }
        }
        (commands, trained)
    }
}

impl StageCommand {
    /// A verb alone, whose output goes to that of the program.
    fn new(stage: ReproductionStage, verb: &str) -> Self {
        Self { stage, words: vec![verb.to_owned()], into: None }
    }

    fn with(mut self, word: impl Display) -> Self {
        self.words.push(word.to_string());
        self
    }

    /// With an option, where it has a value.
    fn option(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name).with(value),
            None => self,
        }
    }
}

impl ScaleEvaluation {
    /// A command for each engine and each training, by its seed and folder, that the engine scores.
    fn commands(&self, trained: &[(u32, PathBuf)]) -> Vec<StageCommand> {
        let mut commands = Vec::new();
        for ScaleEngine { name, seeds } in &self.engines {
            let is_scored = |seed| seeds.as_ref().is_none_or(|seeds| seeds.contains(seed));
            commands.extend(trained.iter().filter(|(seed, _)| is_scored(seed)).map(
                |(_, folder)| {
                    StageCommand::new(ReproductionStage::Eval, "eval")
                        .with(folder.display())
                        .option("--suite", Some(&self.suite))
                        .option("--engine", Some(name))
                        .option("--threads", self.threads)
                },
            ));
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;
    use crate::command::Cli;

    #[test]
    fn scales_that_come_with_the_program_can_be_read() {
        for (name, data_sets) in [("smoke", 2), ("laptop", 15), ("paper", 15)] {
            let scale = ReproductionScale::read(name).unwrap();
            let trained = scale.experiments.iter().map(|experiment| experiment.train.len());
            assert_eq!(trained.sum::<usize>(), data_sets, "{name}");
        }
        let error = ReproductionScale::read("huge").unwrap_err().to_string();
        assert!(error.contains("there are smoke, laptop and paper"), "{error}");
    }

    #[test]
    fn every_command_of_a_scale_is_one_of_the_program() {
        let mut stages = BTreeSet::new();
        for name in ["smoke", "laptop", "paper"] {
            let mut scale = ReproductionScale::read(name).unwrap();
            if name == "paper" {
                // Its seed sets are files that users fetch.
                scale.base = Some("base/laptop.toml".into());
            }
            let global = Cli::parse_from(["gra-bench", "claims"]).global;
            for command in scale.commands(name, &global).unwrap() {
                let words = command.words.iter().map(String::as_str);
                let parsed = Cli::try_parse_from(["gra-bench"].into_iter().chain(words));
                assert!(parsed.is_ok(), "{name}: {:?}\n{}", command.words, parsed.unwrap_err());
                stages.insert((name, command.stage));
            }
        }
        assert_eq!(stages.len(), 3 * 5, "{stages:?}");
    }
}
