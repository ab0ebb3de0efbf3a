//! The tables of the store, and how a file is told to be one that has them.
//!
//! There is one version of the tables and no way from one to another: a store that another version of the
//! program made is refused and left as it is, so that no program changes tables under another that runs.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

/// What SQLite calls an application id: "GRAB". It tells a store from another program's database.
const APPLICATION: i64 = 0x4752_4142;

/// Version of the tables below; raise it when they change.
const VERSION: i64 = 6;

pub(super) const TABLES: &str = "
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
    record TEXT NOT NULL, finished INTEGER NOT NULL,
    UNIQUE (experiment, variant, seed, finished));
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

/// An empty store in memory.
pub(super) fn empty() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(TABLES)?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.pragma_update(None, "user_version", VERSION)?;
    Ok(db)
}

/// Refuses what is no store of this version. Reads, and changes nothing.
pub(super) fn check(db: &Connection, path: &Path) -> Result<()> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || Ok::<_, rusqlite::Error>((number("application_id")?, number("user_version")?));
    let (application, version) = read()
        .with_context(|| format!("cannot read the first page of the store {}", path.display()))?;
    match (application, version) {
        (APPLICATION, VERSION) => {}
        // Ours, but made by an earlier or later program.
        (APPLICATION, other) => {
            bail!(other_version(path, &format!("version {other} of the tables")))
        }
        // Stores had no application id up to version 4.
        (0, earlier @ 1..5) => {
            bail!(other_version(path, &format!("version {earlier} of the tables")))
        }
        _ => bail!(
            "{} is no store: it is a database of another program, and nothing in it was changed\n\
             hint: name another file with --store",
            path.display()
        ),
    }
    let cannot = || format!("cannot read the tables of the store {}", path.display());
    // The version alone would not tell a store of a branch that changed the tables and kept their number.
    let (own, found) = (
        empty().and_then(|db| tables(&db)).with_context(cannot)?,
        tables(db).with_context(cannot)?,
    );
    match own
        .iter()
        .find(|table| !found.contains(table))
        .or(found.iter().find(|t| !own.contains(t)))
    {
        None => Ok(()),
        Some((name, _)) => bail!(other_version(path, &format!("another table `{name}`"))),
    }
}

/// Name and definition of every table, by name.
fn tables(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut find = db.prepare(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         ORDER BY name",
    )?;
    find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn other_version(path: &Path, has: &str) -> String {
    format!(
        "the store {} was made by another version of gra-bench: it has {has}, and this one has version \
         {VERSION}; nothing in it was changed\n\
         hint: use the gra-bench that made it, or name another store with --store",
        path.display()
    )
}
