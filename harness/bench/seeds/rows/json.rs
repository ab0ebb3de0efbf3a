//! Rows from JSON: an array, an object a line, objects one after the other, or one object around the records.
//!
//! A record that is broken inside (half a surrogate pair, say) costs that record only: its text is told from the others
//! before it is read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Row, Rows};
use crate::seeds::conversation::is_turn_list;
use crate::seeds::value::{is_nothing, kind, transposed, without_nan};
use crate::seeds::{Fault, Field, FieldMapping, SkipReason, Unread};

/// The elements of one array.
pub(super) fn array(text: &str) -> Result<Rows<'_>, Fault> {
    let elements: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| broken(text, &error))?;
    Ok(Rows::new(elements.into_iter().map(|raw| Ok(row(raw.get())))))
}

/// An object a line. A line that cannot be read is a skipped record; a blank one is none.
pub(super) fn lines(bytes: &[u8]) -> Rows<'_> {
    // Files that were put behind each other have a byte order mark at the start of each.
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line));
    let lines = (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty());
    Rows::new(lines.map(|(number, line)| Ok(of_line(number, line))))
}

fn of_line(number: u64, line: &[u8]) -> Row {
    match std::str::from_utf8(line) {
        Ok(text) => Row { line: Some(number), ..row(&without_nan(text)) },
        Err(error) => {
            let place = format!("byte {} of the line", error.valid_up_to());
            Row::new(Some(number), Err(SkipReason::NotUtf8 { place }))
        }
    }
}

/// Objects one after the other.
pub(super) fn objects(text: &str) -> Rows<'_> {
    let objects = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let row = |raw: serde_json::Result<&RawValue>| Ok(row(raw?.get()));
    Rows::new(objects.map(move |raw| row(raw).map_err(|error| broken(text, &error))))
}

/// A record's text as a row. The last of several values under one name is the one that counts, as for all readers of
/// JSON; the others are named as not read.
fn row(text: &str) -> Row {
    let Ok(Fields { mut fields, earlier }) = serde_json::from_str(text) else {
        return Row::new(None, other_than_fields(text));
    };
    let mut unread: Vec<String> = earlier.iter().map(|name| format!("an earlier {name}")).collect();
    for (mark, inner) in ENVELOPES {
        if !(fields.contains_key(mark) && fields.get(inner).is_some_and(Value::is_object)) {
            continue;
        }
        let Some(Value::Object(record)) = fields.remove(inner) else { continue };
        if fields.get(TRUNCATED).is_some_and(|cells| !is_nothing(cells)) {
            return Row::new(
                None,
                Err(SkipReason::CutCells { names: fields[TRUNCATED].to_string() }),
            );
        }
        unread.extend(
            fields.into_iter().filter(|(_, value)| !is_nothing(value)).map(|(name, _)| name),
        );
        fields = record;
    }
    Row { line: None, fields: Ok(fields), unread }
}

/// Objects around a record: a key that marks one, and the key of the record. Rows as the data set viewer of Hugging
/// Face serves them, requests as OpenAI's batches have them.
const ENVELOPES: [(&str, &str); 2] = [("row_idx", "row"), ("custom_id", "body")];

/// Where the data set viewer says which cells it cut.
const TRUNCATED: &str = "truncated_cells";

