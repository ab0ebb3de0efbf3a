//! What the method asks of a model, and what it gets back.
//!
//! This is the only vocabulary that the engines of `gra-llm` share with the method. A [`Request`]
//! holds everything that may determine a reply and nothing else: no variant, no schedule, no
//! clock. Two variants that ask the same thing therefore make equal requests, and a store can
//! answer the second from the first.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::committee::Thousandths;
use crate::pool::ItemId;
use crate::shape::Shape;
pub use crate::similarity::Embedding;
use crate::thought;

/// A model's name in its pool, e.g. `smollm2-135m-q8_0`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ModelName(Arc<str>);

impl ModelName {
    /// A name as written in the pool file.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The steps of the method that ask a model, in the order in which a sample meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Prompt 1: the domain of a seed item.
    SeedDomain,
    /// Prompt 2 on a seed item.
    SeedSummary,
    /// Prompt 3: the keywords of a seed item.
    SeedKeywords,
    /// Prompt 4: a new keyword set.
    Keywords,
    /// Prompt 5: the instruction.
    Instruction,
    /// Prompt 6: three bits from each reviewer.
    InstructionReview,
    /// Prompt 7: the response.
    Response,
    /// Prompt 8: six scores and a comment from each reviewer.
    ResponseReview,
    /// Prompt 8 again: the comment that a reviewer's scores were stored without.
    ReviewComment,
    /// Prompt 9: the adjudicator settles a dispute.
    Adjudication,
    /// Prompt 2 on an accepted sample.
    Summary,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 11] = [
        Self::SeedDomain,
        Self::SeedSummary,
        Self::SeedKeywords,
        Self::Keywords,
        Self::Instruction,
        Self::InstructionReview,
        Self::Response,
        Self::ResponseReview,
        Self::ReviewComment,
        Self::Adjudication,
        Self::Summary,
    ];

    /// The name used in files, tables and stream names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeedDomain => "seed-domain",
            Self::SeedSummary => "seed-summary",
            Self::SeedKeywords => "seed-keywords",
            Self::Keywords => "keywords",
            Self::Instruction => "instruction",
            Self::InstructionReview => "instruction-review",
            Self::Response => "response",
            Self::ResponseReview => "response-review",
            Self::ReviewComment => "review-comment",
            Self::Adjudication => "adjudication",
            Self::Summary => "summary",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which call this is: unique within a trial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// The seed item or candidate that the call is about.
    pub subject: ItemId,
    /// The step of the method.
    pub stage: Stage,
    /// The reviewer's number from 0; 0 for stages that one model answers.
    pub seat: u8,
    /// 0 for the first try, then 1, 2, .. after malformed replies.
    pub attempt: u8,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.subject, self.stage, self.seat, self.attempt)
    }
}

/// One user message in two parts (METHOD.md, G8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prompt {
    /// Role, goal, criteria and output format: the same text for every request of a stage, so an
    /// engine can evaluate it once for a whole batch.
    pub role: Arc<str>,
    /// The labelled block about this one sample.
    pub sample: String,
}

impl Prompt {
    /// The user message as the model reads it, before its chat template.
    #[must_use]
    pub fn text(&self) -> String {
        [&*self.role, &self.sample].concat()
    }
}

/// How tokens are drawn (paper, appendix A: temperature 0.2, `top_p` 0.9, at most 4096 new tokens).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    pub temperature: f32,
    /// Nucleus mass in (0, 1]; applied after the temperature.
    pub top_p: f32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.2, top_p: 0.9 }
    }
}

/// One completion asked of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Which call this is. Does not influence the reply.
    pub id: RequestId,
    /// The model that is asked.
    pub model: ModelName,
    /// The message to the model.
    pub prompt: Prompt,
    /// The form that the reply must have.
    pub shape: Shape,
    /// How much of the reply is asked for.
    pub portion: Portion,
    /// How its scores are read.
    pub score_reading: ScoreReading,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Most new tokens of the whole reply, forced literals included.
    pub max_tokens: u32,
    /// Seed of this call's own sampling stream.
    pub seed: u64,
}

/// How much of a reply is asked for. A reply that is asked for in two portions is the reply that is
/// asked for whole: same prompt, same shape, same draws.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "portion")]
pub enum Portion {
    /// The whole reply.
    #[default]
    Whole,
    /// What stands before its first free text ([`Shape::opening`]). Where the whole reply might not fit
    /// the model's context the engine finds out: it writes all of it, and answers as it would have
    /// answered for the whole if that was cut off.
    Opening,
    /// The rest of a reply whose opening was written before. The reply's text is the whole one, its
    /// tokens are those of the rest.
    Rest {
        /// The opening's text.
        opening: String,
        /// The opening's tokens.
        tokens: u32,
    },
}

/// How the scores of a reply are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreReading {
    /// As they were drawn and written (the paper's).
    #[default]
    Sampled,
    /// As the mean over every score that could have stood there, weighted by the model's own
    /// probabilities (G-Eval, Liu et al. 2023). The reply is written as ever; an engine that computes
    /// probabilities gives the means beside it.
    Expected,
}

