//! What came out, before anything else: in sentences, and as one line with an interval per variant.

use std::fmt::Write;

use gra_analysis::ablation::VariantRow;
use gra_analysis::ablation::comparison;
use gra_analysis::statistics::bootstrap::{Estimate, Interval};
use gra_analysis::trial::TrialFacts;
use gra_analysis::trial::funnel::Funnel;

use super::markup::{Html, Table};
use super::material::{Material, SeedMaterial};

/// The level at which a corrected p-value counts as a difference.
const LEVEL: f64 = 0.05;

/// Warnings that a reader needs before any number.
pub(super) fn warnings(material: &Material) -> Html {
    let mut warnings = Html::default();
    let mut warn = |text: String| {
        let text = Html::text(text);
        warnings.push(&Html::ours(format!("<p class=\"warning\" role=\"note\">{text}</p>\n")));
    };
    for (trial, facts) in material.trials().filter(|(trial, _)| !trial.row.finished) {
        let rounds = facts.candidates.iter().map(|candidate| round(candidate.id)).max();
        let rounds = rounds.map_or_else(
            || "no round is on record yet".to_owned(),
            |last| format!("{last} of {} rounds are on record", trial.settings.method.rounds),
        );
        warn(format!(
            "Trial {} is not finished: {rounds}. Its numbers are those so far and will change.",
            trial.row.id
        ));
    }
    if material.trials().any(|(trial, _)| trial.card.demonstration) {
        warn("This is a demonstration on models that are too small to write or judge such texts. It \
              shows how the harness works; its numbers are no result."
            .to_owned());
    }
    warnings
}

fn round(id: gra_synth::pool::ItemId) -> u32 {
    match id {
        gra_synth::pool::ItemId::Seed(_) => 0,
        gra_synth::pool::ItemId::Candidate { round, .. } => round,
    }
}

/// The verdict of a run seed.
pub(super) fn verdict(group: &SeedMaterial) -> Html {
    let rows = group.table.rows();
    let estimates: Vec<Estimate> =
        group.facts.iter().map(|facts| acceptance(facts, group.seed)).collect();
    let mut sentences = vec![headline(&rows[0], estimates[0])];
    sentences.extend(disputes(&rows[0].funnel));
    sentences.extend(differences(rows));
    let items = sentences.into_iter().map(|sentence| Html::element("li", "", &sentence));
    let mut html = Html::element("ul", "verdict", &items.collect());
    html.push(&lines(group, &estimates));
    html
}

fn acceptance(facts: &TrialFacts, seed: u64) -> Estimate {
    comparison::acceptance(&facts.candidates, seed)
}

fn headline(row: &VariantRow, estimate: Estimate) -> Html {
    let Funnel { candidates, accepted, surplus, .. } = row.funnel;
    let surplus = match surplus {
        0 => String::new(),
        n => format!(" ({n} more passed and were not needed)"),
    };
    let variant = Html::element("b", "", &Html::text(&row.variant));
    let rest = Html::text(match share(estimate) {
        Some(share) => format!(
            ": {} of {} candidates became samples{surplus}. {share} of them passed review and \
             deduplication.",
            grouped(accepted),
            grouped(candidates)
        ),
        None => ": no candidate was decided.".to_owned(),
    });
    [variant, rest].into_iter().collect()
}

