//! What files call the fields of a record, and those who speak in its conversations.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::Fault;
use super::conversation::{is_bare_turns, is_turn_list};
use super::value::is_nothing;

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
    /// What the model is told before the instruction; it is left out, and counted.
    System,
    /// Exchanges that came before the instruction.
    History,
    /// Brought annotation: the domain.
    Domain,
    /// Brought annotation: the summary.
    Summary,
    /// Brought annotation: a list of keywords, or text with `;` or `,` between them.
    Keywords,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 9] = [
        Self::Instruction,
        Self::Input,
        Self::Output,
        Self::Conversations,
        Self::System,
        Self::History,
        Self::Domain,
        Self::Summary,
        Self::Keywords,
    ];

    /// The name used in `--field` and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.usual_names()[0]
    }

    /// Names that files give the field, the preferred one, which is also ours, first.
    ///
    /// Only names that published data sets use for just this: a guess such as `text` for the
    /// instruction would read the wrong column of some file without a word.
    const fn usual_names(self) -> &'static [&'static str] {
        match self {
            // GSM8K and OpenOrca; MetaMath; no_robots and other pairs of prompt and completion; Aya; MATH.
            Self::Instruction => &[INSTRUCTION, "question", "query", "prompt", "inputs", "problem"],
            // Dolly calls it the context.
            Self::Input => &["input", "context"],
            // `refined_answer` is what Condor calls the answer it trains on.
            Self::Output => &[
                "output",
                "response",
                "refined_answer",
                "answer",
                // distilabel.
                "generation",
                "completion",
                "targets",
                "solution",
            ],
            // Gemini's tuning sets; Claude's exports; UltraChat's own form, in which data are bare turns.
            Self::Conversations => {
                &["conversations", "conversation", "messages", "contents", "chat_messages", DATA]
            }
            Self::System => &["system", "system_prompt"],
            Self::History => &["history"],
            Self::Domain => &["domain"],
            Self::Summary => &["summary"],
            Self::Keywords => &["keywords"],
        }
    }
}

/// The one name that makes a record with a conversation beside it no conversation: Magpie has both and
/// means this one, while a `prompt` beside `messages` is their beginning.
const INSTRUCTION: &str = "instruction";

/// A name of much else too: under it only turns, with or without who speaks, are a conversation.
const DATA: &str = "data";

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
    /// Whether the name of a field was set.
    pub(super) fn is_named(&self, field: Field) -> bool {
        self.named.contains_key(&field)
    }

    /// Which of these keys are names of the field, the preferred one first.
    fn names<'k>(
        &self,
        field: Field,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> impl Iterator<Item = &'k str> {
        let set = self.named.get(&field).map(String::as_str);
        let usual = if set.is_some() { &[] } else { field.usual_names() };
        // A name that is there with its own capitals goes before the same one with others.
        let rank = |key: &str| {
            let mut names = set.iter().chain(usual).enumerate();
            names.find_map(|(rank, name)| {
                key.eq_ignore_ascii_case(name).then_some((rank, key != *name))
            })
        };
        let mut found: Vec<_> =
            keys.into_iter().filter_map(|key| Some((rank(key)?, key))).collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, key)| key)
    }

    /// Which of these keys is the name of the field, the preferred one of several.
    pub(super) fn name<'k>(
        &self,
        field: Field,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Option<&'k str> {
        self.names(field, keys).next()
    }

    /// Whether what has these keys is a record: it has an instruction or a conversation.
    pub(super) fn is_record<'k>(&self, keys: impl IntoIterator<Item = &'k str> + Clone) -> bool {
        self.name(Field::Instruction, keys.clone()).is_some()
            || self.name(Field::Conversations, keys).is_some()
    }

    /// Fields that were named must be in a file, so that a typing error does not pass for a set without inputs; and so
    /// must an instruction or a conversation. `missing` is said to be missing where neither is; `keys` are those that the
    /// file has.
    pub(super) fn check_found(
        &self,
        has: impl Fn(Field) -> bool,
        missing: Field,
        keys: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Fault> {
        let named = self.named.iter().find(|(field, _)| !has(**field));
        let (field, name) = match named {
            Some((field, name)) => (*field, name.as_str()),
            None if has(Field::Instruction) || has(Field::Conversations) => return Ok(()),
            None => (missing, missing.name()),
        };
        Err(Fault::NoField { field, name: name.to_owned(), found: keys() })
    }

    /// The key under which a record holds the field: the preferred one of those that hold anything.
    pub(super) fn key<'k>(&self, field: Field, record: &'k Map<String, Value>) -> Option<&'k str> {
        // A record may have several of the names; the first that holds anything is read.
        let is_meant = |key: &&str| {
            let is_data = field == Field::Conversations && *key == DATA && !self.is_named(field);
            let value = &record[*key];
            !is_data || is_bare_turns(value) || is_turn_list(value)
        };
        let keys = || self.names(field, record.keys().map(String::as_str)).filter(is_meant);
        keys().find(|key| !is_nothing(&record[*key])).or_else(|| keys().next())
    }

    /// Whether a record says by itself that its instruction is not in its conversation.
    pub(super) fn has_own_instruction(&self, record: &Map<String, Value>) -> bool {
        self.key(Field::Instruction, record).is_some_and(|key| {
            let is_meant =
                self.is_named(Field::Instruction) || key.eq_ignore_ascii_case(INSTRUCTION);
            is_meant && !is_nothing(&record[key])
        })
    }
}

