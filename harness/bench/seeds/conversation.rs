//! Conversations, and what is taken of them: the first exchange.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::value::{is_nothing, kind, text, transposed};
use super::{RemarkKind, SkipReason, Speaker, SpeakerNames};

/// A turn of a conversation.
pub(super) struct Turn {
    speaker: Speaker,
    text: String,
    /// It asks for a tool: its text, if any, is no answer.
    calls_tool: bool,
}

impl Turn {
    /// A turn in which a text is all there is.
    pub(super) const fn new(speaker: Speaker, text: String) -> Self {
        Self { speaker, text, calls_tool: false }
    }

    pub(super) const fn speaker(&self) -> Speaker {
        self.speaker
    }
}

/// Keys that say who speaks in a turn.
const ROLES: [&str; 4] = ["from", "role", "sender", "speaker"];

/// Keys of what the user and the assistant say in an object that is an exchange: MOSS, Capybara and their likes.
const EXCHANGES: [(&str, &str); 5] = [
    ("human", "assistant"),
    ("user", "assistant"),
    ("input", "output"),
    ("question", "answer"),
    ("prompt", "response"),
];

/// Whether a value is a list of turns that say who speaks.
pub(super) fn is_turn_list(value: &Value) -> bool {
    let says_who =
        |turn: &Value| ROLES.iter().any(|key| turn.get(key).is_some_and(Value::is_string));
    value.as_array().is_some_and(|turns| !turns.is_empty() && turns.iter().all(says_who))
}

/// Whether a value is a list of texts that two speakers say by turns; also as JSON text, as tables hold it.
pub(super) fn is_bare_turns(value: &Value) -> bool {
    match value {
        Value::Array(turns) => !turns.is_empty() && turns.iter().all(Value::is_string),
        Value::String(text) => text.trim_start().starts_with('['),
        _ => false,
    }
}

/// What is to be done, and the answer to it.
pub(super) struct Exchange {
    /// Trimmed.
    pub(super) instruction: String,
    /// What it is to be done with, where that stands apart.
    pub(super) input: Option<String>,
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
        // As LIMA has them: the user begins, and the two take turns.
        let speakers = [Speaker::User, Speaker::Assistant].into_iter().cycle();
        let turn =
            |(speaker, said): (_, &Value)| Some(Turn::new(speaker, said.as_str()?.to_owned()));
        return Ok((speakers.zip(&turns).filter_map(turn).collect(), unread));
    }
    let mut read = Vec::with_capacity(turns.len());
    for (number, value) in (1..).zip(turns) {
        let Value::Object(mut fields) = value else {
            return Err(bad_turn(number, "is no object".to_owned()));
        };
        match exchange(&mut fields) {
            Some(both) => {
                let both = both.into_iter().zip([Speaker::User, Speaker::Assistant]);
                read.extend(both.map(|(text, speaker)| Turn::new(speaker, text)));
            }
            None => read.push(turn(number, &mut fields, roles, &mut unread)?),
        }
        let others = fields.into_iter().filter(|(_, value)| !is_nothing(value));
        unread.extend(others.map(|(name, _)| name));
    }
    Ok((read, unread))
}

/// What both say in an object that is an exchange and no turn.
fn exchange(fields: &mut Map<String, Value>) -> Option<[String; 2]> {
    let text = |key: &str| fields.get(key)?.as_str().map(str::to_owned);
    let is_turn = ROLES.iter().any(|key| fields.contains_key(*key));
    let mut pairs = EXCHANGES.into_iter().filter(|_| !is_turn);
    let (keys, texts) = pairs.find_map(|keys| Some((keys, [text(keys.0)?, text(keys.1)?])))?;
    fields.remove(keys.0);
    fields.remove(keys.1);
    Some(texts)
}

fn bad_turn(turn: usize, what: String) -> SkipReason {
    SkipReason::BadTurn { turn, what }
}

fn listed(value: Value) -> Result<Vec<Value>, SkipReason> {
    let no_list = |found: &str| SkipReason::NotTurns { found: found.to_owned() };
    match value {
        Value::Array(turns) => Ok(turns),
        // Tables hold a conversation as text.
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Array(turns)) => Ok(turns),
            _ if text.trim_start().starts_with('[') => {
                Err(no_list("text that looks like a list and is no JSON"))
            }
            _ => Err(no_list("a string")),
        },
        // The `datasets` library keeps a list of objects as an object of lists.
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

/// Who says what in a turn: `from` and `value`, `role` and `content`, and other names of the two. What is taken goes from
/// the fields.
fn turn(
    number: usize,
    fields: &mut Map<String, Value>,
    roles: &SpeakerNames,
    unread: &mut BTreeSet<String>,
) -> Result<Turn, SkipReason> {
    let bad = |what: String| bad_turn(number, what);
    let keys: Vec<String> = fields.keys().map(|key| format!("`{key}`")).collect();
    let Some(Value::String(role)) = take(fields, &ROLES) else {
        return Err(bad(format!("does not say who speaks; its fields: {}", keys.join(", "))));
    };
    let mut speaker = roles.speaker(&role).ok_or(SkipReason::UnknownRole { turn: number, role })?;
    let mut said = take(fields, &["value", "content", "text", "parts"]);
    let calls = ["tool_calls", "function_call"].map(|key| fields.remove(key));
    let mut calls_tool = calls.iter().flatten().any(|call| !is_nothing(call));
    if let Some(Value::Array(parts)) = &mut said {
        let mut is_result = false;
        parts.retain(|part| match part.get("type").and_then(Value::as_str).unwrap_or_default() {
            "tool_use" | "server_tool_use" | "tool_call" => {
                calls_tool = true;
                false
            }
            "tool_result" => {
                is_result = true;
                false
            }
            kind @ ("thinking" | "redacted_thinking" | "reasoning") => {
                unread.insert(format!("content[].{kind}"));
                false
            }
            _ => true,
        });
        // What a tool gave back stands in a user's turn in some chats.
        if is_result && parts.is_empty() {
            speaker = Speaker::Tool;
        }
    }
    let said = match said {
        Some(Value::Array(parts)) if parts.is_empty() => String::new(),
        Some(said) => text(said).map_err(|found| bad(format!("holds {found}, not text")))?,
        // A turn that only calls a tool may have no text at all.
        None if calls_tool => String::new(),
        None => return Err(bad("has neither `value` nor `content`".to_owned())),
    };
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
                // What was said on the way to a call is not the answer that its result leads to.
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
        // As it was written, white space and all.
        [only] => only.clone(),
        several => several.iter().map(|text| text.trim()).collect::<Vec<_>>().join("\n\n"),
    };
    Ok(Exchange { instruction: asked.join("\n\n"), input: None, response, remarks })
}

/// A history's turns: a list of pairs of instruction and response, or turns like a conversation's.
pub(super) fn turns_of_history(
    history: Value,
    roles: &SpeakerNames,
) -> Result<(Vec<Turn>, BTreeSet<String>), SkipReason> {
    let history = match history {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| SkipReason::History { found: "a string".to_owned() })?,
        other => other,
    };
    let pairs = match history {
        Value::Array(pairs) if pairs.iter().all(Value::is_array) => pairs,
        other => return turns(other, roles),
    };
    let mut turns = Vec::new();
    for pair in pairs.iter().filter_map(Value::as_array) {
        for (speaker, said) in [Speaker::User, Speaker::Assistant].into_iter().zip(pair) {
            let said = text(said.clone()).map_err(|found| SkipReason::History { found })?;
            turns.push(Turn::new(speaker, said));
        }
    }
    Ok((turns, BTreeSet::new()))
}
