//! Rows that an earlier run of the same experiment and seed left for variants that this run leaves out.

use std::path::Path;

use anyhow::{Context, Result};
use csv::StringRecord;
use gra_analysis::ablation::sweep::SweepAxis;
use gra_analysis::foreign_text::CsvWriter;

/// The rows of other variants in a table of an earlier run.
#[derive(Debug, Default)]
pub(super) struct OtherRows {
    header: StringRecord,
    rows: Vec<StringRecord>,
    /// Column of the variants' names.
    variant: usize,
}

/// Reads the rows whose `variant` is none of `ran`; none where there is no file.
///
/// # Errors
/// When the file is no table of variants.
pub(super) fn rows_of_others(path: &Path, ran: &[&str]) -> Result<OtherRows> {
    if !path.exists() {
        return Ok(OtherRows::default());
    }
    let read = || -> Result<OtherRows> {
        let mut csv = csv::Reader::from_path(path)?;
        let header = csv.headers()?.clone();
        let column = header.iter().position(|name| name == "variant");
        let variant = column.context("it has no column `variant`")?;
        let rows = csv.into_records().collect::<csv::Result<Vec<StringRecord>>>()?;
        let is_other = |row: &StringRecord| !ran.contains(&row.get(variant).unwrap_or_default());
        Ok(OtherRows { header, rows: rows.into_iter().filter(is_other).collect(), variant })
    };
    read().with_context(|| is_no_table(path))
}

/// Places and variants that an earlier table over these places has and this run has not, in words.
///
/// # Errors
/// When the file is no such table.
pub(super) fn others_of_sweep(
    path: &Path,
    (axis, places): (SweepAxis, &[&str]),
    ran: &[&str],
) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = || -> Result<Vec<String>> {
        let mut csv = csv::Reader::from_path(path)?;
        let header = csv.headers()?.clone();
        let column = |wanted: &str| {
            let place = header.iter().position(|name| name == wanted);
            place.with_context(|| format!("it has no column `{wanted}`"))
        };
        let (measure, variant) = (column("measure")?, column("data_set")?);
        // As in `acceptance, seed set alpaca`.
        let (one, before) = (axis.one(), format!(", {} ", axis.one()));
        let mut others: Vec<String> = Vec::new();
        for row in csv.into_records() {
            let row = row?;
            // Only measures of one place name it; those over all places do not.
            let place = row.get(measure).and_then(|name| Some(name.rsplit_once(&before)?.1));
            let place = place.filter(|place| !places.contains(place));
            let place = place.map(|place| format!("{one} {place}"));
            let variant = row.get(variant).filter(|name| !ran.contains(name)).map(str::to_owned);
            for other in place.into_iter().chain(variant) {
                if !others.contains(&other) {
                    others.push(other);
                }
            }
        }
        Ok(others)
    };
    read().with_context(|| is_no_table(path))
}

fn is_no_table(path: &Path) -> String {
    format!(
        "{} is no table that an earlier run wrote\nhint: move it away, and run again",
        path.display()
    )
}

impl OtherRows {
    /// The variants, each once, in the order of the table.
    pub(super) fn variants(&self) -> Vec<String> {
        let mut variants: Vec<String> = Vec::new();
        for name in self.rows.iter().filter_map(|row| row.get(self.variant)) {
            if !variants.iter().any(|known| known == name) {
                variants.push(name.to_owned());
            }
        }
        variants
    }

    /// Appends the rows to a table with the columns `header`, none where theirs are others, and returns their
    /// variants.
    ///
    /// # Errors
    /// When a row cannot be written.
    pub(super) fn append(
        &self,
        header: &[&str],
        csv: &mut CsvWriter<Vec<u8>>,
    ) -> Result<Vec<String>> {
        // Another release had other columns: its rows would stand under wrong names.
        if !self.header.iter().eq(header.iter().copied()) {
            return Ok(Vec::new());
        }
        self.rows.iter().try_for_each(|row| csv.write_record(row))?;
        Ok(self.variants())
    }
}
