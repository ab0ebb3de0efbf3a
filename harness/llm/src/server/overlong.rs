//! Prompts that are too long, as servers say it. Each puts the numbers elsewhere in its words.

use serde_json::Value;

use super::wire;

/// A prompt and its reply do not fit the server's context.
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
