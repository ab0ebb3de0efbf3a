//! Benchmarks of a folder with one JSON Lines file each become a data cache, in the files and fields that
//! OpenCompass 0.4.1 reads. For a few items: what is laid out holds as many as the folder has.
//!
//! A file is found by how its name begins: `gsm8k`, `math`, `humaneval`, `mbpp`, `hellaswag`, `arc`, `gpqa`, `bbh`,
//! `mmlu-test`, `mmlu-dev`, `ifeval`. Its fields are the publisher's, but for three whose publishers have no JSON
//! Lines: BBH (`task`, `input`, `target`), MMLU (`subject`, `question`, `choices`, `answer`) and GPQA (`question`,
//! `correct`, `incorrect`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;
use serde_json::{Value, json};

use super::{DATA, DataCache};

/// MBPP's tasks before the first one that is scored; the configuration's prompt has its own copies of three of them.
const MBPP_BEFORE: usize = 10;

/// A folder of benchmarks cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file cannot be read or written.
    #[error("cannot lay out benchmarks: {}: {source}", .file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no item of its benchmark.
    #[error("cannot lay out benchmarks: {}, line {line}: {problem}", .file.display())]
    Item {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder holds no benchmark.
    #[error("{} holds no benchmark\nhint: its files are named gsm8k.jsonl, math.jsonl, .. as in experiments/benchmarks", .0.display())]
    Empty(PathBuf),
}

/// The items of a file, each with its line.
struct Items {
    file: PathBuf,
    /// The line of each row, from 1: blank lines hold none.
    lines: Vec<usize>,
    rows: Vec<Value>,
}

impl Items {
    /// The file of `folder` whose name begins so; `None` where there is none.
    fn find(folder: &Path, beginning: &str) -> Result<Option<Self>, LayoutError> {
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |source| LayoutError::Io { file, source }
        };
        let entries = std::fs::read_dir(folder).map_err(failed(folder))?;
        let files: Result<Vec<_>, _> = entries.map(|entry| entry.map(|one| one.path())).collect();
        let is_one = |file: &PathBuf| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            name.starts_with(beginning) && file.extension().is_some_and(|end| end == "jsonl")
        };
        // The first by name, where several begin so.
        let file = files.map_err(failed(folder))?.into_iter().filter(is_one).min();
        let Some(file) = file else { return Ok(None) };
        let text = std::fs::read_to_string(&file).map_err(failed(&file))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let row = |(index, line)| {
            serde_json::from_str(line).map_err(|error| LayoutError::Item {
                file: file.clone(),
                line: index + 1,
                problem: error.to_string(),
            })
        };
        let rows = lines.clone().map(row).collect::<Result<_, _>>()?;
        let lines = lines.map(|(index, _)| index + 1).collect();
        Ok(Some(Self { file, lines, rows }))
    }

    /// Reads something of every row; `None` is an item that lacks `wanted`.
    fn read<T>(
        &self,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, LayoutError> {
        let rows = self.lines.iter().zip(&self.rows);
        rows.map(|(&line, row)| {
            read(row).ok_or_else(|| LayoutError::Item {
                file: self.file.clone(),
                line,
                problem: format!("an item has {wanted}"),
            })
        })
        .collect()
    }
}

fn text(row: &Value, field: &str) -> Option<String> {
    Some(row.get(field)?.as_str()?.to_owned())
}

fn texts(row: &Value, field: &str) -> Option<Vec<String>> {
    row.get(field)?.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}

/// Lays the benchmarks of a folder out as a data cache, and says which there were.
///
/// # Errors
/// When a file cannot be read or written, or a line is no item.
pub fn lay_out(from: &Path, cache: &DataCache) -> Result<Vec<Benchmark>, LayoutError> {
    let mut found = Vec::new();
    for benchmark in Benchmark::ALL {
        let files = match benchmark {
            Benchmark::Gsm8k => gsm8k(from)?,
            Benchmark::Math => math(from)?,
            Benchmark::HumanEval => {
                lines(from, "humaneval", "humaneval/human-eval-v2-20210705.jsonl")?
            }
            Benchmark::Mbpp => mbpp(from)?,
            Benchmark::HellaSwag => hellaswag(from)?,
            Benchmark::ArcC => lines(from, "arc", "ARC/ARC-c/ARC-Challenge-Dev.jsonl")?,
            Benchmark::Gpqa => gpqa(from)?,
            Benchmark::Bbh => bbh(from)?,
            Benchmark::Mmlu => mmlu(from)?,
            Benchmark::IfEval => lines(from, "ifeval", "ifeval/input_data.jsonl")?,
        };
        if files.is_empty() {
            continue;
        }
        for (file, bytes) in files {
            let path = cache.folder.join(DATA).join(file);
            gra_files::write_atomic(&path, &bytes)
                .map_err(|source| LayoutError::Io { file: path, source })?;
        }
        found.push(benchmark);
    }
    if found.is_empty() { Err(LayoutError::Empty(from.to_owned())) } else { Ok(found) }
}

