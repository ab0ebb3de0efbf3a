//! `ShareGPT` JSONL in its `messages` form: one conversation of a user and an assistant turn per line.

use serde::Serialize;

use super::{ExportError, Sample};

pub(super) const USER: &str = "user";
pub(super) const ASSISTANT: &str = "assistant";

#[derive(Serialize)]
struct Conversation<'a> {
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

pub(super) fn render(samples: &[Sample]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    for sample in samples {
        let messages = [
            Message { role: USER, content: sample.instruction },
            Message { role: ASSISTANT, content: sample.response },
        ];
        serde_json::to_writer(&mut bytes, &Conversation { messages })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}