impl FromIterator<(Field, String)> for FieldMapping {
    fn from_iter<I: IntoIterator<Item = (Field, String)>>(named: I) -> Self {
        Self { named: named.into_iter().collect() }
    }
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Sets the scene; left out.
    System,
    /// Says what is to be done.
    User,
    /// Answers.
    Assistant,
    /// A call of a tool or what it gave back: no part of the exchange.
    Tool,
}

impl Speaker {
    /// Every speaker.
    pub const ALL: [Self; 4] = [Self::User, Self::Assistant, Self::System, Self::Tool];

    /// The name used in `--role` and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which roles of a file are which speakers; the usual ones where nothing else was set. Capitals and
/// spaces around a role do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpeakerNames(BTreeMap<String, Speaker>);

impl SpeakerNames {
    /// Who speaks under a role; `None` where neither we nor the user know.
    pub(super) fn speaker(&self, role: &str) -> Option<Speaker> {
        let role = role.trim().to_lowercase();
        self.0.get(&role).copied().or(match role.as_str() {
            "human" | "user" | "prompter" => Some(Speaker::User),
            "gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "model" | "bot" | "ai" => {
                Some(Speaker::Assistant)
            }
            "system" | "developer" => Some(Speaker::System),
            "tool" | "function" | "function_call" | "function-call" | "function_response"
            | "tool_call" | "tool_response" | "observation" | "ipython" => Some(Speaker::Tool),
            _ => None,
        })
    }
}

impl FromIterator<(String, Speaker)> for SpeakerNames {
    fn from_iter<I: IntoIterator<Item = (String, Speaker)>>(roles: I) -> Self {
        let folded = |(role, speaker): (String, Speaker)| (role.trim().to_lowercase(), speaker);
        Self(roles.into_iter().map(folded).collect())
    }
}

/// Reads what a field is called, such as `instruction=prompt`.
///
/// # Errors
/// When the text has another form, or names no field of ours.
pub fn assignment(text: &str) -> Result<(Field, String), AssignmentError> {
    let read = || {
        let (field, name) = text.split_once('=')?;
        let field = Field::ALL.into_iter().find(|known| known.name() == field.trim())?;
        let name = name.trim();
        (!name.is_empty()).then(|| (field, name.to_owned()))
    };
    read().ok_or_else(|| AssignmentError::Field(text.to_owned()))
}

/// Reads who speaks under a role, such as `question=user`.
///
/// # Errors
/// When the text has another form, or names no speaker.
pub fn role(text: &str) -> Result<(String, Speaker), AssignmentError> {
    let read = || {
        let (role, speaker) = text.split_once('=')?;
        let speaker = Speaker::ALL.into_iter().find(|known| known.name() == speaker.trim())?;
        (!role.trim().is_empty()).then(|| (role.to_owned(), speaker))
    };
    read().ok_or_else(|| AssignmentError::Role(text.to_owned()))
}

/// A text that assigns no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// To a field.
    #[error(
        "`{0}` does not say which field has which name\n\
         hint: write FIELD=NAME, for example instruction=prompt; FIELD is one of instruction, input, \
         output, conversations, system, history, domain, summary, keywords"
    )]
    Field(String),
    /// To a speaker.
    #[error(
        "`{0}` does not say who speaks under which role\n\
         hint: write ROLE=WHO, for example question=user; WHO is one of user, assistant, system, tool"
    )]
    Role(String),
}
