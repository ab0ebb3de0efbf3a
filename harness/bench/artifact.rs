//! Files that are either whole or absent.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use gra_llm::whole_file::write_atomically;

/// Writes a file through a temporary one in the same folder: write, fsync, rename, fsync the
/// folder. Whatever happens, the path holds its old bytes or the new ones. Makes missing folders.
///
/// # Errors
/// Names the path when the folder cannot be made or written to.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let fill = |temporary: &Path| -> io::Result<()> {
        fs::write(temporary, bytes)?;
        // Temporary files are private; everyone may read an artifact.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(temporary, fs::Permissions::from_mode(0o644))?;
        }
        Ok(())
    };
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        write_atomically(path, fill, |error| error)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let blocker = folder.path().join("file");
        std::fs::write(&blocker, "").unwrap();
        let error = write_atomic(&blocker.join("below.txt"), b"x").unwrap_err();
        assert!(error.to_string().contains("below.txt"), "{error}");
    }
}
