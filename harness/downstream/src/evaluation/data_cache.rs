//! The files that OpenCompass reads benchmarks from, below `$COMPASS_DATA_CACHE/data`.
//!
//! They are looked at before a model is asked: a file that is not there would be fetched in the middle of a run, or end
//! it, and one that was cut off would give a score over fewer items. Rows are known of every file, hashes of those
//! whose publisher's bytes are the ones that are read (GSM8K, `HumanEval`, BBH; `suite/files.csv`). Other
//! bytes with the same rows are told, not refused: spaces between JSON fields are no other benchmark.

mod layout;

pub(super) use layout::json_lines;
pub use layout::{LayoutError, lay_out};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gra_paper::Benchmark;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::suite::{Scope, Suite, compiled_in};
use crate::json_rows;

/// Folder of the benchmarks within the cache.
pub(crate) const DATA: &str = "data";

/// Folder within the cache of NLTK's model of English sentences, which `IFEval`'s instructions on sentences need.
const NLTK: &str = "nltk_data";

/// The cache's folder, which `$COMPASS_DATA_CACHE` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataCache {
    /// The folder that holds `data`.
    pub folder: PathBuf,
}

/// A file of the cache, and what it should hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct KnownFile {
    benchmark: String,
    file: String,
    rows: u64,
    sha256: String,
}

/// How a file of the cache is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Its bytes are the publisher's.
    Published,
    /// It has all rows; its bytes are not known, or another writing of them.
    Rows,
    /// It has another number of rows.
    OtherRows {
        /// How many it has.
        rows: u64,
    },
    /// It is not there.
    Missing,
    /// It cannot be read.
    Broken {
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => f.write_str("as published"),
            Self::Rows => f.write_str("all rows"),
            Self::OtherRows { rows } => write!(f, "{rows} rows"),
            Self::Missing => f.write_str("missing"),
            Self::Broken { problem } => write!(f, "cannot be read: {problem}"),
        }
    }
}

/// A file of the cache as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Id of the benchmark that reads it.
    pub benchmark: &'static str,
    /// Its path below the cache's folder.
    pub file: String,
    /// Rows that it should have.
    pub rows: u64,
    /// How it is.
    pub state: FileState,
    /// SHA-256 of its bytes, where it is there.
    pub sha256: Option<String>,
    /// Where to get it.
    pub source: &'static str,
    /// Its licence.
    pub licence: &'static str,
}

/// Files of the cache are not as a suite needs them: some are missing, broken or too short. Which, and where to get them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataError(String);

/// Most files that an error names.
const TOLD: usize = 8;

fn told(wrong: &[FileReport]) -> String {
    let line = |one: &FileReport| {
        let wanted = match one.state {
            FileState::OtherRows { .. } => format!(" of {}", one.rows),
            _ => String::new(),
        };
        format!("  {}: {}{wanted}", one.file, one.state)
    };
    let mut lines: Vec<String> = wrong.iter().take(TOLD).map(line).collect();
    if wrong.len() > TOLD {
        lines.push(format!("  and {} more", wrong.len() - TOLD));
    }
    lines.join("\n")
}

fn hint(wrong: &[FileReport]) -> String {
    // Each source once, however many of its files are wrong.
    let sources: BTreeSet<(&str, &str)> =
        wrong.iter().map(|one| (one.benchmark, one.source)).collect();
    let lines = sources.iter().map(|(benchmark, source)| format!("{benchmark}: {source}"));
    lines.collect::<Vec<_>>().join("\n      ")
}

/// Where files are from, and their licence: a line of `suite/sources.csv`.
#[derive(Debug, Deserialize)]
struct KnownSource {
    /// Id of the benchmark, or [`NLTK`].
    files: String,
    source: String,
    licence: String,
}

fn known_sources() -> &'static [KnownSource] {
    static SOURCES: LazyLock<Vec<KnownSource>> =
        LazyLock::new(|| compiled_in(include_bytes!("suite/sources.csv")));
    &SOURCES
}

