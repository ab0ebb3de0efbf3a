//! The store: every reply that was paid for, and the facts of every trial, in one SQLite file.
//!
//! Replies are found by what determines them, not by who asked, so variants, reruns and resumed
//! runs share them. The file is in WAL mode with full synchronisation: what was committed survives
//! `kill -9` and loss of power. A chunk of requests is recorded before it runs and its replies are
//! committed together, because a reply depends on what it was batched with.

mod completions;
mod embeddings;
mod scores;
mod seconds;
mod trials;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags};

pub use completions::{ChunkCost, Completion, PlannedChunk, Rate};
pub use scores::StoredScore;
pub use trials::{CallRow, SeedRow, TrialId, TrialRow};

/// Version of the tables below.
const VERSION: i64 = 4;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
CREATE TABLE role_text (hash BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, stage TEXT NOT NULL, planned_for TEXT NOT NULL,
    seconds REAL, prompt_tokens INTEGER, reply_tokens INTEGER, slots INTEGER, crashes INTEGER);
CREATE TABLE chunk_member (
    chunk INTEGER NOT NULL, place INTEGER NOT NULL, key BLOB NOT NULL,
    PRIMARY KEY (chunk, place)) WITHOUT ROWID;
CREATE TABLE completion (
    key BLOB PRIMARY KEY, chunk INTEGER NOT NULL, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
    stage TEXT NOT NULL, role_hash BLOB NOT NULL, sample TEXT NOT NULL, settings TEXT NOT NULL,
    text TEXT NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    reply_tokens INTEGER NOT NULL, expected TEXT) WITHOUT ROWID;
CREATE TABLE embedding (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE score (
    key BLOB PRIMARY KEY, loss REAL, tokens INTEGER NOT NULL, context_tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE trial (
    id INTEGER PRIMARY KEY, experiment TEXT NOT NULL, variant TEXT NOT NULL, seed INTEGER NOT NULL,
    settings TEXT NOT NULL, card TEXT NOT NULL, finished INTEGER NOT NULL,
    UNIQUE (experiment, variant, seed));
CREATE TABLE seed_item (
    trial INTEGER NOT NULL, id TEXT NOT NULL, instruction TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (trial, id)) WITHOUT ROWID;
CREATE TABLE call (
    trial INTEGER NOT NULL, subject TEXT NOT NULL, stage TEXT NOT NULL, seat INTEGER NOT NULL,
    attempt INTEGER NOT NULL, model TEXT NOT NULL, key BLOB NOT NULL, shared INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, reply_tokens INTEGER NOT NULL,
    PRIMARY KEY (trial, subject, stage, seat, attempt)) WITHOUT ROWID;
CREATE TABLE candidate (
    trial INTEGER NOT NULL, id TEXT NOT NULL, round INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (trial, id)) WITHOUT ROWID;
";

/// From version 3, in which every score was read as it was written.
const FROM_3: &str = "
ALTER TABLE completion ADD COLUMN expected TEXT;
";

/// Shows an older store's replies with today's columns to a reader that may not change it.
const AS_IF_FROM_4: &str = "
CREATE TEMP VIEW completion AS SELECT *, NULL AS expected FROM main.completion;
";

/// From version 2, which kept no scores.
const FROM_2: &str = "
CREATE TABLE score (
    key BLOB PRIMARY KEY, loss REAL, tokens INTEGER NOT NULL, context_tokens INTEGER NOT NULL,
    truncated INTEGER NOT NULL) WITHOUT ROWID;
";

/// From version 1, which did not record what a chunk's crashes cost: of its chunks that is unknown.
const FROM_1: &str = "
ALTER TABLE chunk ADD COLUMN slots INTEGER;
ALTER TABLE chunk ADD COLUMN crashes INTEGER;
";

/// An open store.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    /// Held by the process that runs trials; readers need none.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store for a run, creating it where it is missing. Only one run may hold it.
    ///
    /// # Errors
    /// When the folder cannot be written to, another run holds the store, the file is no store, or
    /// it was written by a newer version.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| {
                format!("cannot make the folder of the store {}", path.display())
            })?;
        }
        let lock = lock(path)?;
        let db = Connection::open(path)
            .with_context(|| format!("cannot open the store {}", path.display()))?;
        Self::prepare(&db, path)?;
        Ok(Self { db, _lock: Some(lock) })
    }

    /// Opens an existing store to look at it, also while a run holds it.
    ///
    /// # Errors
    /// When there is none, or as for [`Self::open`].
    pub fn open_existing(path: &Path) -> Result<Self> {
        must_exist(path)?;
        let db = Connection::open(path)
            .with_context(|| format!("cannot open the store {}", path.display()))?;
        Self::prepare(&db, path)?;
        Ok(Self { db, _lock: None })
    }

    /// Opens an existing store and changes nothing in it, not even its version: also while a run holds it.
    ///
    /// # Errors
    /// When there is none, it is no store, or a newer version wrote it.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        must_exist(path)?;
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            db.busy_timeout(BUSY)?;
            let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((db, version))
        };
        let (db, version) = open().with_context(|| {
            format!("cannot read the store {}\nhint: is it one?", path.display())
        })?;
        match version {
            0 => bail!("{} is no store: it has no tables", path.display()),
            VERSION => Ok(Self { db, _lock: None }),
            // What else older versions lack, no reader of trials asks for.
            1..VERSION => {
                db.execute_batch(AS_IF_FROM_4)
                    .with_context(|| format!("cannot read the store {}", path.display()))?;
                Ok(Self { db, _lock: None })
            }
            newer => bail!(newer_version(path, newer)),
        }
    }

    fn prepare(db: &Connection, path: &Path) -> Result<()> {
        let prepare = || -> rusqlite::Result<i64> {
            db.busy_timeout(BUSY)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let version = prepare().with_context(|| {
            format!(
                "{} cannot be used as a store\nhint: is it writable, and is it a store at all?",
                path.display()
            )
        })?;
        let set_up = |sql: &str| {
            let sql = format!("BEGIN; {sql} PRAGMA user_version = {VERSION}; COMMIT;");
            db.execute_batch(&sql)
                .with_context(|| format!("cannot set up the store {}", path.display()))
        };
        match version {
            0 => set_up(SCHEMA),
            1 => set_up(&[FROM_1, FROM_2, FROM_3].concat()),
            2 => set_up(&[FROM_2, FROM_3].concat()),
            3 => set_up(FROM_3),
            VERSION => Ok(()),
            newer => bail!(newer_version(path, newer)),
        }
    }
}

fn must_exist(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    bail!(
        "there is no store at {}\nhint: run an experiment first, or name the store with --store",
        path.display()
    )
}

fn newer_version(path: &Path, version: i64) -> String {
    format!(
        "the store {} has version {version}, and this gra-bench reads version {VERSION}\n\
         hint: use the gra-bench that wrote it, or another store with --store",
        path.display()
    )
}

/// Takes the lock beside the store, which ends with the process.
fn lock(path: &Path) -> Result<File> {
    let beside = PathBuf::from(format!("{}.lock", path.display()));
    let file = File::create(&beside)
        .with_context(|| format!("cannot write beside the store: {}", beside.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "another gra-bench is running on the store {}\nhint: wait for it, or use another store \
             with --store",
            path.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", beside.display()))
        }
    }
}
