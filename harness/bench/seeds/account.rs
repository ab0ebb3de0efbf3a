//! What was read of a file, and what was not: for every table, page and manifest that stands on it.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Group, SeedSet, Unread};

/// What became of a file's records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Records in the file.
    pub records: usize,
    /// Records that became items.
    pub kept: usize,
    /// Good records beyond the limit that was asked for.
    pub over_limit: usize,
    /// Records skipped, by reason; repeats are among them.
    pub skipped: Vec<Group>,
    /// What was set aside of kept records, by kind.
    pub remarks: Vec<Group>,
    /// Fields that nothing was read of.
    pub unread: Vec<Unread>,
}

impl SeedSet {
    /// What became of the file's records.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            records: self.records,
            kept: self.items.len(),
            over_limit: self.over_limit,
            skipped: Group::of_skipped(&self.skipped),
            remarks: Group::of_remarks(&self.remarks),
            unread: self.unread.clone(),
        }
    }
}

impl Account {
    /// How many records were skipped.
    #[must_use]
    pub fn skipped_records(&self) -> usize {
        self.skipped.iter().map(|group| group.count).sum()
    }

    /// A sentence for each thing that a reader must know: records skipped and why, what was set aside,
    /// fields that were not read. None where the whole file was read.
    #[must_use]
    pub fn notes(&self, file: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.skipped.is_empty() {
            notes.push(format!(
                "{file}: {} of {} records were skipped: {}.",
                self.skipped_records(),
                self.records,
                counted(&self.skipped)
            ));
        }
        if !self.remarks.is_empty() {
            notes.push(format!("{file}: of records that were kept: {}.", counted(&self.remarks)));
        }
        if !self.unread.is_empty() {
            let fields = self.unread.iter();
            let fields: Vec<String> =
                fields.map(|field| format!("`{}` ({})", field.name, field.records)).collect();
            notes.push(format!(
                "{file}: fields that were not read (records): {}.",
                fields.join(", ")
            ));
        }
        notes
    }
}

/// Each group with its first example.
fn counted(groups: &[Group]) -> String {
    let mut text = String::new();
    for (place, group) in groups.iter().enumerate() {
        let separator = if place == 0 { "" } else { "; " };
        let example = group.examples.first().map_or("", String::as_str);
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{} {} ({example})", group.name, group.count);
    }
    text
}
