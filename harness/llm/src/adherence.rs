//! How far a text follows a shape: read part by part, as the [automaton](crate::automaton) writes it.
//!
//! For engines that hold a reply to its form themselves: [`adherence`] says literally where a reply leaves
//! it, and [`close`] ends the texts of a reply that met its token limit, as the automaton ends them at
//! their budgets. The automaton's own replies are never looked at again.

use std::fmt;

use gra_synth::shape::{Part, Shape};

use crate::automaton::{ShapeError, opening, options, simplify};
use crate::pattern::ESCAPED;

/// How a text stands to a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adherence {
    /// It has the shape.
    Whole,
    /// It is the beginning of a text that has the shape.
    Unfinished,
    /// It is neither.
    Departs(Departure),
}

/// Where a text leaves its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// What may stand there, in words or quoted.
    pub expected: String,
    /// What stands there, up to [`SHOWN`] characters of it.
    pub found: String,
    /// Characters before it.
    pub characters: usize,
}

/// Characters of a departing text that are shown.
pub const SHOWN: usize = 40;

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, found, characters } = self;
        write!(f, "after {characters} characters it has {found:?} where the form has {expected}")
    }
}

/// A reply that was cut, up to where something must be drawn again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The reply with its text closed and everything that is forced behind it.
    pub(crate) text: String,
    /// The parts behind it; none when the reply is complete.
    pub(crate) left: Vec<Part>,
}

/// Reads a text by a shape.
///
/// # Errors
/// When the shape breaks its own rules.
pub fn adherence(shape: &Shape, text: &str) -> Result<Adherence, ShapeError> {
    Ok(match stand(&simplify(&shape.parts)?, text) {
        Standing::Whole => Adherence::Whole,
        Standing::Within { .. } => Adherence::Unfinished,
        Standing::Apart { at, expected } => Adherence::Departs(Departure {
            expected,
            found: text[at..].chars().take(SHOWN).collect(),
            characters: text[..at].chars().count(),
        }),
    })
}

/// Closes the text or list at which a reply met its limit, and what was cut behind one. `None` where a text
/// may not be closed ([`Part::Text`], `close_at_budget`), where nothing was written yet, and where the
/// reply does not follow its shape: nothing is mended.
pub(crate) fn close(parts: &[Part], reply: &str) -> Result<Option<Closed>, ShapeError> {
    let parts = simplify(parts)?;
    let (part, from, ended) = match stand(&parts, reply) {
        Standing::Within { part, from, ended } => (part, from, ended),
        // Complete but for the model's end token, or a text up to the reply's end.
        Standing::Whole => {
            let open = matches!(parts.last(), Some(Part::Text { close_at_budget: false, .. }));
            let text = reply.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned();
            return Ok((!open).then_some(Closed { text, left: Vec::new() }));
        }
        Standing::Apart { .. } => return Ok(None),
    };
    let has_budget = |part: &Part| matches!(part, Part::Text { .. } | Part::QuotedList { .. });
    // A limit that is met before any text is too small for the form itself.
    if !parts[..=part].iter().any(has_budget) {
        return Ok(None);
    }
    let mut text = reply[..from].to_owned();
    let mut next = part;
    match (&parts[part], ended) {
        (Part::Text { close_at_budget: false, .. }, _) => return Ok(None),
        (Part::OneOf(_) | Part::Integer { .. }, _) => {}
        (_, Some(ended)) => {
            text.push_str(&ended);
            next += 1;
        }
        (_, None) => return Ok(None),
    }
    while let Some(Part::Literal(forced)) = parts.get(next) {
        text.push_str(forced);
        next += 1;
    }
    Ok(Some(Closed { text, left: parts[next..].to_vec() }))
}

/// How a text stands to simplified parts.
enum Standing {
    Whole,
    Within {
        part: usize,
        /// Byte at which that part begins.
        from: usize,
        /// The part as it is when it ends here, without a literal behind it; `None` when it cannot.
        ended: Option<String>,
    },
    Apart {
        at: usize,
        expected: String,
    },
}

/// What one part makes of the text before which it stands.
enum Taken {
    /// This many bytes.
    Bytes(usize),
    /// All of them, and more must follow.
    All { ended: Option<String> },
    /// It breaks off at this byte.
    Not { at: usize, expected: String },
}

