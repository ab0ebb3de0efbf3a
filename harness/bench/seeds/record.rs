//! From a record's fields to what an item needs of them.

use std::collections::BTreeSet;

use gra_synth::pool::Annotation;
use serde_json::{Map, Value};

use super::json::kind;
use super::{Fault, Field, FieldMapping, Format, RemarkKind, SkipReason, annotation};

/// What a kept record says.
pub(super) struct Content {
    pub(super) instruction: String,
    pub(super) input_at: Option<usize>,
    pub(super) response: Option<String>,
    pub(super) annotation: Option<Annotation>,
    pub(super) remarks: Vec<RemarkKind>,
}

/// Reads one record after the other, and remembers which fields the file has.
pub(super) struct Reading<'a> {
    mapping: &'a FieldMapping,
    asked: Option<Format>,
    /// Fields that some record had.
    found: BTreeSet<Field>,
    first: Option<First>,
}

/// The first record that could be told into fields.
struct First {
    keys: Vec<String>,
    is_conversation: bool,
}

impl<'a> Reading<'a> {
    pub(super) const fn new(mapping: &'a FieldMapping, asked: Option<Format>) -> Self {
        Self { mapping, asked, found: BTreeSet::new(), first: None }
    }

    pub(super) fn begins_with_conversation(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.is_conversation)
    }

    /// A field that was named, or the instruction, is an error when no record at all has it.
    pub(super) fn check_fields_found(&self) -> Result<(), Fault> {
        let Some(first) = &self.first else { return Ok(()) };
        let missing = |field, name: &str| {
            Err(Fault::NoField { field, name: name.to_owned(), found: first.keys.clone() })
        };
        for (field, name) in self.mapping.named() {
            if !self.found.contains(&field) {
                return missing(field, name);
            }
        }
        if self.found.contains(&Field::Instruction) || self.found.contains(&Field::Conversations) {
            return Ok(());
        }
        if self.asked == Some(Format::ShareGpt) {
            return missing(Field::Conversations, Field::Conversations.name());
        }
        missing(Field::Instruction, Field::Instruction.name())
    }

    /// Reads a record's fields.
    pub(super) fn content(
        &mut self,
        mut fields: Map<String, Value>,
    ) -> Result<Content, SkipReason> {
        let is_conversation = self.is_conversation(&fields);
        if self.first.is_none() {
            let mut keys: Vec<String> = fields.keys().cloned().collect();
            // Whether the JSON parser keeps their order depends on a feature of it.
            keys.sort();
            self.first = Some(First { keys, is_conversation });
        }
        let brought = [Field::Domain, Field::Summary, Field::Keywords]
            .map(|field| self.take(field, &mut fields));
        let mut content = if is_conversation {
            let turns = self.take(Field::Conversations, &mut fields);
            conversation(turns.unwrap_or_default())?
        } else {
            self.plain(&mut fields)?
        };
        if content.instruction.is_empty() {
            return Err(SkipReason::EmptyInstruction);
        }
        match annotation::read(brought) {
            Ok(annotation) => content.annotation = annotation,
            Err(remark) => content.remarks.push(remark),
        }
        Ok(content)
    }

    /// Whether a record is read as a conversation. One that also has an instruction is not.
    fn is_conversation(&self, fields: &Map<String, Value>) -> bool {
        let has = |field| self.mapping.key(field, || fields.keys().map(String::as_str)).is_some();
        match self.asked {
            Some(Format::ShareGpt) => has(Field::Conversations),
            Some(Format::Alpaca) => false,
            _ => has(Field::Conversations) && !has(Field::Instruction),
        }
    }

    /// A record with instruction, input and output.
    fn plain(&mut self, fields: &mut Map<String, Value>) -> Result<Content, SkipReason> {
        if self.asked == Some(Format::ShareGpt) {
            return Err(SkipReason::NoConversation);
        }
        let instruction = self.take(Field::Instruction, fields).ok_or(SkipReason::NoInstruction)?;
        let instruction = text(Field::Instruction, instruction)?;
        let mut of = |field| text(field, self.take(field, fields).unwrap_or_default());
        let (input, response) = (of(Field::Input)?, of(Field::Output)?);
        let (instruction, input_at) = joined(&instruction, &input);
        Ok(Content {
            instruction,
            input_at,
            response: not_blank(response),
            annotation: None,
            remarks: Vec::new(),
        })
    }

    fn take(&mut self, field: Field, fields: &mut Map<String, Value>) -> Option<Value> {
        let value = self.mapping.take(field, fields)?;
        self.found.insert(field);
        Some(value)
    }
}

