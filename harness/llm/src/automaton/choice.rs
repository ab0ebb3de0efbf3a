//! Drawing one of several exact texts, and the expected value of an integer beside the one that is drawn
//! (`score_reading = "expected"`).
//!
//! Probabilities are the model's own over the tokens that may stand here: temperature 1, no top-p. A
//! token after which several values are left (`1`, of `1` and `10`) leaves its share open until the
//! model has been seen behind it. Where the reply goes on that way its next logits tell; else the token is
//! fed as a probe, and taken back.

use gra_synth::committee::Thousandths;

use super::compiled_shape::Choice;
use super::{Automaton, DrawInput, Now};
use crate::sampler::Allowed;
use crate::vocabulary::{Token, Vocabulary, count};

/// A share below this is not probed: it counts as the smallest of its values, which moves an expected score
/// by less than the half thousandth that it is rounded by.
const NEGLIGIBLE: f64 = 5e-5;

/// What may follow the written beginning of an option.
#[derive(Debug)]
struct Continuations {
    /// Tokens that go on with an option or say that one is complete, in order.
    tokens: Vec<Token>,
    /// Those of them that say so.
    stops: Vec<Token>,
    /// Whether an option is complete and no token could say so: it is taken at once.
    complete: bool,
}

/// What was drawn for the next place of an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum DrawnOption {
    /// A token that goes on with it.
    GoesOn(Token),
    /// One that says that it is complete.
    Complete,
    /// None: every logit is impossible. The first option is as good as any.
    Nothing,
}

