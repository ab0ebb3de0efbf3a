//! Whether a run would put other results in the place of earlier ones. It never does unless it is told to:
//! a trial is known by its name, and pool, limit, prompts, seed set and method are in its record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gra_files::remove_if_any;
use serde_json::Value;

use crate::experiment::Experiment;
use crate::store::{Store, TrialRow};
use crate::trial::{
    Fingerprints, PublishedManifest, TrialId, TrialRecord, TrialSettings, manifest_path,
};

/// Changed settings that a message lists.
const LISTED: usize = 12;

/// Characters of a value that a message shows.
const SHOWN: usize = 80;

/// An earlier trial that has the name of a trial of this run and other settings.
#[derive(Clone, Debug)]
pub(crate) struct Differing {
    /// Which.
    pub(crate) trial: TrialId,
    /// Where it is.
    earlier: Earlier,
    /// What differs; at least one setting.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Earlier {
    /// In the store, finished or with rounds on record.
    Stored { finished: bool },
    /// Among the published files, by this manifest.
    Published(PathBuf),
}

/// A setting as it was and as it is now, as JSON; `None` where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    key: String,
    before: Option<String>,
    now: Option<String>,
}

/// A run would overwrite results that were made with other settings.
#[derive(Debug, thiserror::Error)]
pub(crate) struct WouldOverwrite {
    differing: Vec<Differing>,
    /// The options that put a run beside the earlier one.
    elsewhere: &'static str,
}

impl WouldOverwrite {
    /// The same of a verb that has other options for it.
    pub(crate) const fn elsewhere(mut self, options: &'static str) -> Self {
        self.elsewhere = options;
        self
    }
}

/// The earlier trials in whose place this run would put others, from the store and from published files.
///
/// # Errors
/// When the store cannot be read, an engine cannot say what its models are, or what an earlier trial was
/// made with cannot be read.
pub(crate) fn differing(
    experiment: &Experiment,
    fingerprints: &Fingerprints,
    store: &Store,
    results: &Path,
) -> Result<Vec<Differing>> {
    let mut stored: BTreeMap<TrialId, Vec<TrialRow>> = BTreeMap::new();
    for attempt in store.attempts()? {
        // Of an attempt without a round on record nothing is lost but calls, whose replies stay.
        if attempt.finished || store.has_rounds(attempt.row)? {
            stored.entry(attempt.id.clone()).or_default().push(attempt);
        }
    }
    let mut differing = Vec::new();
    for &seed in &experiment.seeds {
        for variant in &experiment.variants {
            let now = TrialRecord::new(experiment, variant, seed, fingerprints);
            let settings = as_json(&now.settings)?;
            let mut found = Vec::new();
            for attempt in stored.remove(&now.id).unwrap_or_default() {
                let earlier = Earlier::Stored { finished: attempt.finished };
                found.push((earlier, changed_since(&store.record(&attempt)?, &now)?));
            }
            // A manifest has the settings, and no order of the pool.
            if let Some(manifest) = PublishedManifest::read(results, &now.id)? {
                let earlier = Earlier::Published(manifest_path(results, &now.id));
                found.push((earlier, changes(&manifest.settings, &settings)));
            }
            let changed = found.into_iter().find(|(_, changes)| !changes.is_empty());
            if let Some((earlier, changes)) = changed {
                differing.push(Differing { trial: now.id, earlier, changes });
            }
        }
    }
    Ok(differing)
}

/// Trials of an experiment that the store has finished with the settings that they would be run with again. What its
/// models and its encoder are is left out: only an engine can tell.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn finished_as_planned(experiment: &Experiment, store: &Store) -> Result<Vec<TrialId>> {
    let mut found = Vec::new();
    let is_planned =
        |id: &TrialId| id.experiment == experiment.name && experiment.seeds.contains(&id.seed);
    let trials = store.trials()?.into_iter();
    for trial in trials.filter(|trial| trial.finished && is_planned(&trial.id)) {
        let named = experiment.variants.iter().find(|variant| variant.name == trial.id.variant);
        let Some(variant) = named else { continue };
        let before = store.record(&trial)?;
        let mut now =
            TrialRecord::new(experiment, variant, trial.id.seed, &Fingerprints::default());
        // As if models and encoder were the same: the plan says that it assumes so.
        now.settings.models.clone_from(&before.settings.models);
        now.settings.encoder.clone_from(&before.settings.encoder);
        if changed_since(&before, &now)?.is_empty() {
            found.push(trial.id);
        }
    }
    Ok(found)
}

/// What changes a trial's result and differs between two trials of one name: settings, and the pool's order.
fn changed_since(before: &TrialRecord, now: &TrialRecord) -> Result<Vec<Change>> {
    let mut found = changes(&as_json(&before.settings)?, &as_json(&now.settings)?);
    if before.pool_order() != now.pool_order() {
        let order = |record: &TrialRecord| serde_json::to_string(&record.pool_order()).map(Some);
        let (before, now) = (order(before)?, order(now)?);
        found.push(Change { key: "pool_order".to_owned(), before, now });
    }
    Ok(found)
}

fn as_json(settings: &TrialSettings) -> Result<Value> {
    // By way of the text, as manifests are read: numbers of single precision have other digits in a `Value`.
    Ok(serde_json::from_str(&serde_json::to_string(settings)?)?)
}

