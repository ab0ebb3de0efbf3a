//! A trial in shaded squares: acceptance by generator and domain; how alike each two reviewers score the same responses;
//! and acceptance over tau and delta, from a rescored trial.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, PolarsError, PolarsResult};

use super::heat_map::{Axis, Emphasis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::frames::{self, PASSED, means};
use crate::grid::{self, or_missing};
use crate::proportion::Proportion;
use crate::rescore::{Knowledge, Rescored, Rule, RuleOutcome};
use crate::reviewers::agreement::Ratings;
use crate::statistics::inference::whole;

/// Share of the candidates that passed review and deduplication, surplus included, by who wrote them and
/// for which domain; `pool`: the generators' order. Candidates whose round was interrupted, or that an engine failed
/// on, take no part.
///
/// # Errors
/// When no candidate has an outcome.
pub fn domains(
    trial: &str,
    candidates: &[Candidate],
    pool: &[ModelName],
) -> Result<Figure, FigureError> {
    let failed = |error: PolarsError| FigureError::Drawing(error.to_string());
    let frame = frames::outcomes(candidates).map_err(failed)?;
    let of_each = means(&frame, &["generator", "domain"], PASSED).map_err(failed)?;
    let of_all = means(&frame, &["domain"], PASSED).map_err(failed)?;
    let generators = texts(&of_each, "generator").map_err(failed)?;
    let mut shares: BTreeMap<Group<'_>, Proportion> = BTreeMap::new();
    shares.extend(proportions(&of_each, generators).map_err(failed)?);
    shares.extend(proportions(&of_all, vec![None; of_all.height()]).map_err(failed)?);
    if shares.is_empty() {
        return Err(FigureError::Nothing("no candidate has an outcome"));
    }
    let together = shares.iter().filter(|((generator, _), _)| generator.is_none());
    let n: u64 = together.map(|(_, share)| share.n()).sum();
    // From bottom to top: all together, then the generators from the last to the first.
    let generators: BTreeSet<&str> =
        shares.keys().filter_map(|(generator, _)| *generator).collect();
    let mut generators: Vec<&str> = generators.into_iter().collect();
    let place = |name: &str| pool.iter().position(|model| model.as_str() == name);
    generators.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    let rows: Vec<Option<&str>> =
        [None].into_iter().chain(generators.into_iter().rev().map(Some)).collect();
    let known: BTreeSet<Option<&str>> = shares.keys().map(|(_, domain)| *domain).collect();
    // In the paper's order; a teacher that answers seed items may know no domain.
    let all: Vec<String> = Domain::ALL.map(|domain| domain.to_string()).to_vec();
    let all = all.iter().map(|domain| Some(domain.as_str())).chain([None]);
    // A domain that was never drawn is shown as such; one that is not known needs no column where all are.
    let domains: Vec<Option<&str>> =
        all.filter(|domain| domain.is_some() || known.contains(domain)).collect();
    let never = never_drawn(&domains, &known);
    let row = |generator: Option<&str>| -> Vec<Square> {
        let shares = domains.iter().map(|domain| shares.get(&(generator, *domain)).copied());
        let blank = || Square {
            text: if generator.is_none() { "none" } else { "" }.to_owned(),
            ..Square::default()
        };
        let square = |share: Proportion| counted(share.value(), share.n());
        shares.map(|share| share.map_or_else(blank, square)).collect()
    };
    let map = HeatMap {
        name: "domains".to_owned(),
        title: format!("Acceptance by generator and domain in {trial}"),
        subtitle: format!("n = {n} candidates with an outcome; each square says its own n"),
        value: "acceptance (share that passed)".to_owned(),
        range: (0.0, 1.0),
        x: Axis::new("requested domain", domains.iter().map(|name| name.unwrap_or("none known"))),
        y: Axis::new("generator", rows.iter().map(|name| name.unwrap_or("all together"))),
        panels: vec![Panel { title: String::new(), rows: rows.into_iter().map(row).collect() }],
        notes: vec![format!(
            "Passed: accepted, or surplus to the round's target. With few candidates a square says \
                 little, and one of n 1 is pale: 0 of 5 is compatible with up to 43% (Wilson's 95% interval).{never}"
        )],
        ..HeatMap::default()
    };
    map.figure()
}

/// The domains that no candidate was asked for, in a sentence.
fn never_drawn(domains: &[Option<&str>], known: &BTreeSet<Option<&str>>) -> String {
    let never = domains.iter().filter(|domain| !known.contains(*domain));
    let never: Vec<&str> = never.copied().flatten().collect();
    if never.is_empty() { String::new() } else { format!(" Never drawn: {}.", never.join(", ")) }
}

/// Generator, or `None` for all of them together, and domain.
type Group<'a> = (Option<&'a str>, Option<&'a str>);

/// The shares behind means of [`PASSED`] in groups of these generators; groups without an outcome are left out.
fn proportions<'a>(
    groups: &'a DataFrame,
    generators: Vec<Option<&'a str>>,
) -> PolarsResult<Vec<(Group<'a>, Proportion)>> {
    let keys = generators.into_iter().zip(texts(groups, "domain")?);
    let means = groups.column("mean")?.f64()?.iter().zip(groups.column("n")?.u32()?.iter());
    let proportion = |(key, (mean, n)): (Group<'a>, (Option<f64>, Option<u32>))| {
        let (mean, n) = (mean?, n?);
        // The mean of n zeros and ones, times n, is a whole number but for rounding.
        let yes = whole((mean * f64::from(n)).round()) as u64;
        Some((key, Proportion { yes, no: u64::from(n) - yes }))
    };
    Ok(keys.zip(means).filter_map(proportion).collect())
}

