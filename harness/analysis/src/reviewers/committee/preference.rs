//! Does a reviewer favour what its own family wrote?
//!
//! A strict reviewer looks as if it disliked everyone, and a family that writes well looks as if its
//! members favoured it. Both cancel in a difference of differences: reviewer r less colleague s on the
//! same candidate takes out how good the candidate is; that difference on candidates of r's family less
//! the same difference, with the same s, on candidates of neither family takes out how strict r and s
//! are. What is left is r's liking for its family, beyond s's.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife};
use crate::trial::lineage;

/// A model's family is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model `{model}` has no family")]
pub struct UnknownFamily {
    /// The model.
    pub model: ModelName,
}

/// Reviewer less colleague on one candidate.
struct Comparison {
    /// What the candidate goes back to.
    items: Vec<ItemId>,
    /// Numbers of reviewer and colleague, in the order of their names.
    pair: (usize, usize),
    /// The reviewer's family wrote the candidate; otherwise neither's did.
    own: bool,
    difference: f64,
}

/// Every comparison of a trial.
pub(super) struct Comparisons<'a> {
    /// Models by number.
    models: Vec<&'a ModelName>,
    all: Vec<Comparison>,
}

impl<'a> Comparisons<'a> {
    pub(super) fn of(
        candidates: &[Candidate],
        families: &'a BTreeMap<ModelName, String>,
    ) -> Result<Self, UnknownFamily> {
        let numbers: BTreeMap<&ModelName, (usize, &str)> = families
            .iter()
            .enumerate()
            .map(|(number, (model, family))| (model, (number, family.as_str())))
            .collect();
        let known = |model: &ModelName| {
            numbers.get(model).copied().ok_or_else(|| UnknownFamily { model: model.clone() })
        };
        let mut all = Vec::new();
        for candidate in candidates {
            compare(candidate, known, &mut all)?;
        }
        // Only a pair seen on both kinds of candidates says anything.
        let mut seen: BTreeMap<(usize, usize), [bool; 2]> = BTreeMap::new();
        for comparison in &all {
            seen.entry(comparison.pair).or_default()[usize::from(comparison.own)] = true;
        }
        all.retain(|comparison| seen[&comparison.pair] == [true; 2]);
        Ok(Self { models: families.keys().collect(), all })
    }

    /// Self-preference of one reviewer, or of all together.
    pub(super) fn preference(&self, reviewer: Option<&ModelName>) -> Estimate {
        let is_asked = |comparison: &&Comparison| {
            reviewer.is_none_or(|model| self.models[comparison.pair.0] == model)
        };
        let rows: Vec<&Comparison> = self.all.iter().filter(is_asked).collect();
        let dependence = Dependence::by_items(rows.iter().map(|row| &row.items));
        let [preference] = jackknife(&dependence, |weights| {
            let mut pairs = vec![[Sum::default(); 2]; self.models.len().pow(2)];
            for (row, &weight) in rows.iter().zip(weights) {
                let pair = row.pair.0 * self.models.len() + row.pair.1;
                pairs[pair][usize::from(row.own)].add(row.difference, weight);
            }
            [favour(&pairs)]
        });
        preference
    }
}

/// Adds the comparisons of every two reviewers of a candidate.
fn compare<'f>(
    candidate: &Candidate,
    known: impl Fn(&ModelName) -> Result<(usize, &'f str), UnknownFamily>,
    all: &mut Vec<Comparison>,
) -> Result<(), UnknownFamily> {
    let mut reviews = Vec::with_capacity(candidate.response_reviews.len());
    for review in &candidate.response_reviews {
        reviews.push((known(&review.reviewer)?, review.scores.mean()));
    }
    if reviews.is_empty() {
        return Ok(());
    }
    let (_, writer) = known(&candidate.roles.generator)?;
    for &((reviewer, family), score) in &reviews {
        for &((colleague, other), its_score) in &reviews {
            // A colleague of the writing family would carry its own liking into the difference.
            if reviewer != colleague && other != writer {
                let (own, difference) = (family == writer, score - its_score);
                let items = lineage(candidate);
                all.push(Comparison { items, pair: (reviewer, colleague), own, difference });
            }
        }
    }
    Ok(())
}

/// A weighted sum of differences.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: f64,
    sum: f64,
}

impl Sum {
    fn add(&mut self, difference: f64, weight: u32) {
        self.count += f64::from(weight);
        self.sum += f64::from(weight) * difference;
    }
}

/// Mean over own-family comparisons of own less other, pair by pair; `None` when no pair has both.
fn favour(pairs: &[[Sum; 2]]) -> Option<f64> {
    let mut all = Sum::default();
    for [other, own] in pairs.iter().filter(|pair| pair.iter().all(|sum| sum.count > 0.0)) {
        all.count += own.count;
        // The pair's mean on foreign candidates is what strictness alone would give on own ones.
        all.sum += own.sum - own.count * other.sum / other.count;
    }
    (all.count > 0.0).then(|| all.sum / all.count)
}
