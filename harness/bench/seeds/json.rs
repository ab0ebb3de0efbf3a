//! Records from JSON: an array, an object a line, or objects one after the other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::{Collected, Fault, Raw, SkipReason};

/// Reads one array.
pub(super) fn array(bytes: &[u8], into: &mut Collected<'_>) -> Result<(), Fault> {
    let text = utf8(bytes)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Elements(into).deserialize(&mut parser).and_then(|()| parser.end());
    read.map_err(|error| broken(text, &error))
}

/// Reads an object a line. A line that cannot be read is a skipped record; a blank one is none.
pub(super) fn lines(bytes: &[u8], into: &mut Collected<'_>) {
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if !line.trim_ascii().is_empty() {
            into.push(Some(number), of_line(line));
        }
    }
}

/// Reads objects one after the other.
pub(super) fn objects(bytes: &[u8], into: &mut Collected<'_>) -> Result<(), Fault> {
    let text = utf8(bytes)?;
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        into.push(None, object(value.map_err(|error| broken(text, &error))?));
    }
    Ok(())
}

/// Hands each element on as it is parsed, so that a large array is never held as JSON values.
struct Elements<'a, 'c>(&'a mut Collected<'c>);

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            self.0.push(None, object(element));
        }
        Ok(())
    }
}

fn of_line(line: &[u8]) -> Raw {
    let text = std::str::from_utf8(line).map_err(|error| SkipReason::NotUtf8 {
        place: format!("byte {} of the line", error.valid_up_to()),
    })?;
    let value = serde_json::from_str(text).map_err(|error| SkipReason::BrokenJson {
        column: error.column(),
        message: message(&error),
    })?;
    object(value)
}

fn object(value: Value) -> Raw {
    match value {
        Value::Object(fields) => Ok(fields),
        other => Err(SkipReason::NotAnObject { found: kind(&other) }),
    }
}

/// The kind of a JSON value, with its article.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The whole of a file that cannot be skipped through line by line.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = bytes[..offset].split(|byte| *byte == b'\n').count();
        Fault::NotUtf8 { offset, line }
    })
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
