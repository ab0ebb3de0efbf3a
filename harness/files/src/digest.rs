//! SHA-256 of model files, remembered from one run to the next.
//!
//! A pool can hold 40 GB; hashing that takes a minute and a half. A digest is therefore kept with the
//! file's size and modification time and computed anew only when one of them changed. The file
//! that keeps them is a cache: when it is missing or broken it is made again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::write_atomically;

/// Digests of files by path, size and modification time.
#[derive(Debug, Default)]
pub struct DigestCache {
    file: Option<PathBuf>,
    known: BTreeMap<PathBuf, KnownDigest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownDigest {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    sha256: String,
}

impl DigestCache {
    /// A cache that lives as long as this value.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// A cache kept in a JSON file. A file that is missing or broken counts as empty.
    #[must_use]
    pub fn at(file: &Path) -> Self {
        let known = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file: Some(file.to_owned()), known: known.unwrap_or_default() }
    }

    /// What a JSON file knows, for a reader that writes nothing.
    #[must_use]
    pub fn of_reader(file: &Path) -> Self {
        Self { file: None, ..Self::at(file) }
    }

    /// The SHA-256 of a file in lower-case hexadecimal digits.
    ///
    /// # Errors
    /// When the file cannot be read. A cache file that cannot be written is no error.
    pub fn sha256(&mut self, path: &Path) -> io::Result<String> {
        // A link of the hub's cache and the blob behind it are one entry.
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (size, modified) = (metadata.len(), modified.as_nanos());
        // Size and time stand for the bytes: a change that leaves both as they were is not noticed.
        if let Some(entry) = self.known.get(&path)
            && (entry.size, entry.modified) == (size, modified)
        {
            return Ok(entry.sha256.clone());
        }
        let sha256 = of_file(&path)?;
        self.known.insert(path, KnownDigest { size, modified, sha256: sha256.clone() });
        // Only time is lost when this fails, e.g. on a read-only disk.
        let _ = self.save();
        Ok(sha256)
    }

    fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let json = serde_json::to_vec_pretty(&self.known)?;
        write_atomically(file, |temporary| fs::write(temporary, &json), |error| error)
    }
}

/// What stands for a model in store keys: the hash of its only file. Of several files it is the hash of their
/// hashes, one a line, so that it changes with any of them: `sha256sum NAME-*.gguf | cut -c-64 | sha256sum`.
#[must_use]
pub fn of_model(files: &[String]) -> String {
    match files {
        [whole] => whole.clone(),
        parts => {
            let lines: String = parts.iter().flat_map(|hash| [hash.as_str(), "\n"]).collect();
            of_bytes(lines)
        }
    }
}

/// The SHA-256 of bytes in lower-case hexadecimal digits.
#[must_use]
pub fn of_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The SHA-256 of a file in lower-case hexadecimal digits, read whole.
///
/// # Errors
/// When it cannot be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    // Read in pieces of a megabyte: model files are larger than memory.
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    io::copy(&mut file, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}
