//! Data sets to train on: Alpaca records, read from what `gra-bench export` writes, checked and written again for
//! LLaMA-Factory with the index that names them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gra_files::digest;
use serde::{Deserialize, Serialize};

use super::TrainingError::{self, Unusable};
use super::is_plain;
use crate::json_rows;

/// A data set as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingSet {
    /// What it is called in the training's files and records: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// A JSON array, or JSON lines, of Alpaca records (`instruction`, `input`, `output`, `system`).
    pub file: PathBuf,
}

/// What a training remembers of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingSetRecord {
    /// Its name.
    pub name: String,
    /// How many records it has.
    pub records: usize,
    /// SHA-256 of the file that it was read from.
    pub sha256: String,
}

/// A record as it is written. LLaMA-Factory wants a column that the index lists to be there in every record.
#[derive(Serialize)]
struct AlpacaRecord<'a> {
    instruction: &'a str,
    input: &'a str,
    output: &'a str,
    system: &'a str,
}

/// A data set that was read.
#[derive(Debug)]
pub(super) struct ReadSet {
    pub(super) record: TrainingSetRecord,
    /// A JSON array with a record per line.
    pub(super) bytes: Vec<u8>,
}

/// Reads all data sets, in the order in which they were given.
pub(super) fn read_all(sets: &[TrainingSet]) -> Result<Vec<ReadSet>, TrainingError> {
    if sets.is_empty() {
        return Err(Unusable("there is no data set to train on".to_owned()));
    }
    // All names before any file: reading a large one only to refuse the name of the next would waste minutes.
    let mut seen: BTreeMap<&str, &Path> = BTreeMap::new();
    for TrainingSet { name, file } in sets {
        let shown = file.display();
        // LLaMA-Factory takes names from a list with commas, and they become file names.
        if !is_plain(name) {
            return Err(Unusable(format!(
                "data set {name:?}: a name has letters, digits, '.', '_' and '-'\n\
                 hint: give it another: NAME={shown}"
            )));
        }
        // One would be trained on in place of the other.
        if let Some(first) = seen.insert(name, file) {
            let first = first.display();
            return Err(Unusable(format!(
                "two data sets are called {name}: {first} and {shown}\n\
                 hint: give one of them another name: NAME={shown}"
            )));
        }
    }
    sets.iter().map(read).collect()
}

fn read(set: &TrainingSet) -> Result<ReadSet, TrainingError> {
    let file = set.file.display();
    let unreadable = |problem: String| Unusable(format!("cannot read data set {file}: {problem}"));
    let text = fs::read_to_string(&set.file).map_err(|error| unreadable(error.to_string()))?;
    let values = parse(&text).map_err(unreadable)?;
    // A line for each record, so that people and `diff` see which one is another.
    let mut bytes = b"[".to_vec();
    for (at, value) in values.iter().enumerate() {
        let problem = |problem: String| {
            let hint = "hint: records have the texts instruction, input and output, as \
                        `gra-bench export --format alpaca` writes them";
            Unusable(format!("data set {file}, record {}: {problem}\n{hint}", at + 1))
        };
        let record = alpaca_record(value).map_err(problem)?;
        bytes.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut bytes, &record).map_err(|error| problem(error.to_string()))?;
    }
    bytes.extend_from_slice(b"\n]\n");
    if values.is_empty() {
        return Err(Unusable(format!("data set {file} has no records")));
    }
    let sha256 = digest::of_bytes(&text);
    let record = TrainingSetRecord { name: set.name.clone(), records: values.len(), sha256 };
    Ok(ReadSet { record, bytes })
}

fn parse(text: &str) -> Result<Vec<serde_json::Value>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    json_rows(text)
}

