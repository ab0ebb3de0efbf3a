//! Trials of the store, for the verbs that look back: what determined one, what it recorded, and which ones
//! a name means.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};
use gra_analysis::rescore::Embeddings;
use gra_analysis::trial::TrialFacts;
use gra_synth::candidate::Candidate;

use super::{TrialId, TrialRecord};
use crate::failure::bad_input;
use crate::store::{Store, TrialRow};

/// A trial that the store has, as far as it got.
#[derive(Clone, Debug)]
pub struct StoredTrial {
    /// Its row in the store.
    pub row: i64,
    /// What determined it.
    pub record: TrialRecord,
    /// Whether it came to its end.
    pub finished: bool,
}

impl StoredTrial {
    /// Finds a trial.
    ///
    /// # Errors
    /// When there is no such trial (lists those that there are), or its record is damaged.
    pub fn open(store: &Store, id: &TrialId) -> Result<Self> {
        let selection = TrialSelection { names: vec![id.to_string()], seed: None };
        // A name of a trial means one.
        Self::read(store, &selection.find(store)?[0])
    }

    /// Finds a trial that came to its end.
    ///
    /// # Errors
    /// As [`Self::open`], or when the trial is not finished.
    pub fn open_finished(store: &Store, id: &TrialId) -> Result<Self> {
        let trial = Self::open(store, id)?;
        if !trial.finished {
            bail!(
                "trial {id} is not finished\nhint: run its experiment again; it goes on where it was"
            );
        }
        Ok(trial)
    }

    /// Reads the record of a trial that is listed.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(store: &Store, trial: &TrialRow) -> Result<Self> {
        Ok(Self { row: trial.row, record: store.record(trial)?, finished: trial.finished })
    }

    /// Which trial.
    #[must_use]
    pub const fn id(&self) -> &TrialId {
        &self.record.id
    }

    /// Every candidate and every call, as the analysis reads them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn facts(&self, store: &Store) -> Result<TrialFacts> {
        let calls = store.calls(self.row, None)?;
        Ok(TrialFacts {
            variant: self.id().variant.clone(),
            candidates: store.candidates(self.row)?,
            calls: calls.into_iter().map(|call| call.fact).collect(),
        })
    }

    /// The stored embeddings of the seed set and of these candidates; `None` when a seed item has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn embeddings(
        &self,
        store: &Store,
        candidates: &[Candidate],
    ) -> Result<Option<Embeddings>> {
        // The encoder that the trial ran with: vectors of another one compare with nothing here.
        let encoder = &self.record.settings.encoder;
        let mut embeddings = Embeddings::default();
        for (id, instruction) in store.seed_instructions(self.row)? {
            let Some(embedding) = store.embedding(encoder, &instruction)? else { return Ok(None) };
            embeddings.seeds.push((id, embedding));
        }
        for candidate in candidates {
            let Some(instruction) = &candidate.instruction else { continue };
            if let Some(embedding) = store.embedding(encoder, instruction)? {
                embeddings.instructions.insert(candidate.id, embedding);
            }
        }
        Ok(Some(embeddings))
    }
}

/// Trials of one experiment under one run seed, with what they recorded.
#[derive(Clone, Debug)]
pub struct TrialGroup {
    /// Name of the experiment.
    pub experiment: String,
    /// Run seed.
    pub seed: u64,
    /// How they were run; the first is the reference.
    pub trials: Vec<StoredTrial>,
    /// Their candidates and calls, in the same order.
    pub facts: Vec<TrialFacts>,
}

