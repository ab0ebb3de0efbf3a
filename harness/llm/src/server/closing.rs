//! Texts that met their budget are closed, as the automaton closes them (decision 18).
//!
//! A grammar cannot count tokens, so a server writes a text until the request's limit cuts the reply.
//! What a shape lets close there is closed here: the text ends, and what is forced behind it follows
//! without the server. Where something must still be drawn, such as scores behind a comment, the server is
//! asked again for a reply that begins with what there is.

use gra_synth::shape::Part;
use gra_synth::thought;

use crate::adherence::{self, Closed};
use crate::automaton::options;

/// Tokens beside the text: the model's end token, and a blank that some tokenizers begin with.
const END_TOKENS: u32 = 4;

/// Closes a reply, or its answer behind a thought that is no part of its form.
pub(super) fn close(parts: &[Part], text: &str) -> Option<Closed> {
    // The reply as it is; a thought that the form knows is part of it.
    if let Ok(Some(closed)) = adherence::close(parts, text) {
        return Some(closed);
    }
    let parted = thought::part(text);
    let thought = text.strip_suffix(&*parted.answer).filter(|thought| !thought.is_empty())?;
    let closed = adherence::close(parts, &parted.answer).ok().flatten()?;
    // With something left to draw the server would think again.
    let text = format!("{thought}{}", closed.text);
    closed.left.is_empty().then_some(Closed { text, left: closed.left })
}

/// Most tokens that a reply of these parts takes when its texts keep to their budgets. A token holds a byte
/// or more, so this is enough for any tokenizer.
pub(super) fn most_tokens(parts: &[Part]) -> u32 {
    let bytes = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
    let most = |part: &Part| match part {
        Part::Literal(text) => bytes(text),
        Part::OneOf(_) | Part::Integer { .. } => {
            options(part).iter().map(|option| bytes(option)).max().unwrap_or(0)
        }
        Part::Text { max_tokens, .. } | Part::Thought { max_tokens } => *max_tokens,
        Part::QuotedList { max_items, max_item_tokens } => {
            let item = max_item_tokens.saturating_add(bytes("\", \""));
            item.saturating_mul(u32::from(*max_items)).saturating_add(bytes("[\"\"]"))
        }
    };
    parts.iter().map(most).fold(END_TOKENS, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_every_text_its_budget() {
        let literal = |text: &str| Part::Literal(text.to_owned());
        let text = |max_tokens| Part::Text { max_tokens, close_at_budget: true };
        assert_eq!(most_tokens(&[literal("<boi>"), text(48), literal("<eoi>")]), 48 + 10 + 4);
        assert_eq!(most_tokens(&[text(u32::MAX)]), u32::MAX);
        let list = Part::QuotedList { max_items: 3, max_item_tokens: 16 };
        assert_eq!(most_tokens(&[list]), 3 * 20 + 4 + 4);
        assert_eq!(most_tokens(&[Part::Integer { min: 1, max: 10 }, literal("é")]), 2 + 2 + 4);
    }
}
