//! From a record's fields to what an item needs of them.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::pool::Annotation;
use serde::Serialize;
use serde_json::{Map, Value};

use super::conversation::{self, Exchange, Speaker, SpeakerNames, Turn};
use super::text::{self, is_nothing};
use super::{Fault, Field, FieldMapping, Format, LoadOptions, RemarkKind, SkipReason, annotation};

/// What a kept record says.
pub(super) struct Content {
    pub(super) instruction: String,
    pub(super) input_at: Option<usize>,
    pub(super) response: Option<String>,
    pub(super) annotation: Option<Annotation>,
    pub(super) remarks: Vec<RemarkKind>,
}

/// A field that holds something and that no part of an item comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its name; of a field of turns, `conversations[].NAME`.
    pub name: String,
    /// In how many of the kept records it holds something; of a Parquet column, all rows.
    pub records: usize,
}

/// Reads one record after the other, and remembers which fields the file has.
pub(super) struct Reading<'a> {
    mapping: &'a FieldMapping,
    roles: &'a SpeakerNames,
    asked: Option<Format>,
    /// Fields that some record had.
    found: BTreeSet<Field>,
    /// Fields that no item was made of, with how many records have them.
    unread: BTreeMap<String, usize>,
    first: Option<First>,
}

/// The first record that could be told into fields.
struct First {
    keys: Vec<String>,
    is_conversation: bool,
}

impl<'a> Reading<'a> {
    pub(super) const fn new(options: &'a LoadOptions) -> Self {
        Self {
            mapping: &options.mapping,
            roles: &options.roles,
            asked: options.format,
            found: BTreeSet::new(),
            unread: BTreeMap::new(),
            first: None,
        }
    }

    pub(super) fn begins_with_conversation(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.is_conversation)
    }

    /// Counts fields that so many records have and that are not read.
    pub(super) fn leave_unread(&mut self, names: impl IntoIterator<Item = String>, records: usize) {
        for name in names {
            *self.unread.entry(name).or_default() += records;
        }
    }

    /// The fields that were not read, by name.
    pub(super) fn unread(&self) -> Vec<Unread> {
        let unread = self.unread.iter();
        unread.map(|(name, records)| Unread { name: name.clone(), records: *records }).collect()
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
            .map(|field| self.take(field, &mut fields).map(|(_, value)| value));
        let mut of_turns = BTreeSet::new();
        let mut content = if is_conversation {
            let (name, turns) = self.take(Field::Conversations, &mut fields).unwrap_or_default();
            let (turns, others) = conversation::turns(turns, self.roles)?;
            of_turns = others.into_iter().map(|key| format!("{name}[].{key}")).collect();
            Content::of_exchange(conversation::first_exchange(turns)?)?
        } else {
            self.plain(&mut fields)?
        };
        if self.take(Field::System, &mut fields).is_some_and(|(_, system)| !is_nothing(&system))
            && !content.remarks.contains(&RemarkKind::SystemPrompt)
        {
            content.remarks.push(RemarkKind::SystemPrompt);
        }
        match annotation::read(brought) {
            Ok(annotation) => content.annotation = annotation,
            Err(remark) => content.remarks.push(remark),
        }
        let others = fields.into_iter().filter(|(_, value)| !is_nothing(value));
        self.leave_unread(others.map(|(name, _)| name).chain(of_turns), 1);
        Ok(content)
    }

    /// Whether a record is read as a conversation. One that also has an instruction is not.
    fn is_conversation(&self, fields: &Map<String, Value>) -> bool {
        let has_turns = self.mapping.key(Field::Conversations, fields).is_some();
        match self.asked {
            Some(Format::ShareGpt) => has_turns,
            Some(Format::Alpaca) => false,
            _ => has_turns && !self.mapping.has_own_instruction(fields),
        }
    }

    /// A record with instruction, input and output.
    fn plain(&mut self, fields: &mut Map<String, Value>) -> Result<Content, SkipReason> {
        if self.asked == Some(Format::ShareGpt) {
            return Err(SkipReason::NoConversation);
        }
        let read = |field, taken: Option<(String, Value)>| {
            let (name, value) = taken.unwrap_or_default();
            text::text(value).map_err(|found| SkipReason::NotText { field, name, found })
        };
        let instruction = self.take(Field::Instruction, fields);
        let instruction =
            read(Field::Instruction, Some(instruction.ok_or(SkipReason::NoInstruction)?))?;
        let input = read(Field::Input, self.take(Field::Input, fields))?;
        let output = read(Field::Output, self.take(Field::Output, fields))?;
        let mut remarks = Vec::new();
        let input = input.trim();
        let has_input = !input.is_empty() && !text::is_no_input(input);
        if !input.is_empty() && !has_input {
            remarks.push(RemarkKind::Placeholder { field: Field::Input, text: input.to_owned() });
        }
        let instruction = instruction.trim();
        let exchange = |instruction| Exchange { instruction, response: output, remarks };
        let earlier = self.take(Field::History, fields).filter(|(_, value)| !is_nothing(value));
        if let Some((_, history)) = earlier {
            // The instruction continues a conversation, of which the first exchange stands by itself.
            let mut turns = history_turns(history, self.roles)?;
            turns.push(Turn {
                speaker: Speaker::User,
                text: instruction.to_owned(),
                calls_tool: false,
            });
            return Content::of_exchange(conversation::first_exchange(turns)?);
        }
        if !has_input || instruction.is_empty() {
            return Content::of_exchange(exchange(instruction.to_owned()));
        }
        let mut content = Content::of_exchange(exchange(instruction.to_owned()))?;
        // Joined after a blank line (METHOD.md, S2).
        content.input_at = Some(instruction.len() + 2);
        content.instruction = format!("{instruction}\n\n{input}");
        Ok(content)
    }

    /// Takes a field out of a record, with its name there.
    fn take(&mut self, field: Field, fields: &mut Map<String, Value>) -> Option<(String, Value)> {
        let name = self.mapping.key(field, fields)?.to_owned();
        self.found.insert(field);
        let value = fields.remove(&name)?;
        Some((name, value))
    }
}

