//! A CSV table as JSON objects, one per line: numbers and switches as such, empty fields as null.

use anyhow::Result;
use serde_json::{Map, Value};

/// The lines of a CSV with a header.
///
/// # Errors
/// When it is no CSV.
pub fn json(csv: &[u8]) -> Result<Vec<Map<String, Value>>> {
    let mut csv = csv::Reader::from_reader(csv);
    let header = csv.headers()?.clone();
    let row = |record: csv::Result<csv::StringRecord>| {
        let record = record?;
        let fields = header.iter().zip(&record);
        Ok(fields.map(|(name, value)| (name.to_owned(), read(value))).collect())
    };
    csv.records().map(row).collect()
}

/// One JSON document: the object, or a list where there are several.
#[must_use]
pub fn document(mut objects: Vec<Value>) -> Value {
    if objects.len() == 1 { objects.swap_remove(0) } else { Value::Array(objects) }
}

fn read(value: &str) -> Value {
    // Numbers and switches are JSON as they stand.
    serde_json::from_str(value).unwrap_or_else(|_| match value {
        "" => Value::Null,
        text => text.into(),
    })
}
