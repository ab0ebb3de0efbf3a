//! Data sets as peers: a trial's samples, a seed set, or anybody's file, in one form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use gra_analysis::contamination::SampleTexts;
use gra_analysis::rescore::Rule;
use gra_analysis::trial::{TrialFacts, has_passed, lineage};
use gra_synth::candidate::Candidate;
use gra_synth::committee::Tally;
use gra_synth::domain::Domain;
use gra_synth::pool::{ItemId, SeedItem};
use gra_synth::request::ModelName;
use gra_synth::stream::Stream;

use crate::benchmark_scores::DataSubject;
use crate::failure::bad_input;
use crate::seeds::{self, Account, LoadOptions, SeedSet};
use crate::store::Store;
use crate::trial::stored::StoredTrial;
use crate::trial::{TrialId, TrialRecord};

/// A data set to be measured, as named on the command line: `NAME=SOURCE` or `SOURCE`, where a source
/// is a trial (`ablation/gra/seed-42`) or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name in tables; also names its files.
    pub name: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Trial(TrialId),
    File(PathBuf),
}

/// A sample: its texts, and what is known of it already.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Place in its seed set, or candidate.
    pub id: ItemId,
    /// Itself and what it was made from ([`lineage`]), by names that are the same in every data set of one seed set.
    pub items: Vec<String>,
    /// Where it is known.
    pub domain: Option<Domain>,
    /// Who wrote it, where that is known.
    pub generator: Option<ModelName>,
    /// x, an input included.
    pub instruction: String,
    /// Where the input begins in the instruction.
    pub input_at: Option<usize>,
    /// y.
    pub response: Option<String>,
    /// The committee's scores.
    pub tally: Option<Tally>,
    /// All that is recorded of it, where a trial made it.
    pub candidate: Option<Arc<Candidate>>,
    /// The data set that it was first of, where it is of several together.
    pub origin: Option<Arc<str>>,
}

/// A data set.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    /// Its name.
    pub name: String,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
    /// What was read of the files that its samples are from, by their names; none for a trial.
    pub files: BTreeMap<String, Account>,
    /// SHA-256 of the seed set that the samples' items are from; `None` where they are from several.
    pub seed_set: Option<String>,
    /// Where the samples come from, when that is a trial.
    pub trial: Option<SourceTrial>,
    /// Whether they, or some of them, are of a demonstration's trial.
    pub is_demonstration: bool,
    /// What was left out of it on purpose, a sentence each.
    pub left_out: Vec<String>,
    /// What its samples are, in a phrase: `the seed set alpaca.json`.
    pub content: String,
    /// What its samples are, in the words of the paper's tables.
    pub(crate) subject: DataSubject,
    /// What determined the trials that its samples are of.
    pub records: Vec<Arc<TrialRecord>>,
}

/// The trial whose samples a data set holds.
#[derive(Clone, Debug)]
pub struct SourceTrial {
    /// What it recorded.
    pub facts: TrialFacts,
    /// The rule that it ran under.
    pub rule: Rule,
    /// The candidates that a judge is asked about, where they were cut to numbers: of the accepted and of the rejected
    /// another share is left. `None` for all that have a response.
    pub judged: Option<BTreeSet<ItemId>>,
}

impl SourceTrial {
    /// Responses that review or deduplication ended.
    #[must_use]
    pub fn rejected(&self) -> Vec<ItemId> {
        let candidates = self.facts.candidates.iter();
        let rejected = candidates.filter(|c| c.response.is_some() && !has_passed(c));
        rejected.map(|candidate| candidate.id).collect()
    }
}

impl Named {
    /// Reads `NAME=SOURCE` or `SOURCE`. What is written like a trial and is no file is one.
    ///
    /// # Errors
    /// When the name is not plain.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, written) = match text.split_once('=') {
            Some((name, source)) => (Some(name), source),
            None => (None, text),
        };
        let file = Path::new(written);
        let source = match written.parse::<TrialId>() {
            Ok(trial) if !file.is_file() => Source::Trial(trial),
            _ => Source::File(file.to_owned()),
        };
        let name = name.map_or_else(|| source.own_name(), str::to_owned);
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            bail!(
                "`{name}` cannot name a data set: it also names files\n\
                 hint: write NAME={written} with letters, digits, `-`, `_` and `.`"
            );
        }
        Ok(Self { name, source })
    }

    /// Which trial of the store it is; `None` for a file.
    #[must_use]
    pub const fn trial(&self) -> Option<&TrialId> {
        if let Source::Trial(id) = &self.source { Some(id) } else { None }
    }

    /// Loads the data set.
    ///
    /// # Errors
    /// When the file cannot be read as a data set, there is no such trial, or it is not finished.
    pub fn load(self, store: &Store) -> Result<DataSet> {
        match self.source {
            Source::File(path) => DataSet::of_file(self.name, &path),
            Source::Trial(id) => {
                let trial = StoredTrial::open_finished(store, &id)?;
                DataSet::of_trial(self.name, &trial, store, u32::MAX)
            }
        }
    }
}

