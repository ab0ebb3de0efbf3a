//! The text that a JSON value stands for, and the texts that stand for nothing.

use serde_json::Value;

use super::json::kind;

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
        Some(text) if kind == "text" => Ok(text),
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
    // Longer texts cannot be it, and need not be folded.
    text.trim().len() <= 2 * word.len()
        && text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .eq(word.chars())
}
