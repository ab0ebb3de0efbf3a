//! How far raters agree, beyond what chance or scale would make them.
//!
//! | coefficient | ratings | a unit without some raters | 1 means |
//! |---|---|---|---|
//! | Krippendorff's alpha ([`Sums::alpha`]) | interval | allowed, if two are left | all ratings of a unit equal |
//! | ICC(1,1) ([`Sums::icc`]) | interval | allowed | the same |
//! | Gwet's AC1 ([`VoteSums::ac1`]) | nominal | allowed | the same |
//! | Fleiss' kappa ([`VoteSums::fleiss`]) | nominal | hand in whole units only | the same |
//! | Cohen's kappa ([`cohen`]) | yes and no of two raters | hand in whole units only | the same |
//!
//! 0 is agreement by chance, as each coefficient defines chance. Missing ratings are allowed where
//! they are missing for reasons of their own. Where a rating was left out *because* of what earlier
//! ratings said, a coefficient describes the ratings that there are and not the raters; the caller
//! reports how many units are thinned ([`crate::reviewers::committee::Coverage`]).
//!
//! Every coefficient is a function of sums over units, so leaving a unit out costs one pass:
//! [`Ratings::sums`] and [`Votes::tally`] take one weight per unit. A unit of weight w counts as w
//! units; for Krippendorff's alpha the expected disagreement then changes too, unlike in Krippendorff's own
//! procedure, which varies disagreements alone.
//!
//! The first two, on an interval scale, split the variation of the ratings into that within units and the rest. Let a unit have m
//! ratings with sum of squares w around their mean, all n ratings together T around theirs, and sums run
//! over units. Then
//!
//! - `alpha = 1 - (n - 1) / n * sum(w m / (m - 1)) / T` over units with m >= 2 (Krippendorff 2011, with
//!   the interval difference function, multiplied out);
//! - `ICC(1,1) = (B - W) / (B + (k - 1) W)` with the mean squares B between and W within units of a
//!   one-way analysis of variance (Shrout and Fleiss 1979), and `k = (n - sum(m^2) / n) / (units - 1)`
//!   ratings per unit where their number differs (Donner 1986).
//!
//! Those for categories are in `nominal`.

use std::cmp::Ordering;

use crate::statistics::levels::{Distinct, NotFinite};

mod nominal;

pub use nominal::{VoteSums, Votes, cohen};

/// Variation below this share of the squares is rounding.
const ROUNDING: f64 = 1e-12;

/// Ratings by unit, reduced to what the coefficients need.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratings {
    units: Distinct<Unit>,
    /// Mean of all ratings.
    centre: f64,
}

/// One unit's ratings, as distances from the mean of all ratings: sums of squares then lose no digits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit {
    count: u32,
    sum: f64,
    /// Sum of squares around the unit's own mean.
    within: f64,
    /// Population standard deviation.
    deviation: f64,
}

impl Ratings {
    /// Reads ratings, unit by unit, in any order within a unit: the coefficients know no raters. A unit
    /// may have none; it then counts as no unit.
    ///
    /// # Errors
    /// When a rating is not finite; the row is its place among all ratings.
    pub fn of(units: &[Vec<f64>]) -> Result<Self, NotFinite> {
        let all = || units.iter().flatten();
        if let Some(row) = all().position(|rating| !rating.is_finite()) {
            return Err(NotFinite { row });
        }
        // Sums of squares around a value near the mean lose no digits to cancellation.
        let centre = all().sum::<f64>() / (all().count() as f64).max(1.0);
        let units: Vec<Unit> = units.iter().map(|unit| Unit::of(unit, centre)).collect();
        Ok(Self { units: Distinct::by(&units, Unit::order), centre })
    }

    /// Sums over the units under one weight each.
    #[must_use]
    pub fn sums(&self, weights: &[u32]) -> Sums {
        let (mut all, mut paired) = (Part::default(), Part::default());
        let (mut square_sizes, mut disagreement, mut deviation) = (0.0, 0.0, 0.0);
        for (unit, weight) in self.units.kinds.iter().zip(self.units.counts(weights)) {
            if weight == 0 || unit.count == 0 {
                continue;
            }
            let (weight, size) = (weight as f64, f64::from(unit.count));
            all.add(unit, weight);
            square_sizes += weight * size * size;
            // A single rating agrees with nothing: it counts for the mean and for ICC alone.
            if unit.count > 1 {
                paired.add(unit, weight);
                disagreement += weight * unit.within * size / (size - 1.0);
                deviation += weight * unit.deviation;
            }
        }
        Sums { centre: self.centre, all, paired, square_sizes, disagreement, deviation }
    }
}

