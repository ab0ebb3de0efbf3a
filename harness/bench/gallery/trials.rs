//! Figures of the store's finished trials.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use gra_analysis::cost::compute::{Compute, Parameters, TEACHER_PARAMETERS};
use gra_analysis::figure::variants::{VariantTrial, Variants};
use gra_analysis::figure::{
    Figure, acceptance, agreement, compute as compute_figure, domains, funnel, raters,
};
use gra_analysis::rescore::{Record, Rule, rescore};
use gra_analysis::trial::TrialFacts;
use gra_analysis::trial::funnel::Funnel;
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::request::ModelName;

use super::measured::{JUDGE, Measured};
use super::{Entry, Kind, Missing, Sources};
use crate::finished::FinishedTrial;
use crate::store::{Store, TrialId};

/// Steps of the sensitivity figure from where the trial ran, in halves of a point.
const STEPS: std::ops::RangeInclusive<i32> = -2..=3;

const RUN: &str = "gra-bench ablation";

/// Trials of the store that were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Finished ones, by experiment and run seed; in each the reference first, where it is known by its
    /// name `gra`, then by name.
    pub finished: BTreeMap<(String, u64), Vec<TrialId>>,
    /// The others.
    pub unfinished: Vec<TrialId>,
}

impl Selection {
    /// Trials and experiments by name; everything when nothing is named.
    ///
    /// # Errors
    /// When one of them is not in the store, or the store cannot be read.
    pub fn of(store: &Store, wanted: &[String]) -> Result<Self> {
        let trials = store.trials()?;
        for name in wanted {
            if !trials.iter().any(|trial| is_named(&trial.id, name)) {
                let known: BTreeSet<&str> =
                    trials.iter().map(|trial| trial.id.experiment.as_str()).collect();
                let known: Vec<&str> = known.into_iter().collect();
                bail!(
                    "the store has no trial or experiment `{name}`\nhint: {}",
                    match known.as_slice() {
                        [] => "it is empty; run an experiment first".to_owned(),
                        known => format!("its experiments are {}", known.join(", ")),
                    }
                );
            }
        }
        let mut selection = Self::default();
        for trial in trials {
            if !wanted.is_empty() && !wanted.iter().any(|name| is_named(&trial.id, name)) {
                continue;
            }
            if trial.finished {
                let group = (trial.id.experiment.clone(), trial.id.seed);
                selection.finished.entry(group).or_default().push(trial.id);
            } else {
                selection.unfinished.push(trial.id);
            }
        }
        for trials in selection.finished.values_mut() {
            trials.sort_by_key(|trial| (trial.variant != "gra", trial.variant.clone()));
        }
        Ok(selection)
    }
}

fn is_named(trial: &TrialId, name: &str) -> bool {
    let name = name.trim_end_matches('/');
    trial.experiment == name || trial.to_string() == name
}

/// Figures of these kinds, which all take trials.
pub(super) fn draw(
    kinds: &[Kind],
    sources: &Sources<'_>,
    measured: &Measured,
) -> Result<Vec<Entry>> {
    let Some(store) = sources.store else {
        if let Some(name) = sources.wanted.first() {
            bail!(
                "there is no store, and so no `{name}`\nhint: run an experiment first, or name the store"
            );
        }
        let missing = || Missing::new("there is no store of trials yet", RUN);
        return Ok(kinds.iter().map(|kind| Entry::of(*kind, Err(missing()))).collect());
    };
    let selection = Selection::of(store, sources.wanted)?;
    let mut entries = Vec::new();
    for ((experiment, seed), ids) in &selection.finished {
        let trials: Vec<FinishedTrial> =
            ids.iter().map(|id| FinishedTrial::load(store, id.clone())).collect::<Result<_>>()?;
        let group = format!("{experiment}-seed-{seed}");
        for &kind in kinds {
            match kind {
                Kind::Variants => {
                    let figure = variants(experiment, *seed, &trials, measured);
                    entries.push(Entry::about(kind, &group, figure));
                }
                Kind::Compute => {
                    let figure = compute(&trials, store)?;
                    entries.push(Entry::about(kind, &group, figure));
                }
                _ => {
                    for trial in &trials {
                        let figure = of_trial(kind, trial);
                        entries.push(Entry::about(kind, &trial.id.to_string(), figure));
                    }
                }
            }
        }
    }
    for id in &selection.unfinished {
        let missing = Missing {
            is_unreadable: false,
            why: "the trial is not finished".to_owned(),
            command: Some("run its experiment again; it goes on where it was".to_owned()),
        };
        let kinds = kinds.iter().filter(|kind| **kind == Kind::Funnel);
        entries
            .extend(kinds.map(|kind| Entry::about(*kind, &id.to_string(), Err(missing.clone()))));
    }
    for &kind in kinds {
        if entries.iter().all(|entry| entry.kind != kind) {
            entries
                .push(Entry::of(kind, Err(Missing::new("the store has no finished trial", RUN))));
        }
    }
    Ok(entries)
}

