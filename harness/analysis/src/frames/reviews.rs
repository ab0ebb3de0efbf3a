//! Reviews as a data frame.

use gra_synth::candidate::{Candidate, InstructionReview, ResponseReview};
use gra_synth::committee::DIMENSIONS;
use gra_synth::pool::ItemId;
use gra_synth::request::Stage;
use polars::prelude::{DataFrame, PolarsResult};

use super::Columns;

/// Names of the three bits of an instruction review, in prompt order (METHOD.md, section 4, Prompt 6).
pub(crate) const CRITERIA: [&str; 3] = ["reasonable", "complete", "clear"];

/// A review of either stage.
struct Review<'a> {
    candidate: ItemId,
    stage: Stage,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Instruction(&'a InstructionReview),
    Response(&'a ResponseReview),
}

impl Review<'_> {
    fn seat(&self) -> u8 {
        match self.kind {
            Kind::Instruction(review) => review.seat,
            Kind::Response(review) => review.seat,
        }
    }

    fn reviewer(&self) -> String {
        match self.kind {
            Kind::Instruction(review) => review.reviewer.to_string(),
            Kind::Response(review) => review.reviewer.to_string(),
        }
    }

    fn instruction(&self) -> Option<&InstructionReview> {
        if let Kind::Instruction(review) = self.kind { Some(review) } else { None }
    }

    fn response(&self) -> Option<&ResponseReview> {
        if let Kind::Response(review) = self.kind { Some(review) } else { None }
    }
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
/// | the six [`DIMENSIONS`] | f64 | of the other two, 0 to 10 |
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
        of.byte("seat", |review| Some(review.seat())),
        of.text("reviewer", |review| Some(review.reviewer())),
    ];
    for (place, criterion) in CRITERIA.into_iter().enumerate() {
        columns.push(of.flag(criterion, |review| Some(review.instruction()?.bits[place])));
    }
    for (place, dimension) in DIMENSIONS.into_iter().enumerate() {
        let score = |review: &Review| Some(review.response()?.scores.values()[place]);
        columns.push(of.number(dimension, score));
    }
    columns.push(of.number("mean", |review| Some(review.response()?.scores.mean())));
    columns.push(of.text("comment", |review| review.response()?.comment.clone()));
    DataFrame::new(reviews.len(), columns)
}

fn of_candidate(candidate: &Candidate) -> impl Iterator<Item = Review<'_>> {
    let review = |stage, kind| Review { candidate: candidate.id, stage, kind };
    let instruction = candidate
        .instruction_reviews
        .iter()
        .map(move |bits| review(Stage::InstructionReview, Kind::Instruction(bits)));
    let response = candidate
        .response_reviews
        .iter()
        .map(move |scores| review(Stage::ResponseReview, Kind::Response(scores)));
    let adjudication = candidate
        .adjudication
        .iter()
        .map(move |scores| review(Stage::Adjudication, Kind::Response(scores)));
    instruction.chain(response).chain(adjudication)
}
