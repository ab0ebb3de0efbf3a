//! Records that lie deeper in a JSON file: a list under a key of one object (`{"data": [..]}`), records
//! under their numbers (`{"0": {..}, "1": {..}}`), or a list for each field (`{"instruction": [..], ..}`).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Fault, Field, FieldMapping, Sink, json};

/// Delivers the records of a file that is one object around them; says whether it is one.
pub(super) fn records(
    text: &str,
    mapping: &FieldMapping,
    into: &mut dyn Sink,
) -> Result<bool, Fault> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Entries>();
    let Some(Ok(Entries(entries))) = values.next() else { return Ok(false) };
    let is_record = |Entry(name, raw): &Entry<'_>| {
        raw.get().starts_with('"')
            && mapping.names(Field::Instruction, [name.as_str()]).next().is_some()
    };
    if values.next().is_some() || entries.iter().any(is_record) {
        return Ok(false);
    }
    let lists: Vec<&Entry> = entries.iter().filter(|entry| entry.is_list(mapping)).collect();
    match lists.as_slice() {
        [] => {}
        [list] => {
            json::array(list.1.get(), into)?;
            let others = entries.iter().filter(|entry| entry.0 != list.0);
            into.leave_unread(others.map(|entry| entry.0.clone()).collect(), 1);
            return Ok(true);
        }
        several => {
            let names = several.iter().map(|entry| entry.0.clone()).collect();
            return Err(Fault::SeveralLists { names });
        }
    }
    if entries.iter().all(|entry| holds_record(entry.1.get(), mapping)) && !entries.is_empty() {
        for entry in &entries {
            into.push(None, json::record(entry.1.get()));
        }
        return Ok(true);
    }
    columns(&entries, mapping, into)
}

/// An object's key and the text of its value.
struct Entry<'t>(String, &'t RawValue);

impl Entry<'_> {
    /// Whether the value is a list of records.
    fn is_list(&self, mapping: &FieldMapping) -> bool {
        let Some(inner) = self.1.get().strip_prefix('[') else { return false };
        let mut elements = serde_json::Deserializer::from_str(inner).into_iter::<&RawValue>();
        elements.next().is_some_and(|first| first.is_ok_and(|raw| holds_record(raw.get(), mapping)))
    }
}

/// Whether a JSON text is an object with an instruction or a conversation.
fn holds_record(text: &str, mapping: &FieldMapping) -> bool {
    let Ok(Entries(entries)) = serde_json::from_str(text) else { return false };
    let has = |field| mapping.names(field, entries.iter().map(|entry| entry.0.as_str())).next();
    has(Field::Instruction).or(has(Field::Conversations)).is_some()
}

/// Delivers the rows of a table that is kept by columns: lists, or objects with the rows' numbers as keys.
fn columns(
    entries: &[Entry<'_>],
    mapping: &FieldMapping,
    into: &mut dyn Sink,
) -> Result<bool, Fault> {
    // A conversation is a list itself, so a column of them is a list of lists.
    let is_column = |field: Field, text: &str| match text.strip_prefix('[').map(str::trim_start) {
        Some(inner) if field == Field::Conversations => inner.starts_with('['),
        Some(inner) => !inner.starts_with('{'),
        // Rows have numbers, while a conversation by keys has names.
        None => serde_json::from_str(text).is_ok_and(|Entries(rows)| {
            !rows.is_empty()
                && rows.iter().all(|row| row.0.bytes().all(|byte| byte.is_ascii_digit()))
        }),
    };
    let has = |field: Field| {
        let name = mapping.names(field, entries.iter().map(|entry| entry.0.as_str())).next();
        entries
            .iter()
            .any(|entry| name == Some(entry.0.as_str()) && is_column(field, entry.1.get()))
    };
    let are_columns = entries.iter().all(|entry| entry.1.get().starts_with(['[', '{']));
    if !are_columns || !(has(Field::Instruction) || has(Field::Conversations)) {
        return Ok(false);
    }
    let columns: Vec<Column> = entries.iter().map(column).collect::<Result<_, _>>()?;
    let uneven = || Fault::UnevenColumns {
        lengths: columns.iter().map(|column| (column.name.clone(), column.values.len())).collect(),
    };
    if columns.iter().any(|column| column.rows != columns[0].rows) {
        return Err(uneven());
    }
    let named = columns.iter().map(|column| (column.name.clone(), column.values.clone())).collect();
    for row in transposed(named).ok_or_else(uneven)? {
        into.push(None, Ok(row));
    }
    Ok(true)
}

/// A field's values, and the rows' numbers where they are given.
struct Column {
    name: String,
    rows: Vec<String>,
    values: Vec<Value>,
}

fn column(Entry(name, raw): &Entry<'_>) -> Result<Column, Fault> {
    let read = || -> serde_json::Result<(Vec<String>, Vec<Value>)> {
        if raw.get().starts_with('[') {
            return Ok((Vec::new(), serde_json::from_str(raw.get())?));
        }
        let Entries(cells) = serde_json::from_str(raw.get())?;
        let cell = |Entry(row, raw): Entry<'_>| Ok((row, serde_json::from_str(raw.get())?));
        cells.into_iter().map(cell).collect()
    };
    let (rows, values) = read().map_err(|error| json::broken(raw.get(), &error))?;
    Ok(Column { name: name.clone(), rows, values })
}

/// Rows out of columns; `None` when their lengths differ.
pub(super) fn transposed(columns: Vec<(String, Vec<Value>)>) -> Option<Vec<Map<String, Value>>> {
    let height = columns.first().map_or(0, |(_, values)| values.len());
    let mut rows: Vec<Map<String, Value>> = (0..height).map(|_| Map::new()).collect();
    for (name, values) in columns {
        if values.len() != height {
            return None;
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    Some(rows)
}

/// An object's entries in the order of the file, their values unread.
struct Entries<'t>(Vec<Entry<'t>>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    entries.push(Entry(key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
