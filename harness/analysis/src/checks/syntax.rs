//! Marks that do not add up: code fences and LaTeX delimiters without their counterpart, blocks marked as JSON or Python
//! that do not parse.

use serde_json::Value;
use serde_json::value::RawValue;
use tree_sitter::Parser;

use super::prose::{Blocks, Code};

/// Pairs of delimiters; both of `$$` are alike.
const PAIRS: [(&str, &str); 2] = [("\\[", "\\]"), ("\\(", "\\)")];

/// Whether a code fence, `$$`, `\[`, `\(` or `\begin{..}` is open at the end of the text, or closed without having been
/// opened. Single `$` are money as often as formulas, and are not looked at. `None` without any of these marks.
pub(super) fn are_unbalanced(text: &Blocks<'_>) -> Option<bool> {
    let prose = text.prose.join("\n");
    let mut found = (!text.code.is_empty()).then_some(text.is_open);
    // One fault is enough, and one sound pair makes the check apply.
    let mut add = |is_unbalanced: bool| found = Some(found.unwrap_or(false) || is_unbalanced);
    let dollars = prose.matches("$$").count();
    // Passwords and prices have "$$" too, and no formula.
    if dollars > 0 && prose.contains(['\\', '^']) {
        add(dollars % 2 == 1);
    }
    for (open, close) in PAIRS {
        let (opened, closed) = (count(&prose, open), count(&prose, close));
        // Regular expressions and Swift's texts have such brackets too.
        if opened + closed > 0 && is_latex(&prose) {
            add(opened != closed);
        }
    }
    let (begun, ended) = (environments(&prose, "\\begin{"), environments(&prose, "\\end{"));
    if !(begun.is_empty() && ended.is_empty()) {
        add(begun != ended);
    }
    found
}

/// How often a delimiter stands there; a backslash before it makes it a line break (`\\[2pt]`).
fn count(prose: &str, delimiter: &str) -> usize {
    prose.match_indices(delimiter).filter(|(at, _)| !prose[..*at].ends_with('\\')).count()
}

/// Commands that formulas have and programs do not.
const COMMANDS: [&str; 26] = [
    "frac", "sqrt", "sum", "int", "text", "times", "cdot", "left", "begin", "alpha", "beta",
    "theta", "pi", "mathbb", "mathrm", "mathbf", "leq", "geq", "neq", "infty", "lim", "vec",
    "overline", "boxed", "div", "pm",
];

/// Whether a text with escaped brackets is LaTeX: it has a formula's command, or both of a pair.
fn is_latex(prose: &str) -> bool {
    let is_command = |piece: &str| {
        let length = piece.chars().take_while(char::is_ascii_alphabetic).count();
        COMMANDS.contains(&&piece[..length])
    };
    // Classes and repetitions are a regular expression's.
    let is_pattern = ["\\d", "\\w+", "\\s", "[^", ".*"].iter().any(|mark| prose.contains(mark));
    let has_pair = PAIRS.iter().any(|(open, close)| prose.contains(open) && prose.contains(close));
    !is_pattern && (has_pair || prose.split('\\').skip(1).any(is_command))
}

/// The names behind `\begin{` or `\end{`, sorted.
fn environments<'t>(prose: &'t str, mark: &str) -> Vec<&'t str> {
    let pieces = prose.split(mark).skip(1);
    let mut names: Vec<&str> =
        pieces.filter_map(|piece| piece.split_once('}')).map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

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
    // What was cut off parses in no language, and is counted as unended already.
    let closed = text.code.len() - usize::from(text.is_open);
    let marked = text.code[..closed].iter().filter(|code| {
        languages.iter().any(|language| code.language.eq_ignore_ascii_case(language))
    });
    marked.filter_map(broken).reduce(|some, other| some || other)
}

/// The lines without the white space that all of them begin with: a block in a list's item is indented as a whole.
fn dedented(lines: &[&str]) -> String {
    // A blank line may be shorter than the others are indented.
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let common = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().flat_map(|line| [line.get(common..).unwrap_or_default(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_their_counterparts() {
        let cases = [
            ("No marks, and $5.", None),
            ("```\nx\n```", Some(false)),
            ("```\nx", Some(true)),
            ("$$a^2 + b^2$$ and $$c", Some(true)),
            ("The password is pa$$w0rd_1.", None),
            ("\\[a\\] and \\(b\\)", Some(false)),
            ("\\[a\\] and \\(b", Some(true)),
            ("\\begin{align} a \\\\[2pt] b \\end{align}", Some(false)),
            ("\\begin{align} a \\\\ b", Some(true)),
            ("\\begin{align} a \\end{aligned}", Some(true)),
            ("\\(\\frac{1}{2} is a half.", Some(true)),
            ("It matches \\(\\d+ and stops.", None),
            ("print(\"The sum is \\(a + b) \\nAnd more\")", None),
            ("```\n\\[\n```", Some(false)),
        ];
        for (text, expected) in cases {
            assert_eq!(are_unbalanced(&Blocks::of(text)), expected, "{text}");
        }
    }

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