/// The files that a scope reads.
fn files_of(scope: &Scope) -> Vec<KnownFile> {
    let mut files: Vec<KnownFile> = compiled_in(include_bytes!("suite/files.csv"));
    files.retain(|known| known.benchmark == scope.benchmark.id());
    if scope.items.is_some() {
        // Few of its instructions are on sentences; where one is, the engine's failure says so.
        files.retain(|known| !known.file.starts_with(NLTK));
    }
    if let Some(parts) = &scope.parts {
        files.retain(|known| {
            // `snarks.json` of BBH, `anatomy_dev.csv` and `anatomy_test.csv` of MMLU.
            let name = Path::new(&known.file).file_stem().unwrap_or_default().to_string_lossy();
            let name = name.trim_end_matches("_dev").trim_end_matches("_test");
            parts.iter().any(|part| part == name)
        });
    }
    files
}

impl DataCache {
    /// The cache in this folder, or in the one that `$COMPASS_DATA_CACHE` names.
    #[must_use]
    pub fn find(folder: Option<&Path>) -> Option<Self> {
        let named = || std::env::var_os("COMPASS_DATA_CACHE").map(PathBuf::from);
        Some(Self { folder: folder.map(Path::to_owned).or_else(named)? })
    }

    /// Where NLTK looks for its model of sentences.
    pub(crate) fn nltk_folder(&self) -> PathBuf {
        self.folder.join(NLTK)
    }

    /// Looks at every file that a suite reads, in the order of its benchmarks.
    #[must_use]
    pub fn check(&self, suite: &Suite) -> Vec<FileReport> {
        let look = |scope: &Scope| {
            let benchmark = scope.benchmark;
            files_of(scope).into_iter().map(move |known| self.look_at(known, benchmark))
        };
        suite.scopes.iter().flat_map(look).collect()
    }

    fn look_at(&self, known: KnownFile, benchmark: Benchmark) -> FileReport {
        let path = self.folder.join(&known.file);
        let of = if known.file.starts_with(NLTK) { NLTK } else { benchmark.id() };
        let origin = known_sources().iter().find(|one| one.files == of);
        let sha256 = path.is_file().then(|| gra_files::digest::of_file(&path));
        let state = match &sha256 {
            None => FileState::Missing,
            Some(Err(error)) => FileState::Broken { problem: error.to_string() },
            Some(Ok(sha256)) => match rows(&path, benchmark).map(|rows| rows.len() as u64) {
                Err(problem) => FileState::Broken { problem },
                Ok(rows) if rows != known.rows => FileState::OtherRows { rows },
                Ok(_) if *sha256 == known.sha256 => FileState::Published,
                Ok(_) => FileState::Rows,
            },
        };
        FileReport {
            benchmark: benchmark.id(),
            file: known.file,
            rows: known.rows,
            state,
            sha256: sha256.and_then(Result::ok),
            source: origin.map_or("", |one| &one.source),
            licence: origin.map_or("", |one| &one.licence),
        }
    }

    /// Checks that a suite can be scored from these files: all rows where it asks for all items, some where it asks
    /// for a few. Gives the files' hashes by their paths.
    ///
    /// # Errors
    /// Names the files that cannot be used, and where to get them.
    pub fn require(&self, suite: &Suite) -> Result<BTreeMap<String, String>, DataError> {
        let reports = self.check(suite);
        let checked = reports.len();
        let whole = |id: &str| {
            suite.scopes.iter().any(|scope| scope.benchmark.id() == id && scope.items.is_none())
        };
        let is_usable = |report: &FileReport| match report.state {
            FileState::Published | FileState::Rows => true,
            // Where a few items are asked for, a file with a few is enough.
            FileState::OtherRows { rows } => rows > 0 && !whole(report.benchmark),
            FileState::Missing | FileState::Broken { .. } => false,
        };
        let (usable, wrong): (Vec<_>, Vec<_>) = reports.into_iter().partition(is_usable);
        if !wrong.is_empty() {
            return Err(DataError(format!(
                "{} of {checked} files of benchmarks in {} cannot be scored on:\n{}\nhint: {}",
                wrong.len(),
                self.folder.display(),
                told(&wrong),
                hint(&wrong)
            )));
        }
        Ok(usable.into_iter().filter_map(|one| Some((one.file, one.sha256?))).collect())
    }
}

