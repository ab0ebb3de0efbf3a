//! The published files of a trial: facts as tables, samples as data sets, and a manifest that is
//! written last, so that its existence means the rest is complete. The same inputs give the same
//! bytes: no times, no machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use gra_analysis::frames;
use gra_llm::model_pool::{Backend, ModelSource};
use gra_synth::committee::Decision;
use gra_synth::method::Method;
use gra_synth::request::ModelName;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::answering::Thoughts;
use crate::artifact::write_atomic;
use crate::experiment::Experiment;
use crate::export::{self, CardFacts, Dataset, ModelFacts};
use crate::long_texts::{self, LongTexts};
use crate::seeds::Account;
use crate::store::TrialId;
use crate::trial::Trial;

/// A trial that is to be published.
#[derive(Debug)]
pub struct Publication<'a> {
    /// What was run.
    pub experiment: &'a Experiment,
    /// What it made.
    pub trial: &'a Trial,
    /// All settings as JSON.
    pub settings: &'a str,
}

/// The record of how a trial's files were made.
#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    gra_bench: &'a str,
    engine: &'a str,
    trial: String,
    question: &'a str,
    demonstration: bool,
    settings: &'a RawValue,
    /// How much of the replies was thought, by model; absent where none was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    thoughts: &'a BTreeMap<ModelName, Thoughts>,
    seed_set: SeedFile<'a>,
    /// Instructions that the encoder does not read at once.
    long_texts: LongTexts,
    /// SHA-256 of every file beside this one.
    files: BTreeMap<String, String>,
}

/// What was read of the seed set, and what was not.
#[derive(Serialize)]
struct SeedFile<'a> {
    file: &'a str,
    sha256: &'a str,
    #[serde(flatten)]
    account: Account,
}

impl Publication<'_> {
    /// Writes the files under `results`.
    ///
    /// # Errors
    /// When a file cannot be written; the manifest is then missing.
    pub fn write(&self, results: &Path) -> Result<()> {
        let folder = results.join(self.trial.id.to_string());
        let manifest = folder.join("manifest.json");
        if manifest.exists() {
            std::fs::remove_file(&manifest)
                .with_context(|| format!("cannot replace {}", manifest.display()))?;
        }
        let mut hashes = BTreeMap::new();
        for (name, bytes) in self.files()? {
            hashes.insert(name.clone(), hex::encode(Sha256::digest(&bytes)));
            write_atomic(&folder.join(name), &bytes)?;
        }
        write_atomic(&manifest, &self.manifest(hashes)?)
    }

    fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let candidates = &self.trial.candidates;
        let mut files = Vec::new();
        let frames = [
            ("candidates", frames::candidates(candidates)?),
            ("reviews", frames::reviews(candidates)?),
        ];
        for (name, frame) in frames {
            let (mut csv, mut parquet) = (Vec::new(), Vec::new());
            frames::write_csv(&frame, &mut csv)?;
            frames::write_parquet(&frame, &mut parquet)?;
            files.push((format!("{name}.csv"), csv));
            files.push((format!("{name}.parquet"), parquet));
        }
        let mut seeds = Vec::new();
        for seed in &self.trial.seeds {
            serde_json::to_writer(&mut seeds, seed)?;
            seeds.push(b'\n');
        }
        files.push(("seed-annotations.jsonl".to_owned(), seeds));
        let card = card_facts(self.experiment, &self.trial.id);
        let name = self.trial.id.to_string().replace('/', "-");
        let dataset = Dataset { name: &name, card: &card, candidates };
        let exported = export::files(&dataset)?;
        files.extend(exported.into_iter().map(|file| (file.name.to_owned(), file.bytes)));
        Ok(files)
    }

    fn manifest(&self, files: BTreeMap<String, String>) -> Result<Vec<u8>> {
        let settings = RawValue::from_string(self.settings.to_owned())?;
        let manifest = Manifest {
            format: 1,
            gra_bench: env!("CARGO_PKG_VERSION"),
            engine: gra_llm::llama::LLAMA_VERSION,
            trial: self.trial.id.to_string(),
            question: &self.experiment.question,
            demonstration: self.experiment.demonstration,
            settings: &settings,
            thoughts: &self.trial.thoughts,
            seed_set: SeedFile {
                file: &self.experiment.seed_file,
                sha256: &self.experiment.seed_set.sha256,
                account: self.experiment.seed_set.account(),
            },
            long_texts: LongTexts::of(&self.trial.candidates, &self.trial.seeds),
            files,
        };
        let mut bytes = serde_json::to_vec_pretty(&manifest)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// What the dataset card says of how a trial was made.
#[must_use]
pub fn card_facts(experiment: &Experiment, trial: &TrialId) -> CardFacts {
    let variant = experiment.variants.iter().find(|variant| variant.name == trial.variant);
    let named = variant.map(|variant| variant.serving(&[])).unwrap_or_default();
    let teachers = experiment.pool.teachers.iter().filter(|model| named.contains(&model.name));
    let models = experiment.pool.models.iter().chain(teachers).map(|model| ModelFacts {
        name: model.name.to_string(),
        source: source_name(&model.backend),
        licence: model.licence.clone(),
        parameters: model.parameters,
    });
    CardFacts {
        experiment: experiment.name.clone(),
        variant: trial.variant.clone(),
        seed_set: experiment.seed_file.clone(),
        seed: trial.seed,
        models: models.collect(),
        instructions: variant.map(|variant| variant.instructions).unwrap_or_default(),
        method: experiment.method.clone(),
        demonstration: experiment.demonstration,
    }
}

/// Where a model comes from, without the folders of this machine and the addresses of its network.
fn source_name(backend: &Backend) -> String {
    match backend {
        Backend::LlamaCpp(source) => match source {
            ModelSource::Hub { repo, file, revision: None } => format!("{repo}/{file}"),
            ModelSource::Hub { repo, file, revision: Some(revision) } => {
                format!("{repo}/{file} at {revision}")
            }
            ModelSource::Path(path) => {
                path.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        },
        Backend::Server(server) => format!("{}, served by {}", server.model, server.dialect.name()),
    }
}

/// Makes a folder for results, and fails early where it cannot be written, before anything is paid for.
///
/// # Errors
/// Names the folder.
pub fn check_writable(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop))
        .with_context(|| {
            format!(
                "cannot write to the results folder {}\nhint: choose another with --results or --out",
                folder.display()
            )
        })
}

