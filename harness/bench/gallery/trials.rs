//! Figures of the store's finished trials.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};
use gra_analysis::compute::{Compute, MEMBER_PARAMETERS, Parameters, TEACHER_PARAMETERS};
use gra_analysis::figure::compute::{ComputeReadings, CostAndQuality, cost_and_quality};
use gra_analysis::figure::variants::{VariantTrial, Variants};
use gra_analysis::figure::{Figure, compute as compute_figure, decisions, raters, squares};
use gra_analysis::rescore::{Record, Rule, rescore};
use gra_analysis::reviewers::classifier::Classifiers;
use gra_analysis::statistics::inference::Estimate;
use gra_analysis::trial::{Funnel, TrialFacts};
use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::request::ModelName;

use super::measured::{self, JUDGE, Measured, THRESHOLD};
use super::{FigureKind, GalleryEntry, MissingFigure, Sources};
use crate::failure::bad_input;
use crate::store::{Store, TrialRow};
use crate::trial::stored::{StoredTrial, TrialGroup, TrialSelection};

/// Steps of the sensitivity figure from where the trial ran, in halves of a point.
const STEPS: std::ops::RangeInclusive<i32> = -2..=3;

const RUN: &str = "gra-bench ablation";

/// Figures of these kinds, which all take trials.
pub(super) fn draw(
    kinds: &[FigureKind],
    sources: &Sources<'_>,
    measured: &Measured,
) -> Result<Vec<GalleryEntry>> {
    let Some(store) = sources.store else {
        if let Some(name) = sources.wanted.first() {
            bail!(
                "there is no store, and so no `{name}`\nhint: run an experiment first, or name the store"
            );
        }
        let missing = || MissingFigure::new("there is no store of trials yet", RUN);
        return Ok(kinds.iter().map(|kind| GalleryEntry::new(*kind, Err(missing()))).collect());
    };
    let selection = TrialSelection { names: sources.wanted.to_vec(), seed: None };
    let found = selection.find(store)?;
    // Names were checked; figures of the paper alone read no trial.
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let (finished, unfinished): (Vec<TrialRow>, Vec<TrialRow>) =
        found.into_iter().partition(|trial| trial.finished);
    let mut entries = Vec::new();
    // A folder that the user named is of all trials.
    let is_default = sources.stats == sources.results.join("stats");
    for group in TrialGroup::read_all(store, &finished) {
        let group = group?;
        let folder = measured::folder(sources.results, &group);
        let own = (is_default && folder != sources.stats).then(|| Measured::read(&folder));
        let own = own.transpose().map_err(bad_input)?;
        entries.extend(of_group(kinds, &group, own.as_ref().unwrap_or(measured), store));
    }
    for TrialRow { id, .. } in &unfinished {
        // One line per trial says it, not one per figure.
        if kinds.contains(&FigureKind::Funnel) {
            let again = "run its experiment again; it goes on where it was";
            let missing = MissingFigure::new("the trial is not finished", again);
            entries.push(GalleryEntry::about(FigureKind::Funnel, &id.to_string(), Err(missing)));
        }
    }
    for &kind in kinds {
        if entries.iter().all(|entry| entry.kind != kind) {
            let missing = MissingFigure::new("the store has no finished trial", RUN);
            entries.push(GalleryEntry::new(kind, Err(missing)));
        }
    }
    Ok(entries)
}

/// Figures of the finished trials of an experiment and run seed.
pub(super) fn of_group(
    kinds: &[FigureKind],
    group: &TrialGroup,
    measured: &Measured,
    store: &Store,
) -> Vec<GalleryEntry> {
    let name = format!("{}-seed-{}", group.experiment, group.seed);
    let mut entries = Vec::new();
    for &kind in kinds {
        let of_all = match kind {
            FigureKind::Variants => Some(variants(group, measured)),
            FigureKind::Compute => Some(compute(group)),
            FigureKind::CostQuality => Some(cost_quality(group, measured)),
            _ => None,
        };
        if let Some(figure) = of_all {
            entries.push(GalleryEntry::about(kind, &name, figure));
            continue;
        }
        // Variants that share calls have shared pictures, which are drawn once.
        let mut drawn: BTreeMap<String, String> = BTreeMap::new();
        for (trial, facts) in group.each() {
            let name = trial.id().to_string();
            let mut figure = of_trial(kind, trial, &facts.candidates, &measured.folder, store);
            // Alike but for the trial's name, which is in it.
            if let Ok(picture) = figure.as_ref().map(|figure| figure.svg.replace(&name, "")) {
                let first = drawn.entry(picture).or_insert_with(|| name.clone());
                if *first != name {
                    figure = Err(MissingFigure::without_command(format!("same as of {first}")));
                }
            }
            entries.push(GalleryEntry::about(kind, &name, figure));
        }
    }
    entries
}

