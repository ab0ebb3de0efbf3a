//! Agreement on the bits of the instruction review (paper, section 3.3; Prompt 6).

use gra_synth::candidate::Candidate;

use super::{Coverage, Reviewed};
use crate::agreement::Votes;
use crate::bootstrap::{Bootstrap, Estimate};
use crate::frames::CRITERIA;

/// The instruction reviews of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Instructions {
    /// Candidates whose instruction was reviewed.
    pub coverage: Coverage,
    /// Each bit, in prompt order.
    pub criteria: [Criterion; CRITERIA.len()],
}

/// One bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// What is asked for.
    pub name: &'static str,
    /// Mean over candidates of the share of reviewers that give a one.
    pub ones: Estimate,
    /// Share of reviewer pairs that give the same bit.
    pub agreement: Estimate,
    /// Gwet's AC1.
    pub ac1: Estimate,
    /// Fleiss' kappa over whole committees.
    pub fleiss: Estimate,
}

impl Instructions {
    pub(super) fn of(trial: &Reviewed, bootstrap: Bootstrap) -> Self {
        let (all, clusters) = trial.having(reviews, |_, _| true);
        let votes = votes(&all);
        // Per criterion, in one array: a replicate's draws are shared.
        let estimates: [Estimate; 9] =
            bootstrap.estimate(&clusters, &["instructions", "all"], |weights| {
                let [a, b, c] = votes.each_ref().map(|votes| votes.tally(weights));
                let of = |tally: crate::agreement::Tally<2>| {
                    [tally.share(1), tally.agreement(), tally.ac1()]
                };
                let ([a1, a2, a3], [b1, b2, b3], [c1, c2, c3]) = (of(a), of(b), of(c));
                [a1, a2, a3, b1, b2, b3, c1, c2, c3]
            });
        let (whole, clusters) = trial.having(reviews, |c, n| n == c.roles.reviewers.len());
        let votes = self::votes(&whole);
        let fleiss: [Estimate; 3] =
            bootstrap.estimate(&clusters, &["instructions", "whole"], |weights| {
                votes.each_ref().map(|votes| votes.tally(weights).fleiss())
            });
        let criterion = |place: usize| Criterion {
            name: CRITERIA[place],
            ones: estimates[3 * place],
            agreement: estimates[3 * place + 1],
            ac1: estimates[3 * place + 2],
            fleiss: fleiss[place],
        };
        Self { coverage: Coverage::of(&all, reviews), criteria: std::array::from_fn(criterion) }
    }
}

fn reviews(candidate: &Candidate) -> usize {
    candidate.instruction_reviews.len()
}

/// Zeros and ones of each candidate, by criterion.
fn votes(candidates: &[&Candidate]) -> [Votes<2>; CRITERIA.len()] {
    std::array::from_fn(|place| {
        Votes::of(candidates.iter().map(|candidate| {
            let mut votes = [0; 2];
            for review in &candidate.instruction_reviews {
                votes[usize::from(review.bits[place])] += 1;
            }
            votes
        }))
    })
}
