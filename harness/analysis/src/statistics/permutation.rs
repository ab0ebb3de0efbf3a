//! Permutation tests for means, over clusters.
//!
//! Under the hypothesis that a label means nothing, every exchange of labels was as likely as what was
//! seen. The labels of a whole [`Cluster`] are exchanged together. The p-value counts what was seen as
//! one of the permutations, (1 + #) / (1 + B), so it is never 0 and the test keeps its level (Phipson
//! and Smyth 2010). All tests are two-sided. Each permutation has its own named stream.

use gra_synth::stream::Stream;
use rayon::prelude::*;

use crate::statistics::bootstrap::Cluster;

/// Permutations behind every p-value, unless a caller asks for others.
pub const PERMUTATIONS: usize = 10_000;

/// How often to permute, and from whose streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// Names the streams, together with each test's name.
    pub run_seed: u64,
    /// B.
    pub permutations: usize,
}

impl Permutation {
    /// [`PERMUTATIONS`] permutations.
    #[must_use]
    pub const fn new(run_seed: u64) -> Self {
        Self { run_seed, permutations: PERMUTATIONS }
    }

    /// Whether paired differences have mean 0: each cluster's sum of differences keeps or changes its
    /// sign. `None` without clusters.
    #[must_use]
    pub fn sign_flip(self, differences: &[Cluster], name: &[&str]) -> Option<f64> {
        let sums: Vec<f64> = differences.iter().map(|cluster| cluster.sum).collect();
        let seen = sums.iter().sum::<f64>().abs();
        let scale: f64 = sums.iter().map(|sum| sum.abs()).sum();
        // The count of differences is the same in every permutation, so sums stand for means.
        self.p_value(!sums.is_empty(), seen, scale, |number| {
            let mut draw = self.stream("sign-flip", name, number);
            // One draw of 64 bits gives the signs of 64 clusters.
            sums.chunks(64).map(|chunk| signed(chunk, draw.next_u64())).sum::<f64>().abs()
        })
    }

    /// Whether two groups of clusters have one mean: which clusters belong to which group is redrawn,
    /// with as many to each. `None` when a group is empty.
    #[must_use]
    pub fn shuffle(self, first: &[Cluster], second: &[Cluster], name: &[&str]) -> Option<f64> {
        let all: Vec<Cluster> = first.iter().chain(second).copied().collect();
        let (total, members) = (sum_of(all.iter()), first.len().min(second.len()));
        // Drawing the smaller group takes fewer draws; the rest is the other group.
        let smaller = if first.len() <= second.len() { first } else { second };
        let apart = |part: Cluster| {
            let rest = Cluster {
                sum: total.sum - part.sum,
                count: total.count.saturating_sub(part.count),
            };
            (part.sum / f64::from(part.count) - rest.sum / f64::from(rest.count)).abs()
        };
        let seen = apart(sum_of(smaller.iter()));
        let scale =
            all.iter().map(|cluster| cluster.sum.abs()).sum::<f64>() / f64::from(total.count);
        self.p_value(members > 0, seen, scale, |number| {
            let mut draw = self.stream("shuffle", name, number);
            apart(sum_of(draw.choose(all.len(), members).into_iter().map(|place| &all[place])))
        })
    }

