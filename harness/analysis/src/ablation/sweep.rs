//! One experiment at several places of an axis, run seeds or seed sets: how far the places lie apart, beside how
//! uncertain each of them is by itself.
//!
//! The two are different things. An interval within a run seed says how the number would vary over other
//! candidates drawn in the same way; it knows nothing of what a seed decides for all of them at once
//! (which models meet which items, what the first round puts into the pool). The spread between seeds
//! holds both. Where it is much larger than the standard errors within, a difference between variants
//! under one seed is not to be trusted (METHOD.md, E7). Of seed sets the same holds, and the mean over them is what the
//! paper's Table 1 has in mind when it gives a row to each.

use std::collections::BTreeSet;

use super::{Compared, Comparison, Difference, compare};
use crate::statistics::inference::Inference;
use crate::stats::measure::{Measure, MeasureTable, MeasureValue};
use crate::trial::TrialFacts;

const TOO_FEW: &str = "it takes two with a value";
const NO_INTERVAL: &str = "none has an interval";
const NO_TRIAL: &str = "it was not run there";
const NO_VALUE: &str = "it has no value there";
const IS_FIRST: &str = "it is the first";

type DifferenceOf = fn(&Comparison) -> Difference;

/// A statistic of a variant's means at several places.
type OfMeans = fn(&[Inference]) -> Option<f64>;

/// What is compared over places, in the order of [`Compared`]'s measures, and what it can be at most; nothing is below 0.
const QUANTITIES: [(&str, DifferenceOf, f64); 2] = [
    ("acceptance", |comparison| comparison.acceptance, 1.0),
    ("mu of reviewed", |comparison| comparison.mu, 10.0),
];

/// What the places of a sweep differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepAxis {
    /// The seed of every draw.
    RunSeed,
    /// The seed set that the first round starts from.
    SeedSet,
}

impl SweepAxis {
    /// One place, in words.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::RunSeed => "seed",
            Self::SeedSet => "seed set",
        }
    }

    /// The groups of a table: over all places, and by place.
    const fn groups(self) -> [&'static str; 2] {
        match self {
            Self::RunSeed => ["over seeds", "by seed"],
            Self::SeedSet => ["over seed sets", "by seed set"],
        }
    }
}

/// What was run at one place of an axis.
#[derive(Clone, Debug)]
pub struct SweepPlace<'a> {
    /// E.g. `43`, or `alpaca`.
    pub name: String,
    /// The variants' trials under each run seed; a place of [`SweepAxis::RunSeed`] has one such run.
    pub runs: Vec<Vec<&'a TrialFacts>>,
}

/// A variant's trial, as far as it is compared.
struct Run {
    compared: Compared,
    samples: usize,
}

/// What is known of the variants at a place.
struct Place<'a> {
    name: &'a str,
    /// By run seed, then by variant; a variant that was not run has nothing there.
    runs: Vec<Vec<Option<Run>>>,
    /// By variant, then by quantity.
    means: Vec<[Option<Inference>; QUANTITIES.len()]>,
}

impl<'a> Place<'a> {
    fn of(place: &'a SweepPlace<'_>, names: &[String]) -> Self {
        let run = |trials: &Vec<&TrialFacts>| -> Vec<Option<Run>> {
            let of_variant = |variant: &String| {
                let trial = trials.iter().find(|trial| trial.variant == *variant)?;
                let compared = Compared::from_candidates(&trial.candidates).ok()?;
                let samples = trial.candidates.iter().filter(|one| one.is_sample()).count();
                Some(Run { compared, samples })
            };
            names.iter().map(of_variant).collect()
        };
        let runs: Vec<Vec<Option<Run>>> = place.runs.iter().map(run).collect();
        // A run's own inference where there is one; of several only their spread says how far a place may be off.
        let mean_of = |variant: usize, measure: usize| {
            let of_run = |run: &Vec<Option<Run>>| run[variant].as_ref()?.compared.mean(measure);
            let means: Vec<Inference> = runs.iter().filter_map(of_run).collect();
            if let [one] = means[..] { Some(one) } else { Inference::of_runs(&values(&means)) }
        };
        let of_variant = |variant| std::array::from_fn(|measure| mean_of(variant, measure));
        let means = (0..names.len()).map(of_variant).collect();
        Self { name: &place.name, runs, means }
    }

