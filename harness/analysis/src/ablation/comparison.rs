//! Two variants on the same candidates.
//!
//! Every draw about a candidate comes from a stream that carries its id and no variant, so candidate
//! r1-00007 has the same domain and, while the pools agree, the same examples under every variant
//! (gra-synth, `stream`). Comparing candidate by candidate takes the differences between candidates
//! out of the difference between variants. From round 2 on each variant draws from its own pool: such
//! pairs share the draw and no longer the examples, which costs precision and does not bias.
//!
//! Pairs that were shown one example ([`crate::trial::lineage`]) depend on each other.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

use crate::frames::{MU, PASSED, RowValues};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, Inference};
use crate::trial;

/// How a variant differs from the reference over the candidates that both drew. Positive: the variant
/// has more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Difference of the acceptance rates ([`PASSED`]), in [-1, 1].
    pub acceptance: Difference,
    /// Of the same pairs, how many passed under the variant alone.
    pub gained: usize,
    /// How many passed under the reference alone. Decisions can change both ways and leave the rate as it is.
    pub lost: usize,
    /// Difference of the mean mu over the candidates that both committees scored, on the scale of the
    /// scores. Which candidates get that far depends on the variants too: it tells how the committees
    /// differ on the same candidates, not how good the data is.
    pub mu: Difference,
}

/// A mean difference of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The mean difference; its n counts the candidates that both have a value for.
    pub estimate: Estimate,
    /// Of there being none; `None` where there is no interval. As measured, or corrected for the table that it
    /// stands in.
    pub p: Option<f64>,
}

/// A trial's candidates by id, and what is compared of each.
pub(super) struct Compared {
    rows: BTreeMap<ItemId, usize>,
    values: RowValues<ItemId>,
}

impl Compared {
    /// # Errors
    /// Returns an id that two candidates have.
    pub(super) fn from_candidates(candidates: &[Candidate]) -> Result<Self, ItemId> {
        let mut rows = BTreeMap::new();
        for (row, candidate) in candidates.iter().enumerate() {
            if rows.insert(candidate.id, row).is_some() {
                return Err(candidate.id);
            }
        }
        Ok(Self { rows, values: trial::values(candidates, [PASSED, MU]) })
    }

    /// The mean of what is compared: the share that passed (0) or mu (1).
    pub(super) fn mean(&self, measure: usize) -> Option<Inference> {
        self.values.inference(measure)
    }
}

/// Compares a variant with the reference over the ids that both have and have decided.
pub(super) fn compare(reference: &Compared, variant: &Compared) -> Comparison {
    let pairs = |measure: usize| {
        let pairs = reference.rows.iter().filter_map(|(id, &row)| {
            let other = *variant.rows.get(id)?;
            // A candidate that one side left undecided has no difference.
            let base = reference.values.values(measure)[row]?;
            let difference = variant.values.values(measure)[other]? - base;
            // From round 2 on the two may have been shown different examples.
            let items = [&reference.values.items()[row], &variant.values.items()[other]];
            Some((items.into_iter().flatten(), Some(difference)))
        });
        pairs.unzip()
    };
    let difference = |(items, differences): (Vec<_>, Vec<Option<f64>>)| {
        let inference = Inference::of_mean(&differences, &Dependence::by_items(items));
        let estimate = inference.map_or(Estimate::NONE, |found| found.estimate());
        Difference { estimate, p: inference.and_then(|found| found.p()) }
    };
    // A pair's difference in passing is -1, 0 or 1: the mean hides how many changed each way.
    let passed: (Vec<_>, Vec<Option<f64>>) = pairs(0);
    let changed = |by: f64| passed.1.iter().filter(|&&difference| difference == Some(by)).count();
    let (gained, lost) = (changed(1.0), changed(-1.0));
    let mut acceptance = difference(passed);
    acceptance.estimate = acceptance.estimate.within(-1.0, 1.0);
    Comparison { acceptance, gained, lost, mu: difference(pairs(1)) }
}

/// The share of decided candidates that passed ([`PASSED`]), in [0, 1].
#[must_use]
pub fn acceptance(candidates: &[Candidate]) -> Estimate {
    trial::values(candidates, [PASSED]).mean(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Funnel;
    use crate::trial_by_hand::{accepted, every_outcome, failed, rejected};

    fn compared(candidates: &[Candidate]) -> Compared {
        Compared::from_candidates(candidates).unwrap()
    }

    fn differences(reference: &[Candidate], variant: &[Candidate]) -> [(usize, Option<f64>); 2] {
        let comparison = compare(&compared(reference), &compared(variant));
        [comparison.acceptance, comparison.mu]
            .map(|difference| (difference.estimate.n, difference.estimate.value))
    }

    #[test]
    fn only_candidates_that_both_drew_are_compared() {
        let reference: Vec<Candidate> = (0..10).map(accepted).collect();
        let variant: Vec<Candidate> = (6..20).map(rejected).collect();
        let [acceptance, mu] = differences(&reference, &variant);
        assert_eq!(acceptance, (4, Some(-1.0)));
        assert_eq!(mu.0, 4);
        assert!((mu.1.unwrap() - (7.0 - 26.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn decisions_that_change_both_ways_are_counted_though_the_rate_stays() {
        let reference = [accepted(0), rejected(1), accepted(2), rejected(3), failed(4)];
        let variant = [rejected(0), accepted(1), accepted(2), rejected(3), accepted(4)];
        let found = compare(&compared(&reference), &compared(&variant));
        assert_eq!(found.acceptance.estimate.value, Some(0.0));
        assert_eq!((found.gained, found.lost), (1, 1));
        let none = compare(&compared(&reference), &compared(&reference[..1]));
        assert_eq!((none.gained, none.lost), (0, 0));
    }

    #[test]
    fn what_is_undecided_or_half_reviewed_has_no_pair() {
        let full = every_outcome();
        assert_eq!(differences(&full, &full), [(9, Some(0.0)), (6, Some(0.0))]);
        let vetoed = full[2].clone();
        assert_eq!(differences(&[accepted(2)], &[vetoed]), [(1, Some(-1.0)), (0, None)]);
    }

    #[test]
    fn acceptance_counts_what_is_decided() {
        // Of ten, one is undecided; accepted and surplus pass.
        let estimate = acceptance(&every_outcome());
        assert!((estimate.value.unwrap() - 2.0 / 9.0).abs() < 1e-12, "{estimate:?}");
        assert_eq!(acceptance(&[]).value, None);
    }

    #[test]
    fn what_an_engine_failed_on_has_no_pair_and_no_rate() {
        assert_eq!(differences(&[accepted(2)], &[failed(2)]), [(0, None), (0, None)]);
        let candidates = [accepted(0), rejected(1), failed(2), failed(3)];
        assert_eq!(acceptance(&candidates).value, Some(0.5));
        let funnel = Funnel::of(&candidates);
        assert_eq!((funnel.acceptance_rate(), funnel.failed), (Some(0.5), 2));
        assert_eq!(funnel.failed_calls_total(), 2);
        assert_eq!(Funnel::of(&candidates[2..]).acceptance_rate(), None);
    }

    #[test]
    fn surplus_has_passed() {
        let surplus = every_outcome()[7].clone();
        assert_eq!(differences(&[accepted(7)], &[surplus])[0], (1, Some(0.0)));
    }
}
