//! Agreement on categories: Gwet's AC1 and Fleiss' kappa, for any number of raters; Cohen's kappa of two.
//!
//! Both correct the same observed agreement a, the mean over units of the share of rater pairs that
//! agree, for agreement by chance e: `(a - e) / (1 - e)`. With p the mean over units of a category's
//! share, and sums over the Q categories, chance is `sum(p^2)` for kappa (Fleiss 1971) and
//! `sum(p (1 - p)) / (Q - 1)` for AC1 (Gwet 2008). Where nearly all votes fall into one category kappa
//! drops towards 0 and below, however often raters agree; AC1 does not. The bits of the instruction
//! review are such votes.

/// Votes of each unit for each of `Q` categories.
#[derive(Clone, Debug, PartialEq)]
pub struct Votes<const Q: usize> {
    units: Vec<Unit<Q>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit<const Q: usize> {
    raters: u64,
    /// Share of voter pairs that agree; 0 without a pair.
    agreement: f64,
    /// Share of each category; 0 without a voter.
    shares: [f64; Q],
}

impl<const Q: usize> Votes<Q> {
    /// Reads votes, unit by unit. A unit may have none; it then counts as no unit.
    #[must_use]
    pub fn of(units: impl IntoIterator<Item = [u32; Q]>) -> Self {
        Self { units: units.into_iter().map(Unit::of).collect() }
    }

    /// Sums over the units under one weight each.
    #[must_use]
    pub fn tally(&self, weights: &[u32]) -> VoteSums<Q> {
        // Units without a vote, or with a single one, add 0 and are not counted.
        let mut tally = VoteSums { rated: 0.0, paired: 0.0, agreement: 0.0, shares: [0.0; Q] };
        for (unit, &weight) in self.units.iter().zip(weights) {
            let weight = f64::from(weight);
            tally.rated += if unit.raters > 0 { weight } else { 0.0 };
            tally.paired += if unit.raters > 1 { weight } else { 0.0 };
            tally.agreement += weight * unit.agreement;
            for (sum, share) in tally.shares.iter_mut().zip(unit.shares) {
                *sum += weight * share;
            }
        }
        tally
    }
}

impl<const Q: usize> Unit<Q> {
    fn of(votes: [u32; Q]) -> Self {
        let votes = votes.map(u64::from);
        let raters: u64 = votes.iter().sum();
        // Ordered pairs: the factor 2 cancels in the share.
        let pairs = |n: u64| (n * n.saturating_sub(1)) as f64;
        let agreeing: f64 = votes.iter().map(|&n| pairs(n)).sum();
        let agreement = if raters > 1 { agreeing / pairs(raters) } else { 0.0 };
        Self { raters, agreement, shares: votes.map(|n| n as f64 / raters.max(1) as f64) }
    }
}

/// What the coefficients need, summed over units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoteSums<const Q: usize> {
    rated: f64,
    paired: f64,
    agreement: f64,
    shares: [f64; Q],
}

impl<const Q: usize> VoteSums<Q> {
    /// Share of agreeing rater pairs, in [0, 1], as it was observed. `None` without a unit that has two
    /// votes.
    #[must_use]
    pub fn agreement(&self) -> Option<f64> {
        (self.paired > 0.0).then(|| self.agreement / self.paired)
    }

    /// Mean share of a category over units with a vote, in [0, 1]; `None` without one, or without that
    /// category.
    #[must_use]
    pub fn share(&self, category: usize) -> Option<f64> {
        let share = self.shares.get(category)?;
        (self.rated > 0.0).then(|| share / self.rated)
    }

    /// Gwet's AC1, at most 1. `None` without a unit that has two votes, or with fewer than two
    /// categories.
    #[must_use]
    pub fn ac1(&self) -> Option<f64> {
        if Q < 2 {
            return None;
        }
        // Large where votes are split, and small where one category has nearly all: there kappa's is close to 1.
        let doubt: f64 = self.shares().map(|share| share * (1.0 - share)).sum();
        corrected(self.agreement()?, doubt / (Q - 1) as f64)
    }

    /// Fleiss' kappa, at most 1. It is defined for units with one and the same number of votes; with
    /// others among them it is Gwet's generalisation (2014, section 2.5). `None` without a unit that has
    /// two votes, and when all votes fall into one category.
    #[must_use]
    pub fn fleiss(&self) -> Option<f64> {
        corrected(self.agreement()?, self.shares().map(|share| share * share).sum())
    }

    fn shares(&self) -> impl Iterator<Item = f64> {
        self.shares.iter().map(|share| share / self.rated)
    }
}

/// The share of rows of which two raters say the same, and Cohen's kappa (1960): the two shares of yes are those of
/// either rater, not one for both as above. Rows have one weight each. `None` without weight; there is no kappa
/// either where one of the two says one thing only, since the formula gives 0 then however often they agree.
#[must_use]
pub fn cohen(pairs: &[(bool, bool)], weights: &[u32]) -> [Option<f64>; 2] {
    let count = |counts: fn(bool, bool) -> bool| -> u64 {
        let counted = pairs.iter().zip(weights).filter(|((one, other), _)| counts(*one, *other));
        counted.map(|(_, weight)| u64::from(*weight)).sum()
    };
    let all = count(|_, _| true);
    let share = |part: u64| (all > 0).then(|| part as f64 / all as f64);
    let observed = share(count(|one, other| one == other));
    let yes = [count(|one, _| one), count(|_, other| other)];
    // A rater that says one thing only leaves chance no room, and the formula no meaning.
    let varies = yes.iter().all(|yes| (1..all).contains(yes));
    let kappa = observed.filter(|_| varies).and_then(|observed| {
        let [one, other] = yes.map(|yes| yes as f64 / all as f64);
        corrected(observed, one * other + (1.0 - one) * (1.0 - other))
    });
    [observed, kappa]
}

