//! What `OpenCompass` wrote: a JSON file a data set, with metrics at full precision and what became of each item.
//!
//! Which items are right is kept in three forms. GSM8K, MATH, GPQA, BBH, `HumanEval` and MBPP say it of each item.
//! `HellaSwag`, ARC-C and MMLU do not: there an item is right where the answer that was found is the reference, which is
//! how their accuracy is computed. `IFEval` says of a prompt whether all its instructions were followed, read strictly and
//! loosely, not which ones; its items are the mean of both, and its two metrics of single instructions have none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;
use serde_json::{Map, Value};

use super::super::record::{Item, Scored, ScoredPart, right_items};
use super::super::suite::{Part, Protocol};

/// Metrics of `IFEval` that are of prompts, whose items are known.
const OF_PROMPTS: [&str; 2] = ["Prompt-level-strict-accuracy", "Prompt-level-loose-accuracy"];

/// How far the mean of items may be from the score in per cent: rounding of binary fractions only.
const SLACK: f64 = 1e-9;

/// A benchmark has no score that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// A data set has no result file: its task failed, or did not run.
    #[error("{dataset} has no result: {} is missing", .file.display())]
    Missing {
        /// The data set.
        dataset: String,
        /// The file.
        file: PathBuf,
    },
    /// A result file cannot be read.
    #[error("{}: {problem}", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The prompts are others than the pinned ones.
    #[error(
        "{dataset} was asked with other prompts: their hash is {found}, not {wanted}\nhint: OpenCompass 0.4.1 has the pinned ones: scripts/engines opencompass"
    )]
    OtherPrompts {
        /// The data set.
        dataset: String,
        /// The hash in the summary.
        found: String,
        /// That of the pinned configuration.
        wanted: String,
    },
    /// The items say something else than the score.
    #[error("{dataset}: {metric} is {score}, and its items say {items}")]
    Disagrees {
        /// The data set.
        dataset: String,
        /// The metric.
        metric: String,
        /// The score as it was reported, per cent.
        score: String,
        /// What the items say, per cent.
        items: String,
    },
    /// Other items were scored than were asked for.
    #[error("{dataset}: {found} items were scored, not {wanted}")]
    OtherItems {
        /// The data set.
        dataset: String,
        /// How many were scored.
        found: u64,
        /// How many should have been.
        wanted: u64,
    },
}

/// A finished run of `OpenCompass`: the folder with `results` and `summary`.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    folder: PathBuf,
    /// The model's name in it.
    model: String,
    /// Prompt hashes by data set, from the summaries.
    hashes: BTreeMap<String, String>,
}

/// What a result file says.
struct Read {
    metrics: BTreeMap<String, f64>,
    items: Option<Vec<Item>>,
}

impl Results {
    /// Of a run's folder and a model in it.
    ///
    /// # Errors
    /// When a summary cannot be read.
    pub(crate) fn open(folder: &Path, model: &str) -> Result<Self, ResultError> {
        let mut hashes = BTreeMap::new();
        // Named by their time: what a later summary says of a data set counts.
        for file in files(&folder.join("summary"), "csv") {
            hashes.extend(hashes_of(&file)?);
        }
        Ok(Self { folder: folder.to_owned(), model: model.to_owned(), hashes })
    }

    /// The result file of a data set.
    pub(crate) fn file(&self, dataset: &str) -> PathBuf {
        self.folder.join("results").join(&self.model).join(format!("{dataset}.json"))
    }

