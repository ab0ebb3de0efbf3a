//! Candidates, reviews and the samples of data sets as data frames, and data frames as files.
//!
//! A frame keeps the order of what it was made from. A value that does not exist is null: no frame
//! holds `NaN` or an empty text. Equal frames give equal bytes. What is computed of frames is in `measures`.

mod measures;

use std::io::Write;

use gra_synth::candidate::{Candidate, Outcome, ResponseReview};
use gra_synth::committee::{DIMENSIONS, Decision};
use gra_synth::domain::Domain;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};
use polars::prelude::{
    AnyValue, Column, CompatLevel, DataFrame, KeyValueMetadata, NamedFrom, ParquetWriter,
    PolarsError, PolarsResult, SchemaExt, Series,
};
use polars_parquet::write::schema_to_metadata_key;
use rayon::prelude::*;

use crate::checks::{CHECKS, Checks};
use crate::foreign_text::CsvWriter;
use crate::ifd::MeasuredLosses;

pub use measures::{DISPUTED, MU, PASSED, RowMeasure, RowValues, means};

/// One row per candidate.
///
/// | column | type | what |
/// |---|---|---|
/// | `id` | text | e.g. `r1-00007` |
/// | `round`, `wave` | u32 | round from 1, or 0 where the instruction is the seed set's; wave of the round from 0 |
/// | `domain` | text | the requested one; of a seed instruction what the seed set says, if anything |
/// | `generator`, `adjudicator`, `summariser` | text | models; the adjudicator whether or not it was asked |
/// | `reviewers` | u32 | seats at the table |
/// | `examples` | text | ids of the pool items shown, space-separated, in drawn order |
/// | `n_examples` | u32 | how many |
/// | `keywords` | text | separated by `; ` |
/// | `domain_differs` | bool | the generator wrote another domain than the requested one (METHOD.md, G5) |
/// | `instruction`, `response`, `summary` | text | as written |
/// | `instruction_zeros` | u32 | zero bits over all instruction reviews |
/// | `mu`, `sigma` | f64 | of the whole committee, on the scale of the scores |
/// | `decision` | text | `reject`, `accept`, `dispute` |
/// | `s_a` | f64 | the adjudicator's mean |
/// | `nearest` | text | id of the closest item of the target pool |
/// | `nearest_cosine` | f64 | in [-1, 1] |
/// | `outcome` | text | null while undecided |
/// | `malformed_stage`, `malformed_reason` | text | for outcome `malformed`: the stage, and its last reason |
/// | `malformed_replies` | u32 | all of them, retried ones included |
/// | `failed_stage`, `failed_reason` | text | for outcome `failed`: the stage of the call, and why there was no answer |
/// | `failed_calls` | u32 | all calls that the engine could not answer |
///
/// # Errors
/// None that a caller can cause: polars checks that columns are equally long.
pub fn candidates(candidates: &[Candidate]) -> PolarsResult<DataFrame> {
    let of = Columns(candidates);
    let [round, domain, generator, mu, decision, outcome] = fate(candidates);
    // The order is that of published files, and part of them.
    let columns = vec![
        of.text("id", |c| Some(c.id.to_string())),
        round,
        of.count("wave", |c| Some(c.wave as usize)),
        domain,
        generator,
        of.text("adjudicator", |c| c.roles.adjudicator.as_ref().map(ToString::to_string)),
        of.text("summariser", |c| Some(c.roles.summariser.to_string())),
        of.count("reviewers", |c| Some(c.roles.reviewers.len())),
        of.text("examples", |c| {
            let ids: Vec<String> = c.examples.iter().map(ToString::to_string).collect();
            Some(ids.join(" "))
        }),
        of.count("n_examples", |c| Some(c.examples.len())),
        of.text("keywords", |c| Some(c.keywords.join("; "))),
        of.cells("domain_differs", |c| {
            Some(Domain::parse(c.emitted_domain.as_deref()?) != c.domain)
        }),
        of.text("instruction", |c| c.instruction.clone()),
        of.text("response", |c| c.response.clone()),
        of.text("summary", |c| c.summary.clone()),
        of.count("instruction_zeros", instruction_zeros),
        mu,
        of.number("sigma", |c| Some(c.tally()?.sigma())),
        decision,
        of.number("s_a", |c| Some(c.adjudication.as_ref()?.scores.mean())),
        of.text("nearest", |c| Some(c.nearest?.id.to_string())),
        of.number("nearest_cosine", |c| Some(c.nearest?.cosine)),
        outcome,
        of.text("malformed_stage", |c| Some(malformed_at(c)?.to_string())),
        of.text("malformed_reason", |c| {
            let stage = malformed_at(c)?;
            // The last of the tries ended the candidate.
            let last = c.malformed.iter().rfind(|reply| reply.stage == stage)?;
            Some(last.reason.to_string())
        }),
        of.count("malformed_replies", |c| Some(c.malformed.len())),
        of.text("failed_stage", |c| Some(failed_at(c)?.to_string())),
        of.text("failed_reason", |c| {
            let stage = failed_at(c)?;
            // The first call of the stage that failed ended it.
            let first = c.failed.iter().find(|call| call.stage == stage)?;
            Some(first.failure.to_string())
        }),
        of.count("failed_calls", |c| Some(c.failed.len())),
    ];
    DataFrame::new(candidates.len(), columns)
}

