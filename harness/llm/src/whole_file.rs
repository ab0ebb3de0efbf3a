//! Files that are written whole or not at all.

use std::fs::File;
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
