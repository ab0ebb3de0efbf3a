//! Contamination: texts of benchmarks that samples hold.
//!
//! Two rules, both on runs of words, in small letters and without signs:
//!
//! - A sample *overlaps* with an item of a benchmark when they share 13 words in a row, as in Brown et al. 2020 (GPT-3,
//!   appendix C). Runs that more than ten samples of a data set have are no overlap, as there: they are boilerplate.
//! - The *share found* of an item is how much of its 8-grams a sample holds, each weighted by how rare it is (its inverse
//!   document frequency). It finds items that were reworded in places, which 13 words in a row do not, and does not count
//!   what many texts have.
//!
//! Both compare within one text: a field of an item, an instruction, a response. Items and samples whose texts are all
//! shorter than 13 words cannot overlap; they are counted as not checked and are no part of any share.
//!
//! What a model learnt from elsewhere, and paraphrases, are not found.
//!
//! Runs of words are looked up by their hashes ([`Index`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use rayon::prelude::*;

use crate::diversity::lexical::words;
use crate::foreign_text::CsvWriter;
use crate::stats::measure::{Measure, MeasureTable, MeasureValue};

/// Words in a row that make an overlap.
pub const OVERLAP: usize = 13;
/// Words of the runs that an item's share is found by.
pub const RUN: usize = 8;
/// The share from which on an item counts as found.
pub const FOUND: f64 = 0.5;
/// Samples of a data set that may hold a run before it is boilerplate.
const MOST_SAMPLES: usize = 10;

/// A benchmark: its items in their order, each with its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Its name; unique among those compared.
    pub name: String,
    /// The texts of each item.
    pub items: Vec<Vec<String>>,
}

/// A data set as far as contamination goes.
#[derive(Clone, Debug)]
pub struct SampleTexts<'a> {
    /// The data set's name.
    pub name: &'a str,
    /// Each sample's id, instruction and response.
    pub samples: Vec<(String, &'a str, Option<&'a str>)>,
}

/// What was found in several data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Contamination {
    benchmarks: Vec<CheckedItems>,
    data_sets: Vec<CheckedSet>,
}

/// How much of a benchmark can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CheckedItems {
    name: String,
    items: usize,
    /// Items with a text of 13 words and more.
    checked: usize,
    /// Items with a text of 8 words and more.
    with_runs: usize,
}

/// What was found in a data set.
#[derive(Clone, Debug, PartialEq)]
struct CheckedSet {
    name: String,
    samples: usize,
    /// Samples with a text of 13 words and more.
    checked: usize,
    /// Runs of 13 words that were left out as boilerplate.
    boilerplate: usize,
    /// In the order of samples, then of items.
    hits: Vec<Hit>,
}

/// A sample and an item that it holds.
#[derive(Clone, Debug, PartialEq)]
struct Hit {
    sample: String,
    benchmark: usize,
    item: usize,
    /// The first words that both have: 13 for an overlap, else 8.
    words: String,
    /// Whether they share 13 words in a row.
    overlaps: bool,
    /// Of the item, in [0, 1].
    share: f64,
}

impl Contamination {
    /// Looks for the benchmarks' items in the data sets.
    #[must_use]
    pub fn of(data_sets: &[SampleTexts<'_>], benchmarks: &[Benchmark]) -> Self {
        let items = benchmarks.iter().enumerate().flat_map(|(at, benchmark)| {
            let items = benchmark.items.iter().enumerate();
            items.map(move |(item, texts)| ((at, item), texts.as_slice()))
        });
        let (places, texts): (Vec<(usize, usize)>, Vec<&[String]>) = items.unzip();
        // One index for each rule: their runs have different lengths.
        let [overlaps, runs] = [OVERLAP, RUN].map(|length| Index::of(&texts, length));
        let search = Search { overlaps, runs, places };
        let checked = |benchmark: &Benchmark| {
            // An item is as long as its longest text: a run never crosses from one to the next.
            let longest = |texts: &Vec<String>| texts.iter().map(|text| words(text).len()).max();
            let lengths: Vec<usize> = benchmark.items.iter().filter_map(longest).collect();
            let of = |least: usize| lengths.iter().filter(|length| **length >= least).count();
            CheckedItems {
                name: benchmark.name.clone(),
                items: benchmark.items.len(),
                checked: of(OVERLAP),
                with_runs: of(RUN),
            }
        };
        Self {
            benchmarks: benchmarks.iter().map(checked).collect(),
            data_sets: data_sets.iter().map(|set| search.of(set)).collect(),
        }
    }

    /// The samples of a data set that hold an item of a benchmark, by id.
    #[must_use]
    pub fn samples(&self, data_set: usize) -> BTreeSet<&str> {
        self.data_sets[data_set].hits.iter().map(|hit| hit.sample.as_str()).collect()
    }

    /// Writes a line per sample and item that it holds: `data_set`, `sample`, `benchmark`, `item` (its place in the file
    /// from 0), `rule` (`13 words` or `8-grams`), `share_found` of the item, and the first `words` that both have.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_csv(&self, writer: impl Write) -> io::Result<()> {
        let mut csv = CsvWriter::from_writer(writer);
        let header = ["data_set", "sample", "benchmark", "item", "rule", "share_found", "words"];
        csv.write_record(header)?;
        for set in &self.data_sets {
            for hit in &set.hits {
                let rule = if hit.overlaps { "13 words" } else { "8-grams" };
                csv.write_record([
                    &set.name,
                    &hit.sample,
                    &self.benchmarks[hit.benchmark].name,
                    &hit.item.to_string(),
                    rule,
                    &format!("{:.4}", hit.share),
                    &hit.words,
                ])?;
            }
        }
        csv.flush()
    }