fn stand(parts: &[Part], text: &str) -> Standing {
    let mut at = 0;
    for (place, part) in parts.iter().enumerate() {
        let rest = &text[at..];
        // Where a text ends is decided by the literal behind it.
        let closer = match parts.get(place + 1) {
            Some(Part::Literal(closer)) => Some(closer.as_str()),
            _ => None,
        };
        let taken = match part {
            Part::Literal(literal) => take_literal(literal, rest),
            Part::OneOf(_) | Part::Integer { .. } => {
                take_option(&options(part), rest, place + 1 == parts.len())
            }
            // Servers are told no thought as such: see `Shape::with_thought_as_text`.
            Part::Thought { .. } => Taken::Not { at: 0, expected: "a thought".to_owned() },
            Part::Text { .. } => take_text(closer, rest),
            Part::QuotedList { max_items, .. } => take_list(*max_items, rest),
        };
        match taken {
            Taken::Bytes(bytes) => at += bytes,
            Taken::All { ended } => return Standing::Within { part: place, from: at, ended },
            Taken::Not { at: off, expected } => {
                return Standing::Apart { at: at + off, expected };
            }
        }
    }
    if at == text.len() {
        Standing::Whole
    } else {
        Standing::Apart { at, expected: "its end".to_owned() }
    }
}

fn take_literal(literal: &str, rest: &str) -> Taken {
    if rest.starts_with(literal) {
        return Taken::Bytes(literal.len());
    }
    if literal.starts_with(rest) {
        return Taken::All { ended: Some(literal.to_owned()) };
    }
    // Told from where they part, not from the literal's beginning.
    let common = literal.chars().zip(rest.chars()).take_while(|(a, b)| a == b);
    let at = common.map(|(character, _)| character.len_utf8()).sum();
    Taken::Not { at, expected: format!("{:?}", &literal[at..]) }
}

/// `last` says that nothing follows, so that `1` is complete although `10` begins with it.
fn take_option(options: &[String], rest: &str, last: bool) -> Taken {
    let written = options.iter().filter(|option| rest.starts_with(option.as_str()));
    let longest = written.map(String::len).max();
    // `1` may become `10`, so it is not complete while more may come.
    let goes_on = options.iter().any(|o| o.len() > rest.len() && o.starts_with(rest));
    match longest {
        _ if goes_on && !(last && longest == Some(rest.len())) => Taken::All { ended: None },
        Some(bytes) => Taken::Bytes(bytes),
        None => Taken::Not { at: 0, expected: format!("one of {}", options.join(", ")) },
    }
}

/// A text up to the literal behind it, of which the distinctive beginning counts; up to the end where
/// none follows.
fn take_text(closer: Option<&str>, rest: &str) -> Taken {
    let nothing = || Taken::Not { at: 0, expected: "a text of more than blanks".to_owned() };
    let Some(closer) = closer else {
        return if is_visible(rest) { Taken::Bytes(rest.len()) } else { open_text("", rest) };
    };
    let beginning = opening(closer);
    let Some(found) = rest.find(beginning) else { return open_text(beginning, rest) };
    // White space before the distinctive part belongs to the closer.
    let blanks = &closer[..closer.find(beginning).unwrap_or(0)];
    match rest[..found].strip_suffix(blanks) {
        Some(text) if is_visible(text) => Taken::Bytes(text.len()),
        Some(_) => nothing(),
        None => Taken::Not { at: found, expected: format!("{blanks:?} before {beginning:?}") },
    }
}

/// A text that has no end yet. When it ends here, what it has of the literal behind it is not part of it,
/// and neither is half a character, which servers show as U+FFFD.
fn open_text(beginning: &str, rest: &str) -> Taken {
    let text = rest.trim_end_matches(char::REPLACEMENT_CHARACTER);
    // The longest beginning first: `<eo` is not text that ends in `<`.
    let begun = (1..beginning.len())
        .rev()
        .filter_map(|bytes| beginning.get(..bytes))
        .find_map(|begun| text.strip_suffix(begun).filter(|text| is_visible(text)));
    let text = begun.unwrap_or(text);
    Taken::All { ended: is_visible(text).then(|| text.to_owned()) }
}

