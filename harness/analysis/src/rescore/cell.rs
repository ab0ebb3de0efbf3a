//! One cell of the grid: what a rule makes of the candidates, counted, with its intervals.
//!
//! Candidates that saw the same examples do not vary independently; they are clustered by the first item that was
//! drawn for them (a candidate has two to four, and no partition holds all of them together). Every cell is
//! resampled with the same draws, so that two cells differ by their rules alone.

use std::collections::BTreeMap;

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::pool::ItemId;
use rayon::prelude::*;

use super::replay::{Replay, Replayer, Told};
use super::{Fate, Knowledge, Rule};
use crate::statistics::bootstrap::{self, Cluster, Estimate};

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
    /// Mean judge score of the accepted ones that have one; `n` counts clusters.
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
    pub(super) samples: [Vec<Cluster>; 3],
}

pub(super) fn draft(
    replayer: &Replayer<'_>,
    judge: &BTreeMap<ItemId, f64>,
    leads: &Leads,
    rule: Rule,
) -> Draft {
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
    let samples = [
        leads.cluster(|at| share(at, &passed)),
        leads.cluster(|at| share(at, &|fate| passed(fate) || unknown(fate))),
        leads.cluster(score),
    ];
    let nothing = Estimate { n: 0, value: None, interval: None };
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

/// Which candidates were drawn beside which item.
pub(super) struct Leads {
    /// Places of candidates.
    groups: Vec<Vec<usize>>,
}

impl Leads {
    pub(super) fn of(candidates: &[&Candidate]) -> Self {
        let mut groups: BTreeMap<ItemId, Vec<usize>> = BTreeMap::new();
        for (at, candidate) in candidates.iter().enumerate() {
            let lead = candidate.examples.first().copied().unwrap_or(candidate.id);
            groups.entry(lead).or_default().push(at);
        }
        Self { groups: groups.into_values().collect() }
    }

    /// The values by cluster; clusters without any are left out.
    fn cluster(&self, value: impl Fn(usize) -> Option<f64>) -> Vec<Cluster> {
        let cluster = |group: &Vec<usize>| {
            let (mut sum, mut count) = (0.0, 0);
            for value in group.iter().filter_map(|&at| value(at)) {
                sum += value;
                count += 1;
            }
            (count > 0).then_some(Cluster { sum, count })
        };
        self.groups.iter().filter_map(cluster).collect()
    }
}

/// The mean of each sample with its interval, in their order. Equal samples, and a grid has many, are
/// computed once.
pub(super) fn means(samples: &[Vec<Cluster>], run_seed: u64) -> Vec<Estimate> {
    let bits = |sample: &[Cluster]| -> Vec<(u64, u32)> {
        sample.iter().map(|cluster| (cluster.sum.to_bits(), cluster.count)).collect()
    };
    // Many rules decide alike; each different outcome is resampled once.
    let different: BTreeMap<Vec<(u64, u32)>, &Vec<Cluster>> =
        samples.iter().map(|sample| (bits(sample), sample)).collect();
    let estimates: BTreeMap<&Vec<(u64, u32)>, Estimate> = different
        .par_iter()
        .map(|(bits, sample)| (bits, bootstrap::mean(sample, run_seed, &["rescore"])))
        .collect();
    samples.iter().map(|sample| estimates[&bits(sample)]).collect()
}
