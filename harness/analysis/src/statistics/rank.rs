//! What the order of values says: the distinct values of a column and where each row lies among them; how finely a rater
//! tells samples apart by them; rank correlations, Spearman's rho with mid-ranks and Kendall's tau-b (Kendall and Gibbons
//! 1990, sections 3.4 and 3.8); and the area under the ROC curve ([`roc_area`]).
//!
//! All of it depends on the rows only through how many share a value, or a pair of values. [`Distinct`] and [`Pairs`] find
//! those once; the weights of rows are then summed into them, so other weights cost one addition per row. 51,000 committee
//! means, with steps of 1/18, take at most 181 values. Both coefficients follow from a [`ContingencyTable`] in
//! O(cells log levels), for scores in steps and for continuous values alike. A row of weight w counts as w equal rows.

use std::cmp::Ordering;

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife, whole};

/// The kinds of some rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distinct<T> {
    /// One row of each kind, in rising order.
    pub(crate) kinds: Vec<T>,
    /// Each row's place among the kinds.
    pub(crate) of_row: Vec<usize>,
}

impl<T: Clone> Distinct<T> {
    /// Finds the kinds under a total order; rows that it calls equal are of one kind.
    pub(crate) fn by(rows: &[T], order: impl Fn(&T, &T) -> Ordering) -> Self {
        let mut kinds = rows.to_vec();
        kinds.sort_by(&order);
        kinds.dedup_by(|a, b| order(a, b).is_eq());
        // Kinds are sorted, so each row finds its own by bisection.
        let place = |row: &T| kinds.partition_point(|kind| order(kind, row).is_lt());
        let of_row = rows.iter().map(place).collect();
        Self { kinds, of_row }
    }

    /// Summed weights of the rows of each kind.
    pub(crate) fn counts(&self, weights: &[u32]) -> Vec<u64> {
        let mut counts = vec![0; self.kinds.len()];
        for (&kind, &weight) in self.of_row.iter().zip(weights) {
            counts[kind] += u64::from(weight);
        }
        counts
    }
}

/// A value is no number, or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value {row} is not a finite number")]
pub struct NotFinite {
    /// Its place among the values, from 0.
    pub row: usize,
}

impl Distinct<f64> {
    /// Finds the distinct values, rising. 0 and -0 are one value.
    ///
    /// # Errors
    /// When a value is not finite.
    pub(crate) fn levels(rows: &[f64]) -> Result<Self, NotFinite> {
        if let Some(row) = rows.iter().position(|value| !value.is_finite()) {
            return Err(NotFinite { row });
        }
        // Adding 0 makes -0 a 0.
        let rows: Vec<f64> = rows.iter().map(|value| value + 0.0).collect();
        Ok(Self::by(&rows, f64::total_cmp))
    }
}

/// Quantile of a sorted, non-empty sample, linear between order statistics (Hyndman and Fan 1996,
/// type 7: the default of R and `NumPy`).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = whole(place);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// How finely a rater tells samples apart (the "finer granularity" of the paper's section 5.4).
///
/// The mean of three reviewers has three times the steps of one judge's, so it resolves more even if no
/// reviewer does; compare a judge with single reviewers too ([`crate::reviewers::committee`]). Entropy is the
/// plug-in estimate: on n rows over k values it is too low by about (k - 1) / (2 n ln 2) bits (Miller
/// 1955), so compare raters on the same rows. It has no interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolution {
    /// How many scores.
    pub n: u64,
    /// How many different ones.
    pub distinct: usize,
    /// Entropy in bits: 0 when all are equal, at most log2 of `distinct`. `None` for n = 0.
    pub entropy: Option<f64>,
    /// Share of the commonest score, in (0, 1]. `None` for n = 0.
    pub commonest: Option<f64>,
}

