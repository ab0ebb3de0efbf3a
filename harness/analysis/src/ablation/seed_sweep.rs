//! One experiment under several run seeds: how far the seeds lie apart, beside how uncertain each of
//! them is by itself.
//!
//! The two are different things. An interval within a seed says how the number would vary over other
//! candidates drawn in the same way; it knows nothing of what a seed decides for all of them at once
//! (which models meet which items, what the first round puts into the pool). The spread between seeds
//! holds both. Where it is much larger than the standard errors within, a difference between variants
//! under one seed is not to be trusted (METHOD.md, E7).

use std::collections::BTreeMap;

use crate::ablation::comparison::{Compared, Comparison, Difference, compare};
use crate::statistics::inference::Inference;
use crate::stats::measure::{MeasureTable, MeasureValue};
use crate::trial::TrialFacts;

const TOO_FEW: &str = "it takes two seeds with a value";
const NO_INTERVAL: &str = "no seed has an interval";
const NO_TRIAL: &str = "it was not run under this seed";
const NO_VALUE: &str = "it has no value under this seed";

type DifferenceOf = fn(&Comparison) -> Difference;

/// What is compared over seeds, in the order of [`Compared`]'s measures.
const QUANTITIES: [(&str, DifferenceOf); 2] = [
    ("acceptance", |comparison| comparison.acceptance),
    ("mu of reviewed", |comparison| comparison.mu),
];

/// The variants side by side: per quantity the mean over seeds, the standard deviation between them, the
/// standard error within one, each seed's own estimate, and the mean over seeds of the difference to the first variant,
/// candidate by candidate within a seed.
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
            Compared::from_candidates(&trial.candidates).ok()
        });
        (seed, rows.collect())
    };
    let rows: BTreeMap<u64, Vec<Option<Compared>>> = seeds.iter().map(of_seed).collect();
    let mut table = MeasureTable::new(names.clone());
    for (measure, (name, difference)) in QUANTITIES.into_iter().enumerate() {
        let means = |(&seed, rows): (&u64, &Vec<Option<Compared>>)| {
            let mean = |rows: &Option<Compared>| rows.as_ref()?.mean(measure);
            (seed, rows.iter().map(mean).collect())
        };
        let found: Vec<(u64, Vec<Option<Inference>>)> = rows.iter().map(means).collect();
        let of_variant = |place: usize| -> Vec<Inference> {
            found.iter().filter_map(|(_, means)| means[place]).collect()
        };
        let mut push = |what: &str, cell: &dyn Fn(usize) -> MeasureValue| {
            let cells = (0..names.len()).map(cell).collect();
            table.push("over seeds", format!("{name}, {what}"), cells);
        };
        push("mean of seeds", &|place| {
            let values = values(&of_variant(place));
            MeasureValue::exact(mean(&values), values.len(), TOO_FEW)
        });
        push("deviation between seeds", &|place| {
            let values = values(&of_variant(place));
            MeasureValue::exact(deviation(&values), values.len(), TOO_FEW)
        });
        push("standard error within a seed", &|place| {
            let means = of_variant(place);
            MeasureValue::exact(within(&means), means.len(), NO_INTERVAL)
        });
        push("difference to the first", &|place| {
            if place == 0 {
                return MeasureValue::Inapplicable("it is the first");
            }
            // Within a seed the two draw the same candidates; what a seed decides for all of them cancels.
            let of_seed = |rows: &Vec<Option<Compared>>| {
                let (first, other) = rows[0].as_ref().zip(rows[place].as_ref())?;
                difference(&compare(first, other)).estimate.value
            };
            let differences: Vec<f64> = rows.values().filter_map(of_seed).collect();
            match Inference::of_runs(&differences) {
                Some(mean) => MeasureValue::Known(mean.estimate()),
                None => MeasureValue::Absent(TOO_FEW),
            }
        });
        for (seed, means) in &found {
            let cell = |mean: &Option<Inference>| {
                mean.map_or(MeasureValue::Absent(NO_VALUE), |found| {
                    MeasureValue::Known(found.estimate())
                })
            };
            let missing = |place: usize| rows[seed][place].is_none();
            let cell = |(place, mean)| {
                if missing(place) { MeasureValue::Absent(NO_TRIAL) } else { cell(mean) }
            };
            let cells = means.iter().enumerate().map(cell).collect();
            table.push("by seed", format!("{name}, seed {seed}"), cells);
        }
    }
    table
}

fn values(means: &[Inference]) -> Vec<f64> {
    means.iter().map(|mean| mean.value).collect()
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

/// Root mean square of the seeds' standard errors.
fn within(means: &[Inference]) -> Option<f64> {
    let errors = means.iter().filter_map(Inference::standard_error);
    mean(&errors.map(|error| error.powi(2)).collect::<Vec<_>>()).map(f64::sqrt)
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
            (42, vec![trial("gra", 4, 20)]),
            (43, vec![trial("gra", 8, 20)]),
            (44, vec![trial("gra", 12, 20)]),
        ]);
        let table = seed_sweep(&seeds);
        assert!((value(&table, "acceptance, mean of seeds").unwrap() - 0.4).abs() < 1e-12);
        assert!(
            (value(&table, "acceptance, deviation between seeds").unwrap() - 0.2).abs() < 1e-12
        );
        assert_eq!(value(&table, "acceptance, seed 43"), Some(0.4));
        // A share of twenty has a standard error of about 0.11.
        let within = value(&table, "acceptance, standard error within a seed").unwrap();
        assert!((0.08..0.14).contains(&within), "{within}");
    }

    #[test]
    fn seeds_need_not_have_the_same_variants() {
        let seeds = BTreeMap::from([
            (1, vec![trial("gra", 4, 20), trial("free", 18, 20)]),
            (2, vec![trial("gra", 8, 20)]),
        ]);
        let table = seed_sweep(&seeds);
        assert_eq!(table.data_sets(), ["gra", "free"]);
        let second = table.measures().iter().find(|found| found.name == "acceptance, seed 2");
        let free = &second.unwrap().cells[1];
        assert_eq!((free.value(), free.why_absent()), (None, Some(NO_TRIAL)));
    }

    #[test]
    fn differences_are_paired_within_a_seed() {
        // Seeds lie far apart, and the variant passes two or three candidates more under each.
        let seed = |passed: u32, more: u32| {
            vec![trial("gra", passed, 20), trial("free", passed + more, 20)]
        };
        let seeds = BTreeMap::from([(1, seed(2, 2)), (2, seed(9, 3)), (3, seed(15, 2))]);
        let table = seed_sweep(&seeds);
        let found =
            table.measures().iter().find(|m| m.name == "acceptance, difference to the first");
        let cells = &found.unwrap().cells;
        assert_eq!((cells[0].value(), cells[1].n()), (None, Some(3)));
        assert!((cells[1].value().unwrap() - 7.0 / 60.0).abs() < 1e-12);
        // t with two degrees of freedom: 4.303 standard errors of 1/60.
        let interval = cells[1].interval().unwrap();
        assert!(
            (interval.high - interval.low - 2.0 * 4.302_652_73 / 60.0).abs() < 1e-6,
            "{interval:?}"
        );
    }

    #[test]
    fn one_seed_has_no_spread() {
        let table = seed_sweep(&BTreeMap::from([(42, vec![trial("gra", 4, 20)])]));
        assert_eq!(value(&table, "acceptance, deviation between seeds"), None);
        assert_eq!(value(&table, "acceptance, mean of seeds"), Some(0.2));
        assert!(seed_sweep(&BTreeMap::new()).measures().is_empty());
    }
}