fn texts<'a>(groups: &'a DataFrame, column: &str) -> PolarsResult<Vec<Option<&'a str>>> {
    Ok(groups.column(column)?.str()?.iter().collect())
}

/// A value that stands for so many; one of a single case is pale.
fn counted(value: Option<f64>, n: u64) -> Square {
    Square {
        value,
        text: or_missing(value, |value| grid::fixed(value, 2)),
        below: format!("n {n}"),
        emphasis: if n < 2 { Emphasis::Faded } else { Emphasis::Full },
        ..Square::default()
    }
}

/// Two reviewers.
type Pair<'a> = (&'a ModelName, &'a ModelName);

/// Krippendorff's alpha (interval scale) of the mean scores of each two reviewers, over the candidates
/// that both have scored. A model that sits on two seats is compared with itself. `pool`: the models' order.
///
/// # Errors
/// When no candidate has two reviews of its response.
pub fn agreement(
    trial: &str,
    candidates: &[Candidate],
    pool: &[ModelName],
) -> Result<Figure, FigureError> {
    let pairs = pairs(candidates);
    if pairs.is_empty() {
        return Err(FigureError::Nothing("no response was reviewed twice"));
    }
    let models: BTreeSet<&ModelName> = pairs.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let mut models: Vec<&ModelName> = models.into_iter().collect();
    models.sort_by_key(|model| pool.iter().position(|other| other == *model).unwrap_or(usize::MAX));
    let place = |model: &ModelName| models.iter().position(|other| *other == model);
    let square = |row: &ModelName, column: &ModelName| {
        // Agreement has no direction: one half of the squares says all.
        if place(column) > place(row) {
            return Some(Square { emphasis: Emphasis::Hidden, ..Square::default() });
        }
        let units = pairs.get(&(row.min(column), row.max(column)))?;
        Some(counted(alpha(units), units.len() as u64))
    };
    // The first reviewer stands at the top; the rows of a heat map rise.
    let rows = models
        .iter()
        .rev()
        .map(|row| models.iter().map(|column| square(row, column).unwrap_or_default()).collect());
    let whole: usize = pairs.values().map(Vec::len).sum();
    let map = HeatMap {
        name: "agreement".to_owned(),
        title: format!("How alike the reviewers of {trial} score"),
        subtitle: format!(
            "Krippendorff's alpha, interval scale, of reviewers' mean scores; n pairs of reviews of one \
             response, {whole} in all"
        ),
        value: "alpha (1: the same, 0: as by chance, below: opposed)".to_owned(),
        range: (-1.0, 1.0),
        x: Axis::new("", models.iter()),
        y: Axis::new("", models.iter().rev()),
        panels: vec![Panel { title: String::new(), rows: rows.collect() }],
        notes: vec![
            "-: all scores are one value, or n is 1 (pale). Grey: no response was \
             reviewed by both. With economy, what cannot pass is not scored to the end, and alpha is of \
             what was scored."
                .to_owned(),
        ],
        ..HeatMap::default()
    };
    map.figure()
}

