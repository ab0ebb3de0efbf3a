//! Parquet: everything that a sample carries, one row each.

use gra_analysis::frames;
use gra_synth::committee::Tally;
use gra_synth::pool::ItemId;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, ListBuilderTrait, ListStringChunkedBuilder,
    NamedFrom, Series,
};

use super::{ExportError, Sample};

/// Columns: `id`, `round` (u32), `domain`, `keywords` (list), `summary`, `instruction`, `response`,
/// `mu`, `sigma`, `s_a` (f64; null without scores), `generator`, `reviewers` (list, in seat
/// order).
pub(super) fn render(samples: &[Sample]) -> Result<Vec<u8>, ExportError> {
    let text = |name: &str, cell: fn(&Sample) -> Option<String>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let number = |name: &str, cell: fn(&Sample) -> Option<f64>| -> Column {
        Series::new(name.into(), samples.iter().map(cell).collect::<Vec<_>>()).into()
    };
    let round = |sample: &Sample| match sample.candidate.id {
        ItemId::Candidate { round, .. } => Some(round),
        ItemId::Seed(_) => None,
    };
    let rounds: Vec<Option<u32>> = samples.iter().map(round).collect();
    let columns = vec![
        text("id", |sample| Some(sample.candidate.id.to_string())),
        Series::new("round".into(), rounds).into(),
        text("domain", |sample| Some(sample.candidate.domain?.to_string())),
        list("keywords", samples, |sample| sample.candidate.keywords.clone()),
        text("summary", |sample| sample.candidate.summary.clone()),
        text("instruction", |sample| Some(sample.instruction.to_owned())),
        text("response", |sample| Some(sample.response.to_owned())),
        number("mu", |sample| sample.candidate.tally().map(Tally::mu)),
        number("sigma", |sample| sample.candidate.tally().map(Tally::sigma)),
        number("s_a", |sample| Some(sample.candidate.adjudication.as_ref()?.scores.mean())),
        text("generator", |sample| Some(sample.candidate.roles.generator.to_string())),
        list("reviewers", samples, |sample| {
            sample.candidate.roles.reviewers.iter().map(ToString::to_string).collect()
        }),
    ];
    let frame = DataFrame::new(samples.len(), columns)?;
    let mut bytes = Vec::new();
    frames::write_parquet(&frame, &mut bytes)?;
    Ok(bytes)
}

fn list(name: &str, samples: &[Sample], cell: fn(&Sample) -> Vec<String>) -> Column {
    let cells: Vec<Vec<String>> = samples.iter().map(cell).collect();
    let values = cells.iter().map(Vec::len).sum();
    let mut builder = ListStringChunkedBuilder::new(name.into(), cells.len(), values);
    for cell in &cells {
        builder.append_values_iter(cell.iter().map(String::as_str));
    }
    builder.finish().into_series().into_column()
}
