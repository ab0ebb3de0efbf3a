//! How data sets differ from the first one.
//!
//! Data sets that were made from one seed set share its items, and such items are resampled for both
//! sides together: what they have in common is taken out of the difference. Any others are taken as
//! independent, each resampled by itself. The p-values of all differences of a table are one family of
//! tests, and Holm-corrected.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::PolarsResult;

use super::MeasuredSet;
use crate::frames::{RowMeasure, RowValues};
use crate::statistics::bootstrap::{Bootstrap, Cluster, Clusters, Estimate, ResampledSide};
use crate::statistics::holm::holm;
use crate::statistics::permutation::Permutation;
use crate::stats::measure::{MeasureTable, MeasureValue};

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
    /// Of there being none, Holm-corrected for all differences of the table.
    pub p: Option<f64>,
    /// Whether both were made from one seed set.
    pub is_paired: bool,
}

/// The differences of means from the first data set, by measure.
pub(super) fn contrasts(
    data_sets: &[MeasuredSet],
    bootstrap: Bootstrap,
) -> PolarsResult<Vec<Contrast>> {
    let values =
        |set: &MeasuredSet| set.values(COMPARED.map(|(_, column)| RowMeasure::column(column)));
    let values: Vec<RowValues<String>> =
        data_sets.iter().map(values).collect::<PolarsResult<_>>()?;
    let mut contrasts = Vec::new();
    for (place, (measure, column)) in COMPARED.into_iter().enumerate() {
        for (set, of_set) in data_sets.iter().zip(&values).skip(1) {
            let seed_set = &data_sets[0].seed_set;
            let is_paired = seed_set.is_some() && *seed_set == set.seed_set;
            let sides = [values[0].clusters(place), of_set.clusters(place)];
            // Sides of one seed set are resampled together: what the items have in common cancels.
            let compare = if is_paired { paired } else { apart };
            let (difference, p) = compare(&sides, bootstrap, column);
            let data_set = set.name.clone();
            contrasts.push(Contrast { measure, data_set, difference, p, is_paired });
        }
    }
    let p_values: Vec<Option<f64>> = contrasts.iter().map(|contrast| contrast.p).collect();
    for (contrast, p) in contrasts.iter_mut().zip(holm(&p_values)) {
        contrast.p = p;
    }
    Ok(contrasts)
}

/// Adds the differences to a table of as many data sets as they are about, and the first.
pub(super) fn describe(contrasts: &[Contrast], table: &mut MeasureTable) {
    let others = table.data_sets().len().saturating_sub(1);
    if others == 0 {
        return;
    }
    for row in contrasts.chunks(others) {
        let (mut differences, mut ps) = (
            vec![MeasureValue::Inapplicable(REFERENCE)],
            vec![MeasureValue::Inapplicable(REFERENCE)],
        );
        for Contrast { difference, p, .. } in row {
            differences.push(MeasureValue::or_absent(*difference, NO_PAIR));
            ps.push(MeasureValue::exact(*p, difference.n, NO_PAIR));
        }
        let measure = row[0].measure;
        table.push("against the first", format!("{measure}, difference"), differences);
        table.push("against the first", format!("{measure}, p after Holm"), ps);
    }
}

type ByOrigin<'a> = BTreeMap<&'a String, Cluster>;

/// Sides that share no seed item.
fn apart(sides: &[ByOrigin; 2], bootstrap: Bootstrap, column: &str) -> (Estimate, Option<f64>) {
    let [first, second] =
        sides.each_ref().map(|side| -> Vec<Cluster> { side.values().copied().collect() });
    let clusters = [first.len(), second.len()].map(Clusters::singles);
    let name = ["contrast", column];
    let [difference] = bootstrap.between(
        &ResampledSide {
            clusters: &clusters[0],
            statistics: |weights: &[u32]| [mean(&first, weights)],
        },
        &ResampledSide {
            clusters: &clusters[1],
            statistics: |weights: &[u32]| [mean(&second, weights)],
        },
        &name,
    );
    // Without replicates the caller wants values alone, and no test either.
    let testable = bootstrap.replicates > 0 && !first.is_empty() && !second.is_empty();
    let test = Permutation::new(bootstrap.run_seed);
    (difference, if testable { test.shuffle(&first, &second, &name) } else { None })
}

/// Sides that go back to the same seed items, though not each to all of them.
fn paired(sides: &[ByOrigin; 2], bootstrap: Bootstrap, column: &str) -> (Estimate, Option<f64>) {
    let nothing = Cluster { sum: 0.0, count: 0 };
    let origins: BTreeSet<&String> = sides.iter().flat_map(|side| side.keys().copied()).collect();
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