impl Source {
    fn own_name(&self) -> String {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
        match self {
            Self::Trial(id) => id.joined(),
            Self::File(path) => {
                file_name(path).split('.').next().unwrap_or_default().chars().map(plain).collect()
            }
        }
    }
}

/// A file's name without its folders.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl From<SeedItem> for Sample {
    fn from(item: SeedItem) -> Self {
        Self {
            id: item.id(),
            items: vec![item.id().to_string()],
            domain: item.annotation.map(|annotation| annotation.domain),
            generator: None,
            instruction: item.instruction,
            input_at: item.input_at,
            response: item.response,
            tally: None,
            candidate: None,
            origin: None,
        }
    }
}

impl Sample {
    /// A candidate's texts.
    fn of(candidate: &Candidate, run_seed: u64) -> Result<Self> {
        // One candidate under two variants is one item; under two run seeds it is two.
        let item = |id: ItemId| match id {
            ItemId::Seed(_) => id.to_string(),
            ItemId::Candidate { .. } => format!("{id}/seed-{run_seed}"),
        };
        let id = candidate.id;
        let instruction = candidate.instruction.clone();
        Ok(Self {
            id,
            items: lineage(candidate).into_iter().map(item).collect(),
            domain: candidate.domain,
            generator: Some(candidate.roles.generator.clone()),
            instruction: instruction.with_context(|| {
                format!("sample {id} has no instruction: its facts are damaged")
            })?,
            input_at: None,
            response: candidate.response.clone(),
            tally: candidate.tally(),
            candidate: Some(Arc::new(candidate.clone())),
            origin: None,
        })
    }

    /// What is to be done, without the input.
    #[must_use]
    pub fn task(&self) -> &str {
        match self.input_at {
            Some(at) => self.instruction[..at].trim_end(),
            None => &self.instruction,
        }
    }

    /// What it is to be done with.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        self.input_at.map(|at| &self.instruction[at..])
    }
}

impl DataSet {
    /// Samples of which nothing else is known.
    #[must_use]
    pub fn new(name: String, samples: Vec<Sample>) -> Self {
        Self { name, samples, ..Self::default() }
    }

    /// The items of a seed set, or of a file that was read like one, of this name.
    #[must_use]
    pub fn of_seed_set(name: String, file: &str, seeds: &SeedSet) -> Self {
        // Nothing tells what a file was made from; its name, such as `alpaca.json`, may say its format.
        let (seed_dataset, data_source) = (name.clone(), name.clone());
        Self {
            files: BTreeMap::from([(file.to_owned(), seeds.account())]),
            // Its items are those that a trial was made from when the file is the same.
            seed_set: Some(seeds.sha256.clone()),
            content: format!("the seed set {file}"),
            subject: DataSubject { seed_dataset, data_source, iteration: None },
            ..Self::new(name, seeds.items.iter().cloned().map(Sample::from).collect())
        }
    }

    /// A file that is read like a seed set.
    ///
    /// # Errors
    /// When it cannot be read as a data set.
    pub fn of_file(name: String, path: &Path) -> Result<Self> {
        // A data set may hold a text twice, which a seed set may not.
        let options = LoadOptions { keep_repeats: true, ..LoadOptions::default() };
        let file = file_name(path);
        let set = Self::of_seed_set(name, &file, &seeds::load(path, &options)?);
        Ok(Self { content: format!("the file {file}"), ..set })
    }

    /// The accepted ones among a trial's candidates; what the trial recorded besides is not with them.
    ///
    /// # Errors
    /// When a sample's facts are damaged.
    pub fn of_candidates(
        name: String,
        record: &TrialRecord,
        candidates: &[Candidate],
    ) -> Result<Self> {
        let samples = candidates.iter().filter(|candidate| candidate.is_sample());
        let samples = samples.map(|sample| Sample::of(sample, record.id.seed));
        Ok(Self {
            seed_set: Some(record.settings.seed_set_sha256.clone()),
            is_demonstration: record.demonstration,
            content: format!("the samples of {}", record.id),
            subject: record.subject(candidates),
            records: vec![Arc::new(record.clone())],
            ..Self::new(name, samples.collect::<Result<_>>()?)
        })
    }

