//! Intervals of the grid. Candidates that saw the same examples do not vary independently; they are
//! clustered by the first item that was drawn for them (a candidate has two to four, and no partition
//! holds all of them together).
//!
//! Every cell is resampled with the same draws, so that two cells differ by their rules alone.

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use rayon::prelude::*;

use crate::bootstrap::{self, Cluster, Estimate};

/// Which candidates were drawn beside which item.
pub(super) struct Leads {
    /// Places of candidates.
    groups: Vec<Vec<usize>>,
}

impl Leads {
    pub(super) fn of(candidates: &[&Candidate]) -> Self {
        let mut groups: BTreeMap<ItemId, Vec<usize>> = BTreeMap::new();
        for (at, candidate) in candidates.iter().enumerate() {
            let lead = candidate.examples.first().copied().unwrap_or(candidate.id);
            groups.entry(lead).or_default().push(at);
        }
        Self { groups: groups.into_values().collect() }
    }

    /// The values by cluster; clusters without any are left out.
    pub(super) fn cluster(&self, value: impl Fn(usize) -> Option<f64>) -> Vec<Cluster> {
        let cluster = |group: &Vec<usize>| {
            let (mut sum, mut count) = (0.0, 0);
            for value in group.iter().filter_map(|&at| value(at)) {
                sum += value;
                count += 1;
            }
            (count > 0).then_some(Cluster { sum, count })
        };
        self.groups.iter().filter_map(cluster).collect()
    }
}

/// The mean of each sample with its interval, in their order. Equal samples, and a grid has many, are
/// reckoned once.
pub(super) fn means(samples: &[Vec<Cluster>], run_seed: u64) -> Vec<Estimate> {
    let bits = |sample: &[Cluster]| -> Vec<(u64, u32)> {
        sample.iter().map(|cluster| (cluster.sum.to_bits(), cluster.count)).collect()
    };
    let different: BTreeMap<Vec<(u64, u32)>, &Vec<Cluster>> =
        samples.iter().map(|sample| (bits(sample), sample)).collect();
    let estimates: BTreeMap<&Vec<(u64, u32)>, Estimate> = different
        .par_iter()
        .map(|(bits, sample)| (bits, bootstrap::mean(sample, run_seed, &["rescore"])))
        .collect();
    samples.iter().map(|sample| estimates[&bits(sample)]).collect()
}
