//! What trials recorded as tables in long form: a row for each candidate, sample, score and call, under the name of its
//! trial, so that tables of several trials are one. A score and a bit of a review are rows of their own.

use anyhow::Result;
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::frames;
use gra_analysis::trial::{CallFact, TrialFacts};
use gra_synth::candidate::Candidate;
use gra_synth::committee::DIMENSIONS;
use gra_synth::form::CRITERIA;
use gra_synth::request::{ModelName, Stage};
use polars::prelude::{Column, DataFrame, PolarsResult};

use super::ExportedFile;
use crate::trial::TrialId;

/// Columns that every table begins with.
const TRIAL: [&str; 3] = ["experiment", "variant", "run_seed"];

/// Columns of a sample, out of those of a candidate.
const SAMPLE: [&str; 9] =
    ["id", "round", "domain", "generator", "keywords", "instruction", "response", "summary", "mu"];

/// `candidates.csv` and `samples.csv` with the columns of [`frames::candidates`], `reviews.csv` and `calls.csv`.
///
/// # Errors
/// None that a caller can cause.
pub(crate) fn tables(trials: &[(TrialId, TrialFacts)]) -> Result<Vec<ExportedFile>> {
    let is_sample = |candidate: &Candidate| candidate.is_sample();
    let (candidates, samples) = (joined(trials, |_| true)?, joined(trials, is_sample)?);
    let frames = [
        ("candidates.csv", candidates),
        ("samples.csv", samples.select(TRIAL.into_iter().chain(SAMPLE))?),
    ];
    let mut files = Vec::new();
    for (name, frame) in frames {
        let mut bytes = Vec::new();
        frames::write_csv(&frame, &mut bytes)?;
        files.push(ExportedFile::new(name, bytes));
    }
    let columns = ["candidate", "stage", "seat", "reviewer", "criterion", "value"];
    let reviews = long(trials, columns, |facts| facts.candidates.iter().flat_map(reviews))?;
    files.push(ExportedFile::new("reviews.csv", reviews));
    let columns =
        ["subject", "stage", "seat", "attempt", "model", "prompt_tokens", "reply_tokens", "shared"];
    let calls = long(trials, columns, |facts| facts.calls.iter().map(call))?;
    files.push(ExportedFile::new("calls.csv", calls));
    Ok(files)
}

/// The candidates of all trials that are wanted, behind the names of their trials.
fn joined(
    trials: &[(TrialId, TrialFacts)],
    is_wanted: impl Fn(&Candidate) -> bool,
) -> PolarsResult<DataFrame> {
    let mut all: Option<DataFrame> = None;
    for (id, facts) in trials {
        let wanted = facts.candidates.iter().filter(|candidate| is_wanted(candidate));
        // A trial without any still has the columns, so that tables of several trials fit below each other.
        let mut frame = frames::candidates(&wanted.cloned().collect::<Vec<_>>())?;
        let height = frame.height();
        for (place, (name, value)) in TRIAL.into_iter().zip(names(id)).enumerate() {
            frame.insert_column(place, Column::new(name.into(), vec![value; height]))?;
        }
        match &mut all {
            None => all = Some(frame),
            Some(all) => {
                all.vstack_mut(&frame)?;
            }
        }
    }
    Ok(all.unwrap_or_default())
}

fn names(id: &TrialId) -> [String; 3] {
    [id.experiment.clone(), id.variant.clone(), id.seed.to_string()]
}

/// A table whose rows are made of each trial's facts, behind the names of their trials.
fn long<'a, const N: usize, R: Iterator<Item = [String; N]>>(
    trials: &'a [(TrialId, TrialFacts)],
    columns: [&str; N],
    rows: impl Fn(&'a TrialFacts) -> R,
) -> Result<Vec<u8>> {
    let mut csv = CsvWriter::from_writer(Vec::new());
    csv.write_record(TRIAL.iter().chain(&columns))?;
    for (id, facts) in trials {
        for row in rows(facts) {
            csv.write_record(names(id).into_iter().chain(row))?;
        }
    }
    Ok(csv.into_inner()?)
}

/// A row per bit, as 0 or 1, and per score of a candidate.
fn reviews(candidate: &Candidate) -> Vec<[String; 6]> {
    let mut rows = Vec::new();
    let mut row = |stage: Stage, seat: u8, reviewer: &ModelName, criterion: &str, value: f64| {
        rows.push([
            candidate.id.to_string(),
            stage.to_string(),
            seat.to_string(),
            reviewer.to_string(),
            criterion.to_owned(),
            value.to_string(),
        ]);
    };
    for review in &candidate.instruction_reviews {
        for (criterion, bit) in CRITERIA.iter().zip(review.bits) {
            let value = f64::from(u8::from(bit));
            row(Stage::InstructionReview, review.seat, &review.reviewer, criterion, value);
        }
    }
    let responses = candidate.response_reviews.iter().map(|one| (Stage::ResponseReview, one));
    let settled = candidate.adjudication.iter().map(|one| (Stage::Adjudication, one));
    for (stage, review) in responses.chain(settled) {
        for (criterion, score) in DIMENSIONS.iter().zip(review.scores.values()) {
            row(stage, review.seat, &review.reviewer, criterion, score);
        }
    }
    rows
}

/// The row of a call; annotation of seed items is among them.
fn call(call: &CallFact) -> [String; 8] {
    [
        call.id.subject.to_string(),
        call.id.stage.to_string(),
        call.id.seat.to_string(),
        call.id.attempt.to_string(),
        call.model.to_string(),
        call.prompt_tokens.to_string(),
        call.reply_tokens.to_string(),
        call.shared.to_string(),
    ]
}
