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
    // Numbers and switches are JSON as they stand. Other texts stay as they are, also those that look like JSON.
    match serde_json::from_str(value) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ if value.is_empty() => Value::Null,
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_switches_are_read_and_other_texts_stay() {
        let rows = json(b"a,b,c,d,e\n1.5,true,,null,\"\"\"x\"\"\"\n").unwrap();
        let expected =
            serde_json::json!({ "a": 1.5, "b": true, "c": null, "d": "null", "e": "\"x\"" });
        assert_eq!(Value::Object(rows[0].clone()), expected);
    }
}
