//! A store as readers open it: nothing is written, neither in the file nor beside it.
//!
//! SQLite reads a file in WAL mode with an index of the WAL in shared memory, a file beside the store, which it makes
//! and changes as it likes. A run that holds the store has made one, and a reader is told to leave it as it is. Where a
//! run was killed, or where the store alone was copied from under one, what SQLite would have to make or mend is made
//! in a copy.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::{BUSY, file};

/// Opens a store for reading, and a copy of it where the file itself cannot be read without a change; the copy must
/// outlive the connection.
pub(super) fn open(path: &Path) -> Result<(Connection, Option<TempDir>)> {
    let copy = if file::can_be_read_in_place(path)? { None } else { Some(copied(path)?) };
    let open = || -> rusqlite::Result<Connection> {
        let flags = match &copy {
            Some(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            None => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = match &copy {
            Some(folder) => Connection::open_with_flags(folder.path().join(COPY), flags),
            None => Connection::open_with_flags(in_place(path), flags),
        }?;
        db.busy_timeout(BUSY)?;
        Ok(db)
    };
    let db = open().with_context(|| format!("cannot open the store {}", path.display()))?;
    Ok((db, copy))
}

/// The name of the copy in its folder.
const COPY: &str = "store.db";

/// The file, and what was committed last and lies beside it.
fn copied(path: &Path) -> Result<TempDir> {
    let copy = || -> std::io::Result<TempDir> {
        let folder = tempfile::tempdir()?;
        let to = folder.path().join(COPY);
        for ending in ["", "-wal", "-journal"] {
            let from = file::beside(path, ending);
            if ending.is_empty() || from.exists() {
                // Not with its permissions: a copy of a file that may only be read is written to all the same.
                let to = File::create(file::beside(&to, ending))?;
                std::io::copy(&mut File::open(from)?, &mut &to)?;
            }
        }
        Ok(folder)
    };
    copy().with_context(|| {
        format!(
            "cannot copy the store {} to read it as the run left it that was killed",
            path.display()
        )
    })
}

/// The path as SQLite takes it with an option: to map the index of the WAL for reading only.
fn in_place(path: &Path) -> PathBuf {
    // An absolute one begins with a slash, and so names no machine behind the `//`.
    let absolute = std::path::absolute(path).ok();
    match absolute.as_deref().and_then(Path::to_str).filter(|_| cfg!(unix)) {
        None => path.to_owned(),
        Some(path) => {
            let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
            PathBuf::from(format!("file://{path}?readonly_shm=1"))
        }
    }
}
