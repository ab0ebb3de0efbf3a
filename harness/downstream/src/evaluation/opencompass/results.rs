//! What OpenCompass wrote: a JSON file a data set, with metrics at full precision and what became of each item.
//!
//! Which items are right is kept in three forms. GSM8K, MATH, GPQA, BBH, `HumanEval` and MBPP say it of each item.
//! `HellaSwag`, ARC-C and MMLU do not: there an item is right where the answer that was found is the reference, which is
//! how their accuracy is computed. `IFEval` says of a prompt whether all its instructions were followed, read strictly and
//! loosely, not which ones; its items are the mean of both, and its two metrics of single instructions have none.
//!
//! OpenCompass writes predictions over the old file after every batch, so a run that is killed can leave half a file.
//! It would then ask everything again, or, where the file has its last name, fail for ever. [`mend`] keeps the whole
//! entries of such a file, and puts a file without any aside.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::record::{Item, ScoredBenchmark, ScoredPart};
use super::super::scoring::{NoScore, agree, score, together};
use super::super::suite::{BenchmarkProtocol, SuitePart};

/// What an entry of predictions begins with, and of nothing else: quotes in texts are escaped.
const ENTRY: &str = "\"origin_prompt\":";

/// How the name of a file begins while a data set is being asked.
const PASSING: &str = "tmp_";

/// What ends an entry and comes before the next, as four spaces of indentation have it.
const BETWEEN: &str = "\n    },\n";

/// A finished run of OpenCompass: the folder with `results` and `summary`.
#[derive(Clone, Debug)]
pub(crate) struct OpenCompassResults {
    folder: PathBuf,
    /// The model's name in it.
    model: String,
    /// Prompt hashes by data set, from the summaries.
    hashes: BTreeMap<String, String>,
}

impl OpenCompassResults {
    /// Of a run's folder and a model in it.
    ///
    /// # Errors
    /// When a summary cannot be read.
    pub(crate) fn open(folder: &Path, model: &str) -> Result<Self, NoScore> {
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
    ) -> Result<ScoredBenchmark, NoScore> {
        let mut all_items = Some(Vec::new());
        let mut scored = BTreeMap::new();
        let mut pinned = true;
        for part in parts {
            let SuitePart { dataset, name, prompt_hash: wanted, .. } = part;
            let file = self.file(dataset);
            let (metrics, items) = read(&file, dataset)?;
            let hash = self.hashes.get(dataset).cloned();
            pinned &= hash.as_ref() == Some(wanted);
            if strict && !pinned {
                let found = hash.unwrap_or("in no summary".to_owned());
                return Err(NoScore(format!(
                    "{dataset} was asked with other prompts: their hash is {found}, not {wanted}\n\
                     hint: OpenCompass 0.4.1 has the pinned ones: scripts/engines opencompass"
                )));
            }
            let score = score(protocol, &metrics, &file)?;
            if let Some(items) = &items {
                agree(dataset, protocol, &metrics, items)?;
            }
            let n = match &items {
                Some(items) => u64::try_from(items.len()).ok(),
                // Without items, as many were scored as were answered.
                None => Some(answered(&self.folder, &self.model, dataset)).filter(|n| *n > 0),
            };
            // One part without items leaves the benchmark without: a difference over the others would be of another score.
            all_items = all_items.zip(items).map(|(all, more): (Vec<Item>, Vec<Item>)| {
                let prefix = name.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
                let more =
                    more.into_iter().map(|item| Item { id: prefix.clone() + &item.id, ..item });
                all.into_iter().chain(more).collect()
            });
            let name = name.clone().unwrap_or_default();
            scored.insert(name, ScoredPart { score, n, prompt_hash: hash, metrics });
        }
        Ok(together(protocol, scored, all_items, pinned))
    }
}

/// A result file's metrics and, where it has any, its items.
type Read = (BTreeMap<String, f64>, Option<Vec<Item>>);

fn read(file: &Path, dataset: &str) -> Result<Read, NoScore> {
    let bytes = fs::read(file).map_err(|_| NoScore::without_result(dataset, file))?;
    let all: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| NoScore::in_file(file, error))?;
    let numbers = all.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
    let other_form = || NoScore::in_file(file, "its details have another form");
    let details = all.get("details").map(|details| items(details).ok_or_else(other_form));
    let items = details.transpose()?.filter(|items| !items.is_empty());
    Ok((numbers.collect(), items))
}