fn take_list(max_items: u8, rest: &str) -> Taken {
    const OPEN: &str = "[\"";
    const ANOTHER: &str = ", \"";
    let not = |at, expected: &str| Taken::Not { at, expected: expected.to_owned() };
    if !rest.starts_with(OPEN) {
        return match take_literal(OPEN, rest) {
            Taken::All { .. } => Taken::All { ended: None },
            other => other,
        };
    }
    let mut at = OPEN.len();
    let mut items = 0_u8;
    // The list up to the last complete item, closed.
    let mut so_far = None;
    loop {
        let item = &rest[at..];
        let must_be_escaped = |c: char| ESCAPED.iter().any(|(from, to)| (*from..=*to).contains(&c));
        // No quote yet: the item is cut, and ends here if it holds more than blanks.
        let Some(end) = item.find(must_be_escaped) else {
            let item = item.trim_end_matches(char::REPLACEMENT_CHARACTER).trim_end();
            let ended = is_visible(item).then(|| format!("{}{item}\"]", &rest[..at]));
            return Taken::All { ended: ended.or(so_far) };
        };
        if !is_visible(&item[..end]) {
            return not(at, "an item of more than blanks");
        }
        if !item[end..].starts_with('"') {
            return not(at + end, "an item without backslashes and control characters");
        }
        at += end + 1;
        items += 1;
        let behind = &rest[at..];
        if behind.starts_with(']') {
            return Taken::Bytes(at + 1);
        }
        if items < max_items && behind.starts_with(ANOTHER) {
            so_far = Some(format!("{}]", &rest[..at]));
            at += ANOTHER.len();
        } else if behind.is_empty() || (items < max_items && ANOTHER.starts_with(behind)) {
            return Taken::All { ended: Some(format!("{}]", &rest[..at])) };
        } else {
            return not(at, if items < max_items { "\"]\" or \", \\\"\"" } else { "\"]\"" });
        }
    }
}

