//! How alike texts are: what an encoder makes of a text ([`Embedding`]: a unit vector and, for a text that it cannot
//! read at once, one more of every window that it reads instead; METHOD.md, D1), and cosines between many vectors: a
//! blocked matrix product in `f32`, fast but rounded, and the exact cosine wherever rounding could matter.
//!
//! A product in `f32` errs by no more than a known amount, in whatever order a machine adds
//! ([`Vectors::error_against`]; Higham 2002, section 3.1). A product therefore bounds a cosine, and what
//! a bound leaves open is settled with [`cosine`], which rounds alike on every machine. That makes
//! decisions as exact as those of a plain loop over [`cosine`], at the speed of a matrix product.
//! [`nearest`] does so for the nearest row: which one it is, and its cosine, as a plain loop would find them.
//!
//! This is the one place of the crate that starts threads. No result depends on how many there are:
//! every query is worked on by one thread, and every decision is exact (decision 10).

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Queries that one thread works on at a time.
const QUERIES: usize = 256;

/// Rows of the base per product: a tile of products stays in a core's own cache until it is read.
const ROWS: usize = 512;

/// Scores that are looked through at a time.
const LANES: usize = 16;

/// Cosine of two unit vectors: their dot product, summed in `f64`, in order, so that every machine rounds alike.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The embedding of a text (384 dimensions for all-MiniLM-L6-v2).
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    vector: Arc<[f32]>,
    /// The windows' unit vectors, one behind another; empty for a text that is read at once.
    windows: Arc<[f32]>,
}

impl Embedding {
    /// Of a text that the encoder reads at once: its unit vector.
    #[must_use]
    pub fn new(vector: Arc<[f32]>) -> Self {
        Self { vector, windows: Arc::from([]) }
    }

    /// Of a longer text: a unit vector for all of it, and those of its windows, one behind another.
    ///
    /// # Panics
    /// When there is no window, or they are not of the vector's dimension.
    #[must_use]
    pub fn in_windows(vector: Arc<[f32]>, windows: Arc<[f32]>) -> Self {
        let fit = !windows.is_empty() && windows.len().is_multiple_of(vector.len());
        assert!(fit, "windows of another dimension than the text's vector");
        Self { vector, windows }
    }

    /// The unit vector that stands for the text.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The windows' unit vectors, one behind another; empty for a text that is read at once.
    #[must_use]
    pub fn windows(&self) -> &[f32] {
        &self.windows
    }

    /// Whether the text is longer than the encoder reads at once.
    #[must_use]
    pub fn is_long(&self) -> bool {
        !self.windows.is_empty()
    }

    /// How alike two texts are, in [-1, 1]. Of two texts that the encoder reads at once it is the cosine of
    /// their vectors: a dot product summed in `f64`, in order, so that every machine rounds alike. Where one
    /// is longer it is the least of that cosine and of each window's largest cosine to a window of the other
    /// text: whatever only one of the texts says counts against them, wherever it stands.
    ///
    /// # Panics
    /// When the dimensions differ: vectors of two encoders were mixed.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f64 {
        let dim = self.vector.len();
        assert_eq!(dim, other.vector.len(), "embeddings of two encoders were mixed");
        let whole = cosine(&self.vector, &other.vector);
        if !self.is_long() && !other.is_long() {
            return whole;
        }
        // [D1] Both ways: every window of either text must be found in the other, so a shared beginning is not enough.
        let (own, others) = (self.parts(), other.parts());
        whole.min(least_covered(own, others, dim)).min(least_covered(others, own, dim))
    }

    /// The windows; of a text that is read at once, its vector.
    fn parts(&self) -> &[f32] {
        if self.is_long() { &self.windows } else { &self.vector }
    }
}

/// The least, over the rows of one text, of the largest cosine to a row of the other.
fn least_covered(rows: &[f32], others: &[f32], dim: usize) -> f64 {
    let best = |row: &[f32]| {
        let cosines = others.chunks_exact(dim).map(|other| cosine(row, other));
        cosines.fold(f64::NEG_INFINITY, f64::max)
    };
    rows.chunks_exact(dim).map(best).fold(f64::INFINITY, f64::min)
}

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
    sweep(
        queries,
        base,
        |_| Nearest::new(error),
        |query, nearest: &mut Nearest, slab| {
            let exact = |place| cosine(queries.row(query), base.row(place));
            nearest.offer(slab, exact, |place| place);
        },
        |_, nearest| nearest.near,
    )
}

/// The nearest row to a query, of those that it was compared with so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearest {
    /// How far a score can lie below the cosine of its row.
    error: f64,
    /// `None` before the first row.
    pub(crate) near: Option<Near>,
}

impl Nearest {
    pub(crate) const fn new(error: f64) -> Self {
        Self { error, near: None }
    }

    /// Compares with rows. Their scores bound their cosines from above, but for the error, so `exact` is asked only for
    /// those that may be nearer than what is known. Of equal cosines the one with the smaller `key` is nearer.
    pub(crate) fn offer<K: Ord>(
        &mut self,
        slab: Slab,
        exact: impl Fn(usize) -> f64,
        key: impl Fn(usize) -> K,
    ) {
        let mut floor = self.floor();
        // Most slabs hold nothing that is near: a look at their largest score tells.
        if slab.largest() < floor {
            return;
        }
        for (place, score) in (slab.first..).zip(slab.scores) {
            // A product that is no number decides nothing; the exact cosine will.
            if *score >= floor || score.is_nan() {
                let next = Near { place, cosine: exact(place) };
                self.near = Some(self.near.map_or(next, |near| near.closer(next, &key)));
                floor = self.floor();
            }
        }
    }

    /// The least score that may still belong to the nearest.
    fn floor(&self) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "the floor lies further below")]
        self.near.map_or(f32::NEG_INFINITY, |near| floor_below(near.cosine as f32, self.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit vector in the plane, at an angle in degrees.
    fn at(degrees: f64) -> [f32; 2] {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
        [cosine as f32, sine as f32]
    }

    /// A long text, by the angles of its vector and of its windows.
    fn long(vector: f64, windows: &[f64]) -> Embedding {
        let windows: Vec<f32> = windows.iter().flat_map(|degrees| at(*degrees)).collect();
        Embedding::in_windows(Arc::from(at(vector)), windows.into())
    }

    #[test]
    fn what_only_one_text_says_counts_wherever_it_stands() {
        let short = |degrees| Embedding::new(Arc::from(at(degrees)));
        for (one, other, angle) in [
            (short(0.0), short(20.0), 20.0),
            // The same beginning, other ends.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[0.0, 70.0]), 60.0),
            // The same windows in another order.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[10.0, 0.0]), 0.0),
            // One says more than the other.
            (long(5.0, &[0.0, 10.0]), long(5.0, &[0.0, 10.0, 50.0]), 40.0),
            (short(0.0), long(2.0, &[0.0, 4.0]), 4.0),
            // All windows are covered, the texts as a whole are not.
            (long(0.0, &[0.0, 30.0]), long(25.0, &[0.0, 30.0]), 25.0),
        ] {
            let cosine = one.cosine(&other);
            assert!((cosine - f64::to_radians(angle).cos()).abs() < 1e-6, "{one:?} {other:?}");
            assert_eq!(cosine.to_bits(), other.cosine(&one).to_bits(), "{one:?} {other:?}");
        }
    }

    #[test]
    #[should_panic(expected = "windows of another dimension")]
    fn windows_have_the_dimension_of_the_vector() {
        let _ = Embedding::in_windows(Arc::from([1.0, 0.0]), Arc::from([1.0, 0.0, 0.0]));
    }
}
