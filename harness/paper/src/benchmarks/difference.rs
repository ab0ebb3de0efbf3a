//! Differences between trained models, and any other sum of their scores with weights, with intervals that hold for
//! other items and, where there are several, for other trainings.
//!
//! Two models answered the same items, and two trainings with one seed saw their data in orders that were drawn alike,
//! so a difference is taken item by item and training by training. Its variance has two sources, items and trainings,
//! which are crossed: each training was scored on each item. The variance of a mean over both is that between items
//! plus that between trainings less what both count, the interaction (Cameron, Gelbach and Miller 2011, "Robust
//! inference with multiway clustering"). The quantile is Student's with Satterthwaite's degrees of freedom, because few
//! trainings say little about how much trainings differ.
//!
//! Without items the scores count as independent and binomial, which makes an interval rather too wide. With a single
//! training nothing is known of other trainings, and the interval does not cover them.
//!
//! A file of items holds one evaluation. Its CSV has a line per item: `benchmark`, `item`, and `right`, the share of it
//! that was right, from 0 to 1. A benchmark of several tasks whose mean is over tasks (BBH, MMLU) names its items
//! `TASK/ITEM`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{BenchmarkScore, ModelScores, Run};
use crate::Benchmark;
use crate::exact;
use crate::lines::{self, LineError};
use crate::proportion::{Interval, Z};

/// The items of one benchmark in one evaluation: the share of each that was right, by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemScores(BTreeMap<Arc<str>, f32>);

impl ItemScores {
    /// Reads a file of items. Names are kept once for all files that are read with the same `names`.
    ///
    /// # Errors
    /// Names the first line that is not as the module describes.
    pub fn read(
        csv: &[u8],
        names: &mut BTreeSet<Arc<str>>,
    ) -> Result<BTreeMap<Benchmark, Arc<Self>>, LineError> {
        let mut items: BTreeMap<Benchmark, Self> = BTreeMap::new();
        for line in lines::read(csv)? {
            let of = items.entry(line.read("benchmark")?).or_default();
            let name = line.text("item")?;
            let text = line.text("right")?;
            let right = text.parse().ok().filter(|right| (0.0..=1.0).contains(right));
            let right = right.ok_or_else(|| {
                line.field_error("right", format!("`{text}` is no share from 0 to 1"))
            })?;
            // Each of several evaluations has the same items, and MMLU alone has 14,042.
            let name = names.get(name).cloned().unwrap_or_else(|| {
                let name: Arc<str> = name.into();
                names.insert(Arc::clone(&name));
                name
            });
            if of.0.insert(name, right).is_some() {
                return Err(line.line_error("an earlier line has this item"));
            }
        }
        Ok(items.into_iter().map(|(benchmark, items)| (benchmark, Arc::new(items))).collect())
    }
}

/// The task that an item is of, where its benchmark has several.
fn task(name: &str) -> &str {
    name.split_once('/').map_or("", |(task, _)| task)
}

/// A score that takes part in a sum.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// How often it counts; negative where it is taken away.
    pub weight: f64,
    /// The model.
    pub model: &'a ModelScores,
    /// The benchmark.
    pub benchmark: Benchmark,
}

/// A sum of scores with weights, with what it is uncertain by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreSum {
    /// In points, over the trainings that all of its terms have.
    pub value: f64,
    /// 95% interval, in points; `None` where nothing can vary.
    pub interval: Option<Interval>,
    /// Trainings that all of its terms have.
    pub trainings: usize,
    /// Whether all of its terms have the results of the same items.
    pub is_paired: bool,
}

/// One model less another on a benchmark, in points.
#[must_use]
pub fn on_benchmark(
    of: &ModelScores,
    less: &ModelScores,
    benchmark: Benchmark,
) -> Option<ScoreSum> {
    let term = |weight, model| Term { weight, model, benchmark };
    sum(&[term(1.0, of), term(-1.0, less)]).map(ScoreSum::of_shares)
}

/// One model less another in the average of the ten; `None` while one of them lacks a benchmark.
#[must_use]
pub fn of_averages(of: &ModelScores, less: &ModelScores) -> Option<ScoreSum> {
    let share = 1.0 / count(Benchmark::ALL.len());
    let terms = Benchmark::ALL.into_iter().flat_map(|benchmark| {
        [(share, of), (-share, less)].map(|(weight, model)| Term { weight, model, benchmark })
    });
    sum(&terms.collect::<Vec<_>>()).map(ScoreSum::of_shares)
}

