//! How similar points are in the data (the matrix P of t-SNE, sparse and symmetric), gradient descent on the
//! divergence of the plane from it, with momentum and a gain per coordinate, and what is left of that divergence.
//!
//! Neighbours attract by their affinities. All points repel each other, summed over the cells of a
//! Barnes-Hut tree (van der Maaten, "Accelerating t-SNE using Tree-Based Algorithms", JMLR 15,
//! 2014). Gains and the limit on steps are openTSNE's. The `bhtsne` crate is built on the same tree
//! and was tried first: it holds gains at 2, and ends well above openTSNE's divergence.

use barnes_hut_tree::{BarnesHutTree, Dim, Morton};
use gra_synth::similarity::Near;
use rayon::prelude::*;

/// How closely the entropy of a row meets that of the perplexity, in nats.
const TOLERANCE: f64 = 1e-7;

/// Halvings after which a bandwidth stays as it is.
const HALVINGS: usize = 200;

/// Symmetric affinities of all pairs that are neighbours either way; they sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affinities {
    /// For every point its neighbours, by rising place, each with the affinity.
    rows: Vec<Vec<(usize, f64)>>,
}

impl Affinities {
    /// Affinities of unit vectors with these neighbours, nearest first. The kernel's bandwidth at
    /// every point is such that its neighbours are effectively `perplexity` many; where more of
    /// them are equally near, as many as are.
    pub(super) fn new(near: &[Vec<Near>], perplexity: f64) -> Self {
        let conditional: Vec<Vec<f64>> =
            near.par_iter().map(|near| row(near, perplexity)).collect();
        let halves = 2.0 * near.len() as f64;
        let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); near.len()];
        for (at, (near, conditional)) in near.iter().zip(&conditional).enumerate() {
            for (near, p) in near.iter().zip(conditional) {
                rows[at].push((near.place, p / halves));
                // p(i|j) + p(j|i) over 2 n: each pair is entered from both of its ends.
                rows[near.place].push((at, p / halves));
            }
        }
        rows.par_iter_mut().for_each(|row| {
            row.sort_by_key(|(place, _)| *place);
            // Points that are neighbours of each other have one entry, the sum of both.
            row.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    first.1 += later.1;
                }
                same
            });
        });
        Self { rows }
    }
}

/// The Gaussian kernel over a point's neighbours, normalised, with the bandwidth that the
/// perplexity asks for.
fn row(near: &[Near], perplexity: f64) -> Vec<f64> {
    let Some(first) = near.first() else { return Vec::new() };
    // Normalising takes any constant off the squared distances 2 - 2 cosine. With the least one at
    // 0, no bandwidth makes all kernels vanish.
    let squared: Vec<f64> = near.iter().map(|near| 2.0 * (first.cosine - near.cosine)).collect();
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    // Entropy falls as the precision rises: bisection, after doubling up to the first that is too large.
    let mut kernel = gaussian(&squared, precision);
    for _ in 0..HALVINGS {
        let excess = entropy(&kernel) - perplexity.ln();
        if excess.abs() < TOLERANCE || precision > 1e30 {
            break;
        }
        // Too many effective neighbours: a narrower kernel has a larger precision.
        if excess > 0.0 {
            low = precision;
            precision = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * precision };
        } else {
            high = precision;
            precision = f64::midpoint(low, high);
        }
        kernel = gaussian(&squared, precision);
    }
    kernel
}

