//! The store: every reply that was paid for, and the facts of every trial, in one SQLite file.
//!
//! Replies are found by what determines them, not by who asked, so variants, reruns and resumed
//! runs share them. The file is in WAL mode with full synchronisation: what was committed survives
//! `kill -9` and loss of power. A chunk of requests is recorded before it runs and its replies are
//! committed together, because a reply depends on what it was batched with.
//!
//! While no run holds it, a store is one file. Readers make none beside it, also where a run was killed ([`reading`]).

mod completions;
mod computed;
mod file;
mod reading;
mod salvage;
mod survey;
mod trials;

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gra_files::remove_if_any;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

pub use completions::{ChunkCost, Completion, PlannedChunk, Rate};
pub use computed::StoredScore;
pub use salvage::{Salvaged, Survey, TableState, TrialState, check, salvage};

pub use trials::{CallRow, SeedRow, TrialRow};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

/// What to type when something in a store cannot be read.
pub(crate) const DAMAGE_HINT: &str = "hint: `gra-bench store check` says what is damaged, `gra-bench \
    store salvage NEW` copies the rest into a new store";

/// An open store.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    path: PathBuf,
    /// Held by the process that runs trials; readers need none.
    lock: Option<File>,
    /// What a reader reads, where it cannot read the file itself; removed with the reader.
    _copy: Option<TempDir>,
}

impl Store {
    /// Opens the store for a run, creating it where it is missing. Only one run may hold it.
    ///
    /// # Errors
    /// When the folder cannot be written to, another run holds the store, or the file is no store of this
    /// version, which is then left as it was.
    pub fn open(path: &Path) -> Result<Self> {
        file::check_kind(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| {
                format!("cannot make the folder of the store {}", path.display())
            })?;
        }
        // Before anything is looked at: two runs must not both find no store and make one.
        let lock = lock(path)?;
        if path.exists() {
            file::check_header(path)?;
        } else {
            create(path).with_context(|| format!("cannot make a store at {}", path.display()))?;
        }
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(path, flags)?;
            db.busy_timeout(BUSY)?;
            Ok(db)
        };
        let db = open().with_context(|| format!("cannot open the store {}", path.display()))?;
        file::check_tables(&db, path)?;
        let prepare = || -> rusqlite::Result<()> {
            // Readers go on while a run writes.
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")
        };
        prepare().with_context(|| {
            format!("cannot write to the store {}\nhint: is it writable?", path.display())
        })?;
        Ok(Self { db, path: path.to_owned(), lock: Some(lock), _copy: None })
    }

    /// Opens an existing store and changes nothing: neither in it nor beside it, also while a run holds it.
    ///
    /// # Errors
    /// When there is none, or the file is no store of this version.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        if !path.exists() {
            bail!(
                "there is no store at {}\nhint: run an experiment first, or name the store with --store",
                path.display()
            );
        }
        file::check_header(path)?;
        let (db, copy) = reading::open(path)?;
        file::check_tables(&db, path)?;
        Ok(Self { db, path: path.to_owned(), lock: None, _copy: copy })
    }

    /// A store that nothing is kept of.
    ///
    /// # Errors
    /// When SQLite cannot make one.
    pub fn in_memory() -> Result<Self> {
        let db = file::empty().context("cannot make a store in memory")?;
        Ok(Self { db, path: PathBuf::from("in memory"), lock: None, _copy: None })
    }

    /// Says that something stored cannot be read, and what to type.
    fn damaged(&self, what: impl fmt::Display) -> String {
        format!("{what} is damaged in the store {}\n{DAMAGE_HINT}", self.path.display())
    }
}

impl Drop for Store {
    /// Leaves one file that any reader can open, also from a disk that cannot be written: in WAL mode a
    /// reader would have to make files beside it.
    fn drop(&mut self) {
        if self.lock.is_some() {
            // A reader that looks right now keeps the WAL; the next run tries again.
            let _ = self.db.busy_timeout(Duration::ZERO);
            let _ = self.db.pragma_update(None, "journal_mode", "DELETE");
        }
    }
}

/// Makes an empty store under another name and gives it its own when it is whole.
fn create(path: &Path) -> Result<()> {
    file::check_is_free(path)?;
    let new = file::beside(path, ".new");
    remove_if_any(&new)?;
    // A file that exists under the store's name is whole, also after a crash in between.
    let fill = || -> Result<()> {
        file::empty()?.execute("VACUUM INTO ?", [new.to_string_lossy()])?;
        File::open(&new)?.sync_all()?;
        Ok(std::fs::rename(&new, path)?)
    };
    let filled = fill();
    if filled.is_err() {
        // That it cannot be removed would hide the reason.
        let _ = remove_if_any(&new);
    }
    filled
}

/// Takes the lock beside the store, which ends with the process.
fn lock(path: &Path) -> Result<File> {
    let beside = file::beside(path, ".lock");
    let file = File::create(&beside)
        .with_context(|| format!("cannot write beside the store: {}", beside.display()))?;
    match tried_for_a_moment(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another gra-bench is running on the store {}\nhint: wait for it, or use another store \
             with --store",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", beside.display()))
        }
    }
}

/// Tries for half a second: the programs that a process starts hold its lock for the moment between their making and their
/// beginning, also after it has let go.
pub(crate) fn tried_for_a_moment(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    file.try_lock()
}
