//! What lm-eval wrote: `results_<time>.json` with metrics by task, and `samples_<task>_<time>.jsonl` with a line for each
//! item and each way to find an answer in its reply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gra_paper::Benchmark;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::record::{Item, ScoredBenchmark, ScoredPart};
use super::super::scoring::{NoScore, grid_notes, of_parts};
use super::super::suite::{BenchmarkProtocol, Scope, SuitePart};
use super::PREFIX;

/// Metrics that are scores, the first that a task has counts. What comes after the comma is how an answer is found in
/// a reply; where a task has both, a number anywhere in the reply counts before the form that its examples show.
const METRICS: [&str; 9] = [
    "exact_match,flexible-extract",
    "exact_match,get_response",
    "exact_match,remove_whitespace",
    "exact_match,none",
    "exact_match,strict-match",
    "pass@1,create_test",
    "pass_at_1,none",
    "acc_norm,none",
    "acc,none",
];

/// Metrics of `IFEval`, whose mean is the score; the first two are of prompts.
const IFEVAL: [&str; 4] = [
    "prompt_level_strict_acc,none",
    "prompt_level_loose_acc,none",
    "inst_level_strict_acc,none",
    "inst_level_loose_acc,none",
];

/// A results file.
#[derive(Debug, Deserialize)]
struct Wire {
    results: BTreeMap<String, Map<String, Value>>,
    #[serde(default, rename = "n-samples")]
    samples: BTreeMap<String, Samples>,
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    lm_eval_version: String,
}

#[derive(Debug, Deserialize)]
struct Samples {
    original: u64,
    effective: u64,
}

/// What a call of lm-eval found.
#[derive(Debug)]
pub(crate) struct LmEvalResults {
    file: PathBuf,
    wire: Wire,
}

impl LmEvalResults {
    /// The newest results file below a folder, by the time in its name.
    pub(crate) fn newest(folder: &Path) -> Option<PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                files.extend(Self::newest(&path));
            } else if path.file_name()?.to_string_lossy().starts_with("results")
                && path.extension().is_some_and(|end| end == "json")
            {
                files.push(path);
            }
        }
        files.sort_by_key(|file| file.file_name().map(std::ffi::OsStr::to_owned));
        files.pop()
    }

    /// Reads a results file.
    pub(crate) fn read(file: &Path) -> Result<Self, NoScore> {
        let bytes = std::fs::read(file).map_err(|error| NoScore::in_file(file, error))?;
        let wire = serde_json::from_slice(&bytes).map_err(|error| NoScore::in_file(file, error))?;
        Ok(Self { file: file.to_owned(), wire })
    }

    /// The model's name and the engine's version.
    pub(crate) fn origin(&self) -> (&str, &str) {
        (&self.wire.model_name, &self.wire.lm_eval_version)
    }

    /// The benchmarks that it has scores of.
    pub(crate) fn benchmarks(&self) -> Vec<Benchmark> {
        let has = |benchmark: &Benchmark| !self.tasks(*benchmark).is_empty();
        Benchmark::ALL.into_iter().filter(has).collect()
    }

    /// The tasks of a benchmark by the name of the part that each is, those of a group without the group.
    fn tasks(&self, benchmark: Benchmark) -> BTreeMap<String, &str> {
        let names = self.wire.results.keys().map(String::as_str);
        let mut names: Vec<&str> =
            names.filter(|name| benchmark_of(name) == Some(benchmark)).collect();
        if names.len() > 1 {
            // A group is listed beside its tasks and has no samples of its own.
            names.retain(|name| self.wire.samples.contains_key(*name));
        }
        names.into_iter().map(|name| (part_of(benchmark, name), name)).collect()
    }

    /// Reads a benchmark's score. What was asked for must be there with every part.
    pub(crate) fn score(
        &self,
        benchmark: Benchmark,
        asked: Option<&Scope>,
    ) -> Result<ScoredBenchmark, NoScore> {
        let tasks = self.tasks(benchmark);
        let wanted = asked.map(Scope::parts).unwrap_or_default();
        let is_there =
            |part: &SuitePart| tasks.contains_key(part.name.as_deref().unwrap_or_default());
        if let Some(missing) = wanted.into_iter().find(|part| !is_there(part)) {
            return Err(NoScore::without_result(&missing.dataset, &self.file));
        }
        let mut parts = BTreeMap::new();
        let mut items = Vec::new();
        let mut notes = Vec::new();
        let mut whole = true;
        for (part, task) in tasks {
            let metrics = self.metrics(task);
            let (metric, score) = self.main_metric(benchmark, task, &metrics)?;
            let samples = self.wire.samples.get(task);
            whole &= samples.is_some_and(|samples| samples.original == samples.effective);
            let n = samples.map(|samples| samples.effective);
            let prefix = if part.is_empty() { String::new() } else { format!("{part}/") };
            let of_task = self.items(benchmark, task, metric)?.into_iter();
            items.extend(of_task.map(|item| Item { id: prefix.clone() + &item.id, ..item }));
            notes.push(format!("{task}: {metric}"));
            parts.insert(part, ScoredPart { score, n, prompt_hash: None, metrics });
        }
        // Which metric stands for tens of parts is said once.
        notes.sort();
        notes.dedup_by_key(|note| note.split_once(": ").map(|(_, metric)| metric.to_owned()));
        let mut scored = of_parts(parts, items);
        // A file of a few items is whole to lm-eval.
        scored.whole = whole && scored.n == Some(benchmark.items());
        scored.notes = notes;
        scored.notes.extend(grid_notes(benchmark, &scored));
        Ok(scored)
    }

    /// Numbers of a task, as they were reported: shares of 1 and standard errors.
    fn metrics(&self, task: &str) -> BTreeMap<String, f64> {
        let all = self.wire.results.get(task).into_iter().flatten();
        let numbers = all.filter(|(name, _)| name.contains(','));
        numbers.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
    }

    /// The metric that is the score, and the score in per cent.
    fn main_metric(
        &self,
        benchmark: Benchmark,
        task: &str,
        metrics: &BTreeMap<String, f64>,
    ) -> Result<(&'static str, f64), NoScore> {
        let form = |problem: String| NoScore::in_file(&self.file, problem);
        let per_cent = |metric: &str, share: f64| match share {
            0.0..=1.0 => Ok(share * 100.0),
            _ => Err(form(format!("{metric} of {task} is {share}, not from 0 to 1"))),
        };
        if benchmark == Benchmark::IfEval {
            let mut sum = 0.0;
            for metric in IFEVAL {
                let share = metrics.get(metric);
                let share = share.ok_or_else(|| form(format!("{task} has no {metric}")))?;
                sum += per_cent(metric, *share)?;
            }
            return Ok((IFEVAL[0], sum / 4.0));
        }
        let found = METRICS.iter().find_map(|metric| Some((*metric, *metrics.get(*metric)?)));
        let (metric, share) =
            found.ok_or_else(|| form(format!("{task} has none of {}", METRICS.join(", "))))?;
        Ok((metric, per_cent(metric, share)?))
    }

    /// The items of a task by the metric that is its score; none where no samples were kept.
    fn items(&self, benchmark: Benchmark, task: &str, metric: &str) -> Result<Vec<Item>, NoScore> {
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let time = name.trim_start_matches("results");
        let file = self.file.with_file_name(format!("samples_{task}{time}.jsonl"));
        let Ok(text) = std::fs::read_to_string(&file) else { return Ok(Vec::new()) };
        let (metric, filter) = metric.split_once(',').unwrap_or((metric, "none"));
        let mut items = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let form =
                |problem: String| NoScore::in_file(&file, format!("line {}: {problem}", index + 1));
            let sample: Value =
                serde_json::from_str(line).map_err(|error| form(error.to_string()))?;
            if sample["filter"].as_str() != Some(filter) {
                continue;
            }
            let id = sample["doc_id"].as_u64().ok_or_else(|| form("it has no doc_id".into()))?;
            let share = |metric: &str| match &sample[metric] {
                Value::Bool(right) => Some(if *right { 1.0 } else { 0.0 }),
                other => other.as_f64(),
            };
            let right = if benchmark == Benchmark::IfEval {
                let loose = share("prompt_level_loose_acc");
                share("prompt_level_strict_acc").zip(loose).map(|(a, b)| f64::midpoint(a, b))
            } else {
                share(metric)
            };
            let right = right.ok_or_else(|| form(format!("it has no {metric}")))?;
            items.insert(id, right);
        }
        Ok(items.into_iter().map(|(id, right)| Item { id: id.to_string(), right }).collect())
    }
}

