//! Precision and recall (Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
//! Generative Models", `NeurIPS` 2019), density and coverage (Naeem et al., "Reliable Fidelity and
//! Diversity Metrics for Generative Models", ICML 2020) of a set against a reference set.
//!
//! A set's manifold is the union of balls around its rows, each as large as the distance to the
//! row's k-th nearest neighbour in the set, its edge included. Precision asks which rows lie on the
//! reference's manifold, recall which rows of the reference lie on the set's; density counts the
//! reference's balls that hold a row, and coverage asks which of the reference's balls hold any
//! row.
//!
//! A new set that explores what the reference never touched has low precision and may be the better
//! for it: read the four together.

use gra_synth::similarity::{Slab, Vectors, cosine, sweep};

use crate::diversity::Undefined;
use crate::diversity::unit_vectors::{UnitVectors, neighbours};

/// Neighbours that span a ball, as in Naeem et al.
pub const NEIGHBOURS: usize = 5;

/// The four measures, row by row. The mean of each is the measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifold {
    /// For every row of the set: whether it lies on the reference's manifold.
    pub precision: Vec<bool>,
    /// For every row of the set: the reference's balls that hold it, over k. Its mean is 1 for a
    /// set that is distributed like the reference, and it may exceed 1.
    pub density: Vec<f64>,
    /// For every row of the reference: whether it lies on the set's manifold.
    pub recall: Vec<bool>,
    /// For every row of the reference: whether its ball holds a row of the set.
    pub coverage: Vec<bool>,
}

/// Compares a set with a reference set, with balls that reach to the `k`-th neighbour
/// ([`NEIGHBOURS`]; 0 counts as 1).
///
/// # Errors
/// When either has `k` rows or fewer, and when they do not live in the same space.
pub fn compare(set: UnitVectors, reference: UnitVectors, k: usize) -> Result<Manifold, Undefined> {
    let k = k.max(1);
    set.comparable(&reference)?;
    let set_balls = Balls::around(set, k)?;
    let reference_balls = Balls::around(reference, k)?;
    let error = set.error_against(&reference);
    let holding = reference_balls.holding(*set, error);
    let held = set_balls.holding(*reference, error);
    let coverage = reference_balls.hold_any(*set, error);
    Ok(Manifold {
        precision: holding.iter().map(|&balls| balls > 0).collect(),
        density: holding.iter().map(|&balls| balls as f64 / k as f64).collect(),
        recall: held.iter().map(|&balls| balls > 0).collect(),
        coverage,
    })
}

/// Balls around the rows of a set. A vector lies in a ball when its cosine to the centre is at
/// least the ball's edge.
struct Balls<'a> {
    centres: Vectors<'a>,
    edges: Vec<f64>,
}

impl<'a> Balls<'a> {
    fn around(set: UnitVectors<'a>, k: usize) -> Result<Self, Undefined> {
        let neighbours = neighbours(set.at_least(k + 1)?, k);
        // The k-th neighbour lies on the ball's edge, and in it.
        let edges = neighbours.iter().filter_map(|near| near.last()).map(|near| near.cosine);
        Ok(Self { centres: *set, edges: edges.collect() })
    }

    /// For every query, how many of the balls hold it.
    fn holding(&self, queries: Vectors, error: f64) -> Vec<usize> {
        let (sure, possible) = self.margins(error);
        sweep(
            queries,
            self.centres,
            |_| 0,
            |query, count: &mut usize, Slab { first, scores }| {
                let sure = &sure[first..first + scores.len()];
                let possible = &possible[first..first + scores.len()];
                let certain = reaching(scores, sure);
                *count += certain;
                // Products in `f32` settle nearly all; only scores at an edge are computed exactly.
                if reaching(scores, possible) > certain {
                    let inside = |at: &usize| {
                        let in_doubt = scores[*at] >= possible[*at] && scores[*at] < sure[*at];
                        in_doubt && self.holds(first + at, queries.row(query))
                    };
                    *count += (0..scores.len()).filter(inside).count();
                }
            },
            |_, count| count,
        )
    }

    /// For every ball, whether it holds any of the queries.
    fn hold_any(&self, queries: Vectors, error: f64) -> Vec<bool> {
        let (sure, possible) = self.margins(error);
        sweep(
            self.centres,
            queries,
            |_| false,
            |ball, held: &mut bool, slab| {
                if *held || slab.largest() < possible[ball] {
                    return;
                }
                *held = (slab.first..).zip(slab.scores).any(|(query, &score)| {
                    score >= sure[ball]
                        || (score >= possible[ball] && self.holds(ball, queries.row(query)))
                });
            },
            |_, held| held,
        )
    }

    fn holds(&self, ball: usize, vector: &[f32]) -> bool {
        cosine(vector, self.centres.row(ball)) >= self.edges[ball]
    }

