//! Records from JSON: an array, an object a line, or objects one after the other.
//!
//! Python writes numbers that are none as `NaN` and `Infinity`, which JSON does not have; they are read
//! as null. A record that is broken inside (half a surrogate pair, say) costs that record only.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Fault, Raw, Sink, SkipReason};

/// Reads one array.
pub(super) fn array(text: &str, into: &mut dyn Sink) -> Result<(), Fault> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Elements(into).deserialize(&mut parser).and_then(|()| parser.end());
    read.map_err(|error| broken(text, &error))
}

/// Reads an object a line. A line that cannot be read is a skipped record; a blank one is none.
pub(super) fn lines(bytes: &[u8], into: &mut dyn Sink) {
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        // Files that were put behind each other have a byte order mark at the start of each.
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            into.push(Some(number), of_line(line));
        }
    }
}

/// Reads objects one after the other.
pub(super) fn objects(text: &str, into: &mut dyn Sink) -> Result<(), Fault> {
    for raw in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        into.push(None, record(raw.map_err(|error| broken(text, &error))?.get()));
    }
    Ok(())
}

/// Hands each element on as it is found, so that a large array is never held as JSON values.
struct Elements<'a>(&'a mut dyn Sink);

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0.push(None, record(element.get()));
        }
        Ok(())
    }
}

fn of_line(line: &[u8]) -> Raw {
    let text = std::str::from_utf8(line).map_err(|error| SkipReason::NotUtf8 {
        place: format!("byte {} of the line", error.valid_up_to()),
    })?;
    record(&without_nan(text))
}

/// A record's fields.
pub(super) fn record(text: &str) -> Raw {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(SkipReason::NotAnObject { found: kind(&other) }),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let line = if line > 1 { format!("line {line}, ") } else { String::new() };
            let place = format!("{line}column {column}");
            Err(SkipReason::BrokenJson { place, message: message(&error) })
        }
    }
}

/// Whether the text is one JSON value, whatever its strings hold.
pub(super) fn is_whole(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(&without_nan(text)).is_ok()
}

/// The text with `null` for every `NaN`, `Infinity` and `-Infinity` outside its strings.
pub(super) fn without_nan(text: &str) -> Cow<'_, str> {
    const NAMES: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !NAMES.iter().any(|name| text.contains(name)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', '-', 'I']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = NAMES.iter().find(|name| rest.starts_with(**name));
        let taken = if let Some(name) = name {
            out.push_str("null");
            name.len()
        } else {
            let length = if rest.starts_with('"') { string_length(rest) } else { 1 };
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of the string that a text begins with, quotes included; all of the text when it never closes.
fn string_length(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
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

/// The text of a file in JSON, as this parser can read it.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    utf8(bytes).map(without_nan)
}

pub(super) fn broken(text: &str, error: &serde_json::Error) -> Fault {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_become_null_outside_strings() {
        for (text, expected) in [
            (r#"{"a": NaN, "b": -Infinity}"#, r#"{"a": null, "b": null}"#),
            (r#"[Infinity,"NaN \" NaN",-1]"#, r#"[null,"NaN \" NaN",-1]"#),
            (r#"{"NaN": "Infinity"}"#, r#"{"NaN": "Infinity"}"#),
            (r#"["\\",NaN]"#, r#"["\\",null]"#),
            ("[NaN, \"open NaN", "[null, \"open NaN"),
        ] {
            assert_eq!(without_nan(text), expected, "{text}");
        }
    }
}
