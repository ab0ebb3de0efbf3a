//! What a user's results say about the claims. Results are joined by their files; nothing is run.
//!
//! - `benchmarks.csv` ([`crate::benchmarks`]): claims about what trained models score
//! - `stats/stats.csv` (`gra-bench stats`): data sets named `gra`, `vanilla` and `distill-large`; the
//!   judge's share and the IFD
//! - `<trial>.compute.csv` (`gra-bench compute`): calls and operations per accepted sample

use super::Measurement;
use std::fmt::Write;

use super::formula;
use super::scorebook::{Row, Scorebook};
use super::value::{Value, judge};
use crate::benchmarks::{Benchmarks, Trained};
use crate::exact::{self, Ratio};
use crate::lines::{self, LineError};
use crate::{Benchmark, Claim, DataSource};

/// A file of results is not what its command writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {error}")]
pub struct MeasuredError {
    /// Path of the file.
    pub file: String,
    /// The line, and what is wrong with it.
    pub error: LineError,
}

/// A user's results, as far as claims are about them.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    benchmarks: Benchmarks,
    statistics: Vec<Statistic>,
    trials: Vec<Trial>,
}

/// A line of `stats.csv`.
#[derive(Clone, Debug)]
struct Statistic {
    measure: String,
    data_set: String,
    value: Option<Ratio>,
    /// Its 95% interval.
    interval: Option<(Ratio, Ratio)>,
    n: Option<String>,
}

/// What a trial's rounds took.
#[derive(Clone, Debug)]
struct Trial {
    name: String,
    /// Calls per accepted sample.
    calls: Option<Ratio>,
    /// Operations, as a multiple of what one large model takes to write the same samples.
    times_teacher: Option<Ratio>,
    /// Parameters of the models that were called, averaged over the tokens.
    parameters: Option<Ratio>,
}

/// Fewest parameters at which a trial's cost counts for P03: the paper's models have 7 to 8 billion.
const SMALLEST: Ratio = Ratio::new_raw(7_000_000_000, 1);

/// The share that section 5.4 prints, per cent (`figure7/judge/above-8`); P48 itself is about the sum of two shares.
const JUDGED_ABOVE: &str = "87.3";

/// The bound for P03: "orders of magnitude" are at least two, a hundredth of the operations.
const ORDERS_OF_MAGNITUDE: &str = "<=0.01";

impl Measured {
    /// Adds `benchmarks.csv`.
    ///
    /// # Errors
    /// When a line of it is wrong.
    pub fn read_benchmarks(&mut self, file: &str, csv: &[u8]) -> Result<(), MeasuredError> {
        self.benchmarks = Benchmarks::read(csv).map_err(|error| wrong(file, error))?;
        Ok(())
    }

    /// Adds `stats.csv`.
    ///
    /// # Errors
    /// When it is not what `gra-bench stats` writes.
    pub fn read_stats(&mut self, file: &str, csv: &[u8]) -> Result<(), MeasuredError> {
        let statistics = lines::read(csv).and_then(|lines| {
            let statistic = |line: &lines::Line| {
                // An empty value is no error: the measure was not taken of that data set.
                Ok(Statistic {
                    measure: format!("{}: {}", line.text("group")?, line.text("measure")?),
                    data_set: line.text("data_set")?.to_owned(),
                    value: line.optional("value").and_then(decimal),
                    interval: line
                        .optional("low")
                        .and_then(decimal)
                        .zip(line.optional("high").and_then(decimal)),
                    n: line.optional("n").map(str::to_owned),
                })
            };
            lines.iter().map(statistic).collect::<Result<Vec<_>, LineError>>()
        });
        self.statistics = statistics.map_err(|error| wrong(file, error))?;
        Ok(())
    }

    /// Adds a trial's `compute.csv`.
    ///
    /// # Errors
    /// When it is not what `gra-bench compute` writes.
    pub fn read_compute(&mut self, file: &str, csv: &[u8]) -> Result<(), MeasuredError> {
        let trial = || -> Result<Option<Trial>, LineError> {
            let lines = lines::read(csv)?;
            let mut found = None;
            for line in &lines {
                // Annotation of the seed set is paid once for all variants, so a trial's cost is that of its rounds.
                if line.text("stage")? != "rounds" {
                    continue;
                }
                let (samples, calls): (u32, u32) = (line.read("samples")?, line.read("calls")?);
                let per_sample = Ratio::new(i128::from(calls), i128::from(samples.max(1)));
                // Without an accepted sample there is no cost of one.
                found = Some(Trial {
                    name: line.text("trial")?.to_owned(),
                    calls: (samples > 0).then_some(per_sample),
                    times_teacher: line.optional("times_teacher").and_then(decimal),
                    parameters: parameters(line),
                });
            }
            Ok(found)
        };
        self.trials.extend(trial().map_err(|error| wrong(file, error))?);
        Ok(())
    }

    /// The scores of trained models.
    #[must_use]
    pub const fn benchmarks(&self) -> &Benchmarks {
        &self.benchmarks
    }

    /// Measured scores as rows of the paper's tables.
    pub(super) fn scorebook(&self) -> Scorebook {
        let mut book = Scorebook::default();
        let benchmarks = &self.benchmarks;
        let row = |model: Trained| {
            let mean = |benchmark| benchmarks.score(model, benchmark).map(|score| score.mean);
            Row::from_columns(&Benchmark::ALL.map(mean))
        };
        for model in benchmarks.models() {
            let Trained { base, seed, source, round } = model;
            if let Some(round) = round {
                book.iterations.insert((base, seed, round), row(model));
            }
            // Table 1 has one row per source: for GRA that of its last scored round.
            let key = (base, seed, source);
            let chosen = benchmarks.chosen(base, seed, source).map(row).unwrap_or_default();
            book.main.insert(key, chosen);
            if DataSource::SEED_DATA.contains(&source) {
                book.seed_data.extend(chosen.average.map(|average| (key, average)));
            }
        }
        book
    }

