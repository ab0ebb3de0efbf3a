//! A line as numbers, operators and all else.

use std::sync::LazyLock;

use regex::Regex;

use gra_paper::exact::{self, Ratio};

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// With its decimals.
    Number(Ratio, u32),
    /// `+`, `-`, `*` or `/`; whether a number or bracket follows at once.
    Operator(char),
    /// A minus that belongs to the number behind it.
    Minus,
    Open,
    Close,
    Percent,
    /// A single `=`.
    Equals,
    /// Punctuation that ends an expression.
    Pause,
    /// A word, in small letters, with white space between it and the numbers.
    Word(String),
    /// Anything that makes an expression beside it one that is not understood.
    Other,
}

impl Token {
    pub(super) const fn is_of_expression(&self) -> bool {
        !matches!(self, Self::Equals | Self::Pause | Self::Word(_) | Self::Other)
    }
}

/// What LaTeX writes for plain signs.
const SIGNS: [(&str, &str); 16] = [
    ("\\times", " * "),
    ("\\cdot", " * "),
    ("\\div", " / "),
    ("\\left", ""),
    ("\\right", ""),
    ("\\,", " "),
    ("\\;", " "),
    ("\\!", ""),
    ("\\%", "%"),
    ("\\$", ""),
    ("\\(", "\n"),
    ("\\)", "\n"),
    ("\\[", "\n"),
    ("\\]", "\n"),
    ("\\dfrac", "\\frac"),
    ("\\tfrac", "\\frac"),
];

/// The mark of a list's item.
static MARK: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[-*+•]|[0-9]+[.)]) "));

/// A fraction of LaTeX whose numerator holds no other: nested ones are not understood.
static FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\frac\{([^{}]*)\}\{([^}]*)\}"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern is valid, and the tests use each")
}

/// Takes a line apart.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut plain = MARK.replace(line.trim(), "").into_owned();
    for (latex, sign) in SIGNS {
        plain = plain.replace(latex, sign);
    }
    let plain = FRACTION.replace_all(&plain, "(($1)/($2))");
    // Currencies stand beside numbers and change nothing about them.
    let chars: Vec<char> = plain.chars().filter(|c| !matches!(c, '$' | '€' | '£')).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (token, length) = token(&chars, at, found.last());
        at += length;
        found.extend(token);
    }
    found
}

/// The token at a place, if any, and its length in characters.
fn token(chars: &[char], at: usize, last: Option<&Token>) -> (Option<Token>, usize) {
    let next = chars.get(at + 1).copied().unwrap_or(' ');
    let previous = at.checked_sub(1).map_or(' ', |at| chars[at]);
    let one = |token| (Some(token), 1);
    match chars[at] {
        '\n' => one(Token::Pause),
        c if c.is_whitespace() => (None, 1),
        c if c.is_ascii_digit() => number(chars, at),
        '.' if next.is_ascii_digit() && !previous.is_alphanumeric() => number(chars, at),
        // A function's bracket.
        '(' if previous.is_alphabetic() => one(Token::Other),
        '(' => one(Token::Open),
        ')' => one(Token::Close),
        '%' => one(Token::Percent),
        // Comparisons, definitions and arrows are no equations.
        '=' if "=<>!~:≠+-*/".contains(previous) || "=<>~".contains(next) => one(Token::Other),
        '=' => one(Token::Equals),
        // A minus behind an operator or at the beginning is a sign.
        '-' | '−' if is_sign(last) && (next.is_ascii_digit() || next == '(') => one(Token::Minus),
        '-' | '−' => one(Token::Operator('-')),
        '+' => one(Token::Operator('+')),
        // Two of them are a power, bold text or a comment.
        '*' | '×' | '⋅' | '·' if next != '*' && previous != '*' => one(Token::Operator('*')),
        '/' | '÷' if next != '/' && previous != '/' => one(Token::Operator('/')),
        'x' | 'X'
            if previous.is_whitespace()
                && next.is_whitespace()
                && is_between_numbers(chars, at) =>
        {
            one(Token::Operator('*'))
        }
        ',' | ';' | '.' | ':' if next.is_whitespace() => one(Token::Pause),
        '"' | '”' | '“' | '?' => one(Token::Pause),
        c if c.is_alphabetic() => word(chars, at),
        _ => one(Token::Other),
    }
}

