//! One cell of the grid: what a rule makes of the candidates, counted, with its intervals.
//!
//! Candidates that were shown the same examples do not vary independently ([`crate::trial::lineage`]).

use std::collections::BTreeMap;

use gra_synth::candidate::Outcome;
use gra_synth::committee::Decision;
use gra_synth::pool::ItemId;
use rayon::prelude::*;

use super::replay::{Replay, Replayer, Told};
use super::{Fate, Knowledge, Rule};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate};

/// One rule and what it would have made of the trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// Candidates on whom the committee's decision is known.
    pub decided: u64,
    /// Of these, disputes.
    pub disputed: u64,
    /// Of these, the ones that the adjudicator or the vote dropped, against the committee's mean.
    pub overturned: u64,
    /// Known to be too close to the target pool.
    pub duplicates: u64,
    /// Ended by a failed call.
    pub failed: u64,
    /// Known to pass review and deduplication, surplus included.
    pub accepted: u64,
    /// Candidates whose fate is not known.
    pub unknown: u64,
    /// `accepted` over the candidates that have not failed, in [0, 1].
    pub acceptance: Acceptance,
    /// Mean judge score of the accepted ones that have one.
    pub judge: Estimate,
    /// How many of the accepted have a judge score.
    pub judged: u64,
    /// How much of this is known.
    pub knowledge: Knowledge,
}

/// A rate between its bounds, which are equal when every fate is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance {
    /// None of the unknown passes.
    pub least: Estimate,
    /// All of them pass.
    pub most: Estimate,
}

/// A cell, and the samples whose means it lacks: least, most, judge.
pub(super) struct Draft {
    pub(super) cell: RuleOutcome,
    /// By candidate.
    pub(super) samples: [Vec<Option<f64>>; 3],
}

pub(super) fn draft(replayer: &Replayer<'_>, judge: &BTreeMap<ItemId, f64>, rule: Rule) -> Draft {
    let Replay { told, knowledge } = replayer.replay(&rule);
    let count = |of: &dyn Fn(&Told) -> bool| told.iter().filter(|told| of(told)).count();
    let is = |fate, outcomes: &[Outcome]| matches!(fate, Fate::Known(o) if outcomes.contains(&o));
    let passed = |fate| is(fate, &[Outcome::Accepted, Outcome::Surplus]);
    let unknown = |fate| matches!(fate, Fate::Unknown(_));
    let score = |at: usize| {
        let id = replayer.candidates()[at].id;
        judge.get(&id).copied().filter(|score| passed(told[at].fate) && score.is_finite())
    };
    let failed = |fate| matches!(fate, Fate::Known(Outcome::Failed { .. }));
    let share = |at: usize, of: &dyn Fn(Fate) -> bool| {
        let fate = told[at].fate;
        (!failed(fate)).then(|| f64::from(u8::from(of(fate))))
    };
    // Bounds of the rate: none of the unknown passes, or all of them do.
    let of_all = |value: &dyn Fn(usize) -> Option<f64>| (0..told.len()).map(value).collect();
    let samples = [
        of_all(&|at| share(at, &passed)),
        of_all(&|at| share(at, &|fate| passed(fate) || unknown(fate))),
        of_all(&score),
    ];
    let nothing = Estimate::NONE;
    let cell = RuleOutcome {
        rule,
        decided: count(&|told| told.decision.is_some()) as u64,
        disputed: count(&|told| told.decision == Some(Decision::Dispute)) as u64,
        overturned: count(&|told| is(told.fate, &[Outcome::AdjudicatedOut, Outcome::VotedOut]))
            as u64,
        duplicates: count(&|told| is(told.fate, &[Outcome::Duplicate])) as u64,
        failed: count(&|told| failed(told.fate)) as u64,
        accepted: count(&|told| passed(told.fate)) as u64,
        unknown: count(&|told| unknown(told.fate)) as u64,
        acceptance: Acceptance { least: nothing, most: nothing },
        judge: nothing,
        judged: (0..told.len()).filter_map(score).count() as u64,
        knowledge,
    };
    Draft { cell, samples }
}

/// The mean of each sample with its interval, in their order. Equal samples, and a grid has many, are computed once.
pub(super) fn means(samples: &[Vec<Option<f64>>], dependence: &Dependence) -> Vec<Estimate> {
    let bits = |sample: &[Option<f64>]| -> Vec<Option<u64>> {
        sample.iter().map(|value| value.map(f64::to_bits)).collect()
    };
    // Many rules decide alike.
    let different: BTreeMap<Vec<Option<u64>>, &Vec<Option<f64>>> =
        samples.iter().map(|sample| (bits(sample), sample)).collect();
    let estimates: BTreeMap<&Vec<Option<u64>>, Estimate> = different
        .par_iter()
        .map(|(bits, sample)| (bits, inference::mean(sample, dependence)))
        .collect();
    samples.iter().map(|sample| estimates[&bits(sample)]).collect()
}
