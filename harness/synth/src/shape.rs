//! The form of a reply, as data: a short list of parts that an engine can enforce token by token.
//!
//! A shape is a small automaton. Literals are forced, numbers and choices are masked, free text
//! runs until its closer, the model's end token or its budget. An engine that enforces a shape
//! yields replies that always parse; [`Shape::free`] asks for no form at all, which is how the
//! paper's authors would have met their replies.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::thought::TAGS;

/// One piece of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A thought before the answer, in the tags that the model's chat template opens or else in the first of
    /// [`TAGS`]. Only at the beginning; a shape without it asks for an answer without a
    /// thought. It ends where the model closes it; at its budget the reply ends, as cut off.
    Thought {
        /// Most tokens between the tags.
        max_tokens: u32,
    },
    /// This exact text.
    Literal(String),
    /// One of these exact texts. Not empty; no text is a prefix of another.
    OneOf(Vec<String>),
    /// A decimal integer without sign or leading zeros, both bounds included.
    Integer {
        /// Smallest value.
        min: u8,
        /// Largest value.
        max: u8,
    },
    /// Free text, not empty, ended by the start of the literal that follows it, by the model's end
    /// token, or by its budget. `next literal` is the part after this one, which must be a
    /// [`Part::Literal`] unless this part is the last.
    Text {
        /// Most tokens of this part.
        max_tokens: u32,
        /// What happens when the budget is spent: `true` closes the text and goes on with the next
        /// part (a long comment costs nothing but its tail); `false` ends the reply as cut off.
        close_at_budget: bool,
    },
    /// A JSON list of double-quoted strings between its brackets, `["a", "b"]`; strings are free
    /// text without `"`, `\` and line breaks, not empty, and closed at their budget.
    QuotedList {
        /// Most items; at least one is always written.
        max_items: u8,
        /// Most tokens of one item.
        max_item_tokens: u32,
    },
}

/// The parts of a reply, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// In order; not empty.
    pub parts: Vec<Part>,
}

impl Shape {
    /// Anything, until the model ends it or the request's token limit cuts it.
    #[must_use]
    pub fn free() -> Self {
        Self { parts: vec![Part::Text { max_tokens: u32::MAX, close_at_budget: false }] }
    }

    /// The same shape behind a thought of at most so many tokens; 0: the same shape.
    #[must_use]
    pub fn behind_thought(mut self, max_tokens: u32) -> Self {
        if max_tokens > 0 {
            self.parts.insert(0, Part::Thought { max_tokens });
        }
        self
    }

    /// How many tokens the thought before the answer may take, and the answer's parts. 0: no thought.
    #[must_use]
    pub fn thought_and_answer(&self) -> (u32, &[Part]) {
        match self.parts.as_slice() {
            [Part::Thought { max_tokens }, answer @ ..] => (*max_tokens, answer),
            answer => (0, answer),
        }
    }

    /// The same shape with its thought written out as text between tags: those that the prompt has `opened`
    /// already, of which the second is left to write, or else the first pair of [`TAGS`].
    #[must_use]
    pub fn with_thought_as_text(&self, opened: Option<(&str, &str)>) -> Cow<'_, Self> {
        let (max_tokens, answer) = self.thought_and_answer();
        if max_tokens == 0 {
            return Cow::Borrowed(self);
        }
        let (open, close) = opened.unwrap_or(TAGS[0]);
        let mut parts = Vec::with_capacity(answer.len() + 3);
        // The chat template wrote the opening tag into the prompt; the reply must not repeat it.
        if opened.is_none() {
            parts.push(Part::Literal(format!("{open}\n")));
        }
        parts.push(Part::Text { max_tokens, close_at_budget: false });
        parts.push(Part::Literal(format!("{close}\n\n")));
        parts.extend_from_slice(answer);
        Cow::Owned(Self { parts })
    }

    /// How many parts make up its opening, which ends where the first free text begins: what is forced or chosen,
    /// with the literal that announces the text. `None` when it has no such beginning.
    #[must_use]
    pub fn opening_parts(&self) -> Option<usize> {
        let text = self.parts.iter().position(|part| matches!(part, Part::Text { .. }))?;
        // Only a literal marks the border in the reply's text; behind a number the text could begin anywhere.
        matches!(self.parts[..text].last()?, Part::Literal(_)).then_some(text)
    }

    /// The opening of a reply of this shape. `None` when the shape has none, or the reply does not have it.
    #[must_use]
    pub fn opening<'a>(&self, reply: &'a str) -> Option<&'a str> {
        let Part::Literal(announcement) = &self.parts[self.opening_parts()? - 1] else {
            return None;
        };
        let end = reply.find(announcement.as_str())? + announcement.len();
        Some(&reply[..end])
    }

    /// Whether this shape asks for no form.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(
            self.parts.as_slice(),
            [Part::Text { close_at_budget: false, max_tokens: u32::MAX }]
        )
    }
}
