//! An experiment file as written, on top of the file that it names as its `base`.
//!
//! What both files say, the experiment's own says; tables such as `[method]` are joined key by key,
//! lists such as `[[variant]]` are replaced. One base holds a scale (models, seed set, sizes), and many
//! experiments stand on it: `--base` puts the same question to another scale.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gra_analysis::stats::Margins;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::ModelPool;
use gra_synth::method::Method;
use gra_synth::request::{ModelName, Sampling};
use gra_synth::variant::DisputeRule;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Table, Value};

use super::sources::SourceEntry;
use super::{ExperimentError, VariantEntry, nearest, suggestion};
use crate::answering::MaxFailed;
use crate::builtin;
use crate::dataset::DataSet;
use crate::numbers::{Seats, Values};

/// An experiment file as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentFile {
    /// Folder name of its results.
    pub name: String,
    /// What it asks, in a sentence.
    pub question: String,
    /// Where the paper asks it.
    #[serde(default)]
    pub paper: String,
    /// What the paper reports: a few words, and the cell of the reference tables that has the number.
    #[serde(default)]
    pub expectation: BTreeMap<String, String>,
    /// What was found, written once it was measured.
    #[serde(default)]
    pub analysis: String,
    /// `true` for runs that show how things work and measure nothing.
    #[serde(default)]
    pub demonstration: bool,
    /// The file under this one, which says what this one does not.
    #[serde(default, rename = "base")]
    _base: Option<PathBuf>,
    /// Seed set; a relative path starts at the file that names it.
    pub seed_set: Option<PathBuf>,
    /// Seed sets in the place of `seed_set`, each of which makes an experiment of its own.
    #[serde(default)]
    pub seed_sets: Vec<PathBuf>,
    /// Only so many items of each, the first ones.
    pub limit: Option<usize>,
    /// How to get a seed set that is not there, by its file name; messages show it.
    #[serde(default)]
    pub fetch: BTreeMap<String, String>,
    /// Model pool; a relative path starts at the file that names it.
    pub pool: PathBuf,
    /// Folder of prompt templates; a relative path starts at the file that names it.
    pub prompts: PathBuf,
    /// Run seeds.
    pub seeds: Vec<u64>,
    /// What differs from the method's defaults.
    #[serde(default)]
    pub method: Method,
    /// How tokens are drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// What differs from the engine's defaults.
    #[serde(default)]
    pub engine: EngineSettings,
    /// Most requests that run together; at most so many calls are paid twice after a crash.
    #[serde(default = "default_chunk")]
    pub chunk: usize,
    /// Most failed calls of a stage, as a share or a number; above it the run stops.
    #[serde(default)]
    pub max_failed: MaxFailed,
    /// Whether the run goes on when every reply of a stage is malformed.
    #[serde(default)]
    pub allow_malformed_stages: bool,
    /// The variants, the reference first.
    #[serde(rename = "variant")]
    pub variants: Vec<VariantEntry>,
    /// Data sets that are compared with those of the variants and take no run.
    #[serde(default, rename = "source")]
    pub sources: Vec<SourceEntry>,
    /// How data sets are compared.
    #[serde(default)]
    pub compare: CompareEntry,
    /// Thresholds under which the first variant's reviews are decided again.
    pub rescore: Option<RescoreEntry>,
}

impl ExperimentFile {
    /// The one seed set of an experiment: `given`, or the file's own.
    pub(super) fn seed_set(&self, given: Option<&PathBuf>) -> Result<PathBuf, String> {
        let reason = match (given, &self.seed_set, self.seed_sets.is_empty()) {
            (_, Some(_), false) => "names both `seed_set` and `seed_sets`; one of them is enough",
            (Some(one), ..) | (None, Some(one), true) => return Ok(one.clone()),
            (None, None, true) => {
                "names no seed set\n  hint: seed_set = \"FILE\", or --seed-set FILE"
            }
            (None, None, false) => {
                "names several seed sets\n  hint: take one of them with --seed-set FILE"
            }
        };
        Err(reason.to_owned())
    }

    /// The command that gets a seed set, where the file states one.
    pub(super) fn fetch_command(&self, seed_set: &Path) -> Option<&String> {
        self.fetch.get(seed_set.file_name()?.to_str()?)
    }

    /// Checks the numbers that mean something without pool and seed set.
    pub(super) fn check_numbers(&self) -> Result<(), String> {
        self.method.check().map_err(|error| format!("[method] {error}"))?;
        let Sampling { temperature, top_p } = self.sampling;
        // Comparisons with NaN are false, so it is refused too.
        let is_usable = (0.0..=10.0).contains(&temperature) && top_p > 0.0 && top_p <= 1.0;
        if !is_usable {
            let range = "[sampling] temperature must be from 0 to 10, top_p above 0 and at most 1";
            return Err(range.to_owned());
        }
        if self.limit == Some(0) {
            return Err("limit must be at least 1: no seed item is left".to_owned());
        }
        if !self.max_failed.is_usable() {
            let range = "max_failed must be a number of calls, e.g. 20, or a share from 0.0 to 1.0";
            return Err(range.to_owned());
        }
        Ok(())
    }
}

