//! Second moments of unit vectors and their eigenvalues, in `f64`: what the Vendi score and the
//! map's first positions are made of.
//!
//! Sums are taken in blocks, in order, and the decomposition runs on one thread: the result does
//! not depend on the number of threads. Its last bits depend on the processor's vector
//! instructions.

use std::ops::Range;

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Scale, Spec};
use gra_synth::similarity::cosine;
use rayon::prelude::*;

use crate::diversity::unit_vectors::UnitVectors;

/// Rows per partial sum.
const BLOCK: usize = 1024;

/// Mean of the outer products of the rows, each brought to unit length in `f64`; dim x dim.
pub(crate) fn second_moment(rows: UnitVectors) -> Mat<f64> {
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
pub(crate) fn matrix(rows: UnitVectors, which: Range<usize>) -> Mat<f64> {
    let mut matrix = Mat::zeros(which.len(), rows.dim());
    for (to, from) in which.enumerate() {
        let row = rows.row(from);
        let length = cosine(row, row).sqrt();
        for (at, value) in row.iter().enumerate() {
            matrix[(to, at)] = f64::from(*value) / length;
        }
    }
    matrix
}

/// Eigenvalues of a symmetric matrix, rising, and the eigenvectors as columns in the same order.
/// `None` where the iteration does not end, which takes values that are not finite.
pub(crate) fn eigen(matrix: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
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