/// Scores of the same responses, by pairs of names in order.
fn pairs(candidates: &[Candidate]) -> BTreeMap<Pair<'_>, Vec<Vec<f64>>> {
    let mut pairs: BTreeMap<Pair<'_>, Vec<Vec<f64>>> = BTreeMap::new();
    for candidate in candidates {
        let reviews = &candidate.response_reviews;
        for (place, a) in reviews.iter().enumerate() {
            for b in &reviews[place + 1..] {
                // Sorted, so that who sat first does not split a pair in two.
                let names = (&a.reviewer, &b.reviewer);
                let pair = (names.0.min(names.1), names.0.max(names.1));
                pairs.entry(pair).or_default().push(vec![a.scores.mean(), b.scores.mean()]);
            }
        }
    }
    pairs
}

/// `None` when nothing varies.
fn alpha(units: &[Vec<f64>]) -> Option<f64> {
    let ratings = Ratings::of(units).ok()?;
    ratings.sums(&vec![1; units.len()]).alpha().filter(|_| units.len() > 1)
}

/// The heat map of a trial's grid. Values between bounds are shaded by their middle.
///
/// # Errors
/// When the grid has no cells.
pub fn acceptance(trial: &str, grid: &Rescored) -> Result<Figure, FigureError> {
    let rules = || grid.cells.iter().map(|cell| cell.rule);
    let taus: BTreeSet<Thousandths> = rules().map(|rule| rule.tau).collect();
    let deltas: BTreeSet<Thousandths> = rules().map(|rule| rule.delta).collect();
    let mut others: Vec<Rule> = Vec::new();
    for rule in rules() {
        // One panel for each combination of what is neither tau nor delta.
        if !others.iter().any(|other| is_beside(other, &rule)) {
            others.push(rule);
        }
    }
    // A panel's title says what it differs in from the others; what all share is said once, in the subtitle.
    let differs = |k: usize| others.iter().any(|other| parts(other)[k] != parts(&others[0])[k]);
    let said = |rule: &Rule, different: bool| {
        let parts = parts(rule).into_iter().enumerate();
        let said = parts.filter(|(k, _)| differs(*k) == different).map(|(_, part)| part);
        said.collect::<Vec<_>>().join(", ")
    };
    let panel = |other: &Rule| Panel {
        title: said(other, true),
        rows: taus
            .iter()
            .map(|&tau| {
                let at = |&delta: &Thousandths| of_rule(grid, &Rule { tau, delta, ..*other });
                deltas.iter().map(at).collect()
            })
            .collect(),
    };
    let map = HeatMap {
        name: "sensitivity".to_owned(),
        title: format!("Acceptance of {trial} under other thresholds"),
        subtitle: subtitle(grid, &others.first().map(|rule| said(rule, false)).unwrap_or_default()),
        value: "acceptance (share of candidates drawn)".to_owned(),
        // The same for all trials, whose figures are laid side by side.
        range: (0.0, 1.0),
        x: Axis::new("delta (score points)", &deltas),
        y: Axis::new("tau (points)", &taus),
        panels: others.iter().map(panel).collect(),
        framed: "as the trial ran".to_owned(),
        dotted: "the paper's thresholds".to_owned(),
        notes: how_to_read(grid),
    };
    map.figure()
}

fn subtitle(grid: &Rescored, shared: &str) -> String {
    let shared = if shared.is_empty() { String::new() } else { format!("; {shared}") };
    format!(
        "Recorded reviews decided again, no model asked; n = {} candidates{shared}",
        grid.candidates
    )
}

/// Whether two rules share a panel.
fn is_beside(a: &Rule, b: &Rule) -> bool {
    let Rule { tau, delta, .. } = *a;
    Rule { tau, delta, ..*b } == *a
}

/// What of a rule is neither tau nor delta, in words.
fn parts(rule: &Rule) -> [String; 3] {
    let plural = if rule.reviewers == 1 { "" } else { "s" };
    [
        format!("{} reviewer{plural}", rule.reviewers),
        format!("disputes: {}", rule.dispute.name()),
        format!("cosine below {}", rule.cosine_limit),
    ]
}

