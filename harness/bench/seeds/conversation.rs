//! Conversations, and what is taken of them: the first exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::json::kind;
use super::nested::transposed;
use super::text::{is_nothing, text};
use super::{RemarkKind, SkipReason};

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
    fn speaker(&self, role: &str) -> Option<Speaker> {
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
        Self(
            roles
                .into_iter()
                .map(|(role, speaker)| (role.trim().to_lowercase(), speaker))
                .collect(),
        )
    }
}

/// Reads an assignment such as `question=user`.
///
/// # Errors
/// When the text has another form, or names no speaker.
pub fn role(text: &str) -> Result<(String, Speaker), RoleError> {
    let read = || {
        let (role, speaker) = text.split_once('=')?;
        let speaker = Speaker::ALL.into_iter().find(|known| known.name() == speaker.trim())?;
        (!role.trim().is_empty()).then(|| (role.to_owned(), speaker))
    };
    read().ok_or_else(|| RoleError(text.to_owned()))
}

/// A text that does not say who speaks under a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not say who speaks under which role\n\
     hint: write ROLE=WHO, for example question=user; WHO is one of user, assistant, system, tool"
)]
pub struct RoleError(String);

/// A turn of a conversation.
pub(super) struct Turn {
    pub(super) speaker: Speaker,
    pub(super) text: String,
    /// It asks for a tool: its text, if any, is no answer.
    pub(super) calls_tool: bool,
}

/// The first exchange of a conversation.
pub(super) struct Exchange {
    pub(super) instruction: String,
    pub(super) response: String,
    pub(super) remarks: Vec<RemarkKind>,
}

/// The turns of a conversation, and the names of what else they hold.
///
/// A conversation is a list of turns, also as JSON text, as a list for each key, or as bare texts by turns.
pub(super) fn turns(
    value: Value,
    roles: &SpeakerNames,
) -> Result<(Vec<Turn>, BTreeSet<String>), SkipReason> {
    let turns = listed(value)?;
    let mut unread = BTreeSet::new();
    if turns.iter().all(Value::is_string) {
        let speakers = [Speaker::User, Speaker::Assistant].into_iter().cycle();
        let turn = |(speaker, value)| match value {
            Value::String(text) => Some(Turn { speaker, text, calls_tool: false }),
            _ => None,
        };
        return Ok((speakers.zip(turns).filter_map(turn).collect(), unread));
    }
    let turn = |(number, value)| turn(number, value, roles, &mut unread);
    let turns = (1..).zip(turns).map(turn).collect::<Result<_, _>>()?;
    Ok((turns, unread))
}

fn listed(value: Value) -> Result<Vec<Value>, SkipReason> {
    let no_list = |found: &str| SkipReason::NotTurns { found: found.to_owned() };
    match value {
        Value::Array(turns) => Ok(turns),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Array(turns)) => Ok(turns),
            _ if text.trim_start().starts_with('[') => {
                Err(no_list("text that looks like a list and is no JSON"))
            }
            _ => Err(no_list("a string")),
        },
        Value::Object(columns) => {
            let column = |(name, values)| match values {
                Value::Array(values) => Some((name, values)),
                _ => None,
            };
            let columns: Option<Vec<_>> = columns.into_iter().map(column).collect();
            let rows = columns.and_then(transposed).ok_or_else(|| no_list("an object"))?;
            Ok(rows.into_iter().map(Value::Object).collect())
        }
        other => Err(no_list(kind(&other))),
    }
}

/// Who says what in a turn: `from` and `value`, or `role` and `content`.
fn turn(
    number: usize,
    value: Value,
    roles: &SpeakerNames,
    unread: &mut BTreeSet<String>,
) -> Result<Turn, SkipReason> {
    let bad = |what: String| SkipReason::BadTurn { turn: number, what };
    let Value::Object(mut fields) = value else { return Err(bad("is no object".to_owned())) };
    let Some(Value::String(role)) = take(&mut fields, &["from", "role"]) else {
        return Err(bad("does not say who speaks".to_owned()));
    };
    let speaker = roles.speaker(&role);
    let speaker = speaker.ok_or(SkipReason::UnknownRole { turn: number, role })?;
    let said = take(&mut fields, &["value", "content", "text"]);
    let calls = ["tool_calls", "function_call"].map(|key| fields.remove(key));
    let calls_tool = calls.iter().flatten().any(|call| !is_nothing(call));
    let said = match said {
        Some(said) => text(said).map_err(|found| bad(format!("holds {found}, not text")))?,
        // A turn that only calls a tool may have no text at all.
        None if calls_tool => String::new(),
        None => return Err(bad("has neither `value` nor `content`".to_owned())),
    };
    unread.extend(fields.into_iter().filter(|(_, value)| !is_nothing(value)).map(|(name, _)| name));
    Ok(Turn { speaker, text: said, calls_tool })
}

/// Takes out the first of these keys that is there.
fn take(fields: &mut Map<String, Value>, keys: &[&str]) -> Option<Value> {
    keys.iter().find_map(|key| fields.remove(*key))
}

/// What the user says first, and the answer to it.
///
/// Turns of one speaker in a row are one; a tool's turns and what the assistant said before them lead to the
/// answer and are none.
pub(super) fn first_exchange(turns: Vec<Turn>) -> Result<Exchange, SkipReason> {
    let (mut asked, mut answers): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut is_answered = false;
    let mut remarks = Vec::new();
    for turn in turns {
        let is_blank = turn.text.trim().is_empty();
        let remark = match turn.speaker {
            Speaker::System => (!is_blank).then_some(RemarkKind::SystemPrompt),
            Speaker::User if is_answered => {
                remarks.push(RemarkKind::LaterTurns);
                break;
            }
            Speaker::User => {
                asked.push(turn.text.trim().to_owned());
                None
            }
            Speaker::Assistant | Speaker::Tool if asked.is_empty() => {
                (!is_blank).then_some(RemarkKind::OpeningTurn)
            }
            Speaker::Assistant if !turn.calls_tool => {
                is_answered = true;
                answers.extend((!is_blank).then_some(turn.text));
                None
            }
            Speaker::Assistant | Speaker::Tool => {
                is_answered = true;
                answers.clear();
                Some(RemarkKind::ToolTurns)
            }
        };
        remarks.extend(remark.filter(|remark| !remarks.contains(remark)));
    }
    if asked.is_empty() {
        return Err(SkipReason::NoUserTurn);
    }
    asked.retain(|text| !text.is_empty());
    for (speaker, texts) in [(Speaker::User, &asked), (Speaker::Assistant, &answers)] {
        if texts.len() > 1 {
            remarks.push(RemarkKind::JoinedTurns { speaker, turns: texts.len() });
        }
    }
    let response = match answers.as_slice() {
        [only] => only.clone(),
        several => several.iter().map(|text| text.trim()).collect::<Vec<_>>().join("\n\n"),
    };
    Ok(Exchange { instruction: asked.join("\n\n"), response, remarks })
}