/// The text of a field. A number or a boolean is its own text; null is none.
fn text(field: Field, value: Value) -> Result<String, SkipReason> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        other => Err(SkipReason::NotText { field, found: kind(&other) }),
    }
}

fn not_blank(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

/// Instruction and input with a blank line between them (METHOD.md, S2), and where the input begins.
fn joined(instruction: &str, input: &str) -> (String, Option<usize>) {
    let (instruction, input) = (instruction.trim(), input.trim());
    if instruction.is_empty() || input.is_empty() || is_placeholder(input) {
        return (instruction.to_owned(), None);
    }
    (format!("{instruction}\n\n{input}"), Some(instruction.len() + 2))
}

/// Alpaca's ways to write that there is no input: `<noinput>`, `Noinput`, `No input.`
fn is_placeholder(input: &str) -> bool {
    const PLACEHOLDER: &str = "noinput";
    // Longer texts cannot be one, and need not be folded.
    input.len() <= 2 * PLACEHOLDER.len()
        && input
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .eq(PLACEHOLDER.chars())
}

/// The first exchange of a conversation: what the user says first, and the next answer.
fn conversation(turns: Value) -> Result<Content, SkipReason> {
    let Value::Array(turns) = turns else {
        return Err(SkipReason::NotTurns { found: kind(&turns) });
    };
    let mut remarks = Vec::new();
    let mut instruction = None;
    let mut response = None;
    let last = turns.len();
    for (turn, value) in (1..).zip(turns) {
        let (speaker, said) = speech(turn, value)?;
        match (speaker, &instruction) {
            (Speaker::System, _) if !remarks.contains(&RemarkKind::SystemTurn) => {
                remarks.push(RemarkKind::SystemTurn);
            }
            (Speaker::User, None) => instruction = Some(said.trim().to_owned()),
            (Speaker::Assistant, Some(_)) => {
                response = not_blank(said);
                if turn < last {
                    remarks.push(RemarkKind::LaterTurns);
                }
                break;
            }
            _ => {}
        }
    }
    let instruction = instruction.ok_or(SkipReason::NoUserTurn)?;
    Ok(Content { instruction, input_at: None, response, annotation: None, remarks })
}

enum Speaker {
    System,
    User,
    Assistant,
    /// Tools and the like: no part of the exchange.
    Other,
}

/// Who says what in a turn: `from` and `value`, or `role` and `content`.
fn speech(turn: usize, value: Value) -> Result<(Speaker, String), SkipReason> {
    let bad = |what| SkipReason::BadTurn { turn, what };
    let Value::Object(mut fields) = value else { return Err(bad("is no object")) };
    let speaker = ["from", "role"].iter().find_map(|key| fields.get(*key)?.as_str());
    let speaker = match speaker.ok_or(bad("does not say who speaks"))? {
        "human" | "user" | "prompter" => Speaker::User,
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "model" => Speaker::Assistant,
        "system" => Speaker::System,
        _ => Speaker::Other,
    };
    match ["value", "content"].iter().find_map(|key| fields.remove(*key)) {
        Some(Value::String(said)) => Ok((speaker, said)),
        // A turn that only calls a tool has null for its text.
        Some(Value::Null) => Ok((speaker, String::new())),
        Some(_) => Err(bad("holds no text")),
        None => Err(bad("has neither `value` nor `content`")),
    }
}
