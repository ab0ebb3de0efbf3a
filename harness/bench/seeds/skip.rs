//! Why a record became no item, and what was set aside of one that did.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Field;

/// A record that became no item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Place of the record in the file, from 0.
    pub number: u32,
    /// Line it begins on, from 1, where the format has lines.
    pub line: Option<u64>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a record became no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The record's bytes are no UTF-8.
    #[error("not UTF-8: {place}")]
    NotUtf8 {
        /// Where in the record.
        place: String,
    },
    /// A line is no JSON.
    #[error("broken JSON at column {column}: {message}")]
    BrokenJson {
        /// Column, in bytes, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A JSON value of another kind where a record should be.
    #[error("{found} where an object should be")]
    NotAnObject {
        /// The kind of value, with its article.
        found: &'static str,
    },
    /// A CSV row with more or fewer columns than the header.
    #[error("{found} columns where the header has {expected}")]
    Columns {
        /// Columns of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// A CSV row that runs to the end of the file inside quotes.
    #[error("its quote is never closed, so it runs to the end of the file")]
    OpenQuote,
    /// The instruction field is missing.
    #[error("no instruction field")]
    NoInstruction,
    /// A field holds a list or an object where text should be.
    #[error("field `{field}` is {found}, not text")]
    NotText {
        /// Which field.
        field: Field,
        /// The kind of value, with its article.
        found: &'static str,
    },
    /// Conversations were asked for, and the record has none.
    #[error("no conversation field")]
    NoConversation,
    /// The conversation is no list.
    #[error("its conversation is {found}, not a list of turns")]
    NotTurns {
        /// The kind of value, with its article.
        found: &'static str,
    },
    /// A turn of a conversation that cannot be read.
    #[error("turn {turn} of the conversation {what}")]
    BadTurn {
        /// Which turn, from 1.
        turn: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A conversation without a turn of the user.
    #[error("no user turn in the conversation")]
    NoUserTurn,
    /// The instruction is empty or white space.
    #[error("empty instruction")]
    EmptyInstruction,
    /// The instruction is, to the letter, that of an earlier record.
    #[error("same instruction as record {first}")]
    Repeat {
        /// Number of the earlier record.
        first: u32,
    },
}

impl SkipReason {
    /// Name under which such records are counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "not-utf-8",
            Self::BrokenJson { .. } => "broken-json",
            Self::NotAnObject { .. } => "not-an-object",
            Self::Columns { .. } => "wrong-column-count",
            Self::OpenQuote => "open-quote",
            Self::NoInstruction => "no-instruction-field",
            Self::NoConversation => "no-conversation-field",
            Self::NotTurns { .. } => "no-list-of-turns",
            Self::NotText { .. } => "not-text",
            Self::BadTurn { .. } => "bad-turn",
            Self::NoUserTurn => "no-user-turn",
            Self::EmptyInstruction => "empty-instruction",
            Self::Repeat { .. } => "repeat",
        }
    }
}

impl Serialize for SkipReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Something that was set aside of a record that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Place of the record in the file, from 0.
    pub number: u32,
    /// Line it begins on, from 1, where the format has lines.
    pub line: Option<u64>,
    /// What.
    pub kind: RemarkKind,
}

/// What was set aside of a record that was kept.
///
/// In each of the first five the whole annotation was dropped: the item is annotated like any other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemarkKind {
    /// Its domain is none of the seven.
    #[error("annotation dropped: `{0}` is none of the seven domains")]
    UnknownDomain(String),
    /// It has more than three keywords.
    #[error("annotation dropped: {0} keywords, and at most 3 are allowed")]
    TooManyKeywords(usize),
    /// It has some of domain, summary and keywords, but not this one.
    #[error("annotation dropped: it has no {0}")]
    Incomplete(Field),
    /// Domain, summary or keywords are of the wrong kind.
    #[error("annotation dropped: its {0} cannot be read")]
    Unreadable(Field),
    /// The conversation has a system turn, which is no part of the instruction.
    #[error("system turn left out")]
    SystemTurn,
    /// The conversation goes on after its first exchange.
    #[error("turns after the first answer left out")]
    LaterTurns,
}

impl RemarkKind {
    /// Name under which such records are counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownDomain(_) => "annotation-unknown-domain",
            Self::TooManyKeywords(_) => "annotation-too-many-keywords",
            Self::Incomplete(_) => "annotation-incomplete",
            Self::Unreadable(_) => "annotation-unreadable",
            Self::SystemTurn => "system-turn",
            Self::LaterTurns => "later-turns",
        }
    }
}

impl Serialize for RemarkKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.number, self.line)?;
        write!(f, ": {}", self.reason)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.number, self.line)?;
        write!(f, ": {}", self.kind)
    }
}

fn place(f: &mut fmt::Formatter<'_>, number: u32, line: Option<u64>) -> fmt::Result {
    write!(f, "record {number}")?;
    line.map_or(Ok(()), |line| write!(f, " (line {line})"))
}
