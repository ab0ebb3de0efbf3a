//! How data sets differ from the first one.
//!
//! The data sets are taken as independent: each is resampled by itself. Two that share seed items (two
//! variants of one experiment) are nearer to each other than that, so the intervals are too wide for
//! them rather than too narrow; [`crate::ablation`] compares such candidate by candidate. The p-values
//! of all differences of a table are one family of tests, corrected after Holm.

use super::Columns;
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

/// A difference of means, and the p-value of there being none.
struct Contrast {
    difference: Estimate,
    p: Option<f64>,
}

/// Adds the differences of means, where there are two data sets or more.
pub(super) fn describe(columns: &[Columns], bootstrap: Bootstrap, table: &mut MeasureTable) {
    let Some((reference, others)) = columns.split_first() else { return };
    let contrasts: Vec<Vec<Contrast>> = COMPARED
        .iter()
        .map(|(_, column)| {
            let first = reference.clusters(column, Some);
            let contrast =
                |of: &Columns| compare(&first, &of.clusters(column, Some), bootstrap, column);
            others.iter().map(contrast).collect()
        })
        .collect();
    let p_values: Vec<Option<f64>> =
        contrasts.iter().flatten().map(|contrast| contrast.p).collect();
    let mut adjusted = holm(&p_values).into_iter();
    for ((name, _), contrasts) in COMPARED.iter().zip(contrasts) {
        let (mut differences, mut ps) =
            (vec![Cell::Inapplicable(REFERENCE)], vec![Cell::Inapplicable(REFERENCE)]);
        for contrast in contrasts {
            let n = contrast.difference.n;
            differences.push(Cell::or_absent(contrast.difference, NO_PAIR));
            ps.push(Cell::exact(adjusted.next().flatten(), n, NO_PAIR));
        }
        table.push("against the first", format!("{name}, difference"), differences);
        table.push("against the first", format!("{name}, p after Holm"), ps);
    }
}

fn compare(first: &[Cluster], second: &[Cluster], bootstrap: Bootstrap, column: &str) -> Contrast {
    let clusters = [first, second].map(|side| Clusters::singles(side.len()));
    let name = ["contrast", column];
    let [difference] = bootstrap.between(
        &Group { clusters: &clusters[0], statistics: |weights: &[u32]| [mean(first, weights)] },
        &Group { clusters: &clusters[1], statistics: |weights: &[u32]| [mean(second, weights)] },
        &name,
    );
    let test = Permutation::new(bootstrap.run_seed);
    let testable = bootstrap.replicates > 0 && !first.is_empty() && !second.is_empty();
    let p = if testable { test.shuffle(first, second, &name) } else { None };
    Contrast { difference, p }
}

fn mean(clusters: &[Cluster], weights: &[u32]) -> Option<f64> {
    let weighted = clusters.iter().zip(weights);
    let (sum, count) = weighted.fold((0.0, 0.0), |(sum, count), (cluster, &weight)| {
        let weight = f64::from(weight);
        (sum + cluster.sum * weight, count + f64::from(cluster.count) * weight)
    });
    (count > 0.0).then(|| sum / count)
}
