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
//! The others, on categories, correct one observed agreement a, the mean over units of the share of rater pairs that
//! agree, for agreement by chance e: `(a - e) / (1 - e)`. With p the mean over units of a category's
//! share, and sums over the Q categories, chance is `sum(p^2)` for Fleiss' kappa (Fleiss 1971) and
//! `sum(p (1 - p)) / (Q - 1)` for AC1 (Gwet 2008). Where nearly all votes fall into one category kappa
//! drops towards 0 and below, however often raters agree; AC1 does not. The bits of the instruction
//! review are such votes.

use std::cmp::Ordering;

use crate::statistics::rank::{Distinct, NotFinite};

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

/// Votes of each unit for each of `Q` categories.
#[derive(Clone, Debug, PartialEq)]
pub struct Votes<const Q: usize> {
    units: Vec<VoteUnit<Q>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct VoteUnit<const Q: usize> {
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
        Self { units: units.into_iter().map(VoteUnit::of).collect() }
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

impl<const Q: usize> VoteUnit<Q> {
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
mod tests;
