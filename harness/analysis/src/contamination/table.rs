//! What was found as rows of a table, and what could not be checked in words.

use super::{CheckedItems, CheckedSet, Contamination, FOUND, Found, MOST_SAMPLES};
use crate::stats::measure::{MeasureTable, MeasureValue};

const GROUP: &str = "contamination";
const SHORT: &str = "all are shorter than the words that are looked for";

impl Contamination {
    /// Adds three shares for each benchmark: of a data set's samples that overlap with it, of its items that overlap with
    /// the data set, and, as a detail, of its items that are found by their 8-grams. They describe these very data sets and
    /// have no interval.
    ///
    /// # Panics
    /// When the table is not of these data sets.
    pub fn describe(&self, table: &mut MeasureTable) {
        for (at, CheckedItems { name, checked, with_runs, .. }) in
            self.benchmarks.iter().enumerate()
        {
            let cells = |count: &dyn Fn(&Found) -> usize, of: &dyn Fn(&CheckedSet) -> usize| {
                self.data_sets.iter().map(|set| share(count(&set.found[at]), of(set))).collect()
            };
            let of_samples = cells(&|found| found.samples.len(), &|set| set.checked);
            table.push(GROUP, format!("{name}: samples with 13 words of it, share"), of_samples);
            let of_items = cells(&|found| found.items.len(), &|_| *checked);
            table.push(GROUP, format!("{name}: items with 13 words in a sample, share"), of_items);
            let by_runs = cells(&|found| found.by_runs.len(), &|_| *with_runs);
            let percent = FOUND * 100.0;
            let row = format!("{name}: items found by {percent}% of their 8-grams (IDF), share");
            table.push_detail(GROUP, row, by_runs);
        }
    }

    /// What was not checked and what was left out, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let of_sets =
            self.data_sets.iter().map(|set| (&set.name, set.samples - set.checked, set.samples));
        let of_items = self.benchmarks.iter().map(|of| (&of.name, of.items - of.checked, of.items));
        for (what, counts) in
            [("Samples", listed(of_sets)), ("Items of benchmarks", listed(of_items))]
        {
            notes.extend(counts.map(|counts| {
                format!("{what} not checked for contamination, because they are shorter than 13 words: {counts}.")
            }));
        }
        let boilerplate = self.data_sets.iter().filter(|set| set.boilerplate > 0);
        let boilerplate: Vec<String> =
            boilerplate.map(|set| format!("{} {}", set.name, set.boilerplate)).collect();
        if !boilerplate.is_empty() {
            notes.push(format!(
                "Runs of 13 words that more than {MOST_SAMPLES} samples have are no contamination: {}.",
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