    /// What these results say about a claim.
    pub(super) fn measurement(&self, claim: &Claim, book: &Scorebook) -> Measurement {
        if formula::is_about_models(claim) {
            let from = "benchmarks.csv".to_owned();
            return match formula::measured(claim, book) {
                Some(value) => {
                    let verdict = judge(&claim.printed, &value);
                    Measurement::Measured { value, from, verdict }
                }
                None => Measurement::Missing(
                    "scores of the trained models that it compares, in benchmarks.csv",
                ),
            };
        }
        let (found, missing) = match claim.id.as_str() {
            "P03" => (
                self.cheapest(),
                "gra-bench compute TRIAL --parameters 7.6e9, or of models of that size",
            ),
            "A21" => (self.calls(), "gra-bench compute TRIAL"),
            "P48" => (self.judged(), "gra-bench stats gra=TRIAL --judge MODEL, of a 72B judge"),
            "P49" => (
                self.difficulty("distill-large"),
                "gra-bench stats gra=TRIAL distill-large=FILE --ifd MODEL",
            ),
            "P50" => {
                (self.difficulty("vanilla"), "gra-bench stats gra=TRIAL vanilla=FILE --ifd MODEL")
            }
            _ => return Measurement::Inapplicable,
        };
        let Some((value, from)) = found else { return Measurement::Missing(missing) };
        let value = Value::Number(value);
        // Two claims print no number that a measurement could be held against; these stand for them.
        let printed = match claim.id.as_str() {
            "P03" => ORDERS_OF_MAGNITUDE,
            "P48" => JUDGED_ABOVE,
            _ => &claim.printed,
        };
        let verdict = judge(printed, &value);
        Measurement::Measured { value, from, verdict }
    }

    /// The least of all trials' operations, as a multiple of the large model's.
    fn cheapest(&self) -> Option<(Ratio, String)> {
        // Small models are cheap for a reason that the paper does not claim.
        let is_large = |trial: &&Trial| trial.parameters.is_some_and(|count| count >= SMALLEST);
        let trials = self.trials.iter().filter(is_large);
        let times = trials.filter_map(|trial| Some((trial.times_teacher?, &trial.name))).min()?;
        let from = format!("{}.compute.csv, a large model's operations being 1", times.1);
        Some((times.0, from))
    }

    /// The fewest calls per accepted sample.
    fn calls(&self) -> Option<(Ratio, String)> {
        let calls =
            self.trials.iter().filter_map(|trial| Some((trial.calls?, &trial.name))).min()?;
        Some((calls.0, format!("{}.compute.csv, rejected candidates included", calls.1)))
    }

    /// The share of what GRA accepted that the judge scores above the threshold, per cent.
    fn judged(&self) -> Option<(Ratio, String)> {
        let measure = "judge: judge > 8, share of accepted";
        let is_it = |line: &&Statistic| line.measure == measure && line.data_set == "gra";
        let line = self.statistics.iter().find(is_it)?;
        let per_cent = |share: Ratio| share * 100;
        let mut from =
            format!("stats.csv, {measure}, in per cent, the paper's being {JUDGED_ABOVE}");
        if let (Some((low, high)), Some(n)) = (line.interval, &line.n) {
            let _ = write!(
                from,
                ", 95% [{}, {}], n {n}",
                exact::shown(per_cent(low)),
                exact::shown(per_cent(high))
            );
        }
        Some((per_cent(line.value?), from))
    }

    /// Mean IFD of GRA data less another source's, in per cent.
    fn difficulty(&self, other: &str) -> Option<(Ratio, String)> {
        let measure = "ifd: loss-ratio, mean over all";
        let of = |data_set: &str| {
            let mut lines = self.statistics.iter();
            lines.find(|line| line.measure == measure && line.data_set == data_set)?.value
        };
        let difference = (of("gra")? - of(other)?) * 100;
        Some((difference, format!("stats.csv, {measure}, gra less {other}")))
    }
}

fn wrong(file: &str, error: LineError) -> MeasuredError {
    MeasuredError { file: file.to_owned(), error }
}

/// Counts above this are not read: no computation takes so many operations, and their sums would overflow.
const MOST: i128 = 10_i128.pow(30);

/// Parameters as operations over twice the tokens, which is how `compute` counts operations; `None` where they are
/// unknown.
fn parameters(line: &lines::Line) -> Option<Ratio> {
    let sum = |columns: [&str; 2]| -> Option<i128> {
        let count = |column: &str| -> Option<i128> {
            line.optional(column)?.parse().ok().filter(|count| (0..=MOST).contains(count))
        };
        columns.into_iter().map(count).sum()
    };
    let tokens = sum(["prompt_tokens", "reply_tokens"])?;
    let operations = sum(["prompt_flop", "reply_flop"])?;
    (tokens > 0).then(|| Ratio::new(operations, 2 * tokens))
}

/// Reads a floating-point number, to nine decimals.
fn decimal(text: &str) -> Option<Ratio> {
    let value: f64 = text.parse().ok()?;
    exact::parse(&format!("{value:.9}"))
}
