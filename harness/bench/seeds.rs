//! Seed sets: files of instructions, in the formats they are published in, read into seed items.
//!
//! A seed set is what round 0 annotates (paper, section 3 and appendix A). [`load`] reads one, whatever of the
//! [`Format`]s it is in, and loses nothing silently: a record is either an item or is listed with
//! the reason why not ([`Skipped`]); what was set aside of a kept record is listed too
//! ([`Remark`]), and so are the fields that nothing was read of ([`Unread`]).
//!
//! # Rules
//!
//! - A record's input joins its instruction after a blank line (METHOD.md, S2). Placeholders (`<noinput>`,
//!   `nan`, `None`) count as empty, and are remarked.
//! - Of a conversation the first exchange is read; so it is of a record with a history.
//! - Instructions are trimmed, and are otherwise kept as they are: long ones, other languages
//!   (S3) and control characters included.
//! - Skipped: records that cannot be read, empty instructions, exact repeats of an instruction.
//! - An item's number is its record's place in the file from 0, whatever was skipped.
//! - More bad records than the limit ([`LoadOptions::max_bad`]) are an error. Repeats are not bad.
//!
//! # Layout
//!
//! - [`Format`], [`Field`], [`FieldMapping`]: what a file may look like
//! - `unpack`: gzip and encodings
//! - `json`, `nested`, `delimited`, `parquet`: from bytes to records
//! - [`records`]: the records of any table, with all of their fields
//! - `record`, `conversation`, `text`, `annotation`: from a record to an item
//! - `account`: what was read of a file, and what not; [`describe`]: statistics of a set; [`jsonl`]: the
//!   normalised form of a set
//!
//! Not here: annotating (models do that, `gra_synth::annotate`) and judging whether a seed is good.

mod account;
mod annotation;
mod conversation;
mod delimited;
pub mod describe;
mod error;
mod format;
mod json;
pub mod jsonl;
mod mapping;
mod nested;
mod parquet;
mod record;
pub mod records;
mod skip;
#[cfg(test)]
mod tests;
mod text;
mod unpack;

use std::collections::HashMap;
use std::path::Path;

use gra_synth::pool::SeedItem;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::builtin;

pub use account::Account;
pub use conversation::{RoleError, Speaker, SpeakerNames, role};
pub use error::{Fault, SeedError};
pub use format::Format;
pub use mapping::{Field, FieldMapping, MappingError, assignment};
pub use record::Unread;
pub use skip::{Group, Remark, RemarkKind, SkipReason, Skipped};

use format::Layout;
use record::Reading;

/// Bad records that every set may have, however small it is.
const ALWAYS_TOLERATED: usize = 10;

/// How a file is to be read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The file's format; `None` finds it from content and extension.
    pub format: Option<Format>,
    /// Which fields hold what.
    pub mapping: FieldMapping,
    /// Which roles of conversations are which speakers.
    pub roles: SpeakerNames,
    /// Keep this many items, the first ones. The rest of the file is read and checked all the
    /// same, so that a limit does not change whether a file is fit.
    pub limit: Option<usize>,
    /// How many bad records are tolerated; `None` is 1% of the records or 10, whichever is larger.
    pub max_bad: Option<usize>,
    /// Keep items whose instruction came before. A seed set has no use for them; a data set that is
    /// measured has as many samples as it has.
    pub keep_repeats: bool,
}

/// A seed set, and what became of each record of its file.
#[derive(Clone, Debug)]
pub struct SeedSet {
    /// The items kept, in the order of the file.
    pub items: Vec<SeedItem>,
    /// The records that became no item, in the order of the file.
    pub skipped: Vec<Skipped>,
    /// What was set aside of records that were kept.
    pub remarks: Vec<Remark>,
    /// Fields of the file that nothing was read of, by name.
    pub unread: Vec<Unread>,
    /// The format the file was read as.
    pub format: Format,
    /// SHA-256 of the file's bytes as they lie on disk, in hexadecimal.
    pub sha256: String,
    /// Records in the file: kept, skipped and [`Self::over_limit`].
    pub records: usize,
    /// Good records beyond [`LoadOptions::limit`].
    pub over_limit: usize,
}

/// Reads a seed set from a file.
///
/// # Errors
/// When the file cannot be read, is in no known format, is broken where that leaves no records to
/// tell apart (a JSON array, gzip, Parquet), has no instruction field, has more bad records than
/// tolerated, or nothing is left of it.
pub fn load(path: &Path, options: &LoadOptions) -> Result<SeedSet, SeedError> {
    builtin::read(path)
        .map_err(|error| Fault::Read(error.to_string()))
        .and_then(|bytes| read(path, bytes.into_owned(), options))
        .map_err(|fault| SeedError { path: path.to_owned(), fault })
}

