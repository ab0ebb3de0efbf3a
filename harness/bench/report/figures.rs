//! Figures of a report, as SVG within the page, each on a light card: those of the gallery that there is data
//! for. Of each trial's own figures, the page has those of the reference.

use std::path::Path;

use anyhow::Result;
use gra_analysis::figure::Figure;

use super::subject::{ReportSubject, SeedResults};
use crate::comparison;
use crate::gallery::{self, FigureKind, GalleryEntry, Sources};
use crate::html::Html;
use crate::store::Store;

/// Most candidates of a trial whose reviews are decided again for a heat map.
const RESCORED: usize = 20_000;

/// The figures of a run seed's reference.
pub(super) fn of_reference(seed: &SeedResults, results: &Path, store: &Store) -> Vec<Figure> {
    let (trial, candidates) = (&seed.group.trials[0], &seed.group.facts[0].candidates);
    let mut kinds = vec![
        FigureKind::Funnel,
        FigureKind::Reviewers,
        FigureKind::Agreement,
        FigureKind::Classifier,
        FigureKind::Domains,
    ];
    if candidates.len() <= RESCORED {
        kinds.push(FigureKind::Sensitivity);
    }
    // No picture is worth the report.
    let stats = gallery::folder(results, &seed.group);
    let draw = |kind| gallery::of_trial(kind, trial, candidates, &stats, store).ok();
    kinds.into_iter().filter_map(draw).collect()
}

/// What compares the variants of an experiment whose trials are all finished.
///
/// # Errors
/// As [`gallery::draw`].
pub(super) fn over_variants(
    subject: &ReportSubject,
    results: &Path,
    store: &Store,
) -> Result<Vec<Figure>> {
    if subject.trials().any(|(trial, _)| !trial.finished) {
        return Ok(Vec::new());
    }
    let kinds = [FigureKind::Variants, FigureKind::Compute, FigureKind::CostQuality];
    let mut entries = Vec::new();
    for SeedResults { group, .. } in &subject.seeds {
        entries.extend(gallery::draw_groups(
            &kinds,
            [group],
            &gallery::folder(results, group),
            store,
        )?);
    }
    let stats = results.join("stats");
    let sources = Sources { results, stats, store: None, wanted: &[] };
    if sources.has_benchmarks() {
        entries.extend(gallery::draw(&[FigureKind::Averages, FigureKind::Rounds], &sources)?);
    }
    Ok(drawn(entries))
}

/// What `compare` has made data for.
///
/// # Errors
/// As [`gallery::draw`].
pub(super) fn of_comparison(results: &Path, experiment: &str, seed: u64) -> Result<Vec<Figure>> {
    let stats = comparison::folder(results, experiment, seed);
    let sources = Sources { results, stats, store: None, wanted: &[] };
    let kinds =
        [FigureKind::SeedMap, FigureKind::DistilledMap, FigureKind::Raters, FigureKind::Difficulty];
    Ok(drawn(gallery::draw(&kinds, &sources)?))
}

/// The figures that there is data for.
fn drawn(entries: Vec<GalleryEntry>) -> Vec<Figure> {
    entries.into_iter().filter_map(|entry| entry.figure.ok()).collect()
}

/// The cards. Title and caption are in the drawing, and its texts can be read and searched there.
pub(super) fn html(figures: &[Figure]) -> Html {
    let card = |figure: &Figure| {
        let title = Html::text(&figure.title);
        // Without a prologue, an SVG is an element of the page.
        let start = figure.svg.find("<svg").unwrap_or(0);
        Html::trusted(format!(
            "<figure class=\"drawing\" tabindex=\"0\" aria-label=\"{title}\">{}</figure>\n",
            &figure.svg[start..]
        ))
    };
    if figures.is_empty() {
        return Html::default();
    }
    Html::element("div", "figures", &figures.iter().map(card).collect())
}
