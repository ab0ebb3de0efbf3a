//! Which rows of a data set depend on each other.
//!
//! Rows that go back to one item share its subject and its wording, and are no independent evidence: candidates that
//! were shown one example, a candidate and the one it was an example of, the fates of one candidate under two
//! variants. Two rows are *related* when they share an item. A candidate has two to four examples, so no partition of
//! the rows into clusters says who is related to whom: a row may be related to two that are not to each other.

use std::collections::BTreeMap;

/// The relations of rows, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// Numbers of each row's items.
    items_of: Vec<Vec<usize>>,
    /// Rows of each item, rising.
    rows_of: Vec<Vec<usize>>,
}

impl Dependence {
    /// Rows that share an item depend on each other. The order of rows, of a row's items and of keys changes nothing
    /// but the numbers.
    #[must_use]
    pub fn by_items<K: Ord, I: IntoIterator<Item = K>>(rows: impl IntoIterator<Item = I>) -> Self {
        let rows: Vec<Vec<K>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
        // Keys become numbers in the order in which they first come up.
        let mut numbers = BTreeMap::new();
        let (mut items_of, mut rows_of) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, items) in rows.iter().enumerate() {
            let mut of_row: Vec<usize> = items
                .iter()
                .map(|item| {
                    let next = numbers.len();
                    *numbers.entry(item).or_insert(next)
                })
                .collect();
            // An item that a row names twice relates it to no more rows.
            of_row.sort_unstable();
            of_row.dedup();
            rows_of.resize(numbers.len(), Vec::new());
            for &item in &of_row {
                rows_of[item].push(row);
            }
            items_of.push(of_row);
        }
        Self { items_of, rows_of }
    }

    /// Rows that have one key each: those with equal keys depend on each other.
    #[must_use]
    pub fn by<K: Ord>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::by_items(keys.into_iter().map(|key| [key]))
    }

    /// Rows that have nothing to do with each other.
    #[must_use]
    pub fn independent(rows: usize) -> Self {
        Self { items_of: vec![Vec::new(); rows], rows_of: Vec::new() }
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.items_of.len()
    }

    /// Whether no row is related to another.
    #[cfg(test)]
    pub(crate) fn is_independent(&self) -> bool {
        self.rows_of.iter().all(|rows| rows.len() < 2)
    }

    /// Visits a row and each of its relatives once.
    pub(super) fn visit(&self, row: usize, seen: &mut Seen, mut visit: impl FnMut(usize)) {
        // The mark of a visit is the visiting row's number, so that nothing is cleared between rows.
        seen.0.resize(self.rows(), usize::MAX);
        let mut once = |other: usize| {
            if seen.0[other] != row {
                seen.0[other] = row;
                visit(other);
            }
        };
        once(row);
        for &item in &self.items_of[row] {
            self.rows_of[item].iter().copied().for_each(&mut once);
        }
    }
}

/// The last row that visited each row: a buffer of [`Dependence::visit`].
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<usize>);

#[cfg(test)]
mod tests {
    use super::*;

    fn relatives(dependence: &Dependence, row: usize) -> Vec<usize> {
        let mut found = Vec::new();
        dependence.visit(row, &mut Seen::default(), |other| found.push(other));
        found.sort_unstable();
        found
    }

    #[test]
    fn rows_that_share_an_item_are_related() {
        let rows = [vec!["a", "b"], vec!["b", "c", "b"], vec!["c"], vec!["d"], vec![]];
        let dependence = Dependence::by_items(rows);
        assert_eq!(relatives(&dependence, 0), [0, 1]);
        assert_eq!(relatives(&dependence, 1), [0, 1, 2]);
        assert_eq!(relatives(&dependence, 2), [1, 2]);
        assert_eq!((relatives(&dependence, 3), relatives(&dependence, 4)), (vec![3], vec![4]));
        assert!(!dependence.is_independent());
    }

    #[test]
    fn one_key_each_makes_clusters() {
        let dependence = Dependence::by(["x", "y", "x"]);
        assert_eq!((relatives(&dependence, 2), relatives(&dependence, 1)), (vec![0, 2], vec![1]));
    }

    #[test]
    fn what_shares_nothing_is_independent() {
        assert!(Dependence::by([3, 1, 2]).is_independent());
        assert!(Dependence::independent(4).is_independent());
        assert_eq!(relatives(&Dependence::independent(4), 2), [2]);
    }
}
