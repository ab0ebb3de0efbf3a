//! What a server is asked, and where programs differ. How each is told what the protocol has no word for: a reply's
//! form, and sampling that is temperature and nucleus alone. How each says that a prompt is too long.
//!
//! Programs have defaults of their own for the rest (llama-server keeps the 40 likeliest tokens and
//! cuts the nucleus before the temperature; vLLM and `SGLang` take what a model's
//! `generation_config.json` says; `LMDeploy` keeps 40). A [`Sampling`](gra_synth::request::Sampling) means the
//! same everywhere, so these are switched off.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::wire;
use crate::chat_template::TemplateVariables;
use crate::model_pool::Dialect;
use crate::pattern::{GrammarReader, Pattern, grammar, regular_expression};

/// A question.
#[derive(Debug, Serialize)]
pub(super) struct ChatRequest<'a> {
    pub(super) model: &'a str,
    pub(super) messages: [ChatMessage<'a>; 1],
    pub(super) temperature: f32,
    pub(super) top_p: f32,
    /// `None` only where a server counts no tokens that are over its context: see [`Overlong`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u32>,
    pub(super) seed: u32,
    pub(super) stream: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) chat_template_kwargs: &'a TemplateVariables,
    #[serde(flatten)]
    pub(super) dialect: &'a DialectFields,
}

#[derive(Debug, Serialize)]
pub(super) struct ChatMessage<'a> {
    pub(super) role: &'static str,
    pub(super) content: &'a str,
}

/// The fields that a dialect adds to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum DialectFields {
    LlamaServer {
        /// The steps of sampling, in order.
        samplers: [&'static str; 2],
        /// Thoughts stay in the text. Taken out by the server, a reply that is held to a form would be taken
        /// for the thought that the chat template opens.
        reasoning_format: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        grammar: Option<String>,
    },
    Vllm {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        structured_outputs: Option<StructuredOutputs>,
    },
    Sglang {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        ebnf: Option<String>,
    },
    Lmdeploy {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        response_format: Option<ResponseFormat>,
    },
}

/// Sampling steps that change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Plain {
    top_k: i8,
    min_p: f32,
    repetition_penalty: f32,
}

/// vLLM's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StructuredOutputs {
    grammar: String,
}

/// `LMDeploy`'s.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ResponseFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    regex_schema: String,
}

impl DialectFields {
    pub(super) fn new(dialect: Dialect, form: Option<&Pattern>) -> Self {
        let reader = match dialect {
            Dialect::LlamaServer => GrammarReader::LlamaCpp,
            Dialect::Vllm | Dialect::Sglang | Dialect::Lmdeploy => GrammarReader::XGrammar,
        };
        let grammar = form.map(|form| grammar(form, reader));
        let plain = |top_k| Plain { top_k, min_p: 0.0, repetition_penalty: 1.0 };
        match dialect {
            Dialect::LlamaServer => {
                let samplers = ["temperature", "top_p"];
                Self::LlamaServer { samplers, reasoning_format: "none", grammar }
            }
            Dialect::Vllm => Self::Vllm {
                plain: plain(-1),
                structured_outputs: grammar.map(|grammar| StructuredOutputs { grammar }),
            },
            Dialect::Sglang => Self::Sglang { plain: plain(-1), ebnf: grammar },
            Dialect::Lmdeploy => {
                let format = |form| ResponseFormat {
                    kind: "regex_schema",
                    regex_schema: regular_expression(form),
                };
                Self::Lmdeploy { plain: plain(0), response_format: form.map(format) }
            }
        }
    }
}

/// A prompt and its reply do not fit the server's context, as servers say it: each puts the numbers elsewhere in its
/// words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlong {
    /// Tokens of the prompt.
    pub(super) prompt: u32,
    /// Whether the prompt has these and perhaps more: vLLM stops counting where it knows enough.
    pub(super) at_least: bool,
    /// Tokens that prompt and reply together may take.
    pub(super) context: u32,
}

