//! Benchmark scores of trained models, as `results/benchmarks.csv` holds them. `gra-bench eval` writes it; it can be
//! written by hand as well.
//!
//! A line per trained model, benchmark and training:
//!
//! | Column | What |
//! |---|---|
//! | `base_model` | `qwen2.5-7b` or `llama-3.1-8b` |
//! | `seed_dataset` | `alpaca`, `wizardlm` or `condor` |
//! | `data_source` | of Table 1, of Table 2, or a variant: `no-reviewer`, `single-reviewer`, `majority-vote`, `single-model`, `fixed-roles` |
//! | `iteration` | for `gra`: how many rounds the data is of, 1 to 5; empty for the others |
//! | `benchmark` | `gsm8k`, `math`, `humaneval`, `mbpp`, `hellaswag`, `arc_c`, `gpqa`, `bbh`, `mmlu`, `ifeval` |
//! | `score` | per cent, with or without `%`; fractions of 1 where `scale` says so |
//! | `scale` | `percent` or `fraction`; may be missing or empty where no score is above 0 and at most 1 |
//! | `n` | items scored |
//! | `training_seed` | which of several trainings on the same data |
//! | `protocol` | how it was scored; may be missing. `opencompass` is the paper's way |
//! | `items` | file of the single items' results ([`difference`]), in the results folder; may be missing |
//!
//! A line without a protocol is of the paper: its names are the paper's, and others are mistakes. With one, any base
//! model, seed set and source may stand in it. What is not of the paper, or was scored in another way, is no cell of the
//! paper's tables and stands below them ([`OtherModel`]).
//!
//! A score such as 0.41 could be a fraction or per cent, and a wrong guess would be off by a factor of 100
//! unnoticed, so it is refused until `scale` says which it is. A benchmark that was not scored has no line.
//!
//! Two kinds of uncertainty of a score are kept apart. The interval is binomial: other items of the same kind would
//! have given another score (Wilson's for one benchmark; for an average the root of the summed variances,
//! normal). The spread is between training seeds: the sample standard deviation of the scores that several
//! trainings reached. Neither contains the other. The interval of a difference contains both ([`difference`]).

pub mod difference;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::exact::{self, Ratio};
use crate::lines::{self, Line, LineError};
use crate::proportion::{Interval, Proportion, Z};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, SeedDataset};
use difference::ItemScores;

/// The protocol of the paper: OpenCompass over whole benchmarks, with the configurations that it names.
pub const PAPERS_PROTOCOL: &str = "opencompass";

/// A trained model of the paper by its base model and its training data; several trainings on the same data are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trained {
    /// The base model.
    pub base: BaseModel,
    /// The seed set that the data was made from.
    pub seed: SeedDataset,
    /// The source of the training data.
    pub source: DataSource,
    /// Rounds of GRA in its data; `None` for other sources.
    pub round: Option<u8>,
}

/// A trained model that is none of the paper's, or that was scored in another way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherModel {
    /// How it was scored.
    pub protocol: String,
    /// The base model.
    pub base: String,
    /// The seed set that the data was made from.
    pub seed: String,
    /// The source of the training data.
    pub source: String,
    /// Rounds in its data, where a line says so.
    pub round: Option<u8>,
}

/// One training's score on one benchmark.
#[derive(Clone, Debug)]
struct Run {
    score: Ratio,
    n: u64,
    /// The file of its items, and what is in it once it was read.
    file: Option<String>,
    items: Option<Arc<ItemScores>>,
}

/// What was measured on a benchmark, or the average of the ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchmarkScore {
    /// Per cent; the mean over trainings, to six decimals.
    pub mean: Ratio,
    /// Binomial 95% interval of the mean, per cent: for other items, not for other trainings.
    pub interval: Option<Interval>,
    /// Scored items, of the benchmark or of all ten together.
    pub n: u64,
    /// How many trainings the mean is over.
    pub trainings: usize,
    /// Sample standard deviation between trainings, in points; `None` with one training.
    pub spread: Option<f64>,
}

impl BenchmarkScore {
    /// Binomial variance of a score on one benchmark, in points squared.
    pub(crate) fn variance(&self) -> f64 {
        let share = exact::to_f64(self.mean) / 100.0;
        share * (1.0 - share) / exact::to_f64(Ratio::from(i128::from(self.n))) * 1e4
    }
}