impl ScoreSum {
    /// As a difference of two scores in per cent, which is no more than 100 points either way.
    fn of_shares(self) -> Self {
        let cut = |Interval { low, high }: Interval| Interval {
            low: low.max(-100.0),
            high: high.min(100.0),
        };
        Self { interval: self.interval.map(cut), ..self }
    }
}

/// The sum of scores with weights. `None` where a score is missing, or no training has all of them.
#[must_use]
pub fn sum(terms: &[Term<'_>]) -> Option<ScoreSum> {
    let seeds = shared_seeds(terms)?;
    let mut by_benchmark: BTreeMap<Benchmark, Vec<&Term<'_>>> = BTreeMap::new();
    for term in terms {
        by_benchmark.entry(term.benchmark).or_default().push(term);
    }
    // Benchmarks share no items, so what comes of items adds up.
    let (mut between_items, mut interaction) = (0.0, 0.0);
    // Satterthwaite's denominator: each estimated variance squared over its degrees of freedom.
    let mut denominator = 0.0;
    let mut is_paired = true;
    for terms in by_benchmark.values() {
        if let Some(of_items) = paired(terms, &seeds) {
            between_items += of_items.variance;
            interaction += of_items.interaction;
            denominator += of_items.variance.powi(2) / count(of_items.n.saturating_sub(1).max(1));
        } else {
            is_paired = false;
            for term in terms {
                // Binomial: it follows from the score, and nothing is estimated.
                let score: BenchmarkScore = term.model.score(term.benchmark)?;
                between_items += term.weight.powi(2) * score.variance();
            }
        }
    }
    // A training moves all benchmarks at once, so what comes of trainings is taken of the whole sum.
    let totals: Vec<f64> = seeds.iter().map(|seed| total(terms, *seed)).collect::<Option<_>>()?;
    let between_trainings = variance(&totals).map(|variance| variance / count(totals.len()));
    let variance = between_trainings.map_or(between_items, |between_trainings| {
        (between_items + between_trainings - interaction).max(between_items).max(between_trainings)
    });
    let value = mean(&totals);
    let of_trainings = |part: f64| part.powi(2) / count(totals.len() - 1);
    denominator += between_trainings.map_or(0.0, of_trainings);
    let interval = (variance > 0.0).then(|| {
        let half = quantile(variance.powi(2) / denominator) * variance.sqrt();
        Interval { low: value - half, high: value + half }
    });
    Some(ScoreSum { value, interval, trainings: totals.len(), is_paired })
}

/// The 97.5% quantile of Student's distribution with these degrees of freedom; of the normal one where they are
/// infinite.
fn quantile(freedom: f64) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom.max(1.0)).ok().filter(|_| freedom.is_finite());
    student.map_or(Z, |student| student.inverse_cdf(0.975))
}

/// The training seeds that all terms have.
fn shared_seeds(terms: &[Term<'_>]) -> Option<Vec<u64>> {
    let first = terms.first()?;
    let mut seeds: Vec<u64> = first.model.runs.get(&first.benchmark)?.keys().copied().collect();
    for term in terms {
        let runs = term.model.runs.get(&term.benchmark)?;
        seeds.retain(|seed| runs.contains_key(seed));
    }
    (!seeds.is_empty()).then_some(seeds)
}

fn run<'a>(term: &Term<'a>, seed: u64) -> Option<&'a Run> {
    term.model.runs.get(&term.benchmark)?.get(&seed)
}

