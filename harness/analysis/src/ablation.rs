//! The ablation table: one row per variant, with its difference to a reference variant.
//!
//! CSV holds every number at full precision; Markdown and the terminal show them rounded. What depends
//! on the machine ([`RunCost`]) is shown there and never part of the CSV, so that the CSV of a rerun
//! has the same bytes.
//!
//! # Two variants on the same candidates
//!
//! Every draw about a candidate comes from a stream that carries its id and no variant, so candidate
//! r1-00007 has the same domain and, while the pools agree, the same examples under every variant
//! (gra-synth, `stream`). Comparing candidate by candidate takes the differences between candidates
//! out of the difference between variants. From round 2 on each variant draws from its own pool: such
//! pairs share the draw and no longer the examples, which costs precision and does not bias.
//! Pairs that were shown one example ([`crate::trial::lineage`]) depend on each other.
//!
//! The comparison and the CSV are here; the table as people read it is in `readable`, several run seeds in [`sweep`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::Stage;

use crate::foreign_text::{field, write_lines};
use crate::frames::{MU, PASSED, RowValues};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, Inference, holm};
use crate::trial::{self, Funnel, Savings, TrialFacts, Usage};

mod readable;
pub mod sweep;

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct AblationTable {
    /// Name of the variant that the others are compared with.
    pub reference: String,
    /// The run seed.
    pub seed: u64,
    /// In the order of the trials; what the shell knows of them is filled in by it.
    pub rows: Vec<VariantRow>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantRow {
    /// Its name.
    pub variant: String,
    /// What became of its candidates.
    pub funnel: Funnel,
    /// What its calls cost.
    pub usage: Usage,
    /// Which calls were left out.
    pub savings: Savings,
    /// How it differs from the reference, p-values corrected for the whole table; `None` for the
    /// reference itself.
    pub difference: Option<Comparison>,
    /// How many samples its rounds were to add; `None` where nothing says so, as over a seed set's own instructions.
    pub target: Option<u64>,
    /// What the shell measured, where it did.
    pub measured: Option<RunCost>,
}

/// What a run cost on this machine, with the store that it had. For display.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunCost {
    /// Calls that an engine answered during this run.
    pub paid_calls: u64,
    /// Calls that the completion store answered.
    pub answered_from_store: u64,
    /// Seconds spent inside engines.
    pub engine_seconds: f64,
    /// Seconds from the trial's start to its end.
    pub wall_seconds: f64,
}

/// The trials make no table: no trial has the reference's name, two have one name, or a trial holds a candidate twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AblationError(String);

impl AblationTable {
    /// Counts every trial and compares each with the reference, by name. Rows keep the order of the
    /// trials. The run seed is said in the table.
    ///
    /// # Errors
    /// When no trial has the reference's name, or a name or an id is repeated.
    pub fn new(trials: &[TrialFacts], reference: &str, seed: u64) -> Result<Self, AblationError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = trials.iter().find(|trial| !names.insert(&trial.variant)) {
            let message = format!("two trials of the ablation are called `{}`", twice.variant);
            return Err(AblationError(message));
        }
        let Some(base) = trials.iter().position(|trial| trial.variant == reference) else {
            let known: Vec<&str> = trials.iter().map(|trial| trial.variant.as_str()).collect();
            let known = known.join(", ");
            let message = format!("the ablation has no variant `{reference}`; it has {known}");
            return Err(AblationError(message));
        };
        let all = trials.iter().map(compared).collect::<Result<Vec<Compared>, _>>()?;
        let row = |(trial, candidates): (&TrialFacts, &Compared)| VariantRow {
            variant: trial.variant.clone(),
            funnel: Funnel::of(&trial.candidates),
            usage: Usage::of(&trial.calls),
            savings: Savings::of(&trial.candidates),
            difference: (trial.variant != reference).then(|| compare(&all[base], candidates)),
            target: None,
            measured: None,
        };
        // p-values are corrected last, when all tests of the table are there.
        let mut rows: Vec<VariantRow> = trials.iter().zip(&all).map(row).collect();
        correct(&mut rows);
        Ok(Self { reference: reference.to_owned(), seed, rows })
    }

    /// Writes every number but the measured ones as CSV: a header, one line per variant, rates and
    /// means at full precision, an empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        write_lines(writer, self.rows.iter().map(|row| record(self, row)))
    }
}

