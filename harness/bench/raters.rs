//! The human check: a blinded sheet of a trial's candidates for people to rate, and what they wrote into it.
//!
//! A sheet holds as many candidates that review let pass as it rejected, in an order and under row numbers that are
//! drawn by the seed; the key says which candidate is in which row, and is not given to raters. Row numbers are of six
//! digits, so that a sheet that belongs to another key is found out.
//!
//! # Layout
//!
//! - this file: draws a sheet and writes it
//! - [`filled`]: reads filled sheets back ([`gra_analysis::reviewers::raters`] compares them)

pub(crate) mod filled;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use gra_analysis::foreign_text::CsvWriter;
use gra_analysis::trial::review_verdict;
use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;
use gra_synth::stream::Stream;
use sha2::{Digest, Sha256};

use crate::failure::bad_input;
use crate::trial::TrialId;
use gra_files::{read_if_any, write_atomic};

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
        let counts = format!(
            "{} rows of {}: {accepted} of {of_accepted} candidates that review let pass, {rejected} of {of_rejected} \
             that it rejected with a response",
            self.rows.len(),
            self.trial
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
                return Err(bad_input(anyhow!(
                    "{} is there already, and it is filled in or of another draw\n\
                     hint: name another folder with --out, or give --replace to lose it",
                    path.display()
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
