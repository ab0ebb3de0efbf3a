//! How varied a data set is (paper, section 5.3; Figs. 5 and 6, which show a map and give no
//! number).
//!
//! Everything is computed in the encoder's own dimensions or on the text itself, never on a map.
//! Most of these numbers move with the size of a set, so compare sets of equal size: [`subsample`]
//! draws one.
//!
//! # Layout
//!
//! - [`vendi()`]: the effective number of distinct texts
//! - [`manifold`]: precision, recall, density and coverage against a reference set
//! - [`clusters`]: how evenly a set lies over clusters that all sets share
//! - [`unit_vectors`]: embeddings of a data set, and exact nearest neighbours among them
//! - [`tsne`]: several sets in one plane
//! - [`lexical`]: distinct n-grams; how well the other texts predict one
//!
//! The Vendi score is here, with what it and the map's first positions are made of: second moments of unit vectors and
//! their eigenvalues in `f64`.

pub mod clusters;
pub mod lexical;
pub mod manifold;
pub mod tsne;
pub mod unit_vectors;

use std::ops::Range;

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Scale, Spec};
use gra_synth::similarity::cosine;
use gra_synth::stream::Stream;
use rayon::prelude::*;

use unit_vectors::UnitVectors;

/// Why a number does not exist.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undefined {
    /// Too little data.
    #[error("it takes {needed} or more, and there are {n}")]
    TooFew {
        /// How many there are.
        n: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Nothing distinguishes the data.
    #[error("all of them are the same")]
    Identical,
    /// A row is zero, not finite, or was not normalised.
    #[error("embedding {row} has length {length}; it should be 1")]
    NotUnit {
        /// Which, from 0.
        row: usize,
        /// Its Euclidean length; infinite when a value is not finite.
        length: f64,
    },
    /// Two sets do not live in the same space.
    #[error("embeddings of {one} and of {other} dimensions cannot be compared")]
    Dimensions {
        /// Of one set.
        one: usize,
        /// Of another.
        other: usize,
    },
}

/// `size` of `n` places without repeats, rising, from the stream of this name; all of them when
/// there are no more.
#[must_use]
pub fn subsample(n: usize, size: usize, run_seed: u64, name: &[&str]) -> Vec<usize> {
    if size >= n {
        return (0..n).collect();
    }
    let mut places = Stream::named(run_seed, &[&["subsample"][..], name].concat()).choose(n, size);
    places.sort_unstable();
    places
}

/// The Vendi score: the effective number of distinct items (Friedman and Dieng, "The Vendi Score: A Diversity Evaluation
/// Metric for Machine Learning", TMLR 2023), between 1 (all the same) and the smaller of n and the dimension (all orthogonal).
///
/// It is the exponential of the Shannon entropy (q = 1) of the eigenvalues of K / n, where K holds the cosines of all
/// pairs. The second-moment matrix of the vectors has the same non-zero eigenvalues and only dim x dim entries, so 50,000
/// texts take no 50,000 x 50,000 matrix.
///
/// Sums are taken in blocks, in order, and the decomposition runs on one thread: the result does not depend on the number
/// of threads. Its last bits depend on the processor's vector instructions.
///
/// # Errors
/// Without rows.
pub fn vendi(rows: UnitVectors) -> Result<f64, Undefined> {
    let rows = rows.at_least(1)?;
    let Some((eigenvalues, _)) = eigen(&second_moment(rows)) else {
        unreachable!("unit vectors have finite moments, whose decomposition ends");
    };
    // The spectrum sums to 1: its entropy is that of the shares of as many distinct items. Rounding leaves tiny values
    // of either sign where the true one is 0.
    let entropy: f64 =
        eigenvalues.iter().filter(|value| **value > 0.0).map(|value| -value * value.ln()).sum();
    Ok(entropy.exp())
}

/// Rows per partial sum.
const BLOCK: usize = 1024;

