//! Which fields of a record hold what.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// What a record may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// What is to be done.
    Instruction,
    /// What it is to be done with; joins the instruction.
    Input,
    /// The answer.
    Output,
    /// A list of turns, in place of instruction and output.
    Conversations,
    /// Brought annotation: the domain.
    Domain,
    /// Brought annotation: the summary.
    Summary,
    /// Brought annotation: a list of keywords, or text with `;` or `,` between them.
    Keywords,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 7] = [
        Self::Instruction,
        Self::Input,
        Self::Output,
        Self::Conversations,
        Self::Domain,
        Self::Summary,
        Self::Keywords,
    ];

    /// The name used in `--field` and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Input => "input",
            Self::Output => "output",
            Self::Conversations => "conversations",
            Self::Domain => "domain",
            Self::Summary => "summary",
            Self::Keywords => "keywords",
        }
    }

    /// Names that files give the field, the preferred one first.
    ///
    /// Only names that a published seed set uses for just this: a guess such as `text` for the
    /// instruction would read the wrong column of some file without a word.
    const fn usual_names(self) -> &'static [&'static str] {
        match self {
            Self::Instruction => &["instruction"],
            Self::Input => &["input"],
            // `refined_answer` is what Condor calls the answer it trains on.
            Self::Output => &["output", "response", "refined_answer"],
            Self::Conversations => &["conversations", "conversation", "messages"],
            Self::Domain => &["domain"],
            Self::Summary => &["summary"],
            Self::Keywords => &["keywords"],
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which names a file uses for the fields; the usual names where nothing else was set.
///
/// A name matches exactly, or else with other capitals: WizardLM's test set writes `Instruction`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMapping {
    named: BTreeMap<Field, String>,
}

impl FieldMapping {
    /// Sets the name of a field. A file without it is then an error, so that a typing error does
    /// not pass for a set without inputs.
    pub fn set(&mut self, field: Field, name: impl Into<String>) {
        self.named.insert(field, name.into());
    }

    /// The names that were set.
    pub(super) fn named(&self) -> impl Iterator<Item = (Field, &str)> {
        self.named.iter().map(|(field, name)| (*field, name.as_str()))
    }

    /// The key under which a record with these keys holds the field.
    pub(super) fn key<'k, K: Iterator<Item = &'k str>>(
        &self,
        field: Field,
        keys: impl Fn() -> K,
    ) -> Option<&'k str> {
        let set = self.named.get(&field).map(String::as_str);
        let usual = if set.is_some() { &[] } else { field.usual_names() };
        set.iter().chain(usual).find_map(|name| {
            let exact = keys().find(|key| key == name);
            exact.or_else(|| keys().find(|key| key.eq_ignore_ascii_case(name)))
        })
    }

    /// Takes a field out of a record.
    pub(super) fn take(&self, field: Field, record: &mut Map<String, Value>) -> Option<Value> {
        let key = self.key(field, || record.keys().map(String::as_str))?.to_owned();
        record.remove(&key)
    }
}

impl FromIterator<(Field, String)> for FieldMapping {
    fn from_iter<I: IntoIterator<Item = (Field, String)>>(named: I) -> Self {
        Self { named: named.into_iter().collect() }
    }
}

/// Reads an assignment such as `instruction=prompt`.
///
/// # Errors
/// When the text has another form, or names no field of ours.
pub fn assignment(text: &str) -> Result<(Field, String), MappingError> {
    let read = || {
        let (field, name) = text.split_once('=')?;
        let field = Field::ALL.into_iter().find(|known| known.name() == field.trim())?;
        let name = name.trim();
        (!name.is_empty()).then(|| (field, name.to_owned()))
    };
    read().ok_or_else(|| MappingError(text.to_owned()))
}

/// A text that assigns no name to a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not say which field has which name\n\
     hint: write FIELD=NAME, for example instruction=prompt; FIELD is one of instruction, input, \
     output, conversations, domain, summary, keywords"
)]
pub struct MappingError(String);
