//! A map of several sets in one plane (paper, section 5.3; Figs. 5 and 6): t-SNE of their embeddings.
//!
//! All sets are fitted together: a map of one set says nothing about another's. A map shows neighbours; its
//! distances, areas and densities mean little (Wattenberg et al., "How to Use t-SNE Effectively", Distill 2016), so every number about
//! diversity comes from [`crate::diversity`].
//!
//! The recipe is that of Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics" (Nature
//! Communications 10, 2019), and of openTSNE: exact nearest neighbours, three times the perplexity of them; first positions from
//! the two principal components, scaled to a standard deviation of 1e-4; exaggeration by 12 for 250 iterations;
//! learning rate n / 12 in the convention without the gradient's factor 4, which is that of `bhtsne`'s
//! gradient (its own default divides by 4 once more, as scikit-learn does, whose gradient has the factor).
//!
//! The fit is deterministic on one thread; on more, sums of `f32` are taken in changing order and the map with
//! them. The divergence is our own sum over all pairs in `f64`: that of `bhtsne` 0.7.13 reads the wrong entries of P.

mod divergence;
mod start;

use bhtsne::{Neighbor, SparseAffinities, tSNE};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::neighbours::neighbours;
use crate::unit_vectors::{Undefined, UnitVectors};

/// Fewer points than these have no neighbours to speak of.
const FEWEST: usize = 4;

/// How a map is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Effective number of neighbours of a point. Lowered to a third of the other points where there are
    /// fewer than three times as many.
    pub perplexity: f64,
    /// Factor of the attraction in the first phase.
    pub exaggeration: f64,
    /// Iterations of the first phase, with momentum 0.5.
    pub exaggerated: usize,
    /// Iterations of the second phase, with momentum 0.8.
    pub iterations: usize,
    /// Step size without the gradient's factor 4; `None` for n / exaggeration, and 200 at least.
    pub learning_rate: Option<f64>,
    /// Seed of the tiny offsets that keep equal points apart at first.
    pub run_seed: u64,
    /// The fit is reproducible for 1 only.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            exaggeration: 12.0,
            exaggerated: 250,
            iterations: 750,
            learning_rate: None,
            run_seed: 42,
            threads: 1,
        }
    }
}

/// Several sets in one plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// For every set, the positions of its rows.
    pub sets: Vec<Vec<[f32; 2]>>,
    /// Kullback-Leibler divergence in nats: how much of the neighbourhoods the plane could not show.
    pub divergence: f64,
    /// The perplexity that was fitted with.
    pub perplexity: f64,
    /// The learning rate that was fitted with.
    pub learning_rate: f64,
}