/// `[compare]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CompareEntry {
    /// Which data sets, the one that others are compared with first; default: all, variants first.
    pub sets: Vec<String>,
    /// The model that scores every response and takes no other part (paper, section 5.4).
    pub judge: Option<String>,
    /// A second model that scores them, so that the two can be held against each other.
    pub second_judge: Option<String>,
    /// The model whose losses make the difficulty (paper, section 5.5).
    pub ifd: Option<String>,
    /// Samples of each data set at most, and responses that were rejected that the judge is asked about.
    pub n: Option<usize>,
    /// Whether every data set is cut to the size of the smallest, what was rejected apart from what was accepted. Means
    /// do not need it, and their intervals grow by it.
    pub equal_n: bool,
    /// Samples of each on which diversity is measured; default: as many as the smallest has.
    pub matched: Option<usize>,
    /// Whether a map of all data sets is drawn.
    pub map: bool,
    /// How large a difference of means still counts as none, by the measure's column: two data sets whose interval
    /// lies within are called alike.
    pub margins: Margins,
    /// Files and folders of benchmarks whose texts are looked for in the samples.
    pub benchmarks: Vec<PathBuf>,
}

/// `[rescore]` as written: ranges as the verb `rescore` takes them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RescoreEntry {
    /// E.g. `7:9:0.5`.
    pub tau: Option<Values>,
    /// E.g. `0.5:2.5:0.5`.
    pub delta: Option<Values>,
    /// E.g. `1..3`.
    pub reviewers: Option<Seats>,
    /// E.g. `0.85:0.95:0.05`.
    pub cosine: Option<Values>,
    /// Rules for disputes.
    pub dispute: Vec<DisputeRule>,
}

/// Requests that run together unless an experiment says otherwise.
pub(crate) const fn default_chunk() -> usize {
    64
}

/// Reads a file and what it stands on. Its paths start at the working directory from then on.
pub(crate) fn read(path: &Path, base: Option<&Path>) -> Result<ExperimentFile, ExperimentError> {
    let table = read_table(path, base, &mut Vec::new())?;
    ExperimentFile::deserialize(table).map_err(|error| syntax(path, &error))
}

