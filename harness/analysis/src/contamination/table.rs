//! What was found as rows of a table, and what could not be checked in words.

use super::{CheckedItems, CheckedSet, Contamination, FOUND, Found, MOST_SAMPLES, OVERLAP, RUN};
use crate::stats::measure::{Measure, MeasureTable, MeasureValue};

const GROUP: &str = "contamination";
const SHORT: &str = "all are shorter than the words that are looked for";

impl Contamination {
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
            let mut add = |what: String,
                           is_detail: bool,
                           count: &dyn Fn(&Found) -> usize,
                           of: &dyn Fn(&CheckedSet) -> usize| {
                let sets = self.data_sets.iter();
                let cells = sets.map(|set| share(count(&set.found[at]), of(set))).collect();
                table.add(Measure {
                    group: GROUP,
                    name: format!("{name}: {what}"),
                    cells,
                    is_detail,
                });
            };
            let is_clean = self.is_clean(at);
            let samples = format!("samples with {OVERLAP} words of it, share");
            add(samples, is_clean, &|found| found.samples.len(), &|set| set.checked);
            let items = format!("items with {OVERLAP} words in a sample, share");
            add(items, is_clean, &|found| found.items.len(), &|_| *checked);
            let by_runs =
                format!("items found by {}% of their {RUN}-grams (IDF), share", FOUND * 100.0);
            add(by_runs, true, &|found| found.by_runs.len(), &|_| *with_runs);
        }
    }

    /// Whether no data set holds anything of a benchmark.
    fn is_clean(&self, benchmark: usize) -> bool {
        let found = self.data_sets.iter().map(|set| &set.found[benchmark]);
        found.into_iter().all(|found| found.samples.is_empty() && found.by_runs.is_empty())
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
        for (what, counts) in
            [("Samples", listed(of_sets)), ("Items of benchmarks", listed(of_items))]
        {
            notes.extend(counts.map(|counts| {
                format!("{what} not checked for contamination, because they are shorter than {OVERLAP} words: {counts}.")
            }));
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

fn share(count: usize, of: usize) -> MeasureValue {
    let value = (of > 0).then(|| count as f64 / of as f64);
    MeasureValue::exact(value, of, SHORT)
}

/// Names with their counts, where there are any.
fn listed<'a>(counts: impl Iterator<Item = (&'a String, usize, usize)>) -> Option<String> {
    let counts: Vec<String> = counts
        .filter(|(_, count, _)| *count > 0)
        .map(|(name, count, of)| format!("{name} {count} of {of}"))
        .collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}
