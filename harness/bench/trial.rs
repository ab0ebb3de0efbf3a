//! A trial: a variant of an experiment under one run seed. This file is what one is called.
//!
//! # Layout
//!
//! - `record`: everything that determined it, written once, when it begins
//! - [`running`]: runs one
//! - [`stored`]: those of the store, by name

mod record;
pub mod running;
pub mod stored;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use record::{Fingerprints, ModelDescription, TrialRecord, TrialSettings};
pub(crate) use record::{PublishedManifest, manifest_path};

/// Which trial: experiment, variant and run seed. Written `ablation/gra/seed-42`, as the folder of
/// its results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialId {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the variant.
    pub variant: String,
    /// Run seed.
    pub seed: u64,
}

impl TrialId {
    /// The trial of these names.
    #[must_use]
    pub fn new(experiment: &str, variant: &str, seed: u64) -> Self {
        Self { experiment: experiment.to_owned(), variant: variant.to_owned(), seed }
    }

    /// The name as one word, for a data set or a file: `ablation-gra-seed-42`.
    #[must_use]
    pub fn joined(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/seed-{}", self.experiment, self.variant, self.seed)
    }
}

impl FromStr for TrialId {
    type Err = TrialIdError;

    fn from_str(text: &str) -> Result<Self, TrialIdError> {
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        // A folder of results may stand before it, but nothing that leads out of one.
        if let [.., experiment, variant, seed] = parts.as_slice()
            && let Some(Ok(seed)) = seed.strip_prefix("seed-").map(str::parse)
            && !parts.contains(&"..")
            && plain_name("trial", experiment).is_ok()
            && plain_name("trial", variant).is_ok()
        {
            return Ok(Self::new(experiment, variant, seed));
        }
        Err(TrialIdError(text.to_owned()))
    }
}

/// What was given is no name of a trial.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "`{0}` is no trial\nhint: a trial is written EXPERIMENT/VARIANT/seed-N, e.g. ablation/gra/seed-42"
)]
pub struct TrialIdError(String);

/// Folders of the results that other verbs write to.
const FOLDERS: [&str; 6] = ["calibration", "evaluated", "paper", "reproduce", "stats", "trained"];

/// Names become folders, so they are kept plain.
pub(crate) fn plain_name(what: &str, name: &str) -> Result<(), String> {
    const LONGEST: usize = 100;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_plain = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    if !is_plain || name.len() > LONGEST {
        return Err(format!(
            "{what} `{name}` must be up to {LONGEST} letters, digits, `-`, `_` and `.`, and not begin with \
             `.`; it names a folder"
        ));
    }
    // Files and folders of ours that lie where the folder would.
    let begins = |start: &str| {
        name.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let is_ours = match what {
        "name" => {
            ["store.db", "benchmarks.", "model-hashes."].iter().any(|own| name.starts_with(own))
                || FOLDERS.contains(&name)
                // An option, where it is typed as an argument.
                || name.starts_with('-')
        }
        _ => begins("seed-") || name.starts_with("seeds.") || name.starts_with("report."),
    };
    if is_ours {
        return Err(format!(
            "{what} `{name}` is that of something else in the results, or of an option; choose another"
        ));
    }
    Ok(())
}
