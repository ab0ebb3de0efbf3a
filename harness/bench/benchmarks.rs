//! Benchmarks that the user has, as files and folders: what contamination is looked for in.
//!
//! A benchmark is a file, and its name without ending is the benchmark's. Below a folder every table is one, in the order
//! of paths, named by its path from the folder: the cache of `OpenCompass` (`data/mmlu/test/anatomy_test.csv`), a snapshot of
//! the Hugging Face cache (`snapshots/<hash>/main/test-00000-of-00001.parquet`, links into `blobs/`), or any other. All texts
//! of a record count, but for those that all records of the file share (a canary).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use gra_analysis::contamination::Benchmark;
use serde_json::Value;

use crate::failure::bad_input;
use crate::seeds::records::{self, Records};

/// Endings of tables; each may be followed by `.gz`.
const ENDINGS: [&str; 7] = ["json", "jsonl", "ndjson", "csv", "tsv", "tab", "parquet"];

/// Files of the `datasets` library and of the hub beside its tables.
const NO_TABLES: [&str; 6] = [
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "config.json",
    "package.json",
];

/// Records of a file below which a text that all of them share is taken for their own.
const LEAST_ITEMS: usize = 3;

/// The benchmarks that were read, and what of them was not.
#[derive(Clone, Debug, Default)]
pub(crate) struct BenchmarkFiles {
    /// In the order in which they were named, those of a folder by their paths.
    pub(crate) benchmarks: Vec<Benchmark>,
    /// What a reader must know: files and records that were left out, a sentence each.
    pub(crate) notes: Vec<String>,
}

impl BenchmarkFiles {
    /// Reads files, and the tables below folders. A table below a folder that cannot be read is left out with a note.
    ///
    /// # Errors
    /// When a path is neither file nor folder, a file cannot be read, or a folder has no table that can.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut read = Self::default();
        for path in paths {
            if path.is_dir() {
                read.add_folder(path)?;
            } else {
                let found = records::read(path).map_err(|fault| {
                    let file = path.display();
                    bad_input(anyhow!(
                        "cannot use {file} as a benchmark: {fault}\n\
                         hint: a benchmark is a file of JSON, JSON Lines, CSV or Parquet, or a folder of them"
                    ))
                })?;
                read.add(&name(path, path.parent()), found);
            }
        }
        Ok(read)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let mut files = Vec::new();
        walk(folder, &mut files)
            .with_context(|| format!("cannot look through {}", folder.display()))?;
        // One file that cannot be read among hundreds is a note; a folder of nothing else is an error.
        let before = self.benchmarks.len();
        let mut unread = Vec::new();
        for file in &files {
            match records::read(file) {
                Ok(found) => self.add(&name(file, Some(folder)), found),
                Err(fault) => unread.push(format!("{}: {fault}", file.display())),
            }
        }
        if self.benchmarks.len() == before {
            let first = unread.first().map_or_else(String::new, |first| format!("; {first}"));
            return Err(bad_input(anyhow!(
                "no benchmark lies below {}{first}\nhint: benchmarks are files that end in {}, also with .gz",
                folder.display(),
                ENDINGS.join(", ")
            )));
        }
        if let Some(first) = unread.first() {
            let (folder, unread, files) = (folder.display(), unread.len(), files.len());
            self.notes.push(format!(
                "Below {folder} {unread} of {files} files were not read as benchmarks ({first})."
            ));
        }
        Ok(())
    }

    /// Adds a benchmark under a name that none of them has.
    fn add(&mut self, name: &str, found: Records) {
        let mut own = name.to_owned();
        let mut number = 1;
        while self.benchmarks.iter().any(|known| known.name == own) {
            number += 1;
            own = format!("{name} ({number})");
        }
        if let Some(reason) = &found.first_skipped {
            let (skipped, all) = (found.skipped, found.records.len() + found.skipped);
            self.notes
                .push(format!("{own}: {skipped} of {all} records could not be read ({reason})."));
        }
        self.benchmarks.push(Benchmark { name: own, items: items(found) });
    }
}

