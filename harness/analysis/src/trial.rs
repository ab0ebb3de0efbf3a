//! What one trial recorded, in the form in which the analysis reads it.
//!
//! - [`funnel`]: what became of its candidates
//! - [`lineage`]: the items that a candidate shares with those it depends on

pub mod funnel;
pub mod lineage;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId};

use crate::frames::{self, RowMeasure, RowValues};

/// Everything that one trial (a variant under a seed) recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialFacts {
    /// Name of the variant; unique within an ablation.
    pub variant: String,
    /// Every candidate of every round, whatever became of it. Ids are unique.
    pub candidates: Vec<Candidate>,
    /// Every call that the method asked for, retries and seed annotation included, answered by the store or an engine.
    pub calls: Vec<CallFact>,
}

/// One call and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFact {
    /// Which call.
    pub id: RequestId,
    /// Who was asked.
    pub model: ModelName,
    /// Tokens of the prompt after the chat template.
    pub prompt_tokens: u32,
    /// Tokens of the reply, forced literals included.
    pub reply_tokens: u32,
    /// An earlier variant of the same ablation had made exactly this call, so its reply was free.
    /// This is a property of the ablation, not of the run: it does not depend on what a store held.
    pub shared: bool,
}

/// Measures of candidates, of columns of [`frames::outcomes`], beside the items that each goes back to.
pub(crate) fn values(
    candidates: &[Candidate],
    measures: impl IntoIterator<Item = RowMeasure>,
) -> RowValues<ItemId> {
    let items = candidates.iter().map(lineage::items).collect();
    let values = frames::outcomes(candidates)
        .and_then(|frame| RowValues::from_frame(items, &frame, measures));
    values.expect("measures of candidates name columns of their frame")
}