/// The benchmark that a task is of, by its name.
fn benchmark_of(task: &str) -> Option<Benchmark> {
    let task = task.strip_prefix(PREFIX).unwrap_or(task);
    let starts = [
        ("gsm8k", Benchmark::Gsm8k),
        ("hendrycks_math", Benchmark::Math),
        ("minerva_math", Benchmark::Math),
        ("humaneval", Benchmark::HumanEval),
        ("mbpp", Benchmark::Mbpp),
        ("hellaswag", Benchmark::HellaSwag),
        ("arc_challenge", Benchmark::ArcC),
        ("gpqa_diamond", Benchmark::Gpqa),
        ("bbh", Benchmark::Bbh),
        ("mmlu", Benchmark::Mmlu),
        ("ifeval", Benchmark::IfEval),
    ];
    let of_ours = task.parse().ok();
    // MMLU-Pro and its likes are other benchmarks, and so are versions in other languages.
    let others = "mmlu_pro mmlu- mmlu_redux mmlusr gsm8k_platinum humaneval_plus mbpp_plus";
    if others.split(' ').any(|other| task.starts_with(other)) {
        return None;
    }
    let found = starts.iter().find(|(start, _)| task.starts_with(start));
    of_ours.or_else(|| found.map(|(_, benchmark)| *benchmark))
}

/// The part of a benchmark that a task is, e.g. `anatomy` of `mmlu_anatomy_generative`; empty for a whole benchmark.
fn part_of(benchmark: Benchmark, task: &str) -> String {
    let parts = BenchmarkProtocol::of_benchmark(benchmark).parts();
    let names = parts.iter().filter_map(|part| part.name.as_deref());
    // The longest: `logical_deduction` is in several names, `high_school_physics` is not `physics`.
    let mut found: Vec<&str> = names.filter(|name| task.contains(name)).collect();
    found.sort_by_key(|name| name.len());
    let subject = |task: &str| {
        let subjects = ["hendrycks_math_", "minerva_math_"];
        subjects.iter().find_map(|start| task.strip_prefix(start)).map(str::to_owned)
    };
    found.last().map(|name| (*name).to_owned()).or_else(|| subject(task)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
