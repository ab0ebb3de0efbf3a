//! The data sets of an experiment under one run seed: what its variants made, and its sources, which
//! took no run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use gra_analysis::checks::Checks;
use gra_analysis::contamination::Contamination;
use gra_synth::pool::ItemId;

use crate::benchmark_scores::DataSubject;
use crate::benchmarks::BenchmarkFiles;
use crate::dataset::{DataSet, Sample};
use crate::experiment::{Content, Experiment, Keep, Size, Source};
use crate::failure::bad_input;
use crate::store::Store;
use crate::terminal::shell_path;
use crate::trial::TrialId;
use crate::trial::stored::StoredTrial;

/// File of a comparison's folder: what can be told apart, a sentence per line.
pub(crate) const WORDS: &str = "words.txt";

/// Where the comparison of an experiment's data sets stands.
pub(crate) fn folder(results: &Path, experiment: &str, run_seed: u64) -> PathBuf {
    results.join(experiment).join(format!("seed-{run_seed}.compare"))
}

/// The data sets of these names in their order, under the experiment's first run seed; all of the experiment's when none
/// is named. `file` is what the user named, and `purpose` what cannot be done without the data: `export`.
///
/// # Errors
/// When a name is unknown, a trial is missing or not finished, a file cannot be read, or a data set is empty.
pub(crate) fn data_sets(
    experiment: &Experiment,
    names: &[String],
    store: &Store,
    file: &Path,
    purpose: &str,
) -> Result<Vec<DataSet>> {
    let variants = experiment.variants.iter().map(|variant| &variant.name);
    let all: Vec<&String> =
        variants.chain(experiment.sources.iter().map(|source| &source.name)).collect();
    // Names are checked before anything is loaded: a data set may be large.
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        let known: Vec<&str> = all.iter().map(|name| name.as_str()).collect();
        return Err(bad_input(anyhow!(
            "{} has no data set `{unknown}`\nhint: there are {}",
            experiment.name,
            known.join(", ")
        )));
    }
    let run_seed = experiment.seeds[0];
    let mut loader = Loader { experiment, run_seed, store, loaded: BTreeMap::new() };
    let chosen = if names.is_empty() { all } else { names.iter().collect() };
    let sets: Result<Vec<DataSet>> = chosen.into_iter().map(|name| loader.load(name)).collect();
    sets.with_context(|| {
        format!("cannot {purpose} {}\nhint: gra-bench run {}", experiment.name, shell_path(file))
    })
}

/// Loads data sets, each once: sources may be made of others.
struct Loader<'a> {
    experiment: &'a Experiment,
    run_seed: u64,
    store: &'a Store,
    loaded: BTreeMap<String, DataSet>,
}

