//! Which seed item a candidate goes back to.
//!
//! Candidates that were shown one seed item share its subject and its wording, and are no independent
//! evidence: the bootstrap resamples seed items. A candidate has two to four examples, and grouping by
//! any of them would chain nearly all candidates into one cluster; the first one drawn stands for them,
//! so some dependence is left between clusters. An example of a later round is a sample itself, and is
//! followed to its own first example.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

/// The root of every candidate: a seed item, or the last ancestor that is known. A candidate without
/// examples is its own.
#[must_use]
pub fn seed_items<'a>(candidates: impl IntoIterator<Item = &'a Candidate> + Clone) -> Vec<ItemId> {
    let parents: BTreeMap<ItemId, ItemId> = candidates
        .clone()
        .into_iter()
        .filter_map(|candidate| Some((candidate.id, *candidate.examples.first()?)))
        .collect();
    candidates.into_iter().map(|candidate| root(candidate.id, &parents)).collect()
}

fn root(mut id: ItemId, parents: &BTreeMap<ItemId, ItemId>) -> ItemId {
    // Ids order by round, and examples come from earlier rounds: a chain falls, or is none.
    while let Some(&parent) = parents.get(&id).filter(|parent| **parent < id) {
        id = parent;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial_by_hand::written;

    #[test]
    fn chains_end_at_a_seed_item() {
        let candidate = |round, number, examples: &[ItemId]| {
            let mut candidate = written(number);
            candidate.id = ItemId::Candidate { round, number };
            candidate.examples = examples.to_vec();
            candidate
        };
        let of = |round, number| ItemId::Candidate { round, number };
        let candidates = [
            candidate(3, 0, &[of(2, 1), ItemId::Seed(9)]),
            candidate(2, 1, &[of(1, 7)]),
            candidate(1, 7, &[ItemId::Seed(4), ItemId::Seed(5)]),
            candidate(2, 2, &[of(1, 8)]),
            candidate(1, 9, &[]),
            // No pool offers such examples; a root there is all the same.
            candidate(1, 10, &[of(1, 10)]),
            candidate(1, 11, &[of(1, 12)]),
        ];
        let four = ItemId::Seed(4);
        let expected = [four, four, four, of(1, 8), of(1, 9), of(1, 10), of(1, 11)];
        assert_eq!(seed_items(&candidates), expected);
    }
}
