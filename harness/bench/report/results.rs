//! Sections of what other verbs left in the results folder: data sets compared, in words and measure by measure; figures,
//! as SVG within the page; what trained models score; the paper's claims, recomputed and measured.

use std::iter::once;
use std::path::Path;

use anyhow::{Context, Result};
use gra_analysis::figure::Figure;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::claims::{self, Finding, Measurement};
use gra_paper::{Benchmark, DataSource, Kind, Reference, exact};

use super::{ReportSubject, SeedResults};
use crate::benchmark_scores::DataSubject;
use crate::comparison;
use crate::gallery::{self, FigureKind, GalleryEntry, Sources};
use crate::html::{Html, table};
use crate::measured::{self, StatsLine};
use crate::numbers::{MISSING, measure, or_missing};
use crate::store::Store;

/// The comparison under one run seed; nothing where there is none.
///
/// # Errors
/// When a file that is there cannot be read.
pub(super) fn compared(results: &Path, experiment: &str, seed: u64) -> Result<Html> {
    let folder = comparison::folder(results, experiment, seed);
    let Ok(csv) = std::fs::read(folder.join("stats.csv")) else { return Ok(Html::default()) };
    let lines: Vec<StatsLine> = measured::stats_lines(&csv)
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}/stats.csv", folder.display()))?;
    // An interrupted `compare` may have left the table without the words.
    let words = std::fs::read_to_string(folder.join(comparison::WORDS)).unwrap_or_default();
    let item = |line: &str| Html::worded("li", "", line);
    let mut html = Html::element("ul", "verdict", &words.lines().map(item).collect());
    let data_sets = distinct(lines.iter().map(|line| line.data_set.as_str()));
    // Groups stand as they come first: measures for those who look closer come behind all others.
    for name in distinct(lines.iter().map(|line| line.group.as_str())) {
        let group: Vec<&StatsLine> = lines.iter().filter(|line| line.group == name).collect();
        html.push(&Html::folded(&format!("Measured: {name}"), &measures(name, &group, &data_sets)));
    }
    Ok(html)
}

/// Each of these once, in the order in which they come first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn measures(name: &str, group: &[&StatsLine], data_sets: &[&str]) -> Html {
    let names = data_sets.iter().map(|name| format!("#{name}"));
    let caption = format!("{name}: values, 95% intervals and numbers of samples behind them");
    // Lines come by measure, and within one by data set.
    let rows = group.chunk_by(|a, b| a.measure == b.measure).map(|measure| {
        let of = |name: &&str| measure.iter().find(|line| line.data_set == *name);
        let cells = data_sets.iter().map(move |name| of(name).map(|line| cell(line)));
        once(Html::text(&measure[0].measure)).chain(cells.map(Option::unwrap_or_default))
    });
    table(&caption, once("Measure".to_owned()).chain(names), rows)
}

/// Value, interval and n, or why there is no value.
fn cell(line: &StatsLine) -> Html {
    let Some(value) = line.value else {
        return Html::text(if line.absent.is_empty() { MISSING } else { &line.absent });
    };
    let interval = line.low.zip(line.high);
    // Without an interval a whole number is a count.
    let is_count = interval.is_none() && value.fract() == 0.0;
    let mut html = Html::unbroken(if is_count { value.to_string() } else { measure(value) });
    let interval = interval.map(|(low, high)| format!("{} to {}", measure(low), measure(high)));
    let n = line.n.map(|n| format!("n = {n}"));
    for part in interval.into_iter().chain(n) {
        html.push(&Html::trusted("<br>"));
        html.push(&Html::worded("small", "nowrap", part));
    }
    html
}

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
        entries.extend(gallery::draw_group(&kinds, group, results, store)?);
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

