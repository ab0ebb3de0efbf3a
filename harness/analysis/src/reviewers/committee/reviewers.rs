//! Each reviewer beside its colleagues: how finely it scores, how lenient it is, and whether it favours what its own
//! family wrote.
//!
//! A strict reviewer looks as if it disliked everyone, and a family that writes well looks as if its
//! members favoured it. Both cancel in a difference of differences: reviewer r less colleague s on the
//! same candidate takes out how good the candidate is; that difference on candidates of r's family less
//! the same difference, with the same s, on candidates of neither family takes out how strict r and s
//! are. What is left is r's liking for its family, beyond s's.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, ResponseReview};
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;

use super::dependence;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife};
use crate::statistics::rank::Resolution;
use crate::trial::lineage;

/// One model as a reviewer of responses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reviewer {
    /// How finely it scores: the steps of its mean of six, 61 at most where scores are whole. Counts its
    /// reviews.
    pub resolution: Resolution,
    /// Mean over its reviews of its score less the mean score of the other models on the same
    /// candidate; positive: lenient. Candidates that no other model reviewed take no part.
    pub leniency: Estimate,
    /// What it gives to its own family beyond what others give (a difference of differences): its score
    /// less a colleague's on candidates that its family wrote, less the same with the same colleague on
    /// candidates that neither family wrote; positive: it favours its own. Colleagues of the writing
    /// family take no part, and colleagues weigh by how often they sat beside it on its family's
    /// candidates. `None` when its family wrote nothing that it reviewed, or no one else did.
    pub self_preference: Estimate,
}

pub(super) fn by_model(
    candidates: &[Candidate],
    comparisons: &Comparisons,
) -> BTreeMap<ModelName, Reviewer> {
    let reviews = candidates.iter().flat_map(|candidate| &candidate.response_reviews);
    let models: BTreeSet<&ModelName> = reviews.map(|review| &review.reviewer).collect();
    let reviewer = |model: &ModelName| Reviewer {
        resolution: resolution(candidates, model),
        leniency: leniency(candidates, model),
        self_preference: comparisons.preference(Some(model)),
    };
    models.into_iter().map(|model| (model.clone(), reviewer(model))).collect()
}

fn resolution(candidates: &[Candidate], model: &ModelName) -> Resolution {
    let reviews = candidates.iter().flat_map(|candidate| &candidate.response_reviews);
    let own = reviews.filter(|review| review.reviewer == *model);
    let means: Vec<f64> = own.map(|review| review.scores.mean()).collect();
    Resolution::of(&means).expect("means of scores are finite")
}

fn leniency(candidates: &[Candidate], model: &ModelName) -> Estimate {
    let of_model = |candidate| Some((candidate, deviation(candidate, model)?));
    let (reviewed, deviations): (Vec<&Candidate>, Vec<(f64, f64)>) =
        candidates.iter().filter_map(of_model).unzip();
    let [leniency] = jackknife(&dependence(&reviewed), |weights| {
        let weighted = deviations.iter().zip(weights);
        let (count, sum) = weighted.fold((0.0, 0.0), |(count, sum), (deviation, &weight)| {
            (count + f64::from(weight) * deviation.0, sum + f64::from(weight) * deviation.1)
        });
        [(count > 0.0).then(|| sum / count)]
    });
    leniency
}

/// How many reviews of a candidate are the model's, and the sum of their distances from the others'
/// mean; `None` unless both reviewed it.
fn deviation(candidate: &Candidate, model: &ModelName) -> Option<(f64, f64)> {
    let (mut own, mut others) = ((0.0, 0.0), (0.0, 0.0));
    for review in &candidate.response_reviews {
        // A model may hold two seats: its reviews are held against those of other models alone.
        let side = if review.reviewer == *model { &mut own } else { &mut others };
        side.0 += 1.0;
        side.1 += review.scores.mean();
    }
    (own.0 > 0.0 && others.0 > 0.0).then(|| (own.0, own.1 - own.0 * others.1 / others.0))
}

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
    let scored = |review: &ResponseReview| Ok((known(&review.reviewer)?, review.scores.mean()));
    let reviews: Vec<_> =
        candidate.response_reviews.iter().map(scored).collect::<Result<_, UnknownFamily>>()?;
    // The writer of a response that no model reviewed needs no family.
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