fn is_visible(text: &str) -> bool {
    !text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    fn text(close_at_budget: bool) -> Part {
        Part::Text { max_tokens: 9, close_at_budget }
    }

    fn keywords() -> Vec<Part> {
        vec![
            literal("<boa>\"domain\": \""),
            Part::OneOf(vec!["QA".to_owned(), "math".to_owned()]),
            literal("\", \"keywords\": "),
            Part::QuotedList { max_items: 3, max_item_tokens: 4 },
            literal("<eoa>"),
        ]
    }

    fn scores(comment_first: bool) -> Vec<Part> {
        let score = || Part::Integer { min: 1, max: 10 };
        let scores = [literal("<bos>[clear: "), score(), literal(", true: "), score()];
        let mut parts = scores.to_vec();
        if comment_first {
            parts.splice(0..0, [literal("<boc>"), text(true), literal("<eoc>\n")]);
            parts.push(literal("]<eos>"));
        } else {
            parts.extend([literal("]<eos>\n<boc>"), text(true), literal("<eoc>")]);
        }
        parts
    }

    fn says(parts: &[Part], reply: &str) -> String {
        match adherence(&Shape { parts: parts.to_vec() }, reply) {
            Ok(Adherence::Whole) => "whole".to_owned(),
            Ok(Adherence::Unfinished) => "unfinished".to_owned(),
            Ok(Adherence::Departs(departure)) => departure.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_departure_is_named_literally() {
        let check = |parts: &[Part], reply: &str, expected: &str| {
            assert_eq!(says(parts, reply), expected, "{reply}");
        };
        let keywords = keywords();
        check(&keywords, "<boa>\"domain\": \"QA\", \"keywords\": [\"a\", \"b c\"]<eoa>", "whole");
        check(
            &keywords,
            "<boa>\u{22d}omain\": \"QA",
            "after 5 characters it has \"ȭomain\\\": \\\"QA\" where the form has \"\\\"domain\\\": \\\"\"",
        );
        check(
            &keywords,
            "<boa>\"domain\": \"QB\"",
            "after 16 characters it has \"QB\\\"\" where the form has one of QA, math",
        );
        check(&keywords, "<boa>\"domain\": \"ma", "unfinished");
        check(
            &keywords,
            "<boa>\"domain\": \"QA\", \"keywords\": [\"a\", \"b\", \"c\", \"d\"]<eoa>",
            "after 47 characters it has \", \\\"d\\\"]<eoa>\" where the form has \"]\"",
        );
        check(
            &keywords,
            "<boa>\"domain\": \"QA\", \"keywords\": [\"  \"]<eoa>",
            "after 35 characters it has \"  \\\"]<eoa>\" where the form has an item of more than blanks",
        );
        check(
            &keywords,
            "<boa>\"domain\": \"QA\", \"keywords\": [\"a\"]<eoa>, and more",
            "after 43 characters it has \", and more\" where the form has its end",
        );
        let review = scores(false);
        check(&review, "<bos>[clear: 10, true: 1]<eos>\n<boc>so <eo<eoc>", "whole");
        check(&review, "<bos>[clear: 10, true: 1", "unfinished");
        check(
            &review,
            "<bos>[clear: 10, true: 11]",
            "after 24 characters it has \"1]\" where the form has \"]<eos>\\n<boc>\"",
        );
        check(
            &review,
            "<bos>[clear: 10, true: 1]<eos>\n<boc> <eoc>",
            "after 36 characters it has \" <eoc>\" where the form has a text of more than blanks",
        );
        check(&[Part::Integer { min: 1, max: 10 }], "1", "whole");
        check(&[text(false)], "Anything.", "whole");
        check(&[text(false)], " \n", "unfinished");
        check(&[], "", "whole");
    }

    #[test]
    fn a_reply_that_met_its_limit_is_closed_where_its_text_may_be() {
        let check = |parts: &[Part], reply: &str, expected: Option<(&str, usize)>| {
            let closed = close(parts, reply).expect("the parts are a shape");
            let closed = closed.as_ref().map(|closed| (closed.text.as_str(), closed.left.len()));
            assert_eq!(closed, expected, "{reply}");
        };
        let head = "<bos>[clear: 9, true: 10]<eos>\n<boc>";
        let review = scores(false);
        for (cut, whole) in [
            ("It is sli", "It is sli<eoc>"),
            // What it has of its closer is not written twice.
            ("It is <eo", "It is <eoc>"),
            ("a < b <", "a < b <eoc>"),
            ("It is caf\u{fffd}", "It is caf<eoc>"),
        ] {
            check(&review, &format!("{head}{cut}"), Some((&format!("{head}{whole}"), 0)));
        }
        check(&review, &format!("{head}  \n"), None);
        // No text was begun: the limit is too small, and a second request would be too.
        check(&review, "<bos>[clear: 9", None);
        check(&review, "<bo", None);
        check(&review, "Sure! <bos>[clear: 9, true: 10]<eos>\n<boc>It is", None);

        let first = scores(true);
        let begun = "<boc>It is sli<eoc>\n<bos>[clear: ";
        check(&first, "<boc>It is sli", Some((begun, 4)));
        check(&first, begun, Some((begun, 4)));
        check(&first, &format!("{begun}1"), Some((begun, 4)));
        check(
            &first,
            "<boc>So.<eoc>\n<bos>[clear: 8, true: 9]<e",
            Some(("<boc>So.<eoc>\n<bos>[clear: 8, true: 9]<eos>", 0)),
        );

        let head = "<boa>\"domain\": \"QA\", \"keywords\": ";
        let keywords = keywords();
        for (cut, whole) in [
            ("[\"tides and ", Some("[\"tides and\"]<eoa>")),
            ("[\"tides\"", Some("[\"tides\"]<eoa>")),
            ("[\"tides\", ", Some("[\"tides\"]<eoa>")),
            ("[\"tides\", \"", Some("[\"tides\"]<eoa>")),
            ("[\"tides\", \"salt", Some("[\"tides\", \"salt\"]<eoa>")),
            ("[\"a\", \"b\", \"c\"", Some("[\"a\", \"b\", \"c\"]<eoa>")),
            ("[\"a\", \"b\", \"c\"]<eo", Some("[\"a\", \"b\", \"c\"]<eoa>")),
            ("[\"", None),
            ("", None),
        ] {
            let whole = whole.map(|whole| format!("{head}{whole}"));
            let expected = whole.as_deref().map(|whole| (whole, 0));
            check(&keywords, &format!("{head}{cut}"), expected);
        }
        let instruction = |close| vec![literal("<boi>"), text(close), literal("<eoi>")];
        check(&instruction(true), "<boi>Compare", Some(("<boi>Compare<eoi>", 0)));
        check(&instruction(false), "<boi>Compare", None);
        check(&[text(true)], "Anything", Some(("Anything", 0)));
        check(&[text(false)], "Anything", None);
        // Only the model's end token did not fit.
        check(&instruction(false), "<boi>Compare.<eoi>", Some(("<boi>Compare.<eoi>", 0)));
    }
}
