//! One request asked of a server, and its reply.
//!
//! Texts that met their budget are closed, as the automaton closes them (decision 18). A grammar cannot count tokens, so
//! a server writes a text until the request's limit cuts the reply. What a shape lets close there is closed here: the
//! text ends, and what is forced behind it follows without the server. Where something must still be drawn, such as
//! scores behind a comment, the server is asked again for a reply that begins with what there is.

use std::borrow::Cow;

use gra_synth::request::{Failure, Finish, Portion, Reply, Request, Sampling};
use gra_synth::shape::{Part, Shape};
use gra_synth::thought::{self, TAGS};
use serde_json::Value;

use super::client::{Client, ServerAnswer, ServerError};
use super::dialect::{ChatMessage, ChatRequest, DialectFields, Overlong};
use super::identity;
use super::wire::{self, ChatReply};
use crate::adherence::{self, Closed};
use crate::automaton::options;
use crate::model_pool::{Dialect, Server};
use crate::pattern::{Pattern, PatternError};

/// What a probe asks for, whatever its message says: only a model that is held to it writes this. Behind
/// each character that grammars write by its number stands a hexadecimal digit.
const PROBED: &str = "<probe>\"a\": [0-9^2]</probe>";

/// What `LMDeploy` writes into a reply, with status 200, when the prompt does not fit.
const LMDEPLOY_TOO_LONG: &str = "ResponseType.INPUT_LENGTH_ERROR";

/// Tokens beside the text: the model's end token, and a blank that some tokenizers begin with.
const END_TOKENS: u32 = 4;

/// A request as its server will be asked.
#[derive(Clone, Debug)]
pub(super) struct ChatCall<'a> {
    server: &'a Server,
    message: String,
    sampling: Sampling,
    seed: u32,
    /// What the reply is made of.
    parts: Vec<Part>,
    max_tokens: u32,
    dialect: DialectFields,
    /// Tokens of an opening that was written before.
    written: u32,
}

/// What one request brought.
struct Attempt {
    reply: Reply,
    /// Whether it was cut at the limit that its texts' budgets make, and not at the context's end or by a
    /// filter.
    met_limit: bool,
}

impl<'a> ChatCall<'a> {
    pub(super) fn new(server: &'a Server, request: &Request) -> Result<Self, PatternError> {
        let shape = asked_shape(server.dialect, &request.shape);
        let parts = &shape.parts;
        // A reply in two portions is two requests: the opening alone, then what begins with it.
        let (parts, written) = match (&request.portion, shape.opening_parts()) {
            (Portion::Opening, Some(end)) => (parts[..end].to_vec(), 0),
            (Portion::Rest { opening, tokens }, Some(end)) => {
                let mut rest = vec![Part::Literal(opening.clone())];
                rest.extend_from_slice(&parts[end..]);
                (rest, *tokens)
            }
            (Portion::Whole | Portion::Opening | Portion::Rest { .. }, _) => (parts.clone(), 0),
        };
        // A thought that is no part of what the server is told has its room in the request's limit alone.
        // Texts have budgets that grammars cannot count, so the limit is what they sum up to.
        let most = match request.shape.thought_and_answer() {
            (0, _) => most_tokens(&parts),
            _ => u32::MAX,
        };
        Ok(Self {
            server,
            message: request.prompt.text(),
            sampling: request.sampling,
            seed: short_seed(request.seed),
            max_tokens: request.max_tokens.min(most),
            dialect: DialectFields::new(server.dialect, Pattern::of(&parts)?.as_ref()),
            parts,
            written,
        })
    }

    /// A call that is answered as probed only where the reply is held to its form.
    pub(super) fn probe(server: &'a Server) -> Self {
        let form = Pattern::Text(PROBED.to_owned());
        Self {
            server,
            message: "Say hello.".to_owned(),
            sampling: Sampling::default(),
            seed: 1,
            parts: vec![Part::Literal(PROBED.to_owned())],
            max_tokens: 64,
            dialect: DialectFields::new(server.dialect, Some(&form)),
            written: 0,
        }
    }