    /// Adds three shares for each benchmark: of a data set's samples that overlap with it, of its items that overlap with
    /// the data set, and of its items that are found by their 8-grams. They describe these very data sets and have no
    /// interval. The last is a detail, and so are all three of a benchmark that no data set holds anything of.
    ///
    /// # Panics
    /// When the table is not of these data sets.
    pub fn describe(&self, table: &mut MeasureTable) {
        for (at, CheckedItems { name, checked, with_runs, .. }) in
            self.benchmarks.iter().enumerate()
        {
            let mut add = |what: String, is_detail, cell: &dyn Fn(&CheckedSet) -> MeasureValue| {
                let cells = self.data_sets.iter().map(cell).collect();
                let name = format!("{name}: {what}");
                table.add(Measure { group: "contamination", name, cells, is_detail });
            };
            let is_clean = self.is_clean(at);
            let samples = format!("samples with {OVERLAP} words of it, share");
            add(samples, is_clean, &|set| share(set.overlapping(at).0, set.checked));
            let items = format!("items with {OVERLAP} words in a sample, share");
            add(items, is_clean, &|set| share(set.overlapping(at).1, *checked));
            let by_runs =
                format!("items found by {}% of their {RUN}-grams (IDF), share", FOUND * 100.0);
            add(by_runs, true, &|set| share(set.found_by_runs(at), *with_runs));
        }
    }

    /// Whether no data set holds anything of a benchmark.
    fn is_clean(&self, benchmark: usize) -> bool {
        self.data_sets.iter().all(|set| set.hits_of(benchmark).next().is_none())
    }

    /// What nothing was found of, what was not checked and what was left out, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let names = self.benchmarks.iter().enumerate();
        let clean: Vec<&str> =
            names.filter(|(at, _)| self.is_clean(*at)).map(|(_, of)| of.name.as_str()).collect();
        if !clean.is_empty() {
            notes.push(format!("No contamination was found with {}.", clean.join(", ")));
        }
        let of_sets =
            self.data_sets.iter().map(|set| (&set.name, set.samples - set.checked, set.samples));
        let of_items = self.benchmarks.iter().map(|of| (&of.name, of.items - of.checked, of.items));
        let unchecked = [("Samples", listed(of_sets)), ("Items of benchmarks", listed(of_items))];
        for (what, counts) in unchecked.into_iter().filter(|(_, counts)| !counts.is_empty()) {
            notes.push(format!(
                "{what} not checked for contamination, because they are shorter than {OVERLAP} words: {counts}."
            ));
        }
        let boilerplate = self.data_sets.iter().filter(|set| set.boilerplate > 0);
        let boilerplate: Vec<String> =
            boilerplate.map(|set| format!("{} {}", set.name, set.boilerplate)).collect();
        if !boilerplate.is_empty() {
            notes.push(format!(
                "Runs of {OVERLAP} words that more than {MOST_SAMPLES} samples have are no contamination: {}.",
                boilerplate.join(", ")
            ));
        }
        notes
    }
}

impl CheckedSet {
    fn hits_of(&self, benchmark: usize) -> impl Iterator<Item = &Hit> {
        self.hits.iter().filter(move |hit| hit.benchmark == benchmark)
    }

    /// How many samples overlap with a benchmark, and how many of its items with a sample.
    fn overlapping(&self, benchmark: usize) -> (usize, usize) {
        let hits = || self.hits_of(benchmark).filter(|hit| hit.overlaps);
        let samples: BTreeSet<&str> = hits().map(|hit| hit.sample.as_str()).collect();
        let items: BTreeSet<usize> = hits().map(|hit| hit.item).collect();
        (samples.len(), items.len())
    }

