//! Which replies could not be read.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};

use crate::facts::CallFact;
use crate::proportion::Proportion;

/// Calls about candidates by stage and model; `yes` where the reply was malformed. Every try of a
/// retried call is one. Failed calls have no reply and are not counted, nor are calls about seed items:
/// no candidate records their fate.
#[must_use]
pub fn malformed_rates(
    candidates: &[Candidate],
    calls: &[CallFact],
) -> BTreeMap<(Stage, ModelName), Proportion> {
    let (mut malformed, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for candidate in candidates {
        let id = |stage, seat, attempt| RequestId { subject: candidate.id, stage, seat, attempt };
        let replies = candidate.malformed.iter();
        malformed.extend(replies.map(|reply| id(reply.stage, reply.seat, reply.attempt)));
        let calls = candidate.failed.iter();
        failed.extend(calls.map(|call| id(call.stage, call.seat, call.attempt)));
    }
    let mut rates: BTreeMap<(Stage, ModelName), Proportion> = BTreeMap::new();
    let about_candidates = |call: &&CallFact| !matches!(call.id.subject, ItemId::Seed(_));
    for call in calls.iter().filter(about_candidates).filter(|call| !failed.contains(&call.id)) {
        let rate = rates.entry((call.id.stage, call.model.clone())).or_default();
        rate.count(malformed.contains(&call.id));
    }
    rates
}