    /// Whether two sides have one mean that go back to the same items: item by item, the sides keep or
    /// change places. An item may have nothing on a side (a cluster of count 0). `None` when a side has
    /// nothing at all.
    #[must_use]
    pub fn swap(self, first: &[Cluster], second: &[Cluster], name: &[&str]) -> Option<f64> {
        let apart = |one: Cluster, other: Cluster| {
            let mean = |side: Cluster| side.sum / f64::from(side.count);
            (mean(other) - mean(one)).abs()
        };
        let (all_first, all_second) = (sum_of(first.iter()), sum_of(second.iter()));
        let exists = all_first.count > 0 && all_second.count > 0;
        let both = f64::from(all_first.count.saturating_add(all_second.count));
        let sizes = first.iter().chain(second).map(|cluster| cluster.sum.abs());
        let scale = sizes.sum::<f64>() / both;
        self.p_value(exists, apart(all_first, all_second), scale, |number| {
            let mut draw = self.stream("swap", name, number);
            let (mut bits, mut left) = (0, 0);
            let nothing = Cluster { sum: 0.0, count: 0 };
            let (one, other) =
                first.iter().zip(second).fold((nothing, nothing), |(one, other), (a, b)| {
                    if left == 0 {
                        (bits, left) = (draw.next_u64(), 64);
                    }
                    let is_swapped = bits & 1 == 1;
                    (bits, left) = (bits >> 1, left - 1);
                    let (a, b) = if is_swapped { (b, a) } else { (a, b) };
                    (sum_of([one, *a].iter()), sum_of([other, *b].iter()))
                });
            // All on one side: no more extreme than nothing, for there is no difference to speak of.
            if one.count == 0 || other.count == 0 { 0.0 } else { apart(one, other) }
        })
    }

    fn stream(self, test: &str, name: &[&str], number: usize) -> Stream {
        let number = number.to_string();
        let mut full_name = vec![test];
        full_name.extend(name);
        full_name.push(&number);
        Stream::named(self.run_seed, &full_name)
    }

    /// Share of permutations that are at least as extreme as what was seen. Sums in another order
    /// round otherwise, so equal ones are told by a tolerance on the scale of the summands.
    fn p_value(
        self,
        exists: bool,
        seen: f64,
        scale: f64,
        permuted: impl Fn(usize) -> f64 + Sync,
    ) -> Option<f64> {
        if !exists || !seen.is_finite() {
            return None;
        }
        // Below the rounding of a sum in another order, and far below any difference of scores.
        let bound = seen - 1e-12 * scale;
        let extreme =
            (0..self.permutations).into_par_iter().filter(|&number| permuted(number) >= bound);
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        Some(share(1 + extreme.count(), 1 + self.permutations))
    }
}

/// The sum of at most 64 values, each with the sign that its bit says.
fn signed(values: &[f64], bits: u64) -> f64 {
    let sign = |place: usize| if bits >> place & 1 == 0 { 1.0 } else { -1.0 };
    values.iter().enumerate().map(|(place, value)| sign(place) * value).sum()
}