    /// How many samples each run of a variant has.
    fn samples(&self, variant: usize) -> Vec<usize> {
        let runs = self.runs.iter();
        runs.filter_map(|run| Some(run[variant].as_ref()?.samples)).collect()
    }

    /// The mean over runs of a variant's difference to the first. Within a run the two draw the same candidates; what a
    /// place decides for all of them cancels.
    fn difference(&self, variant: usize, difference: DifferenceOf) -> Option<f64> {
        let of_run = |run: &Vec<Option<Run>>| {
            let (first, other) = run[0].as_ref().zip(run[variant].as_ref())?;
            difference(&compare(&first.compared, &other.compared)).estimate.value
        };
        mean(&self.runs.iter().filter_map(of_run).collect::<Vec<_>>())
    }
}

/// The variants side by side: per quantity the mean over places, the standard deviation between them, the
/// standard error within one, each place's own estimate, and the mean over places of the difference to the first
/// variant, candidate by candidate within a run. A place of several runs counts as their mean.
#[must_use]
pub fn sweep(axis: SweepAxis, places: &[SweepPlace<'_>]) -> MeasureTable {
    let mut names: Vec<String> = Vec::new();
    // In the order in which the places first name them: the reference comes first.
    for trial in places.iter().flat_map(|place| &place.runs).flatten() {
        if !names.contains(&trial.variant) {
            names.push(trial.variant.clone());
        }
    }
    let places: Vec<Place> = places.iter().map(|place| Place::of(place, &names)).collect();
    let (one, [over, by]) = (axis.one(), axis.groups());
    let mut table = MeasureTable::new(names.clone());
    let mut push = |group, name: String, cell: &dyn Fn(usize) -> MeasureValue| {
        table.push(group, name, (0..names.len()).map(cell).collect());
    };
    for (measure, (name, difference, most)) in QUANTITIES.into_iter().enumerate() {
        // Over the places that have a mean of the variant.
        let over_places: [(String, OfMeans, &str); 3] = [
            (format!("mean of {one}s"), |means| mean(&values(means)), TOO_FEW),
            (format!("deviation between {one}s"), |means| deviation(&values(means)), TOO_FEW),
            (format!("standard error within a {one}"), within, NO_INTERVAL),
        ];
        for (what, of, why) in over_places {
            push(over, format!("{name}, {what}"), &|variant| {
                let means = places.iter().filter_map(|place| place.means[variant][measure]);
                let means: Vec<Inference> = means.collect();
                MeasureValue::exact(of(&means), means.len(), why)
            });
        }
        push(over, format!("{name}, difference to the first"), &|variant| {
            let of_place = |place: &Place| place.difference(variant, difference);
            match variant {
                0 => MeasureValue::Inapplicable(IS_FIRST),
                _ => {
                    mean_over(&places.iter().filter_map(of_place).collect::<Vec<_>>(), -most, most)
                }
            }
        });
        for place in &places {
            push(
                by,
                format!("{name}, {one} {}", place.name),
                &|variant| match place.means[variant][measure] {
                    Some(found) => MeasureValue::Known(found.estimate().within(0.0, most)),
                    None if place.samples(variant).is_empty() => MeasureValue::Absent(NO_TRIAL),
                    None => MeasureValue::Absent(NO_VALUE),
                },
            );
        }
    }
    for place in &places {
        let name = format!("accepted samples, {one} {}", place.name);
        push(by, name, &|variant| match &place.samples(variant)[..] {
            [] => MeasureValue::Absent(NO_TRIAL),
            ran => MeasureValue::count(ran.iter().sum(), ran.len()),
        });
    }
    table
}

/// Tables of the same data sets at several places as one: per measure the mean over places, and that of the
/// difference to the first data set within a place.
#[must_use]
pub fn join(axis: SweepAxis, tables: &[&MeasureTable]) -> MeasureTable {
    let Some(first) = tables.first() else { return MeasureTable::new(Vec::new()) };
    let mut joined = MeasureTable::new(first.data_sets().to_vec());
    let mut seen = BTreeSet::new();
    // A measure that one place lacks is still one of the others'.
    let measures = tables.iter().flat_map(|table| table.measures());
    for measure in measures.filter(|measure| seen.insert((measure.group, &measure.name))) {
        let of_place = |table: &&MeasureTable| -> Option<Vec<Option<f64>>> {
            let same =
                |other: &&Measure| other.group == measure.group && other.name == measure.name;
            let cells = &table.measures().iter().find(same)?.cells;
            Some(cells.iter().map(MeasureValue::value).collect())
        };
        let places: Vec<Vec<Option<f64>>> = tables.iter().filter_map(of_place).collect();
        // A share is from 0 to 1, and so is its interval; of other measures no bounds are known here.
        let is_share = measure.name.ends_with(", share");
        let most = if is_share { 1.0 } else { f64::INFINITY };
        let means = |set: usize| {
            let values: Vec<f64> = places.iter().filter_map(|place| *place.get(set)?).collect();
            let least = if is_share { 0.0 } else { -most };
            mean_over(&values, least, most)
        };
        let differences = |set: usize| {
            if set == 0 {
                return MeasureValue::Inapplicable(IS_FIRST);
            }
            let of_place = |place: &Vec<Option<f64>>| Some((*place.get(set)?)? - place[0]?);
            mean_over(&places.iter().filter_map(of_place).collect::<Vec<f64>>(), -most, most)
        };
        let cells: [(String, &dyn Fn(usize) -> MeasureValue); 2] = [
            (format!("{}, mean of {}s", measure.name, axis.one()), &means),
            (format!("{}, difference to the first", measure.name), &differences),
        ];
        for (name, cell) in cells {
            let cells = (0..first.data_sets().len()).map(cell).collect();
            joined.add(Measure { name, cells, ..*measure });
        }
    }
    joined
}

/// A mean over places with its t-interval, neither of which can be below `least` or above `most`.
fn mean_over(values: &[f64], least: f64, most: f64) -> MeasureValue {
    match Inference::of_runs(values) {
        Some(mean) => MeasureValue::Known(mean.estimate().within(least, most)),
        None => MeasureValue::Absent(TOO_FEW),
    }
}

fn values(means: &[Inference]) -> Vec<f64> {
    means.iter().map(|mean| mean.value).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation.
fn deviation(values: &[f64]) -> Option<f64> {
    // n - 1: the mean was estimated from the same few places.
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Root mean square of the places' standard errors.
fn within(means: &[Inference]) -> Option<f64> {
    // Variances average, standard errors do not.
    let errors = means.iter().filter_map(Inference::standard_error);
    mean(&errors.map(|error| error.powi(2)).collect::<Vec<_>>()).map(f64::sqrt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::tests::{accepted, rejected};

    fn trial(variant: &str, passed: u32, of: u32) -> TrialFacts {
        let candidates =
            (0..of).map(|n| if n < passed { accepted(n) } else { rejected(n) }).collect();
        TrialFacts { variant: variant.to_owned(), candidates, calls: Vec::new() }
    }

    fn over_seeds(seeds: &[(u64, Vec<TrialFacts>)]) -> MeasureTable {
        let places = seeds.iter().map(|(seed, trials)| SweepPlace {
            name: seed.to_string(),
            runs: vec![trials.iter().collect()],
        });
        let places: Vec<SweepPlace<'_>> = places.collect();
        sweep(SweepAxis::RunSeed, &places)
    }

    fn value(table: &MeasureTable, measure: &str) -> Option<f64> {
        table.measures().iter().find(|found| found.name == measure)?.cells[0].value()
    }

    #[test]
    fn spread_between_seeds_is_apart_from_error_within_one() {
        let seeds = [
            (42, vec![trial("gra", 4, 20)]),
            (43, vec![trial("gra", 8, 20)]),
            (44, vec![trial("gra", 12, 20)]),
        ];
        let table = over_seeds(&seeds);
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
        let seeds =
            [(1, vec![trial("gra", 4, 20), trial("free", 18, 20)]), (2, vec![trial("gra", 8, 20)])];
        let table = over_seeds(&seeds);
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
        let seeds = [(1, seed(2, 2)), (2, seed(9, 3)), (3, seed(15, 2))];
        let table = over_seeds(&seeds);
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
        let table = over_seeds(&[(42, vec![trial("gra", 4, 20)])]);
        assert_eq!(value(&table, "acceptance, deviation between seeds"), None);
        assert_eq!(value(&table, "acceptance, mean of seeds"), Some(0.2));
        assert!(over_seeds(&[]).measures().is_empty());
    }

    #[test]
    fn a_seed_set_of_several_run_seeds_counts_as_their_mean() {
        let run = |passed: u32, more: u32| {
            vec![trial("gra", passed, 20), trial("free", passed + more, 20)]
        };
        let [a, b, c] = [[run(2, 2), run(4, 4)], [run(8, 3), run(8, 3)], [run(12, 2), run(10, 4)]];
        let places = [("alpaca", &a), ("condor", &b), ("wizardlm", &c)].map(|(name, runs)| {
            let runs = runs.iter().map(|run| run.iter().collect()).collect();
            SweepPlace { name: name.to_owned(), runs }
        });
        let table = sweep(SweepAxis::SeedSet, &places);
        let cells = |name: &str| {
            let found = table.measures().iter().find(|found| found.name == name);
            found.map(|found| found.cells.clone()).unwrap_or_default()
        };
        assert!((cells("acceptance, seed set alpaca")[0].value().unwrap() - 0.15).abs() < 1e-12);
        assert_eq!(cells("accepted samples, seed set wizardlm")[1].value(), Some(28.0));
        let difference = &cells("acceptance, difference to the first")[1];
        assert_eq!(difference.n(), Some(3), "the seed sets, not their runs");
        assert!((difference.value().unwrap() - 0.15).abs() < 1e-12, "3 of 20 in each");
        // Three equal differences leave nothing to estimate an error from but zero.
        assert!(difference.interval().is_none_or(|interval| interval.low <= 0.15));
    }

    #[test]
    fn tables_of_seed_sets_are_joined_measure_by_measure() {
        let table = |gra: f64, large: Option<f64>| {
            let mut table = MeasureTable::new(vec!["gra".to_owned(), "large".to_owned()]);
            let known = |value| MeasureValue::exact(value, 20, NO_VALUE);
            table.push("quality", "judge, mean", vec![known(Some(gra)), known(large)]);
            let shares = vec![known(Some(gra - 6.0)), known(large.map(|_| 0.0))];
            table.push("checks", "refusal, share", shares);
            table
        };
        let [a, b, c] = [table(6.0, Some(7.0)), table(6.5, Some(8.5)), table(7.0, None)];
        let joined = join(SweepAxis::SeedSet, &[&a, &b, &c]);
        let cells = |at: usize| &joined.measures()[at].cells;
        assert_eq!(joined.measures()[0].name, "judge, mean, mean of seed sets");
        assert_eq!((cells(0)[0].value(), cells(0)[0].n()), (Some(6.5), Some(3)));
        assert_eq!((cells(1)[1].value(), cells(1)[1].n()), (Some(1.5), Some(2)));
        assert_eq!(cells(1)[0].why_absent(), Some(IS_FIRST));
        // Shares of 0, 0.5 and 1: t would go beyond.
        let interval = cells(2)[0].interval().unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 1.0));
    }
}
