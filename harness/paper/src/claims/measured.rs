//! What a user's results say about the claims. Results are joined by their files; nothing is run, and nothing is taken
//! of a demonstration.
//!
//! - `benchmarks.csv` ([`crate::benchmarks`]): claims about what trained models score
//! - `stats/stats.csv` (`gra-bench stats`): data sets named `gra`, `vanilla` and `distill-large`; the
//!   judge's share, how fine its scores are beside the committee's, the IFD and the Vendi score
//! - `<trial>.compute.csv` (`gra-bench compute`): calls and operations per accepted sample, of full GRA alone and of
//!   its own models, never of assumed sizes

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::formula::{self, Row, Scorebook};
use super::{Measurement, Value, judge_measured};
use crate::benchmarks::difference::{self, ItemScores, ScoreSum, Term};
use crate::benchmarks::{Benchmarks, Trained};
use crate::exact::{self, Ratio};
use crate::lines::{self, Line, LineError};
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

/// What the rounds of full GRA took in a trial.
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

/// How `stats` calls the samples of a demonstration.
const DEMONSTRATION: &str = "data: samples of a demonstration";

/// A shift of a score in points, so small that no formula changes its branch for it.
const SHIFT: Ratio = Ratio::new_raw(1, 1_000_000);

/// A number with its 95% interval, and where it is from.
struct Found {
    value: Ratio,
    interval: Option<(Ratio, Ratio)>,
    from: String,
}

