//! The records of any table, with all of their fields: files that are no seed sets, such as benchmarks.
//!
//! The same readers and formats as for seed sets. What differs: no field is looked for, records may stand under one key
//! of an object (`{"examples": [..]}`) or under their names (`{"0": {..}, "1": {..}}`) whatever their fields are called, and
//! a CSV without a header is one whose first line has a cell of many words.

use std::path::Path;

use serde_json::{Map, Value};

use super::content::{Content, Layout, file_bytes, unpack};
use super::value::transposed;
use super::{Fault, FieldMapping, rows};

/// Words that no column's name has; a header with such a cell is a record.
const WORDS_OF_A_RECORD: usize = 8;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The records in the order of the file; those of one object in the order of its keys.
    pub records: Vec<Map<String, Value>>,
    /// How many records could not be read.
    pub skipped: usize,
    /// Why the first of them could not.
    pub first_skipped: Option<String>,
}

/// Reads a file's records.
///
/// # Errors
/// When the file cannot be read, is in no known format, is broken where that leaves no records to tell apart, or has
/// no record.
pub fn read(path: &Path) -> Result<Records, Fault> {
    let content = Content::from_file(file_bytes(path)?, path, None)?;
    let mut found = Records::default();
    for row in rows::read(&content, None)?.rows {
        let row = row?;
        match row.fields {
            Ok(fields) => found.records.push(fields),
            Err(reason) => {
                found.skipped += 1;
                let at = row.line.map_or_else(String::new, |line| format!("line {line}: "));
                found.first_skipped.get_or_insert_with(|| format!("{at}{reason}"));
            }
        }
    }
    if content.layout == Layout::Csv {
        found.records.splice(0..0, header_record(&found.records));
    }
    // One object may be the whole file, with its records inside.
    if found.records.len() == 1 {
        found.records = unwrapped(found.records.remove(0));
    }
    if found.records.is_empty() {
        return Err(match found.first_skipped {
            Some(reason) => Fault::Read(format!("none of its records can be read; {reason}")),
            None => Fault::NoRecords,
        });
    }
    Ok(found)
}

/// A record and the line that it begins on.
pub type NumberedRecord = (u64, Map<String, Value>);

/// Reads a CSV in which every record counts.
///
/// # Errors
/// When the file cannot be read, or one of its records.
pub fn lines(path: &Path) -> Result<Vec<NumberedRecord>, Fault> {
    let content = unpack(file_bytes(path)?)?;
    let rows = rows::delimited(&content, &FieldMapping::default())?.rows;
    let whole = |row: Result<rows::Row, Fault>| {
        let row = row?;
        let line = row.line.unwrap_or_default();
        match row.fields {
            Ok(fields) => Ok((line, fields)),
            Err(reason) => Err(Fault::Read(format!("line {line}: {reason}"))),
        }
    };
    rows.map(whole).collect()
}

/// The record that stands where a header would: MMLU's files have none.
fn header_record(records: &[Map<String, Value>]) -> Option<Map<String, Value>> {
    let names = records.first()?.keys();
    let is_text = |name: &String| name.split_whitespace().count() >= WORDS_OF_A_RECORD;
    let fields = || names.clone().map(|name| (name.clone(), Value::String(name.clone())));
    names.clone().any(is_text).then(|| fields().collect())
}

/// The records of an object around them; the object itself where it is a record.
fn unwrapped(record: Map<String, Value>) -> Vec<Map<String, Value>> {
    let is_list = |value: &Value| {
        value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object))
    };
    // Beside an object or a long text, a list of objects is a field of a record: a question's choices.
    let is_around_records = record.values().any(is_list)
        && !record.values().any(|value| value.is_object() || is_long_text(value));
    if is_around_records {
        let lists = record.into_iter().filter(|(_, value)| is_list(value));
        return lists.flat_map(|(_, value)| objects(value)).collect();
    }
    if record.len() > 1 && record.values().all(Value::is_object) {
        return record.into_iter().flat_map(|(_, value)| objects(value)).collect();
    }
    let is_column = |value: &Value| {
        value.as_array().is_some_and(|list| list.len() > 1 && !list.iter().any(Value::is_object))
    };
    if record.len() > 1 && record.values().all(is_column) {
        let columns = record.clone().into_iter().map(|(name, values)| match values {
            Value::Array(values) => (name, values),
            other => (name, vec![other]),
        });
        // Lists of different lengths are the fields of one record.
        return transposed(columns.collect()).unwrap_or_else(|| vec![record]);
    }
    vec![record]
}