impl Content {
    /// Words for nothing are no instruction and no response.
    fn of_exchange(exchange: Exchange) -> Result<Self, SkipReason> {
        let Exchange { instruction, response, mut remarks } = exchange;
        if instruction.is_empty() {
            return Err(SkipReason::EmptyInstruction);
        }
        if text::stands_for_nothing(&instruction) {
            return Err(SkipReason::PlaceholderInstruction { text: instruction });
        }
        let is_placeholder = text::is_no_output(&response);
        if is_placeholder {
            let text = response.trim().to_owned();
            remarks.push(RemarkKind::Placeholder { field: Field::Output, text });
        }
        let response = (!is_placeholder && !response.trim().is_empty()).then_some(response);
        Ok(Self { instruction, input_at: None, response, annotation: None, remarks })
    }
}

/// A history's turns: a list of pairs of instruction and response, or turns like a conversation's.
fn history_turns(history: Value, roles: &SpeakerNames) -> Result<Vec<Turn>, SkipReason> {
    let history = match history {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| SkipReason::History { found: "a string".to_owned() })?,
        other => other,
    };
    let is_pairs = |list: &Vec<Value>| list.iter().all(Value::is_array);
    if !history.as_array().is_some_and(is_pairs) {
        return Ok(conversation::turns(history, roles)?.0);
    }
    let pairs = history.as_array().into_iter().flatten().filter_map(Value::as_array);
    let said = pairs.flat_map(|pair| {
        let speakers = [Speaker::User, Speaker::Assistant];
        pair.iter().zip(speakers).map(|(said, speaker)| {
            let text = text::text(said.clone());
            text.map(|text| Turn { speaker, text, calls_tool: false })
        })
    });
    said.collect::<Result<_, _>>().map_err(|found| SkipReason::History { found })
}