/// A file's path from the folder, without endings, with `/` between its parts.
fn name(file: &Path, folder: Option<&Path>) -> String {
    let below = folder.and_then(|folder| file.strip_prefix(folder).ok()).unwrap_or(file);
    let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let path = parts.join("/");
    let path = path.strip_suffix(".gz").unwrap_or(&path);
    without_ending(path).unwrap_or(path).to_owned()
}

/// A path without the ending of a table; `None` of one that has none.
fn without_ending(path: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)?.strip_suffix('.'))
}

/// The tables below a folder by their paths. What is hidden is left out, and so is a folder's second way to itself.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let entries = std::fs::read_dir(folder)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            // A link to a folder may lead back up.
            if !path.is_symlink() {
                walk(&path, files)?;
            }
            continue;
        }
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if without_ending(plain).is_some() && !NO_TABLES.contains(&plain) {
            files.push(path);
        }
    }
    Ok(())
}

/// The texts of each record, without those that all records share.
fn items(found: Records) -> Vec<Vec<String>> {
    let texts = |record| {
        let mut texts = Vec::new();
        collect(&Value::Object(record), &mut texts);
        texts
    };
    let mut items: Vec<Vec<String>> = found.records.into_iter().map(texts).collect();
    // One record or two may well have one text; more that all share it have a canary.
    if let [first, rest @ ..] = items.as_slice()
        && items.len() >= LEAST_ITEMS
    {
        let is_shared = |text: &&String| rest.iter().all(|item| item.contains(text));
        let shared: BTreeSet<String> = first.iter().filter(is_shared).cloned().collect();
        for item in &mut items {
            item.retain(|text| !shared.contains(text));
        }
    }
    items
}

/// The texts of a value, without the calculator's notes of GSM8K (`<<2*3=6>>`), which no copy of an answer has.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let mut pieces = text.split("<<");
            let mut plain = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                plain.push_str(piece.split_once(">>").map_or(piece, |(_, behind)| behind));
            }
            texts.push(plain);
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/benchmarks").join(name)
    }

    #[test]
    fn folders_as_opencompass_and_the_hub_lay_them_out() {
        let read = BenchmarkFiles::read(&[fixture("opencompass"), fixture("hub")]).unwrap();
        let found: Vec<(&str, usize)> =
            read.benchmarks.iter().map(|of| (of.name.as_str(), of.items.len())).collect();
        assert_eq!(
            found,
            [
                ("BBH/data/navigate", 3),
                ("gsm8k/test", 2),
                ("math/math", 2),
                ("mmlu/test/anatomy_test", 2),
                ("snapshots/0123abcd/data/test-00000-of-00001", 2),
            ]
        );
        let [navigate, gsm8k, math, mmlu, _] = &read.benchmarks[..] else { panic!("five") };
        assert!(!navigate.items.iter().flatten().any(|text| text.contains("canary")));
        assert!(gsm8k.items[0][0].contains("16 - 3 - 4 = 9 eggs"), "{:?}", gsm8k.items[0]);
        assert!(math.items[0].iter().any(|text| text.contains("two fair dice")));
        assert!(mmlu.items[0].iter().any(|text| text.contains("lesion")), "{:?}", mmlu.items[0]);
        assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
        assert!(read.notes[0].contains("1 of 5 files"), "{:?}", read.notes);
    }

    #[test]
    fn a_file_is_named_by_its_stem_and_each_name_is_used_once() {
        let file = fixture("opencompass/gsm8k/test.jsonl");
        let read = BenchmarkFiles::read(&[file.clone(), file]).unwrap();
        let names: Vec<&str> = read.benchmarks.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(names, ["test", "test (2)"]);
    }

    #[test]
    fn what_is_no_benchmark_is_said() {
        for (path, said) in [
            (fixture("missing.jsonl"), "as a benchmark"),
            (fixture("opencompass/gsm8k/README.md"), "its format is none of the known ones"),
            (fixture("empty"), "no benchmark lies below"),
        ] {
            let error = BenchmarkFiles::read(std::slice::from_ref(&path)).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.contains(said) && error.contains("hint: "),
                "{}: {error}",
                path.display()
            );
        }
    }
}
