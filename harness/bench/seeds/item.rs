//! From a row to a seed item, or the reason why there is none.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::domain::Domain;
use gra_synth::form::MAX_KEYWORDS;
use gra_synth::pool::{Annotation, SeedItem};
use serde_json::{Map, Value};

use super::conversation::{self, Exchange, Turn, is_turn_list};
use super::rows::Row;
use super::value::{is_no_input, is_no_output, is_nothing, stands_for_nothing, text};
use super::{Fault, Field, Format, LoadOptions, RemarkKind, SkipReason, Skipped, Speaker, Unread};

/// An item, and what was set aside of its record.
pub(super) struct Kept {
    pub(super) item: SeedItem,
    pub(super) line: Option<u64>,
    pub(super) remarks: Vec<RemarkKind>,
}

/// Reads one row after the other, and remembers which fields the file has.
pub(super) struct ItemReader<'a> {
    options: &'a LoadOptions,
    /// Fields that some record had.
    found: BTreeSet<Field>,
    /// Fields that no item was made of, with how many records have them.
    unread: BTreeMap<String, usize>,
    first: Option<FirstRecord>,
}

/// The first record that could be told into fields.
struct FirstRecord {
    keys: Vec<String>,
    is_conversation: bool,
}

impl<'a> ItemReader<'a> {
    /// Of a file with these fields beside its rows.
    pub(super) fn new(options: &'a LoadOptions, unread: Vec<Unread>) -> Self {
        let mut reader =
            Self { options, found: BTreeSet::new(), unread: BTreeMap::new(), first: None };
        for Unread { name, records } in unread {
            reader.leave_unread([name], records);
        }
        reader
    }

    pub(super) fn begins_with_conversation(&self) -> bool {
        self.first.as_ref().is_some_and(|first| first.is_conversation)
    }

    /// Counts fields that so many records have and that are not read.
    fn leave_unread(&mut self, names: impl IntoIterator<Item = String>, records: usize) {
        for name in names {
            *self.unread.entry(name).or_default() += records;
        }
    }

    /// The fields that were not read, by name.
    pub(super) fn unread(self) -> Vec<Unread> {
        let unread = self.unread.into_iter();
        unread.map(|(name, records)| Unread { name, records }).collect()
    }

    /// A field that was named, or the instruction, is an error when no record at all has it.
    pub(super) fn check_fields_found(&self) -> Result<(), Fault> {
        let Some(first) = &self.first else { return Ok(()) };
        let missing = match self.options.format {
            Some(Format::ShareGpt) => Field::Conversations,
            _ => Field::Instruction,
        };
        let has = |field| self.found.contains(&field);
        self.options.mapping.check_found(has, missing, || first.keys.clone())
    }

    /// Reads the file's next row.
    pub(super) fn read(&mut self, number: u32, row: Row) -> Result<Kept, Skipped> {
        let Row { line, fields, unread } = row;
        self.leave_unread(unread, 1);
        fields.and_then(|fields| self.kept(number, line, fields)).map_err(|reason| Skipped {
            number,
            line,
            reason,
        })
    }

    fn kept(
        &mut self,
        number: u32,
        line: Option<u64>,
        mut fields: Map<String, Value>,
    ) -> Result<Kept, SkipReason> {
        let is_conversation = self.is_conversation(&fields);
        if self.first.is_none() {
            // Shown where no record has a field that must be there.
            let mut keys: Vec<String> = fields.keys().cloned().collect();
            // Whether the JSON parser keeps their order depends on a feature of it.
            keys.sort();
            self.first = Some(FirstRecord { keys, is_conversation });
        }
        let brought = [Field::Domain, Field::Summary, Field::Keywords]
            .map(|field| self.take(field, &mut fields).map(|(_, value)| value));
        let mut of_turns = BTreeSet::new();
        let exchange = if is_conversation {
            let turns = self.turns(Field::Conversations, &mut fields, &mut of_turns)?;
            conversation::first_exchange(turns)?
        } else {
            self.plain_exchange(&mut fields, &mut of_turns)?
        };
        let mut kept = Kept::from_exchange(number, line, exchange)?;
        if self.take(Field::System, &mut fields).is_some_and(|(_, system)| !is_nothing(&system))
            && !kept.remarks.contains(&RemarkKind::SystemPrompt)
        {
            kept.remarks.push(RemarkKind::SystemPrompt);
        }
        match annotation(brought) {
            Ok(annotation) => kept.item.annotation = annotation,
            Err(remark) => kept.remarks.push(remark),
        }
        // What was taken is gone from the fields: what is left was not read.
        let others = fields.into_iter().filter(|(_, value)| !is_nothing(value));
        self.leave_unread(others.map(|(name, _)| name).chain(of_turns), 1);
        Ok(kept)
    }

