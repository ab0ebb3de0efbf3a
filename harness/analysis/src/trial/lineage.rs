//! What a candidate goes back to.
//!
//! Candidates that were shown one example share its subject and its wording, and are no independent evidence. What is
//! estimated of a trial is conditional on the pools that its rounds drew from: an example of a later round stands for
//! itself, not for its own examples. How far trials lie apart whose pools differ is seen by running several seeds
//! (METHOD.md, E7).

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

/// A candidate and the items of the pool that it was shown. Candidates that share one depend on each other
/// ([`crate::statistics::dependence`]), and so do a candidate and one that was shown it.
#[must_use]
pub fn items(candidate: &Candidate) -> Vec<ItemId> {
    std::iter::once(candidate.id).chain(candidate.examples.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::dependence::Dependence;
    use crate::trial_by_hand::written;

    #[test]
    fn candidates_depend_on_what_they_were_shown() {
        let candidate = |round, number, examples: &[ItemId]| {
            let mut candidate = written(number);
            candidate.id = ItemId::Candidate { round, number };
            candidate.examples = examples.to_vec();
            candidate
        };
        let first = candidate(1, 7, &[ItemId::Seed(4), ItemId::Seed(5)]);
        let child = candidate(2, 1, &[first.id, ItemId::Seed(9)]);
        let grandchild = candidate(3, 0, &[child.id]);
        let related = |one: &Candidate, other: &Candidate| {
            !Dependence::by_items([items(one), items(other)]).is_independent()
        };
        assert!(related(&first, &child) && related(&child, &grandchild));
        assert!(!related(&first, &grandchild), "the pool of round 2 is given");
        assert!(!related(&first, &candidate(1, 8, &[ItemId::Seed(3)])));
    }
}