    /// A call whose reply shows whether the model thinks first.
    pub(super) fn thinking_probe(server: &'a Server) -> Self {
        Self {
            message: "How many legs have three cats and a spider? Give the number.".to_owned(),
            parts: Shape::free().parts,
            dialect: DialectFields::new(server.dialect, None),
            ..Self::probe(server)
        }
    }

    /// Asks until there is a reply that is complete, or was cut where it may not be closed. A reply that is
    /// asked for in several requests has the tokens of its whole text, as the last of them counted it.
    pub(super) fn ask(
        &self,
        client: &Client,
        halted: &dyn Fn() -> bool,
    ) -> Result<Reply, ServerError> {
        let mut written = self.ask_once(client, halted)?;
        let mut rest;
        let mut call = self;
        // Ends: each further request has a text less to write.
        while written.met_limit {
            let closed = close(&call.parts, &written.reply.text);
            let Some(Closed { text, left }) = closed else { break };
            if left.is_empty() {
                return Ok(Reply { text, finish: Finish::Stop, ..written.reply });
            }
            rest = self
                .continued(text, left, &written)
                .map_err(|error| ServerError::Refused(error.to_string()))?;
            call = &rest;
            written = call.ask_once(client, halted)?;
        }
        Ok(written.reply)
    }

    /// The call for a reply that begins with `text`.
    fn continued(
        &self,
        text: String,
        left: Vec<Part>,
        written: &Attempt,
    ) -> Result<Self, PatternError> {
        // Written again the beginning may take other tokens, hardly twice as many.
        let again = written.reply.reply_tokens.saturating_add(self.written).saturating_mul(2);
        let max_tokens = again.saturating_add(most_tokens(&left));
        let parts = [vec![Part::Literal(text)], left].concat();
        let dialect = DialectFields::new(self.server.dialect, Pattern::of(&parts)?.as_ref());
        Ok(Self { parts, max_tokens, dialect, ..self.clone() })
    }

    /// Asks until there is a reply, complete or not.
    ///
    /// A reply may not outgrow the context: where a server refuses a prompt only because the reply could,
    /// it is asked again for what fits.
    fn ask_once(&self, client: &Client, halted: &dyn Fn() -> bool) -> Result<Attempt, ServerError> {
        let url = format!("{}/chat/completions", self.server.url);
        let mut max_tokens = Some(self.max_tokens);
        loop {
            let body = self.body(max_tokens)?;
            let answer = client
                .post(self.server, &url, &body, halted)
                .map_err(|error| self.blamed(error, client, halted))?;
            let (status, body) = match answer {
                ServerAnswer::Done(value) if !is_error(&value) => {
                    let met_limit = wire::met_limit(&value) && max_tokens == Some(self.max_tokens);
                    return Ok(Attempt { reply: self.reply(value)?, met_limit });
                }
                ServerAnswer::Done(body) => (200, body),
                ServerAnswer::Declined { status, body } => (status, body),
            };
            // LMDeploy says so with status 200.
            let overlong = if matches!(status, 200 | 400) { Overlong::read(&body) } else { None };
            let Some(overlong) = overlong else {
                let error = refusal(status, &wire::words(&body));
                return Err(self.blamed(error, client, halted));
            };
            let too_long = |Overlong { prompt, context, .. }| self.too_long(prompt, Some(context));
            let room = overlong.room();
            // A limit that was within the room, or was taken away, is no reason to refuse.
            let smaller = max_tokens.is_some_and(|now| room.is_none_or(|room| room < now));
            if room == Some(0) || !smaller {
                return Ok(Attempt { reply: too_long(overlong), met_limit: false });
            }
            max_tokens = room;
        }
    }