impl TrialGroup {
    /// Reads trials that stand behind each other in a list, one group for each experiment and run seed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read_all<'a>(
        store: &'a Store,
        rows: &'a [TrialRow],
    ) -> impl Iterator<Item = Result<Self>> + 'a {
        let is_same = |a: &TrialRow, b: &TrialRow| {
            (&a.id.experiment, a.id.seed) == (&b.id.experiment, b.id.seed)
        };
        rows.chunk_by(is_same).map(|rows| {
            let trials: Vec<StoredTrial> =
                rows.iter().map(|row| StoredTrial::read(store, row)).collect::<Result<_>>()?;
            let facts = trials.iter().map(|trial| trial.facts(store)).collect::<Result<_>>()?;
            let TrialId { experiment, seed, .. } = rows[0].id.clone();
            Ok(Self { experiment, seed, trials, facts })
        })
    }

    /// Every trial with what it recorded, the reference first.
    pub fn each(&self) -> impl Iterator<Item = (&StoredTrial, &TrialFacts)> {
        self.trials.iter().zip(&self.facts)
    }
}

/// Trials by name: `EXPERIMENT` or `EXPERIMENT/VARIANT/seed-N`.
#[derive(Clone, Debug, Default)]
pub struct TrialSelection {
    /// Names; all trials when empty.
    pub names: Vec<String>,
    /// Only this run seed.
    pub seed: Option<u64>,
}

impl TrialSelection {
    /// The trials that are meant: by experiment, then by seed, and within a seed in the order in which they
    /// were begun, which is that of the experiment file.
    ///
    /// # Errors
    /// When a name means no trial; says which there are.
    pub fn find(&self, store: &Store) -> Result<Vec<TrialRow>> {
        let mut trials = store.trials()?;
        let is_of_seed = |id: &TrialId| self.seed.is_none_or(|seed| id.seed == seed);
        for name in &self.names {
            if !trials.iter().any(|trial| is_named(&trial.id, name) && is_of_seed(&trial.id)) {
                return Err(bad_input(self.unknown(Some(name), &trials)));
            }
        }
        if self.seed.is_some() && !trials.iter().any(|trial| is_of_seed(&trial.id)) {
            return Err(bad_input(self.unknown(None, &trials)));
        }
        trials.retain(|trial| {
            let is_named = self.names.iter().any(|name| is_named(&trial.id, name));
            is_of_seed(&trial.id) && (is_named || self.names.is_empty())
        });
        // A row's number rises with the time at which its trial began.
        trials.sort_by_cached_key(|trial| (trial.id.experiment.clone(), trial.id.seed, trial.row));
        Ok(trials)
    }

    /// Says that no trial has this name, or that none at all has the run seed.
    fn unknown(&self, name: Option<&str>, trials: &[TrialRow]) -> anyhow::Error {
        let seed = self.seed.map_or_else(String::new, |seed| format!(" with run seed {seed}"));
        let quoted = |name: &str| format!("`{}`", name.trim_end_matches('/'));
        let what = name.map_or_else(|| "trial".to_owned(), quoted);
        let said = format!("the store holds no {what}{seed}");
        // Of an experiment that there is, its trials; else the experiments, which are far fewer than trials.
        // Folders may stand before the name of a trial.
        let name = name.unwrap_or_default();
        let experiment = name.parse::<TrialId>().map_or_else(
            |_| name.split('/').next().unwrap_or_default().to_owned(),
            |id| id.experiment,
        );
        let ids = || trials.iter().map(|trial| &trial.id);
        let of_experiment = ids().filter(|id| id.experiment == experiment);
        let trials_of: BTreeSet<String> = of_experiment.map(TrialId::to_string).collect();
        let experiments: BTreeSet<String> = ids().map(|id| id.experiment.clone()).collect();
        let listed = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
        if experiments.is_empty() {
            anyhow!("{said}: no trial was begun yet")
        } else if trials_of.is_empty() {
            anyhow!("{said}\nhint: the store's experiments are {}", listed(experiments))
        } else {
            anyhow!("{said}\nhint: it has {}", listed(trials_of))
        }
    }
}

fn is_named(trial: &TrialId, name: &str) -> bool {
    match name.parse::<TrialId>() {
        Ok(named) => *trial == named,
        Err(_) => trial.experiment == name.trim_end_matches('/'),
    }
}
