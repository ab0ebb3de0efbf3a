//! One experiment under several run seeds: how far the seeds lie apart, beside how uncertain each of
//! them is by itself.
//!
//! The two are different things. An interval within a seed says how the number would vary over other
//! candidates drawn in the same way; it knows nothing of what a seed decides for all of them at once
//! (which models meet which items, what the first round puts into the pool). The spread between seeds
//! holds both. Where it is much larger than the standard errors within, a difference between variants
//! under one seed is not to be trusted (METHOD.md, E7).

use std::collections::BTreeMap;

use gra_synth::pool::ItemId;

use crate::frames::{MU, PASSED, RowMeasure, RowValues};
use crate::proportion::Z;
use crate::statistics::bootstrap::{CONFIDENCE, Estimate};
use crate::stats::measure::{MeasureTable, MeasureValue};
use crate::trial::{self, TrialFacts};

// Z is the number of standard errors to each side of a normal interval of this confidence.
const _: () = assert!(CONFIDENCE == 0.95, "Z belongs to it");

const TOO_FEW: &str = "it takes two seeds with a value";
const NO_INTERVAL: &str = "no seed has an interval";
const NO_TRIAL: &str = "it was not run under this seed";
const NO_VALUE: &str = "it has no value under this seed";

/// What is compared over seeds.
const COMPARED: [(&str, RowMeasure); 2] = [("acceptance", PASSED), ("mu of reviewed", MU)];

/// The variants side by side: per quantity the mean over seeds, the standard deviation between them, the
/// standard error within one, and each seed's own estimate.
#[must_use]
pub fn seed_sweep(seeds: &BTreeMap<u64, Vec<TrialFacts>>) -> MeasureTable {
    let mut names: Vec<String> = Vec::new();
    // In the order in which the seeds first name them: the reference comes first.
    for trial in seeds.values().flatten() {
        if !names.contains(&trial.variant) {
            names.push(trial.variant.clone());
        }
    }
    // By seed, then variant; a variant that a seed did not run has nothing there.
    let of_seed = |(&seed, trials): (&u64, &Vec<TrialFacts>)| {
        let rows = names.iter().map(|variant| {
            let trial = trials.iter().find(|trial| trial.variant == *variant)?;
            Some(trial::values(&trial.candidates, COMPARED.map(|(_, measure)| measure)))
        });
        (seed, rows.collect())
    };
    let rows: BTreeMap<u64, Vec<Option<RowValues<ItemId>>>> = seeds.iter().map(of_seed).collect();
    let mut table = MeasureTable::new(names.clone());
    for (measure, (name, _)) in COMPARED.into_iter().enumerate() {
        let estimates = |(&seed, rows): (&u64, &Vec<Option<RowValues<ItemId>>>)| {
            let mean = |rows: &RowValues<ItemId>| rows.mean(measure, seed, &["seed-sweep", name]);
            (seed, rows.iter().map(|rows| rows.as_ref().map(mean)).collect())
        };
        let found: Vec<(u64, Vec<Option<Estimate>>)> = rows.iter().map(estimates).collect();
        let of_variant = |place: usize| -> Vec<Estimate> {
            found.iter().filter_map(|(_, estimates)| estimates[place]).collect()
        };
        let mut push = |what: &str, cell: fn(&[Estimate]) -> MeasureValue| {
            let cells = (0..names.len()).map(|place| cell(&of_variant(place))).collect();
            table.push("over seeds", format!("{name}, {what}"), cells);
        };
        push("mean of seeds", |estimates| {
            MeasureValue::exact(mean(&values(estimates)), estimates.len(), TOO_FEW)
        });
        push("deviation between seeds", |estimates| {
            MeasureValue::exact(deviation(&values(estimates)), estimates.len(), TOO_FEW)
        });
        push("standard error within a seed", |estimates| {
            MeasureValue::exact(within(estimates), estimates.len(), NO_INTERVAL)
        });
        for (seed, estimates) in &found {
            let cell = |estimate: &Option<Estimate>| {
                estimate.map_or(MeasureValue::Absent(NO_TRIAL), |found| {
                    MeasureValue::or_absent(found, NO_VALUE)
                })
            };
            let cells = estimates.iter().map(cell).collect();
            table.push("by seed", format!("{name}, seed {seed}"), cells);
        }
    }
    table
}

fn values(estimates: &[Estimate]) -> Vec<f64> {
    estimates.iter().filter_map(|estimate| estimate.value).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Root mean square of the seeds' standard errors, taken from the widths of their intervals.
fn within(estimates: &[Estimate]) -> Option<f64> {
    let errors = estimates.iter().filter_map(|estimate| estimate.interval);
    // A percentile interval is about as wide as a normal one of the same standard error.
    let squares: Vec<f64> =
        errors.map(|interval| ((interval.high - interval.low) / (2.0 * Z)).powi(2)).collect();
    mean(&squares).map(f64::sqrt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial_by_hand::{accepted, rejected};

    fn trial(variant: &str, passed: u32, of: u32) -> TrialFacts {
        let candidates =
            (0..of).map(|n| if n < passed { accepted(n) } else { rejected(n) }).collect();
        TrialFacts { variant: variant.to_owned(), candidates, calls: Vec::new() }
    }

    fn value(table: &MeasureTable, measure: &str) -> Option<f64> {
        table.measures().iter().find(|found| found.name == measure)?.cells[0].value()
    }

    #[test]
    fn spread_between_seeds_is_apart_from_error_within_one() {
        let seeds = BTreeMap::from([
            (42, vec![trial("gra", 2, 10)]),
            (43, vec![trial("gra", 4, 10)]),
            (44, vec![trial("gra", 6, 10)]),
        ]);
        let table = seed_sweep(&seeds);
        assert!((value(&table, "acceptance, mean of seeds").unwrap() - 0.4).abs() < 1e-12);
        assert!(
            (value(&table, "acceptance, deviation between seeds").unwrap() - 0.2).abs() < 1e-12
        );
        assert_eq!(value(&table, "acceptance, seed 43"), Some(0.4));
        // A share of ten has a standard error of about 0.15.
        let within = value(&table, "acceptance, standard error within a seed").unwrap();
        assert!((0.08..0.2).contains(&within), "{within}");
    }

    #[test]
    fn seeds_need_not_have_the_same_variants() {
        let seeds = BTreeMap::from([
            (1, vec![trial("gra", 2, 10), trial("free", 9, 10)]),
            (2, vec![trial("gra", 4, 10)]),
        ]);
        let table = seed_sweep(&seeds);
        assert_eq!(table.data_sets(), ["gra", "free"]);
        let second = table.measures().iter().find(|found| found.name == "acceptance, seed 2");
        let free = &second.unwrap().cells[1];
        assert_eq!((free.value(), free.why_absent()), (None, Some(NO_TRIAL)));
    }

    #[test]
    fn one_seed_has_no_spread() {
        let table = seed_sweep(&BTreeMap::from([(42, vec![trial("gra", 2, 10)])]));
        assert_eq!(value(&table, "acceptance, deviation between seeds"), None);
        assert_eq!(value(&table, "acceptance, mean of seeds"), Some(0.2));
        assert!(seed_sweep(&BTreeMap::new()).measures().is_empty());
    }
}
