//! Agreement on the scores of the response review (paper, section 3.3; Prompt 8).

use gra_synth::candidate::{Candidate, ResponseReview};
use gra_synth::committee::DIMENSIONS;

use super::{Coverage, Reviewed};
use crate::reviewers::agreement::Ratings;
use crate::statistics::bootstrap::{Bootstrap, Estimate};

/// The six dimensions and their mean.
const SCALES: usize = DIMENSIONS.len() + 1;

/// The response reviews of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseAgreement {
    /// Candidates whose response was reviewed.
    pub coverage: Coverage,
    /// Each dimension in prompt order, then the reviewers' means (`mean`).
    pub scales: [Scale; SCALES],
}

/// What reviewers say on one scale from 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The dimension, or `mean`.
    pub name: &'static str,
    /// Mean score over whole committees. For `mean` this is the mean mu.
    pub mean: Estimate,
    /// Mean over whole committees of two and more of the population standard deviation between their
    /// reviewers. For `mean` this is the mean sigma.
    pub spread: Estimate,
    /// Krippendorff's alpha, interval.
    pub alpha: Estimate,
    /// ICC(1,1).
    pub icc: Estimate,
}

impl ResponseAgreement {
    pub(super) fn of(trial: &Reviewed, bootstrap: Bootstrap) -> Self {
        let (any, clusters) = trial.by_any(reviews);
        let of_any = ratings(&any);
        let agreement: [Estimate; 2 * SCALES] =
            bootstrap.estimate(&clusters, &["responses", "any"], |weights| {
                let sums = of_any.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].alpha() } else { sums[k - SCALES].icc() }
                })
            });
        // Means and spreads of broken-off committees would be those of their first members.
        let (all, clusters) = trial.by_all(reviews);
        let of_all = ratings(&all);
        let level: [Estimate; 2 * SCALES] =
            bootstrap.estimate(&clusters, &["responses", "all"], |weights| {
                let sums = of_all.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].mean() } else { sums[k - SCALES].spread() }
                })
            });
        let scale = |place: usize| Scale {
            name: DIMENSIONS.get(place).copied().unwrap_or("mean"),
            mean: level[place],
            spread: level[SCALES + place],
            alpha: agreement[place],
            icc: agreement[SCALES + place],
        };
        Self { coverage: Coverage::of(&any, &all), scales: std::array::from_fn(scale) }
    }
}

fn reviews(candidate: &Candidate) -> usize {
    candidate.response_reviews.len()
}

fn ratings(candidates: &[&Candidate]) -> [Ratings; SCALES] {
    std::array::from_fn(|place| {
        let score = |review: &ResponseReview| {
            review.scores.values().get(place).copied().unwrap_or_else(|| review.scores.mean())
        };
        let unit = |c: &&Candidate| c.response_reviews.iter().map(score).collect();
        let units: Vec<Vec<f64>> = candidates.iter().map(unit).collect();
        Ratings::of(&units).expect("scores and their means are finite")
    })
}
