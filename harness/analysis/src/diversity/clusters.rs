//! How evenly a set lies over topics that all compared sets share: the entropy of its shares over
//! clusters of a joint fit.
//!
//! Clusters are found by spherical k-means (Dhillon and Modha, "Concept Decompositions for Large
//! Sparse Text Data Using Clustering", Machine Learning 42, 2001): every row goes to the centre
//! with the largest cosine, every centre becomes the direction of its rows' sum. It starts from
//! k-means++ (Arthur and Vassilvitskii, SODA 2007), with draws from a named stream. Assignments are
//! exact, so they do not depend on the machine.

use gra_synth::similarity::{Near, Vectors, nearest};
use gra_synth::stream::Stream;

use crate::diversity::Undefined;
use crate::diversity::unit_vectors::UnitVectors;
use crate::statistics::inference::whole;

/// Clusters of a joint fit, unless the caller asks for another number: at most 6 bits of entropy.
pub const CLUSTERS: usize = 64;

/// Rounds after which the fit stops where it is.
const ROUNDS: usize = 100;

/// A joint fit.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterFit {
    /// How many clusters were fitted.
    pub count: usize,
    /// For every set, the cluster of each of its rows.
    pub assigned: Vec<Vec<usize>>,
    /// Mean over all rows of 1 - cosine to the row's centre.
    pub within: f64,
    /// Whether the fit came to rest.
    pub settled: bool,
}

/// Fits `count` clusters (0 counts as 1) to all sets together. Bring sets of equal size, or the
/// larger ones choose the centres. The order of sets and rows is part of the result.
///
/// # Errors
/// With fewer rows than clusters, and when the sets do not live in the same space.
pub fn fit(sets: &[UnitVectors], count: usize, run_seed: u64) -> Result<ClusterFit, Undefined> {
    let count = count.max(1);
    let values = UnitVectors::joined(sets)?;
    let n = sets.iter().map(|set| set.len()).sum();
    let rows = UnitVectors::new(&values, n)?.at_least(count)?;
    let mut centres = first_centres(rows, count, run_seed);
    let mut assigned = assign(rows, &centres, count);
    // Lloyd's two steps in turn, until no row changes its cluster.
    let mut settled = false;
    for _ in 0..ROUNDS {
        centres = move_centres(rows, &assigned, centres);
        let next = assign(rows, &centres, count);
        // Assignments are exact, so a round that moves no row moves no centre either.
        settled = places(&next) == places(&assigned);
        assigned = next;
        if settled {
            break;
        }
    }
    // Rounding may leave a cosine of 1 + 1e-7.
    let within = assigned.iter().map(|near| 1.0 - near.cosine).sum::<f64>() / n as f64;
    let mut places = places(&assigned).into_iter();
    let assigned = sets.iter().map(|set| places.by_ref().take(set.len()).collect()).collect();
    Ok(ClusterFit { count, assigned, within: within.max(0.0), settled })
}

impl ClusterFit {
    /// Entropy in bits of a set's shares over the clusters, from 0 (all in one) to log2 of the
    /// number of clusters (evenly over all).
    ///
    /// # Errors
    /// When the set has no rows.
    ///
    /// # Panics
    /// When there is no such set.
    pub fn entropy(&self, set: usize) -> Result<f64, Undefined> {
        let assigned = &self.assigned[set];
        if assigned.is_empty() {
            return Err(Undefined::TooFew { n: 0, needed: 1 });
        }
        let mut counts = vec![0_usize; self.count];
        for &cluster in assigned {
            counts[cluster] += 1;
        }
        let shares = counts.iter().filter(|count| **count > 0);
        let shares = shares.map(|&count| count as f64 / assigned.len() as f64);
        let bits: f64 = shares.map(|share| -share * share.log2()).sum();
        // A single share of 1 gives -0.
        Ok(bits.max(0.0))
    }
}

fn places(assigned: &[Near]) -> Vec<usize> {
    assigned.iter().map(|near| near.place).collect()
}

fn assign(rows: UnitVectors, centres: &[f32], count: usize) -> Vec<Near> {
    nearest(*rows, Vectors::new(centres, count)).into_iter().flatten().collect()
}

/// Rows drawn one after the other, each with a chance that grows with its squared distance to the
/// nearest one drawn before. Where all rows are taken or copies of such, the first rows fill up.
fn first_centres(rows: UnitVectors, count: usize, run_seed: u64) -> Vec<f32> {
    let mut draw = Stream::named(run_seed, &["clusters", &count.to_string()]);
    let mut centres = rows.row(draw.below(rows.len())).to_vec();
    // Squared distances to the nearest centre so far: k-means++ draws in proportion to them.
    let mut weights = vec![usize::MAX; rows.len()];
    for drawn in 1..count {
        let newest = Vectors::new(&centres[(drawn - 1) * rows.dim()..], 1);
        for (weight, near) in weights.iter_mut().zip(nearest(*rows, newest)) {
            *weight = near.map_or(0, squared_distance).min(*weight);
        }
        // All weights are 0 where every row is a copy of a centre: then any row will do.
        let next = draw.weighted(&weights).unwrap_or(drawn);
        centres.extend_from_slice(rows.row(next));
    }
    centres
}