/// Files to write, by their paths below `data`; none where the benchmark is not in the folder.
type Files = BTreeMap<String, Vec<u8>>;

/// A line for each row.
pub(in super::super) fn json_lines<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    rows.into_iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

/// A benchmark whose fields are what is read.
fn lines(from: &Path, beginning: &str, file: &str) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, beginning)? else { return Ok(Files::new()) };
    Ok(Files::from([(file.to_owned(), json_lines(&items.rows))]))
}

fn gsm8k(from: &Path) -> Result<Files, LayoutError> {
    // The prompt's examples are in the configuration, so what is called training set is read and not used.
    let mut files = lines(from, "gsm8k", "gsm8k/test.jsonl")?;
    if let Some(rows) = files.get("gsm8k/test.jsonl").cloned() {
        files.insert("gsm8k/train.jsonl".to_owned(), rows);
    }
    Ok(files)
}

fn math(from: &Path) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, "math")? else { return Ok(Files::new()) };
    let rows = items.read("problem and solution", |row| {
        Some(json!({"problem": text(row, "problem")?, "solution": text(row, "solution")?}))
    })?;
    // Keys with leading zeros: the object's order is that of the items in every reader.
    let all: BTreeMap<String, Value> =
        rows.into_iter().enumerate().map(|(index, row)| (format!("{index:04}"), row)).collect();
    Ok(Files::from([("math/math.json".to_owned(), json!(all).to_string().into_bytes())]))
}

fn mbpp(from: &Path) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, "mbpp")? else { return Ok(Files::new()) };
    // Scored is what comes after the tenth task. A file with fewer has none of those that come before.
    let before = if items.rows.len() > MBPP_BEFORE { 0 } else { MBPP_BEFORE };
    let rows = items.rows.iter().cycle().take(before).chain(&items.rows);
    Ok(Files::from([("mbpp/mbpp.jsonl".to_owned(), json_lines(rows))]))
}

fn hellaswag(from: &Path) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, "hellaswag")? else { return Ok(Files::new()) };
    let rows = items.read("ctx, endings and label", |row| {
        let (query, choices) = (text(row, "ctx")?, texts(row, "endings")?);
        let gold = row.get("label")?.as_u64().filter(|&label| label < 4)?;
        (choices.len() == 4).then(|| json!({"query": query, "choices": choices, "gold": gold}))
    })?;
    Ok(Files::from([("hellaswag/hellaswag.jsonl".to_owned(), json_lines(&rows))]))
}

fn bbh(from: &Path) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, "bbh")? else { return Ok(Files::new()) };
    let rows = items.read("task, input and target", |row| {
        let item = json!({"input": text(row, "input")?, "target": text(row, "target")?});
        Some((text(row, "task")?, item))
    })?;
    let mut tasks: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (task, item) in rows {
        tasks.entry(task).or_default().push(item);
    }
    let file = |(task, items)| {
        (format!("BBH/data/{task}.json"), json!({ "examples": items }).to_string().into_bytes())
    };
    Ok(tasks.into_iter().map(file).collect())
}

/// Rows of cells as a CSV. Texts are written as they are: this is what a model is asked, so the workspace's own writer,
/// which puts an apostrophe before what a spreadsheet would run, would change items.
fn table(rows: &[Vec<String>], file: &Path) -> Result<Vec<u8>, LayoutError> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let failed = |source| LayoutError::Io { file: file.to_owned(), source };
    for row in rows {
        writer.write_record(row).map_err(|error| failed(error.into()))?;
    }
    writer.into_inner().map_err(|error| failed(io::Error::other(error.to_string())))
}

