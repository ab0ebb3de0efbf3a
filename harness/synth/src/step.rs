//! How the method's machines ask and are answered.

use crate::embedding::Embedding;
use crate::form;
use crate::method::{Member, Method};
use crate::pool::ItemId;
use crate::prompt::PromptSet;
use crate::request::{Portion, Reply, Request, RequestId, ScoreReading, Stage};
use crate::stream::Stream;

/// What a machine wants next.
#[derive(Debug)]
pub enum Step<T> {
    /// Replies to these requests, in this order. Never empty.
    Ask(Vec<Request>),
    /// Embeddings of these texts, in this order. Never empty.
    Embed(Vec<String>),
    /// Nothing: this is the result.
    Done(T),
}

/// What a machine is given for its last [`Step`].
#[derive(Debug)]
pub enum Answers {
    /// Nothing was asked yet.
    Start,
    /// One reply per request.
    Replies(Vec<Reply>),
    /// One embedding per text.
    Embeddings(Vec<Embedding>),
}

/// Turns a question of the method into a request: prompt, shape, sampling and the call's own seed.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Seed of the run; the root of every stream.
    pub run_seed: u64,
    /// The method's parameters.
    pub method: &'a Method,
    /// The prompts in use.
    pub prompts: &'a PromptSet,
}

/// One question to one model.
#[derive(Debug)]
pub struct Question<'a> {
    /// Seed item or candidate.
    pub subject: ItemId,
    /// Step of the method.
    pub stage: Stage,
    /// Reviewer's number from 0; 0 for stages with one model.
    pub seat: u8,
    /// 0 for the first try.
    pub attempt: u8,
    /// How many earlier seats of this stage the same model holds (only a model that reviews
    /// several times has any).
    pub repeat: u8,
    /// The model that is asked.
    pub member: &'a Member,
    /// How much of the reply is asked for.
    pub portion: Portion,
    /// How its scores are read.
    pub score_reading: ScoreReading,
    /// The text of the sample block.
    pub sample: String,
}

impl Asker<'_> {
    /// The request for a question.
    ///
    /// Its seed is drawn from a stream named by subject, stage, model, repeat and attempt (METHOD.md, R11). The
    /// seat is not part of the name: a model that reviews a candidate as second of three in one
    /// variant and alone in another makes the same call in both.
    #[must_use]
    pub fn request(&self, question: Question<'_>) -> Request {
        let name = [
            question.subject.to_string(),
            prompted(question.stage).name().to_owned(),
            question.member.name.to_string(),
            question.repeat.to_string(),
            question.attempt.to_string(),
        ];
        let seed = Stream::named(self.run_seed, &name.each_ref().map(String::as_str)).next_u64();
        self.request_with_seed(question, seed)
    }

    /// The same with a seed from a stream of another name.
    pub(crate) fn request_with_seed(&self, question: Question<'_>, seed: u64) -> Request {
        let Question { subject, stage, seat, attempt, member, .. } = question;
        let prompt_stage = prompted(stage);
        // [R12] The call's own seed also draws the order in which the prompt shows its examples' scores.
        let turn = if self.method.rotate_examples { seed } else { 0 };
        let thought_tokens = member.thought_tokens;
        Request {
            id: RequestId { subject, stage, seat, attempt },
            model: member.name.clone(),
            prompt: self.prompts.prompt_in_order(prompt_stage, turn, question.sample),
            // [G13] A thought stands before the form, with a budget of its own.
            shape: form::shape(prompt_stage, self.method).behind_thought(thought_tokens),
            portion: question.portion,
            score_reading: question.score_reading,
            sampling: member.sampling,
            max_tokens: form::max_tokens_with_thought(prompt_stage, self.method, thought_tokens),
            seed,
        }
    }
}

/// The stage whose prompt and stream a call has: a comment that is written late continues its review.
const fn prompted(stage: Stage) -> Stage {
    match stage {
        Stage::ReviewComment => Stage::ResponseReview,
        other => other,
    }
}
