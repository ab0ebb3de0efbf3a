//! The human check: a blinded sheet of a trial's candidates for people to rate, and what they wrote into it.
//!
//! A sheet holds as many candidates that review let pass as it rejected, in an order and under row numbers that are
//! drawn by the seed; the key says which candidate is in which row, and is not given to raters. Row numbers are of six
//! digits, so that a sheet that belongs to another key is found out.
//! Sheets that were filled in are read back here, and compared in [`gra_analysis::reviewers::raters`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::reviewers::raters::{FilledSheet, RowRating};
use gra_analysis::trial::review_verdict;
use gra_files::{read_if_any, write_atomic};
use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;
use gra_synth::pool::ItemId;
use gra_synth::stream::Stream;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::dataset::Named;
use crate::failure::bad_input;
use crate::seeds::records;
use crate::store::Store;
use crate::trial::TrialId;
use crate::trial::stored::StoredTrial;

/// What raters fill in.
pub(crate) const SHEET: &str = "sheet.csv";
/// Which row is which candidate.
pub(crate) const KEY: &str = "key.csv";
/// What raters are told.
pub(crate) const PAGE: &str = "how-to-rate.md";

/// Columns that raters fill in.
const INSTRUCTION_OK: &str = "instruction_ok";
const SCORE: &str = "score";
const ACCEPT: &str = "accept";
/// Columns of sheet and key that tell rows and candidates.
const ROW: &str = "row";
const TRIAL: &str = "trial";
const CANDIDATE: &str = "candidate";
const TEXTS: &str = "texts";

/// Makes spreadsheets read a CSV as UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Candidates for people to rate.
#[derive(Debug)]
pub(crate) struct BlindedSheet<'a> {
    trial: &'a TrialId,
    /// Row numbers and candidates in the order of the sheet.
    rows: Vec<(usize, &'a Candidate)>,
    /// On the sheet and in the trial: what review let pass, and what it rejected.
    sides: [(usize, usize); 2],
}

impl<'a> BlindedSheet<'a> {
    /// Draws at most `n` candidates that have instruction and response, as many accepted as rejected ones where there
    /// are both, by a stream that is named by the seed and the trial.
    ///
    /// # Errors
    /// When review has decided on no response.
    pub(crate) fn draw(
        trial: &'a TrialId,
        candidates: &'a [Candidate],
        n: usize,
        seed: u64,
    ) -> Result<Self> {
        let side = |passed: bool| -> Vec<&Candidate> {
            let is_of_side = |candidate: &&Candidate| {
                candidate.instruction.is_some() && review_verdict(candidate) == Some(passed)
            };
            candidates.iter().filter(is_of_side).collect()
        };
        let found = [side(true), side(false)];
        let of_each = match found.each_ref().map(Vec::len) {
            [0, 0] => {
                return Err(bad_input(anyhow!(
                    "{trial} has nothing to rate: no candidate with instruction and response was accepted or rejected\n\
                     hint: gra-bench inspect {trial} says why each ended"
                )));
            }
            // One side alone: raters can still say how good it is.
            [0, all] | [all, 0] => n.min(all),
            [accepted, rejected] => (n / 2).min(accepted).min(rejected),
        };
        let mut stream = Stream::named(seed, &["raters", &trial.to_string()]);
        let mut chosen = Vec::new();
        let sides = found.map(|side| {
            let drawn = stream.choose(side.len(), of_each);
            chosen.extend(drawn.iter().map(|&place| side[place]));
            (drawn.len(), side.len())
        });
        // Both sides in one order that is drawn: neither it nor the numbers tell which side a row is of.
        let mut numbers = BTreeSet::new();
        let rows = stream.choose(chosen.len(), chosen.len()).into_iter().map(|place| {
            let number = loop {
                let number = 100_000 + stream.below(900_000);
                if numbers.insert(number) {
                    break number;
                }
            };
            (number, chosen[place])
        });
        Ok(Self { trial, rows: rows.collect(), sides })
    }

    /// How many rows of which side, and what follows from it.
    pub(crate) fn describe(&self) -> String {
        let [(accepted, of_accepted), (rejected, of_rejected)] = self.sides;
        let (rows, trial) = (self.rows.len(), self.trial);
        let counts = format!(
            "{rows} rows of {trial}: {accepted} of {of_accepted} candidates that review let pass, {rejected} of \
             {of_rejected} that it rejected with a response"
        );
        match (accepted, rejected) {
            (0, _) | (_, 0) => counts + ". With one side alone there is no agreement to measure.",
            _ => counts,
        }
    }