/// The rows of a file, in its own order, as OpenCompass would read them; of a table each is the list of its cells.
pub(super) fn rows(path: &Path, benchmark: Benchmark) -> Result<Vec<Value>, String> {
    #[derive(Deserialize)]
    struct Task {
        examples: Vec<Value>,
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    match benchmark {
        // One object with an entry a problem.
        Benchmark::Math => serde_json::from_str::<Map<String, Value>>(&text)
            .map(|all| all.into_iter().map(|(_, problem)| problem).collect())
            .map_err(|error| error.to_string()),
        Benchmark::Bbh => serde_json::from_str::<Task>(&text)
            .map(|task| task.examples)
            .map_err(|error| error.to_string()),
        // GPQA's first line names the columns; MMLU's files have no such line.
        Benchmark::Mmlu | Benchmark::Gpqa => {
            let mut reader = csv::ReaderBuilder::new();
            reader.has_headers(benchmark == Benchmark::Gpqa);
            let rows = reader.from_reader(text.as_bytes()).into_deserialize::<Vec<String>>();
            let rows = rows.map(|row| row.map(Value::from));
            rows.collect::<Result<_, _>>().map_err(|error| error.to_string())
        }
        _ if path.extension().is_some_and(|end| end == "jsonl") => json_rows(&text),
        // Not of a benchmark: NLTK's own model.
        _ => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            Ok(lines.map(Value::from).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_every_benchmark_are_known() {
        let lines = include_str!("suite/files.csv").lines().count();
        let known: Vec<KnownFile> = compiled_in(include_bytes!("suite/files.csv"));
        assert_eq!(known.len(), lines - 1);
        let lines = include_str!("suite/sources.csv").lines().count();
        assert_eq!(known_sources().len(), lines - 1);
        for scope in Suite::paper().scopes {
            assert!(!files_of(&scope).is_empty(), "{}", scope.benchmark);
            let of = scope.benchmark.id();
            assert!(known_sources().iter().any(|one| one.files == of), "{of}");
        }
        let count = |benchmark| {
            let smoke = Suite::smoke().scopes;
            let scope = smoke.iter().find(|scope| scope.benchmark == benchmark).unwrap();
            files_of(scope).len()
        };
        assert_eq!((count(Benchmark::Bbh), count(Benchmark::Mmlu)), (3, 8));
        assert_eq!(count(Benchmark::IfEval), 1);
    }

    #[test]
    fn a_file_is_missing_cut_off_broken_or_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DataCache { folder: folder.path().to_owned() };
        let suite = |name| Suite::named(name).unwrap().only(&[Benchmark::Gsm8k]).unwrap();
        std::fs::create_dir_all(folder.path().join("data/gsm8k")).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join("data/gsm8k").join(name), text).unwrap();
        };
        let error = cache.require(&suite("paper")).unwrap_err().to_string();
        let error = error.replace(&folder.path().display().to_string(), "CACHE");
        insta::assert_snapshot!(error, @"
        2 of 2 files of benchmarks in CACHE cannot be scored on:
          data/gsm8k/train.jsonl: missing
          data/gsm8k/test.jsonl: missing
        hint: gsm8k: github.com/openai/grade-school-math, grade_school_math/data
        ");
        write("train.jsonl", &"{}\n".repeat(7473));
        write("test.jsonl", "{}\n{\n");
        let states = |suite: &Suite| -> Vec<String> {
            cache.check(suite).iter().map(|one| one.state.to_string()).collect()
        };
        assert_eq!(states(&suite("paper"))[0], "all rows");
        assert!(states(&suite("paper"))[1].starts_with("cannot be read: line 2"));
        write("test.jsonl", "{}\n\n{}\n");
        assert_eq!(states(&suite("smoke"))[1], "2 rows");
        // A few rows are enough for a few items, not for a benchmark.
        assert_eq!(cache.require(&suite("smoke")).unwrap().len(), 2);
        let error = cache.require(&suite("paper")).unwrap_err().to_string();
        assert!(error.contains("data/gsm8k/test.jsonl: 2 rows of 1319"), "{error}");
    }
}
