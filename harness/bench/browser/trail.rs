//! Everything that was drawn, said and decided about one candidate, as the paper's Case 1 tells it.

use std::collections::BTreeMap;

use anyhow::Result;
use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use serde::Serialize;

use crate::ruling;
use crate::store::{CallRow, Store};

/// One candidate's story.
#[derive(Clone, Debug, Serialize)]
pub struct Trail {
    /// The recorded facts.
    pub candidate: Candidate,
    /// Its examples' instructions, in drawn order.
    pub examples: Vec<Example>,
    /// What the committee's scores led to.
    pub rule: Option<String>,
    /// What the adjudicator's scores led to.
    pub ruling: Option<String>,
    /// What the nearest item of the pool led to, and its instruction.
    pub nearest: Option<(String, Option<String>)>,
    /// Every call about it, in the order of the method.
    pub calls: Vec<Call>,
}

/// A pool item that the generator saw.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Which.
    pub id: ItemId,
    /// Its instruction; `None` where it is not on record.
    pub instruction: Option<String>,
}

/// A question and its raw reply.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    stage: &'static str,
    seat: u8,
    attempt: u8,
    model: String,
    prompt_tokens: u32,
    reply_tokens: u32,
    shared: bool,
    /// First digits of what the reply is stored under.
    key: String,
    /// `None` where the store has no such reply any more.
    answer: Option<Answer>,
}

#[derive(Clone, Debug, Serialize)]
struct Answer {
    finish: String,
    /// Reply tokens that are thought, by its share of the characters; 0 without one.
    thought_tokens: u32,
    /// Whether the engine could not answer; `reply` is then what it said instead.
    failed: bool,
    temperature: f32,
    top_p: f32,
    /// As text: it may exceed what a page counts exactly.
    seed: String,
    fingerprint: String,
    /// The exact user message, where prompts are wanted.
    prompt: Option<String>,
    reply: String,
}

/// How much of the calls a trail holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Raw replies.
    Replies,
    /// Exact prompts too, which are several times as long.
    Prompts,
}

/// What it takes to tell the trails of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// Where calls and replies are.
    pub store: &'a Store,
    /// The trial's row in it.
    pub trial: i64,
    /// What its scores were held against.
    pub method: &'a Method,
    /// How much of the calls is told.
    pub depth: Depth,
    /// Instructions of the pool's items, those that trails name at least.
    pub instructions: &'a BTreeMap<ItemId, String>,
}

impl Teller<'_> {
    /// A candidate's story.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tell(&self, candidate: Candidate) -> Result<Trail> {
        let calls = self.store.calls(self.trial, Some(candidate.id))?;
        let calls = calls.iter().map(|call| self.call(call)).collect::<Result<_>>()?;
        let instruction = |id: ItemId| self.instructions.get(&id).cloned();
        let rule = ruling::nearest(&candidate, self.method);
        Ok(Trail {
            examples: candidate
                .examples
                .iter()
                .map(|&id| Example { id, instruction: instruction(id) })
                .collect(),
            rule: ruling::committee(&candidate, self.method),
            ruling: candidate
                .adjudication
                .as_ref()
                .map(|word| ruling::adjudicator(word, self.method)),
            nearest: rule
                .zip(candidate.nearest)
                .map(|(rule, nearest)| (rule, instruction(nearest.id))),
            calls,
            candidate,
        })
    }

    fn call(&self, call: &CallRow) -> Result<Call> {
        let prompts = self.depth == Depth::Prompts;
        let answer = self.store.completion(&call.key)?.map(|completion| Answer {
            finish: format!("{:?}", completion.reply.finish),
            thought_tokens: completion.reply.thought_tokens(),
            failed: completion.reply.failure().is_some(),
            temperature: completion.settings.sampling.temperature,
            top_p: completion.settings.sampling.top_p,
            seed: completion.settings.seed.to_string(),
            fingerprint: completion.fingerprint,
            prompt: prompts.then_some(completion.prompt),
            reply: completion.reply.text,
        });
        Ok(Call {
            stage: call.id.stage.name(),
            seat: call.id.seat,
            attempt: call.id.attempt,
            model: call.model.to_string(),
            prompt_tokens: call.prompt_tokens,
            reply_tokens: call.reply_tokens,
            shared: call.shared,
            key: format!("{:.12}", call.key.to_string()),
            answer,
        })
    }
}

impl Trail {
    /// The pool items that a candidate's trail names.
    pub fn named(candidate: &Candidate) -> impl Iterator<Item = ItemId> + '_ {
        candidate.examples.iter().copied().chain(candidate.nearest.map(|nearest| nearest.id))
    }
}