    /// Whether a record is read as a conversation. One that also has an instruction is not.
    fn is_conversation(&self, fields: &Map<String, Value>) -> bool {
        let mapping = &self.options.mapping;
        let key = |field| mapping.key(field, fields);
        // Where data sets were put together, a record may have a conversation's field and nothing in it.
        let is_empty = |key: &str| is_nothing(&fields[key]);
        let has_turns = key(Field::Conversations)
            .is_some_and(|turns| !is_empty(turns) || key(Field::Instruction).is_none_or(is_empty));
        match self.options.format {
            Some(Format::ShareGpt) => has_turns,
            Some(Format::Alpaca) => false,
            _ => has_turns && !mapping.has_own_instruction(fields),
        }
    }

    /// The turns that a field holds; names of what else is in them are added to those that are not read.
    fn turns(
        &mut self,
        field: Field,
        fields: &mut Map<String, Value>,
        unread: &mut BTreeSet<String>,
    ) -> Result<Vec<Turn>, SkipReason> {
        let (name, turns) = self.take(field, fields).unwrap_or_default();
        let roles = &self.options.roles;
        let (turns, others) = match field {
            Field::History => conversation::turns_of_history(turns, roles)?,
            _ => conversation::turns(turns, roles)?,
        };
        unread.extend(others.into_iter().map(|key| format!("{name}[].{key}")));
        Ok(turns)
    }

    /// What a record with instruction, input and output says.
    fn plain_exchange(
        &mut self,
        fields: &mut Map<String, Value>,
        of_turns: &mut BTreeSet<String>,
    ) -> Result<Exchange, SkipReason> {
        if self.options.format == Some(Format::ShareGpt) {
            return Err(SkipReason::NoConversation);
        }
        if self.options.mapping.key(Field::Instruction, fields).is_none() {
            return Err(SkipReason::NoInstruction);
        }
        let has_turns = |field| {
            let key = self.options.mapping.key(field, fields);
            key.is_some_and(|key| is_turn_list(&fields[key]))
        };
        let (asks_in_turns, answers_in_turns) =
            (has_turns(Field::Instruction), has_turns(Field::Output));
        if asks_in_turns || answers_in_turns {
            return self.exchange_in_turns(asks_in_turns, answers_in_turns, fields, of_turns);
        }
        // A field that is not there is read as null, which is no text.
        let mut read = |field| {
            let (name, value) = self.take(field, fields).unwrap_or_default();
            text(value).map_err(|found| SkipReason::NotText { field, name, found })
        };
        let instruction = read(Field::Instruction)?.trim().to_owned();
        let input = read(Field::Input)?.trim().to_owned();
        // White space around a response may be part of it: code, a table.
        let response = read(Field::Output)?;
        let history = self.options.mapping.key(Field::History, fields);
        if history.is_some_and(|key| !is_nothing(&fields[key])) {
            // The instruction continues a conversation, of which the first exchange stands by itself.
            let mut turns = self.turns(Field::History, fields, of_turns)?;
            turns.push(Turn::new(Speaker::User, instruction));
            return conversation::first_exchange(turns);
        }
        let mut remarks = Vec::new();
        let input = if is_no_input(&input) {
            remarks.push(RemarkKind::Placeholder { field: Field::Input, text: input });
            None
        } else {
            Some(input).filter(|input| !input.is_empty())
        };
        Ok(Exchange { instruction, input, response, remarks })
    }

    /// What a record says whose instruction, output or both are lists of turns, as TRL has them.
    fn exchange_in_turns(
        &mut self,
        asks_in_turns: bool,
        answers_in_turns: bool,
        fields: &mut Map<String, Value>,
        of_turns: &mut BTreeSet<String>,
    ) -> Result<Exchange, SkipReason> {
        let mut part = |field, in_turns, speaker| {
            if in_turns {
                return self.turns(field, fields, of_turns);
            }
            let (name, value) = self.take(field, fields).unwrap_or_default();
            let text = text(value).map_err(|found| SkipReason::NotText { field, name, found })?;
            let is_blank = text.trim().is_empty();
            Ok(Vec::from_iter((!is_blank).then(|| Turn::new(speaker, text))))
        };
        let mut turns = part(Field::Instruction, asks_in_turns, Speaker::User)?;
        let answer = part(Field::Output, answers_in_turns, Speaker::Assistant)?;
        // Some pairs of answers repeat the instruction in both.
        if answer.first().is_some_and(|turn| turn.speaker() != Speaker::Assistant) {
            turns.clear();
        }
        turns.extend(answer);
        conversation::first_exchange(turns)
    }

