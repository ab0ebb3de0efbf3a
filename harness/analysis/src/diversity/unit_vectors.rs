//! The embeddings of a data set, checked once, and exact k nearest neighbours among them: what diversity and the map
//! are computed from.
//!
//! Rows are unit vectors, so the Euclidean distance of two is sqrt(2 - 2 cosine) and falls as their
//! cosine grows. Distances are compared as cosines, exactly (`gra_synth::similarity`): products in `f32` propose,
//! cosines in `f64` decide, so neighbours and their order are those of a plain loop.

use std::cmp::Ordering;
use std::ops::Deref;

use gra_synth::similarity::{Near, Slab, Vectors, cosine, floor_below, sweep};

use super::Undefined;

/// How far a length may lie from 1. An encoder that normalises in `f32` stays within 1e-6.
const TOLERANCE: f64 = 1e-3;

/// Rows of unit length, 384 values each for all-MiniLM-L6-v2.
#[derive(Clone, Copy, Debug)]
pub struct UnitVectors<'a>(Vectors<'a>);

impl<'a> UnitVectors<'a> {
    /// `count` rows that share the values evenly.
    ///
    /// # Errors
    /// When a row is not of unit length.
    ///
    /// # Panics
    /// When the rows cannot be of one length.
    pub fn new(values: &'a [f32], count: usize) -> Result<Self, Undefined> {
        let rows = Vectors::new(values, count);
        for row in 0..count {
            let length = cosine(rows.row(row), rows.row(row)).sqrt();
            // An overflow gives an infinite length, and is reported as such.
            let length = if length.is_nan() { f64::INFINITY } else { length };
            if (length - 1.0).abs() > TOLERANCE {
                return Err(Undefined::NotUnit { row, length });
            }
        }
        Ok(Self(rows))
    }

    /// The rows, when there are at least so many.
    pub(crate) fn at_least(self, needed: usize) -> Result<Self, Undefined> {
        let n = self.len();
        if n < needed { Err(Undefined::TooFew { n, needed }) } else { Ok(self) }
    }

    /// Several sets as one, in order.
    pub(crate) fn joined(sets: &[Self]) -> Result<Vec<f32>, Undefined> {
        for pair in sets.windows(2) {
            pair[0].comparable(&pair[1])?;
        }
        Ok(sets.iter().flat_map(|set| set.values()).copied().collect())
    }

    /// Whether two sets live in the same space.
    pub(crate) fn comparable(&self, other: &Self) -> Result<(), Undefined> {
        let (one, other) = (self.dim(), other.dim());
        if one == other { Ok(()) } else { Err(Undefined::Dimensions { one, other }) }
    }
}

impl<'a> Deref for UnitVectors<'a> {
    type Target = Vectors<'a>;

    fn deref(&self) -> &Vectors<'a> {
        &self.0
    }
}

/// The `k` rows nearest to each row, itself left out: by falling cosine, then rising place. All
/// others where there are fewer than `k`. Takes memory for `k` neighbours per row.
#[must_use]
pub fn neighbours(rows: UnitVectors, k: usize) -> Vec<Vec<Near>> {
    let error = rows.error_against(&rows);
    let exact = |query, place| cosine(rows.row(query), rows.row(place));
    sweep(
        *rows,
        *rows,
        |query| Longlist { query, k, error, floor: f32::NEG_INFINITY, open: Vec::new() },
        |query, list: &mut Longlist, slab| list.offer(slab, |place| exact(query, place)),
        |query, list| list.settle(|place| exact(query, place)),
    )
}

/// For every row, 1 - cosine to the nearest other row, in [0, 2]. Near-duplicates pull its mean down, and so does a
/// set that is larger: compare at equal size. The caller averages.
///
/// # Errors
/// With fewer than two rows.
pub fn nearest_distances(rows: UnitVectors) -> Result<Vec<f64>, Undefined> {
    let nearest = neighbours(rows.at_least(2)?, 1);
    // Equal rows whose length was rounded up are not nearer than 0.
    Ok(nearest.iter().flatten().map(|near| (1.0 - near.cosine).max(0.0)).collect())
}

/// The rows seen so far that may be among the `k` nearest of a query.
struct Longlist {
    query: usize,
    k: usize,
    error: f64,
    /// Rows with a smaller score are not among the nearest.
    floor: f32,
    /// Score and place.
    open: Vec<(f32, usize)>,
}

impl Longlist {
    fn offer(&mut self, slab: Slab, exact: impl Fn(usize) -> f64) {
        // Most slabs of a large set hold nothing near enough, and end here.
        if self.k == 0 || slab.largest() < self.floor {
            return;
        }
        for (place, score) in (slab.first..).zip(slab.scores) {
            if *score >= self.floor && place != self.query {
                self.open.push((*score, place));
                if self.open.len() >= self.full() {
                    self.shorten(&exact);
                }
            }
        }
    }

    /// Shortening costs about as much as the list is long: with room for as much again it is rare.
    fn full(&self) -> usize {
        2 * self.k + 64
    }

    /// Drops what is certainly not among the nearest; where near-ties leave too many, settles them.
    fn shorten(&mut self, exact: &impl Fn(usize) -> f64) {
        let falling = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0);
        let (_, kth, _) = self.open.select_nth_unstable_by(self.k - 1, falling);
        // Scores are products in `f32`: what lies within their error of the k-th may still be nearer.
        let floor = floor_below(kth.0, self.error).max(self.floor);
        self.floor = floor;
        self.open.retain(|(score, _)| *score >= floor);
        // Many near-ties: only exact cosines can shorten the list further.
        if self.open.len() > self.full() / 2 {
            let near = |&(score, place)| (Near { place, cosine: exact(place) }, score);
            let mut order: Vec<(Near, f32)> = self.open.iter().map(near).collect();
            order.sort_by(|(a, _), (b, _)| nearer(a, b));
            order.truncate(self.k);
            self.open = order.into_iter().map(|(near, score)| (score, near.place)).collect();
        }
    }

    fn settle(self, exact: impl Fn(usize) -> f64) -> Vec<Near> {
        let mut found: Vec<Near> =
            self.open.iter().map(|&(_, place)| Near { place, cosine: exact(place) }).collect();
        found.sort_by(nearer);
        found.truncate(self.k);
        found
    }
}

