//! Drawing one of several exact texts.

use std::sync::Arc;

use super::plan::{Step, count};
use super::{Automaton, Scene};
use crate::sampler::Allowed;
use crate::vocabulary::{Token, TokenKind, Vocabulary};

impl Automaton {
    /// Draws the next token of the option that begins at byte `from` of the reply.
    ///
    /// An option may be a prefix of another (`1` and `10`). Both are then kept apart by the token
    /// that follows: one that begins the next literal says that the option is complete; it is not
    /// fed, the whole literal is.
    pub(super) fn choose(&mut self, from: usize, scene: &mut Scene<'_>) -> Vec<Token> {
        let plan = Arc::clone(&self.plan);
        let Some(Step::Choose { options, after }) = plan.steps.get(self.at) else {
            return self.give_up();
        };
        let vocabulary = scene.vocabulary;
        let written = &self.reply[from..];
        let rests = rests(options, written);
        let mut going_on: Vec<Token> =
            rests.iter().flat_map(|rest| vocabulary.prefixes_of(rest)).collect();
        let mut stopping = Vec::new();
        if rests.iter().any(|rest| rest.is_empty()) {
            stopping = stops(vocabulary, after.as_deref(), self.at + 1 == plan.steps.len());
            if stopping.is_empty() {
                return self.option_complete(Vec::new());
            }
        }
        stopping.retain(|token| !going_on.contains(token));
        going_on.extend_from_slice(&stopping);
        going_on.sort_unstable();
        going_on.dedup();
        let uniform = self.stream.draw(self.used, 0);
        let allowed = (Allowed::Only(&going_on), [].as_slice());
        match scene.sampler.draw(scene.logits, allowed, self.draws.sampling, uniform) {
            Some(token) if stopping.contains(&token) => self.option_complete(Vec::new()),
            Some(token) => {
                self.reply.extend_from_slice(vocabulary.piece(token));
                self.used = self.used.saturating_add(1);
                self.narrow(from, options, vec![token], vocabulary)
            }
            // Every logit is impossible: the first option is as good as any.
            None => self.complete_with(
                rests.first().copied().unwrap_or_default(),
                Vec::new(),
                vocabulary,
            ),
        }
    }

    /// Forces what is left to write when only one option is.
    fn narrow(
        &mut self,
        from: usize,
        options: &[String],
        feed: Vec<Token>,
        vocabulary: &Vocabulary,
    ) -> Vec<Token> {
        match rests(options, &self.reply[from..]).as_slice() {
            [only] => self.complete_with(only, feed, vocabulary),
            _ => feed,
        }
    }

    fn complete_with(
        &mut self,
        rest: &[u8],
        mut feed: Vec<Token>,
        vocabulary: &Vocabulary,
    ) -> Vec<Token> {
        let Some(tokens) = vocabulary.spell(rest) else { return self.give_up() };
        self.reply.extend_from_slice(rest);
        self.used = self.used.saturating_add(count(&tokens));
        feed.extend_from_slice(&tokens);
        self.option_complete(feed)
    }

    fn option_complete(&mut self, mut feed: Vec<Token>) -> Vec<Token> {
        self.enter(self.at + 1, &mut feed);
        feed
    }
}

/// What is left of each option that begins with `written`. Bytes, because a token may end inside a
/// character.
fn rests<'a>(options: &'a [String], written: &[u8]) -> Vec<&'a [u8]> {
    options.iter().filter_map(|option| option.as_bytes().strip_prefix(written)).collect()
}

/// The tokens that tell that an option is complete.
fn stops(vocabulary: &Vocabulary, after: Option<&str>, last: bool) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    match after {
        Some(after) => {
            for literal in [after, after.trim_start()] {
                tokens.extend(vocabulary.prefixes_of(literal.as_bytes()));
                tokens.extend_from_slice(vocabulary.starting_with(literal.as_bytes()));
            }
        }
        None if last => {
            tokens.extend(
                vocabulary.ends().iter().filter(|t| vocabulary.kind(**t) == TokenKind::End),
            );
        }
        None => {}
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}
