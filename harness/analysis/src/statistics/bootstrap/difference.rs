//! Differences between two estimates: on shared clusters, and between data sets that share none.

use super::{Bootstrap, Clusters, Estimate, summarise};

/// One of two data sets that are resampled apart: its clusters, and its statistics as functions of
/// its rows' weights.
#[derive(Clone, Copy, Debug)]
pub struct ResampledSide<'a, F> {
    /// Which of its rows belong together.
    pub clusters: &'a Clusters,
    /// See [`Bootstrap::estimate`].
    pub statistics: F,
}

impl Bootstrap {
    /// Second minus first, both on the same draws: two variants on the candidates that both drew, two
    /// raters of the same samples.
    ///
    /// Where the sides have rows of their own and share seed items, put the rows of both behind each
    /// other, make [`Clusters::by`] of all their seed items, and let each statistic take its part of
    /// the weights (`weights.split_at(..)`).
    #[must_use]
    pub fn paired<const K: usize>(
        self,
        clusters: &Clusters,
        name: &[&str],
        first: impl Fn(&[u32]) -> [Option<f64>; K] + Sync,
        second: impl Fn(&[u32]) -> [Option<f64>; K] + Sync,
    ) -> [Estimate; K] {
        self.estimate(clusters, name, |weights| minus(second(weights), first(weights)))
    }

    /// Second minus first, each resampled from its own streams. `n` counts the clusters of both; there
    /// is no interval unless each has two.
    #[must_use]
    pub fn between<const K: usize, F, G>(
        self,
        first: &ResampledSide<F>,
        second: &ResampledSide<G>,
        name: &[&str],
    ) -> [Estimate; K]
    where
        F: Fn(&[u32]) -> [Option<f64>; K] + Sync,
        G: Fn(&[u32]) -> [Option<f64>; K] + Sync,
    {
        let named = |side| [name, &[side]].concat();
        let values = minus(
            (second.statistics)(&second.clusters.once()),
            (first.statistics)(&first.clusters.once()),
        );
        let firsts = self.replicates_of(first.clusters, &named("first"), &first.statistics);
        let seconds = self.replicates_of(second.clusters, &named("second"), &second.statistics);
        // Replicates of both sides are independent, so any pairing of them is as good as another.
        let differences: Vec<_> =
            seconds.into_iter().zip(firsts).map(|(second, first)| minus(second, first)).collect();
        let n = first.clusters.len() + second.clusters.len();
        std::array::from_fn(|k| summarise(n, values[k], differences.iter().map(|all| all[k])))
    }
}

fn minus<const K: usize>(a: [Option<f64>; K], b: [Option<f64>; K]) -> [Option<f64>; K] {
    std::array::from_fn(|k| Some(a[k]? - b[k]?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::mean_of;
    use super::*;

    #[test]
    fn pairing_takes_out_what_both_sides_share() {
        // Rows differ by hundreds, the sides by 1 on every row.
        let first: Vec<f64> = (0..40).map(|row| f64::from(row) * 100.0).collect();
        let second: Vec<f64> = first.iter().map(|value| value + 1.0).collect();
        let clusters = Clusters::singles(40);
        let bootstrap = Bootstrap { run_seed: 42, replicates: 500 };
        let (a, b) = (mean_of(&first), mean_of(&second));
        let [paired] = bootstrap.paired(&clusters, &["pairs"], &a, &b);
        let interval = paired.interval.unwrap();
        assert!((paired.value.unwrap() - 1.0).abs() < 1e-9);
        assert!((interval.low - 1.0).abs() < 1e-9 && (interval.high - 1.0).abs() < 1e-9);
        let (first, second) = (
            ResampledSide { clusters: &clusters, statistics: a },
            ResampledSide { clusters: &clusters, statistics: b },
        );
        let [apart] = bootstrap.between(&first, &second, &["pairs"]);
        let interval = apart.interval.unwrap();
        assert_eq!((apart.n, apart.value), (80, paired.value));
        // Standard error: sqrt(2 * 1154^2 / 40) = 258.
        assert!((interval.high - interval.low - 2.0 * 1.96 * 258.0).abs() < 120.0, "{interval:?}");
    }

    #[test]
    fn two_sides_with_rows_of_their_own_share_seed_items() {
        let (first, second) = ([1.0, 2.0, 4.0], [3.0, 5.0]);
        let clusters = Clusters::by(["s1", "s1", "s2", "s1", "s2"]);
        let (of_first, of_second) = (mean_of(&first), mean_of(&second));
        let [difference] = Bootstrap { run_seed: 1, replicates: 200 }.paired(
            &clusters,
            &["shared"],
            |weights| of_first(&weights[..3]),
            |weights| of_second(&weights[3..]),
        );
        assert_eq!((difference.n, difference.value), (2, Some(4.0 - 7.0 / 3.0)));
        // s1 twice: 3 - 3/2; s2 twice: 5 - 4; each once: 4 - 7/3.
        let (low, high) = (1.0, 5.0 / 3.0);
        let interval = difference.interval.unwrap();
        assert!((interval.low - low).abs() + (interval.high - high).abs() < 1e-12, "{interval:?}");
    }

    #[test]
    fn one_cluster_on_a_side_is_too_few() {
        let (values, other) = ([1.0], [2.0, 3.0]);
        let (alone, two) = (Clusters::singles(1), Clusters::singles(2));
        let first = ResampledSide { clusters: &alone, statistics: mean_of(&values) };
        let second = ResampledSide { clusters: &two, statistics: mean_of(&other) };
        let [difference] = Bootstrap::new(3).between(&first, &second, &["few"]);
        assert_eq!(difference, Estimate { n: 3, value: Some(1.5), interval: None });
    }
}
