//! The ablation table as a page shows it: what became of the candidates, scores, cost.

use gra_analysis::ablation::VariantRow;
use gra_analysis::ablation::seed_sweep::seed_sweep;
use gra_analysis::statistics::bootstrap::{CONFIDENCE, REPLICATES};
use gra_analysis::trial::TrialFacts;
use gra_analysis::trial::funnel::Funnel;
use gra_synth::domain::Domain;

use super::markup::{Html, Table};
use super::material::{Material, SeedMaterial};
use super::verdict::{grouped, missing};
use crate::long_texts::{self, LongTexts};

type Count = (&'static str, fn(&Funnel) -> u64);

/// Every way to end, in the order of the method; they add up to what was drawn.
const FATES: [Count; 12] = [
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
pub(super) fn tables(group: &SeedMaterial) -> Html {
    let rows = group.table.rows();
    [fates(rows), long(group), scores(rows), cost(rows), domains(group), notes()]
        .into_iter()
        .collect()
}

fn fates(rows: &[VariantRow]) -> Html {
    let all = |count: &Count| rows.iter().any(|row| count.1(&row.funnel) > 0);
    let shown: Vec<&Count> =
        FATES.iter().filter(|count| count.0 != "#undecided" || all(count)).collect();
    let titles: Vec<&str> =
        std::iter::once("Variant").chain(shown.iter().map(|count| count.0)).collect();
    let mut table = Table::new("What became of the candidates", &titles);
    for row in rows {
        let counts = shown.iter().map(|count| Html::text(grouped(count.1(&row.funnel))));
        table.row(std::iter::once(Html::text(&row.variant)).chain(counts).collect());
    }
    table.html()
}

/// How many instructions were compared in windows, where some were.
fn long(group: &SeedMaterial) -> Html {
    let variants: Vec<(&str, LongTexts)> = group
        .facts
        .iter()
        .map(|facts| (facts.variant.as_str(), LongTexts::of(&facts.candidates, &[])))
        .collect();
    let note = long_texts::in_words(&variants);
    note.map_or_else(Html::default, |note| Html::element("p", "note", &Html::text(note)))
}

fn scores(rows: &[VariantRow]) -> Html {
    let mut table = Table::new(
        "Scores, in points: means over the candidates that the whole committee scored, and over samples",
        &[
            "Variant",
            "#scored",
            "#μ",
            "#σ",
            "#samples scored",
            "#μ of samples",
            "#σ of samples",
            "#disputed",
            "#adjudicated in",
            "difference of μ",
            "#p",
        ],
    );
    let number = |value: Option<f64>| Html::text(value.map_or_else(missing, |v| format!("{v:.2}")));
    for row in rows {
        let (reviewed, accepted) = (row.funnel.scores_reviewed, row.funnel.scores_accepted);
        let difference = row.difference.map(|difference| difference.mu);
        let told = difference.and_then(|difference| {
            let value = difference.estimate.value?;
            let interval = difference.estimate.interval;
            let interval = interval.map(|i| format!(" ({:+.2} to {:+.2})", i.low, i.high));
            Some(format!("{value:+.2}{}", interval.unwrap_or_default()))
        });
        let p = difference.and_then(|difference| difference.p);
        table.row(vec![
            Html::text(&row.variant),
            Html::text(grouped(reviewed.n)),
            number(reviewed.mu),
            number(reviewed.sigma),
            Html::text(grouped(accepted.n)),
            number(accepted.mu),
            number(accepted.sigma),
            Html::text(grouped(row.funnel.disputed)),
            Html::text(grouped(row.funnel.adjudicated_in)),
            Html::unbroken(told.unwrap_or_else(missing)),
            Html::text(p.map_or_else(missing, |p| format!("{p:.3}"))),
        ]);
    }
    table.html()
}

fn cost(rows: &[VariantRow]) -> Html {
    let mut table = Table::new(
        "Cost: calls that the method asked for; shared ones an earlier variant had asked before",
        &[
            "Variant",
            "#calls",
            "#shared",
            "#prompt tokens",
            "#reply tokens",
            "#calls per sample",
            "#malformed replies",
            "#failed calls",
        ],
    );
    for row in rows {
        let total = row.usage;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let per_sample =
            (row.funnel.accepted > 0).then(|| total.calls as f64 / row.funnel.accepted as f64);
        table.row(vec![
            Html::text(&row.variant),
            Html::text(grouped(total.calls)),
            Html::text(grouped(total.shared)),
            Html::text(grouped(total.prompt_tokens)),
            Html::text(grouped(total.reply_tokens)),
            Html::text(per_sample.map_or_else(missing, |calls| format!("{calls:.1}"))),
            Html::text(grouped(row.funnel.malformed_replies_total())),
            Html::text(grouped(row.funnel.failed_calls_total())),
        ]);
    }
    table.html()
}

/// Samples of candidates, per domain.
fn domains(group: &SeedMaterial) -> Html {
    let used: Vec<Domain> = Domain::ALL
        .into_iter()
        .filter(|domain| {
            let mut all = group.facts.iter().flat_map(|facts| &facts.candidates);
            all.any(|candidate| candidate.domain == Some(*domain))
        })
        .collect();
    let titles: Vec<String> = std::iter::once("Variant".to_owned())
        .chain(used.iter().map(|domain| format!("#{domain}")))
        .collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Table::new("Samples of candidates drawn, by domain", &titles);
    for facts in &group.facts {
        let cells = used.iter().map(|domain| {
            let of =
                || facts.candidates.iter().filter(|candidate| candidate.domain == Some(*domain));
            let samples = of().filter(|candidate| candidate.is_sample()).count();
            Html::text(format!("{} of {}", grouped(samples as u64), grouped(of().count() as u64)))
        });
        table.row(std::iter::once(Html::text(&facts.variant)).chain(cells).collect());
    }
    table.html()
}

/// Several run seeds side by side, over the variants that ran under each; nothing for one seed.
pub(super) fn over_seeds(material: &Material) -> Html {
    if material.seeds.len() < 2 {
        return Html::default();
    }
    let everywhere = |facts: &&TrialFacts| {
        let has = |group: &SeedMaterial| group.facts.iter().any(|f| f.variant == facts.variant);
        material.seeds.iter().all(has)
    };
    // Calls are not compared.
    let facts = |facts: &TrialFacts| TrialFacts {
        variant: facts.variant.clone(),
        candidates: facts.candidates.clone(),
        calls: Vec::new(),
    };
    let of_seed = |group: &SeedMaterial| {
        (group.seed, group.facts.iter().filter(everywhere).map(facts).collect())
    };
    let sweep = seed_sweep(&material.seeds.iter().map(of_seed).collect());
    let head: Vec<&str> = ["Quantity", "what"]
        .into_iter()
        .chain(sweep.data_sets().iter().map(String::as_str))
        .collect();
    let mut table = Table::new(
        "Over run seeds: how far they lie apart, beside how uncertain each of them is by itself",
        &head,
    );
    for measure in sweep.measures() {
        let cells = measure.cells.iter().map(|cell| {
            Html::unbroken(match (cell.value(), cell.interval()) {
                (Some(value), Some(i)) => format!("{value:.3} ({:.3} to {:.3})", i.low, i.high),
                (Some(value), None) => format!("{value:.3}"),
                (None, _) => missing(),
            })
        });
        let names = [Html::text(measure.group), Html::text(&measure.name)];
        table.row(names.into_iter().chain(cells).collect());
    }
    table.html()
}

fn notes() -> Html {
    let text = format!(
        "Differences are to the first variant, over the candidates that both drew; positive: the variant \
         has more. Intervals: {:.0}% percentile intervals of {} bootstrap replicates over seed items, \
         not corrected for the number of variants. p: of no difference, by sign flips of seed items, \
         corrected after Holm for all differences of the run seed. An interval that holds 0, or a large \
         p, says that so many candidates cannot tell two variants apart, not that they are alike. \
         What another run seed would bring is in no interval.",
        CONFIDENCE * 100.0,
        grouped(REPLICATES as u64),
    );
    Html::element("p", "note", &Html::text(text))
}