/// A figure of one trial; a judge's scores are from a folder of `stats` or `compare`.
///
/// # Errors
/// Why it cannot be drawn.
pub(crate) fn of_trial(
    kind: FigureKind,
    trial: &StoredTrial,
    candidates: &[Candidate],
    stats: &Path,
    store: &Store,
) -> Result<Figure, MissingFigure> {
    let name = trial.id().to_string();
    // The order of the pool file is that of rows and colours, in every figure.
    let pool: Vec<ModelName> = trial.record.models.iter().map(|model| model.name.clone()).collect();
    let figure = match kind {
        FigureKind::Funnel => decisions::funnel(&name, &Funnel::of(candidates)),
        FigureKind::Reviewers => {
            // Every review's mean score, by reviewer.
            let mut scores: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
            for review in candidates.iter().flat_map(|candidate| &candidate.response_reviews) {
                let place = pool.iter().position(|model| *model == review.reviewer);
                let reviewer = (place.unwrap_or(pool.len()), review.reviewer.to_string());
                scores.entry(reviewer).or_default().push(review.scores.mean());
            }
            raters::reviewers(&name, &scores, f64::from(trial.record.settings.method.tau))
        }
        FigureKind::Agreement => squares::agreement(&name, candidates, &pool),
        FigureKind::Domains => squares::domains(&name, candidates, &pool),
        FigureKind::Sensitivity => return sensitivity(trial, candidates, store),
        FigureKind::Classifier => return classifier(trial, candidates, stats),
        other => {
            let why = format!("figure {} is not of one trial", other.name());
            return Err(MissingFigure::without_command(why));
        }
    };
    Ok(figure?)
}

/// Acceptance over tau and delta around those of the trial, and at the paper's, as `rescore` finds it.
fn sensitivity(
    trial: &StoredTrial,
    candidates: &[Candidate],
    store: &Store,
) -> Result<Figure, MissingFigure> {
    let (method, variant) = (&trial.record.settings.method, &trial.record.settings.variant);
    let own = Rule::recorded(method, variant);
    let paper = Method::default();
    let axis = |own: Thousandths, paper: Thousandths| {
        let steps = STEPS.map(|half| f64::from(own) + f64::from(half) / 2.0);
        let values =
            steps.filter(|value| *value >= 0.0).filter_map(|v| Thousandths::try_from(v).ok());
        // A set: the trial's own value and the paper's may be among the steps.
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
    let embeddings =
        trial.embeddings(store, candidates).map_err(|error| MissingFigure::unreadable(&error))?;
    let embeddings = embeddings.as_ref();
    let record = Record { candidates, method, variant, embeddings, judge: &judge };
    // A run that was not asked to its end leaves cells unknown, which the figure shows.
    let grid = rescore(&record, &rules)
        .map_err(|error| MissingFigure::without_command(error.to_string()))?;
    Ok(squares::acceptance(&trial.id().to_string(), &grid)?)
}

fn variants(group: &TrialGroup, measured: &Measured) -> Result<Figure, MissingFigure> {
    let rows = group.each().map(|(trial, facts)| {
        // Without a judge's scores a variant still has its committee's.
        let judge = measured.of_trial(trial.id())?.map(|samples| samples.mean(JUDGE));
        Ok(VariantTrial { variant: &facts.variant, candidates: &facts.candidates, judge })
    });
    let rows: Vec<VariantTrial<'_>> = rows.collect::<Result<_, MissingFigure>>()?;
    Ok(Variants::of(&group.experiment, group.seed, &rows).figure()?)
}

/// Those who decide, by the judge that was asked and by checks.
fn classifier(
    trial: &StoredTrial,
    candidates: &[Candidate],
    stats: &Path,
) -> Result<Figure, MissingFigure> {
    let settings = &trial.record.settings;
    let rule = Rule::recorded(&settings.method, &settings.variant);
    let judge = measured::judge(stats, trial.id(), candidates)?;
    let truths = Classifiers::of_trial(candidates, &rule, &judge, THRESHOLD);
    Ok(decisions::classifier(&trial.id().to_string(), &truths)?)
}

/// Of the models' own sizes, where the pool states them.
fn computes(group: &TrialGroup) -> impl Iterator<Item = (&StoredTrial, Compute)> {
    group.each().map(|(trial, facts)| {
        let stated = Parameters::Stated(trial.record.stated_parameters());
        (trial, Compute::of(facts, &stated, TEACHER_PARAMETERS, BTreeMap::new()))
    })
}

fn compute(group: &TrialGroup) -> Result<Figure, MissingFigure> {
    let assumed = Parameters::Assumed(MEMBER_PARAMETERS);
    let rows = computes(group).zip(&group.facts).map(|((trial, stated), facts)| ComputeReadings {
        name: trial.id().variant.clone(),
        stated,
        at_papers_size: Compute::of(facts, &assumed, TEACHER_PARAMETERS, BTreeMap::new()),
        sizes: asked_sizes(trial, facts),
    });
    compute_figure::compute(&rows.collect::<Vec<_>>()).map_err(|error| {
        let command = "state `parameters` of the pool's models, or: gra-bench compute TRIAL";
        MissingFigure::new(error.to_string(), command)
    })
}

/// Stated parameters of the models that a trial asked.
fn asked_sizes(trial: &StoredTrial, facts: &TrialFacts) -> Vec<u64> {
    let stated = trial.record.stated_parameters();
    let asked: BTreeSet<&ModelName> = facts.calls.iter().map(|call| &call.model).collect();
    asked.into_iter().filter_map(|model| stated.get(model).copied()).collect()
}

fn cost_quality(group: &TrialGroup, measured: &Measured) -> Result<Figure, MissingFigure> {
    let variants = computes(group).map(|(trial, compute)| {
        let samples = measured.of_trial(trial.id())?;
        let judge = samples.map_or(Estimate::NONE, |samples| samples.mean(JUDGE));
        Ok(CostAndQuality { variant: trial.id().variant.clone(), compute, judge })
    });
    let variants: Vec<CostAndQuality> = variants.collect::<Result<_, MissingFigure>>()?;
    let title = format!("{}, run seed {}", group.experiment, group.seed);
    cost_and_quality(&title, &variants).map_err(|error| {
        MissingFigure::new(error.to_string(), "gra-bench compare EXPERIMENT.toml --judge MODEL")
    })
}
