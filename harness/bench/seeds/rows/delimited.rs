//! Rows from separated values with a header. The separator is the one that splits the header best. Quotes are text
//! where they close no cell and every line is a row without them: many a tool writes tabs between cells and no quotes
//! around them.

use std::collections::BTreeSet;
use std::io::Read;

use csv::{ByteRecord, StringRecord};
use serde_json::{Map, Value};

use super::{Row, Rows};
use crate::seeds::content::utf8;
use crate::seeds::{Fault, FieldMapping, SkipReason};

/// A row put after the last one. A row with a quote that is never closed takes all that follows
/// for its own: it then has swallowed this row too, and is found out.
const END: &[u8] = b"\0end of rows\0";

/// What separates values: as the name says, as spreadsheets write where commas are decimal, as they copy
/// cells, and as databases print.
const SEPARATORS: [u8; 4] = *b",;\t|";

/// The rows below the header. A row that cannot be read is a skipped record.
pub(in crate::seeds) fn rows<'a>(
    bytes: &'a [u8],
    mapping: &FieldMapping,
) -> Result<Rows<'a>, Fault> {
    let (announced, bytes, skipped_lines) = announced(bytes);
    let separator = announced.map_or_else(|| found(bytes, mapping), Ok)?;
    let quotes = if are_text(bytes, separator)? { Quotes::Text } else { Quotes::AroundCells };
    let mut reader = reader(separator, quotes, bytes.chain(&b"\n"[..]).chain(END));
    let header = reader.byte_headers()?;
    if header.iter().any(|name| name.ends_with(END)) {
        return Err(Fault::Csv("a quote in its header is never closed".to_owned()));
    }
    // Of the rows below, one that is no UTF-8 costs itself alone; without a header none can be read.
    let header = StringRecord::from_byte_record(header.clone())
        .map_err(|_| utf8(bytes).err().unwrap_or(Fault::UnknownFormat))?;
    let names = names(&header);
    let is_end = |row: &ByteRecord| row.len() == 1 && &row[0] == END;
    let mut records = reader.into_byte_records();
    let rows = std::iter::from_fn(move || {
        let row = match records.next()? {
            Ok(row) if is_end(&row) => return None,
            Ok(row) => row,
            Err(error) => return Some(Err(error.into())),
        };
        let line = row.position().map(|place| first_line(bytes, place) + skipped_lines);
        let raw = raw(bytes, &row, records.reader().position());
        let fields = match quotes {
            Quotes::AroundCells if has_text_after_quote(raw, separator) => {
                let lines = raw.trim_ascii().split(|byte| *byte == b'\n').count();
                Err(SkipReason::TextAfterQuote { lines })
            }
            _ => fields(&names, &row),
        };
        Some(Ok(Row::new(line, fields)))
    });
    Ok(Rows::new(rows))
}

/// What quotes are in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    AroundCells,
    Text,
}

/// Flexible, because it is for us to say which row has how many columns.
fn reader<R: Read>(separator: u8, quotes: Quotes, bytes: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .flexible(true)
        .delimiter(separator)
        .quoting(quotes == Quotes::AroundCells)
        .from_reader(bytes)
}

/// A row as it stands in the file.
fn raw<'b>(bytes: &'b [u8], row: &ByteRecord, end: &csv::Position) -> &'b [u8] {
    let start = row.position().map_or(0, csv::Position::byte);
    let place = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(place(start)..place(end.byte())).unwrap_or_default()
}

/// Whether text follows the closing quote of a cell. A reader takes such a cell as it comes, and what the two quotes
/// hold may be the separators and ends of other rows.
fn has_text_after_quote(raw: &[u8], separator: u8) -> bool {
    if !raw.contains(&b'"') {
        return false;
    }
    let mut rest = raw;
    let ends_cell = |byte: &u8| *byte == separator || matches!(byte, b'\n' | b'\r');
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            rest = quoted;
            // To the quote that is not written twice.
            loop {
                let Some(at) = rest.iter().position(|byte| *byte == b'"') else { return false };
                rest = &rest[at + 1..];
                match rest.strip_prefix(b"\"") {
                    Some(behind) => rest = behind,
                    None => break,
                }
            }
            // Spaces there are a habit of people who line cells up, and end nothing.
            let behind = rest.iter().find(|byte| **byte != b' ');
            if behind.is_some_and(|byte| !ends_cell(byte)) {
                return true;
            }
        }
        let end = rest.iter().position(ends_cell).map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
    }
    false
}

