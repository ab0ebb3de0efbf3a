//! Means, their differences and other statistics of rows that depend on each other: intervals and tests.
//!
//! The variance of a sum over rows is the sum of the covariances of all pairs, and those of unrelated rows are 0. What
//! is left is estimated by products of residuals, over every two rows that are related ([`Dependence`]): the
//! dyadic-robust variance of Fafchamps and Gubert (2007) and Aronow, Samii and Assenova (2015), whose simplest case is
//! the cluster-robust one. With few items it is too small and varies a lot, so it is
//!
//! - divided by its expectation for independent rows of equal variance within a side, and multiplied by their variance
//!   (Bell and `McCaffrey` 2002);
//! - compared with Student's t, its degrees of freedom by Satterthwaite's rule for such rows (Bell and `McCaffrey`
//!   2002; Imbens and Kolesar 2016), fewer where values have heavier tails than normal ones: the variance of a square
//!   grows with the excess kurtosis.
//!
//! For independent rows this is Welch's test but for the kurtosis, and for one side the t-test. A sum of products that
//! is not positive, about one in thirty with 56 seed items, says nothing; rows then count as independent.
//!
//! Below [`FEWEST`] rows on a side the test rejects too often and there is none. How often it rejects and covers
//! otherwise was simulated: decision 21, `cargo run --release -p gra-analysis --example level_and_coverage`.
//!
//! Statistics that are no means are linear to first order: each row has an influence on them, its jackknife
//! pseudo-value, and the mean of the pseudo-values has the same variance (Efron and Tibshirani 1993, chapter 11).
//!
//! p-values of several tests are corrected by [`holm`].

use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::dependence::{Dependence, Seen};
pub use gra_paper::proportion::Interval;

/// Share of the intervals that hold what they estimate.
pub const CONFIDENCE: f64 = 0.95;

/// How intervals are made, for readers of a table.
pub const INTERVALS: &str = "95% t-intervals that count every two candidates which share an example as dependent; \
                             none below 12 candidates, nor where nothing varies";

/// p-values up to this one count as a difference.
pub const LEVEL: f64 = 0.05;

/// Of finding a difference, where the rows for it are counted.
pub const POWER: f64 = 0.8;

/// Rows on each side that an interval and a test need.
pub const FEWEST: usize = 12;

/// A statistic with its uncertainty, in the unit of the statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Rows behind it.
    pub n: usize,
    /// `None` where the rows do not define it.
    pub value: Option<f64>,
    /// The [`CONFIDENCE`] interval; `None` with fewer than [`FEWEST`] rows, and where no variation was seen.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// Of no rows.
    pub const NONE: Self = Self { n: 0, value: None, interval: None };

    /// The ends of its interval.
    #[must_use]
    pub fn ends(&self) -> [Option<f64>; 2] {
        [self.interval.map(|ends| ends.low), self.interval.map(|ends| ends.high)]
    }

    /// The same with its interval cut to what the statistic can be: no interval loses coverage by it.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        if let Some(interval) = &mut self.interval {
            *interval = Interval { low: interval.low.max(low), high: interval.high.min(high) };
        }
        self
    }
}

/// A mean, or a difference of two, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inference {
    /// The statistic.
    pub value: f64,
    /// Rows of the smaller side.
    n: usize,
    /// Standard error and degrees of freedom; `None` where no interval is to be given.
    spread: Option<Spread>,
}

/// Rows that have a mean, and the weight of that mean in an estimate.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// `None` for rows that take no part.
    pub values: &'a [Option<f64>],
    /// Not 0.
    pub weight: f64,
}

/// What an estimate is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    standard_error: f64,
    student: StudentsT,
}

impl Inference {
    /// Of the mean of rows that have a value; `None` when none has.
    #[must_use]
    pub fn of_mean(values: &[Option<f64>], dependence: &Dependence) -> Option<Self> {
        Self::of_sides(&[Side { values, weight: 1.0 }], dependence)
    }

    /// Of the mean of values that are means of many rows themselves, and so near to normal ones that a few are enough:
    /// one per run seed. `None` with fewer than two.
    #[must_use]
    pub fn of_runs(values: &[f64]) -> Option<Self> {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let rows = Rows::of(&[Side { values: &values, weight: 1.0 }])?;
        let spread = rows.spread(&Dependence::independent(values.len()));
        (values.len() > 1).then_some(Self { value: rows.value, n: values.len(), spread })
    }