/// What a reader of the table must know: demonstration or not, thresholds beside the paper's, and
/// what the recorded reviews would mean at the paper's.
#[must_use]
pub fn notes(experiment: &Experiment, trials: &[Trial]) -> Vec<String> {
    let (ours, paper) = (&experiment.method, Method::default());
    let mut notes = Vec::new();
    if experiment.demonstration {
        notes.push(
            "This is a demonstration on a very small model: it shows the mechanics and is no result."
                .to_owned(),
        );
    }
    notes.push(format!(
        "Thresholds: tau {} (paper {}), delta {} (paper {}), cosine limit {} (paper {}).",
        ours.tau, paper.tau, ours.delta, paper.delta, ours.cosine_limit, paper.cosine_limit
    ));
    let changed = (ours.tau, ours.delta) != (paper.tau, paper.delta);
    if let (true, Some(reference)) = (changed, trials.first()) {
        let decided = reference.candidates.iter().filter_map(|candidate| {
            let whole = candidate.tally().map(|tally| tally.decide(paper.tau, paper.delta));
            // Reviews that were broken off could not reach our tau, so no higher one either.
            whole.or(candidate.decision.filter(|_| paper.tau >= ours.tau))
        });
        let decisions: Vec<Decision> = decided.collect();
        let count = |of| decisions.iter().filter(|&&decision| decision == of).count();
        notes.push(format!(
            "At the paper's thresholds the {} reviewed candidates of `{}` would be: {} accepted, {} \
             disputed, {} rejected.",
            decisions.len(),
            reference.id.variant,
            count(Decision::Accept),
            count(Decision::Dispute),
            count(Decision::Reject),
        ));
    }
    if !experiment.expectation.is_empty() {
        let numbers = experiment.expectation.iter();
        let numbers: Vec<String> =
            numbers.map(|number| format!("{} {}", number.about, number.printed)).collect();
        notes.push(format!("The paper prints: {}.", numbers.join("; ")));
    }
    notes.extend(thought_notes(trials));
    for trial in trials {
        let failed = trial.seeds.iter().filter(|seed| !seed.failed.is_empty()).count();
        if failed > 0 {
            notes.push(format!(
                "`{}`: the annotation of {failed} of {} seed items failed because the engine could not \
                 answer; they are left out of sampling.",
                trial.id.variant,
                trial.seeds.len()
            ));
        }
    }
    notes.extend(experiment.seed_set.account().notes(&experiment.seed_file));
    let long = |trial: &Trial| LongTexts::of(&trial.candidates, &trial.seeds);
    let long: Vec<(&str, LongTexts)> =
        trials.iter().map(|trial| (trial.id.variant.as_str(), long(trial))).collect();
    notes.extend(long_texts::in_words(&long));
    notes
}

/// What each model's thoughts took of its replies, over all trials.
fn thought_notes(trials: &[Trial]) -> Vec<String> {
    let mut models: BTreeMap<&ModelName, Thoughts> = BTreeMap::new();
    for (model, counted) in trials.iter().flat_map(|trial| &trial.thoughts) {
        models.entry(model).or_default().add(*counted);
    }
    let note = |(model, counted): (&ModelName, Thoughts)| {
        format!(
            "`{model}` thought in {} of {} replies, about {} of their {} tokens; thoughts are no part of \
             samples, scores and lengths.",
            counted.calls_with_thought, counted.calls, counted.thought_tokens, counted.reply_tokens
        )
    };
    models.into_iter().map(note).collect()
}
