//! How much of a model's replies was thought: counted over every call of a trial, paid now or earlier, so
//! that a replay counts the same.

use gra_synth::request::Reply;
use serde::Serialize;

/// What one model's replies to a trial hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Thoughts {
    /// Its replies.
    pub calls: u64,
    /// Those with a thought.
    pub calls_with_thought: u64,
    /// Tokens of all its replies.
    pub reply_tokens: u64,
    /// Those of thoughts, by their share of each reply's characters.
    pub thought_tokens: u64,
}

impl Thoughts {
    /// Counts a reply.
    pub fn count(&mut self, reply: &Reply) {
        let tokens = reply.thought_tokens();
        self.calls += 1;
        self.calls_with_thought += u64::from(tokens > 0);
        self.reply_tokens += u64::from(reply.reply_tokens);
        self.thought_tokens += u64::from(tokens);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.calls_with_thought += other.calls_with_thought;
        self.reply_tokens += other.reply_tokens;
        self.thought_tokens += other.thought_tokens;
    }
}