/// In units of 2^-32, so that draws are of integers: alike on every machine, and their sum does not
/// overflow below 2^30 rows. Copies, whose cosine is off by a rounding, are at 0.
fn squared_distance(near: Near) -> usize {
    let squared = 2.0 - 2.0 * near.cosine;
    if squared < 1e-6 {
        return 0;
    }
    whole(squared * f64::from(u32::MAX))
}

/// The direction of every cluster's sum; a cluster without rows, or whose rows cancel out, stays
/// where it is.
fn move_centres(rows: UnitVectors, assigned: &[Near], mut centres: Vec<f32>) -> Vec<f32> {
    let dim = rows.dim();
    let mut sums = vec![0.0_f64; centres.len()];
    for (row, near) in assigned.iter().enumerate() {
        let sum = &mut sums[near.place * dim..(near.place + 1) * dim];
        for (sum, value) in sum.iter_mut().zip(rows.row(row)) {
            *sum += f64::from(*value);
        }
    }
    for (centre, sum) in centres.chunks_mut(dim.max(1)).zip(sums.chunks(dim.max(1))) {
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Rows that cancel out have no direction, and an empty cluster no rows.
        if length > 1e-6 {
            for (value, sum) in centre.iter_mut().zip(sum) {
                #[expect(clippy::cast_possible_truncation, reason = "a unit vector's coordinate")]
                let coordinate = (sum / length) as f32;
                *value = coordinate;
            }
        }
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diversity::unit_vectors::by_hand::{clustered, unit};

    fn entropies(sets: &[(&[f32], usize)], count: usize) -> Result<Vec<f64>, Undefined> {
        let sets: Vec<UnitVectors> =
            sets.iter().map(|(values, n)| UnitVectors::new(values, *n).unwrap()).collect();
        let fit = fit(&sets, count, 42)?;
        (0..sets.len()).map(|set| fit.entropy(set)).collect()
    }

    #[test]
    fn shares_over_clear_clusters() {
        // Four directions. The first set lies on all, the second on one, the third on two as 3 to
        // 1.
        let at = |quarters: &[u32]| -> Vec<f32> {
            let direction = |quarter: &u32| {
                let angle = f64::from(*quarter) * std::f64::consts::FRAC_PI_2;
                unit(&[angle.cos(), angle.sin()])
            };
            quarters.iter().flat_map(direction).collect()
        };
        let sets = [at(&[0, 1, 2, 3, 0, 1, 2, 3]), at(&[2; 8]), at(&[1, 1, 1, 3, 1, 1, 1, 3])];
        let sets: Vec<(&[f32], usize)> = sets.iter().map(|set| (set.as_slice(), 8)).collect();
        let found = entropies(&sets, 4).unwrap();
        let uneven = 0.75 * (4.0_f64 / 3.0).log2() + 0.25 * 2.0;
        for (found, expected) in found.iter().zip([2.0, 0.0, uneven]) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
    }

    #[test]
    fn a_fit_is_fixed_by_its_seed_and_finds_what_is_there() {
        let values = clustered(6, 600, 16, 8);
        let rows = UnitVectors::new(&values, 600).unwrap();
        let once = fit(&[rows], 8, 42).unwrap();
        assert_eq!(once, fit(&[rows], 8, 42).unwrap());
        assert!(once.settled);
        // Eight centres of equal share, well apart: no fit is much better than finding them, or
        // much worse.
        assert!((2.5..=3.0).contains(&once.entropy(0).unwrap()));
        let within: Vec<f64> =
            [1, 2, 4, 8].map(|count| fit(&[rows], count, 42).unwrap().within).to_vec();
        assert!(within.is_sorted_by(|more, less| more > less), "{within:?}");
    }

    #[test]
    fn degenerate_sets() {
        let copies = [0.6, 0.8].repeat(9);
        assert_eq!(entropies(&[(&copies, 9)], 4), Ok(vec![0.0]));
        let opposite = [1.0, 0.0, -1.0, 0.0];
        assert_eq!(entropies(&[(&opposite, 2)], 1), Ok(vec![0.0]));
        assert_eq!(entropies(&[(&copies, 9)], 10), Err(Undefined::TooFew { n: 9, needed: 10 }));
        assert_eq!(entropies(&[(&[], 0)], 1), Err(Undefined::TooFew { n: 0, needed: 1 }));
        assert_eq!(
            entropies(&[(&copies, 9), (&[1.0], 1)], 2),
            Err(Undefined::Dimensions { one: 2, other: 1 })
        );
        assert_eq!(entropies(&[(&copies, 9)], 0), Ok(vec![0.0]));
    }
}