    /// Whether every part has a result.
    pub(crate) fn is_there(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| self.file(&part.dataset).is_file())
    }

    /// Reads a benchmark's score. `strict` is for runs of our own: every part must be there with its pinned prompts.
    ///
    /// # Errors
    /// When a part is missing or its result is not to be trusted.
    pub(crate) fn score(
        &self,
        protocol: Protocol,
        parts: &[Part],
        strict: bool,
    ) -> Result<Scored, ResultError> {
        let mut items = Some(Vec::new());
        let mut scored = BTreeMap::new();
        let mut pinned = true;
        for part in parts {
            let file = self.file(&part.dataset);
            let mut read = read(&file, &part.dataset)?;
            let hash = self.hashes.get(&part.dataset);
            if hash != Some(&part.prompt_hash) {
                pinned = false;
                if strict {
                    return Err(ResultError::OtherPrompts {
                        dataset: part.dataset.clone(),
                        found: hash.cloned().unwrap_or("in no summary".to_owned()),
                        wanted: part.prompt_hash.clone(),
                    });
                }
            }
            let score = score(protocol, &read.metrics, &file)?;
            if let Some(items) = &read.items {
                agree(&part.dataset, protocol, &read.metrics, items)?;
            }
            let n = read.items.as_ref().map(|items| count(items.len()));
            if let (Some(prefix), Some(items)) = (&part.name, &mut read.items) {
                for item in items {
                    item.id = format!("{prefix}/{}", item.id);
                }
            }
            items = items.zip(read.items).map(|(mut all, more)| {
                all.extend(more);
                all
            });
            let name = part.name.clone().unwrap_or_default();
            let metrics = read.metrics;
            scored.insert(name, ScoredPart { score, n, prompt_hash: hash.cloned(), metrics });
        }
        Ok(together(protocol, scored, items, pinned))
    }
}

/// One score of a benchmark's parts: of BBH and MMLU the unweighted mean, whatever their sizes.
pub(crate) fn together(
    protocol: Protocol,
    mut parts: BTreeMap<String, ScoredPart>,
    items: Option<Vec<Item>>,
    pinned: bool,
) -> Scored {
    #[expect(clippy::cast_precision_loss, reason = "at most 57 parts")]
    let score = parts.values().map(|part| part.score).sum::<f64>() / parts.len() as f64;
    let n = parts.values().map(|part| part.n).sum();
    let mut scored = Scored {
        score,
        n,
        whole: false,
        decimals: None,
        prompt_hash: pinned.then(|| protocol.prompt_hash.to_owned()),
        pinned,
        metrics: BTreeMap::new(),
        parts: BTreeMap::new(),
        items: items.unwrap_or_default(),
        notes: Vec::new(),
    };
    if let Some(only) = parts.remove("") {
        scored.metrics = only.metrics;
        scored.prompt_hash = only.prompt_hash;
    }
    scored.parts = parts;
    if scored.items.is_empty() {
        scored.notes.push("which items are right was not kept".to_owned());
    } else if protocol.benchmark == Benchmark::IfEval {
        let note = "an item is the mean of its prompt followed strictly and loosely; single instructions have no items";
        scored.notes.push(note.to_owned());
    }
    scored.notes.extend(off_grid(protocol, &scored));
    scored
}

/// Says where a score is no whole number of its items: then it is of other items than its `n` says, or a mean of runs.
fn off_grid(protocol: Protocol, scored: &Scored) -> Vec<String> {
    let is_on = |score: f64, n: Option<u64>| n.is_none_or(|n| right_items(score, n).is_some());
    let note = |name: &str, n: Option<u64>| {
        let n = n.unwrap_or_default();
        format!("{name} is no whole number of {n} items")
    };
    let mut notes = Vec::new();
    if scored.parts.is_empty() {
        for metric in protocol.metrics {
            // Instructions are more than items.
            let is_of_items = !metric.starts_with("Inst-level");
            let value = scored.metrics.get(*metric).copied().unwrap_or_default();
            if is_of_items && !is_on(value, scored.n) {
                notes.push(note(metric, scored.n));
            }
        }
    }
    for (name, part) in &scored.parts {
        if !is_on(part.score, part.n) {
            notes.push(note(name, part.n));
        }
    }
    notes
}

/// The mean of a benchmark's metrics; all but `IFEval` have one.
pub(crate) fn score(
    protocol: Protocol,
    metrics: &BTreeMap<String, f64>,
    file: &Path,
) -> Result<f64, ResultError> {
    let mut sum = 0.0;
    for &metric in protocol.metrics {
        let value = metrics.get(metric).copied();
        let form = |problem: String| ResultError::Form { file: file.to_owned(), problem };
        let value = value.ok_or_else(|| form(format!("there is no metric {metric}")))?;
        if !(0.0..=100.0).contains(&value) {
            return Err(form(format!("{metric} is {value}, not from 0 to 100")));
        }
        sum += value;
    }
    #[expect(clippy::cast_precision_loss, reason = "one or four")]
    Ok(sum / protocol.metrics.len() as f64)
}

