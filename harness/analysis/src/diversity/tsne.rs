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
//! # Layout
//!
//! - `start`: first positions
//! - `affinity`: how similar points are in the data, and what the plane could not show
//! - `descent`: gradient descent, with repulsion by a Barnes-Hut tree

mod affinity;
mod descent;
mod start;

use crate::diversity::neighbours::neighbours;
use crate::diversity::unit_vectors::{Undefined, UnitVectors};
use affinity::Affinities;

/// Fewer points than these have no neighbours to speak of.
const FEWEST: usize = 4;

/// The least perplexity that is fitted with. At 1 a point has a single neighbour, however close the
/// others.
const LEAST_PERPLEXITY: f64 = 1.5;

/// How a map is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TsneSettings {
    /// Effective number of neighbours of a point. Lowered to a third of the other points where
    /// there are fewer than three times as many.
    pub perplexity: f64,
    /// Factor of the attraction in the first phase, above 0.
    pub exaggeration: f64,
    /// Iterations of the first phase, with momentum 0.5.
    pub exaggerated: usize,
    /// Iterations of the second phase, with momentum 0.8.
    pub iterations: usize,
    /// Step size without the gradient's factor 4; `None` for n / exaggeration, and 200 at least.
    pub learning_rate: Option<f64>,
    /// Seed of the tiny offsets that keep equal points apart at first.
    pub run_seed: u64,
}

impl Default for TsneSettings {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            exaggeration: 12.0,
            exaggerated: 250,
            iterations: 750,
            learning_rate: None,
            run_seed: 42,
        }
    }
}

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
/// sets and rows is part of the result.
///
/// # Errors
/// With fewer than 4 points, when all points are the same, and when the sets do not live in the
/// same space.
pub fn fit(sets: &[UnitVectors], settings: &TsneSettings) -> Result<Map, Undefined> {
    let values = UnitVectors::joined(sets)?;
    let n: usize = sets.iter().map(|set| set.len()).sum();
    let rows = UnitVectors::new(&values, n)?.at_least(FEWEST)?;
    let start = start::positions(rows, settings.run_seed)?;
    let points = n as f64;
    let perplexity = settings.perplexity.min((points - 1.0) / 3.0).max(LEAST_PERPLEXITY);
    let learning_rate =
        settings.learning_rate.unwrap_or((points / settings.exaggeration).max(200.0));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few times the perplexity, which is at most the number of points"
    )]
    // Beyond three times the perplexity the Gaussian kernel is next to nothing (van der Maaten 2014).
    let near = neighbours(rows, (3.0 * perplexity) as usize);
    let affinities = Affinities::new(&near, perplexity);
    let recipe = TsneSettings { learning_rate: Some(learning_rate), ..*settings };
    let positions = descent::descend(&affinities, start, &recipe);
    let divergence = affinity::divergence(&affinities, &positions);
    let mut positions = positions.into_iter();
    let sets = sets.iter().map(|set| positions.by_ref().take(set.len()).collect()).collect();
    Ok(Map { sets, divergence, perplexity, learning_rate })
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::clustered;

    #[test]
    fn clusters_stay_together_and_the_map_is_reproducible() {
        let values = clustered(3, 300, 24, 3);
        let (first, second) = values.split_at(200 * 24);
        let sets = [UnitVectors::new(first, 200).unwrap(), UnitVectors::new(second, 100).unwrap()];
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&sets, &TsneSettings::default()).unwrap())
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
            let map = fit(&[rows], &TsneSettings::default()).unwrap();
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
        let map = fit(&[rows], &TsneSettings::default()).unwrap();
        assert!(map.sets[0].iter().flatten().all(|x| x.is_finite()));
        assert!(map.divergence.is_finite());
    }

    #[test]
    fn what_has_no_map_says_why() {
        let values = clustered(5, 4, 8, 1);
        let three = UnitVectors::new(&values[..24], 3).unwrap();
        let reason = |sets: &[UnitVectors]| fit(sets, &TsneSettings::default()).unwrap_err();
        assert_eq!(reason(&[three]), Undefined::TooFew { n: 3, needed: 4 });
        assert_eq!(reason(&[]), Undefined::TooFew { n: 0, needed: 4 });
        let copies = [0.6, 0.8].repeat(9);
        assert_eq!(reason(&[UnitVectors::new(&copies, 9).unwrap()]), Undefined::Identical);
    }
}
