//! Why an experiment cannot be run as written: the file, what is wrong, what is allowed, which word was meant.

use std::path::PathBuf;

use gra_llm::model_pool::PoolError;

use crate::builtin;
use crate::seeds::SeedError;

/// An experiment cannot be run as written.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {error}\n  hint: {hint}", path.display())]
    Read {
        /// What kind of file.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// No valid TOML, an unknown key, a wrong type.
    #[error("experiment {}: {error}{hint}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        error: Box<toml::de::Error>,
        /// What was probably meant, on a line of its own; empty where that is not known.
        hint: String,
    },
    /// A value breaks a rule, or a variant does not fit the pool.
    #[error("experiment {}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// A folder of prompts is not usable, or a variant's does not fit the experiment's.
    #[error("prompts {}: {reason}", path.display())]
    Prompts {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The pool is not usable.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Seed sets that the file says how to get are not there.
    #[error(
        "experiment {}: it needs seed sets that are not there:\n{}\n  hint: fetch them as shown, or take another: \
         `run` and `plan` have --seed-set FILE", path.display(), lines(missing)
    )]
    SeedSetsMissing {
        /// The file.
        path: PathBuf,
        /// Each with the command that gets it, as the file states it.
        missing: Vec<(PathBuf, String)>,
    },
    /// The seed set is not usable.
    #[error(transparent)]
    Seeds(#[from] SeedError),
}

fn lines(missing: &[(PathBuf, String)]) -> String {
    // As the command names it that gets it: `base/../seeds` is `seeds`.
    let line = |(path, fetch): &(PathBuf, String)| {
        let tidy = builtin::plain(path);
        format!("  {}: {fetch}", tidy.as_deref().unwrap_or(path).display())
    };
    missing.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How alike two words must be, from 0 to 1, for one to be taken for the other.
const ALIKE: f64 = 0.6;

/// The likest of the known words, if any is like it at all (normalised Damerau-Levenshtein distance).
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| {
        strsim::normalized_damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase())
    };
    let alike = known.into_iter().map(|known| (likeness(known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE);
    best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, known)| known)
}

/// What to type in place of a word that is not known: the likest of the known ones, or else all of them.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}
