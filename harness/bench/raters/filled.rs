//! Sheets that people have filled in, read back with the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use gra_analysis::reviewers::raters::{FilledSheet, RowRating};
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use serde_json::{Map, Value};

use super::{ACCEPT, CANDIDATE, INSTRUCTION_OK, KEY, ROW, SCORE, TEXTS, TRIAL, digest};
use crate::dataset::Named;
use crate::failure::bad_input;
use crate::seeds::records;
use crate::store::Store;
use crate::trial::TrialId;
use crate::trial::stored::StoredTrial;

/// What people said, and of which trial.
#[derive(Debug)]
pub(crate) struct FilledSheets {
    /// The trial that the key names.
    pub(crate) trial: TrialId,
    /// One per rater, in the order in which they were named.
    pub(crate) sheets: Vec<FilledSheet>,
    key: PathBuf,
    rows: KeyRows,
}

/// Candidates and the digests of their texts, by row number.
type KeyRows = BTreeMap<String, (ItemId, String)>;

/// A line of a CSV.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    fields: Map<String, Value>,
}

impl FilledSheets {
    /// Reads sheets, `FILE` or `NAME=FILE`; without a name `sheet-anna.csv` is anna's. The key is `key.csv` beside
    /// the first one unless it is named. `None` without sheets.
    ///
    /// # Errors
    /// Names file and line of what is no such sheet or key.
    pub(crate) fn read_any(sheets: &[String], key: Option<&Path>) -> Result<Option<Self>> {
        if sheets.is_empty() {
            return Ok(None);
        }
        let named: Vec<(String, &Path)> = sheets.iter().map(|sheet| named(sheet)).collect();
        for (place, (name, path)) in named.iter().enumerate() {
            if let Some((_, earlier)) = named[..place].iter().find(|(other, _)| other == name) {
                return Err(bad_input(anyhow!(
                    "two sheets are of a rater `{name}`: {} and {}\nhint: name the raters: --raters anna=FILE ben=FILE",
                    earlier.display(),
                    path.display()
                )));
            }
        }
        let first = named.first().and_then(|(_, path)| path.parent()).unwrap_or(Path::new(""));
        let key = key.map_or_else(|| first.join(KEY), Path::to_owned);
        let (trial, rows) = read_key(&key)?;
        let mut read = Self { trial, sheets: Vec::new(), key, rows };
        for (rater, path) in named {
            let ratings = read.ratings(path)?;
            read.sheets.push(FilledSheet { rater, ratings });
        }
        Ok(Some(read))
    }

    /// What one sheet says of every candidate of the key.
    fn ratings(&self, path: &Path) -> Result<BTreeMap<ItemId, RowRating>> {
        let mut ratings: BTreeMap<ItemId, RowRating> =
            self.rows.values().map(|(id, _)| (*id, RowRating::default())).collect();
        // A row that is copied in a spreadsheet would count twice.
        let mut seen = BTreeMap::new();
        let hint = "save the sheet as CSV (UTF-8) with the columns that it had; --raters takes filled sheets";
        for line in lines(path, "sheet of ratings", hint)? {
            let rating = RowRating {
                instruction_ok: line.verdict(INSTRUCTION_OK)?,
                score: line.score()?,
                accepts: line.verdict(ACCEPT)?,
            };
            let row = line.text(ROW)?;
            // Spreadsheets leave empty lines at the end.
            if row.is_empty() && rating == RowRating::default() {
                continue;
            }
            let unknown = || {
                format!(
                    "there is no row `{row}` in {}\nhint: --key names the key that was written with this sheet",
                    self.key.display()
                )
            };
            let (id, _) = self.rows.get(row).ok_or_else(|| line.error(&unknown()))?;
            if let Some(before) = seen.insert(row.to_owned(), line.number) {
                return Err(line.error(&format!("row {row} was on line {before} already")));
            }
            ratings.insert(*id, rating);
        }
        if ratings.values().all(|rating| *rating == RowRating::default()) {
            return Err(bad_input(anyhow!(
                "{} has no rating\nhint: raters fill in the columns {INSTRUCTION_OK}, {SCORE} and {ACCEPT}",
                path.display()
            )));
        }
        Ok(ratings)
    }