/// The scores of one model, by benchmark and training.
#[derive(Clone, Debug, Default)]
pub struct ModelScores {
    runs: BTreeMap<Benchmark, BTreeMap<u64, Run>>,
}

/// Scores of all models.
#[derive(Clone, Debug, Default)]
pub struct Benchmarks {
    of_paper: BTreeMap<Trained, ModelScores>,
    others: BTreeMap<OtherModel, ModelScores>,
}

impl Benchmarks {
    /// Reads the file.
    ///
    /// # Errors
    /// Names the first line that is not as the module describes.
    pub fn read(csv: &[u8]) -> Result<Self, LineError> {
        let mut benchmarks = Self::default();
        for line in lines::read(csv)? {
            let scores = benchmarks.of_line(&line)?;
            let benchmark = line.read("benchmark")?;
            let run = run(&line)?;
            let seed = line.text("training_seed")?.parse().map_err(|_| {
                line.field_error("training_seed", "a whole number of at least 0 is wanted")
            })?;
            if scores.runs.entry(benchmark).or_default().insert(seed, run).is_some() {
                return Err(
                    line.line_error("an earlier line has this model, benchmark and training seed")
                );
            }
        }
        Ok(benchmarks)
    }

    /// The scores of the model that a line is about. Names that are none of the paper's are mistakes where no protocol is
    /// given.
    fn of_line(&mut self, line: &Line) -> Result<&mut ModelScores, LineError> {
        let Some(protocol) = line.optional("protocol") else {
            return Ok(self.of_paper.entry(trained(line)?).or_default());
        };
        let source = line.read::<DataSource>("data_source");
        let is_of_paper = line.read::<BaseModel>("base_model").is_ok()
            && line.read::<SeedDataset>("seed_dataset").is_ok()
            // Rounds of other sources than GRA are in none of its tables.
            && source.is_ok_and(|it| it == DataSource::Gra || line.optional("iteration").is_none());
        if protocol == PAPERS_PROTOCOL && is_of_paper {
            return Ok(self.of_paper.entry(trained(line)?).or_default());
        }
        let text = |column| match line.text(column)? {
            "" => Err(line.field_error(column, "a name is missing")),
            text => Ok(text.to_owned()),
        };
        let round = line.optional("iteration").map(|text| {
            text.parse().map_err(|_| line.field_error("iteration", format!("`{text}` is no round")))
        });
        let other = OtherModel {
            protocol: protocol.to_owned(),
            base: text("base_model")?,
            seed: text("seed_dataset")?,
            source: text("data_source")?,
            round: round.transpose()?,
        };
        Ok(self.others.entry(other).or_default())
    }

    /// Whether there is no score.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_paper.is_empty() && self.others.is_empty()
    }

    /// Every model of the paper with a score, in order.
    pub fn models(&self) -> impl Iterator<Item = Trained> {
        self.of_paper.keys().copied()
    }

    /// Every other model with its scores, in order.
    pub fn others(&self) -> impl Iterator<Item = (&OtherModel, &ModelScores)> {
        self.others.iter()
    }

    /// The scores of a model of the paper.
    #[must_use]
    pub fn of(&self, trained: Trained) -> Option<&ModelScores> {
        self.of_paper.get(&trained)
    }

    /// The files of items that the lines name, each once.
    #[must_use]
    pub fn item_files(&self) -> Vec<String> {
        let models = self.of_paper.values().chain(self.others.values());
        let runs = models.flat_map(|model| model.runs.values().flat_map(BTreeMap::values));
        let files: BTreeSet<String> = runs.filter_map(|run| run.file.clone()).collect();
        files.into_iter().collect()
    }

    /// Adds the items of a file that lines name.
    pub fn attach(&mut self, file: &str, items: &BTreeMap<Benchmark, Arc<ItemScores>>) {
        let models = self.of_paper.values_mut().chain(self.others.values_mut());
        for (benchmark, runs) in models.flat_map(|model| &mut model.runs) {
            let named = runs.values_mut().filter(|run| run.file.as_deref() == Some(file));
            named.for_each(|run| run.items = items.get(benchmark).cloned());
        }
    }

    /// The model that stands for a source: for `gra` the one of most rounds, because the best of five by
    /// the benchmarks themselves would be chosen on what is reported (METHOD.md, I4).
    #[must_use]
    pub fn chosen(
        &self,
        base: BaseModel,
        seed: SeedDataset,
        source: DataSource,
    ) -> Option<Trained> {
        let wanted = (base, seed, source);
        self.models().filter(|model| (model.base, model.seed, model.source) == wanted).max()
    }
}

