//! A pattern as a regular expression for the whole reply, in what all dialects share: groups, classes,
//! `|`, `?`, `*`, `{0,n}` and escapes by number.

use super::Pattern;
use super::notation::{Notation, by_number};

/// The expression. It is not anchored: it is for engines that hold whole replies to it.
#[must_use]
pub fn expression(pattern: &Pattern) -> String {
    let mut text = String::new();
    Notation { quote: "", gap: "", or: "|", escape }.write(pattern, &mut text);
    text
}

/// What means something anywhere in an expression is written as its number.
fn escape(character: char, out: &mut String) {
    let plain = character.is_alphanumeric() || " ,;:!\"'<>=_%@~`".contains(character);
    if plain || !character.is_ascii() {
        out.push(character);
    } else {
        out.push_str(&by_number(character));
    }
}
