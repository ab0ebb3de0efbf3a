//! What came out, before anything else: in sentences, and as one line with an interval per variant.

use std::fmt::Write;

use gra_analysis::ablation::{self, VariantRow};
use gra_analysis::statistics::inference::{Estimate, Interval, LEVEL};
use gra_analysis::trial::{Funnel, TrialFacts};
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

use super::{ReportSubject, SeedResults};
use crate::html::{Html, HtmlTable};
use crate::numbers::{MISSING, grouped, or_missing, p_value, percent, points, share};

/// Warnings that a reader needs before any number.
pub(super) fn warnings(subject: &ReportSubject) -> Html {
    let mut warnings = Html::default();
    let mut warn = |text: String| {
        let text = Html::text(text);
        warnings.push(&Html::trusted(format!("<p class=\"warning\" role=\"note\">{text}</p>\n")));
    };
    for (trial, facts) in subject.trials().filter(|(trial, _)| !trial.finished) {
        let round = |candidate: &Candidate| match candidate.id {
            ItemId::Seed(_) => 0,
            ItemId::Candidate { round, .. } => round,
        };
        let of = trial.record.settings.method.rounds;
        let rounds = match facts.candidates.iter().map(round).max() {
            Some(last) => format!("{last} of {of} rounds are on record"),
            None => "no round is on record yet".to_owned(),
        };
        warn(format!(
            "Trial {} is not finished: {rounds}. Its numbers are those so far and will change.",
            trial.id()
        ));
    }
    if subject.trials().any(|(trial, _)| trial.record.demonstration) {
        warn("This is a demonstration on models that are too small to write or judge such texts. It \
              shows how the harness works; its numbers are no result."
            .to_owned());
    }
    warnings
}

/// The verdict of a run seed.
pub(super) fn verdict(seed: &SeedResults) -> Html {
    let rows = &seed.table.rows;
    let acceptance = |facts: &TrialFacts| ablation::acceptance(&facts.candidates);
    let estimates: Vec<Estimate> = seed.group.facts.iter().map(acceptance).collect();
    // Of the reference, which is full GRA where an experiment has it; then how the others differ from it.
    let mut sentences = vec![headline(&rows[0], estimates[0])];
    sentences.extend(disputes(&rows[0].funnel));
    sentences.extend(differences(rows));
    let items = sentences.into_iter().map(|sentence| Html::element("li", "", &sentence));
    let mut html = Html::element("ul", "verdict", &items.collect());
    html.push(&lines(seed, &estimates));
    html
}

fn headline(row: &VariantRow, estimate: Estimate) -> Html {
    let Funnel { candidates, accepted, surplus, .. } = row.funnel;
    let surplus = match surplus {
        0 => String::new(),
        n => format!(" ({n} more passed and were not needed)"),
    };
    let variant = Html::worded("b", "", &row.variant);
    let rest = Html::text(match share(estimate) {
        Some(share) => format!(
            ": {} of {} candidates became samples{surplus}. {share} of them passed review and \
             deduplication.",
            grouped(accepted),
            grouped(candidates)
        ),
        None => ": no candidate was decided.".to_owned(),
    });
    Html::from_iter([variant, rest])
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
    // The first row is the reference itself.
    for row in &rows[1..] {
        let Some(difference) = row.difference.map(|difference| difference.acceptance) else {
            continue;
        };
        let name = Html::worded("b", "", &row.variant);
        match (difference.estimate.value, difference.p) {
            // Told apart after correction; the direction is of acceptance.
            (Some(value), Some(p)) if p <= LEVEL => {
                let more = if value > 0.0 { "more" } else { "fewer" };
                let points = Html::text(format!(
                    " lets {:.1} points {more} pass (p = {})",
                    100.0 * value.abs(),
                    p_value(p)
                ));
                told.push(Html::from_iter([name, points]));
            }
            _ => untold.push(name),
        }
    }
    let mut sentences = Vec::new();
    if !told.is_empty() {
        let begin = Html::trusted("<span class=\"told\">Different</span> from ");
        sentences.push(listed(begin, reference, &told, "."));
    }
    if !untold.is_empty() {
        let begin = Html::text("Not to be told apart in acceptance from ");
        sentences.push(listed(begin, reference, &untold, ", with so few candidates."));
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
fn lines(seed: &SeedResults, estimates: &[Estimate]) -> Html {
    let caption = "Acceptance: share of decided candidates that passed, 95% interval";
    let head = ["Variant", "#drawn", "#samples", "#acceptance", "0 to 100%"].into_iter();
    let mut table = HtmlTable::new(caption, head.chain(["difference, 95% interval", "#p"]));
    let rows = seed.table.rows.iter().zip(estimates).zip(&seed.group.trials);
    for ((row, estimate), trial) in rows {
        let mark = if trial.finished { "" } else { " (not finished)" };
        let difference = row.difference.map(|difference| difference.acceptance);
        table.row([
            Html::text(format!("{}{mark}", row.variant)),
            Html::text(grouped(row.funnel.candidates)),
            Html::text(grouped(row.funnel.accepted)),
            Html::text(or_missing(estimate.value, percent)),
            whisker(*estimate),
            Html::unbroken(
                difference.map_or("reference".to_owned(), |difference| points(difference.estimate)),
            ),
            Html::text(or_missing(difference.and_then(|difference| difference.p), p_value)),
        ]);
    }
    table.html()
}

/// A dot and its interval on a scale from 0 to 1.
fn whisker(estimate: Estimate) -> Html {
    let Some(value) = estimate.value else { return Html::text(MISSING) };
    // The scale stands between margins of 4 of 200 units, which the dot needs.
    let at = |share: f64| 4.0 + 192.0 * share;
    let mut svg = String::from(
        "<svg class=\"whisker\" viewBox=\"0 0 200 20\" aria-hidden=\"true\">\
         <path class=\"axis\" d=\"M4 10H196M4 6V14M100 7V13M196 6V14\"/>",
    );
    if let Some(Interval { low, high }) = estimate.interval {
        let _ = write!(svg, "<path class=\"span\" d=\"M{:.1} 10H{:.1}\"/>", at(low), at(high));
    }
    let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"10\" r=\"4\"/></svg>", at(value));
    Html::trusted(svg)
}
