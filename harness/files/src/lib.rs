//! Files that are whole or absent, and what they hash to; here: reading and removing those that may be absent.
//!
//! - [`whole`]: writing a file so that its path holds the old bytes or the new ones, whatever happens
//! - [`digest`]: SHA-256 of files, remembered from one run to the next

pub mod digest;
pub mod whole;

use std::fs;
use std::io;
use std::path::Path;

pub use whole::{write_atomic, write_atomically};

/// The bytes of a file; `None` where there is none.
///
/// # Errors
/// When there is one that cannot be read; the message names it.
pub fn read_if_any(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(io::Error::new(error.kind(), message))
        }
    }
}

/// Removes a file, where there is one.
///
/// # Errors
/// What the system says of a file that it does not remove.
pub fn remove_if_any(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read_if_any(&path).unwrap(), None);
        remove_if_any(&path).unwrap();
        write_atomic(&path, b"one").unwrap();
        assert_eq!(read_if_any(&path).unwrap().as_deref(), Some(&b"one"[..]));
        assert!(read_if_any(folder.path()).unwrap_err().to_string().contains("cannot read"));
        remove_if_any(&path).unwrap();
        assert!(!path.exists());
    }
}
