//! Each reviewer beside its colleagues.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::request::ModelName;

use super::dependence;
use super::preference::Comparisons;
use crate::statistics::inference::{Estimate, jackknife};
use crate::statistics::levels::Resolution;

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
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for review in candidates.iter().flat_map(|candidate| &candidate.response_reviews) {
        if review.reviewer == *model {
            *counts.entry(review.scores.total()).or_default() += 1;
        }
    }
    let counts: Vec<u64> = counts.into_values().collect();
    Resolution::of_counts(&counts)
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
