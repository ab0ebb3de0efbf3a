//! How far the plane's neighbourhoods are from those of the data.

use rayon::prelude::*;

use super::affinity::Affinities;

/// KL(P || Q) in nats, with Q from a Student t kernel over all pairs of positions. Exact, in time
/// quadratic in the number of points.
pub(super) fn of(affinities: &Affinities, positions: &[[f64; 2]]) -> f64 {
    let kernel = |a: &[f64; 2], b: &[f64; 2]| {
        let (x, y) = (a[0] - b[0], a[1] - b[1]);
        1.0 / (1.0 + x * x + y * y)
    };
    let with_later = |at: usize| -> f64 {
        positions[at + 1..].iter().map(|other| kernel(&positions[at], other)).sum()
    };
    let rows: Vec<f64> = (0..positions.len()).into_par_iter().map(with_later).collect();
    let all_pairs = 2.0 * rows.iter().sum::<f64>();
    let mut divergence = 0.0;
    for (at, row) in affinities.rows.iter().enumerate() {
        for &(other, p) in row.iter().filter(|(_, p)| *p > 0.0) {
            let q = kernel(&positions[at], &positions[other]) / all_pairs;
            divergence += p * (p / q).ln();
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_sum_by_hand() {
        let near = |a, b| vec![(a, 1.0 / 6.0), (b, 1.0 / 6.0)];
        let affinities = Affinities { rows: vec![near(1, 2), near(0, 2), near(0, 1)] };
        // At 0, 1 and 3: the pairs lie 1, 2 and 3 apart, with kernels 1/2, 1/5 and 1/10.
        let found = of(&affinities, &[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]);
        let all: f64 = 2.0 * (0.5 + 0.2 + 0.1);
        let expected: f64 =
            [0.5, 0.2, 0.1].iter().map(|kernel| 2.0 / 6.0 * (all / 6.0 / kernel).ln()).sum();
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}
