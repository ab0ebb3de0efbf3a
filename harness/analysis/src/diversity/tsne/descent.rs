//! Gradient descent on the divergence, with momentum and a gain per coordinate.
//!
//! Neighbours attract by their affinities. All points repel each other, summed over the cells of a
//! Barnes-Hut tree (van der Maaten, "Accelerating t-SNE using Tree-Based Algorithms", JMLR 15,
//! 2014). Gains and the limit on steps are openTSNE's. The `bhtsne` crate is built on the same tree
//! and was tried first: it holds gains at 2, and ends well above openTSNE's divergence.

use barnes_hut_tree::{BarnesHutTree, Dim, Morton};
use rayon::prelude::*;

use super::TsneSettings;
use super::affinity::Affinities;

/// A cell acts as one point where half its width is below this share of its distance: theta = 0.5
/// by the usual measure, which takes the whole width.
const OPENING: f64 = 0.25;

/// Momentum of the two phases.
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
    recipe: &TsneSettings,
) -> Vec<[f64; 2]> {
    let mut positions = start;
    let mut motions = vec![Motion { step: [0.0; 2], gain: [1.0; 2] }; positions.len()];
    let mut tree = BarnesHutTree::empty();
    let mut order = Vec::new();
    let learning_rate = recipe.learning_rate.unwrap_or_default();
    for iteration in 0..recipe.exaggerated + recipe.iterations {
        let early = iteration < recipe.exaggerated;
        let exaggeration = if early { recipe.exaggeration } else { 1.0 };
        let momentum = MOMENTUM[usize::from(!early)];
        // Points move little in ten iterations, and sorting costs about as much as one of them.
        if iteration % REORDERED == 0 {
            order = along_a_curve(&positions);
        }
        tree.rebuild_uniform(positions.as_flattened());
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
