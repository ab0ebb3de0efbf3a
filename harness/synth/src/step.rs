//! How the method's machines ask and are answered.

use crate::method::{Member, Method};
use crate::request::{Embedding, Portion, Prompt, Reply, Request, RequestId, ScoreReading, Stage};
use crate::stream::Stream;
use crate::{form, pool::ItemId, prompt::PromptSet};

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

/// One question: who is asked what, as which call.
#[derive(Debug)]
pub struct Question<'a> {
    /// Seed item or candidate.
    pub subject: ItemId,
    /// Step of the method.
    pub stage: Stage,
    /// Reviewer's number from 0; 0 for stages with one speaker.
    pub seat: u8,
    /// 0 for the first try.
    pub attempt: u8,
    /// How many earlier seats of this stage the same model holds (only a model that reviews
    /// several times has any).
    pub repeat: u8,
    /// Who is asked.
    pub member: &'a Member,
    /// How much of the reply is asked for.
    pub portion: Portion,
    /// What is wanted of its scores.
    pub score_reading: ScoreReading,
    /// The text of the sample block.
    pub sample: String,
}

impl Asker<'_> {
    /// The prompt of a call with this seed, from which it has the order of its example's scores.
    pub(crate) fn prompt(&self, stage: Stage, seed: u64, sample: String) -> Prompt {
        let turn = if self.method.rotate_examples { seed } else { 0 };
        self.prompts.prompt_in_order(stage, turn, sample)
    }

    /// The request for a question.
    ///
    /// The seed is drawn from a stream named by subject, stage, model, repeat and attempt. The
    /// seat is not part of the name: a model that reviews a candidate as second of three in one
    /// variant and alone in another makes the same call in both. A comment that is written late
    /// belongs to its review's stream.
    #[must_use]
    pub fn request(&self, question: Question<'_>) -> Request {
        let Question { subject, stage, seat, attempt, repeat, member, .. } = question;
        let spoken = if stage == Stage::ReviewComment { Stage::ResponseReview } else { stage };
        let seed = Stream::named(
            self.run_seed,
            &[
                &subject.to_string(),
                spoken.name(),
                member.name.as_str(),
                &repeat.to_string(),
                &attempt.to_string(),
            ],
        )
        .next_u64();
        Request {
            id: RequestId { subject, stage, seat, attempt },
            model: member.name.clone(),
            prompt: self.prompt(spoken, seed, question.sample),
            shape: form::shape(spoken, self.method).behind_thought(member.thought_tokens),
            portion: question.portion,
            score_reading: question.score_reading,
            sampling: member.sampling,
            max_tokens: form::max_tokens_with_thought(spoken, self.method, member.thought_tokens),
            seed,
        }
    }
}
