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
//! Every file takes the same steps, a module each:
//!
//! 1. `content`: the bytes, unpacked, with their [`Format`]
//! 2. `rows`: the records as they stand in the file, one form for JSON, separated values and Parquet
//! 3. `item`: a seed item out of a row, by way of [`FieldMapping`] (`mapping`), `value` and `conversation`; or the
//!    reason why there is none (`skip`)
//! 4. [`SeedSet`], with an [`Account`] of what was not read, and [`describe`], its statistics
//!
//! What makes a whole file unfit is a [`Fault`] (`error`). [`records`] reads tables that are no seed sets by the first
//! two steps.
//!
//! Not here: annotating (models do that, `gra_synth::annotate`) and judging whether a seed is good.

mod account;
mod content;
mod conversation;
pub mod describe;
mod error;
mod item;
mod mapping;
pub mod records;
mod rows;
mod skip;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::path::Path;

use gra_synth::domain::Domain;
use gra_synth::pool::SeedItem;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use account::{Account, Group, Unread};
pub use content::Format;
pub use error::{Fault, SeedError};
pub use mapping::{AssignmentError, Field, FieldMapping, Speaker, SpeakerNames, assignment, role};
pub use skip::{Remark, RemarkKind, SkipReason, Skipped};

use content::{Content, file_bytes};
use item::{ItemReader, Kept};
use rows::Rows;

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
    file_bytes(path)
        .and_then(|bytes| read(path, bytes, options))
        .map_err(|fault| SeedError { path: path.to_owned(), fault })
}

/// [`load`] after the file was read; the path tells the extension.
fn read(path: &Path, bytes: Vec<u8>, options: &LoadOptions) -> Result<SeedSet, Fault> {
    // Of the bytes on disk, still packed, so that `sha256sum` finds the same.
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let content = Content::from_file(bytes, path, options.format)?;
    let Rows { rows, unread } = rows::read(&content, Some(&options.mapping))?;
    let mut reader = ItemReader::new(options, unread);
    let (mut kept, mut skipped) = (Vec::new(), Vec::new());
    for (number, row) in (0..).zip(rows) {
        match reader.read(number, row?) {
            Ok(one) => kept.push(one),
            Err(one) => skipped.push(one),
        }
    }
    let records = kept.len() + skipped.len();
    if records == 0 {
        return Err(Fault::NoRecords);
    }
    // A field that is missing everywhere is the reason why all records are bad, and says more than that they are.
    reader.check_fields_found()?;
    check_bad_records(kept.len(), &skipped, options.max_bad)?;

    // Repeats are not bad, so they are told apart after the check.
    if !options.keep_repeats {
        kept = skip_repeats(kept, &mut skipped);
    }
    // Last: what is over the limit was read and checked like the rest.
    let over_limit = kept.len().saturating_sub(options.limit.unwrap_or(usize::MAX));
    kept.truncate(kept.len() - over_limit);
    let format = content.format(reader.begins_with_conversation());
    let (mut items, mut remarks) = (Vec::with_capacity(kept.len()), Vec::new());
    for Kept { item, line, remarks: kinds } in kept {
        let number = item.number;
        remarks.extend(kinds.into_iter().map(|kind| Remark { number, line, kind }));
        items.push(item);
    }
    let unread = reader.unread();
    Ok(SeedSet { items, skipped, remarks, unread, format, sha256, records, over_limit })
}

/// Whether so few of the records are bad that the rest is worth reading.
fn check_bad_records(
    kept: usize,
    skipped: &[Skipped],
    max_bad: Option<usize>,
) -> Result<(), Fault> {
    let Some(first) = skipped.first() else { return Ok(()) };
    let first = || Box::new(first.clone());
    let (bad, records) = (skipped.len(), kept + skipped.len());
    if kept == 0 {
        return Err(Fault::NothingKept { records, first: first() });
    }
    let tolerated = max_bad.unwrap_or(ALWAYS_TOLERATED.max(records / 100));
    if bad > tolerated {
        let reasons = Group::of_skipped(skipped);
        return Err(Fault::TooManyBad { bad, records, tolerated, reasons, first: first() });
    }
    Ok(())
}

/// Moves every item whose instruction came before to the skipped records.
fn skip_repeats(kept: Vec<Kept>, skipped: &mut Vec<Skipped>) -> Vec<Kept> {
    let mut first_with: HashMap<&str, u32> = HashMap::with_capacity(kept.len());
    let firsts: Vec<u32> = kept
        .iter()
        .map(|one| *first_with.entry(&one.item.instruction).or_insert(one.item.number))
        .collect();
    let mut distinct = Vec::with_capacity(kept.len());
    for (one, first) in kept.into_iter().zip(firsts) {
        let (number, line) = (one.item.number, one.line);
        if first == number {
            distinct.push(one);
        } else {
            skipped.push(Skipped { number, line, reason: SkipReason::Repeat { first } });
        }
    }
    // Skipped records are listed in the order of the file, whatever the reason.
    skipped.sort_by_key(|skipped| skipped.number);
    distinct
}

/// The normalised form of a seed set: an object a line, with `instruction`, `output` where there is one, and `domain`,
/// `summary`, `keywords` where the set brought them. [`load`] reads it back to the same items, numbered anew without
/// gaps.
///
/// # Errors
/// Never for items that [`load`] returned; the error is that of the JSON writer.
pub fn to_json_lines(items: &[SeedItem]) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a> {
        instruction: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        domain: Option<Domain>,
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        keywords: Option<&'a [String]>,
    }

    let mut bytes = Vec::new();
    for item in items {
        let annotation = item.annotation.as_ref();
        let line = Line {
            instruction: &item.instruction,
            output: item.response.as_deref(),
            domain: annotation.map(|a| a.domain),
            summary: annotation.map(|a| a.summary.as_str()),
            keywords: annotation.map(|a| a.keywords.as_slice()),
        };
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}
