//! The whole story at one scale: which experiments are run, which of their data sets are trained on, and what is scored.
//! It is a list of commands, each of which can be given by hand or on another machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StageCommand {
    pub(crate) stage: ReproductionStage,
    pub(crate) words: Vec<String>,
    /// Where its standard output goes; to that of the program where there is none.
    pub(crate) into: Option<PathBuf>,
}

/// A model that is trained.
struct TrainedFolder {
    seed: u32,
    /// Where it will stand.
    folder: PathBuf,
}

impl ReproductionScale {
    /// Reads a scale by its name, or a file of one's own.
    ///
    /// # Errors
    /// When there is none, or it is not as a scale is written.
    pub(crate) fn read(named: &str) -> Result<Self> {
        let is_file = Path::new(named).extension().is_some_and(|ending| ending == "toml");
        let path = if is_file {
            PathBuf::from(named)
        } else {
            PathBuf::from(format!("{}scales/{named}.toml", builtin::PREFIX))
        };
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
        let results = global.results();
        let out = results.join("reproduce").join(name);
        let mut commands = Vec::new();
        let mut add = |stage, words: Vec<String>, into: Option<PathBuf>| {
            commands.push(StageCommand { stage, words, into });
        };
        let shown = |path: &Path| path.display().to_string();
        let mut trained = Vec::new();
        let mut experiments = Vec::new();
        for experiment in &self.experiments {
            let file = Path::new("experiments").join(&experiment.file);
            let base = self.base.as_ref().map(|base| Path::new("experiments").join(base));
            let overrides = Overrides { base: base.clone(), ..Overrides::default() };
            let loaded = Experiments::load(&file, &global.models, &overrides)
                .with_context(|| format!("scale {name}"))?;
            experiments.push(loaded.name.clone());
            let with_base = |mut words: Vec<String>| {
                if let Some(base) = &base {
                    words.extend(["--base".to_owned(), shown(base)]);
                }
                words
            };
            let mut run = words(&["run", &shown(&file)]);
            if !experiment.run.is_empty() {
                run.extend(["--variants".to_owned(), experiment.run.join(",")]);
            }
            add(ReproductionStage::Run, with_base(run), None);
            if experiment.train.is_empty() {
                continue;
            }
            let sets: Vec<SetName<'_>> =
                experiment.train.iter().map(|text| SetName::from(text.as_str())).collect();
            let names: Vec<&str> = sets.iter().map(|set| set.name).collect();
            let data = out.join("data").join(&loaded.name);
            add(
                ReproductionStage::Export,
                with_base(words(&[
                    "export",
                    &shown(&file),
                    "--sets",
                    &names.join(","),
                    "--out",
                    &shown(&data),
                    "--replace",
                ])),
                None,
            );
            for one in &loaded.each {
                let seed = one.seeds[0];
                for set in &sets {
                    let id = TrialId {
                        experiment: one.name.clone(),
                        variant: set.name.to_owned(),
                        seed,
                    };
                    // Of one data set alone, `export` makes no folder below the one that is named.
                    let is_alone = sets.len() == 1 && loaded.each.len() == 1;
                    let data = if is_alone { data.clone() } else { data.join(id.joined()) };
                    for base in &self.training.bases {
                        add(
                            ReproductionStage::Train,
                            self.training.command(base, &data, set, global),
                            None,
                        );
                        for &seed in &self.training.seeds {
                            let folder = results
                                .join("trained")
                                .join(id.joined())
                                .join(&base.name)
                                .join(format!("seed-{seed}"));
                            trained.push(TrainedFolder { seed, folder });
                        }
                    }
                }
            }
        }
        for engine in &self.evaluation.engines {
            let is_scored = |one: &&TrainedFolder| {
                engine.seeds.as_ref().is_none_or(|seeds| seeds.contains(&one.seed))
            };
            for one in trained.iter().filter(is_scored) {
                add(ReproductionStage::Eval, self.evaluation.command(&engine.name, one), None);
            }
        }
        for (verb, file) in [("tables", "tables.md"), ("claims", "claims.md")] {
            add(ReproductionStage::Report, words(&[verb, "--format", "md"]), Some(out.join(file)));
        }
        let figures = words(&["figures", "--out", &shown(&out.join("figures"))]);
        add(ReproductionStage::Report, figures, None);
        for experiment in &experiments {
            let page = out.join(format!("{experiment}.html"));
            add(
                ReproductionStage::Report,
                words(&["report", experiment, "--out", &shown(&page)]),
                None,
            );
        }
        Ok(commands)
    }
}

/// A data set, and what tables call it.
#[derive(Clone, Copy)]
struct SetName<'a> {
    name: &'a str,
    called: Option<&'a str>,
}

impl<'a> From<&'a str> for SetName<'a> {
    fn from(text: &'a str) -> Self {
        match text.split_once('=') {
            Some((name, called)) => Self { name, called: Some(called) },
            None => Self { name: text, called: None },
        }
    }
}

impl ScaleTraining {
    fn command(
        &self,
        base: &ScaleBase,
        data: &Path,
        set: &SetName<'_>,
        global: &GlobalArgs,
    ) -> Vec<String> {
        let seeds: Vec<String> = self.seeds.iter().map(ToString::to_string).collect();
        let is_gguf = Path::new(&base.model).extension().is_some_and(|ending| ending == "gguf");
        let model =
            if is_gguf { global.models.join(&base.model) } else { base.model.clone().into() };
        let mut words = words(&[
            "train",
            &data.display().to_string(),
            "--base",
            &model.display().to_string(),
            "--base-name",
            &base.name,
            "--recipe",
            &self.recipe,
            "--seeds",
            &seeds.join(","),
            "--to-gguf",
        ]);
        if let Some(called) = set.called {
            words.extend(["--data-source".to_owned(), called.to_owned()]);
        }
        words
    }
}

impl ScaleEvaluation {
    fn command(&self, engine: &str, trained: &TrainedFolder) -> Vec<String> {
        let mut words = words(&[
            "eval",
            &trained.folder.display().to_string(),
            "--suite",
            &self.suite,
            "--engine",
            engine,
        ]);
        if let Some(threads) = self.threads {
            words.extend(["--threads".to_owned(), threads.to_string()]);
        }
        words
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