/// Those columns of [`candidates`] that statistics of a trial are computed from: `round`, `domain`, `generator`, `mu`,
/// `decision` and `outcome`.
///
/// # Errors
/// As [`candidates`].
pub fn outcomes(candidates: &[Candidate]) -> PolarsResult<DataFrame> {
    DataFrame::new(candidates.len(), fate(candidates).to_vec())
}

/// The columns of [`outcomes`].
fn fate(candidates: &[Candidate]) -> [Column; 6] {
    let of = Columns(candidates);
    [
        of.count("round", |c| match c.id {
            ItemId::Candidate { round, .. } => Some(round as usize),
            ItemId::Seed(_) => None,
        }),
        of.text("domain", |c| Some(c.domain?.to_string())),
        of.text("generator", |c| Some(c.roles.generator.to_string())),
        of.number("mu", |c| Some(c.tally()?.mu())),
        of.text("decision", |c| {
            let name = match c.decision? {
                Decision::Reject => "reject",
                Decision::Accept => "accept",
                Decision::Dispute => "dispute",
            };
            Some(name.to_owned())
        }),
        of.text("outcome", |c| Some(c.outcome?.name().to_owned())),
    ]
}

fn instruction_zeros(candidate: &Candidate) -> Option<usize> {
    let reviews = &candidate.instruction_reviews;
    // Without a review there is nothing to count, which is not the same as no zero.
    let zeros = reviews.iter().flat_map(|review| review.bits).filter(|bit| !bit).count();
    (!reviews.is_empty()).then_some(zeros)
}

/// The stage whose replies stayed malformed, of a candidate that ended so.
fn malformed_at(candidate: &Candidate) -> Option<Stage> {
    if let Outcome::Malformed { stage } = candidate.outcome? { Some(stage) } else { None }
}

/// The stage whose call failed, of a candidate that ended so.
fn failed_at(candidate: &Candidate) -> Option<Stage> {
    if let Outcome::Failed { stage } = candidate.outcome? { Some(stage) } else { None }
}

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

/// A sample of any data set, and what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredSample {
    /// Unique in its data set.
    pub id: String,
    /// Itself, by a name that no other data set gives to another sample, and the examples that it was made from. Samples
    /// that share one depend on each other.
    pub items: Vec<String>,
    /// Where it is known.
    pub domain: Option<Domain>,
    /// Who wrote it, where that is known.
    pub generator: Option<String>,
    /// Of a trial, from 1.
    pub round: Option<u32>,
    /// x.
    pub instruction: String,
    /// y; `None` where the data set has none.
    pub response: Option<String>,
    /// The committee's mean, where a committee scored it.
    pub mu: Option<f64>,
    /// The committee's spread.
    pub sigma: Option<f64>,
    /// Mean of a judge's six scores, where one was asked and could be read.
    pub judge: Option<f64>,
    /// The same of a second judge.
    pub second_judge: Option<f64>,
    /// What a model's losses say; `None` when no model was asked.
    pub difficulty: Option<MeasuredLosses>,
    /// 1 - cosine to the nearest other instruction of the data set, in [0, 2].
    pub nearest_distance: Option<f64>,
}