/// [`load`] after the file was read; the path tells the extension.
fn read(path: &Path, bytes: Vec<u8>, options: &LoadOptions) -> Result<SeedSet, Fault> {
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let content = unpack::unpack(bytes)?;
    let layout = format::detect(&content, path, options.format)?;
    let mut collected = Collected::new(Reading::new(options));
    let mapping = &options.mapping;
    match layout {
        Layout::Array => json::array(&json::text(&content)?, &mut collected)?,
        Layout::Lines => {
            // Who asks for lines means them; and a file of lines may hold one that is no text.
            let whole =
                json::text(&content).ok().filter(|_| options.format != Some(Format::JsonLines));
            let is_nested = match whole {
                Some(text) => nested::records(&text, mapping, &mut collected)?,
                None => false,
            };
            if !is_nested {
                json::lines(&content, &mut collected);
            }
        }
        Layout::Objects => {
            let text = json::text(&content)?;
            if !nested::records(&text, mapping, &mut collected)? {
                json::objects(&text, &mut collected)?;
            }
        }
        Layout::Csv => delimited::rows(&content, mapping, &mut collected)?,
        Layout::Parquet => parquet::rows(content, Some(mapping), &mut collected)?,
    }
    let format = match (layout, options.format) {
        (_, Some(asked)) => asked,
        (Layout::Csv, _) => Format::Csv,
        (Layout::Parquet, _) => Format::Parquet,
        _ if collected.reading.begins_with_conversation() => Format::ShareGpt,
        (Layout::Array, _) => Format::Alpaca,
        (Layout::Lines | Layout::Objects, _) => Format::JsonLines,
    };
    collected.finish(format, sha256, options)
}

/// A record as a reader delivers it: its fields, or why it has none.
type Raw = Result<Map<String, Value>, SkipReason>;

/// Where the readers deliver records.
trait Sink {
    /// Takes the next record of the file, and the line it begins on where lines mean something.
    fn push(&mut self, line: Option<u64>, raw: Raw);
    /// Counts fields that so many records have and that are not read.
    fn leave_unread(&mut self, names: Vec<String>, records: usize);
}

/// The items that records become.
struct Collected<'a> {
    reading: Reading<'a>,
    records: usize,
    items: Vec<(SeedItem, Option<u64>)>,
    skipped: Vec<Skipped>,
    remarks: Vec<Remark>,
}

impl<'a> Collected<'a> {
    const fn new(reading: Reading<'a>) -> Self {
        Self { reading, records: 0, items: Vec::new(), skipped: Vec::new(), remarks: Vec::new() }
    }
}

impl Sink for Collected<'_> {
    fn push(&mut self, line: Option<u64>, raw: Raw) {
        // Cannot overflow: `unpack` and `parquet::rows` refuse files with that many.
        let number = u32::try_from(self.records).unwrap_or(u32::MAX);
        self.records += 1;
        match raw.and_then(|fields| self.reading.content(fields)) {
            Ok(content) => {
                let remarks = content.remarks.into_iter();
                self.remarks.extend(remarks.map(|kind| Remark { number, line, kind }));
                let item = SeedItem {
                    number,
                    instruction: content.instruction,
                    input_at: content.input_at,
                    response: content.response,
                    annotation: content.annotation,
                };
                self.items.push((item, line));
            }
            Err(reason) => self.skipped.push(Skipped { number, line, reason }),
        }
    }

    fn leave_unread(&mut self, names: Vec<String>, records: usize) {
        self.reading.leave_unread(names, records);
    }
}

impl Collected<'_> {
    fn finish(
        mut self,
        format: Format,
        sha256: String,
        options: &LoadOptions,
    ) -> Result<SeedSet, Fault> {
        if self.records == 0 {
            return Err(Fault::NoRecords);
        }
        self.reading.check_fields_found()?;
        let bad = self.skipped.len();
        if self.items.is_empty() {
            return Err(Fault::NothingKept {
                records: self.records,
                first: Box::new(self.skipped.remove(0)),
            });
        }
        let tolerated = options.max_bad.unwrap_or(ALWAYS_TOLERATED.max(self.records / 100));
        if bad > tolerated {
            let reasons = skip::counts(&self.skipped);
            let first = Box::new(self.skipped.remove(0));
            return Err(Fault::TooManyBad {
                bad,
                records: self.records,
                tolerated,
                reasons,
                first,
            });
        }
        if !options.keep_repeats {
            self.skip_repeats();
        }
        let limit = options.limit.unwrap_or(usize::MAX);
        let over_limit = self.items.len().saturating_sub(limit);
        self.items.truncate(limit);
        if let Some((last, _)) = self.items.last().filter(|_| over_limit > 0) {
            let last = last.number;
            self.remarks.retain(|remark| remark.number <= last);
        }
        Ok(SeedSet {
            items: self.items.into_iter().map(|(item, _)| item).collect(),
            skipped: self.skipped,
            remarks: self.remarks,
            unread: self.reading.unread(),
            format,
            sha256,
            records: self.records,
            over_limit,
        })
    }

    /// Moves every item whose instruction came before to the skipped ones.
    fn skip_repeats(&mut self) {
        let mut first_with: HashMap<&str, u32> = HashMap::with_capacity(self.items.len());
        let mut repeats = Vec::new();
        for (place, (item, line)) in self.items.iter().enumerate() {
            let first = *first_with.entry(&item.instruction).or_insert(item.number);
            if first != item.number {
                let reason = SkipReason::Repeat { first };
                repeats.push((place, Skipped { number: item.number, line: *line, reason }));
            }
        }
        if repeats.is_empty() {
            return;
        }
        let mut places = repeats.iter().map(|(place, _)| *place).peekable();
        let mut place = 0;
        self.items.retain(|_| {
            let repeat = places.next_if_eq(&place).is_some();
            place += 1;
            !repeat
        });
        let mut numbers = repeats.iter().map(|(_, skipped)| skipped.number).peekable();
        // Both run in the order of the file, so one pass drops the remarks of repeats.
        self.remarks.retain(|remark| {
            while numbers.next_if(|number| *number < remark.number).is_some() {}
            numbers.peek() != Some(&remark.number)
        });
        self.skipped.extend(repeats.into_iter().map(|(_, skipped)| skipped));
        self.skipped.sort_by_key(|skipped| skipped.number);
    }
}
