//! Texts that met their budget are closed, as the automaton closes them (decision 18).
//!
//! A grammar cannot count tokens, so a server writes a text until the request's limit cuts the reply.
//! What a shape lets close there is closed here: the text ends, and what is forced behind it follows
//! without the server. Where something must still be drawn, such as scores behind a comment, the server is
//! asked again for a reply that begins with what there is.

use gra_synth::request::{Finish, Reply};
use gra_synth::shape::Part;
use gra_synth::thought;

use super::ask::{Question, Written};
use super::client::{Client, Trouble};
use crate::adherence::{self, Closed};
use crate::automaton::options;
use crate::pattern::PatternError;

/// Tokens beside the text: the model's end token, and a blank that some tokenizers begin with.
const END_TOKENS: u32 = 4;

impl Question<'_> {
    /// Asks until there is a reply that is complete, or was cut where it may not be closed. A reply that is
    /// asked for in several requests has the tokens of its whole text, as the last of them counted it.
    pub(super) fn ask(&self, client: &Client, halted: &dyn Fn() -> bool) -> Result<Reply, Trouble> {
        let mut written = self.ask_once(client, halted)?;
        let mut rest;
        let mut question = self;
        // Ends: each further request has a text less to write.
        while written.met_limit {
            let closed = close(&question.parts, &written.reply.text);
            let Some(Closed { text, left }) = closed else { break };
            if left.is_empty() {
                return Ok(Reply { text, finish: Finish::Stop, ..written.reply });
            }
            rest = self.continued(text, left, &written).map_err(|error| into_trouble(&error))?;
            question = &rest;
            written = question.ask_once(client, halted)?;
        }
        Ok(written.reply)
    }

    /// The question for a reply that begins with `text`.
    fn continued(
        &self,
        text: String,
        left: Vec<Part>,
        written: &Written,
    ) -> Result<Question<'_>, PatternError> {
        // Written again the beginning may take other tokens, hardly twice as many.
        let again = written.reply.reply_tokens.saturating_add(self.written).saturating_mul(2);
        let max_tokens = again.saturating_add(most_tokens(&left));
        let parts = [vec![Part::Literal(text)], left].concat();
        self.with_parts(parts, max_tokens)
    }
}

/// Closes a reply, or its answer behind a thought that is no part of its form.
fn close(parts: &[Part], text: &str) -> Option<Closed> {
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

fn into_trouble(error: &PatternError) -> Trouble {
    Trouble::Refused(error.to_string())
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
