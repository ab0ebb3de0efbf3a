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
    let turn = |(number, value)| turn(number, value, roles, &mut unread);
    let turns = (1..).zip(turns).map(turn).collect::<Result<_, _>>()?;
    Ok((turns, unread))
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
) -> Result<Vec<Turn>, SkipReason> {
    let history = match history {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| SkipReason::History { found: "a string".to_owned() })?,
        other => other,
    };
    let pairs = match history {
        Value::Array(pairs) if pairs.iter().all(Value::is_array) => pairs,
        other => return Ok(turns(other, roles)?.0),
    };
    let mut turns = Vec::new();
    for pair in pairs.iter().filter_map(Value::as_array) {
        for (speaker, said) in [Speaker::User, Speaker::Assistant].into_iter().zip(pair) {
            let said = text(said.clone()).map_err(|found| SkipReason::History { found })?;
            turns.push(Turn::new(speaker, said));
        }
    }
    Ok(turns)
}