impl ModelScores {
    /// What was measured on a benchmark.
    #[must_use]
    pub fn score(&self, benchmark: Benchmark) -> Option<BenchmarkScore> {
        let runs = self.runs.get(&benchmark)?;
        let scores: Vec<Ratio> = runs.values().map(|run| run.score).collect();
        let mean = mean(&scores)?;
        // Trainings are scored on the same items; where they differ, the fewest keep the interval honest.
        let n = runs.values().map(|run| run.n).min()?;
        Some(BenchmarkScore {
            mean,
            interval: binomial(mean, n),
            n,
            trainings: scores.len(),
            spread: spread(&scores),
        })
    }

    /// The average of the ten; `None` while one is missing. Its spread is over the trainings that have all
    /// ten.
    #[must_use]
    pub fn average(&self) -> Option<BenchmarkScore> {
        let scores = Benchmark::ALL.map(|benchmark| self.score(benchmark));
        let scores: Vec<BenchmarkScore> = scores.into_iter().collect::<Option<_>>()?;
        let means: Vec<Ratio> = scores.iter().map(|score| score.mean).collect();
        let mean = mean(&means)?;
        let whole = self.whole_trainings();
        // The average's variance is the sum of ten binomial ones over a hundred: benchmarks share no items.
        let error = scores.iter().map(BenchmarkScore::variance).sum::<f64>().sqrt() / 10.0;
        let centre = exact::to_f64(mean);
        Some(BenchmarkScore {
            mean,
            interval: Some(Interval { low: centre - Z * error, high: centre + Z * error }),
            n: scores.iter().map(|score| score.n).sum(),
            trainings: scores.iter().map(|score| score.trainings).min()?,
            spread: spread(&whole),
        })
    }

    /// Averages of the trainings that were scored on all ten.
    fn whole_trainings(&self) -> Vec<Ratio> {
        let mut by_seed: BTreeMap<u64, Vec<Ratio>> = BTreeMap::new();
        for (seed, run) in self.runs.values().flatten() {
            by_seed.entry(*seed).or_default().push(run.score);
        }
        let whole = by_seed.into_values().filter(|scores| scores.len() == Benchmark::ALL.len());
        whole.filter_map(|scores| mean(&scores)).collect()
    }
}

/// The model of the paper that a line is about.
fn trained(line: &Line) -> Result<Trained, LineError> {
    let source = line.read("data_source")?;
    // A score without its round could be of any row of Table 3, and a round without GRA of none.
    let round = match (source, line.optional("iteration")) {
        (DataSource::Gra, Some(text)) => {
            let round = text.parse().ok().filter(|round| ITERATIONS.contains(round));
            let wrong =
                || line.field_error("iteration", format!("`{text}` is no round; there are 1 to 5"));
            Some(round.ok_or_else(wrong)?)
        }
        (DataSource::Gra, None) => {
            let problem = "gra needs the number of rounds that its data is of, 1 to 5";
            return Err(line.field_error("iteration", problem));
        }
        (_, Some(text)) => {
            let problem = format!("`{text}`: only gra has rounds; leave it empty for {source}");
            return Err(line.field_error("iteration", problem));
        }
        (_, None) => None,
    };
    let (base, seed) = (line.read("base_model")?, line.read("seed_dataset")?);
    Ok(Trained { base, seed, source, round })
}

/// What a score is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Percent,
    Fraction,
}

/// The score and the number of items that a line holds.
fn run(line: &Line) -> Result<Run, LineError> {
    let score = score(line)?;
    let text = line.text("n")?;
    // No benchmark has a billion items; sums of ten such numbers stay far below overflow.
    let n = text.parse().ok().filter(|n| (1..=1_000_000_000).contains(n));
    let n =
        n.ok_or_else(|| line.field_error("n", format!("`{text}` is no number of scored items")))?;
    Ok(Run { score, n, file: line.optional("items").map(str::to_owned), items: None })
}

