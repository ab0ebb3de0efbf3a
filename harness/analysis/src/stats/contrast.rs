//! How data sets differ from the first one.
//!
//! Data sets that were made from one seed set share its items, and such items are resampled for both
//! sides together: what they have in common is taken out of the difference. Any others are taken as
//! independent, each resampled by itself. The p-values of all differences of a table are one family of
//! tests, corrected after Holm.

use std::collections::{BTreeMap, BTreeSet};

use super::{Columns, Subject};
use crate::bootstrap::{Bootstrap, Cluster, Clusters, Estimate, Group};
use crate::holm::holm;
use crate::measure::{Cell, MeasureTable};
use crate::permutation::Permutation;

/// What is compared: a name for readers, and a column.
const COMPARED: [(&str, &str); 7] = [
    ("words of instruction", "instruction_words"),
    ("words of response", "response_words"),
    ("mu", "mu"),
    ("judge's score", "judge"),
    ("loss-ratio", "loss_ratio"),
    ("perplexity-ratio", "perplexity_ratio"),
    ("distance to nearest", "nearest_distance"),
];

const REFERENCE: &str = "the others are compared with it";
const NO_PAIR: &str = "one of the two has no value";

/// A difference of means: a data set's minus the first one's.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// E.g. `words of instruction`.
    pub measure: &'static str,
    /// The data set.
    pub data_set: String,
    /// In the unit of the measure; its n counts the seed items or samples behind it.
    pub difference: Estimate,
    /// Of there being none, corrected after Holm for all differences of the table.
    pub p: Option<f64>,
    /// Whether both were made from one seed set.
    pub is_paired: bool,
}

/// The differences of means from the first data set, by measure.
pub(super) fn contrasts(
    subjects: &[Subject],
    columns: &[Columns],
    bootstrap: Bootstrap,
) -> Vec<Contrast> {
    let mut sides = subjects.iter().zip(columns);
    let Some((reference, first)) = sides.next() else { return Vec::new() };
    let others: Vec<(&Subject, &Columns)> = sides.collect();
    let mut contrasts = Vec::new();
    for (measure, column) in COMPARED {
        for (subject, columns) in &others {
            let is_paired = reference.seed_set.is_some() && reference.seed_set == subject.seed_set;
            let sides = [first.by_origin(column), columns.by_origin(column)];
            let (difference, p) = if is_paired {
                paired(&sides, bootstrap, column)
            } else {
                apart(&sides, bootstrap, column)
            };
            let data_set = subject.name.clone();
            contrasts.push(Contrast { measure, data_set, difference, p, is_paired });
        }
    }
    let p_values: Vec<Option<f64>> = contrasts.iter().map(|contrast| contrast.p).collect();
    for (contrast, p) in contrasts.iter_mut().zip(holm(&p_values)) {
        contrast.p = p;
    }
    contrasts
}

/// Adds the differences to a table of as many data sets as they are about, and the first.
pub(super) fn describe(contrasts: &[Contrast], table: &mut MeasureTable) {
    let others = table.data_sets().len().saturating_sub(1);
    if others == 0 {
        return;
    }
    for row in contrasts.chunks(others) {
        let (mut differences, mut ps) =
            (vec![Cell::Inapplicable(REFERENCE)], vec![Cell::Inapplicable(REFERENCE)]);
        for Contrast { difference, p, .. } in row {
            differences.push(Cell::or_absent(*difference, NO_PAIR));
            ps.push(Cell::exact(*p, difference.n, NO_PAIR));
        }
        let measure = row[0].measure;
        table.push("against the first", format!("{measure}, difference"), differences);
        table.push("against the first", format!("{measure}, p after Holm"), ps);
    }
}

type ByOrigin<'a> = BTreeMap<&'a str, Cluster>;

/// Sides that share no seed item.
fn apart(sides: &[ByOrigin; 2], bootstrap: Bootstrap, column: &str) -> (Estimate, Option<f64>) {
    let [first, second] =
        sides.each_ref().map(|side| -> Vec<Cluster> { side.values().copied().collect() });
    let clusters = [first.len(), second.len()].map(Clusters::singles);
    let name = ["contrast", column];
    let [difference] = bootstrap.between(
        &Group { clusters: &clusters[0], statistics: |weights: &[u32]| [mean(&first, weights)] },
        &Group { clusters: &clusters[1], statistics: |weights: &[u32]| [mean(&second, weights)] },
        &name,
    );
    let testable = bootstrap.replicates > 0 && !first.is_empty() && !second.is_empty();
    let test = Permutation::new(bootstrap.run_seed);
    (difference, if testable { test.shuffle(&first, &second, &name) } else { None })
}

/// Sides that go back to the same seed items, though not each to all of them.
fn paired(sides: &[ByOrigin; 2], bootstrap: Bootstrap, column: &str) -> (Estimate, Option<f64>) {
    let nothing = Cluster { sum: 0.0, count: 0 };
    let origins: BTreeSet<&str> = sides.iter().flat_map(|side| side.keys().copied()).collect();
    let [first, second] = sides.each_ref().map(|side| -> Vec<Cluster> {
        origins.iter().map(|origin| side.get(origin).copied().unwrap_or(nothing)).collect()
    });
    let clusters = Clusters::singles(origins.len());
    let name = ["contrast", column];
    let [difference] = bootstrap.paired(
        &clusters,
        &name,
        |weights| [mean(&first, weights)],
        |weights| [mean(&second, weights)],
    );
    let test = Permutation::new(bootstrap.run_seed);
    let p = if bootstrap.replicates > 0 { test.swap(&first, &second, &name) } else { None };
    (difference, p)
}

fn mean(clusters: &[Cluster], weights: &[u32]) -> Option<f64> {
    let weighted = clusters.iter().zip(weights);
    let (sum, count) = weighted.fold((0.0, 0.0), |(sum, count), (cluster, &weight)| {
        let weight = f64::from(weight);
        (sum + cluster.sum * weight, count + f64::from(cluster.count) * weight)
    });
    (count > 0.0).then(|| sum / count)
}
