//! Which replies could not be read.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};

use crate::facts::CallFact;
use crate::proportion::Proportion;

/// Calls about candidates by stage and model; `yes` where the reply was malformed. Every try of a
/// retried call is one. Calls about seed items are not counted: no candidate records their fate.
#[must_use]
pub fn malformed_rates(
    candidates: &[Candidate],
    calls: &[CallFact],
) -> BTreeMap<(Stage, ModelName), Proportion> {
    let malformed: BTreeSet<RequestId> = candidates
        .iter()
        .flat_map(|candidate| {
            candidate.malformed.iter().map(|reply| RequestId {
                subject: candidate.id,
                stage: reply.stage,
                seat: reply.seat,
                attempt: reply.attempt,
            })
        })
        .collect();
    let mut rates: BTreeMap<(Stage, ModelName), Proportion> = BTreeMap::new();
    for call in calls.iter().filter(|call| !matches!(call.id.subject, ItemId::Seed(_))) {
        let rate = rates.entry((call.id.stage, call.model.clone())).or_default();
        rate.count(malformed.contains(&call.id));
    }
    rates
}
