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
//! - `cell`, `knowledge`: what is counted of a rule, with intervals; how much of it is known
//! - `word`: what the reviews of one candidate say under a rule
//! - `replay`: waves and rounds: who is a duplicate of whom
//! - `table`: the grid as CSV, Markdown and terminal text

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Thousandths;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;
use gra_synth::variant::{DisputeRule, Variant};
use rayon::prelude::*;

use crate::statistics::dependence::Dependence;
use crate::trial::lineage;

use cell::{Draft, draft, means};
use replay::Replayer;

mod cell;
mod knowledge;
mod replay;
mod table;
#[cfg(test)]
mod tests;
mod word;

pub use cell::{Acceptance, RuleOutcome};
pub use knowledge::Knowledge;
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

/// The trial cannot be rescored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RescoreError {
    /// Nothing was reviewed.
    #[error("variant `{variant}` has no reviewers: there are no reviews to rescore")]
    NoReviewers {
        /// The variant.
        variant: String,
    },
    /// A committee of none, or of more than were there.
    #[error("{asked} reviewers cannot be heard: the trial has {seats}")]
    Committee {
        /// Seats asked for.
        asked: u8,
        /// Seats recorded.
        seats: u8,
    },
    /// Another cosine limit needs the embeddings.
    #[error("cosine limit {asked} needs the embeddings: the trial was recorded at {recorded}")]
    NoEmbeddings {
        /// The limit asked for.
        asked: f64,
        /// The trial's.
        recorded: f64,
    },
    /// Nothing was compared.
    #[error(
        "variant `{variant}` keeps the seed set's instructions and compares them with nothing: there is \
         no cosine limit to change"
    )]
    NothingCompared {
        /// The variant.
        variant: String,
    },
    /// Fates are told by id.
    #[error("the trial holds candidate {candidate} twice")]
    RepeatedCandidate {
        /// The id.
        candidate: ItemId,
    },
}

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