/// Replaces the p-values of a table's differences by Holm-corrected ones.
fn correct(rows: &mut [VariantRow]) {
    let mut differences: Vec<&mut Difference> = rows
        .iter_mut()
        .filter_map(|row| row.difference.as_mut())
        .flat_map(|difference| [&mut difference.acceptance, &mut difference.mu])
        .collect();
    // All differences of the table are one family of tests, whatever they are about.
    let adjusted = holm(&differences.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p) in differences.iter_mut().zip(adjusted) {
        difference.p = p;
    }
}

fn compared(trial: &TrialFacts) -> Result<Compared, AblationError> {
    Compared::from_candidates(&trial.candidates).map_err(|candidate| {
        AblationError(format!("trial `{}` holds candidate {candidate} twice", trial.variant))
    })
}

/// One of a funnel's counts.
type CountOf = fn(&Funnel) -> u64;

/// What a funnel counts: by its name in files and its title where people read, which breaks it into lines.
const COUNTS: [(&str, &str, CountOf); 14] = [
    ("candidates", "drawn", |funnel| funnel.candidates),
    ("malformed", "mal-\nformed", |funnel| funnel.malformed),
    ("failed", "failed", |funnel| funnel.failed),
    ("repeated_keywords", "repeated\nkeywords", |funnel| funnel.repeated_keywords),
    ("vetoed", "vetoed", |funnel| funnel.vetoed),
    ("rejected", "rejected", |funnel| funnel.rejected),
    ("disputed", "disputed", |funnel| funnel.disputed),
    ("adjudicated_in", "adjud.\nin", |funnel| funnel.adjudicated_in),
    ("adjudicated_out", "adjud.\nout", |funnel| funnel.adjudicated_out),
    ("voted_out", "voted\nout", |funnel| funnel.voted_out),
    ("duplicates", "dupli-\ncate", |funnel| funnel.duplicates),
    ("surplus", "sur-\nplus", |funnel| funnel.surplus),
    ("accepted", "accepted", |funnel| funnel.accepted),
    ("undecided", "un-\ndecided", |funnel| funnel.undecided),
];

/// Of these, what happened on the way and is no end.
const ON_THE_WAY: [&str; 2] = ["disputed", "adjudicated_in"];

/// The stages that a candidate's reply can be malformed in.
const CANDIDATE_STAGES: [Stage; 8] = [
    Stage::Keywords,
    Stage::Instruction,
    Stage::InstructionReview,
    Stage::Response,
    Stage::ResponseReview,
    Stage::ReviewComment,
    Stage::Adjudication,
    Stage::Summary,
];

/// The fields of a variant's line: every number but the measured ones.
fn record(table: &AblationTable, row: &VariantRow) -> Vec<(String, String)> {
    let VariantRow { funnel, usage, savings, difference, .. } = row;
    let mut fields = Vec::new();
    let mut push = |name: &str, value: String| fields.push((name.to_owned(), value));
    push("variant", row.variant.clone());
    push("reference", table.reference.clone());
    push("seed", table.seed.to_string());
    for (name, _, count) in COUNTS {
        push(name, count(funnel).to_string());
    }
    push("acceptance_rate", field(funnel.acceptance_rate()));
    // Every stage has its column, so that the tables of several experiments can be laid over each other.
    for stage in CANDIDATE_STAGES {
        let name = format!("malformed_replies_{}", stage.name().replace('-', "_"));
        let count = funnel.malformed_replies.get(&stage).copied().unwrap_or_default();
        push(&name, count.to_string());
    }
    push("failed_calls", funnel.failed_calls_total().to_string());
    for (name, over, scores) in [
        ("reviewed", "reviewed", funnel.scores_reviewed),
        ("accepted_reviewed", "accepted", funnel.scores_accepted),
    ] {
        push(name, scores.n.to_string());
        push(&format!("mean_mu_{over}"), field(scores.mu));
        push(&format!("mean_sigma_{over}"), field(scores.sigma));
    }
    for (name, count) in [
        ("calls", usage.calls),
        ("calls_shared", usage.shared),
        ("prompt_tokens", usage.prompt_tokens),
        ("reply_tokens", usage.reply_tokens),
        ("early_duplicates", savings.early_duplicates),
        ("saved_after_early_duplicates", savings.after_early_duplicates),
        ("saved_after_veto", savings.after_veto),
        ("saved_after_bound", savings.after_bound),
        ("saved_comments", savings.comments),
    ] {
        push(name, count.to_string());
    }
    fields.extend(of_difference("acceptance", difference.map(|found| found.acceptance)));
    fields.extend([
        ("passed_here_only".to_owned(), field(difference.map(|found| found.gained))),
        ("passed_in_reference_only".to_owned(), field(difference.map(|found| found.lost))),
    ]);
    fields.extend(of_difference("mu", difference.map(|found| found.mu)));
    fields
}

