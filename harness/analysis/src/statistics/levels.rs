//! The distinct values of a column, where each row lies among them, and how finely a rater tells samples apart by them.
//!
//! Rows that are not numbers have kinds in the same way: 51,000 rows of ratings are a few hundred kinds of row. What
//! does not depend on the order of rows is computed from one count per kind, so other weights cost one addition per row.
//!
//! Committee means have steps of 1/18 and a judge's of 1/6, so 51,000 scores take at most 181 values.

use std::cmp::Ordering;

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

/// A number of at least 0 without its fraction; one that is too large becomes the largest integer.
pub(crate) const fn whole(value: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as is said above")]
    let whole = value as usize;
    whole
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_level() {
        let levels = Distinct::levels(&[8.5, -0.0, 8.0, 0.0, 8.5]).unwrap();
        assert_eq!(levels.kinds, [0.0, 8.0, 8.5]);
        assert_eq!(levels.of_row, [2, 0, 1, 0, 2]);
        assert_eq!(levels.counts(&[1, 2, 0, 1, 3]), [3, 0, 4]);
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert_eq!(Distinct::levels(&[1.0, f64::NAN]), Err(NotFinite { row: 1 }));
        assert_eq!(Distinct::levels(&[f64::NEG_INFINITY]), Err(NotFinite { row: 0 }));
        assert!(Distinct::levels(&[]).unwrap().kinds.is_empty());
    }

    #[test]
    fn rows_of_a_kind_share_its_weight() {
        let found = Distinct::by(&["c", "a", "c", "b"], Ord::cmp);
        assert_eq!(
            (found.kinds.as_slice(), found.of_row.as_slice()),
            (&["a", "b", "c"][..], &[2, 0, 2, 1][..])
        );
        assert_eq!(found.counts(&[1, 2, 3, 0]), [2, 0, 4]);
        assert!(Distinct::by(&[0_u8; 0], Ord::cmp).kinds.is_empty());
    }

    fn check(scores: &[f64], distinct: usize, entropy: Option<f64>, commonest: Option<f64>) {
        let n = scores.len() as u64;
        let expected = Resolution { n, distinct, entropy, commonest };
        assert_eq!(Resolution::of(scores), Ok(expected), "{scores:?}");
    }

    #[test]
    fn entropy_counts_in_bits() {
        check(&[], 0, None, None);
        check(&[8.0], 1, Some(0.0), Some(1.0));
        check(&[8.0; 5], 1, Some(0.0), Some(1.0));
        check(&[1.0, 2.0, 3.0, 4.0], 4, Some(2.0), Some(0.25));
        check(&[9.0, 9.0, 8.0, 7.0], 3, Some(1.5), Some(0.5));
        assert_eq!(Resolution::of_counts(&[0, 2, 0, 2]).entropy, Some(1.0));
        assert_eq!(Resolution::of(&[f64::INFINITY]), Err(NotFinite { row: 0 }));
    }
}