/// The sum of one training.
fn total(terms: &[Term<'_>], seed: u64) -> Option<f64> {
    terms.iter().map(|term| Some(term.weight * exact::to_f64(run(term, seed)?.score))).sum()
}

/// What comes of the items of a benchmark.
struct OfItems {
    /// Variance of the mean over items, in points squared.
    variance: f64,
    /// The part of it that the variance between trainings counts as well.
    interaction: f64,
    n: usize,
}

/// Takes the terms of one benchmark item by item; `None` where one has no items, or other ones.
fn paired(terms: &[&Term<'_>], seeds: &[u64]) -> Option<OfItems> {
    let items = |term: &Term<'_>, seed| run(term, seed)?.items.clone();
    let first = items(terms.first()?, *seeds.first()?)?;
    // For each training the sum of every item, in the order of the items' names.
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for seed in seeds {
        let mut sum = vec![0.0; first.0.len()];
        for term in terms {
            let items = items(term, *seed)?;
            if items.0.keys().ne(first.0.keys()) {
                return None;
            }
            for (sum, right) in sum.iter_mut().zip(items.0.values()) {
                *sum += 100.0 * term.weight * f64::from(*right);
            }
        }
        sums.push(sum);
    }
    let tasks: Vec<&str> = first.0.keys().map(|name| task(name)).collect();
    let trainings = count(seeds.len());
    let over_trainings: Vec<f64> = (0..tasks.len())
        .map(|item| sums.iter().map(|sum| sum[item]).sum::<f64>() / trainings)
        .collect();
    let variance = stratified(&over_trainings, &tasks);
    // What is left of an item in one training after the item's mean and the training's mean.
    let interaction = if seeds.len() < 2 {
        0.0
    } else {
        let left = sums.iter().map(|sum| {
            let shift = mean(sum) - mean(&over_trainings);
            let left: Vec<f64> =
                sum.iter().zip(&over_trainings).map(|(x, m)| x - m - shift).collect();
            stratified(&left, &tasks)
        });
        left.sum::<f64>() / (trainings * (trainings - 1.0))
    };
    Some(OfItems { variance, interaction, n: tasks.len() })
}

/// The variance of a mean over tasks of means over their items; of one task the usual one. Tasks of one item are taken
/// as one, whose spread is that between them.
fn stratified(values: &[f64], tasks: &[&str]) -> f64 {
    let mut by_task: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (value, task) in values.iter().zip(tasks) {
        by_task.entry(task).or_default().push(*value);
    }
    let of_task = |values: &Vec<f64>| Some(variance(values)? / count(values.len()));
    let of_tasks: Option<Vec<f64>> = by_task.values().map(of_task).collect();
    match of_tasks {
        Some(variances) => variances.iter().sum::<f64>() / count(variances.len()).powi(2),
        None => variance(values).unwrap_or(0.0) / count(values.len()),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

/// Sample variance; `None` of fewer than two values.
fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (values.len() > 1).then(|| squares / (count(values.len()) - 1.0))
}

#[expect(clippy::cast_precision_loss, reason = "items and trainings are far fewer than 2^52")]
const fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::Benchmarks;
    use super::*;

    const HEADER: &str = "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed,scale,protocol,items\n";

    /// Results of items by source, training and item.
    type Right = Vec<Vec<Vec<f64>>>;

    /// Two or more sources on one benchmark, with the results of their items.
    fn benchmarks(
        benchmark: Benchmark,
        tasks: usize,
        right: &Right,
        with_items: bool,
    ) -> Benchmarks {
        let mut csv = HEADER.to_owned();
        let mut files = Vec::new();
        for (source, trainings) in right.iter().enumerate() {
            for (seed, items) in trainings.iter().enumerate() {
                let (file, score) = (format!("{source}-{seed}.csv"), mean(items));
                let n = items.len();
                let _ = writeln!(
                    csv,
                    "b,s,{source},,{benchmark},{score:.9},{n},{seed},fraction,test,{file}"
                );
                let line = |(item, right): (usize, &f64)| {
                    let task = if tasks > 1 { format!("{}/", item % tasks) } else { String::new() };
                    format!("{benchmark},{task}{item},{right}\n")
                };
                let lines: String = items.iter().enumerate().map(line).collect();
                files.push((file, format!("benchmark,item,right\n{lines}")));
            }
        }
        let mut benchmarks = Benchmarks::read(csv.as_bytes()).unwrap();
        for (file, csv) in files.iter().filter(|_| with_items) {
            benchmarks
                .attach(file, &ItemScores::read(csv.as_bytes(), &mut BTreeSet::new()).unwrap());
        }
        benchmarks
    }

    fn difference(benchmarks: &Benchmarks, benchmark: Benchmark) -> ScoreSum {
        let models: Vec<&ModelScores> = benchmarks.others().map(|(_, scores)| scores).collect();
        on_benchmark(models[1], models[0], benchmark).unwrap()
    }

    #[test]
    fn a_file_holds_the_items_of_several_benchmarks() {
        let csv = b"benchmark,item,right\ngsm8k,1,1\ngsm8k,2,0\nbbh,navigate/0,0.5\n";
        let items = ItemScores::read(csv, &mut BTreeSet::new()).unwrap();
        assert_eq!(items[&Benchmark::Gsm8k].0.get("2"), Some(&0.0));
        assert_eq!(
            items[&Benchmark::Bbh].0.keys().map(|name| task(name)).collect::<Vec<_>>(),
            ["navigate"]
        );
        for (line, said) in [
            ("gsm8k,1,2\n", "line 2, column `right`: `2` is no share from 0 to 1"),
            ("gsm8k,1,1\ngsm8k,1,1\n", "line 3: an earlier line has this item"),
            ("gsm9k,1,1\n", "`gsm9k` is no benchmark"),
        ] {
            let csv = format!("benchmark,item,right\n{line}");
            let error = ItemScores::read(csv.as_bytes(), &mut BTreeSet::new()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn items_pair_two_models() {
        // Both fail and pass the same items but one: unpaired, nothing could be said of so few.
        let one: Vec<f64> = (0..40).map(|item| f64::from(u8::from(item % 2 == 0))).collect();
        let mut two = one.clone();
        two[1] = 1.0;
        let right = vec![vec![one], vec![two]];
        let paired = difference(&benchmarks(Benchmark::Gsm8k, 1, &right, true), Benchmark::Gsm8k);
        let apart = difference(&benchmarks(Benchmark::Gsm8k, 1, &right, false), Benchmark::Gsm8k);
        assert!((paired.value - 2.5).abs() < 1e-6 && paired.is_paired && !apart.is_paired);
        let half = |sum: ScoreSum| sum.interval.map(|i| (i.high - i.low) / 2.0).unwrap();
        // scipy 1.17: t.ppf(0.975, 39) * 100 * std([0]*39 + [1], ddof=1) / sqrt(40) = 5.05665.
        assert!((half(paired) - 5.05665).abs() < 1e-3, "{}", half(paired));
        assert!((half(apart) - 22.2).abs() < 0.5, "{}", half(apart));
        assert_eq!(paired.trainings, 1);
    }

    #[test]
    fn a_mean_over_tasks_weighs_tasks_alike() {
        // Task 0 differs in all of its items, task 1 in none: nothing varies within a task.
        let zero = vec![0.0; 20];
        let by_task: Vec<f64> = (0..20).map(|item| f64::from(u8::from(item % 2 == 0))).collect();
        let right = vec![vec![zero], vec![by_task]];
        let sum = difference(&benchmarks(Benchmark::Bbh, 2, &right, true), Benchmark::Bbh);
        assert_eq!((sum.value, sum.interval), (50.0, None));
    }

    /// Equal numbers for equal seeds, about uniform in [0, 1).
    struct Draws(u64);

    impl Draws {
        fn next(&mut self) -> f64 {
            // SplitMix64 (Steele, Lea and Flood 2014).
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / 2_f64.powi(32)
        }
    }

    #[test]
    fn intervals_of_no_difference_hold_it() {
        // Two sources alike in truth: items of their own difficulty, trainings that shift every item a little.
        for (trainings, shift) in [(1, 0.0), (2, 0.1), (3, 0.1), (3, 0.0), (5, 0.2)] {
            let mut draws = Draws(7);
            let held = (0..400).filter(|_| {
                let difficulty: Vec<f64> = (0..60).map(|_| draws.next()).collect();
                let mut training = || {
                    let moved = shift * (draws.next() + draws.next() + draws.next() - 1.5);
                    let right =
                        difficulty.iter().map(|p| f64::from(u8::from(draws.next() < p + moved)));
                    right.collect::<Vec<f64>>()
                };
                let right = (0..2).map(|_| (0..trainings).map(|_| training()).collect()).collect();
                let sum =
                    difference(&benchmarks(Benchmark::Mbpp, 1, &right, true), Benchmark::Mbpp);
                sum.interval.is_none_or(|interval| interval.low <= 0.0 && 0.0 <= interval.high)
            });
            let held = held.count();
            // Of 400 about 380; three standard errors of the simulation are 13.
            assert!(
                (366..=400).contains(&held),
                "{trainings} trainings, shift {shift}: {held} of 400"
            );
        }
    }
}
