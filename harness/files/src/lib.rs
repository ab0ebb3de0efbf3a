//! Files that are written whole or not at all, and those that may be absent; [`digest`] has their hashes, remembered from one
//! run to the next.

pub mod digest;

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Writes a file through a temporary one in the same folder, which must exist: `write` fills the temporary file,
/// which is then renamed. Whatever happens, the path holds its old bytes or the new ones. Only its owner can read
/// the file unless `write` sets other permissions. `failed` makes an error of what the system says.
///
/// # Errors
/// When `write` fails, or the folder cannot be written to.
pub fn write_atomically<E>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<(), E> {
    // A bare file name has an empty parent. A file can be renamed within its file system only.
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".unfinished-").tempfile_in(folder);
    let temporary = temporary.map_err(&failed)?.into_temp_path();
    write(&temporary)?;
    // On disk before it has its name: a crash must not leave the name with half a file.
    File::open(&temporary).and_then(|file| file.sync_all()).map_err(&failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    // The name is the folder's, and on disk only with it.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Writes the bytes of a file that everyone may read, through a temporary one. Makes missing folders.
///
/// # Errors
/// When the folder cannot be made or written to; the message names the file.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
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
            make_folder(folder)?;
        }
        write_atomically(path, fill, |error| error)
    };
    write().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
    })
}

/// Makes a folder and those that it is in, where they are missing.
///
/// # Errors
/// When one of them cannot be made; where a file has its name, the message says so.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| {
        let file = folder.ancestors().find(|path| path.is_file());
        file.map_or(error, |file| {
            let message = format!("{} is a file, and no folder", file.display());
            io::Error::new(io::ErrorKind::NotADirectory, message)
        })
    })
}

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
    fn replaces_whole_files_and_leaves_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let blocker = folder.path().join("file");
        fs::write(&blocker, "").unwrap();
        let error = write_atomic(&blocker.join("below.txt"), b"x").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("below.txt") && error.contains("file is a file, and no"), "{error}");
    }

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