impl Unit {
    fn of(ratings: &[f64], centre: f64) -> Self {
        let size = (ratings.len() as f64).max(1.0);
        let sum: f64 = ratings.iter().map(|rating| rating - centre).sum();
        let within = ratings.iter().map(|rating| (rating - centre - sum / size).powi(2)).sum();
        let count = u32::try_from(ratings.len()).unwrap_or(u32::MAX);
        Self { count, sum, within, deviation: f64::sqrt(within / size) }
    }

    fn order(&self, other: &Self) -> Ordering {
        // Units of equal sums have equal coefficients: the deviation follows from these three.
        (self.count.cmp(&other.count))
            .then_with(|| self.sum.total_cmp(&other.sum))
            .then_with(|| self.within.total_cmp(&other.within))
    }
}

/// What the coefficients need, summed over units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    centre: f64,
    all: Part,
    /// Units with two ratings or more.
    paired: Part,
    square_sizes: f64,
    disagreement: f64,
    deviation: f64,
}

/// Sums over some units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Part {
    units: f64,
    ratings: f64,
    sum: f64,
    squares: f64,
    within: f64,
}

impl Part {
    fn add(&mut self, unit: &Unit, weight: f64) {
        let size = f64::from(unit.count);
        self.units += weight;
        self.ratings += weight * size;
        self.sum += weight * unit.sum;
        self.squares += weight * (unit.within + unit.sum * unit.sum / size);
        self.within += weight * unit.within;
    }

    /// Sum of squares around the mean; `None` when there is none beyond rounding.
    fn total(&self) -> Option<f64> {
        let total = self.squares - self.sum * self.sum / self.ratings;
        (total > ROUNDING * self.squares).then_some(total)
    }
}

impl Sums {
    /// Krippendorff's alpha for interval data, at most 1. `None` without a unit that has two ratings,
    /// and when all ratings of such units are equal: agreement on a constant cannot be told from
    /// chance.
    #[must_use]
    pub fn alpha(&self) -> Option<f64> {
        // Observed over expected disagreement, both as mean squared differences of two ratings.
        let n = self.paired.ratings;
        Some(1.0 - (n - 1.0) / n * self.disagreement / self.paired.total()?)
    }

    /// ICC(1,1): the share of a single rating's variance that units explain, at most 1 and at least
    /// -1 / (k - 1). `None` with fewer than two units, without a unit that has two ratings, and when all
    /// ratings are equal.
    #[must_use]
    pub fn icc(&self) -> Option<f64> {
        let Part { units, ratings, within, .. } = self.all;
        if units < 2.0 || ratings <= units {
            return None;
        }
        // One-way analysis of variance: mean squares between and within units, and the units' effective size.
        let between = (self.all.total()? - within).max(0.0) / (units - 1.0);
        let within = within / (ratings - units);
        let size = (ratings - self.square_sizes / ratings) / (units - 1.0);
        Some((between - within) / (between + (size - 1.0) * within))
    }

