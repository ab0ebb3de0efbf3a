//! What a results folder says about the paper's tables and claims: which files there are, read by name.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gra_files::read_if_any;
use gra_paper::benchmarks::Benchmarks;
use gra_paper::claims::Measured;
use gra_synth::method::Method;
use gra_synth::variant::{DisputeRule, Instructions, Reviewers, RoleAssignment, Variant};
use serde::Deserialize;

use crate::benchmark_scores::BENCHMARKS;
use crate::failure::bad_input;
use crate::trial::{PublishedManifest, TrialId, TrialSettings};

/// Where `stats` writes to, in the results folder.
const STATS: &str = "stats";
/// The table that `stats` and `compare` write.
const TABLE: &str = "stats.csv";
/// How a trial's table of `compute` ends.
const COMPUTE: &str = ".compute.csv";

/// Reads whatever of `benchmarks.csv` (with the items that it names), `stats/stats.csv` and `EXPERIMENT/VARIANT/seed-N.compute.csv` is
/// there; the table of another folder of `stats` or `compare` where one is named. A folder without any of them, or no
/// folder, has measured nothing. Of trials those count that claims are about ([`is_papers_gra`]).
///
/// # Errors
/// Names the file and line that is not as it should be, or the file that cannot be read.
pub(crate) fn load(results: &Path, stats: Option<&Path>) -> Result<Measured> {
    let mut measured = of_benchmarks(results)?;
    let name = |path: &Path| path.display().to_string();
    // Each table is read where it is there; claims that need another one say so.
    let stats = stats.map_or_else(|| results.join(STATS), Path::to_owned).join(TABLE);
    if let Some(csv) = read_if_any(&stats)? {
        measured.read_stats(&name(&stats), &csv)?;
    }
    // EXPERIMENT/VARIANT/seed-N.compute.csv; other files and folders are passed over.
    for experiment in entries(results)? {
        for variant in entries(&experiment)? {
            for file in entries(&variant)? {
                let path = file.to_string_lossy();
                let Some(trial) = path.strip_suffix(COMPUTE).map(Path::new) else { continue };
                if is_papers_gra(results, trial)? {
                    measured
                        .read_compute(&name(&file), &read_if_any(&file)?.unwrap_or_default())?;
                }
            }
        }
    }
    Ok(measured)
}

/// The scores of trained models alone, with their items.
///
/// # Errors
/// Likewise.
pub(crate) fn benchmarks(results: &Path) -> Result<Benchmarks> {
    of_benchmarks(results).map(|measured| measured.benchmarks().clone()).map_err(bad_input)
}

fn of_benchmarks(results: &Path) -> Result<Measured> {
    let mut measured = Measured::default();
    let path = results.join(BENCHMARKS);
    let Some(csv) = read_if_any(&path)? else { return Ok(measured) };
    measured.read_benchmarks(&path.display().to_string(), &csv)?;
    let mut names = BTreeSet::new();
    for file in measured.benchmarks().item_files() {
        let items = results.join(&file);
        let csv = read_if_any(&items)?.with_context(|| {
            format!(
                "{} names {}, which is not there\nhint: score the model again with `gra-bench eval`, or empty the \
                 field `items`",
                path.display(),
                items.display()
            )
        })?;
        measured.read_items(&file, &csv, &mut names)?;
    }
    Ok(measured)
}

/// Whether the trial whose files are in this folder is what the paper calls GRA, and no demonstration: its manifest
/// says full GRA at the paper's thresholds. A trial without a manifest does not say what it is.
fn is_papers_gra(results: &Path, folder: &Path) -> Result<bool> {
    let trial = folder.strip_prefix(results).unwrap_or(folder).to_string_lossy();
    let Ok(trial) = trial.parse::<TrialId>() else { return Ok(false) };
    let Some(manifest) = PublishedManifest::read(results, &trial)? else { return Ok(false) };
    // Settings of a release that has other ones say nothing here.
    let Ok(settings) = serde_json::from_value::<TrialSettings>(manifest.settings) else {
        return Ok(false);
    };
    let (paper, Variant { instructions, roles, reviewers, dispute, .. }) =
        (Method::default(), settings.variant);
    // By what it does and not by its name: a variant called `gra` may be anything.
    let is_full = (instructions, roles) == (Instructions::New, RoleAssignment::Random)
        && matches!(reviewers, Reviewers::Committee(3))
        && dispute == DisputeRule::Adjudicator;
    let thresholds = |method: &Method| (method.tau, method.delta, method.cosine_limit);
    Ok(!manifest.demonstration && is_full && thresholds(&settings.method) == thresholds(&paper))
}

/// A line of the table that `stats` and `compare` write: a measure of a data set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatsLine {
    pub(crate) group: String,
    pub(crate) measure: String,
    pub(crate) data_set: String,
    /// `None` where there is none, for the reason in `absent`.
    pub(crate) value: Option<f64>,
    /// Ends of its 95% interval.
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// Samples behind it.
    pub(crate) n: Option<f64>,
    pub(crate) absent: String,
}

/// The lines of such a table.
pub(crate) fn stats_lines(csv: &[u8]) -> impl Iterator<Item = csv::Result<StatsLine>> {
    csv::Reader::from_reader(csv).into_deserialize()
}

/// What is in a folder, in the order of names; nothing where there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot list {}", folder.display()));
        }
    };
    let path = |entry: std::io::Result<std::fs::DirEntry>| entry.map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = listed.map(path).collect::<std::io::Result<_>>()?;
    // File systems list in no order; sums of numbers must not depend on it.
    paths.sort();
    Ok(paths)
}