/// A score in per cent.
fn score(line: &Line) -> Result<Ratio, LineError> {
    let text = line.text("score")?;
    let wrong = |problem: String| line.field_error("score", problem);
    // A per cent sign says the scale as well as the column does; the two must not disagree.
    let percent = text.strip_suffix('%').map(str::trim_end);
    let scale = match (line.optional("scale").map(str::to_ascii_lowercase).as_deref(), percent) {
        (None, None) => None,
        (Some("percent" | "per cent" | "%"), _) | (None, Some(_)) => Some(Scale::Percent),
        (Some("fraction"), None) => Some(Scale::Fraction),
        (Some("fraction"), Some(_)) => {
            return Err(wrong(format!("`{text}` is in per cent, and its scale is fraction")));
        }
        (Some(other), _) => {
            let problem = format!("`{other}` is no scale; there are percent and fraction");
            return Err(line.field_error("scale", problem));
        }
    };
    let number = shortened(percent.unwrap_or(text));
    let score = exact::parse(number).ok_or_else(|| wrong(no_number(text)))?;
    let (most, unit) = match scale {
        Some(Scale::Fraction) => (Ratio::ONE, "as a fraction"),
        Some(Scale::Percent) | None => (Ratio::from(100), "in per cent"),
    };
    if !(Ratio::ZERO..=most).contains(&score) {
        return Err(wrong(format!("`{text}` is not from 0 to {}, {unit}", exact::shown(most))));
    }
    match scale {
        Some(Scale::Fraction) => Ok(score * 100),
        // 0 is 0 on both scales; from there to 1 a guess would be off by a factor of 100.
        None if Ratio::ZERO < score && score <= Ratio::ONE => Err(wrong(format!(
            "`{text}` could be a fraction or per cent\n\
             hint: add a column `scale` that says `fraction` or `percent`"
        ))),
        Some(Scale::Percent) | None => Ok(score),
    }
}

/// A number without the decimals after the ninth, which evaluation tools print and which mean nothing.
fn shortened(number: &str) -> &str {
    const DECIMALS: usize = 9;
    match number.split_once('.') {
        Some((whole, decimals)) if decimals.bytes().all(|byte| byte.is_ascii_digit()) => {
            &number[..whole.len() + 1 + decimals.len().min(DECIMALS)]
        }
        _ => number,
    }
}

/// The message for a score that is not a number, with a hint.
fn no_number(text: &str) -> String {
    // `51,4` is the most common mistake; a hint is better than "not a number".
    let number = text.trim_end_matches('%').trim_end();
    let is_comma_number =
        number.matches(',').count() == 1 && number.chars().all(|c| c.is_ascii_digit() || c == ',');
    let hint = if is_comma_number {
        format!("write {}, with a point", text.replace(',', "."))
    } else if text.contains(|c: char| c.is_ascii_digit()) {
        "write the score alone and in full, such as 71.5: without its error, an exponent or a total"
            .to_owned()
    } else {
        "leave out the line of a benchmark that was not scored".to_owned()
    };
    format!("`{text}` is no number from 0 to 100, in per cent\nhint: {hint}")
}

/// The mean to six decimals, which keeps denominators small whatever numbers of trainings come together.
fn mean(scores: &[Ratio]) -> Option<Ratio> {
    Some(exact::round(exact::mean(scores.iter().copied())?, 6))
}

/// Sample standard deviation; `None` of fewer than two scores.
fn spread(scores: &[Ratio]) -> Option<f64> {
    let centre = exact::to_f64(mean(scores).filter(|_| scores.len() > 1)?);
    let squares = scores.iter().map(|score| (exact::to_f64(*score) - centre).powi(2)).sum::<f64>();
    #[expect(clippy::cast_precision_loss, reason = "trainings are few")]
    let freedom = (scores.len() - 1) as f64;
    Some((squares / freedom).sqrt())
}

/// Wilson's interval of a score, per cent. Scores that are no share of their items (`IFEval`
/// averages several) count as the nearest one.
fn binomial(score: Ratio, n: u64) -> Option<Interval> {
    let right = (score * i128::from(n) / 100).round().to_integer();
    let yes = u64::try_from(right).ok()?;
    let interval = Proportion { yes, no: n - yes }.wilson()?;
    Some(Interval { low: 100.0 * interval.low, high: 100.0 * interval.high })
}
