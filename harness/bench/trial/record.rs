//! What determined a trial: one record, written when the trial begins and read by every verb that looks back; and of it
//! what a trial's published manifest says, read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gra_files::read_if_any;
use gra_llm::engine::{Engine, EngineError};
use gra_llm::model_pool::{Backend, ModelSource, PoolModel};
use gra_paper::DataSource;
use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::request::{ModelName, Sampling};
use gra_synth::variant::{Instructions, Variant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrialId;
use crate::benchmark_scores::DataSubject;
use crate::experiment::{Experiment, stem};

/// What determined a trial, and what its dataset card says besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Which trial.
    pub id: TrialId,
    /// Everything that may change its result, but for the run seed, which is part of its name.
    pub settings: TrialSettings,
    /// The model pool in its order, which draws depend on, and then the teachers that the variant names.
    pub models: Vec<ModelDescription>,
    /// The experiment shows how things work; its data is no good.
    pub demonstration: bool,
}

/// Everything that may change a trial's result, under the names that manifests have for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialSettings {
    /// Name of the experiment.
    pub experiment: String,
    /// What the variant does differently.
    pub variant: Variant,
    /// The method's parameters.
    pub method: Method,
    /// How tokens are drawn, by each model that the trial may ask.
    pub sampling: BTreeMap<ModelName, Sampling>,
    /// Fingerprints of these models: their files, and the engine settings that may change a reply.
    pub models: BTreeMap<ModelName, String>,
    /// Fingerprint of the encoder.
    pub encoder: String,
    /// File name of the seed set.
    pub seed_set: String,
    /// SHA-256 of that file.
    pub seed_set_sha256: String,
    /// How many items of it were used.
    pub seed_items: usize,
    /// SHA-256 over the prompt templates, the variant's among them.
    pub prompts_sha256: String,
    /// Most requests that run together: a reply depends on its batch.
    pub chunk: usize,
}

/// A model that may have written part of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDescription {
    /// Name in the pool.
    pub name: ModelName,
    /// Where its file comes from, without folders of this machine and addresses of its network.
    pub source: String,
    /// Licence of its weights, where the pool states one.
    pub licence: Option<String>,
    /// Number of parameters, where the pool states it.
    pub parameters: Option<u64>,
}

/// What the engine says its models are.
#[derive(Clone, Debug, Default)]
pub struct Fingerprints {
    models: BTreeMap<ModelName, String>,
    encoder: String,
}

impl Fingerprints {
    /// Of every model that serves in an experiment.
    ///
    /// # Errors
    /// When the engine cannot tell.
    pub fn read(experiment: &Experiment, engine: &mut dyn Engine) -> Result<Self, EngineError> {
        let models = experiment.models();
        let models = models.map(|model| Ok((model.clone(), engine.fingerprint(model)?)));
        Ok(Self {
            models: models.collect::<Result<_, EngineError>>()?,
            encoder: engine.encoder_fingerprint()?,
        })
    }
}

impl TrialRecord {
    /// The record of a trial that is to be run.
    #[must_use]
    pub fn new(
        experiment: &Experiment,
        variant: &Variant,
        seed: u64,
        fingerprints: &Fingerprints,
    ) -> Self {
        // Models that this variant never asks cannot change its result.
        let serving = experiment.serving(variant);
        let everyone = experiment.members.iter().chain(&experiment.teachers);
        let sampling = everyone.map(|member| (member.name.clone(), member.sampling));
        let models = fingerprints.models.clone().into_iter();
        let named = variant.serving(&[]);
        let teachers = experiment.pool.teachers.iter().filter(|model| named.contains(&model.name));
        // All members, also such as are never asked: roles are drawn from their order.
        let described = experiment.pool.models.iter().chain(teachers);
        Self {
            id: TrialId::new(&experiment.name, &variant.name, seed),
            settings: TrialSettings {
                experiment: experiment.name.clone(),
                variant: variant.clone(),
                method: experiment.method_of(variant),
                sampling: sampling.filter(|(name, _)| serving.contains(name)).collect(),
                models: models.filter(|(name, _)| serving.contains(name)).collect(),
                encoder: fingerprints.encoder.clone(),
                seed_set: experiment.seed_file.clone(),
                seed_set_sha256: experiment.seed_set.sha256.clone(),
                seed_items: experiment.seed_set.items.len(),
                prompts_sha256: experiment.prompts_of(variant).sha256.clone(),
                chunk: experiment.chunk,
            },
            models: described.map(ModelDescription::from).collect(),
            demonstration: experiment.demonstration,
        }
    }

