//! Data sets side by side: means of what was measured of each sample, what a trial's committee and a
//! judge say, and differences to the first data set, all with intervals.
//!
//! What is said of samples is read from the frames of [`crate::frames::samples`] and nothing else, so
//! that the same numbers can be computed from a published frame. Samples of one origin are resampled
//! together.

use std::collections::BTreeMap;

use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, DataType, PolarsError, PolarsResult};

use crate::bootstrap::{self, Bootstrap, Cluster, Clusters};
use crate::committee::UnknownFamily;
use crate::facts::TrialFacts;
use crate::ifd::Formula;
use crate::levels::NotFinite;
use crate::measure::{Cell, MeasureTable};
use diversity::Diversity;

mod committee;
mod contrast;
mod cost;
pub mod diversity;
mod quality;
mod words;

pub use contrast::Contrast;
pub use words::in_words;

/// A data set, and what was measured of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name; unique among those compared.
    pub name: String,
    /// One row per sample ([`crate::frames::samples`]).
    pub samples: DataFrame,
    /// Names the seed set that the origins are items of, e.g. by its hash; `None` where each sample is
    /// its own origin.
    pub seed_set: Option<String>,
    /// Records of the files that it was read from; `None` for a trial.
    pub records: Option<Records>,
    /// Where it comes from, when that is a trial.
    pub trial: Option<Trial>,
}

/// What became of a file's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// In the file.
    pub found: usize,
    /// Not read, for reasons that are named beside the table.
    pub skipped: usize,
}

/// The trial whose samples a data set holds.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Everything that it recorded.
    pub facts: TrialFacts,
    /// Models of one family judge their own kind ([`crate::committee`]). Every generator and reviewer
    /// has one.
    pub families: BTreeMap<ModelName, String>,
    /// A judge's mean scores of responses, accepted or not; empty when none was asked.
    pub judge: BTreeMap<ItemId, f64>,
    /// How many parameters the models have that say so.
    pub parameters: BTreeMap<ModelName, u64>,
}

/// What was found for several data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Every measure.
    pub table: MeasureTable,
    /// How the others differ from the first.
    pub contrasts: Vec<Contrast>,
}

/// How the table is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Intervals.
    pub bootstrap: Bootstrap,
    /// What divides high scores from others; 8 in the paper.
    pub threshold: f64,
}

