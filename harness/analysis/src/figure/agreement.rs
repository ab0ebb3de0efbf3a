//! How alike each two reviewers of a trial score the same responses.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::request::ModelName;

use super::heat_map::{Axis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::reviewers::agreement::Ratings;

/// Two reviewers.
type Pair<'a> = (&'a ModelName, &'a ModelName);

/// Krippendorff's alpha (interval scale) of the mean scores of each two reviewers, over the candidates
/// that both have scored. A model that sits on two seats is compared with itself.
///
/// # Errors
/// When no candidate has two reviews of its response.
pub fn agreement(trial: &str, candidates: &[Candidate]) -> Result<Figure, FigureError> {
    let pairs = pairs(candidates);
    if pairs.is_empty() {
        return Err(FigureError::Nothing { what: "no response was reviewed twice" });
    }
    let models: BTreeSet<&ModelName> = pairs.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let models: Vec<&ModelName> = models.into_iter().collect();
    let square = |row: &ModelName, column: &ModelName| {
        let units = pairs.get(&(row.min(column), row.max(column)))?;
        let alpha = alpha(units);
        Some(Square {
            value: alpha,
            text: alpha.map_or_else(|| "-".to_owned(), |alpha| format!("{alpha:.2}")),
            below: format!("n {}", units.len()),
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
        value: "alpha (1: the same, 0: as by chance)".to_owned(),
        range: (0.0, 1.0),
        x: axis(&mut models.iter()),
        y: axis(&mut models.iter().rev()),
        panels: vec![Panel { title: String::new(), rows: rows.collect() }],
        framed: String::new(),
        dotted: String::new(),
        notes: vec![
            "Below 0 is shaded as 0; - where all scores are one value, or n is 1. Grey: no response was \
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
        let figure = agreement("by/hand/seed-1", &every_outcome()).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        let candidates = every_outcome();
        let found = pairs(&candidates);
        assert_eq!(found.len(), 3, "three reviewers make three pairs");
        assert!(found.values().all(|units| units.len() == 6), "six responses have three reviews");
        let squares = |text: &str| {
            let texts = figure.svg.split(['<', '>']);
            texts.filter(|found| found.trim() == text).count()
        };
        // Each pair has two squares, one on either side of the diagonal.
        assert_eq!(squares("n 6"), 6);
        for units in found.values() {
            let alpha = format!("{:.2}", alpha(units).unwrap());
            assert!(squares(&alpha) >= 2, "alpha {alpha}");
        }
        assert!(agreement("none", &[]).is_err());
    }

    #[test]
    fn alpha_of_a_pair_is_that_of_the_agreement_module() {
        // Identical ratings that vary agree wholly; constant ones say nothing.
        assert_eq!(alpha(&[vec![8.0, 8.0], vec![6.0, 6.0]]), Some(1.0));
        assert_eq!(alpha(&[vec![8.0, 8.0], vec![8.0, 8.0]]), None);
        assert_eq!(alpha(&[vec![8.0, 7.0]]), None);
    }
}