impl Continuations {
    fn of(choice: &Choice, written: &[u8], vocabulary: &Vocabulary) -> Self {
        let rests = rests(&choice.options, written);
        let mut tokens: Vec<Token> =
            rests.iter().flat_map(|rest| vocabulary.prefixes_of(rest)).collect();
        let mut stops = Vec::new();
        let mut complete = false;
        if rests.iter().any(|rest| rest.is_empty()) {
            stops = stopping(choice, vocabulary);
            complete = stops.is_empty();
        }
        // A token that goes on with an option goes on with it, also where it could begin what follows.
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
    pub(super) fn choose(
        &mut self,
        choice: &Choice,
        from: usize,
        input: &mut DrawInput<'_>,
    ) -> Vec<Token> {
        let written = &self.reply[from..];
        let next = Continuations::of(choice, written, input.vocabulary);
        if next.complete {
            return self.option_complete(Vec::new());
        }
        // The place in the reply names the draw, whatever was probed before.
        let uniform = self.stream.draw(self.used, 0);
        let allowed = Allowed::Only(&next.tokens).into();
        let drawn = input.sampler.draw(input.logits, allowed, self.draws.sampling, uniform);
        let drawn = match drawn {
            Some(token) if next.stops.contains(&token) => DrawnOption::Complete,
            Some(token) => DrawnOption::GoesOn(token),
            None => DrawnOption::Nothing,
        };
        // Weighed behind the draw, which takes no note of it: the reply is the same with and without.
        if self.weighs(choice) {
            let expectation = self.expectation.get_or_insert_with(ExpectedValue::begin);
            expectation.weigh(written, &next, choice, input);
        }
        self.probe_or_take(choice, from, drawn, input.vocabulary)
    }

    /// Takes note of the logits behind a probed beginning, and goes on with what was drawn before.
    pub(super) fn probed(
        &mut self,
        choice: &Choice,
        from: usize,
        drawn: DrawnOption,
        beginning: &[u8],
        input: &DrawInput<'_>,
    ) -> Vec<Token> {
        let next = Continuations::of(choice, beginning, input.vocabulary);
        if let Some(expectation) = &mut self.expectation {
            expectation.weigh(beginning, &next, choice, input);
        }
        self.probe_or_take(choice, from, drawn, input.vocabulary)
    }

    /// Probes what the drawn token leaves open of an expected value, or takes the token.
    fn probe_or_take(
        &mut self,
        choice: &Choice,
        from: usize,
        drawn: DrawnOption,
        vocabulary: &Vocabulary,
    ) -> Vec<Token> {
        if let Some(expectation) = &self.expectation {
            // What follows the drawn token is seen without a probe.
            let ahead = match drawn {
                DrawnOption::GoesOn(token) => {
                    [&self.reply[from..], vocabulary.piece(token)].concat()
                }
                DrawnOption::Complete | DrawnOption::Nothing => Vec::new(),
            };
            if let Some(open) = expectation.open_beside(&ahead) {
                self.tentative = open.tokens.len();
                self.now = Now::Probing { from, drawn, beginning: open.written.clone() };
                return open.tokens.clone();
            }
        }
        self.now = Now::Choosing { from };
        match drawn {
            DrawnOption::Complete => self.option_complete(Vec::new()),
            DrawnOption::GoesOn(token) => {
                self.reply.extend_from_slice(vocabulary.piece(token));
                self.used = self.used.saturating_add(1);
                match rests(&choice.options, &self.reply[from..]).as_slice() {
                    // One option is left: its rest need not be drawn.
                    [only] => self.complete_with(only, vec![token], vocabulary),
                    _ => vec![token],
                }
            }
            DrawnOption::Nothing => {
                let rests = rests(&choice.options, &self.reply[from..]);
                let first = rests.first().copied().unwrap_or_default();
                self.complete_with(first, Vec::new(), vocabulary)
            }
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
fn rests<'a>(options: &'a [String], written: &[u8]) -> Vec<&'a [u8]> {
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
        None if choice.last => tokens.extend_from_slice(vocabulary.ends()),
        None => {}
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// An expected value in the making.
#[derive(Clone, Debug)]
pub(super) struct ExpectedValue {
    /// Sum of the values that are told apart, each times its probability.
    mean: f64,
    open: Vec<Open>,
}

/// A beginning after which several values are left.
#[derive(Clone, Debug)]
struct Open {
    written: Vec<u8>,
    /// What spells it.
    tokens: Vec<Token>,
    probability: f64,
}

impl ExpectedValue {
    /// Nothing is known of the value.
    fn begin() -> Self {
        let all = Open { written: Vec::new(), tokens: Vec::new(), probability: 1.0 };
        Self { mean: 0.0, open: vec![all] }
    }

    /// An open beginning other than the one that is seen next anyway.
    fn open_beside(&self, ahead: &[u8]) -> Option<&Open> {
        self.open.iter().find(|open| open.written != ahead)
    }

    /// Shares an open beginning's probability out by the logits behind it.
    fn weigh(
        &mut self,
        written: &[u8],
        next: &Continuations,
        choice: &Choice,
        input: &DrawInput<'_>,
    ) {
        let Some(place) = self.open.iter().position(|open| open.written == written) else { return };
        // Its probability is shared out among what may follow, and adds up again.
        let before = self.open.swap_remove(place);
        for (token, share) in probabilities(input.logits, &next.tokens) {
            let probability = before.probability * share;
            let mut written = before.written.clone();
            if !next.stops.contains(&token) {
                written.extend_from_slice(input.vocabulary.piece(token));
            }
            // One value is left, or the rest is too unlikely to matter.
            let told_apart = next.stops.contains(&token)
                || rests(&choice.options, &written).len() == 1
                || Continuations::of(choice, &written, input.vocabulary).complete
                || probability < NEGLIGIBLE;
            if told_apart {
                self.mean += probability * choice.least(&written);
            } else {
                let tokens = [before.tokens.as_slice(), &[token]].concat();
                self.open.push(Open { written, tokens, probability });
            }
        }
    }

    /// The value, rounded to thousandths.
    fn value(&self) -> Thousandths {
        let rounded = (self.mean * 1000.0).round() / 1000.0;
        Thousandths::try_from(rounded).unwrap_or(Thousandths::whole(0))
    }
}

/// The probabilities of some tokens among themselves; none when all are impossible.
fn probabilities(logits: &[f32], tokens: &[Token]) -> Vec<(Token, f64)> {
    let logit = |token: &Token| logits.get(*token as usize).copied().unwrap_or(f32::NAN);
    // `max` passes over NaN.
    let max = tokens.iter().map(logit).fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return Vec::new();
    }
    let weight = |token: &Token| {
        let weight = f64::from(logit(token) - max).exp();
        (*token, if weight.is_nan() { 0.0 } else { weight })
    };
    let weights: Vec<(Token, f64)> = tokens.iter().map(weight).collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.into_iter().map(|(token, weight)| (token, weight / total)).collect()
}