fn sum_of<'a>(clusters: impl Iterator<Item = &'a Cluster>) -> Cluster {
    clusters.fold(Cluster { sum: 0.0, count: 0 }, |all, cluster| Cluster {
        sum: all.sum + cluster.sum,
        count: all.count.saturating_add(cluster.count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singles(values: &[f64]) -> Vec<Cluster> {
        values.iter().copied().map(Cluster::single).collect()
    }

    fn near(found: Option<f64>, expected: f64) {
        // Four standard errors of a share of 10,000.
        let tolerance = 4.0 * (expected * (1.0 - expected) / 10_000.0).sqrt() + 1e-4;
        assert!(found.is_some_and(|p| (p - expected).abs() < tolerance), "{found:?} {expected}");
    }

    #[test]
    fn agrees_with_all_permutations() {
        // scripts/statistics-reference.py: all 2^8 signs, and all 462 groups by scipy 1.12.0,
        // permutation_test.
        let differences = singles(&[0.5, -0.25, 1.0, 0.75, -0.5, 1.5, 0.25, 2.0]);
        let (first, second) = ([7.0, 8.5, 8.0, 9.0, 6.5], [8.0, 9.5, 9.0, 9.5, 10.0, 8.5]);
        let test = Permutation::new(42);
        near(test.sign_flip(&differences, &["scipy"]), 0.085_937_5);
        near(test.shuffle(&singles(&first), &singles(&second), &["scipy"]), 0.064_935);
        near(test.shuffle(&singles(&second), &singles(&first), &["scipy"]), 0.064_935);
    }

    #[test]
    fn the_level_holds_where_labels_mean_nothing() {
        // 400 data sets of clusters of five that agree, without any effect. A test at 0.05 calls a
        // true hypothesis false in at most one of 20; 34 of 400 would be 3.2 standard errors more.
        let test = Permutation { run_seed: 7, permutations: 99 };
        let (mut flips, mut shuffles) = (0, 0);
        for set in 0..400 {
            let name = set.to_string();
            let mut draw = Stream::named(7, &["level", &name]);
            let clusters: Vec<Cluster> = (0..20)
                .map(|_| Cluster {
                    sum: 5.0 * (f64::from(u32::try_from(draw.below(2001)).unwrap()) / 1000.0 - 1.0),
                    count: 5,
                })
                .collect();
            let significant = |p: Option<f64>| u32::from(p.unwrap() <= 0.05);
            flips += significant(test.sign_flip(&clusters, &[&name]));
            shuffles += significant(test.shuffle(&clusters[..8], &clusters[8..], &[&name]));
        }
        assert!((8..34).contains(&flips) && (8..34).contains(&shuffles), "{flips} {shuffles}");
    }

    #[test]
    fn no_difference_is_no_evidence() {
        let test = Permutation { run_seed: 42, permutations: 99 };
        assert_eq!(test.sign_flip(&singles(&[0.0; 8]), &["zero"]), Some(1.0));
        assert_eq!(test.shuffle(&singles(&[0.3; 5]), &singles(&[0.3; 4]), &["same"]), Some(1.0));
    }

    #[test]
    fn the_least_p_value_is_one_in_b_plus_one() {
        let test = Permutation { run_seed: 42, permutations: 99 };
        assert_eq!(test.sign_flip(&singles(&[1.0; 60]), &["clear"]), Some(0.01));
        let p = test.shuffle(&singles(&[1.0; 40]), &singles(&[2.0; 30]), &["clear"]);
        assert_eq!(p, Some(0.01));
    }

    #[test]
    fn nothing_cannot_be_tested() {
        let test = Permutation::new(42);
        assert_eq!(test.sign_flip(&[], &["none"]), None);
        assert_eq!(test.shuffle(&[], &singles(&[1.0]), &["none"]), None);
        assert_eq!(test.sign_flip(&singles(&[f64::NAN]), &["nan"]), None);
    }

    #[test]
    fn a_cluster_moves_as_one() {
        // Forty equal differences are strong evidence; in two clusters they are none.
        let apart = singles(&[1.0; 40]);
        let together = [Cluster { sum: 20.0, count: 20 }; 2];
        let test = Permutation::new(42);
        near(test.sign_flip(&apart, &["apart"]), 1e-4);
        near(test.sign_flip(&together, &["together"]), 0.5);
    }

    #[test]
    fn swapping_sides_of_pairs_is_flipping_signs() {
        let first = singles(&[1.0, 2.0, 3.0, 4.0]);
        let second = singles(&[2.0, 3.0, 4.0, 5.0]);
        // All four differences are 1: 2 of 16 sign patterns are as extreme.
        near(Permutation::new(7).swap(&first, &second, &["pairs"]), 2.0 / 16.0);
        assert_eq!(Permutation::new(7).swap(&[], &[], &["nothing"]), None);
    }

    #[test]
    fn an_item_may_be_on_one_side_alone() {
        let nothing = Cluster { sum: 0.0, count: 0 };
        let (first, second) = ([Cluster::single(1.0), nothing], [nothing, Cluster::single(3.0)]);
        // Two of four swaps leave a side empty, the other two are as extreme as what was seen.
        near(Permutation::new(7).swap(&first, &second, &["apart"]), 0.5);
        assert_eq!(Permutation::new(7).swap(&first, &[nothing; 2], &["empty"]), None);
    }
}
