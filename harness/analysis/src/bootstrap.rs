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
//! [`crate::permutation`]). With few clusters a percentile interval is too narrow.

use gra_synth::stream::Stream;
use rayon::prelude::*;

mod clusters;
mod difference;

pub use clusters::Clusters;
pub use difference::Group;

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
    /// `None` without a value, for n < 2 (one cluster shows no variation), and when more than one
    /// replicate in 20 left the statistic undefined.
    pub interval: Option<Interval>,
}

/// The central [`CONFIDENCE`] share of the replicates, ends included. Its width is 0 when all clusters
/// have the same value; it then says that no variation was seen, not that there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
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

    /// Values only.
    #[must_use]
    pub const fn without_intervals(self) -> Self {
        Self { replicates: 0, ..self }
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
        let values = statistics(&clusters.once());
        let replicates = self.replicates_of(clusters, name, &statistics);
        std::array::from_fn(|k| {
            summarise(clusters.len(), values[k], replicates.iter().map(|replicate| replicate[k]))
        })
    }

    /// What a statistic says in each replicate, in their order; nothing for fewer than two clusters.
    fn replicates_of<S: Send>(
        self,
        clusters: &Clusters,
        name: &[&str],
        statistics: &(impl Fn(&[u32]) -> S + Sync),
    ) -> Vec<S> {
        let replicates = if clusters.len() > 1 { self.replicates } else { 0 };
        (0..replicates)
            .into_par_iter()
            .map_init(
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
    #[expect(clippy::cast_precision_loss, reason = "counts of candidates are far below 2^53")]
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
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let interval = (value.is_some() && enough)
        .then(|| Interval { low: quantile(&defined, tail), high: quantile(&defined, 1.0 - tail) });
    Estimate { n, value, interval }
}

/// Quantile of a sorted, non-empty sample, linear between order statistics (Hyndman and Fan 1996,
/// type 7: the default of R and `NumPy`).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "as many as there are replicates or samples")]
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn singles(values: &[(f64, usize)]) -> Vec<Cluster> {
        values.iter().flat_map(|(value, n)| vec![Cluster::single(*value); *n]).collect()
    }

    #[test]
    fn agrees_with_the_normal_interval_where_that_holds() {
        // 400 paired differences: 40 lost, 120 won. Standard error of their mean:
        // sqrt((0.4 - 0.2^2) / 400) = 0.03.
        let clusters = singles(&[(-1.0, 40), (0.0, 240), (1.0, 120)]);
        let estimate = mean(&clusters, 42, &["test"]);
        let interval = estimate.interval.unwrap();
        assert_eq!((estimate.n, estimate.value), (400, Some(0.2)));
        assert!((interval.low - (0.2 - 1.96 * 0.03)).abs() < 0.003, "{interval:?}");
        assert!((interval.high - (0.2 + 1.96 * 0.03)).abs() < 0.003, "{interval:?}");
    }

    #[test]
    fn clusters_widen_the_interval() {
        // The same 400 values, ten to a cluster that agrees: only 40 of them are independent, so
        // the interval is sqrt(10) times as wide.
        let grouped: Vec<Cluster> = singles(&[(-10.0, 4), (0.0, 24), (10.0, 12)])
            .into_iter()
            .map(|cluster| Cluster { count: 10, ..cluster })
            .collect();
        let interval = mean(&grouped, 42, &["test"]).interval.unwrap();
        let width = interval.high - interval.low;
        assert!((width - 2.0 * 1.96 * 0.03 * 10_f64.sqrt()).abs() < 0.02, "{interval:?}");
    }

    #[test]
    fn intervals_cover_the_truth_if_clusters_are_kept_together() {
        // 200 data sets with mean 0: 40 clusters, each of five rows that share half of their variance.
        // Of 95% intervals 190 should cover 0. Taking rows as independent narrows them by sqrt(3).
        let bootstrap = Bootstrap { run_seed: 7, replicates: 300 };
        let (mut together, mut apart) = (0, 0);
        for set in 0..200 {
            let mut draw = Stream::named(7, &["coverage", &set.to_string()]);
            let mut uniform = || f64::from(u32::try_from(draw.below(2001)).unwrap()) / 1000.0 - 1.0;
            let mut values = Vec::new();
            for _ in 0..40 {
                let shared = uniform();
                values.extend([(); 5].map(|()| shared + uniform()));
            }
            let covers = |clusters: &Clusters| {
                let [mean] = bootstrap.estimate(clusters, &["coverage"], weighted(&values));
                let interval = mean.interval.unwrap();
                u32::from(interval.low <= 0.0 && 0.0 <= interval.high)
            };
            together += covers(&Clusters::by((0..200).map(|row| row / 5)));
            apart += covers(&Clusters::singles(200));
        }
        assert!((178..199).contains(&together) && apart < 165, "{together} {apart}");
    }

    #[test]
    fn too_little_data_has_no_interval() {
        let nothing = mean(&[], 42, &["test"]);
        assert_eq!(nothing, Estimate { n: 0, value: None, interval: None });
        let one = mean(&[Cluster::single(0.5)], 42, &["test"]);
        assert_eq!(one, Estimate { n: 1, value: Some(0.5), interval: None });
        let same = mean(&[Cluster::single(0.5); 9], 42, &["test"]);
        assert_eq!(same.interval, Some(Interval { low: 0.5, high: 0.5 }));
    }

    #[test]
    fn a_name_and_a_seed_fix_the_interval() {
        let clusters = singles(&[(0.0, 30), (1.0, 20)]);
        let interval = |seed, name| mean(&clusters, seed, &[name]).interval;
        assert_eq!(interval(42, "a"), interval(42, "a"));
        assert_ne!(
            replicate(&clusters, 42, &["a"], 7).to_bits(),
            replicate(&clusters, 42, &["b"], 7).to_bits()
        );
        assert_ne!(
            replicate(&clusters, 42, &["a"], 7).to_bits(),
            replicate(&clusters, 43, &["a"], 7).to_bits()
        );
    }

    /// Mean of values, by the rows' weights.
    fn weighted(values: &[f64]) -> impl Fn(&[u32]) -> [Option<f64>; 1] + Sync {
        move |weights| {
            let count: f64 = weights.iter().copied().map(f64::from).sum();
            let sum: f64 = values.iter().zip(weights).map(|(v, w)| v * f64::from(*w)).sum();
            [(count > 0.0).then(|| sum / count)]
        }
    }

    #[test]
    fn weights_of_rows_say_what_drawn_clusters_say() {
        // Integers, so that the order of summation does not matter.
        let values = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0];
        let clusters: Vec<Cluster> = values.iter().copied().map(Cluster::single).collect();
        let [found] = Bootstrap::new(42).estimate(&Clusters::singles(7), &["a"], weighted(&values));
        assert_eq!(found, mean(&clusters, 42, &["a"]));
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let values: Vec<f64> = (0..50_u32).map(|row| f64::from(row).sqrt()).collect();
        let clusters = Clusters::by((0..50).map(|row| row / 3));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Bootstrap::new(42).estimate(&clusters, &["t"], weighted(&values)))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn replicates_without_the_statistic_are_left_out_up_to_one_in_twenty() {
        // Row 0 is not drawn in (19/20)^20 = 0.36 of the replicates.
        let rare = |weights: &[u32]| [(weights[0] > 0).then_some(1.0)];
        let [found] = Bootstrap::new(42).estimate(&Clusters::singles(20), &["rare"], rare);
        assert_eq!(found, Estimate { n: 20, value: Some(1.0), interval: None });
        // Undefined only when none of rows 0 to 3 was drawn: (16/20)^20 = 0.012.
        let usual = |weights: &[u32]| [(weights[..4] != [0; 4]).then_some(1.0)];
        let [found] = Bootstrap::new(42).estimate(&Clusters::singles(20), &["usual"], usual);
        assert_eq!(found.interval, Some(Interval { low: 1.0, high: 1.0 }));
        let [never] =
            Bootstrap::new(42).estimate(&Clusters::singles(20), &["nan"], |_| [Some(f64::NAN)]);
        assert_eq!(never, Estimate { n: 20, value: None, interval: None });
    }

    #[test]
    fn without_replicates_there_are_values_alone() {
        let bootstrap = Bootstrap::new(42).without_intervals();
        let [found] = bootstrap.estimate(&Clusters::singles(2), &["a"], weighted(&[1.0, 2.0]));
        assert_eq!(found, Estimate { n: 2, value: Some(1.5), interval: None });
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        let quantiles = [0.0, 0.25, 0.5, 0.9, 1.0].map(|share| quantile(&sorted, share));
        for (found, expected) in quantiles.into_iter().zip([1.0, 2.0, 4.0, 12.8, 16.0]) {
            assert!((found - expected).abs() < 1e-12, "{quantiles:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_interval_lies_within_the_values(
            values in prop::collection::vec(-10.0_f64..10.0, 2..20),
            seed in any::<u64>(),
        ) {
            let clusters: Vec<Cluster> = values.iter().copied().map(Cluster::single).collect();
            let interval = mean(&clusters, seed, &["law"]).interval.unwrap();
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(interval.low <= interval.high);
            prop_assert!(least - 1e-9 <= interval.low && interval.high <= most + 1e-9);
        }
    }
}
