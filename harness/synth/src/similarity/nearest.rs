//! The nearest row: which one it is, and its cosine, as a plain loop would find them.

use super::{Slab, Vectors, cosine, floor_below, sweep};

/// Open rows on a shortlist before they are settled. Only near-ties make so many.
const FULL: usize = 64;

/// A row and its cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its place among the base.
    pub place: usize,
    /// Exact: what [`cosine`] says.
    pub cosine: f64,
}

impl Near {
    /// The one with the larger cosine; of equal ones, that with the smaller key.
    pub(crate) fn closer<K: Ord>(self, next: Self, key: impl Fn(usize) -> K) -> Self {
        let tie = next.cosine.total_cmp(&self.cosine).is_eq();
        let closer = next.cosine > self.cosine || (tie && key(next.place) < key(self.place));
        if closer { next } else { self }
    }
}

/// The base's nearest row to every query, the first one on ties; `None` without a base.
///
/// # Panics
/// When the dimensions differ: vectors of two encoders were mixed.
#[must_use]
pub fn nearest(queries: Vectors, base: Vectors) -> Vec<Option<Near>> {
    let error = queries.error_against(&base);
    let exact = |query, place| cosine(queries.row(query), base.row(place));
    sweep(
        queries,
        base,
        |_| Shortlist::new(error),
        |query, list: &mut Shortlist, slab| {
            list.offer(slab);
            list.shorten(|place| exact(query, place), |place| place);
        },
        |query, list| list.settle(|place| exact(query, place), |place| place),
    )
}

/// The rows seen so far that may be a query's nearest.
#[derive(Clone, Debug)]
pub(crate) struct Shortlist {
    /// How far a score can lie from its cosine.
    error: f64,
    /// The largest score so far.
    best: f32,
    /// The nearest of the rows that were settled.
    settled: Option<Near>,
    /// Rows that are not, in the order in which they were seen.
    open: Vec<usize>,
}

impl Shortlist {
    /// An empty list for scores that are off by at most `error`.
    pub(crate) fn new(error: f64) -> Self {
        Self { error, best: f32::NEG_INFINITY, settled: None, open: Vec::new() }
    }

    /// Takes in what may be the nearest. Rows must be offered in the order in which a plain loop
    /// would meet them.
    pub(crate) fn offer(&mut self, slab: Slab) {
        let top = slab.largest();
        if top < floor_below(self.best, self.error) {
            return;
        }
        self.best = self.best.max(top);
        let floor = floor_below(self.best, self.error);
        for (place, score) in (slab.first..).zip(slab.scores) {
            // A product that is no number decides nothing; the exact cosine will.
            if *score >= floor || score.is_nan() {
                self.open.push(place);
            }
        }
    }

    /// The least score that may still belong to the nearest.
    pub(crate) fn floor(&self) -> f32 {
        floor_below(self.best, self.error)
    }

    /// Settles what is open when that is much.
    pub(crate) fn shorten<K: Ord>(
        &mut self,
        exact: impl Fn(usize) -> f64,
        key: impl Fn(usize) -> K,
    ) {
        if self.open.len() >= FULL {
            self.close(exact, key);
        }
    }

    /// The nearest of all rows that were offered.
    pub(crate) fn settle<K: Ord>(
        mut self,
        exact: impl Fn(usize) -> f64,
        key: impl Fn(usize) -> K,
    ) -> Option<Near> {
        self.close(exact, key);
        self.settled
    }

    fn close<K: Ord>(&mut self, exact: impl Fn(usize) -> f64, key: impl Fn(usize) -> K) {
        let open = self.open.drain(..).map(|place| Near { place, cosine: exact(place) });
        self.settled =
            self.settled.into_iter().chain(open).reduce(|best, next| best.closer(next, &key));
    }
}