/// The items of `details`: an object by place, or a list whose entries may each hold a list of one.
fn items(details: &Value) -> Option<Vec<Item>> {
    let entries: BTreeMap<usize, &Value> = match details {
        Value::Array(list) => list.iter().enumerate().collect(),
        Value::Object(by_place) => {
            // Beside the places there may be words about all of them, such as `type`.
            let entries = by_place.iter().filter(|(_, one)| one.is_object());
            entries.map(|(place, one)| Some((place.parse().ok()?, one))).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let item = |(place, entry): (usize, &Value)| {
        let detail = match entry.get("predictions") {
            Some(Value::Array(repeats)) => repeats.first()?,
            _ => entry,
        };
        let name = detail.get("task_id").and_then(Value::as_str);
        let id = name.map_or_else(|| place.to_string(), str::to_owned);
        Some(Item { id, right: right(detail)? })
    };
    entries.into_iter().map(item).collect()
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
fn hashes_of(file: &Path) -> Result<BTreeMap<String, String>, NoScore> {
    let form = |error: csv::Error| NoScore::in_file(file, error);
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

/// Mends or puts aside what cannot be read below a run's folder. Results are put aside only: they are made again from
/// predictions at no cost.
pub(super) fn mend(run: &Path, model: &str) -> io::Result<()> {
    for file in files(&run.join("predictions").join(model), "json") {
        let text = fs::read_to_string(&file)?;
        if is_whole(&text) {
            continue;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Under its passing name, so that the run goes on after the entries that are there.
        let is_passing = name.starts_with(PASSING);
        let passing =
            if is_passing { file.clone() } else { file.with_file_name(format!("{PASSING}{name}")) };
        // Where both are there, the run was killed between writing the last file and removing the passing one, which has
        // as much.
        let kept = whole_entries(&text).filter(|_| is_passing || !passing.is_file());
        // Written before the other is put aside: killed in between, this is done once more.
        if let Some(kept) = &kept {
            gra_files::write_atomic(&passing, kept.as_bytes())?;
        }
        if kept.is_none() || !is_passing {
            put_aside(&file)?;
        }
    }
    for file in files(&run.join("results").join(model), "json") {
        if !is_whole(&fs::read_to_string(&file)?) {
            put_aside(&file)?;
        }
    }
    Ok(())
}

fn put_aside(file: &Path) -> io::Result<()> {
    fs::rename(file, file.with_extension("json.unreadable"))
}

fn is_whole(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|all| !all.is_empty())
}

/// The entries of a cut-off file that are whole, as a file; `None` where there are none.
fn whole_entries(text: &str) -> Option<String> {
    let end = text.rfind(BETWEEN)?;
    let kept = format!("{}\n    }}\n}}", &text[..end]);
    is_whole(&kept).then_some(kept)
}

/// How many items of a data set have been answered.
pub(super) fn answered(run: &Path, model: &str, dataset: &str) -> u64 {
    let folder = run.join("predictions").join(model);
    let read = |name: String| fs::read_to_string(folder.join(name)).ok();
    let text = read(format!("{dataset}.json"));
    let text = text.or_else(|| read(format!("{PASSING}{dataset}.json")));
    let count = text.map_or(0, |text| text.matches(ENTRY).count());
    u64::try_from(count).unwrap_or_default()
}

/// What is in a folder, by name; nothing where there is no folder.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Files of a folder with this ending, by name.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let is_one = |file: &PathBuf| file.extension().is_some_and(|end| end == ending);
    entries(folder).into_iter().filter(is_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(count: usize) -> String {
        let entry = |place: usize| {
            (
                place.to_string(),
                serde_json::json!({"origin_prompt": "say \"origin_prompt\": {\n    },\n", "prediction": "x"}),
            )
        };
        let all: Map<String, Value> = (0..count).map(entry).collect();
        let mut bytes = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, indent);
        serde::Serialize::serialize(&all, &mut writer).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn whole_entries_of_cut_off_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("predictions/model");
        fs::create_dir_all(&below).unwrap();
        let whole = predictions(3);
        for (name, text) in [
            ("whole.json", whole.as_str()),
            ("last.json", &whole[..whole.len() - 10]),
            ("tmp_passing.json", &whole[..whole.len() - 30]),
            ("none.json", &whole[..20]),
            ("empty.json", ""),
            ("both.json", &whole[..whole.len() - 10]),
            ("tmp_both.json", &whole),
        ] {
            fs::write(below.join(name), text).unwrap();
        }
        mend(folder.path(), "model").unwrap();
        let count = |dataset| answered(folder.path(), "model", dataset);
        let counts = ["whole", "last", "passing", "both", "none", "empty"].map(count);
        assert_eq!(counts, [3, 2, 2, 3, 0, 0]);
        let aside = files(&below, "unreadable");
        assert_eq!(aside.len(), 4);
    }
}