/// The table cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A frame lacks a column of [`crate::frames::samples`].
    #[error("a frame of samples is not whole: {0}")]
    Frame(#[from] PolarsError),
    /// A model of a trial has no family.
    #[error(transparent)]
    Family(#[from] UnknownFamily),
    /// A score is no number.
    #[error("a score is not finite: {0}")]
    Score(#[from] NotFinite),
}

/// Measures data sets; `diversity` is of the same ones. The first one is the reference
/// of the differences.
///
/// # Errors
/// When a frame lacks a column, a model its family, or a score is no number.
pub fn findings(
    subjects: &[Subject],
    diversity: Option<&Diversity>,
    settings: Settings,
) -> Result<Findings, StatsError> {
    let names = subjects.iter().map(|subject| subject.name.clone()).collect();
    let mut table = MeasureTable::new(names);
    let columns: Vec<Columns> = subjects.iter().map(Columns::of).collect::<PolarsResult<_>>()?;
    count(subjects, &mut table);
    describe(&columns, settings.bootstrap.run_seed, &mut table);
    if let Some(diversity) = diversity {
        diversity.describe(settings, &mut table);
    }
    quality::describe(subjects, settings, &mut table)?;
    committee::describe(subjects, settings, &mut table)?;
    cost::describe(subjects, &mut table);
    let contrasts = contrast::contrasts(subjects, &columns, settings.bootstrap);
    contrast::describe(&contrasts, &mut table);
    Ok(Findings { table, contrasts })
}

/// Adds how many samples are measured, and of how many records.
fn count(subjects: &[Subject], table: &mut MeasureTable) {
    let samples =
        |subject: &Subject| Cell::count(subject.samples.height(), subject.samples.height());
    table.push("data", "samples measured", subjects.iter().map(samples).collect());
    let mut push = |name: &str, of: fn(Records) -> usize| {
        let cell = |subject: &Subject| match subject.records {
            Some(records) => Cell::count(of(records), records.found),
            None => Cell::Inapplicable("it is no file"),
        };
        table.push("data", name, subjects.iter().map(cell).collect());
    };
    push("records in the file", |records| records.found);
    push("records skipped", |records| records.skipped);
}

/// Adds what the frames say: lengths, scores, difficulty.
fn describe(columns: &[Columns], run_seed: u64, table: &mut MeasureTable) {
    let mut means = |group, name: &str, column: &str, missing| {
        let mean = |of: &Columns| Cell::or_absent(of.mean(column, run_seed, Some), missing);
        table.push(group, name, columns.iter().map(mean).collect());
    };
    means("text", "words of instruction, mean", "instruction_words", "no samples");
    means("text", "words of response, mean", "response_words", "no responses");
    means("quality", "judge's score, mean", "judge", "no judge was asked");
    for column in ["mu", "sigma"] {
        let mean = |of: &Columns| match of.mean(column, run_seed, Some) {
            mean if mean.value.is_some() => Cell::Estimate(mean),
            _ => Cell::Inapplicable(UNSCORED),
        };
        table.push("quality", format!("{column}, mean"), columns.iter().map(mean).collect());
    }
    for formula in Formula::ALL {
        let column = formula.name().replace('-', "_");
        let mut push = |what: &str, value: fn(f64) -> Option<f64>| {
            let cell = |of: &Columns| Cell::or_absent(of.mean(&column, run_seed, value), NO_LOSSES);
            let name = format!("{}, {what}", formula.name());
            table.push("ifd", name, columns.iter().map(cell).collect());
        };
        push("mean over all", Some);
        push("mean of those below 1", |x| (x < 1.0).then_some(x));
        push("share above 1", |x| Some(f64::from(u8::from(x > 1.0))));
    }
    let unmeasured = |of: &Columns| match of.values["conditional_loss"].iter().flatten().count() {
        0 => Cell::Absent(NO_LOSSES),
        n => Cell::count(of.origins.len() - n, of.origins.len()),
    };
    table.push("ifd", "samples without a loss", columns.iter().map(unmeasured).collect());
    let cut = |of: &Columns| Cell::or_absent(of.mean("truncated", run_seed, Some), NO_LOSSES);
    table.push("ifd", "share cut at the limit", columns.iter().map(cut).collect());
}

const UNSCORED: &str = "no committee scored it";
const NO_LOSSES: &str = "no losses were measured";

/// The columns of a frame that are averaged.
struct Columns {
    origins: Vec<String>,
    values: BTreeMap<&'static str, Vec<Option<f64>>>,
}

const NUMBERS: [&str; 10] = [
    "instruction_words",
    "response_words",
    "mu",
    "sigma",
    "judge",
    "conditional_loss",
    "loss_ratio",
    "perplexity_ratio",
    "truncated",
    "nearest_distance",
];

impl Columns {
    fn of(subject: &Subject) -> PolarsResult<Self> {
        let origins = subject.samples.column("origin")?.str()?.iter();
        let origins = origins.map(|origin| origin.unwrap_or_default().to_owned()).collect();
        let values = NUMBERS.into_iter().map(|name| {
            let column = subject.samples.column(name)?.cast(&DataType::Float64)?;
            Ok((name, column.f64()?.iter().collect()))
        });
        Ok(Self { origins, values: values.collect::<PolarsResult<_>>()? })
    }

    /// Mean of a function of a column over the samples where it has a value.
    fn mean(
        &self,
        column: &str,
        run_seed: u64,
        value: impl Fn(f64) -> Option<f64>,
    ) -> bootstrap::Estimate {
        bootstrap::mean(&self.clusters(column, value), run_seed, &["stats", column])
    }

    /// A column by the names of the origins.
    fn by_origin(&self, column: &str) -> BTreeMap<&str, Cluster> {
        let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
        for (origin, value) in self.origins.iter().zip(&self.values[column]) {
            let Some(value) = *value else { continue };
            let cluster = clusters.entry(origin).or_insert(Cluster { sum: 0.0, count: 0 });
            cluster.sum += value;
            cluster.count += 1;
        }
        clusters
    }

    /// A function of a column by origin, in the order of the origins.
    fn clusters(&self, column: &str, value: impl Fn(f64) -> Option<f64>) -> Vec<Cluster> {
        let rows = self.origins.iter().zip(&self.values[column]);
        let (origins, values): (Vec<&String>, Vec<f64>) =
            rows.filter_map(|(origin, number)| Some((origin, value((*number)?)?))).unzip();
        Clusters::by(origins).sums(&values)
    }
}

#[cfg(test)]
mod tests;
