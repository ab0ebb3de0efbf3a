//! Sensitivity without a model: what a trial's recorded reviews would have decided under other rules.
//!
//! tau, delta, the dispute rule, a smaller committee and the cosine limit act on what was already said.
//! A [`Rule`] is applied to every recorded candidate with the method's own code
//! ([`gra_synth::committee`], [`gra_synth::dedup`]), and a [`RuleOutcome`] counts what comes out. The recorded rule
//! gives the recorded outcomes, one by one.
//!
//! What follows from the record and what does not:
//!
//! - The draws of round 1 depend on no rule, nor does what a reviewer says. Its candidates' fates are
//!   those that a run under the new rule would have recorded: **exact**.
//! - Some were never asked about: a dispute that was none under the recorded rule has no adjudicator's
//!   word; economy broke off reviews that could not reach the recorded tau, or that came after a zero;
//!   an early duplicate has no reviews. Such a candidate is **unknown** ([`NotRecorded`]). It is never
//!   guessed at: a rate stands between all of them failing and all of them passing.
//! - Rounds after the first drew their examples from samples that another rule would have changed. From
//!   the first round whose samples differ, the rest is **approximate**.
//! - Adaptive roles were learnt from what the recorded rule decided: under another one everything after the
//!   first wave is **approximate**.
//! - Where the instructions are the seed set's, every item is taken and none is compared with another:
//!   neither target nor cosine limit matters.
//! - A rate is over the candidates that were drawn. A run under another rule would stop earlier or draw
//!   more waves until its target is met; surplus therefore counts as passed, as in
//!   [`crate::trial::Funnel::acceptance_rate`].
//!
//! This is no run: it asks nothing, and finds no sample that was not written.
//!
//! # Layout
//!
//! - `word`: what the reviews of one candidate say under a rule
//! - `replay`: waves and rounds: who is a duplicate of whom, and how much of that is known
//! - `table`: the grid as CSV, Markdown and terminal text

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::{Decision, Thousandths};
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;
use gra_synth::variant::{DisputeRule, Variant};
use rayon::prelude::*;

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate, indicator};
use crate::trial::lineage;
use replay::{Replay, Replayer, Told};

mod replay;
mod table;
mod word;

pub use replay::Knowledge;
pub(crate) use word::lets_pass;

/// What decides about a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Least mean score that is accepted.
    pub tau: Thousandths,
    /// Largest spread that is accepted without a dispute.
    pub delta: Thousandths,
    /// How many seats are heard: the first of the recorded committee.
    pub reviewers: u8,
    /// What happens to disputes.
    pub dispute: DisputeRule,
    /// A sample's largest cosine to the target pool stays below this.
    pub cosine_limit: f64,
}

impl Rule {
    /// The rule that a trial ran under.
    #[must_use]
    pub const fn recorded(method: &Method, variant: &Variant) -> Self {
        Self {
            tau: method.tau,
            delta: method.delta,
            reviewers: variant.reviews(),
            dispute: variant.dispute,
            cosine_limit: method.cosine_limit,
        }
    }
}

/// A trial as it was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Every candidate of every round; ids are unique.
    pub candidates: &'a [Candidate],
    /// The method's parameters.
    pub method: &'a Method,
    /// What the trial did differently.
    pub variant: &'a Variant,
    /// `None`: duplicates stay as they were recorded.
    pub embeddings: Option<&'a Embeddings>,
    /// Scores of candidates by a judge outside the pool; may lack some. What is not finite counts as
    /// missing.
    pub judge: &'a BTreeMap<ItemId, f64>,
}

/// Embeddings by one encoder.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    /// Of the seed set.
    pub seeds: Vec<(ItemId, Embedding)>,
    /// Of candidates' instructions; may lack some.
    pub instructions: BTreeMap<ItemId, Embedding>,
}

/// How a candidate would have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It follows from the record.
    Known(Outcome),
    /// It does not.
    Unknown(NotRecorded),
}

/// What the record lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotRecorded {
    /// Reviews that were spared.
    Reviews,
    /// A response: a seat that is not heard any more had vetoed the instruction.
    Response,
    /// The adjudicator's word on a dispute, or its word after fewer comments.
    Adjudication,
    /// The embedding of the instruction.
    Embedding,
    /// An end: the round was under way.
    Outcome,
}

/// The grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescored {
    /// Candidates behind every cell.
    pub candidates: u64,
    /// The trial as it was run.
    pub recorded: RuleOutcome,
    /// One per rule, in their order.
    pub cells: Vec<RuleOutcome>,
}

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

/// The trial cannot be rescored: a rule asks for what was not recorded, or ids are repeated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct RescoreError(String);