/// The records of a file that is one object around them: a list under a key (`{"data": [..]}`), records under their
/// numbers (`{"0": {..}, "1": {..}}`), or a list for each field (`{"instruction": [..], ..}`). `None` when it is none.
pub(super) fn nested<'a>(text: &'a str, mapping: &FieldMapping) -> Result<Option<Rows<'a>>, Fault> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Entries>();
    let Some(Ok(Entries(entries))) = values.next() else { return Ok(None) };
    let is_instruction = |entry: &Entry<'_>| {
        entry.text.starts_with('"')
            && mapping.name(Field::Instruction, [entry.key.as_str()]).is_some()
    };
    // Several values, or an instruction that is a text: the file's objects are themselves its records.
    if values.next().is_some() || entries.iter().any(is_instruction) {
        return Ok(None);
    }
    if let Some(rows) = split_table(&entries) {
        return Ok(Some(rows));
    }
    let lists: Vec<&Entry> = entries.iter().filter(|entry| is_list(entry.text, mapping)).collect();
    match lists.as_slice() {
        [] => {}
        [list] => {
            let others = entries.iter().filter(|entry| entry.key != list.key);
            let unread = others.map(|entry| Unread { name: entry.key.clone(), records: 1 });
            return Ok(Some(Rows { unread: unread.collect(), ..array(list.text)? }));
        }
        several => {
            let names = several.iter().map(|entry| entry.key.clone()).collect();
            return Err(Fault::SeveralLists { names });
        }
    }
    // All of them, or the object is a record that holds another one.
    if !entries.is_empty() && entries.iter().all(|entry| is_record(entry.text, mapping)) {
        return Ok(Some(Rows::new(entries.into_iter().map(|entry| Ok(row(entry.text))))));
    }
    if !are_columns(&entries, mapping) {
        return Ok(None);
    }
    let rows = of_columns(&entries)?.into_iter();
    Ok(Some(Rows::new(rows.map(|fields| Ok(Row::new(None, Ok(fields)))))))
}

/// Whether a JSON text is a list of records. The first tells: to read all of a large file would take long.
fn is_list(text: &str, mapping: &FieldMapping) -> bool {
    let Some(inner) = text.strip_prefix('[') else { return false };
    let first = serde_json::Deserializer::from_str(inner).into_iter::<&RawValue>().next();
    let is_one = |text: &str| {
        // A record may be its turns alone.
        is_record(text, mapping) || serde_json::from_str(text).is_ok_and(|it| is_turn_list(&it))
    };
    first.is_some_and(|first| first.is_ok_and(|raw| is_one(raw.get())))
}

/// Whether a JSON text is an object with an instruction or a conversation, or with one around it.
fn is_record(text: &str, mapping: &FieldMapping) -> bool {
    let Ok(Fields { fields, .. }) = serde_json::from_str(text) else { return false };
    let is_around =
        |(mark, inner): (&str, &str)| fields.contains_key(mark) && fields.contains_key(inner);
    mapping.key(Field::Instruction, &fields).is_some()
        || mapping.key(Field::Conversations, &fields).is_some()
        || ENVELOPES.into_iter().any(is_around)
}