impl Resolution {
    /// Resolution of these scores.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(scores: &[f64]) -> Result<Self, NotFinite> {
        let levels = Distinct::levels(scores)?;
        Ok(Self::of_counts(&levels.counts(&vec![1; scores.len()])))
    }

    /// Resolution where each score came up this often; scores that never came up may be among them.
    #[must_use]
    pub fn of_counts(counts: &[u64]) -> Self {
        let n: u64 = counts.iter().sum();
        // Levels that never came up have no share, and 0 log 0 is 0.
        let seen = || counts.iter().copied().filter(|count| *count > 0);
        let share = |count: u64| count as f64 / n as f64;
        // 0 - sum: a sum of nothing but zeros would make -0.
        let entropy = 0.0 - seen().map(|count| share(count) * share(count).log2()).sum::<f64>();
        Self {
            n,
            distinct: seen().count(),
            entropy: (n > 0).then_some(entropy),
            commonest: seen().max().map(share),
        }
    }
}

/// Rows with two values each.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// The distinct pairs, as places on the two scales.
    cells: Distinct<(usize, usize)>,
    levels: (usize, usize),
}

impl Pairs {
    /// Finds the distinct pairs.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn of(rows: &[(f64, f64)]) -> Result<Self, NotFinite> {
        let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
        let (x, y) = (Distinct::levels(&x)?, Distinct::levels(&y)?);
        let places: Vec<(usize, usize)> = x.of_row.into_iter().zip(y.of_row).collect();
        let levels = (x.kinds.len(), y.kinds.len());
        Ok(Self { cells: Distinct::by(&places, Ord::cmp), levels })
    }

    /// The contingency table of these rows under one weight each. The weights sum to less than 2^32.
    #[must_use]
    pub fn table(&self, weights: &[u32]) -> ContingencyTable<'_> {
        // Only the counts differ between weights: the distinct pairs were sorted once.
        let (cells, counts) = (&self.cells.kinds, self.cells.counts(weights));
        let (mut x, mut y) = (vec![0; self.levels.0], vec![0; self.levels.1]);
        for (&(of_x, of_y), &count) in cells.iter().zip(&counts) {
            x[of_x] += count;
            y[of_y] += count;
        }
        ContingencyTable { cells, counts, x, y }
    }
}

/// How often each pair of values came up.
#[derive(Clone, Debug)]
pub struct ContingencyTable<'a> {
    cells: &'a [(usize, usize)],
    counts: Vec<u64>,
    /// Margins: how often each value came up.
    x: Vec<u64>,
    y: Vec<u64>,
}

impl ContingencyTable<'_> {
    /// How often each value of the first and of the second side came up.
    #[must_use]
    pub fn margins(&self) -> (&[u64], &[u64]) {
        (&self.x, &self.y)
    }

    /// Spearman's rho in [-1, 1]: the product-moment correlation of mid-ranks. `None` when a side is
    /// constant.
    #[must_use]
    pub fn spearman(&self) -> Option<f64> {
        let (ranks_x, ranks_y) = (centred_ranks(&self.x), centred_ranks(&self.y));
        // Centred mid-ranks are whole numbers when doubled, and the factor cancels in the correlation.
        let product = |(&(x, y), &count): (&(usize, usize), &u64)| {
            i128::from(ranks_x[x]) * i128::from(ranks_y[y]) * i128::from(count)
        };
        let covariance: i128 = self.cells.iter().zip(&self.counts).map(product).sum();
        let variance = |ranks: &[i64], margin: &[u64]| -> i128 {
            let squares = ranks.iter().zip(margin);
            squares.map(|(&rank, &count)| i128::from(rank).pow(2) * i128::from(count)).sum()
        };
        let (x, y) = (variance(&ranks_x, &self.x), variance(&ranks_y, &self.y));
        correlation(covariance as f64, x as f64, y as f64)
    }

    /// Kendall's tau-b in [-1, 1]: concordant minus discordant pairs, over the pairs that neither side
    /// ties. `None` when a side is constant.
    #[must_use]
    pub fn kendall(&self) -> Option<f64> {
        // Exact: a product of two counts of 51,000 rows fits, and so does the square of many more.
        let pairs = |count: u64| i128::from(count) * (i128::from(count) - 1) / 2;
        let all = pairs(self.x.iter().sum());
        let untied = |margin: &[u64]| all - margin.iter().map(|&count| pairs(count)).sum::<i128>();
        let (x, y) = (untied(&self.x), untied(&self.y));
        correlation(self.concordance() as f64, x as f64, y as f64)
    }

    /// Concordant minus discordant pairs of rows.
    fn concordance(&self) -> i128 {
        let mut below = Prefix::new(self.y.len());
        let (mut balance, mut counts) = (0, self.counts.as_slice());
        // All rows of one x are counted against those of smaller x, and only then join them.
        for group in self.cells.chunk_by(|a, b| a.0 == b.0) {
            let (of_group, rest) = counts.split_at(group.len());
            counts = rest;
            // Rows of smaller x and smaller y are concordant with these, those of larger y discordant.
            for (&(_, y), &count) in group.iter().zip(of_group) {
                let (less, up_to) = (below.sum(y), below.sum(y + 1));
                let more = below.total - up_to;
                balance += i128::from(count) * (i128::from(less) - i128::from(more));
            }
            for (&(_, y), &count) in group.iter().zip(of_group) {
                below.add(y, count);
            }
        }
        balance
    }
}

