//! Pictures of a report, as SVG within the page, each on a light card.
//!
//! The reference of every run seed is drawn; a picture that its trial has no data for is left out.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use gra_analysis::figure::Figure;
use gra_analysis::figure::acceptance::acceptance;
use gra_analysis::figure::agreement::agreement;
use gra_analysis::figure::domains::domains;
use gra_analysis::figure::funnel::funnel;
use gra_analysis::figure::raters::reviewers;
use gra_analysis::rescore::{Record, Rule, rescore};
use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;

use super::markup::Html;
use super::material::{Material, SeedMaterial, TrialMaterial};
use crate::comparison;
use crate::gallery::{self, Kind, Sources};
use crate::store::Store;

/// Most candidates of a trial whose reviews are decided again for a heat map.
const RESCORED: usize = 20_000;

/// Steps of tau and delta around those of the trial, in thousandths.
const STEPS: [i64; 5] = [-1000, -500, 0, 500, 1000];

/// What can be drawn of a run seed's reference.
///
/// # Errors
/// When recorded facts are damaged.
pub(super) fn pictures(group: &SeedMaterial) -> Result<Vec<Figure>> {
    let (trial, candidates) = (group.reference(), &group.facts[0].candidates);
    let name = trial.row.id.to_string();
    let tau = f64::from(trial.settings.method.tau);
    let drawn = [
        funnel(&name, &group.table.rows()[0].funnel),
        reviewers(&name, &scores(candidates), tau),
        agreement(&name, candidates),
        domains(&name, candidates),
    ];
    // No picture is worth the report.
    let mut pictures: Vec<Figure> = drawn.into_iter().flatten().collect();
    pictures.extend(thresholds(&name, trial, candidates)?);
    Ok(pictures)
}

/// What compares the variants of an experiment whose trials are all finished.
///
/// # Errors
/// As [`gallery::draw`].
pub(super) fn over_variants(
    material: &Material,
    store: &Store,
    results: &Path,
) -> Result<Vec<Figure>> {
    if material.trials().any(|(trial, _)| !trial.row.finished) {
        return Ok(Vec::new());
    }
    let wanted: Vec<String> =
        material.trials().map(|(trial, _)| trial.row.id.to_string()).collect();
    let (stats, store) = (results.join("stats"), Some(store));
    let sources = Sources { results, stats, store, wanted: &wanted };
    let mut kinds = vec![Kind::Variants, Kind::Compute];
    if sources.has_benchmarks() {
        kinds.extend([Kind::Averages, Kind::Rounds]);
    }
    drawable(&kinds, &sources)
}

/// What `compare` has made data for.
///
/// # Errors
/// As [`gallery::draw`].
pub(super) fn of_comparison(results: &Path, experiment: &str, seed: u64) -> Result<Vec<Figure>> {
    let stats = comparison::folder(results, experiment, seed);
    let sources = Sources { results, stats, store: None, wanted: &[] };
    drawable(&[Kind::SeedMap, Kind::DistilledMap, Kind::Raters, Kind::Difficulty], &sources)
}

/// The figures that there is data for.
fn drawable(kinds: &[Kind], sources: &Sources<'_>) -> Result<Vec<Figure>> {
    let entries = gallery::draw(kinds, sources)?;
    Ok(entries.into_iter().filter_map(|entry| entry.figure.ok()).collect())
}

/// The mean of six of every review of a response, by reviewer.
fn scores(candidates: &[Candidate]) -> BTreeMap<String, Vec<f64>> {
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for review in candidates.iter().flat_map(|candidate| &candidate.response_reviews) {
        scores.entry(review.reviewer.to_string()).or_default().push(review.scores.mean());
    }
    scores
}

/// Acceptance under other thresholds.
fn thresholds(
    name: &str,
    trial: &TrialMaterial,
    candidates: &[Candidate],
) -> Result<Option<Figure>> {
    let (method, variant) = (&trial.settings.method, trial.variant());
    let own = Rule::recorded(method, variant);
    let reviewed = candidates.iter().any(|candidate| candidate.tally().is_some());
    if own.reviewers == 0 || !reviewed || candidates.len() > RESCORED {
        return Ok(None);
    }
    let around = |own: Thousandths, most: i64| -> Vec<Thousandths> {
        let values = STEPS.iter().map(|step| i64::from(own.thousandths()) + step);
        let values = values.filter(|value| (0..=most).contains(value));
        #[expect(clippy::cast_precision_loss, reason = "thousandths of at most ten points")]
        let values = values.map(|value| value as f64 / 1000.0);
        values.filter_map(|value| Thousandths::try_from(value).ok()).collect()
    };
    let (taus, deltas) = (around(method.tau, 10_000), around(method.delta, 5_000));
    let rules: Vec<Rule> = taus
        .iter()
        .flat_map(|&tau| deltas.iter().map(move |&delta| Rule { tau, delta, ..own }))
        .collect();
    let judge = BTreeMap::new();
    let run_seed = trial.row.id.seed;
    let record = Record { candidates, method, variant, run_seed, embeddings: None, judge: &judge };
    Ok(acceptance(name, &rescore(&record, &rules)?).ok())
}

/// The cards. Title and caption are in the drawing, and its texts can be read and searched there.
pub(super) fn html(pictures: &[Figure]) -> Html {
    let card = |picture: &Figure| {
        let title = Html::text(&picture.title);
        // Without a prologue, an SVG is an element of the page.
        let start = picture.svg.find("<svg").unwrap_or(0);
        Html::ours(format!(
            "<figure class=\"drawing\" tabindex=\"0\" aria-label=\"{title}\">{}</figure>\n",
            &picture.svg[start..]
        ))
    };
    if pictures.is_empty() {
        return Html::default();
    }
    let cards: Html = pictures.iter().map(card).collect();
    Html::element("div", "figures", &cards)
}
