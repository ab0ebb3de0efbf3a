//! Exact k nearest neighbours within one set, by cosine.
//!
//! Products in `f32` propose, cosines in `f64` decide, so neighbours and their order are those of a
//! plain loop (`gra_synth::similarity`). Takes memory for `k` neighbours per row.

use std::cmp::Ordering;

use gra_synth::similarity::{Near, Slab, cosine, floor_below, sweep};

use crate::diversity::unit_vectors::{Undefined, UnitVectors};

/// The `k` rows nearest to each row, itself left out: by falling cosine, then rising place. All
/// others where there are fewer than `k`.
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
            let scores: Vec<(Near, f32)> = self
                .open
                .iter()
                .map(|&(score, place)| (Near { place, cosine: exact(place) }, score))
                .collect();
            let mut order = scores;
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::{clustered, unit};

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