/// There is no map.
#[derive(Debug, thiserror::Error)]
pub enum NoMap {
    /// The data has none.
    #[error("no map of the embeddings")]
    Undefined(#[from] Undefined),
    /// The machine gave no threads.
    #[error("no threads for the map")]
    Threads(#[from] ThreadPoolBuildError),
}

/// Fits the sets together. Bring sets of equal size, or the larger ones shape the map. The order of sets and
/// rows is part of the result.
///
/// # Errors
/// With fewer than 4 points, when all points are the same, when the sets do not live in the same
/// space, and when the machine gives no threads.
pub fn fit(sets: &[UnitVectors], settings: &Settings) -> Result<Map, NoMap> {
    let values = UnitVectors::joined(sets)?;
    let n: usize = sets.iter().map(|set| set.len()).sum();
    let rows = UnitVectors::new(&values, n)?.at_least(FEWEST)?;
    let start = start::positions(rows, settings.run_seed)?;
    #[expect(clippy::cast_precision_loss, reason = "points are far fewer than 2^53")]
    let points = n as f64;
    let perplexity = settings.perplexity.clamp(1.0, (points - 1.0) / 3.0);
    let learning_rate =
        settings.learning_rate.unwrap_or((points / settings.exaggeration).max(200.0));
    let near = nearest(rows, perplexity);

    let recipe = Settings { perplexity, learning_rate: Some(learning_rate), ..*settings };
    let threads = ThreadPoolBuilder::new().num_threads(settings.threads.max(1)).build()?;
    let (positions, affinities) = threads.install(|| descend(&near, start, &recipe));
    let positions = positions.as_chunks::<2>().0;
    let divergence = affinities.map_or(0.0, |p| divergence::of(&p, positions));
    let mut left = positions;
    let sets = sets.iter().map(|set| {
        let (mine, others) = left.split_at(set.len());
        left = others;
        mine.to_vec()
    });
    Ok(Map { sets: sets.collect(), divergence, perplexity, learning_rate })
}

/// Positions after both phases, and the affinities that they were fitted to.
fn descend(
    near: &[Vec<Neighbor<f32>>],
    start: Vec<f32>,
    recipe: &Settings,
) -> (Vec<f32>, Option<SparseAffinities<f32>>) {
    // bhtsne ends a phase after the iteration of that number, counted from 0.
    let last_exaggerated = recipe.exaggerated.saturating_sub(1);
    let points = vec![(); near.len()];
    let mut tsne: tSNE<f32, ()> = tSNE::new(&points);
    tsne.perplexity(narrow(recipe.perplexity))
        .early_exaggeration(narrow(recipe.exaggeration))
        .stop_lying_epoch(last_exaggerated)
        .momentum(0.5)
        .final_momentum(0.8)
        .momentum_switch_epoch(last_exaggerated)
        .epochs(recipe.exaggerated + recipe.iterations)
        .initial_embedding(start);
    if let Some(learning_rate) = recipe.learning_rate {
        tsne.learning_rate(narrow(learning_rate));
    }
    tsne.fit_sne_with_neighbors(near);
    (tsne.embedding(), tsne.affinities())
}

/// The nearest rows, three times the perplexity of them, by Euclidean distance.
fn nearest(rows: UnitVectors, perplexity: f64) -> Vec<Vec<Neighbor<f32>>> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 3 and the number of points"
    )]
    let k = (3.0 * perplexity) as usize;
    let neighbour = |near: &gra_synth::similarity::Near| Neighbor {
        index: near.place,
        distance: narrow((2.0 - 2.0 * near.cosine).max(0.0).sqrt()),
    };
    neighbours(rows, k).iter().map(|near| near.iter().map(neighbour).collect()).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "t-SNE is computed in f32")]
fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit_vectors::by_hand::clustered;

    #[test]
    fn clusters_stay_together_and_the_map_is_reproducible() {
        let values = clustered("map", 300, 24, 3);
        let (first, second) = values.split_at(200 * 24);
        let sets = [UnitVectors::new(first, 200).unwrap(), UnitVectors::new(second, 100).unwrap()];
        let map = fit(&sets, &Settings::default()).unwrap();
        assert_eq!(map, fit(&sets, &Settings::default()).unwrap());
        assert_eq!((map.sets[0].len(), map.sets[1].len()), (200, 100));
        assert_eq!((map.perplexity, map.learning_rate), (30.0, 200.0));
        let all: Vec<[f32; 2]> = map.sets.concat();
        let nearest = |at: usize| {
            let distance = |other: &usize| {
                (all[at][0] - all[*other][0]).hypot(all[at][1] - all[*other][1])
            };
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
        let values = clustered("few", 40, 8, 2);
        for (n, perplexity) in [(4, 1.0), (5, 4.0 / 3.0), (40, 13.0)] {
            let rows = UnitVectors::new(&values[..n * 8], n).unwrap();
            let map = fit(&[rows], &Settings::default()).unwrap();
            assert_eq!(map.perplexity, perplexity);
            assert!(map.divergence.is_finite() && map.divergence >= 0.0, "{n}: {}", map.divergence);
            assert!(map.sets[0].iter().flatten().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn copies_do_not_break_a_map() {
        let mut values = [0.6, 0.8].repeat(150);
        values.extend([0.8, 0.6].repeat(150));
        let rows = UnitVectors::new(&values, 300).unwrap();
        let map = fit(&[rows], &Settings::default()).unwrap();
        assert!(map.sets[0].iter().flatten().all(|x| x.is_finite()));
        assert!(map.divergence.is_finite());
    }

    #[test]
    fn what_has_no_map_says_why() {
        let values = clustered("none", 4, 8, 1);
        let three = UnitVectors::new(&values[..24], 3).unwrap();
        let reason = |sets: &[UnitVectors]| match fit(sets, &Settings::default()) {
            Err(NoMap::Undefined(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(&[three]), Undefined::TooFew { n: 3, needed: 4 });
        assert_eq!(reason(&[]), Undefined::TooFew { n: 0, needed: 4 });
        let copies = [0.6, 0.8].repeat(9);
        assert_eq!(reason(&[UnitVectors::new(&copies, 9).unwrap()]), Undefined::Identical);
    }
}