    /// Items of which some sample holds [`FOUND`] and more.
    fn found_by_runs(&self, benchmark: usize) -> usize {
        let hits = self.hits_of(benchmark).filter(|hit| hit.share >= FOUND);
        hits.map(|hit| hit.item).collect::<BTreeSet<usize>>().len()
    }
}

/// The benchmarks' runs, and whose they are.
struct Search {
    overlaps: Index,
    runs: Index,
    /// Benchmark and item of each text of the indexes.
    places: Vec<(usize, usize)>,
}

/// What a sample shares with the benchmarks: places of runs in an index with their words, each once, in the order of
/// the sample's texts.
#[derive(Default)]
struct Shared {
    overlaps: Vec<(usize, String)>,
    runs: Vec<(usize, String)>,
    is_checked: bool,
}

impl Search {
    fn of(&self, set: &SampleTexts<'_>) -> CheckedSet {
        let shared: Vec<Shared> =
            set.samples.par_iter().map(|sample| self.shared(sample)).collect();
        let holders = holders(&self.overlaps, shared.iter().map(|shared| &shared.overlaps));
        let is_boilerplate = |run: usize| holders[run] > MOST_SAMPLES;
        let weights = self.weights(&shared);
        let masses = self.runs.masses(&weights);
        let mut hits = Vec::new();
        for ((sample, ..), shared) in set.samples.iter().zip(&shared) {
            let hit = |item: usize, words: &String, overlaps| {
                let (benchmark, item) = self.places[item];
                let (sample, words) = (sample.clone(), words.clone());
                Hit { sample, benchmark, item, words, overlaps, share: 0.0 }
            };
            // Overlaps first, so that an item that both rules find is named by its 13 words.
            let mut of_items: BTreeMap<usize, Hit> = BTreeMap::new();
            for (run, words) in shared.overlaps.iter().filter(|(run, _)| !is_boilerplate(*run)) {
                for item in self.overlaps.owners(*run) {
                    of_items.entry(item).or_insert_with(|| hit(item, words, true));
                }
            }
            for (run, words) in &shared.runs {
                for item in self.runs.owners(*run) {
                    let held = of_items.entry(item).or_insert_with(|| hit(item, words, false));
                    held.share += weights[*run] / masses[item];
                }
            }
            // A few shared 8-grams are no contamination; 13 words in a row are, whatever the share.
            let found = of_items.into_values().filter(|hit| hit.overlaps || hit.share >= FOUND);
            // Sums of shares may exceed 1 in their last digit.
            hits.extend(found.map(|hit| Hit { share: hit.share.min(1.0), ..hit }));
        }
        CheckedSet {
            name: set.name.to_owned(),
            samples: set.samples.len(),
            checked: shared.iter().filter(|shared| shared.is_checked).count(),
            boilerplate: self.overlaps.runs().filter(|run| is_boilerplate(*run)).count(),
            hits,
        }
    }

    fn shared(&self, (_, instruction, response): &(String, &str, Option<&str>)) -> Shared {
        let mut shared = Shared::default();
        let mut known = [BTreeSet::new(), BTreeSet::new()];
        for text in [Some(*instruction), *response].into_iter().flatten() {
            let words = words(text);
            shared.is_checked |= words.len() >= OVERLAP;
            let indexes = [(&self.overlaps, &mut shared.overlaps), (&self.runs, &mut shared.runs)];
            for ((index, found), known) in indexes.into_iter().zip(&mut known) {
                index.look_up(&words, |run, words| {
                    if known.insert(run) {
                        found.push((run, words.join(" ")));
                    }
                });
            }
        }
        shared
    }

    /// The weight of each run of the benchmarks: `ln(1 + N / df)` with N items and samples in all, of which df have it. The
    /// first sample that has it is not counted: a copy does not make an item's words less rare.
    fn weights(&self, shared: &[Shared]) -> Vec<f64> {
        let holders = holders(&self.runs, shared.iter().map(|shared| &shared.runs));
        // Benchmarks and data set together are the corpus that says what is rare.
        let texts = (shared.len() + self.places.len()) as f64;
        let weight = |(run, holders): (usize, usize)| {
            let having = self.runs.owners(run).len() + holders.saturating_sub(1);
            (texts / having as f64).ln_1p()
        };
        holders.into_iter().enumerate().map(weight).collect()
    }
}

