//! What a trial's calls cost, by stage of the method.
//!
//! Counts what the method asked for. What was paid to an engine, and how long that took, depends on
//! the machine and on what its store already held; the shell measures that
//! ([`crate::ablation::Measured`]).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use gra_synth::request::Stage;

use crate::facts::CallFact;

/// Calls and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls asked for.
    pub calls: u64,
    /// Of these, calls that an earlier variant of the same ablation had made.
    pub shared: u64,
    /// Tokens of all prompts, those of shared calls included.
    pub prompt_tokens: u64,
    /// Tokens of all replies, those of shared calls included.
    pub reply_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.shared += other.shared;
        self.prompt_tokens += other.prompt_tokens;
        self.reply_tokens += other.reply_tokens;
    }
}

/// A trial's usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Stages that asked for nothing are absent.
    pub by_stage: BTreeMap<Stage, Usage>,
}

impl Ledger {
    /// Adds up calls.
    #[must_use]
    pub fn of(calls: &[CallFact]) -> Self {
        let mut by_stage: BTreeMap<Stage, Usage> = BTreeMap::new();
        for call in calls {
            *by_stage.entry(call.id.stage).or_default() += Usage {
                calls: 1,
                shared: u64::from(call.shared),
                prompt_tokens: u64::from(call.prompt_tokens),
                reply_tokens: u64::from(call.reply_tokens),
            };
        }
        Self { by_stage }
    }

    /// All stages together.
    #[must_use]
    pub fn total(&self) -> Usage {
        let mut total = Usage::default();
        for usage in self.by_stage.values() {
            total += *usage;
        }
        total
    }
}
