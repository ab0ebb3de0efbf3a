//! The replies that have a shape, as a regular expression, and that written out for engines that are told a reply's
//! form in a language of their own:
//!
//! - [`grammar`]: in GBNF, llama.cpp's notation, which vLLM and `SGLang` read too (as `XGrammar`'s EBNF). One rule,
//!   `root`. The readers differ in one thing, escapes by number;
//! - [`regular_expression`]: in what all dialects of regular expressions share: groups, classes, `|`, `?`, `*`,
//!   `{0,n}` and escapes by number.
//!
//! The [automaton](crate::automaton) writes replies of a shape; a pattern accepts them. Both say the
//! same of literals, choices, integers and lists. A text may hold anything but the distinctive
//! beginning of the literal behind it, and must hold more than blanks. A pattern does not know:
//!
//! - token budgets. A text goes on until the model closes it or the request's token limit cuts the
//!   reply, which is then malformed;
//! - blanks outside ASCII. A text of nothing else passes here and reads as empty.
//!
//! Tested against llama.cpp's own grammar sampler, which accepts what the automaton writes.

use gra_synth::shape::Part;

use crate::automaton::{ShapeError, opening, options, simplify};

/// Version of the patterns made of shapes; part of every server's fingerprint. Raise it with any change
/// to what a pattern accepts.
pub(crate) const PATTERN_VERSION: u32 = 2;

/// Characters that are blank within a text.
fn blanks() -> Vec<(char, char)> {
    ['\t', '\n', '\u{b}', '\u{c}', '\r', ' '].map(|blank| (blank, blank)).to_vec()
}

/// What a quoted list's items may not hold: it would have to be escaped.
pub(crate) const ESCAPED: [(char, char); 4] =
    [('\0', '\u{1f}'), ('"', '"'), ('\\', '\\'), ('\u{7f}', '\u{7f}')];

/// A regular expression over characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This text, which is not empty.
    Text(String),
    /// One character of these ranges, both ends included.
    Of(Vec<(char, char)>),
    /// One character outside these ranges, of which there is at least one.
    NotOf(Vec<(char, char)>),
    /// One behind the other.
    Sequence(Vec<Pattern>),
    /// One of these.
    Choice(Vec<Pattern>),
    /// This or nothing.
    Optional(Box<Pattern>),
    /// Any number of these, also none. Never of something that may be empty.
    Many(Box<Pattern>),
    /// So many of these at most, also none. Never of something that may be empty.
    UpTo(u32, Box<Pattern>),
}

/// A shape has no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The shape breaks its own rules.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Text before this literal cannot be told from it, character by character.
    #[error(
        "free text that ends at {0:?} has no pattern: its first character must be no blank and must \
         not come again in it"
    )]
    Closer(String),
}

impl Pattern {
    /// The replies of these parts. `None` when they ask for nothing that a server would have to be told:
    /// free text to the reply's end.
    ///
    /// # Errors
    /// When the parts break a shape's rules, or a text's closer is none that can be told from the text.
    pub fn of(parts: &[Part]) -> Result<Option<Self>, PatternError> {
        let parts = simplify(parts)?;
        if parts.is_empty() {
            return Err(ShapeError::Empty.into());
        }
        if let [Part::Text { .. }] = parts.as_slice() {
            return Ok(None);
        }
        let mut sequence = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            sequence.push(match part {
                Part::Literal(text) => Self::Text(text.clone()),
                Part::OneOf(_) | Part::Integer { .. } => {
                    Self::Choice(options(part).into_iter().map(Self::Text).collect())
                }
                Part::Text { .. } => match parts.get(place + 1) {
                    None => visible(&[]),
                    Some(Part::Literal(closer)) => text_before(closer)?,
                    Some(_) => return Err(ShapeError::OpenText.into()),
                },
                Part::Thought { .. } => return Err(ShapeError::Thought.into()),
                Part::QuotedList { max_items, max_item_tokens } => {
                    list(*max_items, *max_item_tokens)
                }
            });
        }
        Ok(Some(Self::Sequence(sequence)))
    }

    fn character(character: char) -> Self {
        Self::Text(character.to_string())
    }

    fn many(self) -> Self {
        Self::Many(Box::new(self))
    }

    fn optional(self) -> Self {
        Self::Optional(Box::new(self))
    }
}