/// The rows of a table with its columns' names apart, as pandas writes it (`orient="split"`): `{"columns": [..], "index":
/// [..], "data": [[..], ..]}`.
fn split_table(entries: &[Entry<'_>]) -> Option<Rows<'static>> {
    let text = |key: &str| Some(entries.iter().find(|entry| entry.key == key)?.text);
    let columns: Vec<String> = serde_json::from_str(text("columns")?).ok()?;
    let data: Vec<Vec<Value>> = serde_json::from_str(text("data")?).ok()?;
    let row = move |cells: Vec<Value>| {
        let (found, expected) = (cells.len(), columns.len());
        let fields = (found == expected).then(|| columns.iter().cloned().zip(cells).collect());
        Ok(Row::new(None, fields.ok_or(SkipReason::Columns { found, expected })))
    };
    Some(Rows::new(data.into_iter().map(row)))
}

/// Whether an object is a table kept by columns: lists, or objects with the rows' numbers as keys.
fn are_columns(entries: &[Entry<'_>], mapping: &FieldMapping) -> bool {
    let is_number = |key: &str| key.bytes().all(|byte| byte.is_ascii_digit());
    // A conversation is a list itself, so a column of them is a list of lists.
    let is_column = |field: Field, text: &str| match text.strip_prefix('[').map(str::trim_start) {
        Some(inner) if field == Field::Conversations => inner.starts_with('['),
        Some(inner) => !inner.starts_with('{'),
        // Rows have numbers, while a conversation by keys has names.
        None => serde_json::from_str(text)
            .is_ok_and(|rows: Entries| !rows.0.is_empty() && rows.keys().all(is_number)),
    };
    let has = |field: Field| {
        let name = mapping.name(field, entries.iter().map(|entry| entry.key.as_str()));
        let mut named = entries.iter().filter(|entry| name == Some(entry.key.as_str()));
        named.any(|entry| is_column(field, entry.text))
    };
    entries.iter().all(|entry| entry.text.starts_with(['[', '{']))
        && (has(Field::Instruction) || has(Field::Conversations))
}

/// The rows of a table that is kept by columns.
fn of_columns(entries: &[Entry<'_>]) -> Result<Vec<Map<String, Value>>, Fault> {
    let mut columns = Vec::new();
    let mut numbers = Vec::new();
    for Entry { key, text } in entries {
        let (rows, cells) = column(text).map_err(|error| broken(text, &error))?;
        numbers.push(rows);
        columns.push((key.clone(), cells));
    }
    let lengths = columns.iter().map(|(name, cells): &(_, Vec<_>)| (name.clone(), cells.len()));
    let uneven = Fault::UnevenColumns { lengths: lengths.collect() };
    // Cells belong together by the rows' numbers, which must therefore be the same in each column.
    if numbers.iter().any(|rows| *rows != numbers[0]) {
        return Err(uneven);
    }
    transposed(columns).ok_or(uneven)
}

/// A column's cells, and the rows' numbers where they are given.
fn column(text: &str) -> serde_json::Result<(Vec<String>, Vec<Value>)> {
    if text.starts_with('[') {
        return Ok((Vec::new(), serde_json::from_str(text)?));
    }
    let Entries(cells) = serde_json::from_str(text)?;
    let cell = |cell: Entry<'_>| Ok((cell.key, serde_json::from_str(cell.text)?));
    cells.into_iter().map(cell).collect()
}

/// An object's key and the text of its value.
struct Entry<'t> {
    key: String,
    text: &'t str,
}

/// An object's entries in the order of the file, their values unread.
struct Entries<'t>(Vec<Entry<'t>>);

impl Entries<'_> {
    fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|entry| entry.key.as_str())
    }
}

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
                    entries.push(Entry { key, text: value.get() });
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A text that is no object, or none that can be read: a list of turns is a conversation, anything else has a reason.
fn other_than_fields(text: &str) -> Result<Map<String, Value>, SkipReason> {
    match serde_json::from_str(text) {
        Ok(turns) if is_turn_list(&turns) => Ok(Map::from_iter([("messages".to_owned(), turns)])),
        Ok(other) => Err(SkipReason::NotAnObject { found: kind(&other) }),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let line = if line > 1 { format!("line {line}, ") } else { String::new() };
            let place = format!("{line}column {column}");
            Err(SkipReason::BrokenJson { place, message: message(&error) })
        }
    }
}

/// An object's values by name.
struct Fields {
    fields: Map<String, Value>,
    /// Names whose value was replaced by a later one.
    earlier: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Entries(entries) = Entries::deserialize(deserializer)?;
        let (mut fields, mut earlier) = (Map::new(), Vec::new());
        for Entry { key, text } in entries {
            let value = as_written(text).map_err(D::Error::custom)?;
            if fields.insert(key.clone(), value).is_some_and(|earlier| !is_nothing(&earlier)) {
                earlier.push(key);
            }
        }
        Ok(Self { fields, earlier })
    }
}

/// A JSON text's value. A number that would change when it is read (more digits than a machine number has, a price of
/// `1.50`) is the text that stands there.
fn as_written(text: &str) -> serde_json::Result<Value> {
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if number.to_string() != text => Ok(text.into()),
        // Beyond what a machine number reaches.
        Err(_) if is_number => Ok(text.into()),
        read => read,
    }
}

fn broken(text: &str, error: &serde_json::Error) -> Fault {
    let (mut line, mut column) = (error.line(), error.column());
    // A string that is never closed breaks at its line's end, which the parser counts as column 0
    // of the next line.
    if column == 0 && line > 1 {
        line -= 1;
        column = text.split('\n').nth(line - 1).map_or(0, str::len) + 1;
    }
    Fault::BrokenJson { line, column, message: message(error) }
}

/// What the parser says, without the place that it appends.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
