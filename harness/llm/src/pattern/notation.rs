//! How a pattern is written: what grammars and regular expressions have in common.

use super::Pattern;

/// What sets one language apart.
pub(super) struct Notation {
    /// Around texts.
    pub(super) quote: &'static str,
    /// Between what stands one behind the other.
    pub(super) gap: &'static str,
    /// Between what may stand in one place.
    pub(super) or: &'static str,
    /// Writes a character as texts and classes both have it.
    pub(super) escape: fn(char, &mut String),
}

impl Notation {
    pub(super) fn write(&self, pattern: &Pattern, out: &mut String) {
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

/// A character by its number of four hexadecimal digits, or itself where that has more. All readers of
/// [`gbnf`](super::gbnf) and [`regex`](super::regex) take exactly four digits behind `\u`. Behind `\x`
/// `XGrammar` takes every hexadecimal digit that follows: to it `\x22domain` is U+022D and `omain`.
pub(super) fn by_number(character: char) -> String {
    let number = u32::from(character);
    if number > 0xFFFF { character.to_string() } else { format!("\\u{number:04X}") }
}