/// Mean of the outer products of the rows, each brought to unit length in `f64`; dim x dim.
fn second_moment(rows: UnitVectors) -> Mat<f64> {
    let blocks: Vec<usize> = (0..rows.len()).step_by(BLOCK).collect();
    let partial = |first: usize| {
        let block = matrix(rows, first..rows.len().min(first + BLOCK));
        let mut sum = Mat::zeros(rows.dim(), rows.dim());
        matmul(&mut sum, Accum::Replace, block.transpose(), &block, 1.0, Par::Seq);
        sum
    };
    let partials: Vec<Mat<f64>> = blocks.into_par_iter().map(partial).collect();
    let mut sum = Mat::zeros(rows.dim(), rows.dim());
    // Summed in the order of the blocks, whichever thread finished first.
    for partial in &partials {
        sum += partial;
    }
    let n = rows.len() as f64;
    sum * Scale(1.0 / n)
}

/// Some rows, each brought to unit length.
fn matrix(rows: UnitVectors, which: Range<usize>) -> Mat<f64> {
    let mut matrix = Mat::zeros(which.len(), rows.dim());
    for (to, from) in which.enumerate() {
        let row = rows.row(from);
        // Encoders normalise in `f32`: their error would grow into the smallest eigenvalues.
        let length = cosine(row, row).sqrt();
        for (at, value) in row.iter().enumerate() {
            matrix[(to, at)] = f64::from(*value) / length;
        }
    }
    matrix
}

/// Eigenvalues of a symmetric matrix, rising, and the eigenvectors as columns in the same order.
/// `None` where the iteration does not end, which takes values that are not finite.
fn eigen(matrix: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let n = matrix.nrows();
    let mut values = Diag::zeros(n);
    let mut vectors = Mat::zeros(n, n);
    let (with, par) = (ComputeEigenvectors::Yes, Par::Seq);
    let scratch = self_adjoint_evd_scratch::<f64>(n, with, par, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    let (to_values, to_vectors) = (values.as_mut(), Some(vectors.as_mut()));
    self_adjoint_evd(matrix.as_ref(), to_values, to_vectors, par, stack, Spec::default()).ok()?;
    Some((values.column_vector().iter().copied().collect(), vectors))
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::clustered;

    #[test]
    fn a_subsample_is_fixed_by_its_name() {
        insta::assert_compact_debug_snapshot!(subsample(100, 6, 42, &["a"]), @"[7, 9, 15, 55, 80, 99]");
        assert_ne!(subsample(100, 6, 42, &["a"]), subsample(100, 6, 42, &["b"]));
        assert_ne!(subsample(100, 6, 42, &["a"]), subsample(100, 6, 43, &["a"]));
        assert_eq!(subsample(3, 5, 42, &[]), [0, 1, 2]);
        assert_eq!(subsample(0, 5, 42, &[]), [0; 0]);
    }

    fn check_vendi(values: &[f32], count: usize, expected: f64) {
        let score = vendi(UnitVectors::new(values, count).unwrap()).unwrap();
        assert!((score - expected).abs() < 1e-6, "{score}, not {expected}");
    }

    #[test]
    fn the_number_of_distinct_items() {
        check_vendi(&[0.6, 0.8], 1, 1.0);
        check_vendi(&[0.6, 0.8].repeat(9), 9, 1.0);
        check_vendi(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 3.0);
        // Two directions with shares 3/4 and 1/4.
        let entropy: f64 = -(0.75_f64 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        check_vendi(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 4, entropy.exp());
    }

    #[test]
    fn agrees_with_the_reference() {
        // Python's vendi-score 0.0.3 (score_dual on the same values in float64); see
        // scripts/diversity-reference.py.
        check_vendi(&clustered(9, 200, 24, 9), 200, 11.966_790_599_313_027);
        check_vendi(&clustered(10, 10, 24, 9), 10, 7.790_890_728_012_821);
    }

    #[test]
    fn threads_do_not_change_it() {
        let values = clustered(9, 3000, 24, 9);
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| vendi(UnitVectors::new(&values, 3000).unwrap()).unwrap())
        };
        assert_eq!(on(1).to_bits(), on(3).to_bits());
    }

    #[test]
    fn nothing_has_no_score() {
        let nothing = UnitVectors::new(&[], 0).unwrap();
        assert_eq!(vendi(nothing), Err(Undefined::TooFew { n: 0, needed: 1 }));
    }
}
