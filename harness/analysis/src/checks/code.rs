//! Blocks of code that are marked as JSON or Python and do not parse.

use serde_json::Value;
use serde_json::value::RawValue;
use tree_sitter::Parser;

use super::blocks::{Blocks, Code};

/// Whether a block marked `json` is no JSON. Several values one after the other are taken (JSON Lines); blocks that
/// leave something out with `...` or have comments are meant for readers and not looked at.
pub(super) fn is_json_broken(text: &Blocks<'_>) -> Option<bool> {
    let broken = |code: &Code<'_>| {
        let json = code.lines.join("\n");
        let is_meant_for_readers = ["...", "…", "//", "/*"].iter().any(|mark| json.contains(mark));
        let is_looked_at = !json.trim().is_empty() && !is_meant_for_readers;
        is_looked_at.then(|| !is_json(&json))
    };
    any(text, &["json", "jsonl"], broken)
}

/// Whether a text is JSON values and nothing else.
pub(super) fn is_json(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    !text.trim().is_empty() && values.all(|value| value.is_ok())
}

/// Whether a part of the text, from its first bracket to its last, is a JSON object or array.
pub(super) fn holds_json(text: &str) -> bool {
    let bounds = [('{', '}'), ('[', ']')].map(|(open, close)| (text.find(open), text.rfind(close)));
    bounds.into_iter().any(|bounds| match bounds {
        (Some(start), Some(end)) if start < end => {
            serde_json::from_str::<Value>(&text[start..=end]).is_ok()
        }
        _ => false,
    })
}

/// Whether a block marked `python` is no Python, by the grammar of tree-sitter, which takes Python 2 as well. Lines of
/// notebooks (`!pip`, `%time`) are left out; sessions (`>>>`) are not looked at.
pub(super) fn is_python_broken(text: &Blocks<'_>) -> Option<bool> {
    if text.code.is_empty() {
        return None;
    }
    let mut parser = Parser::new();
    // Fails only for a grammar of another version than the library's, which the tests would show.
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    let broken = |code: &Code<'_>| {
        let lines = code.lines.iter().filter(|line| !line.trim_start().starts_with(['!', '%']));
        let lines: Vec<&str> = lines.copied().collect();
        if lines.iter().all(|line| line.trim().is_empty())
            || lines.iter().any(|line| line.trim_start().starts_with(">>>"))
        {
            return None;
        }
        let tree = parser.parse(dedented(&lines), None)?;
        Some(tree.root_node().has_error())
    };
    any(text, &["python", "py", "python3", "python2"], broken)
}

/// Whether some closed block of these languages is broken; `None` when none was looked at.
fn any(
    text: &Blocks<'_>,
    languages: &[&str],
    broken: impl FnMut(&Code<'_>) -> Option<bool>,
) -> Option<bool> {
    let closed = text.code.len() - usize::from(text.is_open);
    let marked = text.code[..closed].iter().filter(|code| {
        languages.iter().any(|language| code.language.eq_ignore_ascii_case(language))
    });
    marked.filter_map(broken).reduce(|some, other| some || other)
}

/// The lines without the white space that all of them begin with: a block in a list's item is indented as a whole.
fn dedented(lines: &[&str]) -> String {
    let indent = |line: &&&str| line.len() - line.trim_start().len();
    let common =
        lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(&line)).min();
    let common = common.unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text.push_str(line.get(common..).unwrap_or_default());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_blocks() {
        let cases = [
            ("{}", None),
            ("```json\n{\"a\": [1, 2]}\n```", Some(false)),
            ("```JSON\n{\"a\": 1}\n{\"a\": 2}\n```", Some(false)),
            ("```json\n{\"a\": 1,}\n```", Some(true)),
            ("```json\n{a: 1}\n```", Some(true)),
            ("```json\n{\"a\": 1, ...}\n```", None),
            ("```json\n{\"a\": 1", None),
            ("```python\nx = {\n```", None),
        ];
        for (text, expected) in cases {
            assert_eq!(is_json_broken(&Blocks::of(text)), expected, "{text}");
        }
    }

    #[test]
    fn python_blocks() {
        let cases = [
            ("```python\nfor x in y:\n    print(x)\n```", Some(false)),
            ("```python\nprint 'two'\n```", Some(false)),
            ("1. So:\n   ```py\n   def f(x):\n       return x\n   ```", Some(false)),
            ("```python\n!pip install x\nimport x\n```", Some(false)),
            ("```python\nmatch x:\n    case [1, *_]:\n        y = f\"{x!r}\"\n```", Some(false)),
            ("```python\n>>> 1 + 1\n2\n```", None),
            ("```python\ndef f(x:\n    return x\n```", Some(true)),
            ("```python\nfor (int i = 0; i < 3; i++) {}\n```", Some(true)),
            ("```\ndef f(x:\n```", None),
        ];
        for (text, expected) in cases {
            assert_eq!(is_python_broken(&Blocks::of(text)), expected, "{text}");
        }
    }

    #[test]
    fn json_within_words() {
        assert!(holds_json("Here it is:\n{\"a\": [1]}\nDone."));
        assert!(!holds_json("Here it is: {a: 1}") && !holds_json("} {") && !holds_json("none"));
    }
}