    /// Whose failure a status is that any request should be told: this call's where the server answers another.
    fn blamed(
        &self,
        error: ServerError,
        client: &Client,
        halted: &dyn Fn() -> bool,
    ) -> ServerError {
        let ServerError::Unavailable(status, reason) = error else { return error };
        match identity::hello(&client.with_tries(1), self.server, halted) {
            Ok(ServerAnswer::Done(answer)) if !is_error(&answer) => {
                let reason = format!("{reason}\n  another request was answered meanwhile");
                ServerError::Failed(Failure::Status(status), reason)
            }
            _ => ServerError::Unavailable(status, reason),
        }
    }

    fn body(&self, max_tokens: Option<u32>) -> Result<Vec<u8>, ServerError> {
        let request = ChatRequest {
            model: &self.server.model,
            messages: [ChatMessage { role: "user", content: &self.message }],
            temperature: self.sampling.temperature,
            top_p: self.sampling.top_p,
            max_tokens,
            seed: self.seed,
            stream: false,
            chat_template_kwargs: &self.server.template,
            dialect: &self.dialect,
        };
        serde_json::to_vec(&request).map_err(|error| ServerError::Refused(error.to_string()))
    }

    fn reply(&self, value: Value) -> Result<Reply, ServerError> {
        // A reply that cannot be read is this request's failure, not the server's.
        let refused = |reason: String| ServerError::Failed(Failure::NoCompletion, reason);
        let ChatReply { choices, usage } = serde_json::from_value(value)
            .map_err(|error| refused(format!("its answer is no chat completion: {error}")))?;
        let choice = choices.into_iter().next();
        let choice = choice.ok_or_else(|| refused("its answer holds no reply".to_owned()))?;
        // Kept as unknown nowhere: a reply's tokens are counted, budgeted and compared.
        let usage = usage.ok_or_else(|| {
            refused(
                "its answer does not count tokens (`usage`), which every record needs".to_owned(),
            )
        })?;
        let text = choice.message.text();
        let finish = match choice.finish_reason.as_deref() {
            // TGI's words, and those that gateways pass on from services of other protocols, stand beside the protocol's.
            Some("stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" | "STOP") => {
                Finish::Stop
            }
            // Whatever else made the server break off (a filter, say), the reply is not complete.
            Some("length" | "max_tokens" | "MAX_TOKENS" | "content_filter") => Finish::Length,
            Some("error") if text.contains(LMDEPLOY_TOO_LONG) => {
                return Ok(self.too_long(usage.prompt_tokens, None));
            }
            other => {
                let other = other.unwrap_or("nothing");
                let reason = format!("its reply ended for a reason of its own: {other}");
                return Err(ServerError::Failed(Failure::UnknownFinish, reason));
            }
        };
        Ok(Reply {
            text,
            finish,
            prompt_tokens: usage.prompt_tokens.saturating_add(self.written),
            reply_tokens: usage.completion_tokens.saturating_sub(self.written),
            expected: Vec::new(),
        })
    }

    fn too_long(&self, tokens: u32, context: Option<u32>) -> Reply {
        let finish = Finish::PromptTooLong { tokens, context };
        Reply::without_text(finish, tokens.saturating_add(self.written))
    }
}

/// Whether a reply is the one that a probe asks for, be it behind a thought.
pub(super) fn is_as_probed(reply: &Reply) -> bool {
    thought::part(&reply.text).answer == PROBED
}

/// Whether a reply holds a thought.
pub(super) fn has_thought(reply: &Reply) -> bool {
    thought::part(&reply.text).thought > 0
}

/// Whether a reply that came to its end is a thought and nothing else.
pub(super) fn is_all_thought(reply: &Reply) -> bool {
    has_thought(reply)
        && reply.finish == Finish::Stop
        && thought::part(&reply.text).answer.is_empty()
}

