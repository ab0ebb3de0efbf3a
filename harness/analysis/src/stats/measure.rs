//! A table of measures: what was found for each of several data sets, each number with its interval
//! and its n, or the reason why there is none.

use std::io::{self, Write};

use crate::foreign_text::{CsvWriter, field};
use crate::grid::{self, left, or_missing, right};
use crate::statistics::inference::{Estimate, Interval};

/// A number of the table, or why it is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum MeasureValue {
    /// A number that the data estimates, with its interval; or without one a count, a setting, a quantity of this
    /// very data. Its `value` is there.
    Known(Estimate),
    /// There is no value, and there might be one.
    Absent(&'static str),
    /// The data set is not of a kind that has this value.
    Inapplicable(&'static str),
}

impl MeasureValue {
    /// An estimate; absent for this reason when it has no value.
    #[must_use]
    pub fn or_absent(estimate: Estimate, why: &'static str) -> Self {
        if estimate.value.is_some() { Self::Known(estimate) } else { Self::Absent(why) }
    }

    /// A value of this very data, about `n` samples; absent for this reason when there is none.
    #[must_use]
    pub fn exact(value: Option<f64>, n: usize, why: &'static str) -> Self {
        Self::or_absent(Estimate { n, value, interval: None }, why)
    }

    /// A count.
    #[must_use]
    pub fn count(count: usize, of: usize) -> Self {
        let value = count as f64;
        Self::Known(Estimate { n: of, value: Some(value), interval: None })
    }

    fn estimate(&self) -> Option<&Estimate> {
        if let Self::Known(estimate) = self { Some(estimate) } else { None }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.estimate()?.value
    }

    /// Its interval.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        self.estimate()?.interval
    }

    /// How much data is behind it: samples or candidates.
    #[must_use]
    pub fn n(&self) -> Option<usize> {
        Some(self.estimate()?.n)
    }

    /// Why there is no value.
    #[must_use]
    pub fn why_absent(&self) -> Option<&'static str> {
        match self {
            Self::Absent(why) | Self::Inapplicable(why) => Some(why),
            Self::Known(_) => None,
        }
    }
}

/// One measure over all data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Measures of one group stand together, e.g. `ifd`.
    pub group: &'static str,
    /// E.g. `loss-ratio, mean`.
    pub name: String,
    /// One per data set.
    pub cells: Vec<MeasureValue>,
    /// Whether it is for those who look closer: it is in every file, and on a terminal when asked for.
    pub is_detail: bool,
}

/// Measures of data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureTable {
    data_sets: Vec<String>,
    measures: Vec<Measure>,
}

impl MeasureTable {
    /// A table without measures.
    #[must_use]
    pub const fn new(data_sets: Vec<String>) -> Self {
        Self { data_sets, measures: Vec::new() }
    }

    /// Names of the data sets, in the order of the cells.
    #[must_use]
    pub fn data_sets(&self) -> &[String] {
        &self.data_sets
    }

    /// The measures, in the order in which they were added.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Adds a measure, unless no data set has a value for it.
    ///
    /// # Panics
    /// When there is not one cell per data set.
    pub fn push(&mut self, group: &'static str, name: impl Into<String>, cells: Vec<MeasureValue>) {
        self.add(Measure { group, name: name.into(), cells, is_detail: false });
    }

    /// Adds a measure for those who look closer, as [`Self::push`].
    ///
    /// # Panics
    /// As there.
    pub fn push_detail(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        cells: Vec<MeasureValue>,
    ) {
        self.add(Measure { group, name: name.into(), cells, is_detail: true });
    }

    pub(crate) fn add(&mut self, measure: Measure) {
        // A row of nothing but reasons tells a reader nothing of these data sets.
        if measure.cells.iter().any(|cell| cell.why_absent().is_none()) {
            self.keep(measure);
        }
    }

    /// Adds a measure that was asked for: where no data set has a value, the reason is shown.
    pub(crate) fn keep(&mut self, measure: Measure) {
        assert_eq!(measure.cells.len(), self.data_sets.len(), "one cell per data set");
        self.measures.push(measure);
    }