/// By falling cosine, then rising place.
fn nearer(a: &Near, b: &Near) -> Ordering {
    b.cosine.total_cmp(&a.cosine).then(a.place.cmp(&b.place))
}

#[cfg(test)]
pub(crate) mod by_hand {
    /// `count` unit vectors around `centres` directions, row by row. Numbers come from Knuth's
    /// linear congruential generator, which `scripts/diversity-reference.py` has too.
    pub(crate) fn clustered(seed: u64, count: usize, dim: usize, centres: usize) -> Vec<f32> {
        let mut state = seed;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let share = (state >> 40) as f64 / f64::from(1 << 23);
            share - 1.0
        };
        let middles: Vec<f64> = (0..centres * dim).map(|_| uniform()).collect();
        let mut values = Vec::with_capacity(count * dim);
        for at in 0..count {
            let middle = &middles[at % centres * dim..][..dim];
            values.extend(unit(&middle.iter().map(|x| x + 0.5 * uniform()).collect::<Vec<f64>>()));
        }
        values
    }

    /// The direction of a vector.
    pub(crate) fn unit(vector: &[f64]) -> Vec<f32> {
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
        let narrow = |x: &f64| (x / length) as f32;
        vector.iter().map(narrow).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::by_hand::{clustered, unit};
    use super::*;

    #[test]
    fn what_is_no_unit_vector_is_named() {
        let check = |values: &[f32], count| UnitVectors::new(values, count).map(|rows| rows.len());
        assert_eq!(check(&[0.6, 0.8, 1.0, 0.0], 2), Ok(2));
        assert_eq!(check(&[], 0), Ok(0));
        assert_eq!(
            check(&[0.6, 0.8, 0.0, 0.0], 2),
            Err(Undefined::NotUnit { row: 1, length: 0.0 })
        );
        assert_eq!(check(&[3.0, 4.0], 1), Err(Undefined::NotUnit { row: 0, length: 5.0 }));
        let infinite = Err(Undefined::NotUnit { row: 0, length: f64::INFINITY });
        assert_eq!(check(&[f32::NAN, 1.0], 1), infinite);
        assert_eq!(check(&[f32::INFINITY, 1.0], 1), infinite);
        assert_eq!(check(&[], 3), Err(Undefined::NotUnit { row: 0, length: 0.0 }));
    }

    #[test]
    fn sets_of_two_encoders_are_not_joined() {
        let flat = UnitVectors::new(&[0.6, 0.8], 1).unwrap();
        let deep = UnitVectors::new(&[0.0, 0.6, 0.8], 1).unwrap();
        assert_eq!(
            UnitVectors::joined(&[flat, flat, deep]),
            Err(Undefined::Dimensions { one: 2, other: 3 })
        );
        assert_eq!(UnitVectors::joined(&[flat, flat]).unwrap(), [0.6, 0.8, 0.6, 0.8]);
    }

    fn plain(rows: UnitVectors, k: usize) -> Vec<Vec<Near>> {
        let of = |query: usize| {
            let mut all: Vec<Near> = (0..rows.len())
                .filter(|&place| place != query)
                .map(|place| Near { place, cosine: cosine(rows.row(query), rows.row(place)) })
                .collect();
            all.sort_by(nearer);
            all.truncate(k);
            all
        };
        (0..rows.len()).map(of).collect()
    }

    fn check(values: &[f32], count: usize, k: usize) {
        let rows = UnitVectors::new(values, count).unwrap();
        assert_eq!(neighbours(rows, k), plain(rows, k), "{count} rows, k = {k}");
    }

    #[test]
    fn neighbours_are_those_of_a_plain_loop() {
        let values = clustered(1, 1500, 16, 30);
        for k in [0, 1, 5, 90, 1499, 3000] {
            check(&values, 1500, k);
        }
        check(&clustered(2, 300, 384, 4), 300, 10);
        check(&[], 0, 5);
        check(&[1.0], 1, 5);
    }

    #[test]
    fn ties_go_to_the_first() {
        check(&[0.6, 0.8].repeat(700), 700, 5);
    }

    #[test]
    fn distances_of_known_angles() {
        let values = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0];
        let found = nearest_distances(UnitVectors::new(&values, 5).unwrap()).unwrap();
        for (found, expected) in found.iter().zip([0.2, 0.2, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn one_row_has_no_neighbour() {
        let check = |values: &[f32], n| {
            let found = nearest_distances(UnitVectors::new(values, n).unwrap());
            assert_eq!(found, Err(Undefined::TooFew { n, needed: 2 }));
        };
        check(&[0.6, 0.8], 1);
        check(&[], 0);
    }

    proptest! {
        #[test]
        fn ties_and_near_ties_are_those_of_a_plain_loop(
            angles in prop::collection::vec((0_u32..8, 0_u32..3), 0..200),
            k in 0_usize..12,
        ) {
            let at = |(coarse, fine): &(u32, u32)| {
                let angle = f64::from(*coarse) * 0.7 + f64::from(*fine) * 1e-7;
                unit(&[angle.cos(), angle.sin()])
            };
            let values: Vec<f32> = angles.iter().flat_map(at).collect();
            check(&values, angles.len(), k);
        }
    }
}
