//! What was read of a file, and what was not: for every table, page and manifest that stands on it.

use std::fmt;

use serde::Serialize;

use super::{Remark, SeedSet, Skipped};

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
    let one = |group: &Group| {
        let example = group.examples.first().map_or("", String::as_str);
        format!("{} {} ({example})", group.name, group.count)
    };
    groups.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A field that holds something and that no part of an item comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its name; of a field of turns, `conversations[].NAME`.
    pub name: String,
    /// In how many of the kept records it holds something; of a Parquet column, all rows.
    pub records: usize,
}

/// Records that share a reason or a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Name of what they share.
    pub name: &'static str,
    /// How many they are.
    pub count: usize,
    /// The first few: which record, and what exactly.
    pub examples: Vec<String>,
}

impl Group {
    const EXAMPLES: usize = 3;

    /// Counts what was skipped by reason, the most frequent first.
    #[must_use]
    pub fn of_skipped(skipped: &[Skipped]) -> Vec<Self> {
        Self::collect(skipped.iter().map(|s| (s.reason.name(), s as &dyn fmt::Display)))
    }

    /// Counts remarks by kind, the most frequent first.
    #[must_use]
    pub fn of_remarks(remarks: &[Remark]) -> Vec<Self> {
        Self::collect(remarks.iter().map(|r| (r.kind.name(), r as &dyn fmt::Display)))
    }

    fn collect<'a>(all: impl Iterator<Item = (&'static str, &'a dyn fmt::Display)>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (name, described) in all {
            // Names are few, and a list keeps the order in which they came.
            let place = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
                groups.push(Self { name, count: 0, examples: Vec::new() });
                groups.len() - 1
            });
            let group = &mut groups[place];
            group.count += 1;
            if group.examples.len() < Self::EXAMPLES {
                group.examples.push(described.to_string());
            }
        }
        groups.sort_by(|a, b| b.count.cmp(&a.count).then(a.name.cmp(b.name)));
        groups
    }
}