/// What a server is told of a shape. llama-server holds a reply to its grammar from the first token on, so the
/// grammar leaves room for the thought; it ends with the tag that closes it. The others begin behind the
/// thought, where they are started with a parser for it.
fn asked_shape(dialect: Dialect, shape: &Shape) -> Cow<'_, Shape> {
    match shape.thought_and_answer() {
        (0, _) => Cow::Borrowed(shape),
        (_, [_, _, ..]) if dialect == Dialect::LlamaServer => {
            shape.with_thought_as_text(Some(TAGS[0]))
        }
        (_, answer) => Cow::Owned(Shape { parts: answer.to_vec() }),
    }
}

/// Whether an answer with a status of success tells of an error instead of a reply.
fn is_error(answer: &Value) -> bool {
    // Some servers send an `error` that is null with every reply.
    let named = answer.get("error").is_some_and(|error| !error.is_null());
    (named || answer.get("object").is_some_and(|object| object == "error"))
        && answer.get("choices").is_none()
}

/// What a status without a reply means: for any request, or for this one.
fn refusal(status: u16, words: &str) -> ServerError {
    let reason = wire::declined(status, words);
    match status {
        200 => ServerError::Failed(Failure::ErrorReply, format!("an error and no reply: {words}")),
        ..=399 | 401..=405 | 407 => ServerError::Unavailable(status, reason),
        _ => ServerError::Failed(Failure::Status(status), reason),
    }
}

/// A seed as every server takes it: 31 bits, of all 64. (llama-server keeps 32 of them and takes the
/// largest as none; vLLM refuses those above 63.)
fn short_seed(seed: u64) -> u32 {
    // Both halves count, so that seeds that differ only above bit 31 stay different.
    let folded = (seed ^ (seed >> 32)) & 0x7fff_ffff;
    u32::try_from(folded).unwrap_or_default()
}

/// Closes a reply, or its answer behind a thought that is no part of its form.
fn close(parts: &[Part], text: &str) -> Option<Closed> {
    // The reply as it is; a thought that the form knows is part of it.
    if let Ok(Some(closed)) = adherence::close(parts, text) {
        return Some(closed);
    }
    let parted = thought::part(text);
    let thought = text.strip_suffix(&*parted.answer).filter(|thought| !thought.is_empty())?;
    let closed = adherence::close(parts, &parted.answer).ok().flatten()?;
    // With something left to draw the server would think again.
    let text = format!("{thought}{}", closed.text);
    closed.left.is_empty().then_some(Closed { text, left: closed.left })
}

/// Most tokens that a reply of these parts takes when its texts keep to their budgets. A token holds a byte
/// or more, so this is enough for any tokenizer.
fn most_tokens(parts: &[Part]) -> u32 {
    let bytes = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
    let most = |part: &Part| match part {
        Part::Literal(text) => bytes(text),
        Part::OneOf(_) | Part::Integer { .. } => {
            options(part).iter().map(|option| bytes(option)).max().unwrap_or(0)
        }
        Part::Text { max_tokens, .. } | Part::Thought { max_tokens } => *max_tokens,
        Part::QuotedList { max_items, max_item_tokens } => {
            let item = max_item_tokens.saturating_add(bytes("\", \""));
            item.saturating_mul(u32::from(*max_items)).saturating_add(bytes("[\"\"]"))
        }
    };
    parts.iter().map(most).fold(END_TOKENS, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_every_text_its_budget() {
        let literal = |text: &str| Part::Literal(text.to_owned());
        let text = |max_tokens| Part::Text { max_tokens, close_at_budget: true };
        assert_eq!(most_tokens(&[literal("<boi>"), text(48), literal("<eoi>")]), 48 + 10 + 4);
        assert_eq!(most_tokens(&[text(u32::MAX)]), u32::MAX);
        let list = Part::QuotedList { max_items: 3, max_item_tokens: 16 };
        assert_eq!(most_tokens(&[list]), 3 * 20 + 4 + 4);
        assert_eq!(most_tokens(&[Part::Integer { min: 1, max: 10 }, literal("é")]), 2 + 2 + 4);
    }
}
