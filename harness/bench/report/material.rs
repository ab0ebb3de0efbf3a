//! What a report is made of. Trials that are not finished are read as far as they got.

use std::path::Path;

use anyhow::{Context, Result, bail};
use gra_analysis::ablation::AblationTable;
use gra_analysis::trial::TrialFacts;
use gra_synth::request::Sampling;
use gra_synth::variant::Variant;
use serde::Deserialize;
use serde_json::Value;

use crate::export::CardFacts;
use crate::finished::TrialSettings;
use crate::store::{CallRow, Store, TrialId, TrialRow};
use crate::{rows, suite};

/// What a report or a view is about.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// `EXPERIMENT` or `EXPERIMENT/VARIANT/seed-N`; `None` for everything in the store.
    pub name: Option<String>,
    /// Only this run seed.
    pub seed: Option<u64>,
}

/// The trials that a scope names: by seed, and within a seed in the order in which they were begun, which
/// is that of the experiment file.
///
/// # Errors
/// When there is none; says which there are.
pub fn select(store: &Store, scope: &Scope) -> Result<Vec<TrialRow>> {
    let all = store.trials()?;
    let known: Vec<String> = all.iter().map(|trial| trial.id.to_string()).collect();
    let name = scope.name.as_deref().map(|name| name.trim_end_matches('/'));
    let trial: Option<TrialId> = name.and_then(|name| name.parse().ok());
    let fits = |row: &TrialRow| {
        let named = match (&trial, name) {
            (Some(trial), _) => row.id == *trial,
            (None, Some(name)) => row.id.experiment == name,
            (None, None) => true,
        };
        named && scope.seed.is_none_or(|seed| row.id.seed == seed)
    };
    let mut found: Vec<TrialRow> = all.into_iter().filter(fits).collect();
    found.sort_by(|a, b| {
        let key = |trial: &TrialRow| (trial.id.experiment.clone(), trial.id.seed, trial.row);
        key(a).cmp(&key(b))
    });
    if found.is_empty() {
        let what = name.map_or_else(|| "nothing".to_owned(), |name| format!("no `{name}`"));
        let seed = scope.seed.map_or_else(String::new, |seed| format!(" with run seed {seed}"));
        match known.len() {
            0 => bail!("the store holds {what}{seed}: no trial was begun yet"),
            _ => bail!("the store holds {what}{seed}\nhint: it has {}", known.join(", ")),
        }
    }
    Ok(found)
}

/// Everything a report tells of.
pub(super) struct Material {
    /// What the page is called.
    pub(super) title: String,
    /// By run seed.
    pub(super) seeds: Vec<SeedMaterial>,
    /// What the experiment asked, where a manifest says it.
    pub(super) manifest: Option<Manifest>,
}

/// The trials of one run seed, the reference first.
pub(super) struct SeedMaterial {
    pub(super) seed: u64,
    pub(super) trials: Vec<TrialMaterial>,
    /// What they recorded, in the same order.
    pub(super) facts: Vec<TrialFacts>,
    pub(super) table: AblationTable,
    /// Columns and lines of `measured.csv`, where there is one.
    pub(super) measured: Vec<serde_json::Map<String, Value>>,
}

/// How one trial was run.
pub(super) struct TrialMaterial {
    pub(super) row: TrialRow,
    pub(super) settings: TrialSettings,
    pub(super) inputs: Inputs,
    pub(super) card: CardFacts,
}

/// What a trial was given, as its settings say; trials of earlier releases say less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inputs {
    pub(super) sampling: std::collections::BTreeMap<String, Sampling>,
    /// Fingerprints by model.
    pub(super) models: std::collections::BTreeMap<String, String>,
    pub(super) encoder: Option<String>,
    pub(super) seed_set_sha256: Option<String>,
    pub(super) seed_items: Option<u64>,
    pub(super) prompts_sha256: Option<String>,
    pub(super) chunk: Option<u64>,
}

/// Of a published manifest, what the store does not know.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) gra_bench: String,
    pub(super) engine: String,
    pub(super) question: String,
}

impl Material {
    pub(super) fn load(store: &Store, results: &Path, scope: &Scope) -> Result<Self> {
        let selected = select(store, scope)?;
        let title = match scope.name.as_deref().map(str::parse::<TrialId>) {
            Some(Ok(trial)) => trial.to_string(),
            _ => selected[0].id.experiment.clone(),
        };
        let manifest = selected.iter().find_map(|trial| manifest(results, &trial.id));
        let mut seeds: Vec<SeedMaterial> = Vec::new();
        let groups = selected.chunk_by(|a, b| a.id.seed == b.id.seed);
        for group in groups {
            seeds.push(SeedMaterial::load(store, results, group)?);
        }
        Ok(Self { title, seeds, manifest })
    }

    /// The experiment's name; `None` of a report about one trial.
    pub(super) fn experiment(&self) -> Option<&str> {
        let experiment = &self.seeds[0].reference().row.id.experiment;
        (self.title == *experiment).then_some(experiment)
    }

    /// Every trial, in the order of the page.
    pub(super) fn trials(&self) -> impl Iterator<Item = (&TrialMaterial, &TrialFacts)> {
        self.seeds.iter().flat_map(|group| group.trials.iter().zip(&group.facts))
    }
}

impl SeedMaterial {
    fn load(store: &Store, results: &Path, group: &[TrialRow]) -> Result<Self> {
        let (mut trials, mut facts) = (Vec::new(), Vec::new());
        for row in group {
            let damaged = || format!("the stored description of {} is damaged", row.id);
            let trial = TrialMaterial {
                settings: row.read_settings()?,
                inputs: serde_json::from_str(&row.settings).with_context(damaged)?,
                card: serde_json::from_str(&row.card).with_context(damaged)?,
                row: row.clone(),
            };
            facts.push(TrialFacts {
                variant: row.id.variant.clone(),
                candidates: store.candidates(row.row)?,
                calls: store.calls(row.row, None)?.iter().map(CallRow::fact).collect(),
            });
            trials.push(trial);
        }
        let TrialId { experiment, variant, seed } = &group[0].id;
        let table = AblationTable::new(&facts, variant, *seed)?;
        let measured = suite::measured_path(results, experiment, *seed);
        let measured = match std::fs::read(&measured) {
            Ok(csv) => {
                rows::json(&csv).with_context(|| format!("cannot read {}", measured.display()))?
            }
            Err(_) => Vec::new(),
        };
        Ok(Self { seed: *seed, trials, facts, table, measured })
    }

    /// How the reference was run.
    pub(super) fn reference(&self) -> &TrialMaterial {
        &self.trials[0]
    }
}

impl TrialMaterial {
    pub(super) fn variant(&self) -> &Variant {
        &self.settings.variant
    }
}

fn manifest(results: &Path, trial: &TrialId) -> Option<Manifest> {
    let text = std::fs::read(results.join(trial.to_string()).join("manifest.json")).ok()?;
    serde_json::from_slice(&text).ok()
}