    /// The samples of a trial's rounds up to this one, with the facts of those rounds.
    ///
    /// # Errors
    /// When the store cannot be read, or a sample's facts are damaged.
    pub fn of_trial(name: String, trial: &StoredTrial, store: &Store, until: u32) -> Result<Self> {
        let counts = |id: ItemId| id.round().is_none_or(|round| round <= until);
        // What a later round asked is no cost of these samples.
        let mut facts = trial.facts(store)?;
        facts.candidates.retain(|candidate| counts(candidate.id));
        facts.calls.retain(|call| counts(call.id.subject));
        let mut set = Self::of_candidates(name, &trial.record, &facts.candidates)?;
        if until < u32::MAX {
            set.content = format!("the samples of rounds 1 to {until} of {}", trial.id());
        }
        let settings = &trial.record.settings;
        let rule = Rule::recorded(&settings.method, &settings.variant);
        set.trial = Some(SourceTrial { facts, rule, judged: None });
        Ok(set)
    }

    /// What a reader must know of the files that it is from: what was skipped and why, what was not read; and what was
    /// left out of it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let of_files = self.files.iter().flat_map(|(name, account)| account.notes(name));
        of_files.chain(self.left_out.iter().cloned()).collect()
    }

    /// What contamination is looked for in.
    #[must_use]
    pub fn texts(&self) -> SampleTexts<'_> {
        let samples = self.samples.iter();
        let samples = samples.map(|sample| {
            (sample.id.to_string(), sample.instruction.as_str(), sample.response.as_deref())
        });
        SampleTexts { name: &self.name, samples: samples.collect() }
    }

    /// Keeps the `n` samples that the committee scored highest, earlier ones among equals, in their order; samples
    /// without scores come last.
    pub fn keep_best(&mut self, n: usize) {
        let mu = |place: usize| self.samples[place].tally.map_or(f64::NEG_INFINITY, Tally::mu);
        let mut places: Vec<usize> = (0..self.samples.len()).collect();
        // Stable: among equals earlier samples stay before later ones.
        places.sort_by(|a, b| mu(*b).total_cmp(&mu(*a)));
        places.truncate(n);
        places.sort_unstable();
        keep(&mut self.samples, &places);
        // What it cost, and what was rejected, is of all that were written.
        self.trial = None;
    }

    /// Keeps `n` samples, drawn by the run seed and their ids, in their order; all when there are fewer. Of a trial, a
    /// judge is then asked about these and about as many that were rejected. Data sets that share items keep the same
    /// ones where they can, so that they are still compared item by item.
    pub fn subsample(&mut self, n: usize, run_seed: u64) {
        self.cut(n, n, run_seed);
    }

    /// The same with a number of its own for what was rejected.
    pub fn cut(&mut self, samples: usize, rejected: usize, run_seed: u64) {
        let had = self.samples.len();
        let ids: Vec<ItemId> = self.samples.iter().map(|sample| sample.id).collect();
        keep(&mut self.samples, &drawn(&ids, samples, run_seed));
        let Some(trial) = &mut self.trial else { return };
        let mut others = trial.rejected();
        // Where nothing is cut, a judge is asked about all that have a response.
        if had <= samples && others.len() <= rejected {
            return;
        }
        let kept = drawn(&others, rejected, run_seed);
        keep(&mut others, &kept);
        trial.judged = Some(self.samples.iter().map(|sample| sample.id).chain(others).collect());
    }
}

/// The places of `n` of these items, rising: those whose own draws are the lowest.
pub(crate) fn drawn(ids: &[ItemId], n: usize, run_seed: u64) -> Vec<usize> {
    let draw = |place: &usize| {
        let id = ids[*place].to_string();
        // A draw of its own for each id, whatever else the data set holds; its place settles equal ones.
        (Stream::named(run_seed, &["subsample", &id]).next_u64(), *place)
    };
    let mut places: Vec<usize> = (0..ids.len()).collect();
    if n < ids.len() {
        places.sort_by_cached_key(draw);
        places.truncate(n);
        places.sort_unstable();
    }
    places
}

/// Keeps what stands at these places, which rise.
fn keep<T>(rows: &mut Vec<T>, places: &[usize]) {
    let mut place = 0..;
    rows.retain(|_| place.next().is_some_and(|place| places.binary_search(&place).is_ok()));
}

/// Loads data sets.
///
/// # Errors
/// When two have one name, or one cannot be loaded or is empty.
pub fn load(named: Vec<Named>, store: &Store) -> Result<Vec<DataSet>> {
    for (place, data_set) in named.iter().enumerate() {
        if named[..place].iter().any(|earlier| earlier.name == data_set.name) {
            return Err(bad_input(anyhow!(
                "two data sets are called `{}`\nhint: name them: A=SOURCE B=SOURCE",
                data_set.name
            )));
        }
    }
    let load = |named: Named| {
        let data_set = named.load(store)?;
        if data_set.samples.is_empty() {
            return Err(bad_input(anyhow!("data set `{}` has no samples", data_set.name)));
        }
        Ok(data_set)
    };
    named.into_iter().map(load).collect()
}

#[cfg(test)]
mod tests;
