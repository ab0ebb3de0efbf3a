//! Values as places on the ordered scale of their distinct values.
//!
//! Rows that are not numbers have kinds in the same way ([`Distinct`]): 51,000 rows of ratings are a few hundred
//! kinds of row. What does not depend on the order of rows is computed from one count per kind, so other
//! weights cost one addition per row.
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

/// The distinct values of some rows, and where each row lies among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels(Distinct<f64>);

impl Levels {
    /// Finds the distinct values. 0 and -0 are one value.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn of(rows: &[f64]) -> Result<Self, NotFinite> {
        if let Some(row) = rows.iter().position(|value| !value.is_finite()) {
            return Err(NotFinite { row });
        }
        // Adding 0 makes -0 a 0.
        let rows: Vec<f64> = rows.iter().map(|value| value + 0.0).collect();
        Ok(Self(Distinct::by(&rows, f64::total_cmp)))
    }

    /// The distinct values, rising.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0.kinds
    }

    /// Each row's place among the values.
    #[must_use]
    pub fn of_row(&self) -> &[usize] {
        &self.0.of_row
    }

    /// Summed weights of the rows at each value.
    #[must_use]
    pub fn counts(&self, weights: &[u32]) -> Vec<u64> {
        self.0.counts(weights)
    }
}

/// Quantile of a sorted, non-empty sample, linear between order statistics (Hyndman and Fan 1996,
/// type 7: the default of R and `NumPy`).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the sample: share lies in [0, 1]"
    )]
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_level() {
        let levels = Levels::of(&[8.5, -0.0, 8.0, 0.0, 8.5]).unwrap();
        assert_eq!(levels.values(), [0.0, 8.0, 8.5]);
        assert_eq!(levels.of_row(), [2, 0, 1, 0, 2]);
        assert_eq!(levels.counts(&[1, 2, 0, 1, 3]), [3, 0, 4]);
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert_eq!(Levels::of(&[1.0, f64::NAN]), Err(NotFinite { row: 1 }));
        assert_eq!(Levels::of(&[f64::NEG_INFINITY]), Err(NotFinite { row: 0 }));
        assert!(Levels::of(&[]).unwrap().values().is_empty());
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
}
