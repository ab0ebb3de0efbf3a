//! What came out, before anything else in sentences and as one line with an interval per variant, and then as the
//! ablation table: what became of the candidates, scores, cost, and several run seeds side by side.

use std::fmt::Write;
use std::iter::once;

use gra_analysis::ablation::sweep::{SweepAxis, SweepPlace, sweep};
use gra_analysis::ablation::{self, VariantRow};
use gra_analysis::statistics::inference::{Estimate, INTERVALS, Interval, LEVEL};
use gra_analysis::trial::{Funnel, TrialFacts};
use gra_synth::domain::Domain;

use super::{ReportSubject, SeedResults};
use crate::html::{Html, table};
use crate::numbers::{MISSING, difference, grouped, or_missing, p_value, percent, points, share};
use crate::publish::LongTexts;

/// Warnings that a reader needs before any number.
pub(super) fn warnings(subject: &ReportSubject) -> Html {
    let unfinished = subject.trials().filter(|(trial, _)| !trial.finished);
    let unfinished = unfinished.map(|(trial, facts)| {
        let of = trial.record.settings.method.rounds;
        // Over a seed set's own instructions there is one round, which has no number.
        let rounds = facts.candidates.iter().map(|candidate| candidate.id.round().unwrap_or(0));
        let rounds = match rounds.max() {
            Some(last) => format!("{last} of {of} rounds are on record"),
            None => "no round is on record yet".to_owned(),
        };
        format!(
            "Trial {} is not finished: {rounds}. Its numbers are those so far and will change.",
            trial.id()
        )
    });
    let demonstration = subject.trials().any(|(trial, _)| trial.record.demonstration).then(|| {
        "This is a demonstration on models that are too small to write or judge such texts. It \
         shows how the harness works; its numbers are no result."
            .to_owned()
    });
    let warning = |text| {
        let text = Html::text(text);
        Html::trusted(format!("<p class=\"warning\" role=\"note\">{text}</p>\n"))
    };
    unfinished.chain(demonstration).map(warning).collect()
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
                let (points, p) = (100.0 * value.abs(), p_value(p));
                told.push(format!("{name} lets {points:.1} points {more} pass (p = {p})"));
            }
            _ => untold.push(name.to_string()),
        }
    }
    let reference = Html::text(&rows[0].variant);
    let sentences = [
        ("<span class=\"told\">Different</span> from", told, "."),
        ("Not to be told apart in acceptance from", untold, ", with so few candidates."),
    ];
    let sentences = sentences.into_iter().filter(|(_, variants, _)| !variants.is_empty());
    let said = |(begin, variants, end): (&str, Vec<String>, &str)| {
        Html::trusted(format!("{begin} {reference}: {}{end}", variants.join(", ")))
    };
    sentences.map(said).collect()
}

