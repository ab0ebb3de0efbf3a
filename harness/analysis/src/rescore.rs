//! Sensitivity without a model: what a trial's recorded reviews would have decided under other rules.
//!
//! tau, delta, the dispute rule, a smaller committee and the cosine limit act on what was already said.
//! A [`Rule`] is applied to every recorded candidate with the method's own code
//! ([`gra_synth::committee`], [`gra_synth::dedup`]), and a [`Cell`] counts what comes out. The recorded rule
//! gives the recorded outcomes, one by one.
//!
//! What follows from the record and what does not:
//!
//! - The draws of round 1 depend on no rule, nor does what a reviewer says. Its candidates' fates are
//!   those that a run under the new rule would have recorded: **exact**.
//! - Some were never asked about: a dispute that was none under the recorded rule has no adjudicator's
//!   word; economy broke off reviews that could not reach the recorded tau, or that came after a zero;
//!   an early duplicate has no reviews. Such a candidate is **unknown** ([`Missing`]). It is never
//!   guessed at: a rate stands between all of them failing and all of them passing.
//! - Rounds after the first drew their examples from samples that another rule would have changed. From
//!   the first round whose samples differ, the rest is **approximate**.
//! - A rate is over the candidates that were drawn. A run under another rule would stop earlier or draw
//!   more waves until its target is met; surplus therefore counts as passed, as in
//!   [`crate::funnel::Funnel::acceptance_rate`].
//!
//! This is no run: it asks nothing, and finds no sample that nobody wrote.
//!
//! # Layout
//!
//! - `word`: what the reviews of one candidate say under a rule
//! - `replay`: waves and rounds: who is a duplicate of whom
//! - `uncertainty`: intervals
//! - `table`: the grid as CSV, Markdown and terminal text

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::method::{Method, Thousandths};
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;
use gra_synth::variant::{DisputeRule, Variant};
use rayon::prelude::*;

use crate::bootstrap::{Cluster, Estimate};
use replay::{Replay, Replayer};
use uncertainty::{Leads, means};

mod replay;
mod table;
#[cfg(test)]
mod tests;
mod uncertainty;
mod word;

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
    /// Names the streams of the bootstrap.
    pub run_seed: u64,
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
    Unknown(Missing),
}

/// What the record lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
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

/// How much of a cell is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Every fate follows from the record.
    Exact,
    /// Some fates are unknown; the rate lies between all of them failing and all of them passing.
    Bounded,
    /// There were no embeddings and other candidates pass review than did: who is a duplicate is taken
    /// from the record.
    DuplicatesAsRecorded,
    /// A round before the last would have added other samples, and later rounds drew from them.
    LaterRounds,
}

impl Knowledge {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::Exact, Self::Bounded, Self::DuplicatesAsRecorded, Self::LaterRounds];

    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::DuplicatesAsRecorded => "duplicates",
            Self::LaterRounds => "later-rounds",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Exact => {
                "every candidate's fate follows from the record, as a run under this rule would have \
                 recorded it."
            }
            Self::Bounded => {
                "some candidates were never asked what this rule needs to know; the rate lies between \
                 all of them failing and all of them passing (each taken as nobody's duplicate)."
            }
            Self::DuplicatesAsRecorded => {
                "approximate; other candidates pass review than did, and without embeddings (trials of \
                 earlier releases do not say which encoder made theirs) duplicates are taken from the \
                 record."
            }
            Self::LaterRounds => {
                "approximate; an earlier round would have added other samples, and later rounds drew \
                 their examples from those that it did add."
            }
        }
    }
}

/// One rule and what it would have made of the trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
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
    /// Known to pass review and deduplication, surplus included.
    pub accepted: u64,
    /// Candidates whose fate is not known.
    pub unknown: u64,
    /// `accepted` over the candidates, in [0, 1].
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

/// The grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescored {
    /// Candidates behind every cell.
    pub candidates: u64,
    /// The trial as it was run.
    pub recorded: Cell,
    /// One per rule, in their order.
    pub cells: Vec<Cell>,
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
    /// A committee of nobody, or of more than were there.
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
    let all: Vec<Rule> = std::iter::once(own).chain(rules.iter().copied()).collect();
    let replayer = Replayer::new(record, &all)?;
    let leads = Leads::of(replayer.candidates());
    let drafts: Vec<Draft> =
        all.par_iter().map(|rule| draft(&replayer, record.judge, &leads, *rule)).collect();
    let inputs = drafts.iter().flat_map(|draft| draft.samples.iter().cloned());
    let estimates = means(&inputs.collect::<Vec<_>>(), record.run_seed);
    let cells = drafts.into_iter().zip(estimates.chunks_exact(3)).map(|(draft, estimates)| Cell {
        acceptance: Acceptance { least: estimates[0], most: estimates[1] },
        judge: estimates[2],
        ..draft.cell
    });
    let mut cells: Vec<Cell> = cells.collect();
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

/// A cell, and the samples whose means it lacks: least, most, judge.
struct Draft {
    cell: Cell,
    samples: [Vec<Cluster>; 3],
}

fn draft(
    replayer: &Replayer<'_>,
    judge: &BTreeMap<ItemId, f64>,
    leads: &Leads,
    rule: Rule,
) -> Draft {
    let Replay { told, knowledge } = replayer.replay(&rule);
    let count = |of: &dyn Fn(&replay::Told) -> bool| told.iter().filter(|told| of(told)).count();
    let is = |fate, outcomes: &[Outcome]| matches!(fate, Fate::Known(o) if outcomes.contains(&o));
    let passed = |fate| is(fate, &[Outcome::Accepted, Outcome::Surplus]);
    let unknown = |fate| matches!(fate, Fate::Unknown(_));
    let score = |at: usize| {
        let id = replayer.candidates()[at].id;
        judge.get(&id).copied().filter(|score| passed(told[at].fate) && score.is_finite())
    };
    let share = |of: bool| Some(f64::from(u8::from(of)));
    let samples = [
        leads.cluster(|at| share(passed(told[at].fate))),
        leads.cluster(|at| share(passed(told[at].fate) || unknown(told[at].fate))),
        leads.cluster(score),
    ];
    let nothing = Estimate { n: 0, value: None, interval: None };
    let cell = Cell {
        rule,
        decided: count(&|told| told.decision.is_some()) as u64,
        disputed: count(&|told| told.decision == Some(Decision::Dispute)) as u64,
        overturned: count(&|told| is(told.fate, &[Outcome::AdjudicatedOut, Outcome::VotedOut]))
            as u64,
        duplicates: count(&|told| is(told.fate, &[Outcome::Duplicate])) as u64,
        accepted: count(&|told| passed(told.fate)) as u64,
        unknown: count(&|told| unknown(told.fate)) as u64,
        acceptance: Acceptance { least: nothing, most: nothing },
        judge: nothing,
        judged: (0..told.len()).filter_map(score).count() as u64,
        knowledge,
    };
    Draft { cell, samples }
}

impl Rescored {
    /// Writes the recorded cell and the grid as CSV: a header, one line per rule, full precision, an
    /// empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        table::csv(self, writer)
    }

    /// Writes the grid as a Markdown table, and how to read it.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_markdown(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(table::markdown(self).as_bytes())
    }

    /// Writes the grid as aligned columns, and how to read it.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_terminal(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(table::terminal(self).as_bytes())
    }

    /// The kinds of knowledge among the cells.
    #[must_use]
    pub fn knowledge(&self) -> BTreeSet<Knowledge> {
        self.cells.iter().map(|cell| cell.knowledge).collect()
    }
}