/// A figure of one trial.
fn of_trial(kind: Kind, trial: &FinishedTrial) -> Result<Figure, Missing> {
    let (name, candidates) = (trial.id.to_string(), trial.candidates.as_slice());
    let figure = match kind {
        Kind::Funnel => funnel::funnel(&name, &Funnel::of(candidates)),
        Kind::Reviewers => {
            let tau = f64::from(trial.settings.method.tau);
            raters::reviewers(&name, &scores(trial), tau)
        }
        Kind::Agreement => agreement::agreement(&name, candidates),
        Kind::Domains => domains::domains(&name, candidates),
        _ => return sensitivity(trial),
    };
    Ok(figure?)
}

/// Every review's mean score, by reviewer.
fn scores(trial: &FinishedTrial) -> BTreeMap<String, Vec<f64>> {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for review in trial.candidates.iter().flat_map(|candidate| &candidate.response_reviews) {
        scores.entry(review.reviewer.to_string()).or_default().push(review.scores.mean());
    }
    scores
}

/// Acceptance over tau and delta around those of the trial, and at the paper's. Duplicates stay as they
/// were recorded; `rescore` asks for their embeddings.
fn sensitivity(trial: &FinishedTrial) -> Result<Figure, Missing> {
    let (method, variant) = (&trial.settings.method, &trial.settings.variant);
    let own = Rule::recorded(method, variant);
    let paper = Method::default();
    let axis = |own: Thousandths, paper: Thousandths| {
        let steps = STEPS.map(|half| f64::from(own) + f64::from(half) / 2.0);
        let values =
            steps.filter(|value| *value >= 0.0).filter_map(|v| Thousandths::try_from(v).ok());
        values.chain([own, paper]).collect::<BTreeSet<Thousandths>>()
    };
    let (taus, deltas) = (axis(own.tau, paper.tau), axis(own.delta, paper.delta));
    let is_valid = |tau: &&Thousandths| Method { tau: **tau, ..method.clone() }.check().is_ok();
    let rules: Vec<Rule> = taus
        .iter()
        .filter(is_valid)
        .flat_map(|&tau| deltas.iter().map(move |&delta| Rule { tau, delta, ..own }))
        .collect();
    let judge = BTreeMap::new();
    let record = Record {
        candidates: &trial.candidates,
        method,
        variant,
        run_seed: trial.id.seed,
        embeddings: None,
        judge: &judge,
    };
    let grid =
        rescore(&record, &rules).map_err(|error| Missing::without_command(error.to_string()))?;
    Ok(acceptance::acceptance(&trial.id.to_string(), &grid)?)
}

fn variants(
    experiment: &str,
    seed: u64,
    trials: &[FinishedTrial],
    measured: &Measured,
) -> Result<Figure, Missing> {
    let mut rows: Vec<VariantTrial<'_>> = Vec::new();
    for trial in trials {
        let samples = measured.of_trial(&trial.id.to_string())?;
        rows.push(VariantTrial {
            variant: &trial.id.variant,
            candidates: &trial.candidates,
            judge: samples.map(|samples| samples.mean(JUDGE, seed, &["figure-4", "judge"])),
        });
    }
    Ok(Variants::of(experiment, seed, &rows).figure()?)
}

/// Of the models' own sizes, where the pool states them.
fn compute(trials: &[FinishedTrial], store: &Store) -> Result<Result<Figure, Missing>> {
    let mut rows = Vec::new();
    for trial in trials {
        let models = trial.card.models.iter();
        let stated: BTreeMap<ModelName, u64> = models
            .filter_map(|model| Some((ModelName::new(&model.name), model.parameters?)))
            .collect();
        let facts = TrialFacts {
            variant: trial.id.variant.clone(),
            candidates: trial.candidates.clone(),
            calls: trial.calls(store)?,
        };
        let stated = Parameters::Stated(stated);
        let compute = Compute::of(&facts, &stated, TEACHER_PARAMETERS, BTreeMap::new());
        rows.push((trial.id.variant.clone(), compute));
    }
    Ok(compute_figure::compute(&rows).map_err(|error| Missing {
        is_unreadable: false,
        why: error.to_string(),
        command: Some(
            "state `parameters` of the pool's models, or: gra-bench compute TRIAL".to_owned(),
        ),
    }))
}