fn corrected(observed: f64, chance: f64) -> Option<f64> {
    (chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<const Q: usize>(units: &[[u32; Q]], ac1: Option<f64>, fleiss: Option<f64>) {
        let tally = Votes::of(units.iter().copied()).tally(&vec![1; units.len()]);
        for (found, expected) in [(tally.ac1(), ac1), (tally.fleiss(), fleiss)] {
            let close = found.zip(expected).map(|(found, value)| (found - value).abs() < 1e-11);
            assert!(close.unwrap_or(found == expected), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn published_examples() {
        // Digits: scripts/statistics-reference.py; irrCAC 0.4.4 (R and Python), statsmodels 0.15.0.
        // Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses; kappa 0.430.
        let diagnoses = "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 \
            03300 10050 02031 00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 \
            40002 02040 10500 00006";
        let votes = |row: &str| -> [u32; 5] {
            let digits: Vec<u32> = row.chars().filter_map(|digit| digit.to_digit(10)).collect();
            digits.try_into().unwrap()
        };
        let diagnoses: Vec<[u32; 5]> = diagnoses.split_whitespace().map(votes).collect();
        check(&diagnoses, Some(0.447_884_515_845), Some(0.430_244_520_060));
        // Gwet 2014: Krippendorff's four observers, some missing; AC1 0.77544, kappa 0.76117.
        let observers = "30000 03100 00400 00400 04000 11110 00040 31000 04000 00003 20000 00100";
        let observers: Vec<[u32; 5]> = observers.split_whitespace().map(votes).collect();
        check(&observers, Some(0.775_444_068_127), Some(0.761_169_275_422));
        // Gwet 2008: 118 say yes twice, 5 and 2 differ. Kappa is negative at 94% agreement.
        let mut trait_votes = vec![[2, 0]; 118];
        trait_votes.extend([[1, 1]; 7]);
        let yes: f64 = 243.0 / 250.0;
        let chance = yes * yes + (1.0 - yes) * (1.0 - yes);
        check(&trait_votes, Some(0.940_776_337_609), Some((0.944 - chance) / (1.0 - chance)));
    }

    #[test]
    fn two_raters_as_scikit_learn_has_them() {
        // Rows of which both say yes, only the first, only the second, neither. scikit-learn 1.9.1, cohen_kappa_score;
        // the first table is that of Gwet 2008 above.
        for (table, agreement, kappa) in [
            ([118, 5, 2, 0], 0.944, Some(-0.023_391_812_865_497_075)),
            ([20, 5, 10, 15], 0.7, Some(0.4)),
            ([45, 15, 25, 15], 0.6, Some(0.130_434_782_608_695_68)),
            ([25, 35, 5, 35], 0.6, Some(0.259_259_259_259_259_3)),
            ([5, 0, 3, 0], 0.625, None),
            ([4, 0, 0, 0], 1.0, None),
        ] {
            let pairs = [(true, true), (true, false), (false, true), (false, false)];
            let [found_agreement, found] = cohen(&pairs, &table);
            assert!((found_agreement.unwrap() - agreement).abs() < 1e-12, "{table:?}");
            let close =
                found.zip(kappa).map(|(found, kappa): (f64, f64)| (found - kappa).abs() < 1e-12);
            assert!(close.unwrap_or(found == kappa), "{table:?}: {found:?}");
        }
        assert_eq!(cohen(&[(true, false)], &[0]), [None, None]);
    }

    #[test]
    fn bad_input_has_a_defined_result() {
        check::<2>(&[], None, None);
        check(&[[0, 0], [1, 0]], None, None);
        check(&[[3, 0], [3, 0]], Some(1.0), None);
        check(&[[3, 0], [0, 3]], Some(1.0), Some(1.0));
        check(&[[3], [3]], None, None);
        assert_eq!(Votes::of([[1, 2]]).tally(&[1]).share(7), None);
    }

    proptest! {
        #[test]
        fn a_weight_repeats_its_unit(
            units in prop::collection::vec(prop::array::uniform3(0_u32..4), 0..10),
            weights in prop::collection::vec(0_u32..4, 10),
        ) {
            let weights = &weights[..units.len()];
            let repeated: Vec<[u32; 3]> = units
                .iter()
                .zip(weights)
                .flat_map(|(unit, weight)| vec![*unit; *weight as usize])
                .collect();
            let weighted = Votes::of(units).tally(weights);
            check(&repeated, weighted.ac1(), weighted.fleiss());
        }

        #[test]
        fn neither_exceeds_one(
            units in prop::collection::vec(prop::array::uniform3(0_u32..4), 0..10),
        ) {
            let tally = Votes::of(units.iter().copied()).tally(&vec![1; units.len()]);
            prop_assert!(tally.ac1().is_none_or(|ac1| ac1 <= 1.0 + 1e-12));
            prop_assert!(tally.fleiss().is_none_or(|kappa| kappa <= 1.0 + 1e-12));
        }
    }
}