    /// For every ball, the least score that is certainly inside, and the least that may be.
    #[expect(clippy::cast_possible_truncation, reason = "rounded outwards")]
    fn margins(&self, error: f64) -> (Vec<f32>, Vec<f32>) {
        let sure = self.edges.iter().map(|edge| ((edge + error) as f32).next_up());
        let possible = self.edges.iter().map(|edge| ((edge - error) as f32).next_down());
        (sure.collect(), possible.collect())
    }
}

/// How many scores reach their edge.
fn reaching(scores: &[f32], edges: &[f32]) -> usize {
    let reached: u32 = scores.iter().zip(edges).map(|(score, edge)| u32::from(score >= edge)).sum();
    reached as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diversity::unit_vectors::by_hand::{clustered, unit};

    fn means(manifold: &Manifold) -> [f64; 4] {
        let share = |rows: &[bool]| {
            rows.iter().filter(|inside| **inside).count() as f64 / rows.len() as f64
        };
        let density = manifold.density.iter().sum::<f64>() / manifold.density.len() as f64;
        [share(&manifold.precision), share(&manifold.recall), density, share(&manifold.coverage)]
    }

    #[test]
    fn agrees_with_the_reference() {
        // Python's prdc 0.2 on the same values in float64; see scripts/diversity-reference.py.
        let wide = clustered(8, 400, 12, 9);
        let of_four = |(at, row): (usize, &[f32])| (at % 9 < 4).then(|| row.to_vec());
        let narrow: Vec<f32> =
            wide.chunks(12).enumerate().skip(200).filter_map(of_four).flatten().collect();
        let same = clustered(7, 300, 12, 6);
        let check = |set: &[f32], n, reference: &[f32], m, expected: [f64; 4]| {
            let set = UnitVectors::new(set, n).unwrap();
            let reference = UnitVectors::new(reference, m).unwrap();
            let found = means(&compare(set, reference, NEIGHBOURS).unwrap());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
            }
        };
        let n = narrow.len() / 12;
        let expected = [0.966_666_666_666_666_7, 0.43, 1.108_888_888_888_888_8, 0.455];
        check(&narrow, n, &wide[..200 * 12], 200, expected);
        let expected = [0.973_333_333_333_333_3, 0.98, 0.968, 1.0];
        check(&same[150 * 12..], 150, &same[..150 * 12], 150, expected);
    }

    #[test]
    fn a_ball_reaches_to_its_neighbour() {
        // Reference at 0, 10 and 30 degrees; with k = 1 the balls reach 10, 10 and 20 degrees.
        let at = |degrees: &[f64]| -> Vec<f32> {
            let direction =
                |angle: &f64| unit(&[angle.to_radians().cos(), angle.to_radians().sin()]);
            degrees.iter().flat_map(direction).collect()
        };
        let (set, reference) = (at(&[15.0, 25.0, 90.0]), at(&[0.0, 10.0, 30.0]));
        let set = UnitVectors::new(&set, 3).unwrap();
        let found = compare(set, UnitVectors::new(&reference, 3).unwrap(), 1).unwrap();
        assert_eq!(found.precision, [true, true, false]);
        assert_eq!(found.density, [2.0, 1.0, 0.0]);
        // The set's balls: 10 degrees around 15, 10 around 25, 65 around 90.
        assert_eq!(found.recall, [false, true, true]);
        assert_eq!(found.coverage, [false, true, true]);
    }

    #[test]
    fn copies_lie_on_each_others_manifold() {
        let values = [0.6, 0.8].repeat(9);
        let rows = UnitVectors::new(&values, 9).unwrap();
        let found = compare(rows, rows, 5).unwrap();
        assert_eq!(found.density, [9.0 / 5.0; 9]);
        assert!(
            found.precision.iter().chain(&found.recall).chain(&found.coverage).all(|held| *held)
        );
    }

    #[test]
    fn too_few_rows_have_no_manifold() {
        let values = clustered(4, 9, 3, 2);
        let rows = |n| UnitVectors::new(&values[..n * 3], n).unwrap();
        let too_few = |n, needed| Err(Undefined::TooFew { n, needed });
        assert_eq!(compare(rows(5), rows(9), 5), too_few(5, 6));
        assert_eq!(compare(rows(9), rows(1), 5), too_few(1, 6));
        assert_eq!(compare(rows(1), rows(9), 0), too_few(1, 2));
        assert_eq!(compare(rows(5), rows(9), 0), compare(rows(5), rows(9), 1));
        let flat = UnitVectors::new(&[0.6, 0.8], 1).unwrap();
        let expected = Err(Undefined::Dimensions { one: 3, other: 2 });
        assert_eq!(compare(rows(9), flat, 5), expected);
    }
}
