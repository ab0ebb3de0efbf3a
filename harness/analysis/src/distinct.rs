//! The distinct rows among many equal ones, and how much weight each carries.
//!
//! Scores have few values, so 51,000 rows are a few hundred kinds of row. What does not depend on the
//! order of rows is found from one count per kind; a bootstrap replicate costs one addition per row.

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

#[cfg(test)]
mod tests {
    use super::*;

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