impl Overlong {
    /// What a body with status 400 says; `None` when it is about something else.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let number = |name: &str| {
            let found = body.pointer(&format!("/error/{name}"))?.as_u64()?;
            u32::try_from(found).ok()
        };
        if let (Some(prompt), Some(context)) = (number("n_prompt_tokens"), number("n_ctx")) {
            return Some(Self { prompt, at_least: false, context });
        }
        // Other servers tell the numbers in a sentence, each in its own.
        let words = wire::words(body);
        let contexts = ["context length is ", "context length of ", "context length ("];
        let context = contexts.iter().find_map(|before| leading(after(&words, before)?))?;
        let prompts = [" in the messages", " tokens from the input", " input tokens"];
        let prompt = prompts
            .iter()
            .find_map(|behind| trailing(words.split_once(behind)?.0))
            .or_else(|| leading(after(&words, "The input (")?))?;
        // vLLM counts only as far as it needs to refuse.
        let at_least = words.contains(&format!("at least {prompt} input tokens"));
        Some(Self { prompt, at_least, context })
    }

    /// Tokens that are left for a reply: 0 when the prompt alone is too long. `None` when that is not
    /// known. One token is not counted: `SGLang` wants it free.
    pub(super) fn room(self) -> Option<u32> {
        let room = self.context.saturating_sub(self.prompt).saturating_sub(1);
        (room == 0 || !self.at_least).then_some(room)
    }
}

fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before).map(|(_, rest)| rest)
}

/// The number that a text begins with.
fn leading(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number that a text ends with.
fn trailing(text: &str) -> Option<u32> {
    let start = text.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    text[start..].parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Overlong;

    #[test]
    fn every_server_says_it_in_its_own_words() {
        let exact = |prompt, context| Some(Overlong { prompt, at_least: false, context });
        let cases = [
            (
                // llama-server
                json!({"error": {"code": 400, "type": "exceed_context_size_error", "message": "request",
                    "n_prompt_tokens": 5000, "n_ctx": 4096}}),
                exact(5000, 4096),
            ),
            (
                // vLLM up to 0.10
                json!({"object": "error", "code": 400, "message": "This model's maximum context length \
                    is 16384 tokens. However, you requested 19591 tokens (9591 in the messages, 10000 \
                    in the completion). Please reduce the length of the messages or completion."}),
                exact(9591, 16384),
            ),
            (
                // vLLM 0.11
                json!({"error": {"message": "'max_tokens' or 'max_completion_tokens' is too large: 4096. \
                    This model's maximum context length is 4096 tokens and your request has 404 input \
                    tokens (4096 > 4096 - 404)."}}),
                exact(404, 4096),
            ),
            (
                // vLLM 0.15
                json!({"error": {"message": "This model's maximum context length is 4096 tokens. However, \
                    you requested 4096 output tokens and your prompt contains at least 1 input tokens, \
                    for a total of at least 4097 tokens."}}),
                Some(Overlong { prompt: 1, at_least: true, context: 4096 }),
            ),
            (
                // SGLang, prompt and reply
                json!({"object": "error", "message": "Requested token count exceeds the model's maximum \
                    context length of 64000 tokens. You requested a total of 71897 tokens: 7897 tokens \
                    from the input messages and 64000 tokens for the completion."}),
                exact(7897, 64000),
            ),
            (
                // SGLang, the prompt alone
                json!({"message": "The input (516368 tokens) is longer than the model's context length \
                    (262144 tokens)."}),
                exact(516_368, 262_144),
            ),
            (json!({"error": {"message": "top_k must be -1 or above"}}), None),
            (json!("not even an object"), None),
        ];
        for (body, expected) in cases {
            assert_eq!(Overlong::read(&body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_left_for_a_reply_is_known_or_not() {
        let room = |prompt, at_least, context| Overlong { prompt, at_least, context }.room();
        assert_eq!(room(404, false, 4096), Some(3691));
        assert_eq!(room(404, true, 4096), None);
        assert_eq!(room(4096, true, 4096), Some(0));
        assert_eq!(room(5000, false, 4096), Some(0));
    }
}
