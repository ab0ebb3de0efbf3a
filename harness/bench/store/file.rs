//! The store's file: how it is told from others and from one that was cut, and the tables in it.
//!
//! Its first bytes and its length come before SQLite sees it: SQLite takes a file that was cut to nothing for a new
//! database, and would fill it with empty tables.
//!
//! There is one version of the tables and no way from one to another: a store that another version of the
//! program made is refused and left as it is, so that no program changes tables under another that runs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes of SQLite's header.
const HEADER: usize = 100;

/// What SQLite calls an application id: "GRAB". It tells a store from another program's database.
const APPLICATION: i64 = 0x4752_4142;

/// Version of the tables below; raise it when they change.
const VERSION: i64 = 6;

const TABLES: &str = "
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

/// Refuses what is there and is no file: opening a pipe would wait for its other end.
pub(super) fn check_kind(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            bail!("{} is no file, and so no store\nhint: name a file with --store", path.display())
        }
        // What cannot be asked is told by what opens it.
        _ => Ok(()),
    }
}

/// Refuses a place for a new store beside which something of an earlier one lies: SQLite would take it for the new one's,
/// and write its pages over those.
pub(super) fn check_is_free(path: &Path) -> Result<()> {
    let remains = ["-wal", "-journal"].map(|ending| beside(path, ending));
    match remains.iter().find(|path| !is_empty(path)) {
        None => Ok(()),
        Some(remains) => bail!(
            "there is no store at {}, but {} is there, which a run that was killed left of one\n\
             hint: put that store back, or remove what is left of it",
            path.display(),
            remains.display()
        ),
    }
}

/// Says that what was committed last is not there: of a store in WAL mode that was copied alone, from under a run or after
/// one was killed.
pub(super) fn missing_wal(path: &Path) -> Result<Option<String>> {
    let (header, _) = check_magic(path)?;
    let wal = beside(path, "-wal");
    Ok((is_in_wal_mode(&header) && !wal.exists()).then(|| {
        format!(
            "{} is not beside it, as if the store had been copied without it from a run: what that run committed \
             last is then missing",
            wal.display()
        )
    }))
}

/// What SQLite's header says of how changes are written.
fn is_in_wal_mode(header: &[u8]) -> bool {
    header[18..20].contains(&2)
}

/// Whether SQLite can read a store and make or mend nothing for it: nothing was left half written, and what it keeps
/// beside a file in WAL mode is there.
pub(super) fn can_be_read_in_place(path: &Path) -> Result<bool> {
    let (header, _) = check_magic(path)?;
    let has_its_files = || ["-wal", "-shm"].iter().all(|ending| beside(path, ending).exists());
    Ok(is_empty(&beside(path, "-journal")) && (!is_in_wal_mode(&header) || has_its_files()))
}

/// Refuses a file that is none of SQLite's, or is shorter than it says.
pub(super) fn check_header(path: &Path) -> Result<()> {
    let (header, length) = check_magic(path)?;
    let expected = expected_length(&header);
    // What was committed last may still lie beside the file, and be longer than it.
    let is_whole = ["-wal", "-journal"].iter().all(|ending| is_empty(&beside(path, ending)));
    if is_whole && expected.is_some_and(|expected| length < expected) {
        bail!(
            "the store {} was cut: it has {length} of {} bytes; nothing in it was changed\n\
             hint: `gra-bench store salvage NEW` copies what can still be read into a new store",
            path.display(),
            expected.unwrap_or_default()
        );
    }
    Ok(())
}

/// Refuses a file that does not begin as one of SQLite's does, and returns its header and its length.
pub(super) fn check_magic(path: &Path) -> Result<(Vec<u8>, u64)> {
    check_kind(path)?;
    let read = || -> std::io::Result<(Vec<u8>, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut header = Vec::new();
        file.take(HEADER as u64).read_to_end(&mut header)?;
        Ok((header, length))
    };
    let (header, length) =
        read().with_context(|| format!("cannot read the store {}", path.display()))?;
    // A file cut within the magic is a store that was cut, not another program's file.
    let begins = header.len().min(MAGIC.len());
    if header[..begins] != MAGIC[..begins] {
        bail!(
            "{} is no store: it does not begin as an SQLite file does, and nothing in it was changed\n\
             hint: name another file with --store",
            path.display()
        );
    }
    if header.len() < HEADER {
        bail!(
            "the store {} was cut: {length} bytes are left of it, and no reply or trial\n\
             hint: put a copy in its place, or remove it to begin a new one; published files do not \
             depend on it",
            path.display()
        );
    }
    Ok((header, length))
}

/// The length that a header tells; `None` where an old SQLite left that open.
fn expected_length(header: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        header[at..at + 4].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
    };
    // The page size is two bytes, which hold no 65,536; SQLite writes 1 for it.
    let page = match number(14) & 0xFFFF {
        1 => 65_536,
        size => size,
    };
    // The count of pages is valid where it was written together with the change counter.
    (number(24) == number(92)).then_some(page * number(28))
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |file| file.len() == 0)
}

/// The path with an ending of its own.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// An empty store in memory.
pub(super) fn empty() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(TABLES)?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.pragma_update(None, "user_version", VERSION)?;
    Ok(db)
}

/// Refuses what is no store of this version. Reads, and changes nothing.
pub(super) fn check_tables(db: &Connection, path: &Path) -> Result<()> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || Ok::<_, rusqlite::Error>((number("application_id")?, number("user_version")?));
    let (application, version) = read()
        .with_context(|| format!("cannot read the first page of the store {}", path.display()))?;
    match (application, version) {
        (APPLICATION, VERSION) => {}
        // Ours, but made by an earlier or later program. Stores had no application id up to version 4.
        (APPLICATION, other) | (0, other @ 1..5) => {
            bail!(other_version(path, &format!("version {other} of the tables")))
        }
        _ => bail!(
            "{} is no store: it is a database of another program, and nothing in it was changed\n\
             hint: name another file with --store",
            path.display()
        ),
    }
    let cannot = || format!("cannot read the tables of the store {}", path.display());
    // The version alone would not tell a store of a branch that changed the tables and kept their number.
    let own = empty().and_then(|db| tables(&db)).with_context(cannot)?;
    let found = tables(db).with_context(cannot)?;
    let lacks = own.iter().find(|table| !found.contains(table));
    match lacks.or_else(|| found.iter().find(|table| !own.contains(table))) {
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
