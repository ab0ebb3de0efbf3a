//! Rank correlations: Spearman's rho with mid-ranks, Kendall's tau-b (Kendall and Gibbons 1990, sections 3.4 and 3.8).
//! And the area under the ROC curve ([`roc_area`]).
//!
//! Both depend on the rows only through how many share a pair of values. [`Pairs`] finds the distinct
//! pairs once; the weights of rows are then summed into them ([`ContingencyTable`]), and both
//! coefficients follow in O(cells log levels), for scores in steps and for continuous values alike.
//! A row of weight w counts as w equal rows.

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, jackknife};
use crate::statistics::levels::{Distinct, NotFinite};

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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(rows: &[(f64, f64)]) -> [Option<f64>; 2] {
        let pairs = Pairs::of(rows).unwrap();
        let table = pairs.table(&vec![1; rows.len()]);
        [table.spearman(), table.kendall()]
    }

    fn close(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-12)
    }

    #[test]
    fn agrees_with_scipy() {
        // scripts/statistics-reference.py: scipy 1.12.0, spearmanr and kendalltau.
        let x = [8.5, 8.0, 8.0, 9.0, 7.5, 8.0, 9.5, 10.0, 7.5, 8.5];
        let y = [8.0, 8.0, 7.0, 9.0, 8.0, 7.0, 9.0, 9.0, 6.0, 9.0];
        let rows: Vec<_> = x.into_iter().zip(y).collect();
        let [rho, tau] = both(&rows);
        assert!(close(rho, 0.825_592_983_003_674_6), "{rho:?}");
        assert!(close(tau, 0.721_605_353_163_545_8), "{tau:?}");
    }

    #[test]
    fn a_constant_side_has_no_correlation() {
        for rows in [vec![], vec![(1.0, 2.0)], vec![(1.0, 2.0); 4], vec![(1.0, 2.0), (1.0, 3.0)]] {
            assert_eq!(both(&rows), [None, None], "{rows:?}");
        }
        assert_eq!(Pairs::of(&[(0.0, f64::NAN)]), Err(NotFinite { row: 0 }));
    }

    #[test]
    fn the_ends_are_reached() {
        let rising: Vec<_> = (0..50).map(|i| (f64::from(i), f64::from(i * i))).collect();
        let falling: Vec<_> = rising.iter().map(|(x, y)| (*x, -y)).collect();
        for (rows, expected) in [(rising, 1.0), (falling, -1.0)] {
            assert!(both(&rows).into_iter().all(|found| close(found, expected)));
        }
    }

    /// Tau-b by its definition over all pairs of rows.
    fn by_definition(rows: &[(f64, f64)]) -> Option<f64> {
        let (mut balance, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
        let sign = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
        for (i, a) in rows.iter().enumerate() {
            for b in &rows[..i] {
                let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
                balance += x * y;
                untied_x += x.abs();
                untied_y += y.abs();
            }
        }
        correlation(balance, untied_x, untied_y)
    }

    fn scores() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((0_u8..7, 0_u8..5), 0..40)
            .prop_map(|rows| rows.into_iter().map(|(x, y)| (x.into(), y.into())).collect())
    }

    proptest! {
        #[test]
        fn tau_is_what_its_definition_says(rows in scores()) {
            let (found, expected) = (both(&rows)[1], by_definition(&rows));
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!((found - expected).abs() < 1e-12);
            }
        }

        #[test]
        fn a_weight_repeats_its_row(
            rows in scores(),
            weights in prop::collection::vec(0_u32..4, 40),
        ) {
            let weights = &weights[..rows.len()];
            let repeated: Vec<_> = rows
                .iter()
                .zip(weights)
                .flat_map(|(row, weight)| vec![*row; *weight as usize])
                .collect();
            let pairs = Pairs::of(&rows).unwrap();
            let table = pairs.table(weights);
            prop_assert_eq!([table.spearman(), table.kendall()], both(&repeated));
        }

        #[test]
        fn both_are_symmetric_and_know_no_scale(rows in scores()) {
            let swapped: Vec<_> = rows.iter().map(|(x, y)| (*y, x.exp())).collect();
            prop_assert_eq!(both(&swapped), both(&rows));
        }
    }
}
