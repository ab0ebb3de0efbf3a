//! Drawing one of several exact texts.

use std::sync::Arc;

use super::expectation::Expectation;
use super::plan::{Choice, Step, count};
use super::{Automaton, Now, Scene};
use crate::sampler::Allowed;
use crate::vocabulary::{Token, TokenKind, Vocabulary};

/// What may follow the written beginning of an option.
#[derive(Debug)]
pub(super) struct Continuations {
    /// Tokens that go on with an option or say that one is complete, in order.
    pub(super) tokens: Vec<Token>,
    /// Those of them that say so.
    pub(super) stops: Vec<Token>,
    /// Whether an option is complete and no token could say so: it is taken at once.
    pub(super) complete: bool,
}

/// What was drawn for the next place of an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum Drawn {
    /// A token that goes on with it.
    GoesOn(Token),
    /// One that says that it is complete.
    Complete,
    /// None: every logit is impossible. The first option is as good as any.
    Nothing,
}

impl Continuations {
    pub(super) fn of(choice: &Choice, written: &[u8], vocabulary: &Vocabulary) -> Self {
        let rests = rests(&choice.options, written);
        let mut tokens: Vec<Token> =
            rests.iter().flat_map(|rest| vocabulary.prefixes_of(rest)).collect();
        let mut stops = Vec::new();
        let mut complete = false;
        if rests.iter().any(|rest| rest.is_empty()) {
            stops = stopping(choice, vocabulary);
            complete = stops.is_empty();
        }
        stops.retain(|token| !tokens.contains(token));
        tokens.extend_from_slice(&stops);
        tokens.sort_unstable();
        tokens.dedup();
        Self { tokens, stops, complete }
    }
}

impl Automaton {
    /// Draws the next token of the option that begins at byte `from` of the reply.
    ///
    /// An option may be a prefix of another (`1` and `10`). Both are then kept apart by the token
    /// that follows: one that begins the next literal says that the option is complete; it is not
    /// fed, the whole literal is.
    pub(super) fn choose(&mut self, from: usize, scene: &mut Scene<'_>) -> Vec<Token> {
        let plan = Arc::clone(&self.plan);
        let Some(Step::Choose(choice)) = plan.steps.get(self.at) else { return self.give_up() };
        let written = &self.reply[from..];
        let next = Continuations::of(choice, written, scene.vocabulary);
        if next.complete {
            return self.option_complete(Vec::new());
        }
        let uniform = self.stream.draw(self.used, 0);
        let allowed = (Allowed::Only(&next.tokens), [].as_slice());
        let drawn = scene.sampler.draw(scene.logits, allowed, self.draws.sampling, uniform);
        let drawn = match drawn {
            Some(token) if next.stops.contains(&token) => Drawn::Complete,
            Some(token) => Drawn::GoesOn(token),
            None => Drawn::Nothing,
        };
        if self.weighs(choice) {
            let expectation = self.expectation.get_or_insert_with(Expectation::begin);
            expectation.weigh(written, &next, choice, scene);
        }
        self.probe_or_take((from, drawn), choice, scene.vocabulary)
    }

    /// Takes note of the logits behind a probed beginning, and goes on with what was drawn before.
    pub(super) fn probed(
        &mut self,
        drawn: (usize, Drawn),
        beginning: &[u8],
        scene: &Scene<'_>,
    ) -> Vec<Token> {
        let plan = Arc::clone(&self.plan);
        let Some(Step::Choose(choice)) = plan.steps.get(self.at) else { return self.give_up() };
        let next = Continuations::of(choice, beginning, scene.vocabulary);
        if let Some(expectation) = &mut self.expectation {
            expectation.weigh(beginning, &next, choice, scene);
        }
        self.probe_or_take(drawn, choice, scene.vocabulary)
    }

    /// Probes what the drawn token leaves open of an expected value, or takes the token.
    fn probe_or_take(
        &mut self,
        (from, drawn): (usize, Drawn),
        choice: &Choice,
        vocabulary: &Vocabulary,
    ) -> Vec<Token> {
        if let Some(expectation) = &self.expectation {
            // What follows the drawn token is seen without a probe.
            let ahead = match drawn {
                Drawn::GoesOn(token) => [&self.reply[from..], vocabulary.piece(token)].concat(),
                Drawn::Complete | Drawn::Nothing => Vec::new(),
            };
            if let Some(open) = expectation.open_beside(&ahead) {
                self.tentative = open.tokens.len();
                self.now = Now::Probing { from, drawn, beginning: open.written.clone() };
                return open.tokens.clone();
            }
        }
        self.now = Now::Choosing { from };
        match drawn {
            Drawn::Complete => self.option_complete(Vec::new()),
            Drawn::GoesOn(token) => {
                self.reply.extend_from_slice(vocabulary.piece(token));
                self.used = self.used.saturating_add(1);
                self.narrow(from, &choice.options, vec![token], vocabulary)
            }
            Drawn::Nothing => {
                let rests = rests(&choice.options, &self.reply[from..]);
                let first = rests.first().copied().unwrap_or_default();
                self.complete_with(first, Vec::new(), vocabulary)
            }
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
        if let Some(expectation) = self.expectation.take() {
            self.expected.push(expectation.value());
        }
        self.enter(self.at + 1, &mut feed);
        feed
    }
}

/// What is left of each option that begins with `written`. Bytes, because a token may end inside a
/// character.
pub(super) fn rests<'a>(options: &'a [String], written: &[u8]) -> Vec<&'a [u8]> {
    options.iter().filter_map(|option| option.as_bytes().strip_prefix(written)).collect()
}

/// The tokens that tell that an option is complete.
fn stopping(choice: &Choice, vocabulary: &Vocabulary) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    match &choice.after {
        Some(after) => {
            for literal in [after.as_str(), after.trim_start()] {
                tokens.extend(vocabulary.prefixes_of(literal.as_bytes()));
                tokens.extend_from_slice(vocabulary.starting_with(literal.as_bytes()));
            }
        }
        None if choice.last => {
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