    /// Writes one line per measure and data set: `group`, `measure`, `data_set`, `value`, `low`,
    /// `high`, `n`, `absent`, numbers at full precision, an empty field where there is no value.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        let mut csv = CsvWriter::from_writer(writer);
        let header = ["group", "measure", "data_set", "value", "low", "high", "n", "absent"];
        csv.write_record(header)?;
        for (measure, data_set, cell) in self.cells() {
            let interval = cell.interval();
            csv.write_record([
                measure.group,
                &measure.name,
                data_set,
                &field(cell.value()),
                &field(interval.map(|interval| interval.low)),
                &field(interval.map(|interval| interval.high)),
                &field(cell.n()),
                cell.why_absent().unwrap_or_default(),
            ])?;
        }
        csv.flush()
    }

    /// A Markdown table: a row per measure, a column per data set, cells as `value [low, high] (n)`.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut columns = vec![
            left("group", &self.measures, |measure| measure.group.to_owned()),
            left("measure", &self.measures, |measure| measure.name.clone()),
        ];
        for (place, data_set) in self.data_sets.iter().enumerate() {
            columns.push(right(data_set, &self.measures, |measure| whole(&measure.cells[place])));
        }
        grid::markdown(&columns)
    }

    /// Aligned lines for a terminal: a line per measure and data set, so that what is compared stands
    /// one below the other. Data sets that a measure does not apply to have no line; details have
    /// some where they are asked for.
    #[must_use]
    pub fn terminal(&self, details: bool) -> String {
        let lines: Vec<(&Measure, &str, &MeasureValue)> = self
            .cells()
            .filter(|(measure, _, cell)| {
                (details || !measure.is_detail) && !matches!(cell, MeasureValue::Inapplicable(_))
            })
            .collect();
        // A group and a measure are named where they begin.
        let places: Vec<usize> = (0..lines.len()).collect();
        let begins = |place: usize, name: fn(&Measure) -> &str| {
            let this = name(lines[place].0);
            let before = place.checked_sub(1).map(|before| name(lines[before].0));
            if before == Some(this) { String::new() } else { this.to_owned() }
        };
        let columns = [
            left("group", &places, |at| begins(*at, |measure| measure.group)),
            left("measure", &places, |at| begins(*at, |measure| &measure.name)),
            left("data set", &lines, |(_, name, _)| (*name).to_owned()),
            right("value", &lines, |(.., cell)| or_missing(cell.value(), shown)),
            left("95% interval", &lines, |(.., cell)| field(cell.interval().map(span))),
            right("n", &lines, |(.., cell)| field(cell.n())),
            left("", &lines, |(.., cell)| field(cell.why_absent())),
        ];
        grid::terminal(&columns)
    }

    fn cells(&self) -> impl Iterator<Item = (&Measure, &str, &MeasureValue)> + Clone {
        self.measures.iter().flat_map(|measure| {
            let names = self.data_sets.iter().map(String::as_str);
            names.zip(&measure.cells).map(move |(name, cell)| (measure, name, cell))
        })
    }
}

/// A cell for each data set, of what was found of it or of what stands in its place.
pub(super) fn cells<T>(
    found: &[Result<T, MeasureValue>],
    cell: impl Fn(&T) -> MeasureValue,
) -> Vec<MeasureValue> {
    found.iter().map(|of| of.as_ref().map_or_else(Clone::clone, &cell)).collect()
}

/// A count in the type of an n; one that it cannot hold becomes its largest value.
pub(super) fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn whole(cell: &MeasureValue) -> String {
    or_missing(cell.value(), |value| {
        let interval = field(cell.interval().map(|interval| format!(" {}", span(interval))));
        let n = field(cell.n().map(|n| format!(" ({n})")));
        format!("{}{interval}{n}", shown(value))
    })
}

fn span(interval: Interval) -> String {
    format!("[{}, {}]", shown(interval.low), shown(interval.high))
}

/// A number to four digits or so; whole ones without decimals.
fn shown(value: f64) -> String {
    // Counts stay whole; anything else has about four significant digits. Beyond 1e15 every float is whole.
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e15 => 0,
        size if size < 1.0 => 4,
        size if size < 10.0 => 3,
        size if size < 100.0 => 2,
        _ => 1,
    };
    grid::fixed(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> MeasureTable {
        let estimate = |value, low, high| {
            let interval = Some(Interval { low, high });
            MeasureValue::Known(Estimate { n: 20, value: Some(value), interval })
        };
        let mut table = MeasureTable::new(vec!["seeds".to_owned(), "gra|x".to_owned()]);
        table.push("text", "samples", vec![MeasureValue::count(40, 40), MeasureValue::count(6, 6)]);
        table.push(
            "quality",
            "mu, mean",
            vec![MeasureValue::Absent("no score for it"), estimate(6.25, 5.5, 7.0)],
        );
        table.push("ifd", "loss-ratio, mean", vec![MeasureValue::Absent("not asked"); 2]);
        let inapplicable = MeasureValue::Inapplicable("no committee reviewed it");
        table.push_detail("committee", "alpha", vec![inapplicable, estimate(0.5, 0.25, 0.75)]);
        table
    }

    #[test]
    fn a_line_per_measure_and_data_set() {
        insta::assert_snapshot!(table().terminal(false), @"
        group    measure   data set  value  95% interval   n
        text     samples   seeds        40                40
                           gra|x         6                 6
        quality  mu, mean  seeds         -                    no score for it
                           gra|x     6.250  [5.500, 7]    20
        ");
    }

    #[test]
    fn details_are_shown_when_asked_for() {
        insta::assert_snapshot!(table().terminal(true), @"
        group      measure   data set   value  95% interval       n
        text       samples   seeds         40                    40
                             gra|x          6                     6
        quality    mu, mean  seeds          -                        no score for it
                             gra|x      6.250  [5.500, 7]        20
        committee  alpha     gra|x     0.5000  [0.2500, 0.7500]  20
        ");
    }

    #[test]
    fn a_row_per_measure() {
        insta::assert_snapshot!(table().markdown(), @r"
        | group | measure | seeds | gra\|x |
        | --- | --- | ---: | ---: |
        | text | samples | 40 (40) | 6 (6) |
        | quality | mu, mean | - | 6.250 [5.500, 7] (20) |
        | committee | alpha | - | 0.5000 [0.2500, 0.7500] (20) |
        ");
    }

    #[test]
    fn csv_says_why_a_value_is_missing() {
        let mut csv = Vec::new();
        table().write_csv(&mut csv).unwrap();
        insta::assert_snapshot!(String::from_utf8(csv).unwrap(), @r#"
        group,measure,data_set,value,low,high,n,absent
        text,samples,seeds,40,,,40,
        text,samples,gra|x,6,,,6,
        quality,"mu, mean",seeds,,,,,no score for it
        quality,"mu, mean",gra|x,6.25,5.5,7,20,
        committee,alpha,seeds,,,,,no committee reviewed it
        committee,alpha,gra|x,0.5,0.25,0.75,20,
        "#);
    }
}