    /// What its samples are, in the words of the paper's tables; `candidates` are those of the rounds that count.
    pub(crate) fn subject(&self, candidates: &[Candidate]) -> DataSubject {
        let TrialSettings { variant, seed_set, .. } = &self.settings;
        // Over a seed set's own instructions there is one round, which has no number.
        let round = |candidate: &Candidate| candidate.id.round().unwrap_or(0);
        // The paper's tables tell rounds apart for GRA alone.
        let has_rounds = variant.name == DataSource::Gra.id();
        DataSubject {
            seed_dataset: stem(Path::new(seed_set)),
            data_source: variant.name.clone(),
            iteration: candidates.iter().map(round).max().filter(|_| has_rounds),
        }
    }

    /// The models that the trial may ask, in the order of the pool: draws depend on it.
    #[must_use]
    pub fn pool_order(&self) -> Vec<&ModelName> {
        let names = self.models.iter().map(|model| &model.name);
        names.filter(|name| self.settings.models.contains_key(*name)).collect()
    }

    /// How many samples its rounds were to add; `None` over a seed set's own instructions.
    #[must_use]
    pub fn target(&self) -> Option<u64> {
        let Method { target, rounds, samples, .. } = self.settings.method;
        // Rounds may fall short of it, and a wanted number of samples may end them early.
        let has_target = self.settings.variant.instructions == Instructions::New;
        let most = samples.map_or(u64::MAX, u64::from);
        has_target.then(|| most.min(u64::from(target) * u64::from(rounds)))
    }

    /// Parameters of its models, where the pool states them.
    #[must_use]
    pub fn stated_parameters(&self) -> BTreeMap<ModelName, u64> {
        let models = self.models.iter();
        models.filter_map(|model| Some((model.name.clone(), model.parameters?))).collect()
    }
}

impl From<&PoolModel> for ModelDescription {
    fn from(model: &PoolModel) -> Self {
        let source = match &model.backend {
            Backend::LlamaCpp(ModelSource::Hub { repo, file, revision }) => {
                let revision = revision.iter().map(|revision| format!(" at {revision}"));
                format!("{repo}/{file}{}", revision.collect::<String>())
            }
            // Folders are this machine's, and no reader's business.
            Backend::LlamaCpp(ModelSource::Path(path)) => {
                path.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
            Backend::Server(server) => {
                format!("{}, served by {}", server.model, server.dialect.name())
            }
        };
        Self {
            name: model.name.clone(),
            source,
            licence: model.licence.clone(),
            parameters: model.parameters,
        }
    }
}

/// Of a published manifest, what is read again.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PublishedManifest {
    pub(crate) gra_bench: String,
    pub(crate) engine: String,
    pub(crate) question: String,
    pub(crate) demonstration: bool,
    /// As JSON: another release may have written it.
    pub(crate) settings: Value,
}

/// Where a trial's manifest is.
pub(crate) fn manifest_path(results: &Path, trial: &TrialId) -> PathBuf {
    results.join(trial.to_string()).join("manifest.json")
}

impl PublishedManifest {
    /// Reads a trial's manifest; `None` when no files of it are published, or not all.
    pub(crate) fn read(results: &Path, trial: &TrialId) -> Result<Option<Self>> {
        let path = manifest_path(results, trial);
        let Some(bytes) = read_if_any(&path)? else { return Ok(None) };
        let manifest = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} is damaged, so that nothing tells what the files beside it were made with\n\
                 hint: move {trial} away, or choose another --name or --results",
                path.display()
            )
        })?;
        Ok(Some(manifest))
    }
}
