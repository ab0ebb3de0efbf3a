//! Cosines between many vectors: a blocked matrix product in `f32`, fast but rounded, and the exact
//! cosine wherever rounding could matter.
//!
//! A product in `f32` errs by no more than a known amount, in whatever order a machine adds
//! ([`Vectors::error_against`]; Higham 2002, section 3.1). A comparison of products therefore
//! knows which comparisons are certain, and settles the few others with [`cosine`], which rounds
//! alike on every machine. That makes decisions as exact as those of a plain loop over [`cosine`],
//! at the speed of a matrix product. [`nearest`] does so for the nearest row: which one it is, and its
//! cosine, as a plain loop would find them.
//!
//! This is the one place of the crate that starts threads. No result depends on how many there are:
//! every query is worked on by one thread, and every decision is exact (decision 10).

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::embedding::Embedding;

pub use crate::embedding::cosine;

/// Queries that one thread works on at a time.
const QUERIES: usize = 256;

/// Rows of the base per product: a tile of products stays in a core's own cache until it is read.
const ROWS: usize = 512;

/// Scores that are looked through at a time.
const LANES: usize = 16;

/// Open rows on a shortlist before they are settled. Only near-ties make so many.
const FULL: usize = 64;

/// Rows of one length, side by side in memory.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    values: &'a [f32],
    dim: usize,
    count: usize,
}

impl<'a> Vectors<'a> {
    /// `count` rows that share the values evenly.
    ///
    /// # Panics
    /// When they cannot.
    #[must_use]
    pub fn new(values: &'a [f32], count: usize) -> Self {
        let dim = values.len().checked_div(count).unwrap_or_default();
        assert_eq!(count * dim, values.len(), "{count} rows of one length");
        Self { values, dim, count }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Values per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// One row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// How far a score of [`sweep`] can lie from the [`cosine`] of the same rows. Infinite where
    /// `f32` might overflow: nothing is certain then.
    #[must_use]
    pub fn error_against(&self, base: &Self) -> f64 {
        let lengths = self.longest() * base.longest();
        // Written so that NaN takes this way too: 0 times infinity.
        if lengths.is_nan() || lengths > 1e37 {
            return f64::INFINITY;
        }
        // Higham's gamma_n |a|.|b|, with |a|.|b| at most the product of the lengths. Two more terms
        // than there are pay for the rounding of the reference; the constant, for underflow.
        #[expect(clippy::cast_precision_loss, reason = "a dimension is far below 2^53")]
        let roundings = (self.dim + 2) as f64 * f64::from(f32::EPSILON) / 2.0;
        roundings / (1.0 - roundings) * lengths + 1e-38
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        let values = &self.values[rows.start * self.dim..rows.end * self.dim];
        Self { values, dim: self.dim, count: rows.len() }
    }

    /// Length of the longest row; infinite when a value is not finite.
    fn longest(&self) -> f64 {
        let length = |row: &[f32]| {
            let length = cosine(row, row).sqrt();
            if length.is_finite() { length } else { f64::INFINITY }
        };
        self.values.chunks_exact(self.dim.max(1)).map(length).fold(0.0, f64::max)
    }

    fn matrix(&self) -> MatRef<'a, f32> {
        MatRef::from_row_major_slice(self.values, self.count, self.dim)
    }
}

/// Scores of one query with consecutive rows of the base.
#[derive(Clone, Copy, Debug)]
pub struct Slab<'a> {
    /// Place of the first of those rows.
    pub first: usize,
    /// Products in `f32`: the cosine, give or take [`Vectors::error_against`].
    pub scores: &'a [f32],
}

impl Slab<'_> {
    /// The largest number among the scores; the least of all without a number. In lanes, which the
    /// compiler turns into vector instructions.
    #[must_use]
    pub fn largest(&self) -> f32 {
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = self.scores.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, score) in lanes.iter_mut().zip(chunk) {
                *lane = larger(*lane, *score);
            }
        }
        rest.iter().chain(&lanes).copied().fold(f32::NEG_INFINITY, larger)
    }
}

/// The least score that may belong to a cosine as large as that of a row with score `best`, when
/// either score is off by at most `error`.
#[must_use]
pub fn floor_below(best: f32, error: f64) -> f32 {
    if error.is_infinite() {
        return f32::NEG_INFINITY;
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded down on the next line")]
    // Twice: the best score may be too high by the error, and the other one too low.
    let floor = (f64::from(best) - 2.0 * error) as f32;
    floor.next_down()
}

/// Scores every query with every row of the base. A query's state is made by `start`, sees the base
/// slab by slab in rising order, and becomes its result by `finish`; results come in the order of
/// the queries. Takes memory for the results and, per thread, for the states of a block of queries.
///
/// # Panics
/// When the dimensions differ: vectors of two encoders were mixed.
pub fn sweep<S, R: Send>(
    queries: Vectors,
    base: Vectors,
    start: impl Fn(usize) -> S + Sync,
    visit: impl Fn(usize, &mut S, Slab) + Sync,
    finish: impl Fn(usize, S) -> R + Sync,
) -> Vec<R> {
    let same = queries.dim == base.dim || queries.is_empty() || base.is_empty();
    assert!(same, "embeddings of two encoders were mixed");
    // A thread takes a block of queries through the whole base; the tile of products stays in its cache.
    let block = |tile: &mut Vec<f32>, from: usize| {
        let mine = from..queries.count.min(from + QUERIES);
        let mut states: Vec<S> = mine.clone().map(&start).collect();
        for first in (0..base.count).step_by(ROWS) {
            let rows = base.part(first..base.count.min(first + ROWS));
            tile.resize(rows.count * mine.len(), 0.0);
            multiply(rows, queries.part(mine.clone()), tile);
            for ((state, scores), query) in
                states.iter_mut().zip(tile.chunks(rows.count)).zip(from..)
            {
                visit(query, state, Slab { first, scores });
            }
        }
        states.into_iter().zip(from..).map(|(state, query)| finish(query, state)).collect()
    };
    let starts: Vec<usize> = (0..queries.count).step_by(QUERIES).collect();
    let blocks: Vec<Vec<R>> = starts.into_par_iter().map_init(Vec::new, block).collect();
    blocks.into_iter().flatten().collect()
}

/// Products of every row with every query, query by query.
fn multiply(rows: Vectors, queries: Vectors, products: &mut [f32]) {
    if rows.dim == 0 {
        return products.fill(0.0);
    }
    let products = MatMut::from_column_major_slice_mut(products, rows.count, queries.count);
    let queries = queries.matrix().transpose();
    matmul(products, Accum::Replace, rows.matrix(), queries, 1.0, Par::Seq);
}

/// The vectors of embeddings as the values of [`Vectors`]; one vector for a text, however long.
///
/// # Panics
/// When their dimensions differ: vectors of two encoders were mixed.
#[must_use]
pub fn pack<'a>(embeddings: impl IntoIterator<Item = &'a Embedding>) -> Vec<f32> {
    let mut values = Vec::new();
    let mut dim = None;
    for vector in embeddings.into_iter().map(Embedding::vector) {
        let expected = *dim.get_or_insert(vector.len());
        assert_eq!(vector.len(), expected, "embeddings of two encoders were mixed");
        values.extend_from_slice(vector);
    }
    values
}

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
