//! What comes over the wire: the parts of the `OpenAI` protocol that are read, and what servers add.
//! Fields that are not read here are left unread, whatever they hold.

use gra_synth::thought;
use serde::Deserialize;
use serde_json::Value;

/// An answer.
#[derive(Debug, Deserialize)]
pub(super) struct ChatReply {
    pub(super) choices: Vec<ReplyChoice>,
    pub(super) usage: Option<TokenUsage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReplyChoice {
    pub(super) message: Said,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// `null` where nothing was said; a list of parts from services that tell thoughts apart in it (Mistral's).
    #[serde(default)]
    pub(super) content: Value,
    /// The thought, where the server takes it out of the content (llama-server, `SGLang`, `LMDeploy`, vLLM up
    /// to 0.11).
    #[serde(default)]
    pub(super) reasoning_content: Value,
    /// The same of later versions of vLLM.
    #[serde(default)]
    pub(super) reasoning: Value,
}

impl Said {
    /// What was said, with a thought that was told apart between tags before it.
    pub(super) fn text(&self) -> String {
        // Programs name it differently; none sends both.
        let thoughts = [&self.reasoning_content, &self.reasoning];
        let apart = thoughts.into_iter().find_map(Value::as_str).unwrap_or_default();
        let (mut thought, mut answer) = (apart.to_owned(), String::new());
        read_content(&self.content, &mut thought, &mut answer);
        thought::joined(&thought, &answer)
    }
}

/// Reads a content: a text, or parts such as `{"type": "thinking", "thinking": [{"type": "text", "text": ..}]}`.
fn read_content(content: &Value, thought: &mut String, answer: &mut String) {
    match content {
        Value::String(text) => answer.push_str(text),
        Value::Array(parts) => parts.iter().for_each(|part| read_content(part, thought, answer)),
        Value::Object(part) => {
            if let Some(text) = part.get("text") {
                read_content(text, thought, answer);
            }
            if let Some(within) = part.get("thinking") {
                read_content(within, &mut String::new(), thought);
            }
        }
        _ => {}
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct TokenUsage {
    pub(super) prompt_tokens: u32,
    pub(super) completion_tokens: u32,
}

/// Whether an answer's reply was cut at the token limit that was sent.
pub(super) fn met_limit(answer: &Value) -> bool {
    answer.pointer("/choices/0/finish_reason").and_then(Value::as_str) == Some("length")
}

/// The answer of `/v1/models`.
#[derive(Debug, Deserialize)]
pub(super) struct Models {
    pub(super) data: Vec<ModelCard>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelCard {
    pub(super) id: String,
    /// Which program serves, e.g. `vllm`.
    pub(super) owned_by: Option<String>,
    /// Repository or folder of the weights (vLLM, `SGLang`).
    pub(super) root: Option<String>,
    /// Tokens of context (vLLM, `SGLang`).
    pub(super) max_model_len: Option<u64>,
}

/// The answer of vLLM's `/version`.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

/// The answer of llama-server's `/props`.
#[derive(Debug, Deserialize)]
pub(super) struct Props {
    pub(super) model_path: String,
    pub(super) build_info: String,
    pub(super) chat_template: String,
    pub(super) default_generation_settings: GenerationSettings,
}

#[derive(Debug, Deserialize)]
pub(super) struct GenerationSettings {
    /// Tokens of context of one slot.
    pub(super) n_ctx: u64,
}

/// What a server says went wrong, in its own words. Their places differ.
pub(super) fn words(body: &Value) -> String {
    let places = ["/error/message", "/message", "/detail", "/error"];
    let said = places.iter().find_map(|place| body.pointer(place)?.as_str());
    let text = said.or_else(|| body.as_str());
    text.map_or_else(|| shortened(&body.to_string()), shortened)
}

/// The beginning of a text, on one line.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "it says nothing".to_owned();
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}

/// What a status without a reply says, with the way out.
pub(super) fn declined(status: u16, words: &str) -> String {
    let hint = match status {
        401 | 403 => {
            "\n  hint: name the variable that holds the key under `api_key_env` (of `synth --server`: --api-key-env)"
        }
        404 => "\n  hint: `url` usually ends in /v1, and `model` is a name that the server lists",
        300..=399 => "\n  hint: it sends elsewhere; write that address under `url`",
        _ => "",
    };
    format!("HTTP status {status}: {words}{hint}")
}