/// Other columns than these are left out: they say where a record is from.
fn alpaca_record(value: &serde_json::Value) -> Result<AlpacaRecord<'_>, String> {
    let object = value.as_object().ok_or("it is no object")?;
    let text = |key: &str| match object.get(key) {
        None | Some(serde_json::Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or_else(|| format!("`{key}` is no text")),
    };
    // An empty list is how some exporters say that there are no earlier turns.
    let is_empty = |turns: &serde_json::Value| turns.as_array().is_some_and(Vec::is_empty);
    if object.get("history").is_some_and(|turns| !is_empty(turns)) {
        return Err("`history` has earlier turns, which are not trained on".to_owned());
    }
    for key in ["instruction", "output"] {
        if text(key)?.trim().is_empty() {
            let columns: Vec<&str> = object.keys().map(String::as_str).collect();
            return Err(format!("it has no `{key}`; its columns: {}", columns.join(", ")));
        }
    }
    Ok(AlpacaRecord {
        instruction: text("instruction")?,
        input: text("input")?,
        output: text("output")?,
        system: text("system")?,
    })
}

/// `dataset_info.json`, which tells LLaMA-Factory what the files are. It takes a column that is not listed for absent.
pub(super) fn index(names: &[&str]) -> Vec<u8> {
    let columns = serde_json::json!({
        "prompt": "instruction", "query": "input", "response": "output", "system": "system",
    });
    let entry = |name: &&str| {
        let entry = serde_json::json!({
            "file_name": format!("{name}.json"), "formatting": "alpaca", "columns": columns,
        });
        ((*name).to_owned(), entry)
    };
    let entries: BTreeMap<String, serde_json::Value> = names.iter().map(entry).collect();
    format!("{:#}\n", serde_json::json!(entries)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<ReadSet, TrainingError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        fs::write(&file, text).unwrap();
        read(&TrainingSet { name: "a".to_owned(), file })
    }

    #[test]
    fn arrays_and_lines_give_the_same_file() {
        let records = [
            r#"{"instruction": "Add.", "input": "4 and 9", "output": "13", "history": []}"#,
            r#"{"instruction": "Greet.", "output": "Hello.", "system": null}"#,
        ];
        let array = read_text(&format!("[{}]", records.join(","))).unwrap();
        let lines = read_text(&format!("{}\n\n{}\n", records[0], records[1])).unwrap();
        assert_eq!(array.bytes, lines.bytes);
        assert_eq!(array.record.records, 2);
        insta::assert_snapshot!(String::from_utf8(array.bytes).unwrap(), @r#"
        [
        {"instruction":"Add.","input":"4 and 9","output":"13","system":""},
        {"instruction":"Greet.","input":"","output":"Hello.","system":""}
        ]
        "#);
    }

    #[test]
    fn records_that_cannot_be_trained_on() {
        let good = r#"{"instruction": "a", "output": "b"}"#;
        let cases = [
            ("[]".to_owned(), "has no records"),
            (format!("[{good}, 3]"), "record 2: it is no object"),
            (
                format!("[{good}, {{\"instruction\": \"a\"}}]"),
                "record 2: it has no `output`; its columns: instruction",
            ),
            (r#"{"instruction": 1, "output": "b"}"#.to_owned(), "`instruction` is no text"),
            (
                r#"{"messages": [], "id": "1"}"#.to_owned(),
                "no `instruction`; its columns: id, messages",
            ),
            (
                r#"{"instruction":"a","output":"b","history":[["c","d"]]}"#.to_owned(),
                "earlier turns",
            ),
            (format!("{good}\n{{"), "line 2: EOF"),
        ];
        for (text, said) in cases {
            let error = read_text(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn names_are_plain_and_each_is_there_once() {
        let set = |name: &str, file: &str| TrainingSet { name: name.to_owned(), file: file.into() };
        let cases = [
            (vec![], "no data set"),
            (vec![set("a,b", "x.json")], "a name has letters"),
            (
                vec![set("a", "x.json"), set("a", "y.json")],
                "two data sets are called a: x.json and y.json",
            ),
            (vec![set("a", "/nothing/there.json")], "cannot read data set /nothing/there.json"),
        ];
        for (sets, said) in cases {
            let error = read_all(&sets).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
