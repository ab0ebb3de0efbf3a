//! Estimates with percentile intervals, from a bootstrap that resamples whole clusters.
//!
//! Rows that share a cause do not vary independently: the samples of one seed item, or the two fates
//! of one candidate under two variants. They form a cluster, and a replicate draws as many clusters
//! as there are, with replacement (Efron and Tibshirani 1993, section 13.3 for the percentile
//! interval; Davison and Hinkley 1997, section 3.8 for clusters). How often a row's cluster was drawn
//! is the row's weight, and a statistic is any function of the rows' weights: [`Bootstrap`] knows
//! nothing else about it.
//!
//! Every replicate has its own named stream: its draws depend neither on how many replicates there
//! are nor on the order in which they are made, so threads change no byte. Statistics that are
//! estimated by one call see the same draws, so their differences are paired; so do those of two
//! calls with one name and as many clusters.
//!
//! What this is not: a correction for bias or skew (no `BCa`), and no test (see
//! [`crate::statistics::permutation`]). With few clusters a percentile interval is too narrow.

use gra_synth::stream::Stream;
use rayon::prelude::*;

mod clusters;
mod difference;

pub use clusters::Clusters;
pub use difference::ResampledSide;
pub use gra_paper::proportion::Interval;

/// Replicates behind every interval, unless a caller asks for others.
pub const REPLICATES: usize = 10_000;

/// Share of the replicates that an interval spans.
pub const CONFIDENCE: f64 = 0.95;

/// An interval exists while at most one replicate in this many leaves its statistic undefined.
const UNDEFINED_ONE_IN: usize = 20;

/// Values that are resampled together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cluster {
    /// Sum of the values.
    pub sum: f64,
    /// How many values, at least 1.
    pub count: u32,
}

impl Cluster {
    /// A cluster of one value.
    #[must_use]
    pub const fn single(value: f64) -> Self {
        Self { sum: value, count: 1 }
    }
}

/// A statistic with its uncertainty, in the unit of the statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Clusters behind it.
    pub n: usize,
    /// The statistic on the rows as they are; `None` where they do not define it.
    pub value: Option<f64>,
    /// The central [`CONFIDENCE`] share of the replicates. Its width is 0 when all clusters have the same
    /// value; it then says that no variation was seen, not that there is none.
    ///
    /// `None` without a value, for n < 2 (one cluster shows no variation), and when more than one
    /// replicate in 20 left the statistic undefined.
    pub interval: Option<Interval>,
}

/// How often to resample, and from whose streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Names the streams, together with each estimate's name.
    pub run_seed: u64,
    /// With 0 there are values and no intervals.
    pub replicates: usize,
}

impl Bootstrap {
    /// [`REPLICATES`] replicates.
    #[must_use]
    pub const fn new(run_seed: u64) -> Self {
        Self { run_seed, replicates: REPLICATES }
    }

    /// Estimates `K` statistics of the rows' weights, on the same draws.
    ///
    /// The statistics get one weight per row: all 1 for the values, how often the row's cluster was
    /// drawn for a replicate. `None` (or a result that is not finite) says that these weights leave a
    /// statistic undefined; such replicates are left out of its interval, which is then conditional on
    /// the statistic being defined.
    #[must_use]
    pub fn estimate<const K: usize>(
        self,
        clusters: &Clusters,
        name: &[&str],
        statistics: impl Fn(&[u32]) -> [Option<f64>; K] + Sync,
    ) -> [Estimate; K] {
        // The value is the statistic with every row drawn once; replicates only change the weights.
        let values = statistics(&clusters.once());
        let replicates = self.replicates_of(clusters, name, &statistics);
        std::array::from_fn(|k| {
            summarise(clusters.len(), values[k], replicates.iter().map(|replicate| replicate[k]))
        })
    }

    /// Estimates the mean of the rows' values. A row without a value takes no part, and its cluster is drawn all
    /// the same.
    #[must_use]
    pub fn mean(self, clusters: &Clusters, name: &[&str], values: &[Option<f64>]) -> Estimate {
        let [mean] = self.estimate(clusters, name, |weights| [weighted_mean(values, weights)]);
        mean
    }

