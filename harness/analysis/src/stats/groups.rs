//! Means of data sets by domain, generator and round: acceptance, a judge's scores, difficulty, lengths and how far apart
//! instructions lie. Polars groups the rows ([`frames::means`]); a published frame gives the same numbers.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, DataType, PolarsResult};

use super::MeasuredSet;
use crate::frames::{self, PASSED, RowMeasure};
use crate::stats::measure::{MeasureTable, MeasureValue};

/// Rows of a group below which its mean is not shown.
const FEWEST_SHOWN: u32 = 5;

const TOO_FEW: &str = "fewer than 5 in the group";
const NO_GROUP: &str = "no such group";

/// What rows are grouped by: a column, and the group of the table.
const BY: [(&str, &str); 3] =
    [("domain", "by domain"), ("generator", "by generator"), ("round", "by round")];

/// What is averaged over the samples of a group.
const OF_SAMPLES: [(&str, &str); 5] = [
    ("judge's score", "judge"),
    ("loss-ratio", "loss_ratio"),
    ("words of instruction", "instruction_words"),
    ("words of response", "response_words"),
    ("distance to the nearest instruction", "nearest_distance"),
];

/// Mean and rows by the group's name.
type Means = BTreeMap<String, (Option<f64>, u32)>;

/// A table with a row per group and measure.
pub(super) fn by_group(data_sets: &[MeasuredSet]) -> PolarsResult<MeasureTable> {
    let mut table = MeasureTable::new(data_sets.iter().map(|set| set.name.clone()).collect());
    for (column, group) in BY {
        let acceptance = |set: &MeasuredSet| match &set.trial {
            Some(trial) => means(&frames::outcomes(&trial.facts.candidates)?, column, PASSED),
            None => Ok(Means::new()),
        };
        push(&mut table, group, "acceptance", data_sets, acceptance)?;
        for (name, measure) in OF_SAMPLES {
            let of = |set: &MeasuredSet| means(&set.samples, column, RowMeasure::column(measure));
            push(&mut table, group, name, data_sets, of)?;
        }
    }
    Ok(table)
}

fn push(
    table: &mut MeasureTable,
    group: &'static str,
    measure: &str,
    data_sets: &[MeasuredSet],
    means_of: impl Fn(&MeasuredSet) -> PolarsResult<Means>,
) -> PolarsResult<()> {
    let of_sets: Vec<Means> = data_sets.iter().map(means_of).collect::<PolarsResult<_>>()?;
    let mut names: Vec<&String> = of_sets.iter().flat_map(|of| of.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let cell = |of: &Means| match of.get(name) {
            Some((mean, n)) if *n >= FEWEST_SHOWN => {
                MeasureValue::exact(*mean, *n as usize, TOO_FEW)
            }
            Some(_) => MeasureValue::Absent(TOO_FEW),
            None => MeasureValue::Inapplicable(NO_GROUP),
        };
        table.push(group, format!("{name}: {measure}"), of_sets.iter().map(cell).collect());
    }
    Ok(())
}

/// Means of the rows that name a group.
fn means(frame: &DataFrame, by: &str, measure: RowMeasure) -> PolarsResult<Means> {
    let grouped = frames::means(frame, &[by], measure)?;
    let (names, values, n) = (
        grouped.column(by)?.cast(&DataType::String)?,
        grouped.column("mean")?.f64()?,
        grouped.column("n")?.u32()?,
    );
    let rows = names.str()?.iter().zip(values.iter()).zip(n.iter());
    Ok(rows.filter_map(|((name, mean), n)| Some((name?.to_owned(), (mean, n?)))).collect())
}