    /// Of the weighted sum of the sides' means: a difference of two has weights -1 and 1. The dependence is of the rows
    /// of all sides, one side after the other. `None` when a side has no value.
    #[must_use]
    pub fn of_sides(sides: &[Side], dependence: &Dependence) -> Option<Self> {
        let rows = Rows::of(sides)?;
        let known = sides.iter().map(|side| side.values.iter().flatten().count());
        let n = known.min().unwrap_or(0);
        let spread = (n >= FEWEST).then(|| rows.spread(dependence)).flatten();
        Some(Self { value: rows.value, n, spread })
    }

    /// Standard error, in the unit of the value.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        Some(self.spread?.standard_error)
    }

    /// Rows of the smaller side.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.n
    }

    /// The central interval of this confidence.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let Spread { standard_error, student } = self.spread?;
        let margin = student.inverse_cdf(f64::midpoint(1.0, confidence)) * standard_error;
        Some(Interval { low: self.value - margin, high: self.value + margin })
    }

    /// Two-sided p-value of the true value being 0.
    #[must_use]
    pub fn p(&self) -> Option<f64> {
        let Spread { standard_error, student } = self.spread?;
        Some(2.0 * student.sf(self.value.abs() / standard_error))
    }

    /// Rows on each side for which a difference of this size is found four times in five, by a test at 5%. `None`
    /// without a standard error, and for a size of 0.
    #[must_use]
    pub fn rows_to_find(&self, size: f64) -> Option<u64> {
        let Spread { standard_error, student } = self.spread?;
        // A standard error falls with the square root of the rows.
        let rows = self.n as f64 * (errors_to_find(student) * standard_error / size).powi(2);
        rows.is_finite().then(|| whole(rows.ceil()) as u64)
    }

    /// Value and interval. `n` counts the rows of the smaller side.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate { n: self.n, value: Some(self.value), interval: self.interval(CONFIDENCE) }
    }
}

/// A number of at least 0 without its fraction; one that is too large becomes the largest integer.
pub(crate) const fn whole(value: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as is said above")]
    let whole = value as usize;
    whole
}

/// What a case adds to a share: the mean of what is 0 or 1 is one.
pub(crate) fn indicator(counts: bool) -> f64 {
    f64::from(u8::from(counts))
}

/// Mean of the rows that have a value, with its interval.
#[must_use]
pub fn mean(values: &[Option<f64>], dependence: &Dependence) -> Estimate {
    let inference = Inference::of_mean(values, dependence);
    inference.map_or(Estimate::NONE, |found| found.estimate())
}

/// The smallest mean of values of this variance that a test at 5% tells from 0 in [`POWER`] of cases, if it is of rows
/// that depend on each other in this way. `None` for fewer than [`FEWEST`].
#[must_use]
pub fn detectable(dependence: &Dependence, variance: f64) -> Option<f64> {
    let rows = dependence.rows();
    // The values do not matter: degrees of freedom follow from who is related to whom.
    let values: Vec<Option<f64>> =
        (0..rows).map(|row| Some(if row % 2 == 0 { 1.0 } else { -1.0 })).collect();
    let student = Inference::of_mean(&values, dependence)?.spread?.student;
    Some(errors_to_find(student) * (variance / rows as f64).sqrt())
}

/// How many standard errors a difference measures that is found in [`POWER`] of cases.
fn errors_to_find(student: StudentsT) -> f64 {
    student.inverse_cdf(f64::midpoint(1.0, CONFIDENCE)) + student.inverse_cdf(POWER)
}