/// Figures as cards, each on a light ground. Title and caption are in the drawing, and its texts can be read and searched there.
pub(super) fn cards(figures: &[Figure]) -> Html {
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

/// What models that were trained on an experiment's data score on the paper's benchmarks: of the rows of `benchmarks.csv`,
/// those of its seed set and its variants, and of the seed set as it is. How many are of other data is said; nothing
/// where none was scored.
///
/// # Errors
/// When `benchmarks.csv` is damaged.
pub(super) fn trained(subject: &ReportSubject, results: &Path) -> Result<Html> {
    let benchmarks = measured::benchmarks(results)?;
    if benchmarks.is_empty() {
        return Ok(Html::default());
    }
    let own: Vec<DataSubject> =
        subject.trials().map(|(trial, _)| trial.record.subject(&[])).collect();
    let is_own = |seed: &str, source: &str| {
        let is_vanilla = source == DataSource::Vanilla.id();
        own.iter().any(|own| own.seed_dataset == seed && (own.data_source == source || is_vanilla))
    };
    let head = ["Base model", "trained on", "scored by", "#trainings"].map(str::to_owned);
    let head = head.into_iter().chain(Benchmark::ALL.map(|one| format!("#{}", one.title())));
    let data = |source: &str, seed: &str, round: Option<u8>| match round {
        Some(round) => format!("{source}, round {round} ({seed})"),
        None => format!("{source} ({seed})"),
    };
    let of_paper = benchmarks.models().filter(|model| is_own(model.seed.id(), model.source.id()));
    let of_paper = of_paper.filter_map(|model| {
        let data = data(model.source.title(), model.seed.title(), model.round);
        let names = [model.base.title().to_owned(), data, PAPERS_PROTOCOL.to_owned()];
        Some((names, benchmarks.of(model)?))
    });
    let others = benchmarks.others().filter(|(model, _)| is_own(&model.seed, &model.source));
    let others = others.map(|(model, scores)| {
        let data = data(&model.source, &model.seed, model.round);
        ([model.base.clone(), data, model.protocol.clone()], scores)
    });
    let rows = of_paper.chain(others).map(|(names, scores)| {
        let found = Benchmark::ALL.map(|one| scores.score(one));
        let trainings = found.iter().flatten().map(|score| score.trainings).max();
        let values = found
            .into_iter()
            .chain([scores.average()])
            .map(|score| or_missing(score, |score| format!("{:.2}", exact::to_f64(score.mean))));
        names.into_iter().chain([trainings.unwrap_or_default().to_string()]).chain(values)
    });
    let rows: Vec<_> = rows.collect();
    let all = benchmarks.models().count() + benchmarks.others().count();
    let elsewhere = match all - rows.len() {
        0 => String::new(),
        1 => "One model was trained on other data, by its names in <code>benchmarks.csv</code>. "
            .to_owned(),
        n => format!(
            "{n} models were trained on other data, by their names in <code>benchmarks.csv</code>. "
        ),
    };
    let caption = "Per cent, the mean over trainings; an average needs all ten benchmarks";
    let hint = Html::trusted(format!(
        "<p class=\"hint\">{elsewhere}<code>gra-bench tables</code> has all beside the paper's, with numbers of items, \
         intervals, the spread between trainings and differences to GRA's data.</p>\n"
    ));
    let shown = (!rows.is_empty()).then(|| table(caption, head.chain(["#AVG".to_owned()]), rows));
    Ok(shown.into_iter().chain([hint]).collect())
}

/// Verdicts, however far off, in the order in which they are counted, and how a sentence says them of several.
const VERDICTS: [(&str, &str); 4] = [
    ("holds", "hold"),
    ("off", "are off"),
    ("contradicted", "are contradicted"),
    ("not-measurable", "are not measurable yet"),
];

/// The audit, with what the results folder holds.
///
/// # Errors
/// When a file of measurements is damaged.
pub(super) fn claims(results: &Path) -> Result<Html> {
    let findings = claims::audit(&Reference::embedded()?, &measured::load(results, None)?);
    let said = |kind: Kind| {
        let of_kind: Vec<&Finding> =
            findings.iter().filter(|finding| finding.claim.kind == kind).collect();
        let is = |finding: &Finding, word: &str| finding.claim.verdict.word() == word;
        let count = |word: &str| of_kind.iter().filter(|finding| is(finding, word)).count();
        let told = VERDICTS.iter().map(|(word, said)| (count(word), said));
        let told = told.filter(|(n, _)| *n > 0).map(|(n, said)| format!("{n} {said}"));
        format!("{}: {}", of_kind.len(), told.collect::<Vec<_>>().join(", "))
    };
    let summary = format!(
        "What the paper finds, recomputed from its own printed tables, {}. What it says of its own set-up, prompts and \
         sums, {}.",
        said(Kind::Finding),
        said(Kind::Bookkeeping)
    );
    let mut html = Html::worded("p", "", summary);
    // Claims that these results measure stand open; all of them are folded.
    let is_here = |finding: &&Finding| matches!(finding.here, Measurement::Measured { .. });
    let here: Vec<&Finding> = findings.iter().filter(is_here).collect();
    if here.is_empty() {
        html.push(&Html::trusted(
            "<p class=\"hint\">None of them is measured by these results yet; <code>gra-bench claims\
             </code> says what each would take.</p>\n",
        ));
    } else {
        html.push(&claims_table("Claims that these results measure", &here));
    }
    let all: Vec<&Finding> = findings.iter().collect();
    html.push(&Html::folded(
        &format!("All {} claims", all.len()),
        &claims_table("All claims", &all),
    ));
    Ok(html)
}

fn claims_table(caption: &str, findings: &[&Finding]) -> Html {
    let head = ["Claim", "where", "what", "printed", "recomputed", "verdict", "here", "why"];
    let rows = findings.iter().map(|finding| {
        let Finding { claim, here, .. } = finding;
        let here = match here {
            Measurement::Measured { from, .. } => {
                format!("{} ({from})", here.number().unwrap_or_default())
            }
            Measurement::Missing(what) => (*what).to_owned(),
            Measurement::Inapplicable => MISSING.to_owned(),
        };
        [
            claim.id.clone(),
            claim.section.clone(),
            claim.claim.clone(),
            or_missing(Some(&claim.printed).filter(|text| !text.is_empty()), String::clone),
            or_missing(finding.recomputed_text(), |text| text),
            claim.verdict.to_string(),
            here,
            claim.note.clone(),
        ]
    });
    table(caption, head, rows)
}
