//! First positions: the two principal components, tiny.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use gra_synth::stream::Stream;

use crate::diversity::spectrum::{eigen, matrix, second_moment};
use crate::diversity::unit_vectors::{Undefined, UnitVectors};

/// Standard deviation of the first component.
const SPREAD: f64 = 1e-4;

/// The largest offset, as a share of [`SPREAD`].
const OFFSET: f64 = 0.01;

/// Below this, differences between rows are roundings.
const ROUNDING: f64 = 1e-6;

/// Two coordinates per row. Equal rows start a little apart: forces between points at one place are
/// 0, and they could never part.
pub(super) fn positions(rows: UnitVectors, run_seed: u64) -> Result<Vec<[f64; 2]>, Undefined> {
    let projected = project(rows);
    let n = rows.len() as f64;
    let variance = projected.iter().map(|[first, _]| first * first).sum::<f64>() / n;
    // Both components are scaled by the first: the shape of the cloud stays.
    let deviation = variance.sqrt();
    if deviation < ROUNDING {
        return Err(Undefined::Identical);
    }
    let mut draw = Stream::named(run_seed, &["map", "start"]);
    let mut offset = || {
        let share = draw.below(1 << 24) as f64 / f64::from(1 << 23) - 1.0;
        OFFSET * SPREAD * share
    };
    let mut scaled = |x: f64| x / deviation * SPREAD + offset();
    Ok(projected.into_iter().map(|point| point.map(&mut scaled)).collect())
}

/// Centred rows on the two directions of largest variance.
fn project(rows: UnitVectors) -> Vec<[f64; 2]> {
    let (n, dim) = (rows.len(), rows.dim());
    let all = matrix(rows, 0..n);
    let mean: Vec<f64> = (0..dim).map(|at| all.col(at).iter().sum::<f64>() / n as f64).collect();
    let mut covariance = second_moment(rows);
    // Covariance is the second moment less the outer product of the mean.
    for one in 0..dim {
        for other in 0..dim {
            covariance[(one, other)] -= mean[one] * mean[other];
        }
    }
    let mut axes = Mat::zeros(dim, 2);
    if let Some((_, vectors)) = eigen(&covariance) {
        for (to, from) in (0..dim).rev().take(2).enumerate() {
            let sign = sign(vectors.col(from).iter().copied());
            for at in 0..dim {
                axes[(at, to)] = sign * vectors[(at, from)];
            }
        }
    }
    let mut projected = Mat::zeros(n, 2);
    matmul(&mut projected, Accum::Replace, &all, &axes, 1.0, Par::Seq);
    let centre: [f64; 2] =
        [0, 1].map(|to| mean.iter().zip(axes.col(to).iter()).map(|(m, a)| m * a).sum());
    (0..n).map(|row| [0, 1].map(|to| projected[(row, to)] - centre[to])).collect()
}

/// An eigenvector and its opposite are equally good: the one whose largest coordinate is positive
/// is taken.
fn sign(vector: impl Iterator<Item = f64>) -> f64 {
    let larger = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
    if vector.fold(0.0, larger) < 0.0 { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diversity::unit_vectors::by_hand::{clustered, unit};

    #[test]
    fn the_first_component_is_scaled_and_the_second_smaller() {
        let values = clustered(12, 500, 16, 3);
        let rows = UnitVectors::new(&values, 500).unwrap();
        let positions = positions(rows, 42).unwrap();
        let deviation = |axis: usize| {
            (positions.iter().map(|point| point[axis].powi(2)).sum::<f64>() / 500.0).sqrt()
        };
        assert!((deviation(0) - SPREAD).abs() < 0.01 * SPREAD, "{}", deviation(0));
        assert!(deviation(1) < deviation(0));
    }

    #[test]
    fn projections_keep_the_axes() {
        // Spread along x and y around the direction (0, 0, 1), twice as far along x.
        let rows: Vec<f32> = [(0.2, 0.0), (-0.2, 0.0), (0.0, 0.1), (0.0, -0.1)]
            .iter()
            .flat_map(|(x, y)| unit(&[*x, *y, 1.0]))
            .collect();
        let found = project(UnitVectors::new(&rows, 4).unwrap());
        for (row, [x, y]) in found.iter().enumerate() {
            assert!((x - f64::from(rows[3 * row])).abs() < 1e-6, "{found:?}");
            assert!((y - f64::from(rows[3 * row + 1])).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn equal_rows_have_no_positions() {
        let values = [0.6, 0.8].repeat(9);
        let rows = UnitVectors::new(&values, 9).unwrap();
        assert_eq!(positions(rows, 42), Err(Undefined::Identical));
    }
}
