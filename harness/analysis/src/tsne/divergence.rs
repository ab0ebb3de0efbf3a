//! How far the plane's neighbourhoods are from those of the data.

use bhtsne::SparseAffinities;
use rayon::prelude::*;

/// KL(P || Q) in nats: P from the affinities, Q from a Student t kernel over all pairs of positions
/// (van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008). Takes time quadratic in the number of points.
pub(super) fn of(affinities: &SparseAffinities<f32>, positions: &[[f32; 2]]) -> f64 {
    let kernel = |a: &[f32; 2], b: &[f32; 2]| {
        let (x, y) = (f64::from(a[0]) - f64::from(b[0]), f64::from(a[1]) - f64::from(b[1]));
        1.0 / (1.0 + x * x + y * y)
    };
    let of_row = |at: usize| -> f64 {
        positions[at + 1..].iter().map(|other| kernel(&positions[at], other)).sum()
    };
    let rows: Vec<f64> = (0..positions.len()).into_par_iter().map(of_row).collect();
    let all_pairs = 2.0 * rows.iter().sum::<f64>();
    let total: f64 = affinities.values().iter().map(|p| f64::from(*p)).sum();
    let mut divergence = 0.0;
    for (at, bounds) in affinities.rows().windows(2).enumerate() {
        for entry in bounds[0]..bounds[1] {
            let p = f64::from(affinities.values()[entry]) / total;
            let other = affinities.columns()[entry] as usize;
            let q = kernel(&positions[at], &positions[other]) / all_pairs;
            if p > 0.0 {
                divergence += p * (p / q).ln();
            }
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use bhtsne::{Neighbor, tSNE};

    use super::*;

    #[test]
    fn agrees_with_a_sum_by_hand() {
        // Every point has the other two as neighbours, all equally far: p = 1/6 for each of the six pairs.
        let near = |a, b| vec![Neighbor { index: a, distance: 1.0 }, Neighbor { index: b, distance: 1.0 }];
        let mut tsne: tSNE<f32, ()> = tSNE::new(&[(), (), ()]);
        tsne.perplexity(0.6).epochs(0).initial_embedding(vec![0.0; 6]);
        tsne.fit_sne_with_neighbors(&[near(1, 2), near(0, 2), near(0, 1)]);
        let affinities = tsne.affinities().unwrap();
        assert!(affinities.values().iter().all(|p| (p - 1.0 / 6.0).abs() < 1e-6));
        // Positions 1 and 2 apart: kernels 1/2, 1/5 and, for 3 apart, 1/10.
        let found = of(&affinities, &[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]);
        let all: f64 = 2.0 * (0.5 + 0.2 + 0.1);
        let expected: f64 =
            [0.5, 0.2, 0.1].iter().map(|kernel| 2.0 / 6.0 * (all / 6.0 / kernel).ln()).sum();
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}
