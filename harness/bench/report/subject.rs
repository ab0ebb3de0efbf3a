//! What a report is about. Trials that are not finished are read as far as they got.

use std::path::Path;

use anyhow::{Context, Result};
use gra_analysis::ablation::AblationTable;
use gra_analysis::trial::TrialFacts;
use serde_json::{Map, Value};

use crate::publish::PublishedManifest;
use crate::store::Store;
use crate::trial::TrialId;
use crate::trial::stored::{StoredTrial, TrialGroup, TrialSelection};
use crate::{rows, suite};

/// Everything that a report tells of.
pub(super) struct ReportSubject {
    /// What the page is called.
    pub(super) title: String,
    /// By run seed.
    pub(super) seeds: Vec<SeedResults>,
    /// What the experiment asked, where a manifest says it.
    pub(super) manifest: Option<PublishedManifest>,
}

/// What one run seed gave.
pub(super) struct SeedResults {
    /// Its trials, the reference first.
    pub(super) group: TrialGroup,
    pub(super) table: AblationTable,
    /// Columns and lines of `seed-N.measured.csv`, where there is one.
    pub(super) measured: Vec<Map<String, Value>>,
}

impl ReportSubject {
    /// Reads an experiment, or a trial; `seed`: only this run seed.
    pub(super) fn read(
        store: &Store,
        results: &Path,
        name: &str,
        seed: Option<u64>,
    ) -> Result<Self> {
        let selection = TrialSelection { names: vec![name.to_owned()], seed };
        let selected = selection.find(store)?;
        let title = match name.parse::<TrialId>() {
            Ok(trial) => trial.to_string(),
            Err(_) => selected[0].id.experiment.clone(),
        };
        // A report needs no published files; what cannot be read of them is left out.
        let manifest = |id| PublishedManifest::read(results, id).ok().flatten();
        let manifest = selected.iter().find_map(|trial| manifest(&trial.id));
        let seeds = TrialGroup::read_all(store, &selected)
            .map(|group| SeedResults::new(group?, results))
            .collect::<Result<_>>()?;
        Ok(Self { title, seeds, manifest })
    }

    /// The first trial of the page.
    pub(super) fn reference(&self) -> &StoredTrial {
        &self.seeds[0].group.trials[0]
    }

    /// The experiment's name; `None` of a report about one trial.
    pub(super) fn experiment(&self) -> Option<&str> {
        let experiment = &self.reference().id().experiment;
        (self.title == *experiment).then_some(experiment)
    }

    /// Every trial, in the order of the page.
    pub(super) fn trials(&self) -> impl Iterator<Item = (&StoredTrial, &TrialFacts)> {
        self.seeds.iter().flat_map(SeedResults::trials)
    }
}

impl SeedResults {
    fn new(group: TrialGroup, results: &Path) -> Result<Self> {
        let mut table = AblationTable::new(&group.facts, &group.facts[0].variant, group.seed)?;
        for trial in group.trials.iter().filter(|trial| trial.finished) {
            table.set_target(&trial.id().variant, trial.record.target())?;
        }
        let measured = suite::measured_path(results, &group.experiment, group.seed);
        let measured = match std::fs::read(&measured) {
            Ok(csv) => {
                rows::json(&csv).with_context(|| format!("cannot read {}", measured.display()))?
            }
            Err(_) => Vec::new(),
        };
        Ok(Self { group, table, measured })
    }

    /// Every trial of this run seed, the reference first.
    pub(super) fn trials(&self) -> impl Iterator<Item = (&StoredTrial, &TrialFacts)> {
        self.group.trials.iter().zip(&self.group.facts)
    }
}
