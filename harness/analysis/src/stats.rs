//! Data sets side by side: means of what was measured of each sample, with intervals.
//!
//! Reads the frames of [`crate::frames::samples`] and nothing else, so that whoever has a published
//! frame can compute the same numbers. Samples of one origin are resampled together.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, DataType, PolarsResult};

use crate::bootstrap::{self, Cluster};
use crate::ifd::Formula;
use crate::measure::{Cell, MeasureTable};

/// A data set's name and its frame of samples.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name; unique among those compared.
    pub name: String,
    /// One row per sample ([`crate::frames::samples`]).
    pub samples: DataFrame,
}

/// Adds what the frames say: lengths, scores, difficulty.
///
/// # Errors
/// When a frame lacks a column of [`crate::frames::samples`].
pub fn describe(subjects: &[Subject], run_seed: u64, table: &mut MeasureTable) -> PolarsResult<()> {
    let columns: Vec<Columns> = subjects.iter().map(Columns::of).collect::<PolarsResult<_>>()?;
    let mut means = |group, name: &str, column: &str, missing| {
        let mean = |of: &Columns| Cell::or_absent(of.mean(column, run_seed, |x| Some(x)), missing);
        table.push(group, name, columns.iter().map(mean).collect());
    };
    means("text", "words of instruction, mean", "instruction_words", "no samples");
    means("text", "words of response, mean", "response_words", "no responses");
    means("quality", "mu, mean", "mu", "no committee scored it");
    means("quality", "sigma, mean", "sigma", "no committee scored it");
    means("quality", "judge's score, mean", "judge", "no judge was asked");
    for formula in Formula::ALL {
        let column = formula.name().replace('-', "_");
        let mut push = |what: &str, value: fn(f64) -> Option<f64>| {
            let cell = |of: &Columns| {
                Cell::or_absent(of.mean(&column, run_seed, value), "no losses were measured")
            };
            let name = format!("{}, {what}", formula.name());
            table.push("ifd", name, columns.iter().map(cell).collect());
        };
        push("mean over all", Some);
        push("mean of those below 1", |x| (x < 1.0).then_some(x));
        push("share above 1", |x| Some(f64::from(u8::from(x > 1.0))));
    }
    let measured = |of: &Columns| match of.values["conditional_loss"].iter().flatten().count() {
        0 => Cell::Absent("no losses were measured"),
        n => Cell::count(of.origins.len() - n, of.origins.len()),
    };
    table.push("ifd", "samples without a loss", columns.iter().map(measured).collect());
    let truncated = |of: &Columns| {
        Cell::or_absent(of.mean("truncated", run_seed, Some), "no losses were measured")
    };
    table.push("ifd", "share cut at the limit", columns.iter().map(truncated).collect());
    Ok(())
}

/// The columns of a frame that are averaged.
struct Columns {
    origins: Vec<String>,
    values: BTreeMap<&'static str, Vec<Option<f64>>>,
}

const NUMBERS: [&str; 9] = [
    "instruction_words",
    "response_words",
    "mu",
    "sigma",
    "judge",
    "conditional_loss",
    "loss_ratio",
    "perplexity_ratio",
    "truncated",
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
        let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
        for (origin, number) in self.origins.iter().zip(&self.values[column]) {
            let Some(value) = number.and_then(&value) else { continue };
            let cluster = clusters.entry(origin).or_insert(Cluster { sum: 0.0, count: 0 });
            cluster.sum += value;
            cluster.count += 1;
        }
        let clusters: Vec<Cluster> = clusters.into_values().collect();
        bootstrap::mean(&clusters, run_seed, &["stats", column])
    }
}
