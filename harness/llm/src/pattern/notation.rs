//! A pattern written out, for engines that are told a reply's form.
//!
//! - [`grammar`]: in GBNF, llama.cpp's notation, which vLLM and `SGLang` read too (as `XGrammar`'s EBNF). One rule,
//!   `root`. The readers differ in one thing, escapes by number;
//! - [`regular_expression`]: in what all dialects of regular expressions share: groups, classes, `|`, `?`, `*`,
//!   `{0,n}` and escapes by number.

use super::Pattern;

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
            escape_in_grammar(character, |c| format!("\\x{:02X}", u32::from(c)), out);
        },
        GrammarReader::XGrammar => {
            |character, out: &mut String| escape_in_grammar(character, by_number, out)
        }
    };
    let mut text = String::from("root ::= ");
    Notation { quote: "\"", gap: " ", or: " | ", escape }.write(pattern, &mut text);
    text.push('\n');
    text
}

/// The expression. It is not anchored: it is for engines that hold whole replies to it.
#[must_use]
pub fn regular_expression(pattern: &Pattern) -> String {
    let mut text = String::new();
    Notation { quote: "", gap: "", or: "|", escape: escape_in_regex }.write(pattern, &mut text);
    text
}

/// What sets one language apart.
struct Notation {
    /// Around texts.
    quote: &'static str,
    /// Between what stands one behind the other.
    gap: &'static str,
    /// Between what may stand in one place.
    or: &'static str,
    /// Writes a character as texts and classes both have it.
    escape: fn(char, &mut String),
}

impl Notation {
    fn write(&self, pattern: &Pattern, out: &mut String) {
        match pattern {
            Pattern::Text(text) => {
                out.push_str(self.quote);
                text.chars().for_each(|character| (self.escape)(character, out));
                out.push_str(self.quote);
            }
            Pattern::Of(ranges) => self.class("[", ranges, out),
            Pattern::NotOf(ranges) => self.class("[^", ranges, out),
            Pattern::Sequence(patterns) => self.joined(self.gap, patterns, out),
            Pattern::Choice(patterns) => {
                out.push('(');
                self.joined(self.or, patterns, out);
                out.push(')');
            }
            Pattern::Optional(pattern) => self.repeated(pattern, "?", out),
            Pattern::Many(pattern) => self.repeated(pattern, "*", out),
            Pattern::UpTo(most, pattern) => self.repeated(pattern, &format!("{{0,{most}}}"), out),
        }
    }

    fn joined(&self, between: &str, patterns: &[Pattern], out: &mut String) {
        for (place, pattern) in patterns.iter().enumerate() {
            if place > 0 {
                out.push_str(between);
            }
            self.write(pattern, out);
        }
    }

    fn repeated(&self, pattern: &Pattern, times: &str, out: &mut String) {
        // Repetition binds tighter than what stands side by side; classes and choices bring their own brackets.
        if matches!(pattern, Pattern::Sequence(_) | Pattern::Text(_)) {
            out.push('(');
            self.write(pattern, out);
            out.push(')');
        } else {
            self.write(pattern, out);
        }
        out.push_str(times);
    }

    fn class(&self, open: &str, ranges: &[(char, char)], out: &mut String) {
        out.push_str(open);
        for (from, to) in ranges {
            (self.escape)(*from, out);
            if from != to {
                out.push('-');
                (self.escape)(*to, out);
            }
        }
        out.push(']');
    }
}

/// A character by its number of four hexadecimal digits, or itself where that has more. All readers
/// of grammars and expressions take exactly four digits behind `\u`. Behind `\x`
/// `XGrammar` takes every hexadecimal digit that follows: to it `\x22domain` is U+022D and `omain`.
fn by_number(character: char) -> String {
    let number = u32::from(character);
    if number > 0xFFFF { character.to_string() } else { format!("\\u{number:04X}") }
}

/// What means something in a text or a class is written as its number.
fn escape_in_grammar(character: char, by_number: fn(char) -> String, out: &mut String) {
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

/// What means something anywhere in an expression is written as its number.
fn escape_in_regex(character: char, out: &mut String) {
    // A list of what is safe everywhere, not of what is special somewhere.
    let plain = character.is_alphanumeric() || " ,;:!\"'<>=_%@~`".contains(character);
    if plain || !character.is_ascii() {
        out.push(character);
    } else {
        out.push_str(&by_number(character));
    }
}
