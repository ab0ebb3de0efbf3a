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
use crate::{filled_lines, json_rows};

/// MBPP's tasks before the first one that is scored; the configuration's prompt has its own copies of three of them.
const MBPP_BEFORE: usize = 10;

/// A folder of benchmarks cannot be laid out: which file or line, and why not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LayoutError(String);

impl LayoutError {
    /// A file or folder that the system cannot read or write.
    fn from_io(file: &Path) -> impl Fn(io::Error) -> Self {
        let file = file.display().to_string();
        move |error| Self(format!("cannot lay out benchmarks: {file}: {error}"))
    }

    /// A line that is no item of its benchmark; `problem` begins with its number.
    fn of_item(file: &Path, problem: &str) -> Self {
        Self(format!("cannot lay out benchmarks: {}, {problem}", file.display()))
    }
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
        let failed = LayoutError::from_io(folder);
        let entries = std::fs::read_dir(folder).map_err(&failed)?;
        let files: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
        let is_one = |file: &PathBuf| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            name.starts_with(beginning) && file.extension().is_some_and(|end| end == "jsonl")
        };
        // The first by name, where several begin so.
        let file = files.map_err(failed)?.into_iter().filter(is_one).min();
        let Some(file) = file else { return Ok(None) };
        let text = std::fs::read_to_string(&file).map_err(LayoutError::from_io(&file))?;
        let rows = json_rows(&text).map_err(|problem| LayoutError::of_item(&file, &problem))?;
        let lines = filled_lines(&text).map(|(number, _)| number).collect();
        Ok(Some(Self { file, lines, rows }))
    }

    /// Reads something of every row; `None` is an item that lacks `wanted`.
    fn read<T>(
        &self,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, LayoutError> {
        let lacks = |line: usize| {
            LayoutError::of_item(&self.file, &format!("line {line}: an item has {wanted}"))
        };
        let rows = self.lines.iter().zip(&self.rows);
        rows.map(|(&line, row)| read(row).ok_or_else(|| lacks(line))).collect()
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
        let beginning = match benchmark {
            Benchmark::ArcC => "arc",
            Benchmark::Mmlu => "mmlu-test",
            other => other.id(),
        };
        let Some(items) = Items::find(from, beginning)? else { continue };
        let files = match benchmark {
            Benchmark::Gsm8k => gsm8k(&items),
            Benchmark::Math => math(&items)?,
            Benchmark::HumanEval => as_it_is(&items, "humaneval/human-eval-v2-20210705.jsonl"),
            Benchmark::Mbpp => mbpp(&items),
            Benchmark::HellaSwag => hellaswag(&items)?,
            Benchmark::ArcC => as_it_is(&items, "ARC/ARC-c/ARC-Challenge-Dev.jsonl"),
            Benchmark::Gpqa => gpqa(&items)?,
            Benchmark::Bbh => bbh(&items)?,
            Benchmark::Mmlu => mmlu(&items, Items::find(from, "mmlu-dev")?.as_ref())?,
            Benchmark::IfEval => as_it_is(&items, "ifeval/input_data.jsonl"),
        };
        // A file without an item is as good as none.
        if files.is_empty() {
            continue;
        }
        for (file, bytes) in files {
            let path = cache.folder.join(DATA).join(file);
            gra_files::write_atomic(&path, &bytes).map_err(LayoutError::from_io(&path))?;
        }
        found.push(benchmark);
    }
    if found.is_empty() {
        return Err(LayoutError(format!(
            "{} holds no benchmark\n\
             hint: its files are named gsm8k.jsonl, math.jsonl, .. as in experiments/benchmarks",
            from.display()
        )));
    }
    Ok(found)
}

/// Files to write, by their paths below `data`.
type Files = BTreeMap<String, Vec<u8>>;

/// A line for each row.
pub(in super::super) fn json_lines<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    rows.into_iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

/// A benchmark whose fields are what is read.
fn as_it_is(items: &Items, file: &str) -> Files {
    Files::from([(file.to_owned(), json_lines(&items.rows))])
}

fn gsm8k(items: &Items) -> Files {
    // The prompt's examples are in the configuration, so what is called training set is read and not used.
    let files = ["gsm8k/train.jsonl", "gsm8k/test.jsonl"];
    files.map(|file| (file.to_owned(), json_lines(&items.rows))).into()
}

fn math(items: &Items) -> Result<Files, LayoutError> {
    let rows = items.read("problem and solution", |row| {
        Some(json!({"problem": text(row, "problem")?, "solution": text(row, "solution")?}))
    })?;
    // Keys with leading zeros: the object's order is that of the items in every reader.
    let all: BTreeMap<String, Value> =
        rows.into_iter().enumerate().map(|(index, row)| (format!("{index:04}"), row)).collect();
    Ok(Files::from([("math/math.json".to_owned(), json!(all).to_string().into_bytes())]))
}

fn mbpp(items: &Items) -> Files {
    // Scored is what comes after the tenth task. A file with fewer has none of those that come before.
    let before = if items.rows.len() > MBPP_BEFORE { 0 } else { MBPP_BEFORE };
    let rows = items.rows.iter().cycle().take(before).chain(&items.rows);
    Files::from([("mbpp/mbpp.jsonl".to_owned(), json_lines(rows))])
}

fn hellaswag(items: &Items) -> Result<Files, LayoutError> {
    let rows = items.read("ctx, endings and label", |row| {
        let (query, choices) = (text(row, "ctx")?, texts(row, "endings")?);
        let gold = row.get("label")?.as_u64().filter(|&label| label < 4)?;
        (choices.len() == 4).then(|| json!({"query": query, "choices": choices, "gold": gold}))
    })?;
    Ok(Files::from([("hellaswag/hellaswag.jsonl".to_owned(), json_lines(&rows))]))
}

fn bbh(items: &Items) -> Result<Files, LayoutError> {
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
    let failed = LayoutError::from_io(file);
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| failed(error.into()))?;
    }
    writer.into_inner().map_err(|error| failed(io::Error::other(error.to_string())))
}

/// The prompt has no examples, so the development set, where there is one, is read and not used.
fn mmlu(test: &Items, dev: Option<&Items>) -> Result<Files, LayoutError> {
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (split, items) in [("test", Some(test)), ("dev", dev)] {
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

fn gpqa(items: &Items) -> Result<Files, LayoutError> {
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