/// Whether a field beside a list makes its object a record: a question beside its choices.
fn is_long_text(value: &Value) -> bool {
    // A canary beside BIG-Bench Hard's list of examples is a sentence and a key.
    const CANARY: &str = "canary";
    value.as_str().is_some_and(|text| {
        text.split_whitespace().count() >= WORDS_OF_A_RECORD
            && !text.to_lowercase().contains(CANARY)
    })
}

fn objects(value: Value) -> Vec<Map<String, Value>> {
    match value {
        Value::Object(fields) => vec![fields],
        Value::Array(list) => list.into_iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, bytes: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let records = read(&path).unwrap().records;
        records.into_iter().map(|record| Value::Object(record).to_string()).collect()
    }

    #[test]
    fn records_of_every_layout() {
        let two = [r#"{"a":"1"}"#, r#"{"a":"2"}"#];
        let cases: [(&str, &str); 6] = [
            ("lines.jsonl", "{\"a\":\"1\"}\n{\"a\":\"2\"}\n"),
            ("array.json", r#"[{"a":"1"},{"a":"2"}]"#),
            ("under-a-key.json", r#"{"canary": "b c", "examples": [{"a":"1"},{"a":"2"}]}"#),
            ("by-name.json", r#"{"0": {"a":"1"}, "1": {"a":"2"}}"#),
            ("header.csv", "a\n1\n2\n"),
            ("objects.json", "{\"a\":\n\"1\"}\n{\"a\":\n\"2\"}"),
        ];
        for (name, content) in cases {
            assert_eq!(texts(name, content.as_bytes()), two, "{name}");
        }
        assert_eq!(
            texts("columns.json", br#"{"a": ["1", "2"], "b": ["3", "4"]}"#),
            [r#"{"a":"1","b":"3"}"#, r#"{"a":"2","b":"4"}"#]
        );
        assert_eq!(
            texts("one.json", br#"{"question": "Which?", "choices": ["x", "y"]}"#),
            [r#"{"choices":["x","y"],"question":"Which?"}"#]
        );
    }

    #[test]
    fn a_csv_without_header_loses_no_record() {
        let found = texts(
            "mmlu.csv",
            b"Which of these numbers is the smallest prime above ten?,11,12,13,14,A\nWhich?,1,2,3,4,B\n",
        );
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("smallest prime"), "{found:?}");
    }

    #[test]
    fn all_columns_of_a_parquet_file_are_read() {
        use polars::prelude::{DataFrame, NamedFrom, Series};
        let column = |name: &str, cells: [&str; 2]| Series::new(name.into(), cells).into();
        let columns = vec![column("stem", ["x", "y"]), column("key", ["A", "B"])];
        let mut bytes = Vec::new();
        let frame = DataFrame::new(2, columns).unwrap();
        gra_analysis::frames::write_parquet(&frame, &mut bytes).unwrap();
        let expected = [r#"{"key":"A","stem":"x"}"#, r#"{"key":"B","stem":"y"}"#];
        assert_eq!(texts("test.parquet", &bytes), expected);
    }

    #[test]
    fn what_holds_no_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, said) in [
            ("empty.jsonl", "", "it has no records"),
            ("broken.json", "[{\"a\": 1", "broken JSON"),
            ("lines.jsonl", "1\n2\n", "none of its records can be read; line 1: "),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let error = read(&path).map(|found| found.records.len()).map_err(|e| e.to_string());
            let error = error.unwrap_err();
            assert!(error.contains(said), "{name}: {error}");
        }
    }
}