/// The reason for which a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "finish")]
pub enum Finish {
    /// The model ended it, or its shape was complete.
    Stop,
    /// It met the token limit before it was complete.
    Length,
    /// The prompt did not fit the model's context; nothing was generated.
    PromptTooLong {
        /// Tokens of the prompt after the chat template.
        tokens: u32,
        /// Tokens that prompt and reply together may take; `None` where a server does not say.
        context: Option<u32>,
    },
    /// The engine could not answer this call, and can answer others. There is no reply;
    /// [`Reply::text`] holds what the engine said instead.
    Failed {
        /// The kind of failure.
        failure: Failure,
    },
}

/// Why an engine could not answer a call. Written as one word, e.g. `status-500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Failure {
    /// The server answered this request with this HTTP status each time it was asked.
    Status(u16),
    /// The server answered with an error and a status that promises a reply.
    ErrorReply,
    /// The server answered with something that is no chat completion: a page, broken JSON.
    NoCompletion,
    /// The server ended the reply for a reason that is not known here.
    UnknownFinish,
    /// There was no answer within the time that a request may take.
    TimedOut,
    /// The connection was lost under this request each time it was asked.
    ConnectionLost,
    /// llama.cpp reported a failure while it evaluated this call alone.
    Evaluation,
    /// The process that holds the model died on this call alone.
    Crash,
}

impl Failure {
    /// The kinds without a number.
    const PLAIN: [Self; 7] = [
        Self::ErrorReply,
        Self::NoCompletion,
        Self::UnknownFinish,
        Self::TimedOut,
        Self::ConnectionLost,
        Self::Evaluation,
        Self::Crash,
    ];
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Status(status) => return f.pad(&format!("status-{status}")),
            Self::ErrorReply => "error-reply",
            Self::NoCompletion => "no-completion",
            Self::UnknownFinish => "unknown-finish",
            Self::TimedOut => "timed-out",
            Self::ConnectionLost => "connection-lost",
            Self::Evaluation => "evaluation",
            Self::Crash => "crash",
        })
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

/// The word names no [`Failure`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of failure")]
pub struct UnknownFailure(String);

impl TryFrom<String> for Failure {
    type Error = UnknownFailure;

    fn try_from(word: String) -> Result<Self, UnknownFailure> {
        if let Some(failure) = Self::PLAIN.into_iter().find(|known| known.to_string() == word) {
            return Ok(failure);
        }
        let status = word.strip_prefix("status-").and_then(|status| status.parse().ok());
        status.map(Self::Status).ok_or(UnknownFailure(word))
    }
}

/// A model's reply to a request, or the record that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The raw text, tags included; of a failed call what the engine said instead, shortened.
    pub text: String,
    /// The reason for which it ended.
    #[serde(flatten)]
    pub finish: Finish,
    /// Tokens of the prompt after the chat template; with an opening that is continued.
    pub prompt_tokens: u32,
    /// Tokens of the reply, forced literals included; without an opening that is continued.
    pub reply_tokens: u32,
    /// Where [`ScoreReading::Expected`] was asked for: the expected value of every integer of the
    /// shape, in order, each given the ones that were written before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Thousandths>,
}

impl Reply {
    /// The record of a call that the engine could not answer; `said` is the engine's own message.
    #[must_use]
    pub fn failed(failure: Failure, said: String) -> Self {
        Self { text: said, ..Self::without_text(Finish::Failed { failure }, 0) }
    }

    /// The record of a call to which nothing was generated.
    #[must_use]
    pub const fn without_text(finish: Finish, prompt_tokens: u32) -> Self {
        Self { text: String::new(), finish, prompt_tokens, reply_tokens: 0, expected: Vec::new() }
    }

    /// Why there is no reply; `None` when there is one.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        match self.finish {
            Finish::Failed { failure } => Some(failure),
            Finish::Stop | Finish::Length | Finish::PromptTooLong { .. } => None,
        }
    }

    /// How many of its tokens are thought; 0 without one. Engines count a reply's tokens as a whole, so this is
    /// the thought's share of its characters, rounded, and at least 1.
    #[must_use]
    pub fn thought_tokens(&self) -> u32 {
        let thought = thought::part(&self.text).thought as u64;
        if thought == 0 {
            return 0;
        }
        let all = self.text.chars().count().max(1) as u64;
        // Half of the divisor rounds to the nearest instead of down.
        let share = (u64::from(self.reply_tokens) * thought + all / 2) / all;
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thoughts_tokens_are_its_share() {
        let reply = |text: &str| Reply {
            text: text.to_owned(),
            finish: Finish::Stop,
            prompt_tokens: 9,
            reply_tokens: 40,
            expected: Vec::new(),
        };
        assert_eq!(reply("Four.").thought_tokens(), 0);
        // 30 of 40 characters.
        assert_eq!(reply("<think>123456789012345</think>1234567890").thought_tokens(), 30);
    }
}
