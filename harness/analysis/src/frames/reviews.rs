//! Reviews as a data frame.

use gra_synth::candidate::{Candidate, ResponseReview};
use gra_synth::committee::DIMENSIONS;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};
use polars::prelude::{DataFrame, PolarsResult};

use super::Columns;

/// Names of the three bits of an instruction review, in prompt order (METHOD.md, section 4, Prompt 6).
pub(crate) const CRITERIA: [&str; 3] = ["reasonable", "complete", "clear"];

/// A review of any stage: bits of an instruction review, scores of the other two.
struct Review<'a> {
    candidate: ItemId,
    stage: Stage,
    seat: u8,
    reviewer: &'a ModelName,
    bits: Option<[bool; 3]>,
    scores: Option<&'a ResponseReview>,
}

/// One row per review: instruction reviews by seat, response reviews by seat, then the adjudication,
/// candidate by candidate. Reviews of candidates that were dropped are there too.
///
/// | column | type | what |
/// |---|---|---|
/// | `candidate` | text | its id |
/// | `stage` | text | `instruction-review`, `response-review` or `adjudication` |
/// | `seat` | u8 | place at the table, from 0 |
/// | `reviewer` | text | model |
/// | `reasonable`, `complete`, `clear` | bool | of an instruction review |
/// | the six [`DIMENSIONS`] | f64 | of the other two, 1 to 10 |
/// | `mean` | f64 | of the six |
/// | `comment` | text | of the other two, where a step reads it |
///
/// # Errors
/// None that a caller can cause: polars checks that columns are equally long.
pub fn reviews(candidates: &[Candidate]) -> PolarsResult<DataFrame> {
    let reviews: Vec<Review> = candidates.iter().flat_map(of_candidate).collect();
    let of = Columns(&reviews);
    let mut columns = vec![
        of.text("candidate", |review| Some(review.candidate.to_string())),
        of.text("stage", |review| Some(review.stage.to_string())),
        of.cells("seat", |review| Some(review.seat)),
        of.text("reviewer", |review| Some(review.reviewer.to_string())),
    ];
    for (place, criterion) in CRITERIA.into_iter().enumerate() {
        columns.push(of.cells(criterion, |review| Some(review.bits?[place])));
    }
    for (place, dimension) in DIMENSIONS.into_iter().enumerate() {
        let score = |review: &Review| Some(review.scores?.scores.values()[place]);
        columns.push(of.number(dimension, score));
    }
    columns.push(of.number("mean", |review| Some(review.scores?.scores.mean())));
    columns.push(of.text("comment", |review| review.scores?.comment.clone()));
    DataFrame::new(reviews.len(), columns)
}

fn of_candidate(candidate: &Candidate) -> impl Iterator<Item = Review<'_>> {
    let checks = candidate.instruction_reviews.iter().map(|check| Review {
        candidate: candidate.id,
        stage: Stage::InstructionReview,
        seat: check.seat,
        reviewer: &check.reviewer,
        bits: Some(check.bits),
        scores: None,
    });
    let responses = candidate.response_reviews.iter().map(|review| (Stage::ResponseReview, review));
    let adjudication = candidate.adjudication.iter().map(|review| (Stage::Adjudication, review));
    checks.chain(responses.chain(adjudication).map(|(stage, review)| Review {
        candidate: candidate.id,
        stage,
        seat: review.seat,
        reviewer: &review.reviewer,
        bits: None,
        scores: Some(review),
    }))
}