/// One row per sample, without its texts.
///
/// | column | type | what |
/// |---|---|---|
/// | `id` | text | unique in its data set |
/// | `items` | text | separated by spaces; see [`MeasuredSample::items`] |
/// | `domain` | text | one of the seven |
/// | `generator` | text | the model that wrote it |
/// | `round` | u32 | of a trial, from 1 |
/// | `instruction_words`, `response_words` | u32 | separated by white space; null without a response |
/// | `mu`, `sigma`, `judge`, `second_judge` | f64 | on the scale of the scores |
/// | `conditional_loss`, `direct_loss` | f64 | nats per token of the response, after the instruction and without it |
/// | `scored_tokens` | u32 | of the response, after the instruction |
/// | `truncated` | bool | the response lost its end before it was scored |
/// | `loss_ratio`, `perplexity_ratio` | f64 | IFD by both formulas |
/// | `unmeasured` | text | why there is no loss |
/// | `nearest_distance` | f64 | 1 - cosine to the nearest other instruction |
/// | `instruction_foreign` to `arithmetic_wrong` | bool | what [`Checks`] found, by its names; null where a check does not apply |
///
/// # Errors
/// None that a caller can cause: polars checks that columns are equally long.
pub fn samples(samples: &[MeasuredSample]) -> PolarsResult<DataFrame> {
    let of = Columns(samples);
    // A sample whose losses could not be measured has a reason and no numbers.
    let pair = |sample: &MeasuredSample| sample.difficulty.and_then(Result::ok);
    let checked: Vec<Checks> = samples
        .par_iter()
        .map(|sample| Checks::of(&sample.instruction, sample.response.as_deref()))
        .collect();
    let mut columns = vec![
        of.text("id", |s| Some(s.id.clone())),
        of.text("items", |s| Some(s.items.join(" "))),
        of.text("domain", |s| Some(s.domain?.to_string())),
        of.text("generator", |s| s.generator.clone()),
        of.count("round", |s| Some(s.round? as usize)),
        of.count("instruction_words", |s| Some(words(&s.instruction))),
        of.count("response_words", |s| s.response.as_deref().map(words)),
        of.number("mu", |s| s.mu),
        of.number("sigma", |s| s.sigma),
        of.number("judge", |s| s.judge),
        of.number("second_judge", |s| s.second_judge),
        of.number("conditional_loss", |s| Some(pair(s)?.conditional.mean)),
        of.number("direct_loss", |s| Some(pair(s)?.direct.mean)),
        of.count("scored_tokens", |s| Some(pair(s)?.conditional.tokens as usize)),
        of.cells("truncated", |s| Some(pair(s)?.truncated)),
        of.number("loss_ratio", |s| pair(s)?.loss_ratio().ok()),
        of.number("perplexity_ratio", |s| pair(s)?.perplexity_ratio().ok()),
        of.text("unmeasured", |s| Some(s.difficulty?.err()?.name().to_owned())),
        of.number("nearest_distance", |s| s.nearest_distance),
    ];
    for (place, check) in CHECKS.iter().enumerate() {
        columns.push(Columns(&checked).cells(check.column, |found| found.0[place]));
    }
    DataFrame::new(samples.len(), columns)
}

/// The items of each row of such a frame.
///
/// # Errors
/// When the frame lacks the column.
pub fn items(samples: &DataFrame) -> PolarsResult<Vec<Vec<String>>> {
    let items = samples.column("items")?.str()?.iter();
    Ok(items
        .map(|items| items.unwrap_or_default().split(' ').map(str::to_owned).collect())
        .collect())
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Makes columns from records, one cell each; keeps `NaN` and empty texts out.
struct Columns<'a, R>(&'a [R]);

impl<R> Columns<'_, R> {
    fn text(&self, name: &str, cell: impl Fn(&R) -> Option<String>) -> Column {
        self.cells(name, |record| cell(record).filter(|text| !text.is_empty()))
    }

    fn number(&self, name: &str, cell: impl Fn(&R) -> Option<f64>) -> Column {
        self.cells(name, |record| cell(record).filter(|number| number.is_finite()))
    }

    fn count(&self, name: &str, cell: impl Fn(&R) -> Option<usize>) -> Column {
        self.cells(name, |record| cell(record).map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    }

    fn cells<T>(&self, name: &str, cell: impl Fn(&R) -> Option<T>) -> Column
    where
        Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
    {
        let cells: Vec<Option<T>> = self.0.iter().map(cell).collect();
        Series::new(name.into(), cells).into()
    }
}

/// Writes a frame as Parquet (zstd).
///
/// Texts are declared as Arrow's `large_string`, lists included. Left alone, polars declares them as
/// `string_view`, which the Python `datasets` library 3.6 refuses to load.
///
/// # Errors
/// When the writer fails.
pub fn write_parquet(frame: &DataFrame, writer: impl Write) -> PolarsResult<()> {
    // Readers of Arrow take the declared types; what is stored is the same.
    let declared = schema_to_metadata_key(&frame.schema().to_arrow(CompatLevel::oldest()));
    ParquetWriter::new(writer)
        .with_key_value_metadata(Some(KeyValueMetadata::Static(vec![declared])))
        .finish(&mut frame.clone())?;
    Ok(())
}

/// Writes a frame as CSV: a header, texts quoted where they need it, an empty field for null.
///
/// # Errors
/// When the writer fails.
pub fn write_csv(frame: &DataFrame, writer: impl Write) -> PolarsResult<()> {
    let failed = |error: csv::Error| PolarsError::from(std::io::Error::from(error));
    let mut writer = CsvWriter::from_writer(writer);
    writer.write_record(frame.columns().iter().map(Column::name)).map_err(failed)?;
    for row in 0..frame.height() {
        let fields = frame.columns().iter().map(|column| Ok(field(&column.get(row)?)));
        writer.write_record(fields.collect::<PolarsResult<Vec<_>>>()?).map_err(failed)?;
    }
    writer.flush()?;
    Ok(())
}

fn field(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Float64(number) => number.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
