//! What OpenCompass wrote: a JSON file a data set, with metrics at full precision and what became of each item.
//!
//! Which items are right is kept in three forms. GSM8K, MATH, GPQA, BBH, `HumanEval` and MBPP say it of each item.
//! `HellaSwag`, ARC-C and MMLU do not: there an item is right where the answer that was found is the reference, which is
//! how their accuracy is computed. `IFEval` says of a prompt whether all its instructions were followed, read strictly and
//! loosely, not which ones; its items are the mean of both, and its two metrics of single instructions have none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::record::{Item, ScoredBenchmark, ScoredPart};
use super::super::scoring::{ResultError, agree, score, together};
use super::super::suite::{BenchmarkProtocol, SuitePart};
use super::resume::{answered, files};

/// A finished run of OpenCompass: the folder with `results` and `summary`.
#[derive(Clone, Debug)]
pub(crate) struct OpenCompassResults {
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

impl OpenCompassResults {
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

    /// Whether a summary has a line of this data set, which it has of one that failed, too.
    pub(crate) fn has_line(&self, dataset: &str) -> bool {
        self.hashes.contains_key(dataset)
    }

    /// Whether every part has a result.
    pub(crate) fn is_there(&self, parts: &[SuitePart]) -> bool {
        parts.iter().all(|part| self.file(&part.dataset).is_file())
    }

    /// Reads a benchmark's score. `strict` is for runs of our own: every part must be there with its pinned prompts.
    ///
    /// # Errors
    /// When a part is missing or its result is not to be trusted.
    pub(crate) fn score(
        &self,
        protocol: BenchmarkProtocol,
        parts: &[SuitePart],
        strict: bool,
    ) -> Result<ScoredBenchmark, ResultError> {
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
            // Without items, as many were scored as were answered.
            let answered = Some(answered(&self.folder, &self.model, &part.dataset));
            let n = read.items.as_ref().map(|items| count(items.len()));
            let n = n.or(answered.filter(|&count| count > 0));
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