    /// What a statistic says in each replicate, in their order; nothing for fewer than two clusters.
    fn replicates_of<S: Send>(
        self,
        clusters: &Clusters,
        name: &[&str],
        statistics: &(impl Fn(&[u32]) -> S + Sync),
    ) -> Vec<S> {
        // One cluster is drawn again and again: its replicates would all be the value itself.
        let replicates = if clusters.len() > 1 { self.replicates } else { 0 };
        (0..replicates)
            .into_par_iter()
            .map_init(
                // Buffers are made once per thread; a replicate overwrites those of the one before.
                || clusters.room(),
                |room, number| {
                    let mut draw = stream(self.run_seed, name, number);
                    statistics(clusters.draw(&mut draw, room))
                },
            )
            .collect()
    }
}

/// Mean over all clusters, with its percentile interval from the streams of this name.
///
/// The clusters' order is part of the result: bring them in a fixed one.
#[must_use]
pub fn mean(clusters: &[Cluster], run_seed: u64, name: &[&str]) -> Estimate {
    let n = clusters.len();
    let value = (n > 0).then(|| ratio(clusters.iter()));
    let replicates: Vec<Option<f64>> = (0..if n > 1 { REPLICATES } else { 0 })
        .into_par_iter()
        .map(|number| Some(replicate(clusters, run_seed, name, number)))
        .collect();
    summarise(n, value, replicates.into_iter())
}

/// The mean of the rows' values under their weights, over rows that have one; `None` without weight.
pub(crate) fn weighted_mean(values: &[Option<f64>], weights: &[u32]) -> Option<f64> {
    let weighted =
        values.iter().zip(weights).filter_map(|(value, weight)| Some(((*value)?, weight)));
    let (sum, count) = weighted.fold((0.0, 0.0), |(sum, count), (value, &weight)| {
        (sum + value * f64::from(weight), count + f64::from(weight))
    });
    (count > 0.0).then(|| sum / count)
}

fn replicate(clusters: &[Cluster], run_seed: u64, name: &[&str], number: usize) -> f64 {
    let mut draw = stream(run_seed, name, number);
    ratio((0..clusters.len()).map(|_| &clusters[draw.below(clusters.len())]))
}

fn stream(run_seed: u64, name: &[&str], number: usize) -> Stream {
    let number = number.to_string();
    let mut full_name = vec!["bootstrap"];
    full_name.extend(name);
    full_name.push(&number);
    Stream::named(run_seed, &full_name)
}

/// Summed values over summed counts.
fn ratio<'a>(clusters: impl Iterator<Item = &'a Cluster>) -> f64 {
    let (sum, count) = clusters.fold((0.0, 0_u64), |(sum, count), cluster| {
        (sum + cluster.sum, count + u64::from(cluster.count))
    });
    let count = count as f64;
    sum / count
}

/// A value and the interval of its replicates, where both exist.
fn summarise(
    n: usize,
    value: Option<f64>,
    replicates: impl ExactSizeIterator<Item = Option<f64>>,
) -> Estimate {
    let value = value.filter(|value| value.is_finite());
    let all = replicates.len();
    let mut defined: Vec<f64> = replicates.flatten().filter(|value| value.is_finite()).collect();
    defined.sort_by(f64::total_cmp);
    let undefined = all - defined.len();
    let enough = !defined.is_empty() && undefined * UNDEFINED_ONE_IN <= all;
    // Percentile interval: the same share of replicates is cut off at either end.
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let interval = (value.is_some() && enough)
        .then(|| Interval { low: quantile(&defined, tail), high: quantile(&defined, 1.0 - tail) });
    Estimate { n, value, interval }
}

/// Quantile of a sorted, non-empty sample, linear between order statistics (Hyndman and Fan 1996,
/// type 7: the default of R and `NumPy`).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the sample: share lies in [0, 1]"
    )]
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests;