/// How many samples have each run of an index.
fn holders<'a>(
    index: &Index,
    shared: impl Iterator<Item = &'a Vec<(usize, String)>>,
) -> Vec<usize> {
    let mut holders = vec![0; index.runs().len()];
    for (run, _) in shared.flatten() {
        holders[*run] += 1;
    }
    holders
}

fn share(count: usize, of: usize) -> MeasureValue {
    let value = (of > 0).then(|| count as f64 / of as f64);
    MeasureValue::exact(value, of, "all are shorter than the words that are looked for")
}

/// Names with their counts above 0; empty without any.
fn listed<'a>(counts: impl Iterator<Item = (&'a String, usize, usize)>) -> String {
    let counts = counts.filter(|(_, count, _)| *count > 0);
    let counts = counts.map(|(name, count, of)| format!("{name} {count} of {of}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// All runs of so many words of the owners' texts. A run is named by its place among the distinct ones.
///
/// Two runs are taken for one when their 64-bit hashes are equal. With ten million runs on either side this happens
/// once in 180,000 comparisons of all with all.
struct Index {
    length: usize,
    /// Hash of each distinct run, ascending.
    hashes: Vec<u64>,
    /// Where each run's owners begin, and where the last one's end.
    starts: Vec<usize>,
    owners: Vec<u32>,
    /// How many owners there are in all.
    count: usize,
}

impl Index {
    /// Makes the index; an owner is named by its place.
    fn of(owners: &[&[String]], length: usize) -> Self {
        let of_owner = |(owner, texts): (usize, &&[String])| {
            // There are fewer owners than bytes, and those are read from files below 4 GiB.
            let owner = u32::try_from(owner).unwrap_or(u32::MAX);
            let mut entries = Vec::new();
            for text in *texts {
                let runs = runs(&words(text), length);
                entries.extend(runs.into_iter().map(|(_, hash)| (hash, owner)));
            }
            entries
        };
        let mut entries: Vec<(u64, u32)> =
            owners.par_iter().enumerate().flat_map_iter(of_owner).collect();
        entries.par_sort_unstable();
        entries.dedup();
        let (mut of_runs, mut starts) = (Vec::new(), Vec::new());
        for (place, (hash, _)) in entries.iter().enumerate() {
            if of_runs.last() != Some(hash) {
                of_runs.push(*hash);
                starts.push(place);
            }
        }
        starts.push(entries.len());
        let count = owners.len();
        let owners = entries.into_iter().map(|(_, owner)| owner).collect();
        Self { length, hashes: of_runs, starts, owners, count }
    }

    /// The runs, by their places.
    fn runs(&self) -> std::ops::Range<usize> {
        0..self.hashes.len()
    }

    /// Those that have a run, ascending.
    fn owners(&self, run: usize) -> impl ExactSizeIterator<Item = usize> {
        let owners = &self.owners[self.starts[run]..self.starts[run + 1]];
        owners.iter().map(|owner| *owner as usize)
    }

    /// The sum of the weights of each owner's runs.
    fn masses(&self, weights: &[f64]) -> Vec<f64> {
        let mut masses = vec![0.0; self.count];
        for (run, weight) in weights.iter().enumerate() {
            for owner in self.owners(run) {
                masses[owner] += weight;
            }
        }
        masses
    }

    /// Calls with each run of the words that is in the index, and its words.
    fn look_up(&self, words: &[String], mut with: impl FnMut(usize, &[String])) {
        for (place, hash) in runs(words, self.length) {
            if let Ok(run) = self.hashes.binary_search(&hash) {
                with(run, &words[place..place + self.length]);
            }
        }
    }
}

/// Place and hash of each run of so many words. Runs in which less than half of the words have a letter are left out: all
/// texts that count to thirteen have them.
fn runs(words: &[String], length: usize) -> Vec<(usize, u64)> {
    let has_letter = |word: &&String| word.chars().any(char::is_alphabetic);
    let hashed: Vec<u64> = words.iter().map(|word| of_word(word)).collect();
    let is_text =
        |place: usize| words[place..place + length].iter().filter(has_letter).count() * 2 >= length;
    // Multiplying between the words makes their order count.
    let of_run =
        |run: &[u64]| run.iter().fold(0, |hash: u64, word| mixed(hash.rotate_left(5) ^ word));
    let all = hashed.windows(length).enumerate();
    all.filter(|(place, _)| is_text(*place)).map(|(place, run)| (place, of_run(run))).collect()
}

/// FNV-1a.
fn of_word(word: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(word.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Spreads every bit over all others (the finaliser of `SplitMix64`).
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests;
