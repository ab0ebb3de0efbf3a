//! Records from comma-separated values with a header.

use std::io::Read;

use csv::{ByteRecord, StringRecord};
use serde_json::Value;

use super::{Collected, Fault, Raw, SkipReason, json};

/// A row put after the last one. A row with a quote that is never closed takes all that follows
/// for its own: it then has swallowed this row too, and is found out.
const END: &[u8] = b"\0end of rows\0";

/// Reads the rows. A row that cannot be read is a skipped record.
pub(super) fn rows(bytes: &[u8], into: &mut Collected<'_>) -> Result<(), Fault> {
    let fault = |error: csv::Error| Fault::Csv(error.to_string());
    let with_end = bytes.chain(&b"\n"[..]).chain(END);
    // Flexible, because it is for us to say which row has how many columns.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(with_end);
    let header = reader.byte_headers().map_err(fault)?;
    if header.iter().any(|name| name.ends_with(END)) {
        return Err(Fault::Csv("a quote in its header is never closed".to_owned()));
    }
    let header = StringRecord::from_byte_record(header.clone())
        .map_err(|_| json::utf8(bytes).err().unwrap_or(Fault::UnknownFormat))?;
    let mut row = ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(fault)? {
        if row.len() == 1 && &row[0] == END {
            break;
        }
        let line = row.position().map(csv::Position::line);
        let swallowed_end = row.iter().next_back().is_some_and(|text| text.ends_with(END));
        let raw = if swallowed_end { Err(SkipReason::OpenQuote) } else { of_row(&header, &row) };
        into.push(line, raw);
    }
    Ok(())
}

fn of_row(header: &StringRecord, row: &ByteRecord) -> Raw {
    if row.len() != header.len() {
        return Err(SkipReason::Columns { found: row.len(), expected: header.len() });
    }
    let text = |(name, bytes): (&str, &[u8])| {
        let text = std::str::from_utf8(bytes).map_err(|error| SkipReason::NotUtf8 {
            place: format!("byte {} of column `{name}`", error.valid_up_to()),
        })?;
        Ok((name.to_owned(), Value::String(text.to_owned())))
    };
    header.iter().zip(row).map(text).collect()
}
