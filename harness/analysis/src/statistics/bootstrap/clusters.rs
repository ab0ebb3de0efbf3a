//! Which rows are resampled together.

use std::collections::BTreeMap;

use gra_synth::stream::Stream;

use super::Cluster;

/// A partition of rows into clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// Cluster of each row, from 0.
    of_row: Vec<usize>,
    len: usize,
}

/// Buffers of one replicate, used again by the next.
pub(super) struct Room {
    counts: Vec<u32>,
    weights: Vec<u32>,
}

impl Clusters {
    /// Rows with equal keys form a cluster. Clusters are numbered by rising key, so the order of the
    /// rows does not change which keys a replicate draws.
    #[must_use]
    pub fn by<K: Ord>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut numbers: BTreeMap<&K, usize> = keys.iter().map(|key| (key, 0)).collect();
        // Numbering by rising key keeps draws independent of the order of rows.
        for (number, place) in numbers.values_mut().enumerate() {
            *place = number;
        }
        Self { of_row: keys.iter().map(|key| numbers[key]).collect(), len: numbers.len() }
    }

    /// Every row by itself.
    #[must_use]
    pub fn singles(rows: usize) -> Self {
        Self { of_row: (0..rows).collect(), len: rows }
    }

    /// How many clusters.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.of_row.len()
    }

    /// Sum and count of the rows' values in each cluster, for [`super::mean`] and
    /// [`crate::statistics::permutation`]. One value per row.
    #[must_use]
    pub fn sums(&self, values: &[f64]) -> Vec<Cluster> {
        let mut sums = vec![Cluster { sum: 0.0, count: 0 }; self.len];
        for (&cluster, value) in self.of_row.iter().zip(values) {
            sums[cluster].sum += value;
            sums[cluster].count += 1;
        }
        sums
    }

    /// The weights of the rows as they are.
    pub(super) fn once(&self) -> Vec<u32> {
        vec![1; self.rows()]
    }

    pub(super) fn room(&self) -> Room {
        Room { counts: vec![0; self.len], weights: vec![0; self.rows()] }
    }

    /// Draws as many clusters as there are, with replacement; returns each row's weight.
    pub(super) fn draw<'r>(&self, stream: &mut Stream, room: &'r mut Room) -> &'r [u32] {
        room.counts.fill(0);
        for _ in 0..self.len {
            room.counts[stream.below(self.len)] += 1;
        }
        for (weight, &cluster) in room.weights.iter_mut().zip(&self.of_row) {
            *weight = room.counts[cluster];
        }
        &room.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_equal_keys_are_drawn_together() {
        let clusters = Clusters::by(["b", "a", "c", "b", "a"]);
        assert_eq!((clusters.len(), clusters.rows()), (3, 5));
        let mut room = clusters.room();
        let mut stream = Stream::named(42, &["together"]);
        let mut seen = [false; 3];
        for _ in 0..50 {
            let weights = clusters.draw(&mut stream, &mut room);
            assert_eq!((weights[0], weights[1]), (weights[3], weights[4]));
            assert_eq!(weights[0] + weights[1] + weights[2], 3);
            for (seen, weight) in seen.iter_mut().zip(weights) {
                *seen |= *weight > 0;
            }
        }
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn the_order_of_rows_does_not_change_what_is_drawn() {
        let weight_of_a = |keys: [&str; 4], place: usize| {
            let clusters = Clusters::by(keys);
            clusters.draw(&mut Stream::named(7, &["order"]), &mut clusters.room())[place]
        };
        assert_eq!(weight_of_a(["a", "b", "c", "d"], 0), weight_of_a(["d", "c", "b", "a"], 3));
    }

    #[test]
    fn sums_are_by_cluster() {
        let cluster = |sum, count| Cluster { sum, count };
        let found = Clusters::by(["b", "a", "b"]).sums(&[1.0, 2.0, 4.0]);
        assert_eq!(found, [cluster(2.0, 1), cluster(5.0, 2)]);
    }

    #[test]
    fn no_rows_are_no_clusters() {
        assert!(Clusters::by([0_u8; 0]).is_empty());
        assert_eq!(Clusters::singles(0), Clusters::by([0_u8; 0]));
        assert_eq!(Clusters::singles(3), Clusters::by([1, 5, 9]));
    }
}