    /// Mean rating, in the ratings' unit; `None` without any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.all.ratings > 0.0).then(|| self.centre + self.all.sum / self.all.ratings)
    }

    /// Mean over units with two ratings or more of the population standard deviation of a unit's
    /// ratings, in their unit. For three reviewers' means this is the mean sigma. `None` without such a
    /// unit.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        (self.paired.units > 0.0).then(|| self.deviation / self.paired.units)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(units: &[Vec<f64>]) -> Sums {
        Ratings::of(units).unwrap().sums(&vec![1; units.len()])
    }

    /// Krippendorff 2011, example C: four observers, twelve units, 0 for missing.
    fn observers() -> Vec<Vec<f64>> {
        let units = [
            [1, 1, 0, 1],
            [2, 2, 3, 2],
            [3, 3, 3, 3],
            [3, 3, 3, 3],
            [2, 2, 2, 2],
            [1, 2, 3, 4],
            [4, 4, 4, 4],
            [1, 1, 2, 1],
            [2, 2, 2, 2],
            [0, 5, 5, 5],
            [0, 0, 1, 1],
            [0, 3, 0, 0],
        ];
        let rated = |unit: [u8; 4]| unit.into_iter().filter(|r| *r > 0).map(f64::from).collect();
        units.map(rated).to_vec()
    }

    /// Shrout and Fleiss 1979, table 2: six targets, four judges.
    fn judges() -> Vec<Vec<f64>> {
        let targets =
            [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]];
        targets.map(|target| target.map(f64::from).to_vec()).to_vec()
    }

    fn check(units: &[Vec<f64>], alpha: f64, icc: f64) {
        let sums = sums(units);
        let found = (sums.alpha().unwrap(), sums.icc().unwrap());
        assert!((found.0 - alpha).abs() < 1e-12 && (found.1 - icc).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn published_examples() {
        // Printed: alpha 0.849 (Krippendorff 2011), ICC(1,1) 0.17 (Shrout and Fleiss 1979, table 4).
        // Digits: scripts/statistics-reference.py; krippendorff 0.9.0, pingouin 0.6.1, and for the
        // ICC of unequal units an analysis of variance by statsmodels 0.15.0.
        check(&observers(), 0.849_107_142_857_142_8, 0.849_680_315_603_319_1);
        check(&judges(), 0.147_307_850_390_464_46, 0.165_741_768_405_475_5);
    }

    #[test]
    fn what_does_not_vary_has_no_agreement() {
        let third = 26.0 / 3.0;
        let none = (None, None);
        let cases: [(&[Vec<f64>], _); 6] = [
            (&[], none),
            (&[vec![], vec![]], none),
            (&[vec![8.0, 9.0]], (Some(0.0), None)),
            (&[vec![8.0], vec![9.0]], none),
            (&[vec![third; 3], vec![third; 3], vec![third]], none),
            (&[vec![3.0; 3], vec![4.0; 3]], (Some(1.0), Some(1.0))),
        ];
        for (units, expected) in cases {
            let sums = sums(units);
            assert_eq!((sums.alpha(), sums.icc()), expected, "{units:?}");
        }
        // Weights that leave only units with one and the same rating.
        let ratings = Ratings::of(&[vec![third; 3], vec![1.0, 2.0]]).unwrap();
        assert_eq!(ratings.sums(&[5, 0]).alpha(), None);
        assert_eq!(Ratings::of(&[vec![1.0], vec![f64::NAN]]), Err(NotFinite { row: 1 }));
    }

    #[test]
    fn mean_and_spread_are_mu_and_mean_sigma() {
        // Case 1 of the paper has sigma 2.4758; a single rating has no spread.
        let case_1 = [59.0, 58.0, 27.0].map(|total| total / 6.0).to_vec();
        let sums_of = sums(&[case_1, vec![8.0; 3], vec![1.0]]);
        assert_eq!(format!("{:.4}", 2.0 * sums_of.spread().unwrap()), "2.4758");
        assert!((sums_of.mean().unwrap() - 7.0).abs() < 1e-12);
        assert_eq!((sums(&[vec![1.0]]).spread(), sums(&[]).mean()), (None, None));
    }

    fn units() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let rating = (0_u8..=10).prop_map(f64::from);
        prop::collection::vec(prop::collection::vec(rating, 0..5), 0..12)
    }

    fn alike(a: Option<f64>, b: Option<f64>) -> bool {
        a.is_some() == b.is_some() && a.zip(b).is_none_or(|(a, b)| (a - b).abs() < 1e-9)
    }

    proptest! {
        #[test]
        fn scale_and_origin_do_not_matter(units in units()) {
            let moved: Vec<Vec<f64>> =
                units.iter().map(|unit| unit.iter().map(|r| r / 6.0 - 40.0).collect()).collect();
            let (a, b) = (sums(&units), sums(&moved));
            prop_assert!(alike(a.alpha(), b.alpha()) && alike(a.icc(), b.icc()));
        }

        #[test]
        fn a_weight_repeats_its_unit(
            units in units(),
            weights in prop::collection::vec(0_u32..4, 12),
        ) {
            let repeated: Vec<Vec<f64>> = units
                .iter()
                .zip(&weights)
                .flat_map(|(unit, weight)| vec![unit.clone(); *weight as usize])
                .collect();
            let (a, b) = (Ratings::of(&units).unwrap().sums(&weights), sums(&repeated));
            prop_assert!(alike(a.alpha(), b.alpha()) && alike(a.icc(), b.icc()));
            prop_assert!(alike(a.spread(), b.spread()));
        }

        #[test]
        fn neither_exceeds_one(units in units()) {
            let sums = sums(&units);
            prop_assert!(sums.alpha().is_none_or(|alpha| alpha <= 1.0 + 1e-12));
            prop_assert!(sums.icc().is_none_or(|icc| icc <= 1.0 + 1e-12));
        }
    }
}
