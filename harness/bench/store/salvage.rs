//! Checks a store, and copies what can be read of a damaged one into a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use gra_files::remove_if_any;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use serde::Serialize;

use super::survey::{self, Gap, StoreTable, SurveyedRow};
use super::{create, file, reading};
use crate::trial::TrialId;

/// Most complaints of SQLite, and most rows of a table, that are listed.
const LISTED: usize = 20;

/// The tables that hold facts of trials.
const OF_TRIALS: [&str; 3] = ["seed_item", "call", "candidate"];

/// What can be read of a store.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// What SQLite's `integrity_check` says of its pages; empty for a sound file.
    pub sqlite: Vec<String>,
    /// Its tables.
    pub tables: Vec<TableState>,
    /// Its trials, by name.
    pub trials: Vec<TrialState>,
    /// What may be missing although all that is there is sound.
    pub notes: Vec<String>,
}

/// What can be read of a table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableState {
    /// Its name.
    pub name: String,
    /// Rows that can be read and make sense.
    pub rows: u64,
    /// Rows that can be read and make none: key and reason, the first ones.
    pub faults: Vec<String>,
    /// How many those are.
    pub faulty: u64,
    /// Keys between which rows may be lost.
    pub gaps: Vec<String>,
}

/// What can be read of a trial.
#[derive(Clone, Debug, Serialize)]
pub struct TrialState {
    #[serde(skip)]
    row: i64,
    /// `EXPERIMENT/VARIANT/seed-N`.
    pub trial: String,
    /// Whether it came to its end.
    pub finished: bool,
    /// Tables in which facts of it are lost; empty for a whole trial.
    pub lost: BTreeSet<String>,
}

/// What came of a salvage, beside what was read.
#[derive(Clone, Debug, Serialize)]
pub struct Salvaged {
    /// What could be read.
    pub survey: Survey,
    /// Chunks of which a reply is lost: they are asked again as they were.
    pub chunks_to_ask_again: u64,
}

impl Survey {
    /// Whether everything can be read.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_sound = |table: &TableState| table.faulty == 0 && table.gaps.is_empty();
        self.sqlite.is_empty() && self.tables.iter().all(is_sound)
    }
}

/// Reads a store from its first row to its last, and changes nothing.
///
/// # Errors
/// When the file is no store of this version, or not one page of it can be read.
pub fn check(path: &Path) -> Result<Survey> {
    survey(path, &mut |_| Ok(()))
}

/// Copies every row that can be read and makes sense into a new store. Trials of which facts are lost are
/// not finished there: running them again answers from the replies.
///
/// # Errors
/// As for [`check`], or when there is a file at `new` or it cannot be written.
pub fn salvage(path: &Path, new: &Path) -> Result<Salvaged> {
    if new.exists() {
        bail!("{} is there already\nhint: name a file that is not", new.display());
    }
    file::check_is_free(new)?;
    // A salvage that breaks off leaves no file that looks like a store.
    let part = file::beside(new, ".part");
    let salvaged = copy(path, &part)
        .and_then(|salvaged| Ok(std::fs::rename(&part, new).map(|()| salvaged)?))
        .with_context(|| format!("cannot make the new store {}", new.display()));
    if salvaged.is_err() {
        // What is not whole is of no use; that it cannot be removed would hide the reason.
        let _ = std::fs::remove_file(&part);
    }
    salvaged
}

fn copy(path: &Path, new: &Path) -> Result<Salvaged> {
    // Of a salvage that was killed.
    for ending in ["", "-journal"] {
        remove_if_any(&file::beside(new, ending))?;
    }
    create(new)?;
    let mut target = Connection::open(new)?;
    // One transaction: thousands of rows, and one write to the disk.
    let transaction = target.transaction()?;
    let survey = survey(path, &mut |row| {
        if row.fault.is_some() {
            return Ok(());
        }
        let StoreTable { name, columns, .. } = row.table;
        // Rows may be read twice where scans of both directions meet.
        let marks = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        let insert = format!("INSERT OR IGNORE INTO {name} ({columns}) VALUES ({marks})");
        transaction
            .prepare_cached(&insert)?
            .execute(rusqlite::params_from_iter(row.values))
            .context("cannot write a row")?;
        Ok(())
    })?;
    let chunks_to_ask_again = mend(&transaction, &survey)?;
    transaction.commit()?;
    target.close().map_err(|(_, error)| error)?;
    std::fs::File::open(new)?.sync_all()?;
    Ok(Salvaged { survey, chunks_to_ask_again })
}

