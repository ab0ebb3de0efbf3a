//! Calls as tokens and operations.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use gra_synth::request::ModelName;

use crate::trial::CallFact;

/// Operations per parameter and token.
const PER_PARAMETER_AND_TOKEN: u128 = 2;

/// How large the models are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// By name, as the pool states them; a model that is not there has no stated count.
    Stated(BTreeMap<ModelName, u64>),
    /// As if every member had so many.
    Assumed(u64),
}

impl Parameters {
    pub(super) fn of(&self, model: &ModelName) -> Option<u64> {
        match self {
            Self::Stated(stated) => stated.get(model).copied(),
            Self::Assumed(parameters) => Some(*parameters),
        }
    }
}

/// Calls, their tokens and operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Calls.
    pub calls: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of their replies.
    pub reply_tokens: u64,
    /// `None` when a model that was asked has no stated number of parameters.
    pub flop: Option<Flop>,
}

/// Floating-point operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flop {
    /// Of reading prompts.
    pub prompt: u128,
    /// Of writing replies.
    pub reply: u128,
}

impl Flop {
    /// Of prompt and reply tokens under so many parameters.
    #[must_use]
    pub fn of(parameters: u64, prompt_tokens: u64, reply_tokens: u64) -> Self {
        let of = |tokens| PER_PARAMETER_AND_TOKEN * u128::from(parameters) * u128::from(tokens);
        Self { prompt: of(prompt_tokens), reply: of(reply_tokens) }
    }

    /// Prompt and reply.
    #[must_use]
    pub const fn total(self) -> u128 {
        self.prompt + self.reply
    }
}

impl Spending {
    pub(super) const NOTHING: Self = Self {
        calls: 0,
        prompt_tokens: 0,
        reply_tokens: 0,
        flop: Some(Flop { prompt: 0, reply: 0 }),
    };

    pub(super) fn of(call: &CallFact, parameters: &Parameters) -> Self {
        let (prompt_tokens, reply_tokens) =
            (u64::from(call.prompt_tokens), u64::from(call.reply_tokens));
        let flop = parameters.of(&call.model);
        let flop = flop.map(|count| Flop::of(count, prompt_tokens, reply_tokens));
        Self { calls: 1, prompt_tokens, reply_tokens, flop }
    }
}

impl AddAssign for Spending {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.prompt_tokens += other.prompt_tokens;
        self.reply_tokens += other.reply_tokens;
        self.flop = self
            .flop
            .zip(other.flop)
            .map(|(a, b)| Flop { prompt: a.prompt + b.prompt, reply: a.reply + b.reply });
    }
}

/// Something of all calls, and of those that no earlier variant of the experiment had made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostSplit<T> {
    /// Of all calls: what the trial would cost by itself.
    pub all: T,
    /// Without shared calls, whose replies the store had: what the trial added to its experiment.
    pub own: T,
}

impl<T: AddAssign> AddAssign for CostSplit<T> {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.own += other.own;
    }
}