impl Loader<'_> {
    /// A variant's or a source's data set. A source is made of data sets that stand before it, so this ends.
    fn load(&mut self, name: &str) -> Result<DataSet> {
        if let Some(data_set) = self.loaded.get(name) {
            return Ok(data_set.clone());
        }
        let experiment = self.experiment;
        let source = experiment.sources.iter().find(|source| source.name == name);
        let data_set = match source {
            Some(source) => self.source(source)?,
            None => self.trial(name, &experiment.name, name, u32::MAX)?,
        };
        if data_set.samples.is_empty() {
            bail!(
                "data set `{name}` has no samples: there is nothing to compare\n\
                 hint: leave it out with --sets"
            );
        }
        self.loaded.insert(name.to_owned(), data_set.clone());
        Ok(data_set)
    }

    fn source(&mut self, source: &Source) -> Result<DataSet> {
        let name = source.name.clone();
        let mut data_set = match &source.content {
            Content::SeedSet => {
                let Experiment { seed_file, seed_set, .. } = self.experiment;
                let mut set = DataSet::of_seed_set(name, seed_file, seed_set);
                set.subject.seed_dataset = self.experiment.seed_set_name();
                set
            }
            Content::File(path) => DataSet::of_file(name, path)?,
            Content::Trial { experiment, variant } => {
                self.trial(&name, experiment, variant, u32::MAX)?
            }
            Content::Rounds { variant, until } => {
                let mut part = self.trial(&name, &self.experiment.name, variant, *until)?;
                // Another number of rounds is no other source of data.
                part.subject.data_source.clone_from(variant);
                part
            }
            Content::Union(parts) => {
                let parts: Vec<DataSet> =
                    parts.iter().map(|part| self.load(part)).collect::<Result<_>>()?;
                union(name, &parts)
            }
            Content::Filtered { of, checks, benchmarks } => {
                filtered(name, self.load(of)?, checks, benchmarks)?
            }
        };
        let size = match &source.size {
            Size::Full => usize::MAX,
            Size::Samples(n) => *n,
            Size::Of(other) => self.load(other)?.samples.len(),
        };
        let had = data_set.samples.len();
        let which = match source.keep {
            Keep::Drawn => {
                data_set.subsample(size, self.run_seed);
                "drawn"
            }
            Keep::HighestMu => {
                data_set.keep_best(size);
                "those of the highest mu"
            }
        };
        // A card and a page say that it was cut, and by what.
        if size < had {
            let _ = write!(data_set.content, ", cut to {size} of {had}, {which}");
        }
        Ok(data_set)
    }

    fn trial(&self, name: &str, experiment: &str, variant: &str, until: u32) -> Result<DataSet> {
        let id = TrialId::new(experiment, variant, self.run_seed);
        let trial = StoredTrial::open_finished(self.store, &id)
            .with_context(|| format!("data set `{name}` is not there yet"))?;
        let mut data_set = DataSet::of_trial(name.to_owned(), &trial, self.store, until)?;
        name.clone_into(&mut data_set.subject.data_source);
        Ok(data_set)
    }
}