    /// Writes key, page and sheet into a folder.
    ///
    /// # Errors
    /// When another sheet or key is there and is not to be replaced, or a file cannot be written.
    pub(crate) fn write(&self, folder: &Path, replace: bool) -> Result<Vec<PathBuf>> {
        // The key first: a sheet without one could not be read back.
        let files = [
            (KEY, self.key()?),
            (PAGE, include_bytes!("raters/how-to-rate.md").to_vec()),
            (SHEET, self.sheet()?),
        ];
        for (name, bytes) in files.iter().filter(|(name, _)| *name != PAGE && !replace) {
            let path = folder.join(name);
            if read_if_any(&path)?.is_some_and(|there| there != *bytes) {
                let path = path.display();
                return Err(bad_input(anyhow!(
                    "{path} is there already, and it is filled in or of another draw\n\
                     hint: name another folder with --out, or give --replace to lose it"
                )));
            }
        }
        let write = |(name, bytes): (&str, Vec<u8>)| {
            let path = folder.join(name);
            write_atomic(&path, &bytes)?;
            Ok(path)
        };
        files.into_iter().map(write).collect()
    }

    /// The sheet: nothing in it tells an accepted candidate from a rejected one.
    fn sheet(&self) -> Result<Vec<u8>> {
        let mut csv = CsvWriter::from_writer(BYTE_ORDER_MARK.to_vec());
        let texts = ["domain", "instruction", "response"];
        csv.write_record(
            [&[ROW][..], &texts, &[INSTRUCTION_OK, SCORE, ACCEPT, "comment"]].concat(),
        )?;
        for (number, candidate) in &self.rows {
            let [instruction, response] = texts_of(candidate);
            let domain = candidate.domain.map_or("", Domain::name);
            csv.write_record([&number.to_string(), domain, instruction, response, "", "", "", ""])?;
        }
        Ok(csv.into_inner()?)
    }

    fn key(&self) -> Result<Vec<u8>> {
        let mut csv = CsvWriter::from_writer(Vec::new());
        csv.write_record([ROW, TRIAL, CANDIDATE, TEXTS])?;
        for (number, candidate) in &self.rows {
            let (trial, id) = (self.trial.to_string(), candidate.id.to_string());
            csv.write_record([number.to_string(), trial, id, digest(candidate)])?;
        }
        Ok(csv.into_inner()?)
    }
}

fn texts_of(candidate: &Candidate) -> [&str; 2] {
    [&candidate.instruction, &candidate.response].map(|text| text.as_deref().unwrap_or_default())
}

/// Tells whether a candidate still has the texts that were rated: a trial may be run again under its name.
fn digest(candidate: &Candidate) -> String {
    let hash = Sha256::digest(texts_of(candidate).join("\0"));
    format!("sha256:{}", hex::encode(&hash[..8]))
}

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
                let (earlier, path) = (earlier.display(), path.display());
                return Err(bad_input(anyhow!(
                    "two sheets are of a rater `{name}`: {earlier} and {path}\nhint: name the raters: --raters anna=FILE ben=FILE"
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
            let Some((id, _)) = self.rows.get(row) else {
                let key = self.key.display();
                let hint = "hint: --key names the key that was written with this sheet";
                return Err(line.error(&format!("there is no row `{row}` in {key}\n{hint}")));
            };
            if let Some(before) = seen.insert(row.to_owned(), line.number) {
                return Err(line.error(&format!("row {row} was on line {before} already")));
            }
            ratings.insert(*id, rating);
        }
        if ratings.values().all(|rating| *rating == RowRating::default()) {
            let path = path.display();
            return Err(bad_input(anyhow!(
                "{path} has no rating\nhint: raters fill in the columns {INSTRUCTION_OK}, {SCORE} and {ACCEPT}"
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
            let hint = "hint: name that trial, or another key with --key";
            return Err(bad_input(anyhow!(
                "{key} is of {trial}, which is none of the data sets\n{hint}"
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
            let hint = "hint: its columns are those of the file that export --for-raters wrote";
            format!("{} has no column `{column}`\n{hint}", self.path.display())
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
