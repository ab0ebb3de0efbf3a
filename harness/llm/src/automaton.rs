//! The template sampler: writes one reply of a given shape, token by token.
//!
//! A [`CompiledShape`] is a shape compiled for a vocabulary; an [`Automaton`] runs it for one request. It is
//! asked with the logits of the last token and answers with the tokens to feed next: one sampled
//! token, or a forced run that costs one evaluation for many tokens. It holds no model.
//!
//! - Literals are forced. Choices and integers are drawn among the tokens that continue some
//!   option; as soon as one option is left, its rest is forced.
//! - Free text is drawn from the whole vocabulary, control tokens excepted, until the distinctive
//!   beginning of the next literal (`<eoi>`, `"`), an end token, or its budget. A token that runs
//!   over the border is not fed; its part before the border and the literal are fed instead.
//! - A token that would make the reply wrong (an empty text, a broken character) is refused and
//!   another is drawn without it. Refusals are rare; masks cover the common cases.
//! - Where expected scores are wanted, the other values of an integer are weighed beside the one that is
//!   drawn; what one logit row cannot tell is probed and taken back.
//!
//! Laws, tested as properties: for any logits the reply is valid UTF-8, has its shape unless it
//! ends as [`Finish::Length`], and takes at most the request's tokens. Tokens fed spell the reply,
//! but for white space before a closer and an unfinished character at a cut.

mod choice;
mod compiled_shape;
mod writing;

use std::sync::Arc;

use gra_synth::committee::Thousandths;
use gra_synth::request::{Finish, Request, Sampling, ScoreReading};

pub use compiled_shape::{CompiledShape, ShapeError};
pub(crate) use compiled_shape::{opening, options, simplify};

use crate::sampler::{DrawStream, Sampler};
use crate::vocabulary::{Token, Vocabulary, count, valid_utf8_len};
use choice::{DrawnOption, ExpectedValue};
use compiled_shape::{Choice, ForcedText, PlanStep};
use writing::Writing;

/// Version of what this module and [`crate::sampler`] write from given logits; part of every
/// fingerprint. Raise it with any change that can change a reply, or stores would mix old and new.
pub(crate) const WRITER_VERSION: u32 = 2;

/// What of a request governs the writing of its reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draws {
    /// Temperature and top-p.
    pub sampling: Sampling,
    /// Whether expected values are wanted beside the integers that are drawn.
    pub score_reading: ScoreReading,
    /// Names the request's stream of draws.
    pub seed: u64,
    /// Most tokens of the reply, forced ones included.
    pub max_tokens: u32,
}

impl Draws {
    /// The request's own.
    #[must_use]
    pub const fn of(request: &Request) -> Self {
        Self {
            sampling: request.sampling,
            score_reading: request.score_reading,
            seed: request.seed,
            max_tokens: request.max_tokens,
        }
    }
}

/// The logits of the last fed token, and what it takes to draw from them.
#[derive(Debug)]
pub struct DrawInput<'a> {
    /// The model's tokens.
    pub vocabulary: &'a Vocabulary,
    /// Buffers.
    pub sampler: &'a mut Sampler,
    /// One per token of the vocabulary.
    pub logits: &'a [f32],
}

/// Where the automaton is within its current step.
#[derive(Clone, Debug)]
enum Now {
    /// The option begins at this byte of the reply.
    Choosing { from: usize },
    /// The next logits are those behind this beginning of an option, for its share of an expected value
    /// alone; `drawn` is taken then.
    Probing { from: usize, drawn: DrawnOption, beginning: Vec<u8> },
    /// Within a text.
    Writing(Writing),
    /// After an item's closing quote: another item, or the end of the list.
    Deciding { items: u8 },
}

/// One reply in the making.
#[derive(Clone, Debug)]
pub struct Automaton {
    plan: Arc<CompiledShape>,
    draws: Draws,
    /// Whether the reply is complete where its first free text would begin.
    opening_only: bool,
    stream: DrawStream,
    reply: Vec<u8>,
    used: u32,
    /// The current step.
    at: usize,
    now: Now,
    /// Of the integer that is being drawn.
    expectation: Option<ExpectedValue>,
    /// Of those before it.
    expected: Vec<Thousandths>,
    /// How many of the tokens that were given last are a probe.
    tentative: usize,
    finish: Option<Finish>,
}

impl Automaton {
    /// Begins a reply. Also gives the tokens that are forced before anything is drawn; they can be
    /// evaluated together with the prompt.
    ///
    /// When the plan does not fit the token limit the reply is at once finished, empty, as
    /// [`Finish::Length`].
    #[must_use]
    pub fn start(plan: Arc<CompiledShape>, draws: Draws) -> (Self, Vec<Token>) {
        Self::begin(plan, draws, false)
    }

    /// The same for a reply of which the opening is asked for alone.
    #[must_use]
    pub fn start_opening(plan: Arc<CompiledShape>, draws: Draws) -> (Self, Vec<Token>) {
        Self::begin(plan, draws, true)
    }

