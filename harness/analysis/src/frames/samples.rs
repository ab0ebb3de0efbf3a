//! The samples of a data set as a data frame: what was measured of each.

use gra_synth::domain::Domain;
use polars::prelude::{DataFrame, PolarsResult};
use rayon::prelude::*;

use super::Columns;
use crate::checks::Checks;
use crate::ifd::MeasuredLosses;

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
    columns.extend(Checks::COLUMNS.map(|(name, found)| Columns(&checked).cells(name, found)));
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