fn gaussian(squared: &[f64], precision: f64) -> Vec<f64> {
    let mut kernel: Vec<f64> = squared.iter().map(|squared| (-precision * squared).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    for value in &mut kernel {
        *value /= sum;
    }
    kernel
}

fn entropy(shares: &[f64]) -> f64 {
    shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum()
}

/// How far the neighbourhoods of positions in the plane are from those of the data: KL(P || Q) in nats, with Q from a
/// Student t kernel over all pairs of positions. Exact, in time quadratic in the number of points.
pub(super) fn divergence(affinities: &Affinities, positions: &[[f64; 2]]) -> f64 {
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

/// A cell acts as one point where half its width is below this share of its distance: theta = 0.5
/// by the usual measure, which takes the whole width.
const OPENING: f64 = 0.25;

/// Factor of the attraction in the first phase.
pub(super) const EXAGGERATION: f64 = 12.0;

/// Iterations of the two phases, and their momentum.
const ITERATIONS: [usize; 2] = [250, 750];
const MOMENTUM: [f64; 2] = [0.5, 0.8];

/// The longest step of a point. It keeps single points from shooting off.
const LONGEST_STEP: f64 = 5.0;

/// Iterations after which points are taken in a new order.
const REORDERED: usize = 10;

/// A point and how it moves.
#[derive(Clone, Copy)]
struct Motion {
    step: [f64; 2],
    gain: [f64; 2],
}

/// What acts on a point.
struct Forces {
    attraction: [f64; 2],
    repulsion: [f64; 2],
    /// Sum of the kernel over the other points.
    kernel: f64,
}

/// Positions after both phases.
pub(super) fn descend(
    affinities: &Affinities,
    start: Vec<[f64; 2]>,
    learning_rate: f64,
) -> Vec<[f64; 2]> {
    let mut positions = start;
    let mut motions = vec![Motion { step: [0.0; 2], gain: [1.0; 2] }; positions.len()];
    let mut tree = BarnesHutTree::empty();
    let mut order = Vec::new();
    for iteration in 0..ITERATIONS.iter().sum() {
        let early = iteration < ITERATIONS[0];
        let exaggeration = if early { EXAGGERATION } else { 1.0 };
        let momentum = MOMENTUM[usize::from(!early)];
        // Points move little in ten iterations, and sorting costs about as much as one of them.
        if iteration % REORDERED == 0 {
            order = along_a_curve(&positions);
        }
        tree.rebuild_uniform(positions.as_flattened());
        // Forces on all points come from the same positions; then all of them move.
        let forces: Vec<Forces> =
            order.par_iter().map(|&at| forces(at, &positions, affinities, &tree)).collect();
        let all: f64 = forces.iter().map(|forces| forces.kernel).sum();
        for (&at, forces) in order.iter().zip(&forces) {
            let (position, motion) = (&mut positions[at], &mut motions[at]);
            let gradient = [0, 1]
                .map(|axis| exaggeration * forces.attraction[axis] - forces.repulsion[axis] / all);
            motion.step(gradient, learning_rate, momentum);
            position[0] += motion.step[0];
            position[1] += motion.step[1];
        }
        centre(&mut positions);
    }
    positions
}

fn forces(
    at: usize,
    positions: &[[f64; 2]],
    affinities: &Affinities,
    tree: &BarnesHutTree<f64, u64, 2>,
) -> Forces {
    let [x, y] = positions[at];
    let mut attraction = [0.0; 2];
    for &(other, affinity) in &affinities.rows[at] {
        let (x, y) = (x - positions[other][0], y - positions[other][1]);
        let pull = affinity / (1.0 + x * x + y * y);
        attraction[0] += pull * x;
        attraction[1] += pull * y;
    }
    let (mut repulsion, mut kernel) = ([0.0; 2], 0.0);
    let mut stack = Dim::<2>::empty_stack();
    tree.compute_non_edge_forces(
        at,
        OPENING * OPENING,
        positions.as_flattened(),
        &mut repulsion,
        &mut kernel,
        stack.as_mut(),
    );
    Forces { attraction, repulsion, kernel }
}

impl Motion {
    fn step(&mut self, gradient: [f64; 2], learning_rate: f64, momentum: f64) {
        for (axis, slope) in gradient.into_iter().enumerate() {
            // A step against the slope goes on as before: its gain shrinks only where it climbs.
            let same_sign = self.step[axis] * slope > 0.0;
            let gain = self.gain[axis];
            self.gain[axis] = if same_sign { gain * 0.8 + 0.01 } else { gain + 0.2 };
            self.step[axis] = momentum * self.step[axis] - learning_rate * self.gain[axis] * slope;
        }
        let length = self.step[0].hypot(self.step[1]);
        if length > LONGEST_STEP {
            self.step = self.step.map(|step| step / length * LONGEST_STEP);
        }
    }
}

/// Points along a Z-curve: each looks at about the cells that the one before it looked at, which
/// are in the core's cache then.
fn along_a_curve(positions: &[[f64; 2]]) -> Vec<usize> {
    let reach = positions.iter().flatten().fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^16"
    )]
    let cell = |x: f64| ((x / reach + 1.0) * 32_767.0) as u32;
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by_cached_key(|&at| Dim::<2>::encode(positions[at].map(cell)));
    order
}

/// Moves the mean to the origin.
fn centre(positions: &mut [[f64; 2]]) {
    let n = positions.len() as f64;
    let mean = [0, 1].map(|axis| positions.iter().map(|point| point[axis]).sum::<f64>() / n);
    for point in positions {
        point[0] -= mean[0];
        point[1] -= mean[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diversity::unit_vectors::by_hand::clustered;
    use crate::diversity::unit_vectors::{UnitVectors, neighbours};

    fn cosines(cosines: &[f64]) -> Vec<Near> {
        cosines.iter().enumerate().map(|(place, cosine)| Near { place, cosine: *cosine }).collect()
    }

    #[test]
    fn a_row_has_the_perplexity_that_was_asked_for() {
        let check = |near: &[f64], perplexity: f64, effective: f64| {
            let found = entropy(&row(&cosines(near), perplexity)).exp();
            assert!((found - effective).abs() < 1e-5, "{found}, not {effective}");
        };
        check(&[0.9, 0.8, 0.5, 0.1, 0.0], 2.0, 2.0);
        check(&[0.9, 0.8, 0.5, 0.1, 0.0], 4.9, 4.9);
        // Far neighbours that hardly differ: the kernel is narrow, and does not vanish.
        check(&[0.1, 0.099_999, 0.099_998, 0.099_997], 2.0, 2.0);
        check(&[1.0, 1.0, 1.0, 0.5], 2.0, 3.0);
        check(&[1.0; 4], 2.0, 4.0);
    }

    #[test]
    fn affinities_are_symmetric_and_sum_to_one() {
        let values = clustered(11, 200, 8, 5);
        let rows = UnitVectors::new(&values, 200).unwrap();
        let p = Affinities::new(&neighbours(rows, 30), 10.0);
        let sum: f64 = p.rows.iter().flatten().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        for (at, row) in p.rows.iter().enumerate() {
            assert!(row.is_sorted_by(|a, b| a.0 < b.0));
            for (other, value) in row {
                assert!(p.rows[*other].contains(&(at, *value)), "{at}, {other}");
            }
        }
    }

    #[test]
    fn agrees_with_a_sum_by_hand() {
        let near = |a, b| vec![(a, 1.0 / 6.0), (b, 1.0 / 6.0)];
        let affinities = Affinities { rows: vec![near(1, 2), near(0, 2), near(0, 1)] };
        // At 0, 1 and 3: the pairs lie 1, 2 and 3 apart, with kernels 1/2, 1/5 and 1/10.
        let found = divergence(&affinities, &[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]);
        let all: f64 = 2.0 * (0.5 + 0.2 + 0.1);
        let expected: f64 =
            [0.5, 0.2, 0.1].iter().map(|kernel| 2.0 / 6.0 * (all / 6.0 / kernel).ln()).sum();
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }
}