/// Whether quotes are text: read as quotes around cells some close none or are never closed, and read as text every line
/// has the header's cells.
fn are_text(bytes: &[u8], separator: u8) -> Result<bool, Fault> {
    if !bytes.contains(&b'"') {
        return Ok(false);
    }
    let mut around = reader(separator, Quotes::AroundCells, bytes.chain(&b"\n"[..]).chain(END));
    let mut is_broken = around.byte_headers()?.iter().any(|name| name.ends_with(END));
    let mut row = ByteRecord::new();
    while !is_broken && around.read_byte_record(&mut row)? {
        is_broken = row.len() > 1 && row.iter().any(|cell| cell.ends_with(END))
            || has_text_after_quote(raw(bytes, &row, around.position()), separator);
    }
    if !is_broken {
        return Ok(false);
    }
    let mut plain = reader(separator, Quotes::Text, bytes);
    let header = plain.byte_headers()?;
    let (columns, is_quoted) = (header.len(), header.iter().any(|name| name.contains(&b'"')));
    while !is_quoted && columns > 1 && plain.read_byte_record(&mut row)? {
        if row.len() != columns {
            return Ok(false);
        }
    }
    Ok(!is_quoted && columns > 1)
}

/// The line that a row begins on. The reader names the place behind the row before, where a line may still have to end
/// (`\r\n`) and blank ones may follow.
fn first_line(bytes: &[u8], place: &csv::Position) -> u64 {
    let from = usize::try_from(place.byte()).unwrap_or(usize::MAX);
    let blank = bytes.get(from..).unwrap_or_default().iter();
    let blank = blank.take_while(|byte| matches!(byte, b'\n' | b'\r'));
    place.line() + blank.map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
}

/// The separator that Excel's first line `sep=;` announces, the rest of the bytes, and the lines before it.
fn announced(bytes: &[u8]) -> (Option<u8>, &[u8], u64) {
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    match bytes[..end].trim_ascii_end().strip_prefix(b"sep=") {
        Some([separator]) => (Some(*separator), &bytes[end..], 1),
        // A tab is white space, and was trimmed.
        Some([]) => (Some(b'\t'), &bytes[end..], 1),
        _ => (None, bytes, 0),
    }
}

/// The separator that brings out an instruction or a conversation in the header, or else most columns; a
/// comma where several are as good.
fn found(bytes: &[u8], mapping: &FieldMapping) -> Result<u8, Fault> {
    let mut best = (b',', (false, 0));
    for separator in SEPARATORS {
        let mut reader = reader(separator, Quotes::AroundCells, bytes);
        let header = reader.byte_headers()?;
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let rank = (mapping.is_record(names.iter().map(String::as_str)), names.len());
        // Only what is better, so that the comma, which is tried first, stays among equals.
        if rank > best.1 {
            best = (separator, rank);
        }
    }
    Ok(best.0)
}

/// Names of the columns, each once: one without a name, and one whose name came before, has its place in
/// the name.
fn names(header: &StringRecord) -> Vec<String> {
    let mut known = BTreeSet::new();
    let name = |(place, name): (usize, &str)| {
        let place = place + 1;
        let name = match name.trim() {
            "" => format!("column {place}"),
            name if known.contains(name) => format!("{name} (column {place})"),
            name => name.to_owned(),
        };
        known.insert(name.clone());
        name
    };
    header.iter().enumerate().map(name).collect()
}

fn fields(names: &[String], row: &ByteRecord) -> Result<Map<String, Value>, SkipReason> {
    if row.iter().next_back().is_some_and(|text| text.ends_with(END)) {
        return Err(SkipReason::OpenQuote);
    }
    // Some writers end each row with a separator, which loses nothing.
    if row.len() < names.len() || row.iter().skip(names.len()).any(|cell| !cell.is_empty()) {
        return Err(SkipReason::Columns { found: row.len(), expected: names.len() });
    }
    let text = |(name, bytes): (&String, &[u8])| {
        let text = std::str::from_utf8(bytes).map_err(|error| SkipReason::NotUtf8 {
            place: format!("byte {} of column `{name}`", error.valid_up_to()),
        })?;
        Ok((name.clone(), Value::String(text.to_owned())))
    };
    names.iter().zip(row).map(text).collect()
}