    /// Goes on behind an opening of `tokens` tokens that was written before, with the draws that the
    /// whole reply would have met. The opening is to be fed with the prompt ([`CompiledShape::retrace`]).
    /// `None` when the plan has no opening.
    #[must_use]
    pub fn resume(
        plan: Arc<CompiledShape>,
        draws: Draws,
        opening: &str,
        tokens: u32,
    ) -> Option<Self> {
        let at = plan.opening_steps()?;
        let (mut automaton, _) = Self::begin(plan, draws, false);
        if automaton.finish.is_none() {
            // As if the opening had been written now: the draws behind it are named by the tokens before them.
            automaton.reply = opening.as_bytes().to_vec();
            automaton.used = tokens;
            automaton.enter(at, &mut Vec::new());
        }
        Some(automaton)
    }

    fn begin(plan: Arc<CompiledShape>, draws: Draws, opening_only: bool) -> (Self, Vec<Token>) {
        let mut automaton = Self {
            opening_only,
            draws,
            stream: DrawStream::new(draws.seed),
            reply: Vec::new(),
            used: 0,
            at: 0,
            now: Now::Deciding { items: 0 },
            expectation: None,
            expected: Vec::new(),
            tentative: 0,
            finish: None,
            plan,
        };
        let mut forced = Vec::new();
        if draws.max_tokens == 0 || automaton.plan.least_tokens() > draws.max_tokens {
            automaton.finish = Some(Finish::Length);
        } else {
            automaton.enter(0, &mut forced);
        }
        (automaton, forced)
    }

    /// Why the reply is complete; `None` while it is not.
    #[must_use]
    pub const fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// Tokens of the reply so far, forced ones included.
    #[must_use]
    pub const fn tokens(&self) -> u32 {
        self.used
    }

    /// The reply's text so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.reply[..valid_utf8_len(&self.reply)]).into_owned()
    }

    /// The expected values of the integers so far, where they are wanted.
    #[must_use]
    pub fn expected(&self) -> &[Thousandths] {
        &self.expected
    }

    /// How many of the tokens that [`Self::step`] gave last are a probe: they are fed for their logits, and
    /// taken back before the next step. 0 or all of them.
    #[must_use]
    pub const fn tentative(&self) -> usize {
        self.tentative
    }

    /// Draws from the logits and goes on as far as nothing else must be drawn. Gives the tokens to
    /// feed before the next call; when the reply is finished they need not be fed.
    pub fn step(&mut self, input: &mut DrawInput<'_>) -> Vec<Token> {
        if self.finish.is_some() {
            return Vec::new();
        }
        self.tentative = 0;
        let plan = Arc::clone(&self.plan);
        // Of one kind always: a step is entered together with its state.
        match (self.now.clone(), &plan.steps[self.at]) {
            (Now::Choosing { from }, PlanStep::Choose(choice)) => self.choose(choice, from, input),
            (Now::Probing { from, drawn, beginning }, PlanStep::Choose(choice)) => {
                self.probed(choice, from, drawn, &beginning, input)
            }
            (Now::Writing(text), step) => self.write(step, text, input),
            (Now::Deciding { items }, PlanStep::List(list)) => self.decide(list, items, input),
            _ => self.give_up(),
        }
    }

    /// Enters step `at`, forcing literals until something must be drawn.
    fn enter(&mut self, at: usize, feed: &mut Vec<Token>) {
        let plan = Arc::clone(&self.plan);
        self.at = at;
        while let Some(step) = plan.steps.get(self.at) {
            match step {
                PlanStep::Force(run) => {
                    self.force(run, feed);
                    self.at += 1;
                }
                PlanStep::Choose(_) => {
                    self.now = Now::Choosing { from: self.reply.len() };
                    return;
                }
                PlanStep::Write { .. } if self.opening_only => break,
                PlanStep::Write { budget, visible, .. } => {
                    self.now = Now::Writing(self.writing(*budget, *visible, 0));
                    return;
                }
                PlanStep::List(list) => {
                    self.begin_item(list, &list.open, 0, feed);
                    return;
                }
            }
        }
        self.finish = Some(Finish::Stop);
    }

    /// Whether an expected value is wanted of what is chosen.
    fn weighs(&self, choice: &Choice) -> bool {
        choice.values.is_some() && self.draws.score_reading == ScoreReading::Expected
    }

    fn force(&mut self, run: &ForcedText, feed: &mut Vec<Token>) {
        self.reply.extend_from_slice(run.text.as_bytes());
        self.used = self.used.saturating_add(count(&run.tokens));
        feed.extend_from_slice(&run.tokens);
    }

    /// Nothing can be drawn: the vocabulary has no token that fits here.
    fn give_up(&mut self) -> Vec<Token> {
        self.cut_unfinished_character();
        self.finish = Some(Finish::Length);
        Vec::new()
    }

    fn cut_unfinished_character(&mut self) {
        self.reply.truncate(valid_utf8_len(&self.reply));
    }
}