/// Spearman's rho of rows with two values each, with its interval.
///
/// # Errors
/// When a value is not finite.
pub fn spearman(rows: &[(f64, f64)], dependence: &Dependence) -> Result<Estimate, NotFinite> {
    let pairs = Pairs::of(rows)?;
    let [rho] = jackknife(dependence, |weights| [pairs.table(weights).spearman()]);
    Ok(rho.within(-1.0, 1.0))
}

/// The area under the ROC curve: how often a good row scores above a faulty one, ties counted half (Hanley and `McNeil`
/// 1982), with its interval. No value without rows of both kinds, or where a score is no number.
#[must_use]
pub fn roc_area(scores: &[f64], is_good: &[bool], dependence: &Dependence) -> Estimate {
    let Ok(levels) = Distinct::levels(scores) else { return Estimate::NONE };
    let [area] = jackknife(dependence, |weights| {
        // How many rows of a side have each score: the others weigh nothing.
        let counts = |side: bool| {
            let weights = is_good.iter().zip(weights);
            let weights = weights.map(|(is_good, weight)| u32::from(*is_good == side) * weight);
            levels.counts(&weights.collect::<Vec<_>>())
        };
        [area(&counts(true), &counts(false))]
    });
    area.within(0.0, 1.0)
}

/// The area under the curve from how many good and faulty rows have each score, scores rising.
fn area(good: &[u64], faulty: &[u64]) -> Option<f64> {
    let (mut below, mut won) = (0_u64, 0_u64);
    for (good, faulty) in good.iter().zip(faulty) {
        // Twice the wins, so that a tie counts one.
        won += good * (2 * below + faulty);
        below += faulty;
    }
    let pairs = 2 * good.iter().sum::<u64>() * below;
    (pairs > 0).then(|| won as f64 / pairs as f64)
}

/// Twice each level's mid-rank less its mean, which is `2 below + count - all`.
fn centred_ranks(margin: &[u64]) -> Vec<i64> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let all = signed(margin.iter().sum());
    let mut below = 0;
    let mut ranks = Vec::with_capacity(margin.len());
    for &count in margin {
        ranks.push(2 * below + signed(count) - all);
        below += signed(count);
    }
    ranks
}

fn correlation(covariance: f64, x: f64, y: f64) -> Option<f64> {
    (x > 0.0 && y > 0.0).then(|| (covariance / (x.sqrt() * y.sqrt())).clamp(-1.0, 1.0))
}

/// Prefix sums under insertion (a binary indexed tree; Fenwick 1994).
struct Prefix {
    tree: Vec<u64>,
    total: u64,
}

impl Prefix {
    fn new(levels: usize) -> Self {
        Self { tree: vec![0; levels + 1], total: 0 }
    }

    fn add(&mut self, level: usize, count: u64) {
        self.total += count;
        let mut place = level + 1;
        while place < self.tree.len() {
            self.tree[place] += count;
            place += lowest_bit(place);
        }
    }

    /// What was inserted below a level.
    fn sum(&self, level: usize) -> u64 {
        let (mut place, mut sum) = (level, 0);
        while place > 0 {
            sum += self.tree[place];
            place -= lowest_bit(place);
        }
        sum
    }
}

const fn lowest_bit(place: usize) -> usize {
    place & place.wrapping_neg()
}

#[cfg(test)]
mod tests;
