//! A map of several sets in one plane (paper, section 5.3; Figs. 5 and 6): t-SNE of their
//! embeddings (van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008).
//!
//! All sets are fitted together: a map of one set says nothing about another's. A map shows
//! neighbours; its distances, areas and densities mean little, so every number about diversity
//! comes from [`crate::diversity`].
//!
//! The recipe is that of Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics"
//! (Nature Communications 10, 2019) as openTSNE carries it out: exact nearest neighbours, three
//! times the perplexity of them; first positions from the two principal components, scaled to a
//! standard deviation of 1e-4; exaggeration by 12 for 250 iterations; learning rate n / 12, in the
//! convention without the gradient's factor 4 (scikit-learn's gradient has it, and its learning
//! rate is a quarter).
//!
//! Sums are taken in order, in `f64`, so the map does not depend on the number of threads.
//!
//! First positions are here, affinities and gradient descent in `descent`.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use gra_synth::stream::Stream;

use crate::diversity::unit_vectors::{UnitVectors, neighbours};
use crate::diversity::{Undefined, eigen, matrix, second_moment};
use crate::statistics::inference::whole;
use descent::{Affinities, EXAGGERATION, descend, divergence};

mod descent;

/// Fewer points than these have no neighbours to speak of.
const FEWEST: usize = 4;

/// The least perplexity that is fitted with. At 1 a point has a single neighbour, however close the
/// others.
const LEAST_PERPLEXITY: f64 = 1.5;

/// Effective number of neighbours of a point. Lowered to a third of the other points where there are fewer than three
/// times as many.
const PERPLEXITY: f64 = 30.0;

/// Several sets in one plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// For every set, the positions of its rows.
    pub sets: Vec<Vec<[f64; 2]>>,
    /// Kullback-Leibler divergence in nats: how much of the neighbourhoods the plane could not
    /// show.
    pub divergence: f64,
    /// The perplexity that was fitted with.
    pub perplexity: f64,
    /// The learning rate that was fitted with.
    pub learning_rate: f64,
}

/// Fits the sets together. Bring sets of equal size, or the larger ones shape the map. The order of
/// sets and rows is part of the result; the seed is that of the tiny offsets that keep equal points apart at first.
///
/// # Errors
/// With fewer than 4 points, when all points are the same, and when the sets do not live in the
/// same space.
pub fn fit(sets: &[UnitVectors], run_seed: u64) -> Result<Map, Undefined> {
    let values = UnitVectors::joined(sets)?;
    let n: usize = sets.iter().map(|set| set.len()).sum();
    let rows = UnitVectors::new(&values, n)?.at_least(FEWEST)?;
    let start = first_positions(rows, run_seed)?;
    let points = n as f64;
    let perplexity = PERPLEXITY.min((points - 1.0) / 3.0).max(LEAST_PERPLEXITY);
    // Without the gradient's factor 4; smaller sets would hardly move.
    let learning_rate = (points / EXAGGERATION).max(200.0);
    // Beyond three times the perplexity the Gaussian kernel is next to nothing (van der Maaten 2014).
    let near = neighbours(rows, whole(3.0 * perplexity));
    let affinities = Affinities::new(&near, perplexity);
    let positions = descend(&affinities, start, learning_rate);
    let divergence = divergence(&affinities, &positions);
    let mut positions = positions.into_iter();
    let sets = sets.iter().map(|set| positions.by_ref().take(set.len()).collect()).collect();
    Ok(Map { sets, divergence, perplexity, learning_rate })
}

/// Standard deviation of the first component.
const SPREAD: f64 = 1e-4;

/// The largest offset, as a share of [`SPREAD`].
const OFFSET: f64 = 0.01;

/// Below this, differences between rows are roundings.
const ROUNDING: f64 = 1e-6;

/// Two coordinates per row: the two principal components, tiny. Equal rows start a little apart: forces between points at one place are
/// 0, and they could never part.
fn first_positions(rows: UnitVectors, run_seed: u64) -> Result<Vec<[f64; 2]>, Undefined> {
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
            // Eigenvalues rise, so the last two directions have the largest variance.
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
    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::{clustered, unit};

    #[test]
    fn clusters_stay_together_and_the_map_is_reproducible() {
        let values = clustered(3, 300, 24, 3);
        let (first, second) = values.split_at(200 * 24);
        let sets = [UnitVectors::new(first, 200).unwrap(), UnitVectors::new(second, 100).unwrap()];
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&sets, 42).unwrap())
        };
        let map = on(1);
        assert_eq!(map, on(3));
        assert_eq!((map.sets[0].len(), map.sets[1].len()), (200, 100));
        assert_eq!((map.perplexity, map.learning_rate), (30.0, 200.0));
        let all: Vec<[f64; 2]> = map.sets.concat();
        let nearest = |at: usize| {
            let distance =
                |other: &usize| (all[at][0] - all[*other][0]).hypot(all[at][1] - all[*other][1]);
            let others = (0..all.len()).filter(|other| *other != at);
            others.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
        };
        // Rows of one cluster are three apart, over the border of the sets too.
        let astray = (0..all.len()).filter(|&at| nearest(at) % 3 != at % 3).count();
        assert_eq!(astray, 0);
        assert!((0.0..1.5).contains(&map.divergence), "{}", map.divergence);
    }

    #[test]
    fn few_points_lower_the_perplexity() {
        let values = clustered(4, 40, 8, 2);
        for (n, perplexity) in [(4, 1.5), (5, 1.5), (40, 13.0)] {
            let rows = UnitVectors::new(&values[..n * 8], n).unwrap();
            let map = fit(&[rows], 42).unwrap();
            assert!((map.perplexity - perplexity).abs() < 1e-12, "{n}: {}", map.perplexity);
            assert!(map.divergence.is_finite() && map.divergence >= 0.0, "{n}: {}", map.divergence);
            assert!(map.sets[0].iter().flatten().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn copies_do_not_break_a_map() {
        let mut values = [0.6, 0.8].repeat(150);
        values.extend([0.8, 0.6].repeat(150));
        let rows = UnitVectors::new(&values, 300).unwrap();
        let map = fit(&[rows], 42).unwrap();
        assert!(map.sets[0].iter().flatten().all(|x| x.is_finite()));
        assert!(map.divergence.is_finite());
    }

    #[test]
    fn what_has_no_map_says_why() {
        let values = clustered(5, 4, 8, 1);
        let three = UnitVectors::new(&values[..24], 3).unwrap();
        let reason = |sets: &[UnitVectors]| fit(sets, 42).unwrap_err();
        assert_eq!(reason(&[three]), Undefined::TooFew { n: 3, needed: 4 });
        assert_eq!(reason(&[]), Undefined::TooFew { n: 0, needed: 4 });
        let copies = [0.6, 0.8].repeat(9);
        assert_eq!(reason(&[UnitVectors::new(&copies, 9).unwrap()]), Undefined::Identical);
    }

    #[test]
    fn the_first_component_is_scaled_and_the_second_smaller() {
        let values = clustered(12, 500, 16, 3);
        let rows = UnitVectors::new(&values, 500).unwrap();
        let positions = first_positions(rows, 42).unwrap();
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
        assert_eq!(first_positions(rows, 42), Err(Undefined::Identical));
    }
}