/// The samples in which these checks find nothing and that hold no item of these benchmarks. What it cost, and what was
/// rejected, is of the whole data set, and stays with that.
fn filtered(
    name: String,
    mut whole: DataSet,
    checks: &[String],
    benchmarks: &[PathBuf],
) -> Result<DataSet> {
    let named = BenchmarkFiles::read(benchmarks)?;
    let contamination = Contamination::of(&[whole.texts()], &named.benchmarks);
    let held = contamination.samples(0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut samples = Vec::new();
    for sample in &whole.samples {
        let found = Checks::of(&sample.instruction, sample.response.as_deref());
        let faults = found.faults().filter(|fault| checks.iter().any(|check| check == fault));
        let held =
            held.contains(sample.id.to_string().as_str()).then_some("holds a benchmark's item");
        let faults: Vec<&str> = faults.chain(held).collect();
        if faults.is_empty() {
            samples.push(sample.clone());
        }
        for fault in faults {
            *counts.entry(fault).or_default() += 1;
        }
    }
    let reasons: Vec<String> = counts.iter().map(|(fault, n)| format!("{fault} {n}")).collect();
    // A sample with two faults is left out once and counted under both.
    let reasons = if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") };
    let (all, out) = (whole.samples.len(), whole.samples.len() - samples.len());
    let out = format!("{name}: {out} of {all} samples of {} are left out: {reasons}.", whole.name);
    let content = format!("{}, without samples that checks find fault with", whole.content);
    whole.left_out.push(out);
    whole.subject.data_source.clone_from(&name);
    Ok(DataSet { name, samples, content, trial: None, ..whole })
}

/// The parts behind each other without exact repeats, numbered anew: candidates of two trials may have
/// one id. What they go back to is kept where that is one seed set.
fn union(name: String, parts: &[DataSet]) -> DataSet {
    // A union is of two parts at least.
    let first = &parts[0];
    let is_of_one = parts.iter().all(|part| part.seed_set == first.seed_set);
    let seed_set = first.seed_set.clone().filter(|_| is_of_one);
    let mut seen = BTreeSet::new();
    let mut samples: Vec<Sample> = Vec::new();
    for part in parts {
        let origin: Arc<str> = part.name.as_str().into();
        for sample in &part.samples {
            if !seen.insert((&sample.instruction, &sample.response)) {
                continue;
            }
            let id = ItemId::Seed(u32::try_from(samples.len()).unwrap_or(u32::MAX));
            // Items of two seed sets may have one name and be others: a sample then goes back to itself alone.
            let own = || vec![id.to_string()];
            let items = if seed_set.is_some() { sample.items.clone() } else { own() };
            let origin = Some(sample.origin.as_ref().unwrap_or(&origin).clone());
            samples.push(Sample { id, items, origin, ..sample.clone() });
        }
    }
    let files = parts.iter().flat_map(|part| part.files.clone()).collect();
    let is_demonstration = parts.iter().any(|part| part.is_demonstration);
    let left_out = parts.iter().flat_map(|part| part.left_out.clone()).collect();
    let mut records: Vec<_> = parts.iter().flat_map(|part| part.records.clone()).collect();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    records.dedup_by(|a, b| a.id == b.id);
    let contents: Vec<&str> = parts.iter().map(|part| part.content.as_str()).collect();
    let content = format!("{}, exact repeats left out", contents.join(" and "));
    let seed_dataset = first.subject.seed_dataset.clone();
    let subject = DataSubject { seed_dataset, data_source: name.clone(), iteration: None };
    let set =
        DataSet { files, seed_set, is_demonstration, left_out, ..DataSet::new(name, samples) };
    DataSet { content, subject, records, ..set }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Account;

    fn part(name: &str, seed_set: Option<&str>, texts: &[&str]) -> DataSet {
        let sample = |(number, text): (u32, &&str)| Sample {
            id: ItemId::Candidate { round: 1, number },
            items: vec![format!("r1-{number:05}"), "s00007".to_owned()],
            domain: None,
            generator: None,
            instruction: (*text).to_owned(),
            input_at: None,
            response: Some("Yes.".to_owned()),
            tally: None,
            candidate: None,
            origin: None,
        };
        let samples = (0..).zip(texts).map(sample).collect();
        let (name, seed_set) = (name.to_owned(), seed_set.map(str::to_owned));
        let files = BTreeMap::from([(format!("{name}.json"), Account::default())]);
        DataSet { files, seed_set, ..DataSet::new(name, samples) }
    }

    #[test]
    fn a_union_has_no_exact_repeats_and_ids_of_its_own() {
        let parts =
            [part("a", Some("x"), &["One.", "Two."]), part("b", Some("x"), &["Two.", "Three."])];
        let all = union("all".to_owned(), &parts);
        let texts: Vec<&str> =
            all.samples.iter().map(|sample| sample.instruction.as_str()).collect();
        assert_eq!(texts, ["One.", "Two.", "Three."]);
        let ids: Vec<ItemId> = all.samples.iter().map(|sample| sample.id).collect();
        assert_eq!(ids, [0, 1, 2].map(ItemId::Seed));
        assert!(all.samples.iter().all(|sample| sample.items[1] == "s00007"));
        assert_eq!(all.seed_set.as_deref(), Some("x"));
        assert_eq!(all.files.keys().collect::<Vec<_>>(), ["a.json", "b.json"]);
    }

    #[test]
    fn what_fails_a_check_is_left_out_and_counted() {
        let mut whole = part("gra", Some("x"), &["Add.", "Sum."]);
        whole.samples[0].response = Some("As an AI model, I am unable to answer.".to_owned());
        let clean = filtered("clean".to_owned(), whole, &["refusal".to_owned()], &[]).unwrap();
        assert_eq!(clean.samples.len(), 1);
        assert_eq!(clean.samples[0].instruction, "Sum.");
        let notes = clean.notes();
        assert!(
            notes.contains(&"clean: 1 of 2 samples of gra are left out: refusal 1.".to_owned()),
            "{notes:?}"
        );
    }

    #[test]
    fn items_of_two_seed_sets_are_not_mixed() {
        let all =
            union("all".to_owned(), &[part("a", Some("x"), &["One."]), part("b", None, &["Two."])]);
        assert_eq!(all.seed_set, None);
        assert!(all.samples.iter().all(|sample| sample.items == [sample.id.to_string()]));
    }
}
