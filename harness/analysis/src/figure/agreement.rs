//! How alike each two reviewers of a trial score the same responses.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::request::ModelName;

use super::heat_map::{Axis, Emphasis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::grid;
use crate::reviewers::agreement::Ratings;

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
        return Err(FigureError::Nothing { what: "no response was reviewed twice" });
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
        let alpha = alpha(units);
        Some(Square {
            value: alpha,
            text: alpha.map_or_else(|| "-".to_owned(), |alpha| grid::fixed(alpha, 2)),
            below: format!("n {}", units.len()),
            emphasis: if units.len() < 2 { Emphasis::Faded } else { Emphasis::Full },
            ..Square::default()
        })
    };
    // The first reviewer stands at the top; the rows of a heat map rise.
    let rows = models
        .iter()
        .rev()
        .map(|row| models.iter().map(|column| square(row, column).unwrap_or_default()).collect());
    let axis = |names: &mut dyn Iterator<Item = &&ModelName>| Axis {
        name: String::new(),
        ticks: names.map(ToString::to_string).collect(),
    };
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
        x: axis(&mut models.iter()),
        y: axis(&mut models.iter().rev()),
        panels: vec![Panel { title: String::new(), rows: rows.collect() }],
        framed: String::new(),
        dotted: String::new(),
        notes: vec![
            "-: all scores are one value, or n is 1 (pale). Grey: no response was \
             reviewed by both. With economy, what cannot pass is not scored to the end, and alpha is of \
             what was scored."
                .to_owned(),
        ],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial_by_hand::every_outcome;

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
