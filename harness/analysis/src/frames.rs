//! Candidates and reviews as data frames, and data frames as files.
//!
//! A frame keeps the order of what it was made from. A value that does not exist is null: no frame
//! holds `NaN` or an empty text. Equal frames give equal bytes.

use std::io::Write;

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Decision;
use gra_synth::domain::Domain;
use gra_synth::pool::ItemId;
use polars::prelude::{
    AnyValue, Column, CompatLevel, DataFrame, KeyValueMetadata, NamedFrom, ParquetWriter,
    PolarsError, PolarsResult, SchemaExt, Series,
};
use polars_parquet::write::schema_to_metadata_key;

use crate::foreign_text::CsvWriter;

mod measures;
mod reviews;
mod samples;

pub use measures::{DISPUTED, MU, PASSED, RowMeasure, RowValues, means};
pub(crate) use reviews::CRITERIA;
pub use reviews::reviews;
pub use samples::{MeasuredSample, items, samples};

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
        of.text("malformed_stage", |c| match c.outcome? {
            Outcome::Malformed { stage } => Some(stage.to_string()),
            _ => None,
        }),
        of.text("malformed_reason", malformed_reason),
        of.count("malformed_replies", |c| Some(c.malformed.len())),
        of.text("failed_stage", |c| match c.outcome? {
            Outcome::Failed { stage } => Some(stage.to_string()),
            _ => None,
        }),
        of.text("failed_reason", failed_reason),
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
    let bits = || candidate.instruction_reviews.iter().flat_map(|review| review.bits);
    bits().next()?;
    Some(bits().filter(|bit| !bit).count())
}

fn malformed_reason(candidate: &Candidate) -> Option<String> {
    let Some(Outcome::Malformed { stage }) = candidate.outcome else { return None };
    let last = candidate.malformed.iter().rfind(|reply| reply.stage == stage)?;
    Some(last.reason.name().to_owned())
}

fn failed_reason(candidate: &Candidate) -> Option<String> {
    let Some(Outcome::Failed { stage }) = candidate.outcome else { return None };
    let first = candidate.failed.iter().find(|call| call.stage == stage)?;
    Some(first.failure.to_string())
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
