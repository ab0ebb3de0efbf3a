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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Sample, samples};
    use crate::ifd::{Loss, Pair, Unmeasured};

    fn sample(number: u32, origin: &str) -> Sample {
        Sample {
            id: format!("s{number:05}"),
            origin: origin.to_owned(),
            domain: None,
            instruction: "Name a colour.".to_owned(),
            response: Some("Grey.".to_owned()),
            mu: None,
            sigma: None,
            judge: None,
            difficulty: None,
            nearest_distance: None,
        }
    }

    fn losses(conditional: f64, direct: f64) -> Option<crate::ifd::Measured> {
        let loss = |mean| Loss { mean, tokens: 3 };
        let pair = Pair { conditional: loss(conditional), direct: loss(direct), truncated: false };
        Some(Ok(pair))
    }

    fn described(name: &str, rows: &[Sample]) -> MeasureTable {
        let subject = Subject { name: name.to_owned(), samples: samples(rows).unwrap() };
        let mut table = MeasureTable::new(vec![name.to_owned()]);
        describe(&[subject], 42, &mut table).unwrap();
        table
    }

    fn cell(table: &MeasureTable, measure: &str) -> Cell {
        let found = table.measures().iter().find(|m| m.name == measure);
        found.unwrap_or_else(|| panic!("no measure `{measure}`")).cells[0].clone()
    }

    #[test]
    fn difficulty_is_reported_over_all_below_one_and_above() {
        let mut rows: Vec<Sample> = (0..5).map(|n| sample(n, &format!("s{n:05}"))).collect();
        rows[0].difficulty = losses(1.0, 2.0);
        rows[1].difficulty = losses(2.0, 2.0);
        rows[2].difficulty = losses(3.0, 2.0);
        rows[3].difficulty = Some(Err(Unmeasured::EmptyResponse));
        rows[4].difficulty = losses(0.5, 0.0);
        let table = described("a", &rows);
        let value = |measure| cell(&table, measure).value().unwrap();
        assert!((value("loss-ratio, mean over all") - 1.0).abs() < 1e-12);
        assert!((value("loss-ratio, mean of those below 1") - 0.5).abs() < 1e-12);
        assert!((value("loss-ratio, share above 1") - 1.0 / 3.0).abs() < 1e-12);
        let expected = ((-1.0_f64).exp() + 1.0 + 1.0_f64.exp() + 0.5_f64.exp()) / 4.0;
        assert!((value("perplexity-ratio, mean over all") - expected).abs() < 1e-12);
        assert!((value("samples without a loss") - 1.0).abs() < 1e-12);
        assert_eq!(cell(&table, "loss-ratio, mean over all").n(), Some(3));
    }

    #[test]
    fn samples_of_one_origin_are_one_cluster() {
        let mut rows: Vec<Sample> = (0..6).map(|n| sample(n, ["a", "b"][n as usize % 2])).collect();
        for (row, mu) in rows.iter_mut().zip([6.0, 8.0, 6.0, 8.0, 6.0, 8.0]) {
            row.mu = Some(mu);
        }
        let mean = cell(&described("a", &rows), "mu, mean");
        let interval = mean.interval().unwrap();
        assert_eq!((mean.value(), mean.n()), (Some(7.0), Some(2)));
        assert_eq!((interval.low, interval.high), (6.0, 8.0), "two origins, drawn twice");
    }

    #[test]
    fn what_nobody_measured_has_no_row() {
        let table = described("a", &[sample(0, "s00000")]);
        assert!(table.measures().iter().all(|measure| measure.group == "text"), "{table:?}");
        let one = cell(&table, "words of instruction, mean");
        assert_eq!((one.value(), one.interval(), one.n()), (Some(3.0), None, Some(1)));
    }
}
