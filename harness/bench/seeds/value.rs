//! JSON as data sets write it: numbers that are none, the text that a value stands for, values that stand for
//! nothing, tables kept by columns.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The text with `null` for every `NaN`, `Infinity` and `-Infinity` outside its strings: Python writes such numbers,
/// and JSON does not have them.
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
        let taken = if let Some(name) = NAMES.iter().find(|name| rest.starts_with(**name)) {
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
            // What is escaped, a quote above all, closes nothing.
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

/// The text of a value. Null is none, a number or a boolean is its own text, and a list of text parts
/// (`{"type": "text", "text": ..}`, as chat services have it) is its parts, a line each.
///
/// # Errors
/// What the value is instead.
pub(super) fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(parts)
            if parts.iter().any(|part| part.get("text").or(part.get("type")).is_some()) =>
        {
            let parts = parts.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            Ok(parts.join("\n"))
        }
        other => Err(kind(&other).to_owned()),
    }
}

fn part(part: &Value) -> Result<&str, String> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    match part.get("text").and_then(Value::as_str) {
        // The last two are those of OpenAI's Responses.
        Some(text) if matches!(kind, "text" | "input_text" | "output_text") => Ok(text),
        _ => Err(format!("a list with a part of type `{kind}`")),
    }
}

/// Whether a value holds nothing: null, an empty list or object, blank text or a word for nothing.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty() || stands_for_nothing(text),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a text is a program's word for a value that is not there: pandas writes `nan` and `<NA>`, Python
/// `None`, spreadsheets `#N/A`. `Na` is sodium and no such word.
pub(super) fn stands_for_nothing(text: &str) -> bool {
    const WORDS: [&str; 7] = ["nan", "none", "null", "n/a", "<na>", "#n/a", "<none>"];
    let text = text.trim();
    text == "NA" || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether an input says that there is none: `<noinput>`, `<no input>`, `Noinput`, `No input.`
pub(super) fn is_no_input(text: &str) -> bool {
    stands_for_nothing(text) || is_word(text, "noinput")
}

/// Whether an output says that there is none, as some of Alpaca's do: `<nooutput>`, `<No Output>`, `<noinput>`.
/// Without brackets, `No output.` may well be the answer.
pub(super) fn is_no_output(text: &str) -> bool {
    let is_word = || is_word(text, "nooutput") || is_word(text, "noinput");
    stands_for_nothing(text) || (text.contains(['<', '[', '(']) && is_word())
}

/// Whether a text is this word, whatever its capitals, spaces and signs.
fn is_word(text: &str, word: &str) -> bool {
    let letters = || text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase());
    // Longer texts cannot be it, and need not be folded.
    text.trim().len() <= 2 * word.len() && letters().eq(word.chars())
}

/// Rows out of columns; `None` when their lengths differ.
pub(super) fn transposed(columns: Vec<(String, Vec<Value>)>) -> Option<Vec<Map<String, Value>>> {
    let height = columns.first().map_or(0, |(_, values)| values.len());
    let mut rows = vec![Map::new(); height];
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