impl Found {
    /// Of shares of 1.
    fn in_per_cent(self) -> Self {
        let interval = self.interval.map(|(low, high)| (low * 100, high * 100));
        Self { value: self.value * 100, interval, ..self }
    }
}

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

    /// Adds a file of items that `benchmarks.csv` names. `names` are those of earlier files.
    ///
    /// # Errors
    /// When a line of it is wrong.
    pub fn read_items(
        &mut self,
        file: &str,
        csv: &[u8],
        names: &mut BTreeSet<Arc<str>>,
    ) -> Result<(), MeasuredError> {
        let items = ItemScores::read(csv, names).map_err(|error| wrong(file, error))?;
        self.benchmarks.attach(file, &items);
        Ok(())
    }

    /// Adds `stats.csv`.
    ///
    /// # Errors
    /// When it is not what `gra-bench stats` writes.
    pub fn read_stats(&mut self, file: &str, csv: &[u8]) -> Result<(), MeasuredError> {
        let statistic = |line: &Line| {
            // An empty value is no error: the measure was not taken of that data set.
            let number = |column| line.optional(column).and_then(decimal);
            Ok(Statistic {
                measure: format!("{}: {}", line.text("group")?, line.text("measure")?),
                data_set: line.text("data_set")?.to_owned(),
                value: number("value"),
                interval: number("low").zip(number("high")),
                n: line.optional("n").map(str::to_owned),
            })
        };
        let lines = lines::read(csv);
        let statistics = lines.and_then(|lines| lines.iter().map(statistic).collect());
        self.statistics = statistics.map_err(|error| wrong(file, error))?;
        Ok(())
    }

    /// Adds the `compute.csv` of a trial of full GRA at the paper's thresholds that is no demonstration: claims are about
    /// no other. One that was computed with assumed sizes of models is passed over.
    ///
    /// # Errors
    /// When it is not what `gra-bench compute` writes.
    pub fn read_compute(&mut self, file: &str, csv: &[u8]) -> Result<(), MeasuredError> {
        self.trials.extend(trial(csv).map_err(|error| wrong(file, error))?);
        Ok(())
    }

    /// The scores of trained models.
    #[must_use]
    pub const fn benchmarks(&self) -> &Benchmarks {
        &self.benchmarks
    }

    /// Measured scores as rows of the paper's tables, one of them shifted by [`SHIFT`] where it is named.
    pub(super) fn scorebook(&self, shifted: Option<(Trained, Benchmark)>) -> Scorebook {
        let mut book = Scorebook::default();
        let benchmarks = &self.benchmarks;
        let row = |model: Trained| {
            let shift = |c| if shifted == Some((model, c)) { SHIFT } else { Ratio::ZERO };
            let mean = |c| Some(benchmarks.of(model)?.score(c)?.mean + shift(c));
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

    /// The interval of a formula over measured scores: that of the sum of scores that each count as much as the formula
    /// moves with them. `None` for counts and truths, which do not move with small shifts.
    fn interval(&self, claim: &Claim, value: &Value, books: &ShiftedBooks) -> Option<ScoreSum> {
        let Value::Number(value) = value else { return None };
        let mut terms = Vec::new();
        for ((model, benchmark), book) in books {
            let Value::Number(shifted) = formula::measured(claim, book)? else { return None };
            // The slope of the formula in this score: formulas are sums and means, so it is exact but where they branch.
            let weight = exact::to_f64((shifted - value) / SHIFT);
            if weight != 0.0 {
                let model = self.benchmarks.of(*model)?;
                terms.push(Term { weight, model, benchmark: *benchmark });
            }
        }
        difference::sum(&terms)
    }

    /// The rows once more for each score, with that score shifted.
    pub(super) fn shifted(&self) -> ShiftedBooks {
        let all = |model| Benchmark::ALL.map(|benchmark| (model, benchmark));
        let scored = |&(model, c): &_| self.benchmarks.of(model)?.score(c);
        let known = self.benchmarks.models().flat_map(all).filter(|one| scored(one).is_some());
        known.map(|score| (score, self.scorebook(Some(score)))).collect()
    }

    /// What these results say about a claim.
    pub(super) fn measurement(
        &self,
        claim: &Claim,
        book: &Scorebook,
        shifted: &ShiftedBooks,
    ) -> Measurement {
        if formula::is_about_models(claim) {
            return self.of_models(claim, book, shifted);
        }
        let id = claim.id.as_str();
        let (found, missing) = match id {
            "P03" => (
                self.operations(),
                "gra-bench compute TRIAL, of full GRA at the paper's thresholds with models of 7B or more",
            ),
            "A21" => {
                (self.calls(), "gra-bench compute TRIAL, of full GRA at the paper's thresholds")
            }
            "P49" => (
                self.difficulty("distill-large"),
                "gra-bench stats gra=TRIAL distill-large=FILE --ifd MODEL",
            ),
            "P50" => {
                (self.difficulty("vanilla"), "gra-bench stats gra=TRIAL vanilla=FILE --ifd MODEL")
            }
            "P60" => (self.diversity("vanilla"), "gra-bench stats gra=TRIAL vanilla=FILE"),
            "P61" => {
                (self.diversity("distill-large"), "gra-bench stats gra=TRIAL distill-large=FILE")
            }
            "P62" => {
                (self.granularity(), "gra-bench stats gra=TRIAL --judge MODEL, of a 72B judge")
            }
            "P63" => (self.judged(), "gra-bench stats gra=TRIAL --judge MODEL, of a 72B judge"),
            _ => return Measurement::Inapplicable,
        };
        let Some(Found { value, interval, from }) = found else {
            return Measurement::Missing(missing);
        };
        let value = Value::Number(value);
        // The claim prints no number that a measurement could be held against; this stands for it.
        let printed = if id == "P03" { ORDERS_OF_MAGNITUDE } else { &claim.printed };
        // Means of samples are judged by their intervals alone; the tokens of a trial are counted, not sampled.
        let is_counted = matches!(id, "P03" | "A21");
        let verdict = judge_measured(printed, &value, interval);
        let verdict = verdict.filter(|_| is_counted || interval.is_some());
        Measurement::Measured { value, interval, from, verdict }
    }

    /// What scores of trained models say about a claim.
    fn of_models(&self, claim: &Claim, book: &Scorebook, shifted: &ShiftedBooks) -> Measurement {
        let Some(value) = formula::measured(claim, book) else {
            return Measurement::Missing(
                "scores of the trained models that it compares, in benchmarks.csv",
            );
        };
        let sum = self.interval(claim, &value, shifted);
        let interval = sum.and_then(|sum| around(&value, &sum));
        let mut from = "benchmarks.csv".to_owned();
        if let Some(sum) = sum.filter(|_| interval.is_some()) {
            let _ = match sum.trainings {
                1 => write!(from, "; the interval is for other items, not for other trainings"),
                n => write!(from, "; the interval is for other items and trainings, of {n}"),
            };
            from += if sum.is_paired { "; models were compared item by item" } else { "" };
        }
        let verdict = judge_measured(&claim.printed, &value, interval);
        Measurement::Measured { value, interval, from, verdict }
    }

    /// Of the trial of full GRA that stands for the paper's: of an experiment called `main`, else of one called `main-` and
    /// more, else the first by name.
    fn of_gra(&self, of: impl Fn(&Trial) -> Option<Ratio>, what: &str) -> Option<Found> {
        let known = self.trials.iter().filter_map(|trial| Some((of(trial)?, trial.name.as_str())));
        let known: Vec<(Ratio, &str)> = known.collect();
        // `false` comes before `true`.
        let rank =
            |name: &str| (!name.starts_with("main/"), !name.starts_with("main-"), name.to_owned());
        let (value, name) = *known.iter().min_by_key(|(_, name)| rank(name))?;
        let mut from = format!("{name}.compute.csv, {what}");
        if known.len() > 1 {
            let _ = write!(from, "; one of {} trials of full GRA", known.len());
        }
        Some(Found { value, interval: None, from })
    }

    /// Operations, as a multiple of the large model's.
    fn operations(&self) -> Option<Found> {
        // Small models are cheap for a reason that the paper does not claim.
        let is_large = |trial: &Trial| trial.parameters.is_some_and(|count| count >= SMALLEST);
        let times = |trial: &Trial| trial.times_teacher.filter(|_| is_large(trial));
        self.of_gra(times, "a large model's operations being 1")
    }

    /// Calls per accepted sample.
    fn calls(&self) -> Option<Found> {
        self.of_gra(|trial| trial.calls, "rejected candidates included")
    }

    /// A measure of a data set, unless that is of a demonstration.
    fn statistic(&self, measure: &str, data_set: &str) -> Option<&Statistic> {
        let of = |wanted: &str| {
            let mut lines = self.statistics.iter();
            lines.find(|line| line.measure == wanted && line.data_set == data_set)
        };
        let is_demonstration = of(DEMONSTRATION).is_some_and(|line| line.value.is_some());
        of(measure).filter(|_| !is_demonstration)
    }

    /// A measure of GRA data less that of another data set.
    fn less(&self, measure: &str, other: &str, interval: Option<(Ratio, Ratio)>) -> Option<Found> {
        let value = |set| self.statistic(measure, set)?.value;
        let without = if interval.is_none() { ", without an interval" } else { "" };
        let from = format!("stats.csv, {measure}, gra less {other}{without}");
        Some(Found { value: value("gra")? - value(other)?, interval, from })
    }

    /// The share of what GRA accepted that the judge scores above the threshold, per cent.
    fn judged(&self) -> Option<Found> {
        let measure = "judge: judge > 8, share of accepted";
        let line = self.statistic(measure, "gra")?;
        let n = line.n.as_ref().map(|n| format!(", n {n}")).unwrap_or_default();
        let from = format!("stats.csv, {measure}, in per cent{n}");
        Some(Found { value: line.value?, interval: line.interval, from }.in_per_cent())
    }

    /// Mean IFD of GRA data less another source's, in per cent.
    fn difficulty(&self, other: &str) -> Option<Found> {
        // `stats` has the interval of the difference where one of the two is its first data set.
        let contrast = "against the first: loss-ratio, difference";
        let first = self.statistics.first().map(|line| line.data_set.as_str());
        let interval_of = |set: &str| self.statistic(contrast, set)?.interval;
        let interval = match first {
            Some("gra") => interval_of(other).map(|(low, high)| (-high, -low)),
            Some(first) if first == other => interval_of("gra"),
            _ => None,
        };
        self.less("ifd: loss-ratio, mean over all", other, interval).map(Found::in_per_cent)
    }

    /// The Vendi score of GRA data less another source's, at as many samples of each.
    fn diversity(&self, other: &str) -> Option<Found> {
        self.less("diversity: Vendi score", other, None)
    }

    /// Entropy of the committee's means less that of the judge's, in bits, of the same samples.
    fn granularity(&self) -> Option<Found> {
        let entropy =
            |rater: &str| self.statistic(&format!("judge: {rater}: entropy in bits"), "gra")?.value;
        let value = entropy("mu")? - entropy("judge")?;
        let from =
            "stats.csv, judge: entropy in bits of mu less that of the judge, without an interval";
        Some(Found { value, interval: None, from: from.to_owned() })
    }
}

/// The rows of [`Measured::scorebook`] for each score that is shifted.
type ShiftedBooks = Vec<((Trained, Benchmark), Scorebook)>;

/// The interval of a sum of scores, laid around the value of its formula.
fn around(value: &Value, sum: &ScoreSum) -> Option<(Ratio, Ratio)> {
    let Value::Number(value) = value else { return None };
    let interval = sum.interval?;
    // The formula's value is the mean over all trainings, the sum's is over those that all scores share: only the width
    // is taken from there.
    let half = exact::parse(&format!("{:.9}", (interval.high - interval.low) / 2.0))?;
    (half > Ratio::ZERO).then_some((value - half, value + half))
}

fn wrong(file: &str, error: LineError) -> MeasuredError {
    MeasuredError { file: file.to_owned(), error }
}

/// What a `compute.csv` says of its trial; `None` where it says nothing of its rounds, or all with assumed sizes.
fn trial(csv: &[u8]) -> Result<Option<Trial>, LineError> {
    let mut found = None;
    for line in lines::read(csv)? {
        // Annotation of the seed set is paid once for all variants, so a trial's cost is that of its rounds.
        if line.text("stage")? != "rounds" || line.optional("assumed_parameters").is_some() {
            continue;
        }
        let (samples, calls): (u32, u32) = (line.read("samples")?, line.read("calls")?);
        let per_sample = Ratio::new(i128::from(calls), i128::from(samples.max(1)));
        found = Some(Trial {
            name: line.text("trial")?.to_owned(),
            // Without an accepted sample there is no cost of one.
            calls: (samples > 0).then_some(per_sample),
            times_teacher: line.optional("times_teacher").and_then(decimal),
            parameters: parameters(&line),
        });
    }
    Ok(found)
}

/// Counts above this are not read: no computation takes so many operations, and their sums would overflow.
const MOST: i128 = 10_i128.pow(30);

/// Parameters as operations over twice the tokens, which is how `compute` counts operations; `None` where they are
/// unknown.
fn parameters(line: &Line) -> Option<Ratio> {
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