/// `50% (95% interval 31% to 69%)`.
fn share(estimate: Estimate) -> Option<String> {
    let value = percent(estimate.value?);
    Some(match estimate.interval {
        Some(Interval { low, high }) => {
            format!("{value} (95% interval {} to {})", percent(low), percent(high))
        }
        None => format!("{value} (too few seed items for an interval)"),
    })
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn disputes(funnel: &Funnel) -> Option<Html> {
    let reviewed = funnel.scores_reviewed.n;
    (reviewed > 0).then(|| {
        let settled = match (funnel.disputed, funnel.adjudicated_in) {
            (0, _) => String::new(),
            (_, kept) => format!("; an adjudicator let {} of them pass", grouped(kept)),
        };
        Html::text(format!(
            "Reviewers disagreed on {} of the {} candidates that the whole committee scored{settled}.",
            grouped(funnel.disputed),
            grouped(reviewed)
        ))
    })
}

/// Which variants can be told from the reference, and which cannot.
fn differences(rows: &[VariantRow]) -> Vec<Html> {
    let reference = &rows[0].variant;
    let (mut told, mut untold) = (Vec::new(), Vec::new());
    for row in &rows[1..] {
        let Some(difference) = row.difference.map(|difference| difference.acceptance) else {
            continue;
        };
        let name = Html::element("b", "", &Html::text(&row.variant));
        match (difference.estimate.value, difference.p) {
            (Some(value), Some(p)) if p < LEVEL => {
                let more = if value > 0.0 { "more" } else { "fewer" };
                let points = Html::text(format!(
                    " lets {:.1} points {more} pass (p = {p:.3})",
                    100.0 * value.abs()
                ));
                told.push([name, points].into_iter().collect::<Html>());
            }
            _ => untold.push(name),
        }
    }
    let mut sentences = Vec::new();
    if !told.is_empty() {
        let begin = Html::ours("<span class=\"told\">Distinguishable</span> from ");
        sentences.push(listed(begin, reference, &told, "."));
    }
    if !untold.is_empty() {
        let begin = Html::text("Not distinguishable in acceptance from ");
        sentences.push(listed(begin, reference, &untold, ", with so many candidates."));
    }
    sentences
}

fn listed(mut html: Html, reference: &str, items: &[Html], end: &str) -> Html {
    html.push(&Html::text(format!("{reference}: ")));
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            html.push(&Html::text(", "));
        }
        html.push(item);
    }
    html.push(&Html::text(end));
    html
}

/// One line per variant: samples, acceptance on a scale from 0 to 1, the difference.
fn lines(group: &SeedMaterial, estimates: &[Estimate]) -> Html {
    let mut table = Table::new(
        "Acceptance: share of decided candidates that passed, 95% interval over seed items",
        &[
            "Variant",
            "#drawn",
            "#samples",
            "#acceptance",
            "0 to 100%",
            "difference, 95% interval",
            "#p",
        ],
    );
    for ((row, estimate), trial) in group.table.rows().iter().zip(estimates).zip(&group.trials) {
        let mark = if trial.row.finished { "" } else { " (not finished)" };
        let difference = row.difference.map(|difference| difference.acceptance);
        table.row(vec![
            Html::text(format!("{}{mark}", row.variant)),
            Html::text(grouped(row.funnel.candidates)),
            Html::text(grouped(row.funnel.accepted)),
            Html::text(estimate.value.map_or_else(missing, percent)),
            whisker(*estimate),
            Html::unbroken(match difference {
                Some(difference) => points(difference.estimate),
                None => "reference".to_owned(),
            }),
            Html::text(difference.and_then(|d| d.p).map_or_else(missing, |p| format!("{p:.3}"))),
        ]);
    }
    table.html()
}

/// `+12.5 points (+4.2 to +20.8)`.
fn points(estimate: Estimate) -> String {
    let Some(value) = estimate.value else { return missing() };
    let interval = estimate
        .interval
        .map(|Interval { low, high }| format!(" ({:+.1} to {:+.1})", 100.0 * low, 100.0 * high));
    format!("{:+.1} points{}", 100.0 * value, interval.unwrap_or_default())
}

/// A dot and its interval on a scale from 0 to 1.
fn whisker(estimate: Estimate) -> Html {
    let Some(value) = estimate.value else { return Html::text(missing()) };
    let at = |share: f64| 4.0 + 192.0 * share;
    let mut svg = String::from(
        "<svg class=\"whisker\" viewBox=\"0 0 200 20\" aria-hidden=\"true\">\
         <path class=\"axis\" d=\"M4 10H196M4 6V14M100 7V13M196 6V14\"/>",
    );
    if let Some(Interval { low, high }) = estimate.interval {
        let _ = write!(svg, "<path class=\"span\" d=\"M{:.1} 10H{:.1}\"/>", at(low), at(high));
    }
    let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"10\" r=\"4\"/></svg>", at(value));
    Html::ours(svg)
}

/// What stands for a number that does not exist.
pub(super) fn missing() -> String {
    "\u{2013}".to_owned()
}

/// `12,345`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_intervals_told() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
        let of = |value, interval: Option<(f64, f64)>| Estimate {
            n: 9,
            value,
            interval: interval.map(|(low, high)| Interval { low, high }),
        };
        assert_eq!(share(of(None, None)), None);
        let told = share(of(Some(0.5), Some((0.25, 0.75))));
        assert_eq!(told.as_deref(), Some("50.0% (95% interval 25.0% to 75.0%)"));
        assert_eq!(points(of(Some(-0.125), Some((-0.25, 0.0)))), "-12.5 points (-25.0 to +0.0)");
        assert_eq!(points(of(None, None)), "\u{2013}");
    }
}
