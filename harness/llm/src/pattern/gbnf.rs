//! A pattern as a grammar in GBNF, llama.cpp's notation, which vLLM and `SGLang` read too (as
//! `XGrammar`'s EBNF). One rule, `root`. Escapes are those that both know.

use std::fmt::Write as _;

use super::Pattern;

/// The grammar.
#[must_use]
pub fn grammar(pattern: &Pattern) -> String {
    let mut text = String::from("root ::= ");
    write(pattern, &mut text);
    text.push('\n');
    text
}

fn write(pattern: &Pattern, out: &mut String) {
    match pattern {
        Pattern::Text(text) => {
            out.push('"');
            text.chars().for_each(|character| escape(character, out));
            out.push('"');
        }
        Pattern::Of(ranges) => class("[", ranges, out),
        Pattern::NotOf(ranges) => class("[^", ranges, out),
        Pattern::Sequence(patterns) => separated(" ", patterns, out),
        Pattern::Choice(patterns) => {
            out.push('(');
            separated(" | ", patterns, out);
            out.push(')');
        }
        Pattern::Optional(pattern) => repeated(pattern, '?', out),
        Pattern::Many(pattern) => repeated(pattern, '*', out),
    }
}

fn separated(separator: &str, patterns: &[Pattern], out: &mut String) {
    for (place, pattern) in patterns.iter().enumerate() {
        if place > 0 {
            out.push_str(separator);
        }
        write(pattern, out);
    }
}

fn repeated(pattern: &Pattern, times: char, out: &mut String) {
    if matches!(pattern, Pattern::Sequence(_) | Pattern::Text(_)) {
        out.push('(');
        write(pattern, out);
        out.push(')');
    } else {
        write(pattern, out);
    }
    out.push(times);
}

fn class(open: &str, ranges: &[(char, char)], out: &mut String) {
    out.push_str(open);
    for (from, to) in ranges {
        escape(*from, out);
        if from != to {
            out.push('-');
            escape(*to, out);
        }
    }
    out.push(']');
}

/// A character as both strings and classes have it. What means something in either is written as its
/// number.
fn escape(character: char, out: &mut String) {
    let _ = match character {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '"' | '\\' | '[' | ']' | '^' | '-' | '\0'..='\u{1f}' | '\u{7f}' => {
            write!(out, "\\x{:02X}", u32::from(character))
        }
        _ => write!(out, "{character}"),
    };
}
