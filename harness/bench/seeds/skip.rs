//! Why a record became no item, and what was set aside of one that did.

use std::fmt;

use super::{Field, Speaker};

/// A record that became no item.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// A line is no JSON, or a record of an array holds what JSON cannot (half a surrogate pair).
    #[error("broken JSON at {place}: {message}")]
    BrokenJson {
        /// Column, in bytes, from 1, and line where the record has several.
        place: String,
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
    /// A CSV row in which text follows the closing quote of a cell: the quotes are no cell's, and may have swallowed rows.
    #[error("text follows the closing quote of a cell, in {lines} line(s) read as one record")]
    TextAfterQuote {
        /// Lines of the record.
        lines: usize,
    },
    /// Cells that were cut where the record was served: a text without its end.
    #[error("cells of it were cut by the program that served it: {names}")]
    CutCells {
        /// Their columns, as the file lists them.
        names: String,
    },
    /// The instruction field is missing.
    #[error("no instruction field")]
    NoInstruction,
    /// A field holds a list or an object where text should be.
    #[error("field `{name}` is {found}, not text")]
    NotText {
        /// Which field.
        field: Field,
        /// Its name in the record.
        name: String,
        /// What it is instead.
        found: String,
    },
    /// Conversations were asked for, and the record has none.
    #[error("no conversation field")]
    NoConversation,
    /// The conversation is no list.
    #[error("its conversation is {found}, not a list of turns")]
    NotTurns {
        /// What it is instead.
        found: String,
    },
    /// A turn of a conversation that cannot be read.
    #[error("turn {turn} of the conversation {what}")]
    BadTurn {
        /// Which turn, from 1.
        turn: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A turn under a role that is none of the known ones: whether it asks or answers is not to be guessed.
    #[error("turn {turn} of the conversation is by `{role}`, which is no known role")]
    UnknownRole {
        /// Which turn, from 1.
        turn: usize,
        /// Its role as written.
        role: String,
    },
    /// Earlier exchanges that are no list of pairs.
    #[error("its history holds {found}, not pairs of instruction and response")]
    History {
        /// What it holds instead.
        found: String,
    },
    /// A conversation without a turn of the user.
    #[error("no user turn in the conversation")]
    NoUserTurn,
    /// The instruction is empty or white space.
    #[error("empty instruction")]
    EmptyInstruction,
    /// The instruction is a program's word for a value that is not there.
    #[error("its instruction is `{text}`, which stands for nothing")]
    PlaceholderInstruction {
        /// The word.
        text: String,
    },
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
            Self::TextAfterQuote { .. } => "text-after-quote",
            Self::CutCells { .. } => "cut-cells",
            Self::NoInstruction => "no-instruction-field",
            Self::NoConversation => "no-conversation-field",
            Self::NotTurns { .. } => "no-list-of-turns",
            Self::NotText { .. } => "not-text",
            Self::BadTurn { .. } => "bad-turn",
            Self::UnknownRole { .. } => "unknown-role",
            Self::History { .. } => "bad-history",
            Self::NoUserTurn => "no-user-turn",
            Self::EmptyInstruction => "empty-instruction",
            Self::PlaceholderInstruction { .. } => "placeholder-instruction",
            Self::Repeat { .. } => "repeat",
        }
    }

    /// What to do about records like this one; `None` where the reason says it all. `import` completes the
    /// command that reads the file with an option.
    pub(super) fn hint(&self, path: &str, import: impl Fn(&str) -> String) -> Option<String> {
        Some(match self {
            Self::NotUtf8 { .. } => latin_hint(path),
            Self::UnknownRole { role, .. } => format!(
                "say who speaks, which is user, assistant, system or tool: {}",
                import(&format!("--role {}=user", quoted(role)))
            ),
            Self::NotTurns { found } if found.starts_with("text") => {
                "write its conversations as JSON (in Python json.dumps, not str), or the file as .jsonl"
                    .to_owned()
            }
            Self::NotText { field, .. } => {
                let name = import(&format!("--field {field}=NAME"));
                let as_text = match field {
                    // An answer may be meant as JSON; a task is not.
                    Field::Output => "write it as text (in Python json.dumps); ",
                    _ => "",
                };
                format!("{as_text}if another field holds the {field}, name it: {name}")
            }
            Self::Columns { found, expected } if found > expected => {
                "a cell that holds the separator needs double quotes around it".to_owned()
            }
            Self::Columns { .. } => "give each row all of its cells, empty ones too, and put double quotes around \
                                     a cell that holds a line break"
                .to_owned(),
            Self::TextAfterQuote { .. } | Self::OpenQuote => {
                "put double quotes around a cell that holds any, and write each of them twice".to_owned()
            }
            Self::BadTurn { .. } => {
                "write each turn as {\"role\": \"user\", \"content\": \"..\"}; --role names who speaks under a role".to_owned()
            }
            Self::CutCells { .. } => {
                "fetch the data set's own file, which is whole: its Parquet, say".to_owned()
            }
            Self::NotAnObject { .. } => {
                "write each record as an object: {\"instruction\": \"..\", \"output\": \"..\"}".to_owned()
            }
            _ => return None,
        })
    }
}

/// What to do about a file that is not UTF-8.
pub(super) fn latin_hint(path: &str) -> String {
    format!("if it is Latin-1 or of Windows, convert it: iconv -f CP1252 -t UTF-8 {path} > OUT")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Something that was set aside of a record that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
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
/// In each of the first four the whole annotation was dropped: the item is annotated like any other.
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
    /// It has a system turn or a system field, which is no part of the instruction.
    #[error("system prompt left out")]
    SystemPrompt,
    /// Something was said before the user's first turn.
    #[error("what was said before the first user turn left out")]
    OpeningTurn,
    /// Calls of tools and what they gave back.
    #[error("calls of tools and their results left out")]
    ToolTurns,
    /// Turns of one speaker in a row were read as one.
    #[error("{turns} turns of the {speaker} in a row read as one")]
    JoinedTurns {
        /// Whose.
        speaker: Speaker,
        /// How many.
        turns: usize,
    },
    /// A word that stands for nothing was read as nothing.
    #[error("`{text}` read as no {field}")]
    Placeholder {
        /// Where it stands.
        field: Field,
        /// The word.
        text: String,
    },
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
            Self::SystemPrompt => "system-prompt",
            Self::OpeningTurn => "opening-turn",
            Self::ToolTurns => "tool-turns",
            Self::JoinedTurns { .. } => "joined-turns",
            Self::Placeholder { .. } => "placeholder",
            Self::LaterTurns => "later-turns",
        }
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