/// Applies every rule to the record. Equal records and rules give equal grids, whatever the number of
/// threads.
///
/// # Errors
/// When a rule cannot be applied, or ids are repeated.
pub fn rescore(record: &Record<'_>, rules: &[Rule]) -> Result<Rescored, RescoreError> {
    let own = Rule::recorded(record.method, record.variant);
    // The recorded rule goes first: it must give what was recorded, and is shown above the grid.
    let all: Vec<Rule> = std::iter::once(own).chain(rules.iter().copied()).collect();
    let replayer = Replayer::new(record, &all)?;
    let drafts: Vec<Draft> =
        all.par_iter().map(|rule| draft(&replayer, record.judge, *rule)).collect();
    let inputs = drafts.iter().flat_map(|draft| draft.samples.iter().cloned());
    let items = replayer.candidates().iter().map(|candidate| lineage(candidate));
    let estimates = means(&inputs.collect::<Vec<_>>(), &Dependence::by_items(items));
    let cells =
        drafts.into_iter().zip(estimates.chunks_exact(3)).map(|(draft, estimates)| RuleOutcome {
            acceptance: Acceptance {
                least: estimates[0].within(0.0, 1.0),
                most: estimates[1].within(0.0, 1.0),
            },
            judge: estimates[2],
            ..draft.cell
        });
    let mut cells: Vec<RuleOutcome> = cells.collect();
    let recorded = cells.remove(0);
    Ok(Rescored { candidates: record.candidates.len() as u64, recorded, cells })
}

/// What becomes of every candidate under a rule.
///
/// # Errors
/// As [`rescore`].
pub fn fates(record: &Record<'_>, rule: Rule) -> Result<BTreeMap<ItemId, Fate>, RescoreError> {
    let replayer = Replayer::new(record, &[rule])?;
    let told = replayer.replay(&rule).told;
    Ok(replayer.candidates().iter().zip(told).map(|(c, told)| (c.id, told.fate)).collect())
}

impl Rescored {
    /// The kinds of knowledge among the cells.
    #[must_use]
    pub fn knowledge(&self) -> BTreeSet<Knowledge> {
        self.cells.iter().map(|cell| cell.knowledge).collect()
    }
}

/// A cell, and the samples whose means it lacks: least, most, judge.
struct Draft {
    cell: RuleOutcome,
    /// By candidate.
    samples: [Vec<Option<f64>>; 3],
}

fn draft(replayer: &Replayer<'_>, judge: &BTreeMap<ItemId, f64>, rule: Rule) -> Draft {
    let Replay { told, knowledge } = replayer.replay(&rule);
    let count = |of: &dyn Fn(&Told) -> bool| told.iter().filter(|told| of(told)).count() as u64;
    let is = |fate, outcomes: &[Outcome]| matches!(fate, Fate::Known(o) if outcomes.contains(&o));
    let passed = |fate| is(fate, &[Outcome::Accepted, Outcome::Surplus]);
    let unknown = |fate| matches!(fate, Fate::Unknown(_));
    let score = |at: usize| {
        let id = replayer.candidates()[at].id;
        judge.get(&id).copied().filter(|score| passed(told[at].fate) && score.is_finite())
    };
    let failed = |fate| matches!(fate, Fate::Known(Outcome::Failed { .. }));
    // A failed candidate has no end that the method knows of, and no part in the rate.
    let share = |at: usize, of: &dyn Fn(Fate) -> bool| {
        Some(told[at].fate).filter(|fate| !failed(*fate)).map(|fate| indicator(of(fate)))
    };
    // Bounds of the rate: none of the unknown passes, or all of them do.
    let of_all = |value: &dyn Fn(usize) -> Option<f64>| (0..told.len()).map(value).collect();
    let samples = [
        of_all(&|at| share(at, &passed)),
        of_all(&|at| share(at, &|fate| passed(fate) || unknown(fate))),
        of_all(&score),
    ];
    // Means are filled in when the grid is whole: equal samples of its cells are computed once.
    let nothing = Estimate::NONE;
    let cell = RuleOutcome {
        rule,
        decided: count(&|told| told.decision.is_some()),
        disputed: count(&|told| told.decision == Some(Decision::Dispute)),
        overturned: count(&|told| is(told.fate, &[Outcome::AdjudicatedOut, Outcome::VotedOut])),
        duplicates: count(&|told| is(told.fate, &[Outcome::Duplicate])),
        failed: count(&|told| failed(told.fate)),
        accepted: count(&|told| passed(told.fate)),
        unknown: count(&|told| unknown(told.fate)),
        acceptance: Acceptance { least: nothing, most: nothing },
        judge: nothing,
        judged: (0..told.len()).filter_map(score).count() as u64,
        knowledge,
    };
    Draft { cell, samples }
}

/// The mean of each sample with its interval, in their order. Equal samples, and a grid has many, are computed once.
fn means(samples: &[Vec<Option<f64>>], dependence: &Dependence) -> Vec<Estimate> {
    let bits = |sample: &[Option<f64>]| -> Vec<Option<u64>> {
        sample.iter().map(|value| value.map(f64::to_bits)).collect()
    };
    // Many rules decide alike. Bits are compared, which `f64` has no total order for.
    let different: BTreeMap<Vec<Option<u64>>, &Vec<Option<f64>>> =
        samples.iter().map(|sample| (bits(sample), sample)).collect();
    let estimates: BTreeMap<&Vec<Option<u64>>, Estimate> = different
        .par_iter()
        .map(|(bits, sample)| (bits, inference::mean(sample, dependence)))
        .collect();
    samples.iter().map(|sample| estimates[&bits(sample)]).collect()
}

#[cfg(test)]
mod tests;