/// Statistics of the rows' weights, with intervals from their jackknife. The value is the statistic with every weight
/// 1; leaving a row out is weight 0. `None` says that these weights leave it undefined: then it has no interval.
#[must_use]
pub fn jackknife<const K: usize>(
    dependence: &Dependence,
    statistics: impl Fn(&[u32]) -> [Option<f64>; K] + Sync,
) -> [Estimate; K] {
    let rows = dependence.rows();
    let values = statistics(&vec![1; rows]);
    let without: Vec<[Option<f64>; K]> = (0..rows)
        .into_par_iter()
        // Each thread keeps its weights, all 1 between two rows.
        .map_with(vec![1; rows], |weights, row| {
            weights[row] = 0;
            let left = statistics(weights);
            weights[row] = 1;
            left
        })
        .collect();
    let size = rows as f64;
    std::array::from_fn(|k| {
        let value = values[k].filter(|value| value.is_finite());
        let pseudo = |row: &[Option<f64>; K]| {
            let left = row[k].filter(|left| left.is_finite())?;
            Some(size * value? - (size - 1.0) * left)
        };
        let pseudo: Option<Vec<Option<f64>>> =
            without.iter().map(|row| pseudo(row).map(Some)).collect();
        // The pseudo-values have the variance; their mean is corrected for bias, which adds noise.
        let spread = pseudo
            .and_then(|pseudo| Inference::of_mean(&pseudo, dependence))
            .and_then(|inference| inference.spread);
        let interval =
            value.and_then(|value| Inference { value, n: rows, spread }.interval(CONFIDENCE));
        Estimate { n: rows, value, interval }
    })
}

/// The mean of the rows' values under their weights, over rows that have one; `None` without weight.
pub(crate) fn weighted_mean(values: &[Option<f64>], weights: &[u32]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for (value, &weight) in values.iter().zip(weights) {
        if let Some(value) = value {
            sum += value * f64::from(weight);
            count += f64::from(weight);
        }
    }
    (count > 0.0).then(|| sum / count)
}

/// Holm's step-down correction of several p-values (Holm 1979): with adjusted values at most alpha called significant,
/// the chance of any false call is at most alpha, however the tests depend on each other. In the order of the given
/// ones; a test that could not be made (`None`, or no number in [0, 1]) stays `None` and is no member of the family.
#[must_use]
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let known = p_values.iter().enumerate().filter_map(|(place, p)| Some((place, (*p)?)));
    let mut family: Vec<(usize, f64)> = known.filter(|(_, p)| (0.0..=1.0).contains(p)).collect();
    family.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &(place, p)) in family.iter().enumerate() {
        let left = (family.len() - rank) as f64;
        // Step-down: a larger p-value is never adjusted below a smaller one.
        least = least.max((left * p).min(1.0));
        adjusted[place] = Some(least);
    }
    adjusted
}

/// A trace below this share of the variance of independent rows is rounding.
const ROUNDING: f64 = 1e-9;

/// The most sides of an estimate.
const SIDES: usize = 4;

/// The rows of all sides that have a value.
#[derive(Default)]
struct Rows {
    value: f64,
    /// Of the estimate, if no two rows were related.
    variance_of_independent: f64,
    /// Rows with a value, by side.
    sizes: Vec<f64>,
    /// Of one row's residual on each side, corrected for the mean that was taken out; and the excess kurtosis of the
    /// values, at least 0.
    variances: Vec<f64>,
    kurtosis: Vec<f64>,
    /// By row of the dependence: side, weight in the estimate (0 without a value), and residual.
    side: Vec<usize>,
    weight: Vec<f64>,
    residual: Vec<f64>,
}

/// Means of A's rows over each side, and of those over each side: MAM is A less the two means of row and column, plus
/// that of their block.
struct Means {
    of_row: Vec<[f64; SIDES]>,
    of_block: [[f64; SIDES]; SIDES],
}

impl Rows {
    /// `None` when a side has no value.
    fn of(sides: &[Side]) -> Option<Self> {
        let mut rows = Self::default();
        for (place, Side { values, weight }) in sides.iter().enumerate() {
            let known = || values.iter().copied().flatten();
            let size = known().count() as f64;
            if size < 1.0 {
                return None;
            }
            let mean = known().sum::<f64>() / size;
            let power = |exponent| known().map(|value| (value - mean).powi(exponent)).sum::<f64>();
            let squares = power(2);
            rows.value += weight * mean;
            // Of a mean: the sample variance over n. Sides of different rows add up.
            rows.variance_of_independent += weight * weight * squares / (size - 1.0) / size;
            rows.sizes.push(size);
            // A residual's variance is (size - 1) / size of its value's: scaled up, sides of independent rows need
            // no other correction.
            let scale = (size / (size - 1.0)).sqrt();
            rows.variances.push(scale * scale * squares / (size - 1.0));
            rows.kurtosis.push((size * power(4) / squares.powi(2) - 3.0).max(0.0));
            for value in *values {
                rows.side.push(place);
                rows.weight.push(value.map_or(0.0, |_| weight / size));
                rows.residual.push(value.map_or(0.0, |value| scale * (value - mean)));
            }
        }
        Some(rows)
    }