/// `above`: the files that stand on this one.
fn read_table(
    path: &Path,
    base: Option<&Path>,
    above: &mut Vec<PathBuf>,
) -> Result<Table, ExperimentError> {
    if above.iter().any(|file| file == path) {
        return Err(ExperimentError::of_file(path, "stands on itself: `base` leads back here"));
    }
    above.push(path.to_owned());
    let text = builtin::read_to_string(path).map_err(|error| {
        let hint = "name the file; one that is built in is experiments/ablation.toml, and `gra-bench init DIR` \
                    writes all of them out";
        ExperimentError::unreadable("experiment", path, &error, hint)
    })?;
    // Read for itself first, so that a mistake is shown with its line. What this file lacks, the file
    // under it may have.
    if let Err(error) = toml::from_str::<ExperimentFile>(&text)
        && !error.message().starts_with("missing field")
    {
        return Err(syntax(path, &error));
    }
    let mut own: Table = toml::from_str(&text).map_err(|error| syntax(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = own.remove("base");
    start_here(&mut own, folder);
    let under = base.map(Path::to_owned).or_else(|| Some(from_folder(folder, named?.as_str()?)));
    let Some(under) = under else { return Ok(own) };
    let mut table = read_table(&under, None, above)?;
    // One key stands in the place of the other.
    for (key, other) in [("seed_set", "seed_sets"), ("seed_sets", "seed_set")] {
        if own.contains_key(key) {
            table.remove(other);
        }
    }
    lay_over(&mut table, own);
    Ok(table)
}

/// A path as a file of this folder names it.
fn from_folder(folder: &Path, named: &str) -> PathBuf {
    let path = Path::new(named);
    if builtin::is_marked(path) { path.to_owned() } else { folder.join(path) }
}

/// Makes relative paths start at the working directory instead of the file's folder.
fn start_here(table: &mut Table, folder: &Path) {
    let resolve = |value: &mut Value| {
        // Some keys hold one path and some a list.
        let paths = match value {
            Value::Array(paths) => paths.as_mut_slice(),
            path => std::slice::from_mut(path),
        };
        for path in paths {
            if let Value::String(path) = path {
                *path = from_folder(folder, path).to_string_lossy().into_owned();
            }
        }
    };
    for key in ["seed_set", "seed_sets", "pool", "prompts"] {
        table.get_mut(key).into_iter().for_each(resolve);
    }
    let compare = table.get_mut("compare");
    compare.and_then(|compare| compare.get_mut("benchmarks")).into_iter().for_each(resolve);
    for (list, key) in [("source", "path"), ("source", "benchmarks"), ("variant", "prompts")] {
        let entries = table.get_mut(list).and_then(Value::as_array_mut);
        entries.into_iter().flatten().filter_map(|entry| entry.get_mut(key)).for_each(resolve);
    }
}

fn lay_over(under: &mut Table, own: Table) {
    for (key, value) in own {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(own)) => lay_over(under, own),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

fn syntax(path: &Path, error: &toml::de::Error) -> ExperimentError {
    ExperimentError::of_file(path, format_args!("{error}{}", hint(error.message())))
}

/// For a word that is not known there, the nearest one that is.
fn hint(message: &str) -> String {
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    // As serde words it: unknown field `x`, expected one of `a`, `b`.
    let mut words = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (is_unknown, words.next()) else { return String::new() };
    nearest(unknown, words)
        .map_or_else(String::new, |word| format!("\n  hint: did you mean `{word}`?"))
}

impl CompareEntry {
    /// Cuts data sets to their sizes.
    pub fn cut(&self, data_sets: &mut [DataSet], run_seed: u64) {
        let n = self.n.unwrap_or(usize::MAX);
        let least = |sizes: &mut dyn Iterator<Item = usize>| sizes.min().unwrap_or(n).min(n);
        let (mut samples, mut rejected) = (n, n);
        if self.equal_n {
            samples = least(&mut data_sets.iter().map(|set| set.samples.len()));
            let sizes =
                data_sets.iter().filter_map(|set| Some(set.trial.as_ref()?.rejected().len()));
            // A variant that rejects nothing would leave none of the others'.
            rejected = least(&mut sizes.filter(|size| *size > 0));
        }
        for data_set in data_sets {
            data_set.cut(samples, rejected, run_seed);
        }
    }

    /// Leaves out the models that a pool does not have.
    pub(super) fn keep_models_of(&mut self, pool: &ModelPool) {
        for model in [&mut self.judge, &mut self.second_judge, &mut self.ifd] {
            *model = model.take().filter(|name| pool.model(&ModelName::new(name)).is_some());
        }
    }

    /// Checks the names.
    pub(super) fn check(&self, sets: &[String], pool: &ModelPool) -> Result<(), String> {
        for name in &self.sets {
            if !sets.contains(name) {
                let known = sets.iter().map(String::as_str);
                return Err(unknown("sets", name, "data set", known));
            }
        }
        let models =
            [("judge", &self.judge), ("second_judge", &self.second_judge), ("ifd", &self.ifd)];
        for (key, model) in models {
            let Some(model) = model else { continue };
            if pool.model(&ModelName::new(model)).is_none() {
                let known = pool.members_and_teachers().map(|model| model.name.as_str());
                return Err(unknown(key, model, "model of the pool", known));
            }
        }
        if self.second_judge.is_some() && (self.judge.is_none() || self.judge == self.second_judge)
        {
            return Err(
                "[compare] `second_judge` stands beside a `judge` that is another model".to_owned()
            );
        }
        if self.n == Some(0) || self.matched == Some(0) {
            return Err("[compare] `n` and `matched` are at least 1".to_owned());
        }
        Ok(())
    }
}

fn unknown<'a>(key: &str, name: &str, what: &str, known: impl Iterator<Item = &'a str>) -> String {
    let hint = suggestion(name, known);
    format!("[compare] {key} names `{name}`, which is no {what}\n  hint: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn own_keys_win_tables_are_joined_and_lists_replaced() {
        let mut under = table(
            "seeds = [1, 2]\nname = 'a'\n[method]\ntau = 8.0\ndelta = 1.5\n[[variant]]\nname = 'x'",
        );
        lay_over(&mut under, table("seeds = [3]\n[method]\ntau = 7.0\n[[variant]]\nname = 'y'"));
        let expected =
            "seeds = [3]\nname = 'a'\n[method]\ntau = 7.0\ndelta = 1.5\n[[variant]]\nname = 'y'";
        assert_eq!(under, table(expected));
    }

    #[test]
    fn relative_paths_start_at_the_files_folder() {
        let mut own = table(
            "pool = 'p.toml'\nseed_sets = ['a.json', '/abs/b.json']\n[compare]\nbenchmarks = ['data', '/abs/b.csv']\n\
             [[source]]\npath = 'x'\nbenchmarks = ['y']\n[[variant]]\nprompts = 'p'",
        );
        start_here(&mut own, Path::new("lab"));
        let expected = "pool = 'lab/p.toml'\nseed_sets = ['lab/a.json', '/abs/b.json']\n\
                        [compare]\nbenchmarks = ['lab/data', '/abs/b.csv']\n\
                        [[source]]\npath = 'lab/x'\nbenchmarks = ['lab/y']\n[[variant]]\nprompts = 'lab/p'";
        assert_eq!(own, table(expected));
    }

    #[test]
    fn the_nearest_known_word_is_offered() {
        let unknown = |message| hint(message).replace("\n  hint: ", "");
        let message = "unknown field `taus`, expected one of `rounds`, `tau`, `delta`";
        assert_eq!(unknown(message), "did you mean `tau`?");
        assert_eq!(unknown("unknown field `zebra`, expected one of `tau`, `delta`"), "");
        assert_eq!(unknown("missing field `tau`"), "");
        assert_eq!(
            unknown("unknown variant `randon`, expected `random` or `fixed`"),
            "did you mean `random`?"
        );
    }
}
