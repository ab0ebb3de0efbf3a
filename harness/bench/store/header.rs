//! Whether a file can be a store at all, by its first bytes and its length: SQLite takes a file that was
//! cut to nothing for a new database, and would fill it with empty tables.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes of SQLite's header.
const HEADER: usize = 100;

/// Refuses a file that is none of SQLite's, or is shorter than it says.
pub(super) fn check(path: &Path) -> Result<()> {
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