    /// Standard error of the estimate, and what it is compared with. `None` where no value varies.
    ///
    /// In matrices, after Bell and `McCaffrey` (2002): A has `w_i w_j` where rows are related, M subtracts the means of the
    /// sides, and the residuals r of independent rows have covariance M Omega M. Then E(r'Ar) = tr(Omega MAM).
    fn spread(&self, dependence: &Dependence) -> Option<Spread> {
        let mut means =
            Means { of_row: vec![[0.0; SIDES]; self.side.len()], of_block: [[0.0; SIDES]; SIDES] };
        let products = self.products(dependence, &mut means);
        let (trace, trace_of_square) = self.traces(dependence, &means);
        let independent = self.variance_of_independent;
        // Where every two rows are related nothing is left but rounding.
        if trace <= ROUNDING * independent {
            return None;
        }
        // The sum of products over its expectation, times the variance for which that expectation holds.
        let corrected = products * independent / trace;
        let variance = if corrected > 0.0 { corrected } else { independent };
        // Satterthwaite: the degrees of freedom of a chi-squared variable with this mean and variance.
        let student = StudentsT::new(0.0, 1.0, trace * trace / trace_of_square).ok()?;
        (variance > 0.0 && variance.is_finite())
            .then(|| Spread { standard_error: variance.sqrt(), student })
    }

    /// r'Ar: each row's residual times those of its relatives, itself among them. Fills in the means of A.
    fn products(&self, dependence: &Dependence, means: &mut Means) -> f64 {
        let mut seen = Seen::default();
        let mut products = 0.0;
        for row in self.known() {
            let (mut related_residuals, mut related_weights) = (0.0, [0.0; SIDES]);
            dependence.visit(row, &mut seen, |other| {
                related_residuals += self.weight[other] * self.residual[other];
                related_weights[self.side[other]] += self.weight[other];
            });
            products += self.weight[row] * self.residual[row] * related_residuals;
            let own = self.side[row];
            for (side, size) in self.sizes.iter().enumerate() {
                let mean = self.weight[row] * related_weights[side] / size;
                means.of_row[row][side] = mean;
                means.of_block[own][side] += mean / self.sizes[own];
            }
        }
        products
    }

    /// The traces of Omega MAM and of its square.
    fn traces(&self, dependence: &Dependence, means: &Means) -> (f64, f64) {
        let Means { of_row, of_block } = means;
        let sides = 0..self.sizes.len();
        let variance_of = |row: usize| self.variances[self.side[row]];
        // The trace of (Omega MAM)^2 as if no two rows were related: then MAM is the three means alone.
        let mut deviations = [[0.0; SIDES]; SIDES];
        for row in self.known() {
            let own = self.side[row];
            for side in sides.clone() {
                deviations[own][side] += (of_row[row][side] - of_block[own][side]).powi(2);
            }
        }
        let (mut trace, mut trace_of_square) = (0.0, 0.0);
        for own in sides.clone() {
            for other in sides.clone() {
                let (n, m) = (self.sizes[own], self.sizes[other]);
                let means = m * deviations[own][other]
                    + n * deviations[other][own]
                    + n * m * of_block[own][other].powi(2);
                trace_of_square += self.variances[own] * self.variances[other] * means;
            }
        }
        // What related pairs add to it, and the trace of Omega MAM.
        let mut seen = Seen::default();
        for row in self.known() {
            let own = self.side[row];
            dependence.visit(row, &mut seen, |other| {
                let product = self.weight[row] * self.weight[other];
                let side = self.side[other];
                let means = of_row[row][side] + of_row[other][own] - of_block[own][side];
                trace_of_square += variance_of(row)
                    * variance_of(other)
                    * (product * product - 2.0 * product * means);
            });
            let diagonal = variance_of(row)
                * (self.weight[row].powi(2) - 2.0 * of_row[row][own] + of_block[own][own]);
            trace += diagonal;
            // A square of heavy-tailed values varies more than that of normal ones.
            trace_of_square += self.kurtosis[own] / 2.0 * diagonal.powi(2);
        }
        (trace, trace_of_square)
    }

    /// The rows with a value.
    fn known(&self) -> impl Iterator<Item = usize> {
        (0..self.side.len()).filter(|row| self.weight[*row] != 0.0)
    }
}

#[cfg(test)]
mod tests;
