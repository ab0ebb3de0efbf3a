//! Percentile intervals for means, from a bootstrap that resamples whole clusters.
//!
//! Values that share a cause do not vary independently: the candidates of one seed item, or the two
//! fates of one candidate under two variants. They form a [`Cluster`], and a replicate draws as many
//! clusters as there are, with replacement (Efron and Tibshirani 1993, section 13.3 for the
//! percentile interval; Davison and Hinkley 1997, section 3.8 for clusters). The mean of a replicate
//! is the ratio of its summed values to its summed counts.
//!
//! Every replicate has its own named stream: its draws depend neither on how many replicates there
//! are nor on the order in which they are made.

use gra_synth::stream::Stream;

/// Replicates behind every interval.
pub const REPLICATES: usize = 10_000;

/// Share of the replicates that an interval spans.
pub const CONFIDENCE: f64 = 0.95;

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

/// A mean with its uncertainty, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Clusters behind it.
    pub n: usize,
    /// The mean; `None` for n = 0.
    pub value: Option<f64>,
    /// `None` for n < 2: one cluster shows no variation.
    pub interval: Option<Interval>,
}

/// The central [`CONFIDENCE`] share of the replicates, ends included. Its width is 0 when all clusters
/// have the same mean; it then says that no variation was seen, not that there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean over all clusters, with its percentile interval from the streams of this name.
///
/// The clusters' order is part of the result: bring them in a fixed one.
#[must_use]
pub fn mean(clusters: &[Cluster], run_seed: u64, name: &[&str]) -> Estimate {
    let n = clusters.len();
    let value = (n > 0).then(|| ratio(clusters.iter()));
    let interval = (n > 1).then(|| {
        let mut replicates: Vec<f64> =
            (0..REPLICATES).map(|number| replicate(clusters, run_seed, name, number)).collect();
        replicates.sort_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        Interval { low: quantile(&replicates, tail), high: quantile(&replicates, 1.0 - tail) }
    });
    Estimate { n, value, interval }
}

fn replicate(clusters: &[Cluster], run_seed: u64, name: &[&str], number: usize) -> f64 {
    let number = number.to_string();
    let mut full_name = vec!["bootstrap"];
    full_name.extend(name);
    full_name.push(&number);
    let mut draw = Stream::named(run_seed, &full_name);
    ratio((0..clusters.len()).map(|_| &clusters[draw.below(clusters.len())]))
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

/// Quantile of a sorted, non-empty sample, linear between order statistics (Hyndman and Fan 1996,
/// type 7: the default of R and `NumPy`).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "as many as there are replicates")]
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