/// Holds the items against the metric that is computed from them.
fn agree(
    dataset: &str,
    protocol: Protocol,
    metrics: &BTreeMap<String, f64>,
    items: &[Item],
) -> Result<(), ResultError> {
    let wanted = if protocol.benchmark == Benchmark::IfEval {
        OF_PROMPTS.iter().filter_map(|metric| metrics.get(*metric)).sum::<f64>() / 2.0
    } else {
        metrics.get(protocol.metrics[0]).copied().unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^52")]
    let found = items.iter().map(|item| item.right).sum::<f64>() / items.len() as f64 * 100.0;
    if (found - wanted).abs() <= SLACK {
        return Ok(());
    }
    Err(ResultError::Disagrees {
        dataset: dataset.to_owned(),
        metric: protocol.metrics[0].to_owned(),
        score: wanted.to_string(),
        items: found.to_string(),
    })
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

/// Reads a result file.
fn read(file: &Path, dataset: &str) -> Result<Read, ResultError> {
    let missing = |_| ResultError::Missing { dataset: dataset.to_owned(), file: file.to_owned() };
    let bytes = std::fs::read(file).map_err(missing)?;
    let form = |problem: String| ResultError::Form { file: file.to_owned(), problem };
    let all: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| form(error.to_string()))?;
    let numbers = all.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
    let items = match all.get("details") {
        None => None,
        Some(details) => {
            let items =
                items(details).ok_or_else(|| form("its details have another form".into()))?;
            (!items.is_empty()).then_some(items)
        }
    };
    Ok(Read { metrics: numbers.collect(), items })
}

/// The items of `details`: an object by place, or a list whose entries may each hold a list of one.
fn items(details: &Value) -> Option<Vec<Item>> {
    let entries: Vec<(String, &Value)> = match details {
        Value::Array(list) => {
            list.iter().enumerate().map(|(place, one)| (place.to_string(), one)).collect()
        }
        Value::Object(by_place) => {
            let mut places: Vec<(u64, &Value)> = Vec::new();
            for (place, one) in by_place.iter().filter(|(_, one)| one.is_object()) {
                places.push((place.parse().ok()?, one));
            }
            places.sort_by_key(|(place, _)| *place);
            places.into_iter().map(|(place, one)| (place.to_string(), one)).collect()
        }
        _ => return None,
    };
    entries
        .into_iter()
        .map(|(place, entry)| {
            let detail = match entry.get("predictions") {
                Some(Value::Array(repeats)) => repeats.first()?,
                _ => entry,
            };
            let id = detail.get("task_id").and_then(Value::as_str).map_or(place, str::to_owned);
            Some(Item { id, right: right(detail)? })
        })
        .collect()
}

/// What is right of an item.
fn right(detail: &Value) -> Option<f64> {
    let share = |right: bool| if right { 1.0 } else { 0.0 };
    let flag = |name: &str| detail.get(name).and_then(Value::as_bool);
    if let (Some(strict), Some(loose)) = (flag("is_strict_correct"), flag("is_loose_correct")) {
        return Some(f64::midpoint(share(strict), share(loose)));
    }
    if let Some(right) = flag("correct").or_else(|| flag("is_correct")) {
        return Some(share(right));
    }
    Some(share(detail.get("predictions")?.as_str()? == detail.get("references")?.as_str()?))
}

/// Files of a folder with this ending, by name; none where there is no folder.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

/// Prompt hashes by data set, of a summary. Rows of groups have none.
fn hashes_of(file: &Path) -> Result<BTreeMap<String, String>, ResultError> {
    let form =
        |error: csv::Error| ResultError::Form { file: file.to_owned(), problem: error.to_string() };
    let mut reader = csv::Reader::from_path(file).map_err(form)?;
    let mut hashes = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(form)?;
        if let (Some(dataset), Some(hash)) = (row.get(0), row.get(1))
            && hash != "-"
        {
            hashes.insert(dataset.to_owned(), hash.to_owned());
        }
    }
    Ok(hashes)
}
