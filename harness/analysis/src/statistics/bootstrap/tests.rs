//! Draws, intervals, and the laws that they keep.

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
            let [mean] = bootstrap.estimate(clusters, &["coverage"], mean_of(&values));
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

/// The mean of values as the one statistic.
pub(super) fn mean_of(values: &[f64]) -> impl Fn(&[u32]) -> [Option<f64>; 1] + Sync {
    let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
    move |weights| [weighted_mean(&values, weights)]
}

#[test]
fn weights_of_rows_say_what_drawn_clusters_say() {
    // Integers, so that the order of summation does not matter.
    let values = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0];
    let clusters: Vec<Cluster> = values.iter().copied().map(Cluster::single).collect();
    let [found] = Bootstrap::new(42).estimate(&Clusters::singles(7), &["a"], mean_of(&values));
    assert_eq!(found, mean(&clusters, 42, &["a"]));
}

#[test]
fn threads_do_not_change_a_bit() {
    let values: Vec<f64> = (0..50_u32).map(|row| f64::from(row).sqrt()).collect();
    let clusters = Clusters::by((0..50).map(|row| row / 3));
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Bootstrap::new(42).estimate(&clusters, &["t"], mean_of(&values)))
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
    let bootstrap = Bootstrap { run_seed: 42, replicates: 0 };
    let [found] = bootstrap.estimate(&Clusters::singles(2), &["a"], mean_of(&[1.0, 2.0]));
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