fn survey(path: &Path, visit: &mut dyn FnMut(SurveyedRow<'_>) -> Result<()>) -> Result<Survey> {
    file::check_magic(path)?;
    let (db, _copy) = reading::open(path)?;
    let prepare = || -> rusqlite::Result<()> {
        // Without it SQLite opens no file that is shorter than its header says.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        // Damaged cells are then an error instead of nonsense.
        db.pragma_update(None, "cell_size_check", true)
    };
    prepare().with_context(|| format!("cannot open the store {}", path.display()))?;
    file::check_tables(&db, path)?;
    let mut tables = Vec::new();
    let mut trials: BTreeMap<i64, TrialState> = BTreeMap::new();
    // Table and range of trials of which facts are lost; trials are read before the tables of facts.
    let mut lost: Vec<(String, Option<i64>, Option<i64>)> = Vec::new();
    for table in survey::tables()? {
        let mut state = TableState { name: table.name.clone(), ..TableState::default() };
        let is_of_trials = OF_TRIALS.contains(&table.name.as_str());
        let gaps = table.read_rows(&db, &mut |row| {
            match &row.fault {
                None => state.rows += 1,
                Some(reason) => {
                    state.faulty += 1;
                    if state.faults.len() < LISTED {
                        state.faults.push(format!("{}: {reason}", table.name_of(&row.values)));
                    }
                    if is_of_trials {
                        let trial = integer(table.value(&row.values, "trial"));
                        lost.push((table.name.clone(), trial, trial));
                    }
                }
            }
            if table.name == "trial" {
                trials.extend(trial_state(&table, &row));
            }
            visit(row)
        })?;
        if is_of_trials {
            let trial =
                |key: &Option<Vec<Value>>| integer(key.as_ref().and_then(|key| key.first()));
            let of_gap = |Gap { after, before, .. }: &Gap| (trial(after), trial(before));
            let ranges = gaps.iter().map(of_gap);
            lost.extend(ranges.map(|(from, to)| (table.name.clone(), from, to)));
        }
        state.gaps = gaps.iter().map(Gap::in_words).collect();
        tables.push(state);
    }
    // A gap between two trials may have held facts of any trial between them.
    for (table, from, to) in lost {
        let range = from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX);
        for (_, trial) in trials.range_mut(range) {
            trial.lost.insert(table.clone());
        }
    }
    let mut trials: Vec<TrialState> = trials.into_values().collect();
    // The finished one first where a name has two.
    trials.sort_by(|a, b| (&a.trial, !a.finished).cmp(&(&b.trial, !b.finished)));
    let notes = file::missing_wal(path)?.into_iter().collect();
    Ok(Survey { sqlite: integrity(&db), tables, trials, notes })
}

/// What SQLite itself says of the file's pages.
fn integrity(db: &Connection) -> Vec<String> {
    let ask = || -> rusqlite::Result<Vec<String>> {
        let mut find = db.prepare(&format!("PRAGMA integrity_check({LISTED})"))?;
        find.query_map([], |row| row.get(0))?.collect()
    };
    match ask() {
        Ok(said) => said.iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
    .into_iter()
    .filter(|line| line != "ok")
    .collect()
}

fn trial_state(table: &StoreTable, row: &SurveyedRow<'_>) -> Option<(i64, TrialState)> {
    let column = |name| table.value(&row.values, name);
    let text = |name| match column(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let id = TrialId {
        experiment: text("experiment")?,
        variant: text("variant")?,
        seed: integer(column("seed"))?.cast_unsigned(),
    };
    let finished = integer(column("finished")) == Some(1);
    let lost = row.fault.iter().map(|_| "trial".to_owned()).collect();
    let row = integer(column("id"))?;
    Some((row, TrialState { row, trial: id.to_string(), finished, lost }))
}

fn integer(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

/// Makes a copy with holes consistent again, and returns how many chunks are asked again.
fn mend(db: &Connection, survey: &Survey) -> Result<u64> {
    // What is not whole is run again: the replies answer it without a model.
    for trial in survey.trials.iter().filter(|trial| trial.finished && !trial.lost.is_empty()) {
        db.execute(
            "DELETE FROM trial WHERE finished = 0 AND (experiment, variant, seed) =
                 (SELECT experiment, variant, seed FROM trial WHERE id = ?)",
            [trial.row],
        )?;
        db.execute("UPDATE trial SET finished = 0 WHERE id = ?", [trial.row])?;
    }
    // Facts whose trial was lost belong to nothing.
    for table in OF_TRIALS {
        db.execute(&format!("DELETE FROM {table} WHERE trial NOT IN (SELECT id FROM trial)"), [])?;
    }
    // A reply depends on what it was batched with: where one of a chunk is lost, all are asked again.
    let broken = "SELECT DISTINCT chunk FROM chunk_member
                  WHERE key NOT IN (SELECT key FROM completion)
                      AND chunk IN (SELECT id FROM chunk WHERE seconds IS NOT NULL)";
    db.execute(&format!("CREATE TEMP TABLE broken AS {broken}"), [])?;
    db.execute("DELETE FROM completion WHERE chunk IN (SELECT chunk FROM broken)", [])?;
    let chunks = db.execute(
        "UPDATE chunk SET seconds = NULL, prompt_tokens = NULL, reply_tokens = NULL, slots = NULL,
             crashes = NULL
         WHERE id IN (SELECT chunk FROM broken)",
        [],
    )?;
    db.execute("DROP TABLE broken", [])?;
    Ok(chunks as u64)
}