const fn is_sign(last: Option<&Token>) -> bool {
    !matches!(
        last,
        Some(Token::Number(..) | Token::Close | Token::Percent | Token::Word(_) | Token::Other)
    )
}

/// Whether the letter at a place stands for "times".
fn is_between_numbers(chars: &[char], at: usize) -> bool {
    let before = chars[..at].iter().rev().find(|c| !c.is_whitespace());
    let behind = chars[at + 1..].iter().find(|c| !c.is_whitespace());
    before.is_some_and(|c| c.is_ascii_digit() || *c == ')')
        && behind.is_some_and(|c| c.is_ascii_digit() || *c == '(')
}

/// A number, or what looks like one and is part of something else: `3rd`, `2x`, `10:30`, `1.2.3`, `H2`.
fn number(chars: &[char], start: usize) -> (Option<Token>, usize) {
    let mut end = start;
    while chars.get(end).is_some_and(|c| {
        c.is_ascii_digit()
            || matches!(c, '.' | ',') && chars.get(end + 1).is_some_and(char::is_ascii_digit)
    }) {
        end += 1;
    }
    let text: String = chars[start..end].iter().collect();
    let touches = |c: Option<&char>| {
        c.is_some_and(|c| {
            c.is_alphabetic()
                || matches!(c, '_' | '^' | '!' | '²' | '³' | '√' | '\\' | '{' | '}' | '°')
        })
    };
    let before = start.checked_sub(1).and_then(|at| chars.get(at));
    // `10:30`: either part of a time, of a ratio or of a verse.
    let is_time = chars.get(end) == Some(&':')
        && chars.get(end + 1).is_some_and(char::is_ascii_digit)
        || before == Some(&':') && start >= 2 && chars[start - 2].is_ascii_digit();
    let parsed = parsed(&text).filter(|_| !(touches(before) || touches(chars.get(end)) || is_time));
    (Some(parsed.unwrap_or(Token::Other)), end - start)
}

/// Digits with decimals, or with commas between thousands.
fn parsed(text: &str) -> Option<Token> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    // `1,200` is grouped, `12,34` a pair or a decimal comma: not read.
    let is_grouped = whole.contains(',');
    if is_grouped && (first.is_empty() || first.len() > 3 || groups.any(|group| group.len() != 3)) {
        return None;
    }
    let digits = whole.replace(',', "");
    let digits = if digits.is_empty() { "0" } else { &digits };
    let count = u32::try_from(decimals.len()).ok()?;
    let value = match decimals {
        "" => exact::parse(digits)?,
        _ => exact::parse(&format!("{digits}.{decimals}"))?,
    };
    Some(Token::Number(value, count))
}

/// Letters up to the next other sign; glued to a number or a bracket they are something else.
fn word(chars: &[char], start: usize) -> (Option<Token>, usize) {
    let length =
        chars[start..].iter().take_while(|c| c.is_alphabetic() || matches!(c, '\'' | '’')).count();
    let before = start.checked_sub(1).map_or(' ', |at| chars[at]);
    let behind = chars.get(start + length).copied().unwrap_or(' ');
    let is_apart = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '“' | '”' | '.' | ',' | ';' | ':' | '*' | '?')
    };
    let text: String = chars[start..start + length].iter().collect();
    let opens = before == '(' || is_apart(before);
    let closes = behind == ')' || is_apart(behind);
    let token = if opens && closes { Token::Word(text.to_lowercase()) } else { Token::Other };
    (Some(token), length)
}
