//! A pattern as a grammar in GBNF, llama.cpp's notation, which vLLM and `SGLang` read too (as
//! `XGrammar`'s EBNF). One rule, `root`. Escapes are those that both know.

use std::fmt::Write as _;

use super::Pattern;
use super::notation::Notation;

/// The grammar.
#[must_use]
pub fn grammar(pattern: &Pattern) -> String {
    let mut text = String::from("root ::= ");
    Notation { quote: "\"", gap: " ", or: " | ", escape }.write(pattern, &mut text);
    text.push('\n');
    text
}

/// What means something in a text or a class is written as its number.
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
