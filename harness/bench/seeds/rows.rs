//! From a file's content to its rows: one form, whatever the layout.

mod delimited;
mod json;
mod parquet;

use serde_json::{Map, Value};

use super::content::{Content, Layout};
use super::{Fault, FieldMapping, Format, SkipReason, Unread};

pub(super) use delimited::rows as delimited;

/// A record as it stands in the file.
pub(super) struct Row {
    /// The line that it begins on, from 1, where lines mean something.
    pub(super) line: Option<u64>,
    /// Its fields, or why it has none.
    pub(super) fields: Result<Map<String, Value>, SkipReason>,
    /// Names of what it holds besides and JSON has no form for: cells of Parquet.
    pub(super) unread: Vec<String>,
}

impl Row {
    const fn new(line: Option<u64>, fields: Result<Map<String, Value>, SkipReason>) -> Self {
        Self { line, fields, unread: Vec::new() }
    }
}

/// The rows of a file. They are read one after the other, so that a large file is never held as JSON values.
pub(super) struct Rows<'a> {
    /// In the order of the file. An error ends them: what follows cannot be told into rows.
    pub(super) rows: Box<dyn Iterator<Item = Result<Row, Fault>> + 'a>,
    /// What the file holds besides, and no row does.
    pub(super) unread: Vec<Unread>,
}

impl<'a> Rows<'a> {
    /// Rows that are all of the file.
    fn new(rows: impl Iterator<Item = Result<Row, Fault>> + 'a) -> Self {
        Self { rows: Box::new(rows), unread: Vec::new() }
    }
}

/// Reads the rows of a file. With a mapping they are those of a seed set: an object around records is taken off, and
/// columns that hold none of its fields are left unread. Without one every field of every object is.
pub(super) fn read<'a>(
    content: &'a Content,
    mapping: Option<&FieldMapping>,
) -> Result<Rows<'a>, Fault> {
    let nested = |text| mapping.map_or(Ok(None), |mapping| json::nested(text, mapping));
    match content.layout {
        Layout::Array => json::array(content.text()?),
        Layout::Lines => {
            // Who asks for lines means them; and a file of lines may hold one that is no text.
            let text = content.text().ok().filter(|_| content.asked != Some(Format::JsonLines));
            let nested = text.map_or(Ok(None), nested)?;
            Ok(nested.unwrap_or_else(|| json::lines(&content.bytes)))
        }
        Layout::Objects => {
            let text = content.text()?;
            Ok(nested(text)?.unwrap_or_else(|| json::objects(text)))
        }
        Layout::Csv => {
            // Its separator is found by the names of fields, whatever else is read.
            let usual = FieldMapping::default();
            delimited(&content.bytes, mapping.unwrap_or(&usual))
        }
        Layout::Parquet => parquet::rows(content.bytes.clone(), mapping),
    }
}
