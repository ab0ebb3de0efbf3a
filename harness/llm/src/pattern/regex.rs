//! A pattern as a regular expression for the whole reply, in what all dialects share: groups, classes,
//! `|`, `?`, `*` and escapes by number.

use std::fmt::Write as _;

use super::Pattern;

/// The expression. It is not anchored: it is for engines that hold whole replies to it.
#[must_use]
pub fn expression(pattern: &Pattern) -> String {
    let mut text = String::new();
    write(pattern, &mut text);
    text
}

fn write(pattern: &Pattern, out: &mut String) {
    match pattern {
        Pattern::Text(text) => text.chars().for_each(|character| escape(character, out)),
        Pattern::Of(ranges) => class("[", ranges, out),
        Pattern::NotOf(ranges) => class("[^", ranges, out),
        Pattern::Sequence(patterns) => patterns.iter().for_each(|pattern| write(pattern, out)),
        Pattern::Choice(patterns) => {
            out.push('(');
            for (place, pattern) in patterns.iter().enumerate() {
                if place > 0 {
                    out.push('|');
                }
                write(pattern, out);
            }
            out.push(')');
        }
        Pattern::Optional(pattern) => repeated(pattern, '?', out),
        Pattern::Many(pattern) => repeated(pattern, '*', out),
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

/// Whatever means something anywhere in an expression is written as its number.
fn escape(character: char, out: &mut String) {
    let plain = character.is_alphanumeric() || " ,;:!\"'<>=_%@~`".contains(character);
    let _ = match character {
        _ if plain || !character.is_ascii() => write!(out, "{character}"),
        _ => write!(out, "\\x{:02X}", u32::from(character)),
    };
}