fn of_rule(grid: &Rescored, rule: &Rule) -> Square {
    let Some(cell) = grid.cells.iter().find(|cell| cell.rule == *rule) else {
        return Square::default();
    };
    let paper = Method::default();
    let bounds = cell.acceptance.least.value.zip(cell.acceptance.most.value);
    Square {
        // Shaded half way between the bounds; the text says both.
        value: bounds.map(|(low, high)| f64::midpoint(low, high)),
        text: or_missing(bounds, |bounds| shown(bounds, cell.knowledge)),
        framed: *rule == grid.recorded.rule,
        // The paper's thresholds, whatever else the panels differ in.
        dotted: (rule.tau, rule.delta) == (paper.tau, paper.delta),
        ..Square::default()
    }
}

/// `0.42`, `0.42-0.50` between bounds, `~0.42` when approximate.
fn shown((low, high): (f64, f64), knowledge: Knowledge) -> String {
    let approximate = knowledge > Knowledge::Bounded;
    let sign = if approximate { "~" } else { "" };
    if low < high { format!("{sign}{low:.2}-{high:.2}") } else { format!("{sign}{low:.2}") }
}

fn how_to_read(grid: &Rescored) -> Vec<String> {
    let mut notes = vec![
        "tau: least mean score that passes. delta: largest spread of the reviewers that is no dispute."
            .to_owned(),
    ];
    let any = |of: &dyn Fn(&RuleOutcome) -> bool| grid.cells.iter().any(of);
    if any(&|cell| cell.unknown > 0) {
        notes.push(
            "a-b: some candidates were never asked what the rule needs to know; from none to all of \
             them passing, shaded half way."
                .to_owned(),
        );
    }
    let approximate = grid.knowledge().into_iter().filter(|known| *known > Knowledge::Bounded);
    notes.extend(approximate.map(|known| format!("~: {}", known.sentence())));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::every_outcome;

    #[test]
    fn squares_hold_shares_and_say_of_how_many() {
        let mut candidates = every_outcome();
        candidates[0].domain = Some(Domain::Coding);
        candidates[1].domain = None;
        let figure = domains("by/hand/seed-1", &candidates, &[]).unwrap();
        assert!(figure.caption.contains("Never drawn: QA, Reasoning, "), "{}", figure.caption);
        assert_eq!(figure.collisions(), [""; 0]);
        let decided = candidates.iter().filter(|c| c.outcome.is_some()).count();
        assert!(figure.caption.contains(&format!("n = {decided}")), "{}", figure.caption);
        assert!(figure.svg.contains("llama") && figure.svg.contains("all together"));
        assert!(domains("none", &[], &[]).is_err());
    }

    #[test]
    fn the_caption_quotes_wilsons_interval() {
        let high = Proportion { yes: 0, no: 5 }.wilson().unwrap().high;
        assert_eq!(format!("{:.0}%", 100.0 * high), "43%");
    }

    #[test]
    fn each_two_reviewers_have_a_square() {
        let pool = ["qwen", "mistral", "internlm"].map(ModelName::new);
        let figure = agreement("by/hand/seed-1", &every_outcome(), &pool).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        let candidates = every_outcome();
        let found = pairs(&candidates);
        assert_eq!(found.len(), 3, "three reviewers make three pairs");
        assert!(found.values().all(|units| units.len() == 6), "six responses have three reviews");
        let squares = |text: &str| {
            let texts = figure.svg.split(['<', '>']);
            texts.filter(|found| found.trim() == text).count()
        };
        // Each pair has one square, and names stand in the pool's order.
        assert_eq!(squares("n 6"), 3);
        for units in found.values() {
            let alpha = grid::fixed(alpha(units).unwrap(), 2);
            assert!(squares(&alpha) >= 1, "alpha {alpha}");
        }
        let below = |name: &str| figure.svg.find(name);
        assert!(below("qwen") < below("mistral") && below("mistral") < below("internlm"));
        assert!(agreement("none", &[], &pool).is_err());
    }

    #[test]
    fn alpha_of_a_pair_is_that_of_the_agreement_module() {
        // Identical ratings that vary agree wholly; constant ones say nothing.
        assert_eq!(alpha(&[vec![8.0, 8.0], vec![6.0, 6.0]]), Some(1.0));
        assert_eq!(alpha(&[vec![8.0, 8.0], vec![8.0, 8.0]]), None);
        assert_eq!(alpha(&[vec![8.0, 7.0]]), None);
    }
}