    /// The place of the key's trial among data sets, after a look whether it still has the texts that were rated.
    ///
    /// # Errors
    /// When it is none of them, is not finished, or was run again.
    pub(crate) fn place(&self, named: &[Named], store: &Store) -> Result<usize> {
        let (key, trial) = (self.key.display(), &self.trial);
        // A trial of another experiment under the same variant and seed is no such trial: the whole name counts.
        let place = named.iter().position(|data_set| data_set.trial() == Some(trial));
        let Some(place) = place else {
            return Err(bad_input(anyhow!(
                "{key} is of {trial}, which is none of the data sets\n\
                 hint: name that trial, or another key with --key"
            )));
        };
        let candidates = store.candidates(StoredTrial::open_finished(store, trial)?.row)?;
        let known: BTreeMap<ItemId, &Candidate> = candidates.iter().map(|c| (c.id, c)).collect();
        let fits = |id, texts: &str| known.get(id).is_some_and(|found| digest(found) == texts);
        match self.rows.iter().find(|(_, (id, texts))| !fits(id, texts)) {
            None => Ok(place),
            Some((row, (id, _))) => Err(bad_input(anyhow!(
                "{key}: row {row} was {id} of {trial} with other texts: the trial was run again\n\
                 hint: name the store of that time with --store, or have a new sheet rated"
            ))),
        }
    }
}

/// A rater's name, and the file.
fn named(sheet: &str) -> (String, &Path) {
    if let Some((name, file)) = sheet.split_once('=') {
        return (name.to_owned(), Path::new(file));
    }
    let stem = Path::new(sheet).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = stem.strip_prefix("sheet-").filter(|name| !name.is_empty()).unwrap_or(&stem);
    (name.to_owned(), Path::new(sheet))
}

/// The trial of a key, and its rows.
fn read_key(path: &Path) -> Result<(TrialId, KeyRows)> {
    let hint = "it is the key.csv that export --for-raters wrote; --key names it";
    // Names and texts are checked later, when the store is open.
    let (mut trial, mut rows) = (None, BTreeMap::new());
    for line in lines(path, "key of a sheet", hint)? {
        let of: TrialId = line.text(TRIAL)?.parse().map_err(|error| line.error(&error))?;
        if trial.get_or_insert_with(|| of.clone()) != &of {
            return Err(line.error(&format!("{of} is another trial than that of the first line")));
        }
        let id = line.text(CANDIDATE)?.parse().map_err(|error| line.error(&error))?;
        let (row, texts) = (line.text(ROW)?.to_owned(), line.text(TEXTS)?.to_owned());
        if rows.insert(row, (id, texts)).is_some() {
            return Err(line.error(&"the row was on an earlier line already"));
        }
    }
    let empty = || format!("{} has no rows\nhint: {hint}", path.display());
    Ok((trial.with_context(empty).map_err(bad_input)?, rows))
}

/// The lines of a CSV, whatever separates its columns.
fn lines<'a>(path: &'a Path, what: &str, hint: &str) -> Result<Vec<Line<'a>>> {
    let read = records::lines(path).map_err(|fault| {
        let file = path.display();
        bad_input(anyhow!("cannot read {file} as a {what}: {fault}\nhint: {hint}"))
    })?;
    Ok(read.into_iter().map(|(number, fields)| Line { path, number, fields }).collect())
}

impl Line<'_> {
    /// A field without the space around it.
    fn text(&self, column: &str) -> Result<&str> {
        let missing = || {
            format!(
                "{} has no column `{column}`\nhint: its columns are those of the file that export --for-raters wrote",
                self.path.display()
            )
        };
        let text = self.fields.get(column).and_then(Value::as_str);
        Ok(text.with_context(missing).map_err(bad_input)?.trim())
    }

    fn verdict(&self, column: &str) -> Result<Option<bool>> {
        let text = self.text(column)?;
        match text.to_lowercase().as_str() {
            "" => Ok(None),
            "1" | "yes" => Ok(Some(true)),
            "0" | "no" => Ok(Some(false)),
            _ => Err(self.error(&format!("{column} is `{text}`\nhint: write 1 or yes, 0 or no"))),
        }
    }

    fn score(&self) -> Result<Option<f64>> {
        let text = self.text(SCORE)?;
        if text.is_empty() {
            return Ok(None);
        }
        // Where a spreadsheet separates columns by `;` its decimals have commas.
        let score = text.replace(',', ".").parse().ok();
        let score = score.filter(|score| (1.0..=10.0).contains(score));
        let wrong = || format!("{SCORE} is `{text}`\nhint: write a number from 1 to 10");
        score.map(Some).ok_or_else(|| self.error(&wrong()))
    }

    fn error(&self, what: &dyn std::fmt::Display) -> Error {
        bad_input(anyhow!("{} line {}: {what}", self.path.display(), self.number))
    }
}
