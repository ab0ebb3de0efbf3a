//! Pictures of a report, as SVG within the page, each on a light card.

use anyhow::Result;
use gra_analysis::figure::acceptance::acceptance;
use gra_analysis::rescore::{Record, Rule, rescore};
use gra_synth::method::Thousandths;
use std::collections::BTreeMap;

use super::markup::Html;
use super::material::{Material, SeedMaterial};

/// Most candidates of a trial whose reviews are decided again for a heat map.
const RESCORED: usize = 20_000;

/// Steps of tau and delta around those of the trial, in thousandths.
const STEPS: [i64; 5] = [-1000, -500, 0, 500, 1000];

/// A drawing and what it is called.
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) svg: String,
}

/// What can be drawn of a report's trials.
///
/// # Errors
/// When a drawing fails.
pub(super) fn pictures(material: &Material) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for group in &material.seeds {
        pictures.extend(thresholds(group)?);
    }
    Ok(pictures)
}

/// Acceptance of the reference under other thresholds.
fn thresholds(group: &SeedMaterial) -> Result<Option<Picture>> {
    let (trial, candidates) = (group.reference(), &group.facts[0].candidates);
    let (method, variant) = (&trial.settings.method, trial.variant());
    let own = Rule::recorded(method, variant);
    let reviewed = candidates.iter().any(|candidate| candidate.tally().is_some());
    if own.reviewers == 0 || !reviewed || candidates.len() > RESCORED {
        return Ok(None);
    }
    let around = |own: Thousandths, least: i64, most: i64| -> Vec<Thousandths> {
        let values = STEPS.iter().map(|step| i64::from(own.thousandths()) + step);
        let values = values.filter(|value| (least..=most).contains(value));
        #[expect(clippy::cast_precision_loss, reason = "thousandths of at most ten points")]
        let values = values.map(|value| value as f64 / 1000.0);
        values.filter_map(|value| Thousandths::try_from(value).ok()).collect()
    };
    let (taus, deltas) = (around(method.tau, 0, 10_000), around(method.delta, 0, 5_000));
    let rules: Vec<Rule> = taus
        .iter()
        .flat_map(|&tau| deltas.iter().map(move |&delta| Rule { tau, delta, ..own }))
        .collect();
    let judge = BTreeMap::new();
    let run_seed = trial.row.id.seed;
    let record = Record { candidates, method, variant, run_seed, embeddings: None, judge: &judge };
    let grid = rescore(&record, &rules)?;
    let name = trial.row.id.to_string();
    Ok(Some(Picture {
        title: format!("Acceptance of {name} under other thresholds"),
        caption:
            "Recorded reviews decided again; no model was asked. Duplicates stay as they were \
                  recorded; `gra-bench rescore` decides them again too."
                .to_owned(),
        svg: acceptance(&name, &grid)?,
    }))
}

/// The cards.
pub(super) fn html(pictures: &[Picture]) -> Html {
    let card = |picture: &Picture| {
        let (title, caption) = (Html::text(&picture.title), Html::text(&picture.caption));
        // Without a prologue, an SVG is an element of the page.
        let start = picture.svg.find("<svg").unwrap_or(0);
        let svg = picture.svg[start..].replacen("<svg", "<svg role=\"img\"", 1);
        Html::ours(format!(
            "<figure>\n<div class=\"drawing\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\
             {svg}</div>\n<figcaption>{caption}</figcaption>\n</figure>\n"
        ))
    };
    let cards: Html = pictures.iter().map(card).collect();
    Html::element("div", "figures", &cards)
}
