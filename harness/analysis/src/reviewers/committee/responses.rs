//! Agreement on the scores of the response review (paper, section 3.3; Prompt 8).

use gra_synth::candidate::{Candidate, ResponseReview};
use gra_synth::committee::DIMENSIONS;

use super::{Coverage, dependence, reviewed_by_all, reviewed_by_any};
use crate::reviewers::agreement::Ratings;
use crate::statistics::inference::{Estimate, jackknife};

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

/// What reviewers say on one scale from 1 to 10.
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
    pub(super) fn of(candidates: &[Candidate]) -> Self {
        let any = reviewed_by_any(candidates, reviews);
        let of_any = ratings(&any);
        let agreement: [Estimate; 2 * SCALES] =
            jackknife(&dependence(&any), |weights| {
                let sums = of_any.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].alpha() } else { sums[k - SCALES].icc() }
                })
            });
        // Means and spreads of broken-off committees would be those of their first members.
        let all = reviewed_by_all(candidates, reviews);
        let of_all = ratings(&all);
        let level: [Estimate; 2 * SCALES] =
            jackknife(&dependence(&all), |weights| {
                let sums = of_all.each_ref().map(|ratings| ratings.sums(weights));
                std::array::from_fn(|k| {
                    if k < SCALES { sums[k].mean() } else { sums[k - SCALES].spread() }
                })
            });
        let scale = |place: usize| Scale {
            name: DIMENSIONS.get(place).copied().unwrap_or("mean"),
            mean: level[place],
            spread: level[SCALES + place].within(0.0, f64::INFINITY),
            alpha: agreement[place].within(f64::NEG_INFINITY, 1.0),
            icc: agreement[SCALES + place].within(-1.0, 1.0),
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
