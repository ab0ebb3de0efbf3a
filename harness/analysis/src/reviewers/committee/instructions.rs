//! Agreement on the bits of the instruction review (paper, section 3.3; Prompt 6).

use gra_synth::candidate::Candidate;

use super::{Coverage, dependence, reviewed_by_all, reviewed_by_any};
use crate::frames::CRITERIA;
use crate::reviewers::agreement::Votes;
use crate::statistics::inference::{Estimate, jackknife};

/// The instruction reviews of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionAgreement {
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

impl InstructionAgreement {
    pub(super) fn of(candidates: &[Candidate]) -> Self {
        let any = reviewed_by_any(candidates, reviews);
        let of_any = votes(&any);
        let estimates: [Estimate; 3 * CRITERIA.len()] = jackknife(&dependence(&any), |weights| {
            let tallies = of_any.each_ref().map(|votes| votes.tally(weights));
            std::array::from_fn(|k| match (&tallies[k / 3], k % 3) {
                (tally, 0) => tally.share(1),
                (tally, 1) => tally.agreement(),
                (tally, _) => tally.ac1(),
            })
        });
        // Fleiss' kappa is defined for units with equally many votes.
        let all = reviewed_by_all(candidates, reviews);
        let of_all = votes(&all);
        let fleiss: [Estimate; 3] = jackknife(&dependence(&all), |weights| {
            of_all.each_ref().map(|votes| votes.tally(weights).fleiss())
        });
        let criterion = |place: usize| Criterion {
            name: CRITERIA[place],
            ones: estimates[3 * place].within(0.0, 1.0),
            agreement: estimates[3 * place + 1].within(0.0, 1.0),
            ac1: estimates[3 * place + 2].within(-1.0, 1.0),
            fleiss: fleiss[place].within(-1.0, 1.0),
        };
        Self { coverage: Coverage::of(&any, &all), criteria: std::array::from_fn(criterion) }
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