fn mmlu(from: &Path) -> Result<Files, LayoutError> {
    let Some(test) = Items::find(from, "mmlu-test")? else { return Ok(Files::new()) };
    // The prompt has no examples, so the development set is read and not used.
    let dev = Items::find(from, "mmlu-dev")?;
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (split, items) in [("test", Some(&test)), ("dev", dev.as_ref())] {
        let Some(items) = items else { continue };
        let wanted = "subject, question, answer and four choices";
        let rows = items.read(wanted, |row| {
            let choices = texts(row, "choices")?;
            // The published development set has an item with five choices, which is left out.
            if choices.len() != 4 {
                return Some(None);
            }
            let cells = [vec![text(row, "question")?], choices, vec![text(row, "answer")?]];
            Some(Some((text(row, "subject")?, cells.concat())))
        })?;
        for (subject, cells) in rows.into_iter().flatten() {
            let file = format!("mmlu/{split}/{subject}_{split}.csv");
            tables.entry(file).or_default().push(cells);
        }
    }
    tables.into_iter().map(|(file, rows)| Ok((file, table(&rows, &test.file)?))).collect()
}

fn gpqa(from: &Path) -> Result<Files, LayoutError> {
    let Some(items) = Items::find(from, "gpqa")? else { return Ok(Files::new()) };
    let wanted = "question, correct and three of incorrect";
    let rows = items.read(wanted, |row| {
        // The published table has many columns; those that are read are the eighth to the twelfth.
        let mut cells = vec![String::new(); 7];
        cells.extend([text(row, "question")?, text(row, "correct")?]);
        cells.extend(texts(row, "incorrect")?);
        (cells.len() == 12).then_some(cells)
    })?;
    let mut names = vec![String::new(); 7];
    names.extend(["Question", "Correct Answer"].map(str::to_owned));
    names.extend((1..4).map(|number| format!("Incorrect Answer {number}")));
    let all: Vec<Vec<String>> = std::iter::once(names).chain(rows).collect();
    Ok(Files::from([("gpqa/gpqa_diamond.csv".to_owned(), table(&all, &items.file)?)]))
}

#[cfg(test)]
mod tests {
    use super::super::super::suite::Suite;
    use super::*;

    fn own_items() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/benchmarks")
    }

    #[test]
    fn items_of_our_own_are_enough_for_the_smoke_suite() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DataCache { folder: folder.path().to_owned() };
        assert_eq!(lay_out(&own_items(), &cache).unwrap(), Suite::smoke().benchmarks());
        let files = cache.require(&Suite::smoke()).unwrap();
        assert_eq!(files.len(), 19);
        // MBPP's first ten are never scored.
        let mbpp = std::fs::read_to_string(folder.path().join("data/mbpp/mbpp.jsonl")).unwrap();
        assert_eq!(mbpp.lines().count(), 13);
        let gpqa = std::fs::read_to_string(folder.path().join("data/gpqa/gpqa_diamond.csv"));
        let gpqa = gpqa.unwrap();
        assert!(gpqa.starts_with(",,,,,,,Question,Correct Answer,"), "{gpqa}");
    }

    #[test]
    fn texts_of_items_are_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let item = json!({"subject": "algebra", "question": "=x, \"y\"", "choices": ["-x", "+1 a", "@", "d"], "answer": "A"});
        std::fs::write(folder.path().join("mmlu-test-1.jsonl"), format!("{item}\n")).unwrap();
        let cache = DataCache { folder: folder.path().join("cache") };
        assert_eq!(lay_out(folder.path(), &cache).unwrap(), [Benchmark::Mmlu]);
        let file = cache.folder.join("data/mmlu/test/algebra_test.csv");
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text, "\"=x, \"\"y\"\"\",-x,+1 a,@,d,A\n");
    }

    #[test]
    fn what_is_no_item_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DataCache { folder: folder.path().join("cache") };
        let error = lay_out(folder.path(), &cache).unwrap_err().to_string();
        assert!(error.contains("holds no benchmark"), "{error}");
        std::fs::write(folder.path().join("bbh.jsonl"), "\n{\"task\": \"snarks\"}\n").unwrap();
        let error = lay_out(folder.path(), &cache).unwrap_err().to_string();
        assert!(
            error.ends_with("bbh.jsonl, line 2: an item has task, input and target"),
            "{error}"
        );
    }
}