/// Anything that holds more than blanks and none of `forbidden`.
fn visible(forbidden: &[(char, char)]) -> Pattern {
    // Not even a text without rules holds a NUL: the ranges of `NotOf` are never empty.
    let held = if forbidden.is_empty() { &[('\0', '\0')] } else { forbidden };
    // Blanks, one character that shows, anything: more than blanks in all.
    Pattern::Sequence(vec![
        Pattern::Of(blanks()).many(),
        Pattern::NotOf([held, &blanks()].concat()),
        Pattern::NotOf(held.to_vec()).many(),
    ])
}

/// Text that does not hold the distinctive beginning of `closer`.
///
/// With that beginning `cd..` the text is cut before every `c`: what follows a `c` up to the next one
/// must not begin with `d..`. This is exact because `c` does not come again in the beginning.
fn text_before(closer: &str) -> Result<Pattern, PatternError> {
    let mut beginning = opening(closer).chars();
    let (first, rest) = (beginning.next(), beginning.collect::<Vec<char>>());
    let Some(first) = first.filter(|c| !c.is_whitespace() && !rest.contains(c)) else {
        return Err(PatternError::Closer(closer.to_owned()));
    };
    if rest.is_empty() {
        return Ok(visible(&[(first, first)]));
    }
    // The closer's first character, and not the rest of the closer behind it.
    let stray = || Pattern::Sequence(vec![Pattern::character(first), astray(first, &rest)]);
    let plain = || Pattern::NotOf(vec![(first, first)]).many();
    let shown = [vec![(first, first)], blanks()].concat();
    Ok(Pattern::Sequence(vec![
        Pattern::Of(blanks()).many(),
        Pattern::Choice(vec![Pattern::Sequence(vec![Pattern::NotOf(shown), plain()]), stray()]),
        stray().many(),
    ]))
}

/// What may follow `first` up to the next one: anything that does not begin with `rest`.
fn astray(first: char, rest: &[char]) -> Pattern {
    let Some((next, behind)) = rest.split_first() else { return Pattern::Sequence(Vec::new()) };
    let plain = Pattern::NotOf(vec![(first, first)]).many();
    let other =
        Pattern::Sequence(vec![Pattern::NotOf(vec![(first, first), (*next, *next)]), plain]);
    if behind.is_empty() {
        return other.optional();
    }
    let further = Pattern::Sequence(vec![Pattern::character(*next), astray(first, behind)]);
    Pattern::Choice(vec![other, further]).optional()
}

/// `["a", "b"]` with one item at least, each of `max_words` words at most.
fn list(max_items: u8, max_words: u32) -> Pattern {
    let word = || {
        let held = [ESCAPED.as_slice(), &[(' ', ' ')]].concat();
        vec![Pattern::NotOf(held.clone()), Pattern::NotOf(held).many()]
    };
    let item = || {
        let mut item = word();
        if max_words > 1 {
            let another = [vec![Pattern::character(' ')], word()].concat();
            item.push(Pattern::UpTo(max_words - 1, Box::new(Pattern::Sequence(another))));
        }
        Pattern::Sequence(item)
    };
    // From the last item inwards: each further one is optional behind the one before it.
    let mut more = None;
    for _ in 1..max_items {
        let mut another = vec![Pattern::Text("\", \"".to_owned()), item()];
        another.extend(more);
        more = Some(Pattern::Sequence(another).optional());
    }
    let mut list = vec![Pattern::Text("[\"".to_owned()), item()];
    list.extend(more);
    list.push(Pattern::Text("\"]".to_owned()));
    Pattern::Sequence(list)
}

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
