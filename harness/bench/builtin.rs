//! The folder `experiments/` as it is built into the program: experiments, pools, prompts and the starter
//! seed set, so that the program runs in an empty folder.
//!
//! A path such as `experiments/ablation.toml` means the file on disk, and the one that is built in where
//! there is none. `gra-bench init` writes them all out. `built-in:ablation.toml` means the one that is built in, from
//! any folder.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};

use gra_llm::model_pool::{ModelPool, PoolError};
use include_dir::{Dir, File, include_dir};
use sha2::{Digest, Sha256};

/// Where the files are, on disk as here.
const FOLDER: &str = "experiments";

/// What begins a path that means a file that is built in, whatever is on disk.
pub(crate) const PREFIX: &str = "built-in:";

/// The pool of the demonstration's models.
pub(crate) const DEMONSTRATION_POOL: &str = "built-in:pools/demo.toml";

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/experiments");

/// Reads a file from disk, or the one that is built in under its path.
///
/// # Errors
/// What the system says of the file on disk, when neither is there.
pub(crate) fn read(path: &Path) -> Result<Cow<'static, [u8]>> {
    if is_marked(path) {
        let missing = || Error::new(ErrorKind::NotFound, "no such file is built in");
        return marked(path).map(|file| Cow::Borrowed(file.contents())).ok_or_else(missing);
    }
    let missing = match std::fs::read(path) {
        Ok(bytes) => return Ok(Cow::Owned(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        Err(error) => return Err(error),
    };
    // `experiments/base/../pools/demo.toml` is on disk though `experiments/base` may not be.
    let Some(plain) = plain(path) else { return Err(missing) };
    // What is on disk goes first, also under the plain path: `init` writes the files out to be changed.
    match std::fs::read(&plain) {
        Ok(bytes) => Ok(Cow::Owned(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            find(&plain).map(|file| Cow::Borrowed(file.contents())).ok_or(missing)
        }
        Err(error) => Err(error),
    }
}

/// The files of a folder that is built in, with their names in it.
pub(crate) fn files_in(folder: &str) -> impl Iterator<Item = (&'static Path, &'static [u8])> {
    let files = FILES.get_dir(folder).into_iter().flat_map(Dir::files);
    files.map(|file| (Path::new(file.path().file_name().unwrap_or_default()), file.contents()))
}

/// [`read`] of a text.
///
/// # Errors
/// Likewise, and when it is no UTF-8.
pub(crate) fn read_to_string(path: &Path) -> Result<String> {
    let text = String::from_utf8(read(path)?.into_owned());
    text.map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// What a name means, or the path of a TOML file: a file of this folder that is built in, or the file.
pub(crate) fn named(folder: &str, named: &str) -> PathBuf {
    let is_file = Path::new(named).extension().is_some_and(|ending| ending == "toml");
    PathBuf::from(if is_file { named.to_owned() } else { format!("{PREFIX}{folder}/{named}.toml") })
}

/// Reads a model pool, whose relative paths start at `models`.
///
/// # Errors
/// When it cannot be read or breaks a rule.
pub(crate) fn read_pool(path: &Path, models: &Path) -> std::result::Result<ModelPool, PoolError> {
    let text =
        read_to_string(path).map_err(|error| PoolError::Read { file: path.to_owned(), error })?;
    ModelPool::parse(&text, path, models)
}

/// Whether [`read`] finds a file on disk or built in.
pub(crate) fn exists(path: &Path) -> bool {
    path.is_file() || is_built_in(path)
}

/// Whether a path means a file that is built in, because there is none on disk.
pub(crate) fn is_built_in(path: &Path) -> bool {
    if is_marked(path) {
        return marked(path).is_some();
    }
    !path.exists() && plain(path).is_some_and(|plain| !plain.exists() && find(&plain).is_some())
}

/// Whether a path begins with [`PREFIX`].
pub(crate) fn is_marked(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(PREFIX))
}

fn marked(path: &Path) -> Option<&'static File<'static>> {
    FILES.get_file(plain(Path::new(path.to_str()?.strip_prefix(PREFIX)?))?)
}

/// The marked name of a file that is built in and that this path means.
pub(crate) fn mark(path: &Path) -> Option<PathBuf> {
    if is_marked(path) {
        return Some(path.to_owned());
    }
    let plain = plain(path).filter(|_| is_built_in(path))?;
    Some(PathBuf::from(format!("{PREFIX}{}", plain.strip_prefix(FOLDER).ok()?.display())))
}

/// Whether a pool file has the bytes of the demonstration's.
pub(crate) fn is_demonstration_pool(path: &Path) -> bool {
    // By its bytes: the copy that `init` wrote is the same pool, and one that was changed is another.
    let own = marked(Path::new(DEMONSTRATION_POOL)).map(File::contents);
    read(path).is_ok_and(|bytes| Some(&*bytes) == own)
}

/// Whether these are the bytes of the starter seed set, by their SHA-256 in hexadecimal.
pub(crate) fn is_starter_set(sha256: &str) -> bool {
    let starter = FILES.get_file("seeds/starter.jsonl");
    starter.is_some_and(|file| hex::encode(Sha256::digest(file.contents())) == sha256)
}

/// Every file that is built in: its path below the folder that it is written to, and its bytes.
pub(crate) fn files() -> Vec<(PathBuf, &'static [u8])> {
    fn collect(folder: &'static Dir<'static>, files: &mut Vec<(PathBuf, &'static [u8])>) {
        files.extend(
            folder.files().map(|file| (Path::new(FOLDER).join(file.path()), file.contents())),
        );
        for inner in folder.dirs() {
            collect(inner, files);
        }
    }
    let mut files = Vec::new();
    collect(&FILES, &mut files);
    files.sort();
    files
}

fn find(plain: &Path) -> Option<&'static File<'static>> {
    FILES.get_file(plain.strip_prefix(FOLDER).ok()?)
}

/// A relative path without `.` and `..`; `None` for one that is not relative or leads out of the working
/// directory.
pub(crate) fn plain(path: &Path) -> Option<PathBuf> {
    // By the words alone: a folder in between need not be on disk.
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_folder_is_built_in() {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut on_disk = Vec::new();
        walk(&root.join(FOLDER), &mut on_disk);
        let mut on_disk: Vec<PathBuf> =
            on_disk.iter().map(|path| path.strip_prefix(root).unwrap().to_owned()).collect();
        on_disk.sort();
        let built_in: Vec<PathBuf> = files().into_iter().map(|(path, _)| path).collect();
        assert_eq!(built_in, on_disk);
        for (path, bytes) in files() {
            assert_eq!(bytes, std::fs::read(root.join(&path)).unwrap(), "{}", path.display());
        }
    }

    #[test]
    fn only_paths_below_the_folder_are_found() {
        let found = |path: &str| plain(Path::new(path)).is_some_and(|plain| find(&plain).is_some());
        for path in [
            "experiments/ablation.toml",
            "./experiments/base/../pools/demo.toml",
            "x/../experiments/seeds/starter.jsonl",
        ] {
            assert!(found(path), "{path}");
        }
        for path in ["ablation.toml", "/experiments/ablation.toml", "../experiments/ablation.toml"]
        {
            assert!(!found(path), "{path}");
        }
    }

    #[test]
    fn a_marked_path_means_what_is_built_in_from_any_folder() {
        for path in ["built-in:pools/demo.toml", "built-in:base/../pools/demo.toml"] {
            assert!(is_demonstration_pool(Path::new(path)), "{path}");
        }
        assert!(!exists(Path::new("built-in:pools/none.toml")));
        assert!(!exists(Path::new("built-in:../pools/demo.toml")));
    }
}
