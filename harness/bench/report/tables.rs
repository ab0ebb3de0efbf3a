//! The ablation table as a page shows it: what became of the candidates, scores, cost.

use gra_analysis::ablation::VariantRow;
use gra_analysis::ablation::sweep::{SweepAxis, SweepPlace, sweep};
use gra_analysis::statistics::inference::INTERVALS;
use gra_analysis::trial::{Funnel, TrialFacts};
use gra_synth::domain::Domain;

use super::{ReportSubject, SeedResults};
use crate::html::{Html, HtmlTable};
use crate::long_texts::{self, LongTexts};
use crate::numbers::{difference, grouped, or_missing, p_value};

/// A column's title and its count.
type OutcomeCount = (&'static str, fn(&Funnel) -> u64);

/// Every way to end, in the order of the method; they add up to what was drawn.
const OUTCOMES: [OutcomeCount; 12] = [
    ("#drawn", |funnel| funnel.candidates),
    ("#malformed", |funnel| funnel.malformed),
    ("#failed", |funnel| funnel.failed),
    ("#repeated keywords", |funnel| funnel.repeated_keywords),
    ("#vetoed", |funnel| funnel.vetoed),
    ("#rejected", |funnel| funnel.rejected),
    ("#adjudicated out", |funnel| funnel.adjudicated_out),
    ("#voted out", |funnel| funnel.voted_out),
    ("#duplicate", |funnel| funnel.duplicates),
    ("#surplus", |funnel| funnel.surplus),
    ("#accepted", |funnel| funnel.accepted),
    ("#undecided", |funnel| funnel.undecided),
];

/// All tables of a run seed.
pub(super) fn tables(seed: &SeedResults) -> Html {
    let rows = &seed.table.rows;
    let headline = seed.table.headline().map(|line| Html::worded("p", "note", line));
    let tables = [outcomes(rows), long(seed), scores(rows), cost(rows), domains(seed), notes()];
    headline.into_iter().chain(tables).collect()
}

fn outcomes(rows: &[VariantRow]) -> Html {
    // Only trials under way have undecided candidates.
    let undecided = rows.iter().any(|row| row.funnel.undecided > 0);
    let shown = OUTCOMES.iter().filter(|(title, _)| *title != "#undecided" || undecided);
    let shown: Vec<&OutcomeCount> = shown.collect();
    let titles = std::iter::once("Variant").chain(shown.iter().map(|(title, _)| *title));
    let mut table = HtmlTable::new("What became of the candidates", titles);
    for row in rows {
        let counts = shown.iter().map(|(_, count)| grouped(count(&row.funnel)));
        table.row(std::iter::once(row.variant.clone()).chain(counts));
    }
    table.html()
}

/// How many instructions were compared in windows, where some were.
fn long(seed: &SeedResults) -> Html {
    let facts = seed.group.facts.iter();
    let variants: Vec<(&str, LongTexts)> = facts
        .map(|facts| (facts.variant.as_str(), LongTexts::of(&facts.candidates, &[])))
        .collect();
    long_texts::in_words(&variants).map(|note| Html::worded("p", "note", note)).unwrap_or_default()
}

/// A column's title, and its cell in a variant's row.
type VariantColumn = (&'static str, fn(&VariantRow) -> Html);

fn by_variant(caption: &str, columns: &[VariantColumn], rows: &[VariantRow]) -> Html {
    let mut table = HtmlTable::new(caption, columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.row(columns.iter().map(|(_, cell)| cell(row)));
    }
    table.html()
}

fn count(count: u64) -> Html {
    Html::text(grouped(count))
}

fn mean(mean: Option<f64>) -> Html {
    Html::text(or_missing(mean, |mean| format!("{mean:.2}")))
}

fn scores(rows: &[VariantRow]) -> Html {
    // Candidates whose committee was broken off have no mean that compares with that of others.
    let columns: [VariantColumn; 11] = [
        ("Variant", |row| Html::text(&row.variant)),
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
    let columns: [VariantColumn; 8] = [
        ("Variant", |row| Html::text(&row.variant)),
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
    let titles = used.iter().map(|domain| format!("#{domain}"));
    let titles = std::iter::once("Variant".to_owned()).chain(titles);
    let mut table = HtmlTable::new("Samples of candidates drawn, by domain", titles);
    for facts in &seed.group.facts {
        let cells = used.iter().map(|domain| {
            let candidates = facts.candidates.iter();
            let of = || candidates.clone().filter(|candidate| candidate.domain == Some(*domain));
            let samples = of().filter(|candidate| candidate.is_sample()).count();
            format!("{} of {}", grouped(samples as u64), grouped(of().count() as u64))
        });
        table.row(std::iter::once(facts.variant.clone()).chain(cells));
    }
    table.html()
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
    let head = ["Quantity", "what"].into_iter();
    let mut table = HtmlTable::new(
        "Over run seeds: how far they lie apart, beside how uncertain each of them is by itself",
        head.chain(sweep.data_sets().iter().map(String::as_str)),
    );
    for measure in sweep.measures() {
        let cells = measure.cells.iter().map(|cell| {
            Html::unbroken(or_missing(cell.value(), |value| match cell.interval() {
                Some(i) => format!("{value:.3} ({:.3} to {:.3})", i.low, i.high),
                None => format!("{value:.3}"),
            }))
        });
        let names = [Html::text(measure.group), Html::text(&measure.name)];
        table.row(names.into_iter().chain(cells));
    }
    table.html()
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