/// Refuses a run that would overwrite, or clears away what would no longer be true when it may; the experiment's own folder
/// holds what several seed sets have in common.
///
/// # Errors
/// [`WouldOverwrite`], or when a table cannot be removed.
pub(crate) fn settle(
    differing: Vec<Differing>,
    replace: bool,
    results: &Path,
    experiment: &str,
) -> Result<()> {
    if differing.is_empty() {
        return Ok(());
    }
    if !replace {
        let elsewhere = "--name or --results";
        return Err(WouldOverwrite { differing, elsewhere }.into());
    }
    let tables: BTreeSet<PathBuf> = differing
        .iter()
        .flat_map(|Differing { trial, .. }| {
            let folder = results.join(&trial.experiment);
            let seed = trial.seed;
            let over_seeds = ["seeds.csv", "seeds.md"].map(str::to_owned);
            let names = [format!("seed-{seed}.csv"), format!("seed-{seed}.md")].into_iter();
            names.chain(over_seeds).map(move |table| folder.join(table))
        })
        .chain(["seed-sets.csv", "seed-sets.md"].map(|table| results.join(experiment).join(table)))
        .collect();
    // Tables count the trials that are replaced; they are written anew when the run ends.
    for table in tables {
        remove_if_any(&table).with_context(|| format!("cannot replace {}", table.display()))?;
    }
    Ok(())
}

/// Where two settings differ, by key.
fn changes(before: &Value, now: &Value) -> Vec<Change> {
    fn walk(key: &str, before: Option<&Value>, now: Option<&Value>, changes: &mut Vec<Change>) {
        if let (Some(Value::Object(earlier)), Some(Value::Object(later))) = (before, now) {
            // Keys of both: a setting may be new, or be gone.
            let keys: BTreeSet<&String> = earlier.keys().chain(later.keys()).collect();
            for name in keys {
                let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                walk(&below, earlier.get(name), later.get(name), changes);
            }
        } else if before != now {
            let text = |value: Option<&Value>| value.map(ToString::to_string);
            changes.push(Change { key: key.to_owned(), before: text(before), now: text(now) });
        }
    }
    let mut found = Vec::new();
    walk("", Some(before), Some(now), &mut found);
    found
}

impl fmt::Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { finished: true } => write!(f, "in the store"),
            Self::Stored { finished: false } => write!(f, "in the store, not finished,"),
            Self::Published(manifest) => write!(f, "published ({})", manifest.display()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| match value {
            None => "none".to_owned(),
            Some(text) if text.chars().count() > SHOWN => {
                text.chars().take(SHOWN - 2).chain("..".chars()).collect()
            }
            Some(text) => text.clone(),
        };
        write!(f, "{}: was {}, is now {}", self.key, shown(&self.before), shown(&self.now))
    }
}

impl fmt::Display for WouldOverwrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.differing.first() else { return Ok(()) };
        let Differing { trial, earlier, changes } = first;
        write!(
            f,
            "trial {trial} is {earlier} with other settings, and a run overwrites no trial:"
        )?;
        for change in changes.iter().take(LISTED) {
            write!(f, "\n  {change}")?;
        }
        if changes.len() > LISTED {
            write!(f, "\n  and {} more", changes.len() - LISTED)?;
        }
        // The others differ in much the same, being of one run.
        match self.differing.len() - 1 {
            0 => {}
            1 => write!(f, "\n1 more trial of this run differs from an earlier one")?,
            more => write!(f, "\n{more} more trials of this run differ from earlier ones")?,
        }
        write!(
            f,
            "\nhint: keep both with another {}; --replace puts this run in the place of the earlier one",
            self.elsewhere
        )
    }
}

#[cfg(test)]
mod tests {
    use gra_synth::request::ModelName;
    use serde_json::json;

    use super::*;
    use crate::trial::tests::record;

    #[test]
    fn another_order_of_the_pool_is_another_trial() {
        let mut before = record();
        for name in ["llama", "a|b"] {
            before.settings.models.insert(ModelName::new(name), "a fingerprint".to_owned());
        }
        let mut now = before.clone();
        let said = |now: &TrialRecord| -> Vec<String> {
            changed_since(&before, now).unwrap().iter().map(ToString::to_string).collect()
        };
        assert!(said(&now).is_empty());
        now.models.reverse();
        let expected = "pool_order: was [\"llama\",\"a|b\"], is now [\"a|b\",\"llama\"]";
        assert_eq!(said(&now), [expected]);
    }

    #[test]
    fn what_differs_is_named_by_its_key() {
        let before = json!({
            "method": { "tau": 8.0, "limits": { "response": 96 } },
            "variant": { "reviewers": { "committee": 3 } },
            "seed_items": 52,
            "models": { "a": "llama.cpp a", "b": "llama.cpp b" },
        });
        let mut now = before.clone();
        assert!(changes(&before, &now).is_empty());
        now["method"]["tau"] = json!(7.5);
        now["method"]["limits"]["response"] = json!(64);
        now["method"]["new"] = json!(true);
        now["variant"]["reviewers"] = json!("none");
        now["models"] = json!({ "a": "llama.cpp a", "c": "x".repeat(200) });
        let said: Vec<String> = changes(&before, &now).iter().map(ToString::to_string).collect();
        let long = format!("\"{}..", "x".repeat(77));
        let expected = [
            "method.limits.response: was 96, is now 64",
            "method.new: was none, is now true",
            "method.tau: was 8.0, is now 7.5",
            "models.b: was \"llama.cpp b\", is now none",
            &format!("models.c: was none, is now {long}"),
            "variant.reviewers: was {\"committee\":3}, is now \"none\"",
        ];
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let mut said: Vec<&str> = said.iter().map(String::as_str).collect();
        said.sort_unstable();
        assert_eq!(said, expected);
    }
}