    /// Takes a field out of a record, with its name there.
    fn take(&mut self, field: Field, fields: &mut Map<String, Value>) -> Option<(String, Value)> {
        let name = self.options.mapping.key(field, fields)?.to_owned();
        self.found.insert(field);
        let value = fields.remove(&name)?;
        Some((name, value))
    }
}

impl Kept {
    /// Words for nothing are no instruction and no response.
    fn from_exchange(
        number: u32,
        line: Option<u64>,
        exchange: Exchange,
    ) -> Result<Self, SkipReason> {
        let Exchange { mut instruction, input, response, mut remarks } = exchange;
        // An input alone says what to do it with, and not what to do.
        if instruction.is_empty() {
            return Err(SkipReason::EmptyInstruction);
        }
        if stands_for_nothing(&instruction) {
            return Err(SkipReason::PlaceholderInstruction { text: instruction });
        }
        // Joined after a blank line (METHOD.md, S2).
        let input_at = input.is_some().then_some(instruction.len() + 2);
        if let Some(input) = input {
            instruction = format!("{instruction}\n\n{input}");
        }
        let is_placeholder = is_no_output(&response);
        if is_placeholder {
            let text = response.trim().to_owned();
            remarks.push(RemarkKind::Placeholder { field: Field::Output, text });
        }
        let response = (!is_placeholder && !response.trim().is_empty()).then_some(response);
        let item = SeedItem { number, instruction, input_at, response, annotation: None };
        Ok(Self { item, line, remarks })
    }
}

/// The annotation that a record brings: domain, summary and keywords, in this order. All absent is no annotation; some
/// absent or wrong drops the annotation, and the item is annotated like any other.
fn annotation(brought: [Option<Value>; 3]) -> Result<Option<Annotation>, RemarkKind> {
    let [domain, summary, keywords] = brought.map(|value| value.filter(|value| !is_blank(value)));
    if domain.is_none() && summary.is_none() && keywords.is_none() {
        return Ok(None);
    }
    let domain = line(Field::Domain, domain)?;
    let Some(domain) = Domain::parse(&domain) else {
        return Err(RemarkKind::UnknownDomain(domain));
    };
    let summary = line(Field::Summary, summary)?;
    let keywords = match keywords.ok_or(RemarkKind::Incomplete(Field::Keywords))? {
        Value::String(text) => split(&text),
        list => keywords_in(&list).ok_or(RemarkKind::Unreadable(Field::Keywords))?,
    };
    let keywords = distinct(keywords);
    match keywords.len() {
        0 => Err(RemarkKind::Incomplete(Field::Keywords)),
        1..=MAX_KEYWORDS => Ok(Some(Annotation { domain, keywords, summary })),
        many => Err(RemarkKind::TooManyKeywords(many)),
    }
}

/// Null, empty text and empty lists are absent: that is how tables write it.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn line(field: Field, value: Option<Value>) -> Result<String, RemarkKind> {
    match value.ok_or(RemarkKind::Incomplete(field))? {
        Value::String(text) => Ok(text.trim().to_owned()),
        _ => Err(RemarkKind::Unreadable(field)),
    }
}

fn keywords_in(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|keyword| keyword.as_str().map(str::to_owned)).collect()
}

/// Keywords in one text, as a table holds them: a JSON list, or with `;` or else `,` in between.
fn split(text: &str) -> Vec<String> {
    if let Some(list) = serde_json::from_str(text).ok().as_ref().and_then(keywords_in) {
        return list;
    }
    let separator = if text.contains(';') { ';' } else { ',' };
    text.split(separator).map(str::to_owned).collect()
}

/// Trimmed, without empty ones; repeats, case apart, count once, as in a model's reply.
fn distinct(keywords: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(keywords.len().min(MAX_KEYWORDS + 1));
    for keyword in keywords {
        let keyword = keyword.trim();
        let known = |other: &String| other.to_lowercase() == keyword.to_lowercase();
        if !keyword.is_empty() && !kept.iter().any(known) {
            kept.push(keyword.to_owned());
        }
    }
    kept
}
