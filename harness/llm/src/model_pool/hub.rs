//! The local cache of the Hugging Face hub: where `hf download` puts a file. Nothing is fetched here.
//!
//! Which folder is the cache, and which file of it stands for a repository's, is decided as the Python library
//! `huggingface_hub` decides it (`constants.py`, `try_to_load_from_cache`), so that what `hf download` fetched is found
//! in the same environment. Layout: `models--ORG--NAME/refs/REVISION` holds a commit, and
//! `snapshots/COMMIT/FILE` is a link to `blobs/HASH`. One difference: white space around a commit is ignored.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The revision where a pool names none.
pub(super) const MAIN: &str = "main";

/// What the environment says: variables by name.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The cache folder, and what decided that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HubCache {
    pub(super) folder: PathBuf,
    /// The variable that named it; `None` where none did.
    pub(super) variable: Option<&'static str>,
}

impl HubCache {
    /// The cache of this process's environment.
    pub(super) fn here() -> Self {
        Self::of(&|name| env::var_os(name), env::home_dir().as_deref())
    }

    /// As `constants.py` of the library has it: `HF_HUB_CACHE`, its old name `HUGGINGFACE_HUB_CACHE`, `HF_HOME`,
    /// `XDG_CACHE_HOME`, the home folder. A variable that is set and empty counts as set.
    fn of(variables: Environment<'_>, home: Option<&Path>) -> Self {
        let set = |name: &'static str| Some((variables(name)?, name));
        let expand = |value: OsString| expanded(value, variables, home);
        // The library expands what it has expanded once more when it adds this folder.
        let hub_of = |home: PathBuf| expand(home.join("hub").into_os_string());
        if let Some((value, name)) = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")) {
            return Self { folder: expand(value), variable: Some(name) };
        }
        if let Some((value, name)) = set("HF_HOME") {
            return Self { folder: hub_of(expand(value)), variable: Some(name) };
        }
        let (caches, variable) = match set("XDG_CACHE_HOME") {
            Some((value, name)) => (PathBuf::from(value), Some(name)),
            None => (expand(OsString::from("~")).join(".cache"), None),
        };
        let home_of_hub = expand(caches.join("huggingface").into_os_string());
        Self { folder: hub_of(home_of_hub), variable }
    }

    /// Where a file of a repository is.
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Result<PathBuf, Absent> {
        let repository = self.folder.join(format!("models--{}", wanted.repo.replace('/', "--")));
        // A branch or tag is a file that holds its commit; a commit has none.
        let commit = fs::read_to_string(repository.join("refs").join(wanted.revision));
        let commit = commit.as_deref().map_or(wanted.revision, str::trim);
        let snapshots = repository.join("snapshots");
        let path = snapshots.join(commit).join(wanted.file);
        let absent = |why: String| Err(Absent { path: path.clone(), why });
        // `hf download` notes files that a repository does not have.
        let known_absent = repository.join(".no_exist").join(commit).join(wanted.file).is_file();
        // A revision is one folder: a name with a slash in it is none, unless `refs` says which commit it is.
        let is_snapshot = plain(commit) && snapshots.join(commit).exists();
        if is_snapshot && !known_absent && path.is_file() {
            return Ok(path);
        }
        if !repository.is_dir() {
            return absent(format!("{} holds nothing of {}", self.described(), wanted.repo));
        }
        let place = repository.display();
        if known_absent {
            return absent(format!(
                "{place} notes that the repository has no such file at {}",
                wanted.revision
            ));
        }
        if is_snapshot {
            let why = match fs::read_link(&path) {
                Ok(target) => format!(
                    "{} is a link to {}, which is not there: it was deleted, or never fetched whole",
                    path.display(),
                    target.display()
                ),
                Err(_) => format!("{place} has the snapshot {commit} without this file"),
            };
            return absent(why);
        }
        let mut why = format!("{place} has no snapshot of revision {}", wanted.revision);
        // The usual slip: the file was fetched under another revision.
        let others = snapshots_with(&snapshots, wanted.file);
        if let Some(first) = others.first() {
            let all = others.join(", ");
            let _ = write!(
                why,
                "; the file is in the snapshot of {all}, which `revision = \"{first}\"` in the pool asks for"
            );
        }
        absent(why)
    }

    /// The folder, and where its name comes from.
    fn described(&self) -> String {
        let folder = self.folder.display();
        let there = if self.folder.is_dir() { "" } else { ", which does not exist," };
        match self.variable {
            Some(name) => format!("the hub cache {folder} (set by {name}){there}"),
            None => format!("the hub cache {folder}{there}"),
        }
    }
}

/// A file of a repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// `ORGANISATION/NAME`.
    pub(super) repo: &'a str,
    /// Branch, tag or commit.
    pub(super) revision: &'a str,
    /// Its name in the repository, folders included.
    pub(super) file: &'a str,
}

/// A file that is not in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    /// Where it would be.
    pub(super) path: PathBuf,
    /// What was looked at and what was found there.
    pub(super) why: String,
}

/// Commits whose snapshots hold a file.
fn snapshots_with(snapshots: &Path, file: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(snapshots) else { return Vec::new() };
    let holding = entries.filter_map(Result::ok).filter(|entry| entry.path().join(file).is_file());
    let mut commits: Vec<String> =
        holding.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    commits.sort();
    commits
}

/// The command that fetches files of a repository.
pub(super) fn download_command(repo: &str, revision: Option<&str>, files: &str) -> String {
    let mut command = format!("hf download {repo} {files}");
    if let Some(revision) = revision {
        let _ = write!(command, " --revision {revision}");
    }
    command
}

/// A path of the environment as Python's `expanduser` and `expandvars` expand it: `~` at its beginning, then `$NAME` and
/// `${NAME}`. What has no value stays as it is, and so do `~USER` and what is no UTF-8.
fn expanded(value: OsString, variables: Environment<'_>, home: Option<&Path>) -> PathBuf {
    match value.into_string() {
        Ok(text) => PathBuf::from(with_variables(&with_home(&text, home), variables)),
        Err(raw) => PathBuf::from(raw),
    }
}

/// A path that begins with `~`, from the home folder.
pub(super) fn with_home(text: &str, home: Option<&Path>) -> String {
    // `~USER` is another's home, which is not looked up.
    let (Some(rest), Some(home)) = (text.strip_prefix('~'), home.and_then(Path::to_str)) else {
        return text.to_owned();
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return text.to_owned();
    }
    let path = format!("{}{rest}", home.trim_end_matches('/'));
    if path.is_empty() { "/".to_owned() } else { path }
}

/// A text with the values of the variables that it names.
fn with_variables(text: &str, variables: Environment<'_>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, behind) = if let Some(braced) = after.strip_prefix('{') {
            braced.split_once('}').unwrap_or(("", after))
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !is_part(c)).unwrap_or(after.len()))
        };
        // A variable without a value stays as it is written, as in Python.
        let value = variables(name).filter(|_| !name.is_empty()).and_then(|v| v.into_string().ok());
        match value {
            Some(value) => expanded.push_str(&value),
            None => expanded.extend(["$", &after[..after.len() - behind.len()]]),
        }
        rest = behind;
    }
    expanded + rest
}

/// Whether a name is a single path component.
pub(super) fn plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

/// Whether a path stays within its folder.
pub(super) fn plain_path(path: &str) -> bool {
    path.split('/').all(plain)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