/// One line per variant: samples, acceptance on a scale from 0 to 1, the difference.
fn lines(seed: &SeedResults, estimates: &[Estimate]) -> Html {
    let caption = "Acceptance: share of decided candidates that passed, 95% interval";
    let head = ["Variant", "#drawn", "#samples", "#acceptance", "0 to 100%"].into_iter();
    let rows = seed.table.rows.iter().zip(estimates).zip(&seed.group.trials);
    let rows = rows.map(|((row, estimate), trial)| {
        let mark = if trial.finished { "" } else { " (not finished)" };
        let difference = row.difference.map(|difference| difference.acceptance);
        let told = difference.map_or("reference".to_owned(), |it| points(it.estimate));
        [
            Html::text(format!("{}{mark}", row.variant)),
            count(row.funnel.candidates),
            count(row.funnel.accepted),
            Html::text(or_missing(estimate.value, percent)),
            whisker(*estimate),
            Html::unbroken(told),
            Html::text(or_missing(difference.and_then(|difference| difference.p), p_value)),
        ]
    });
    table(caption, head.chain(["difference, 95% interval", "#p"]), rows)
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

/// All tables of a run seed.
pub(super) fn tables(seed: &SeedResults) -> Html {
    let rows = &seed.table.rows;
    let headline = seed.table.headline().map(|line| Html::worded("p", "note", line));
    let tables = [outcomes(rows), long(seed), scores(rows), cost(rows), domains(seed), notes()];
    headline.into_iter().chain(tables).collect()
}

fn outcomes(rows: &[VariantRow]) -> Html {
    // Every way to end, in the order of the method; they add up to what was drawn.
    let columns: [VariantColumn; 12] = [
        ("#drawn", |row| count(row.funnel.candidates)),
        ("#malformed", |row| count(row.funnel.malformed)),
        ("#failed", |row| count(row.funnel.failed)),
        ("#repeated keywords", |row| count(row.funnel.repeated_keywords)),
        ("#vetoed", |row| count(row.funnel.vetoed)),
        ("#rejected", |row| count(row.funnel.rejected)),
        ("#adjudicated out", |row| count(row.funnel.adjudicated_out)),
        ("#voted out", |row| count(row.funnel.voted_out)),
        ("#duplicate", |row| count(row.funnel.duplicates)),
        ("#surplus", |row| count(row.funnel.surplus)),
        ("#accepted", |row| count(row.funnel.accepted)),
        ("#undecided", |row| count(row.funnel.undecided)),
    ];
    // Only trials under way have undecided candidates.
    let is_under_way = rows.iter().any(|row| row.funnel.undecided > 0);
    let shown = if is_under_way { &columns[..] } else { &columns[..columns.len() - 1] };
    by_variant("What became of the candidates", shown, rows)
}

/// How many instructions were compared in windows, where some were.
fn long(seed: &SeedResults) -> Html {
    let of = |facts: &TrialFacts| LongTexts::of(&facts.candidates, &[]);
    let variants = seed.group.facts.iter().map(|facts| (facts.variant.as_str(), of(facts)));
    LongTexts::in_words(variants).map(|note| Html::worded("p", "note", note)).unwrap_or_default()
}

/// A column's title, and its cell in a variant's row.
type VariantColumn = (&'static str, fn(&VariantRow) -> Html);

/// The columns behind the variants' names.
fn by_variant(caption: &str, columns: &[VariantColumn], rows: &[VariantRow]) -> Html {
    let head = once("Variant").chain(columns.iter().map(|(title, _)| *title));
    let rows = rows
        .iter()
        .map(|row| once(Html::text(&row.variant)).chain(columns.iter().map(|(_, cell)| cell(row))));
    table(caption, head, rows)
}

fn count(count: u64) -> Html {
    Html::text(grouped(count))
}

fn mean(mean: Option<f64>) -> Html {
    Html::text(or_missing(mean, |mean| format!("{mean:.2}")))
}

fn scores(rows: &[VariantRow]) -> Html {
    // Candidates whose committee was broken off have no mean that compares with that of others.
    let columns: [VariantColumn; 10] = [
        ("#scored", |row| count(row.funnel.scores_reviewed.n)),
        ("#μ", |row| mean(row.funnel.scores_reviewed.mu)),
        ("#σ", |row| mean(row.funnel.scores_reviewed.sigma)),
        ("#samples scored", |row| count(row.funnel.scores_accepted.n)),
        ("#μ of samples", |row| mean(row.funnel.scores_accepted.mu)),
        ("#σ of samples", |row| mean(row.funnel.scores_accepted.sigma)),
        ("#disputed", |row| count(row.funnel.disputed)),
        ("#adjudicated in", |row| count(row.funnel.adjudicated_in)),
        ("difference of μ", |row| {
            Html::unbroken(or_missing(row.difference, |of| difference(of.mu.estimate)))
        }),
        ("#p", |row| Html::text(or_missing(row.difference.and_then(|of| of.mu.p), p_value))),
    ];
    let caption = "Scores, in points: means over the candidates that the whole committee scored, and over samples";
    by_variant(caption, &columns, rows)
}

fn cost(rows: &[VariantRow]) -> Html {
    let columns: [VariantColumn; 7] = [
        ("#calls", |row| count(row.usage.calls)),
        ("#shared", |row| count(row.usage.shared)),
        ("#prompt tokens", |row| count(row.usage.prompt_tokens)),
        ("#reply tokens", |row| count(row.usage.reply_tokens)),
        ("#calls per sample", |row| {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let each = row.usage.calls as f64 / row.funnel.accepted as f64;
            // A variant without a sample has spent its calls on none.
            let each = Some(each).filter(|_| row.funnel.accepted > 0);
            Html::text(or_missing(each, |calls| format!("{calls:.1}")))
        }),
        ("#malformed replies", |row| count(row.funnel.malformed_replies_total())),
        ("#failed calls", |row| count(row.funnel.failed_calls_total())),
    ];
    let caption =
        "Cost: calls that the method asked for; shared ones an earlier variant had asked before";
    by_variant(caption, &columns, rows)
}

/// Samples of candidates, per domain.
fn domains(seed: &SeedResults) -> Html {
    let all = || seed.group.facts.iter().flat_map(|facts| &facts.candidates);
    // A seed set may have no item of some domain.
    let used = |domain: &Domain| all().any(|candidate| candidate.domain == Some(*domain));
    let used: Vec<Domain> = Domain::ALL.into_iter().filter(used).collect();
    let titles = once("Variant".to_owned()).chain(used.iter().map(|domain| format!("#{domain}")));
    let rows = seed.group.facts.iter().map(|facts| {
        let cells = used.iter().map(|domain| {
            let candidates = facts.candidates.iter();
            let of = || candidates.clone().filter(|candidate| candidate.domain == Some(*domain));
            let samples = of().filter(|candidate| candidate.is_sample()).count();
            format!("{} of {}", grouped(samples as u64), grouped(of().count() as u64))
        });
        once(facts.variant.clone()).chain(cells)
    });
    table("Samples of candidates drawn, by domain", titles, rows)
}

/// Several run seeds side by side, over the variants that ran under each; nothing for one seed.
pub(super) fn over_seeds(subject: &ReportSubject) -> Html {
    if subject.seeds.len() < 2 {
        return Html::default();
    }
    let everywhere = |facts: &&TrialFacts| {
        let has = |seed: &SeedResults| seed.group.facts.iter().any(|f| f.variant == facts.variant);
        subject.seeds.iter().all(has)
    };
    // Variants that ran under some seeds only cannot be put side by side.
    let places = subject.seeds.iter().map(|SeedResults { group, .. }| SweepPlace {
        name: group.seed.to_string(),
        runs: vec![group.facts.iter().filter(everywhere).collect()],
    });
    // The intervals of `run`'s own table over run seeds, made anew of the same facts.
    let sweep = sweep(SweepAxis::RunSeed, &places.collect::<Vec<_>>());
    let seeds = sweep.data_sets().iter().map(String::as_str);
    let rows = sweep.measures().iter().map(|measure| {
        let cells = measure.cells.iter().map(|cell| {
            Html::unbroken(or_missing(cell.value(), |value| match cell.interval() {
                Some(i) => format!("{value:.3} ({:.3} to {:.3})", i.low, i.high),
                None => format!("{value:.3}"),
            }))
        });
        [Html::text(measure.group), Html::text(&measure.name)].into_iter().chain(cells)
    });
    let caption =
        "Over run seeds: how far they lie apart, beside how uncertain each of them is by itself";
    table(caption, ["Quantity", "what"].into_iter().chain(seeds), rows)
}

fn notes() -> Html {
    let text = format!(
        "Differences are to the first variant, over the candidates that both drew; positive: the variant \
         has more. Intervals: {INTERVALS}; \
         not corrected for the number of variants. p: of no difference, \
         Holm-corrected for all differences of the run seed. An interval that holds 0, or a large \
         p, says that so few candidates cannot tell two variants apart, not that they are alike. \
         What another run seed would bring is in no interval."
    );
    Html::worded("p", "note", text)
}
