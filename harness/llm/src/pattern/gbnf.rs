//! A pattern as a grammar in GBNF, llama.cpp's notation, which vLLM and `SGLang` read too (as
//! `XGrammar`'s EBNF). One rule, `root`. The readers differ in one thing, escapes by number.

use super::Pattern;
use super::notation::{Notation, by_number};

/// Which program reads a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrammarReader {
    /// llama.cpp: `\x22` is a quote, whatever follows. It reads `\u0022` too; before servers of another
    /// kind were asked every grammar was written with `\x`, and what llama-server is asked stays as it was.
    LlamaCpp,
    /// `XGrammar`: only `\u0022` is always a quote.
    XGrammar,
}

/// The grammar.
#[must_use]
pub fn grammar(pattern: &Pattern, reader: GrammarReader) -> String {
    let escape: fn(char, &mut String) = match reader {
        GrammarReader::LlamaCpp => |character, out: &mut String| {
            escape(character, |character| format!("\\x{:02X}", u32::from(character)), out);
        },
        GrammarReader::XGrammar => |character, out: &mut String| escape(character, by_number, out),
    };
    let mut text = String::from("root ::= ");
    Notation { quote: "\"", gap: " ", or: " | ", escape }.write(pattern, &mut text);
    text.push('\n');
    text
}

/// What means something in a text or a class is written as its number.
fn escape(character: char, by_number: fn(char) -> String, out: &mut String) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '"' | '\\' | '[' | ']' | '^' | '-' | '\0'..='\u{1f}' | '\u{7f}' => {
            out.push_str(&by_number(character));
        }
        _ => out.push(character),
    }
}