/// The fields of a difference to the reference, which has none to itself.
fn of_difference(of: &str, difference: Option<Difference>) -> [(String, String); 5] {
    let estimate = difference.map(|difference| difference.estimate);
    let [low, high] = estimate.map(|estimate| estimate.ends()).unwrap_or_default();
    let fields = [
        ("pairs", field(estimate.map(|estimate| estimate.n))),
        ("difference", field(estimate.and_then(|estimate| estimate.value))),
        ("difference_low", field(low)),
        ("difference_high", field(high)),
        ("p_holm", field(difference.and_then(|difference| difference.p))),
    ];
    fields.map(|(name, value)| (format!("{of}_{name}"), value))
}

/// How a variant differs from the reference over the candidates that both drew. Positive: the variant
/// has more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Difference of the acceptance rates ([`PASSED`]), in [-1, 1].
    pub acceptance: Difference,
    /// Of the same pairs, how many passed under the variant alone.
    pub gained: usize,
    /// How many passed under the reference alone. Decisions can change both ways and leave the rate as it is.
    pub lost: usize,
    /// Difference of the mean mu over the candidates that both committees scored, on the scale of the
    /// scores. Which candidates get that far depends on the variants too: it tells how the committees
    /// differ on the same candidates, not how good the data is.
    pub mu: Difference,
}

/// A mean difference of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The mean difference; its n counts the candidates that both have a value for.
    pub estimate: Estimate,
    /// Of there being none; `None` where there is no interval. As measured, or corrected for the table that it
    /// stands in.
    pub p: Option<f64>,
}

/// A trial's candidates by id, and what is compared of each.
struct Compared {
    rows: BTreeMap<ItemId, usize>,
    values: RowValues<ItemId>,
}

impl Compared {
    /// # Errors
    /// Returns an id that two candidates have.
    fn from_candidates(candidates: &[Candidate]) -> Result<Self, ItemId> {
        let mut rows = BTreeMap::new();
        for (row, candidate) in candidates.iter().enumerate() {
            if rows.insert(candidate.id, row).is_some() {
                return Err(candidate.id);
            }
        }
        Ok(Self { rows, values: trial::values(candidates, [PASSED, MU]) })
    }

    /// The mean of what is compared: the share that passed (0) or mu (1).
    fn mean(&self, measure: usize) -> Option<Inference> {
        self.values.inference(measure)
    }
}

/// Compares a variant with the reference over the ids that both have and have decided.
fn compare(reference: &Compared, variant: &Compared) -> Comparison {
    let pairs = |measure: usize| {
        let pairs = reference.rows.iter().filter_map(|(id, &row)| {
            let other = *variant.rows.get(id)?;
            // A candidate that one side left undecided has no difference.
            let base = reference.values.values(measure)[row]?;
            let difference = variant.values.values(measure)[other]? - base;
            // From round 2 on the two may have been shown different examples.
            let items = [&reference.values.items()[row], &variant.values.items()[other]];
            Some((items.into_iter().flatten(), Some(difference)))
        });
        pairs.unzip()
    };
    let difference = |(items, differences): (Vec<_>, Vec<Option<f64>>)| {
        let inference = Inference::of_mean(&differences, &Dependence::by_items(items));
        let estimate = inference.map_or(Estimate::NONE, |found| found.estimate());
        Difference { estimate, p: inference.and_then(|found| found.p()) }
    };
    // A pair's difference in passing is -1, 0 or 1: the mean hides how many changed each way.
    let passed: (Vec<_>, Vec<Option<f64>>) = pairs(0);
    let changed = |by: f64| passed.1.iter().filter(|&&difference| difference == Some(by)).count();
    let (gained, lost) = (changed(1.0), changed(-1.0));
    let mut acceptance = difference(passed);
    acceptance.estimate = acceptance.estimate.within(-1.0, 1.0);
    Comparison { acceptance, gained, lost, mu: difference(pairs(1)) }
}

/// The share of decided candidates that passed ([`PASSED`]), in [0, 1].
#[must_use]
pub fn acceptance(candidates: &[Candidate]) -> Estimate {
    trial::values(candidates, [PASSED]).mean(0)
}

#[cfg(test)]
mod tests;
