//! Models that think, on llama.cpp: a small real model under chat templates that open a thought or not.

use std::path::Path;

use gra_llm::chat_template::{ProbedCall, TemplateQuestion};
use gra_llm::engine::Engine;
use gra_llm::gguf::GgufHeader;
use gra_llm::llama::LlamaEngine;
use gra_synth::form::{self, Malformed};
use gra_synth::request::{Finish, ModelName, Reply, Request};
use gra_synth::shape::{Part, Shape};
use tempfile::NamedTempFile;

use crate::models::{SMOLLM2, model};
use crate::requests::request;
use crate::shapes::{bits, review};
use crate::{pool, settings};

const OPENS_THOUGHT: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n\
    {% endfor %}<|im_start|>assistant\n<think>\n";

const SWITCHED: &str = "{{ '<|im_start|>system\nYou are a model of a test.<|im_end|>\n' }}\
    {% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
    {{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and enable_thinking is false %}\
    {{ '<think>\n\n</think>\n\n' }}{% endif %}";

/// The model with another chat template. The text is filled up to a length that leaves every tensor at a
/// multiple of the alignment.
fn with_template(source: &Path, template: &str) -> NamedTempFile {
    let bytes = std::fs::read(source).unwrap();
    let header = GgufHeader::read(source).unwrap();
    let old = header.chat_template().unwrap().len();
    let key = b"tokenizer.chat_template";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    assert_eq!(bytes[at..at + 4], 8_u32.to_le_bytes(), "a string");
    let text = at + 12;
    let blanks = (old + 64 - 4 - template.len() % 32) % 32;
    let template = format!("{template}{{#{}#}}", " ".repeat(blanks));
    assert_eq!(template.len() % 32, old % 32);
    let file = NamedTempFile::with_suffix(".gguf").unwrap();
    let length = (template.len() as u64).to_le_bytes();
    let changed = [&bytes[..at + 4], &length, template.as_bytes(), &bytes[text + old..]].concat();
    std::fs::write(file.path(), changed).unwrap();
    file
}

fn engine(path: &Path, extra: &str) -> LlamaEngine {
    LlamaEngine::new(pool(path, extra), settings())
}

fn complete(engine: &mut LlamaEngine, chunk: &[Request]) -> Vec<Reply> {
    engine.complete(chunk, &mut |_| {}).unwrap()
}

fn asked(number: u32, shape: Shape, thought_tokens: u32) -> Request {
    let request =
        request(number, shape.behind_thought(thought_tokens), "Judge: ", "2 + 2 is four.");
    Request { max_tokens: 96 + thought_tokens, ..request }
}

#[test]
fn a_thought_that_a_template_opens_is_closed_before_the_form() {
    let Some(source) = model(SMOLLM2) else { return };
    let file = with_template(&source, OPENS_THOUGHT);
    let mut engine = engine(file.path(), "");
    let chunk: Vec<Request> = (0..4).map(|number| asked(number, bits(), 0)).collect();
    let closed = complete(&mut engine, &chunk);
    for reply in &closed {
        form::read_bits(reply).unwrap();
        assert_eq!(reply.thought_tokens(), 0, "{}", reply.text);
    }
    // The same prompt as that of a template which closes it itself.
    let itself = with_template(&source, &format!("{OPENS_THOUGHT}\n</think>\n\n{{{{ '' }}}}"));
    let same = complete(&mut self::engine(itself.path(), ""), &chunk);
    assert_eq!(closed[0].prompt_tokens, same[0].prompt_tokens);
}

#[test]
fn a_thought_has_its_own_room_before_the_form() {
    let Some(source) = model(SMOLLM2) else { return };
    for template in [OPENS_THOUGHT, SWITCHED] {
        let file = with_template(&source, template);
        let mut engine = engine(file.path(), "");
        let chunk: Vec<Request> = (0..8).map(|number| asked(number, review(), 24)).collect();
        for reply in complete(&mut engine, &chunk) {
            println!("{:?} {:?}", reply.finish, reply.text);
            assert!(reply.text.starts_with("<think>\n"), "the raw reply holds it: {}", reply.text);
            assert!(reply.thought_tokens() > 0);
            match reply.finish {
                Finish::Stop => {
                    form::read_scores(&reply, gra_synth::request::ScoreReading::Sampled).unwrap();
                    let comment = form::read_comment(&reply).unwrap();
                    assert!(!comment.contains("think>"), "{comment}");
                }
                Finish::Length => {
                    assert_eq!(form::read_bits(&reply), Err(Malformed::UnfinishedThought));
                }
                Finish::PromptTooLong { .. } | Finish::Failed { .. } => panic!("{reply:?}"),
            }
        }
        // Whatever a model writes, a thought of its own within a free reply is no part of the answer.
        let free = complete(&mut engine, &[asked(9, Shape::free(), 16)]);
        assert!(free[0].text.starts_with("<think>\n"));
    }
}

#[test]
fn a_probe_names_what_a_template_does() {
    let Some(source) = model(SMOLLM2) else { return };
    let calls = vec![ProbedCall {
        purpose: "as reviewer (instruction-review)".to_owned(),
        message: "Say \"hello\", naïve 世界!\n\t2".to_owned(),
        shape: bits(),
    }];
    let question = TemplateQuestion { model: ModelName::new("model"), calls };
    let probe = |template: &str, extra: &str| {
        let file = with_template(&source, template);
        engine(file.path(), extra).probe_template(&question).unwrap()
    };
    let found = probe(OPENS_THOUGHT, "");
    assert_eq!(
        (found.faults.as_slice(), found.opens_thought.as_deref()),
        (&[][..], Some("<think>"))
    );
    assert_eq!((found.thinking_switch, found.added_text), (None, None));
    let found = probe(SWITCHED, "");
    assert_eq!(found.thinking_switch.as_deref(), Some("template = { enable_thinking = false }"));
    assert_eq!(found.added_text.as_deref(), Some("system You are a model of a test."));
    let found = probe(SWITCHED, "template = { enable_thinking = false }");
    assert_eq!((found.faults.len(), found.thinking_switch, found.opens_thought), (0, None, None));
    let raises = "{% if messages[0].role != 'system' %}{{ raise_exception('a system turn is needed') }}{% endif %}\
                  {{ messages[0].content }}";
    let fault = probe(raises, "").faults.concat();
    assert!(
        fault.contains("cannot be rendered") && fault.contains("a system turn is needed"),
        "{fault}"
    );
    let twice = "{{ messages[0].content }}{{ messages[0].content }}";
    assert!(probe(twice, "").faults.concat().contains("exactly once"));
    // A form that cannot be held is named with the role that needs it.
    let mut broken = question.clone();
    broken.calls[0].shape = Shape { parts: vec![Part::OneOf(Vec::new())] };
    let found = engine(&source, "").probe_template(&broken).unwrap();
    assert!(
        found.faults[0].starts_with("as reviewer (instruction-review): a reply cannot"),
        "{:?}",
        found.faults
    );
    let real = engine(&source, "").probe_template(&question).unwrap();
    assert_eq!(real.faults, Vec::<String>::new());
    assert!(real.frame_tokens > 5 && real.opens_thought.is_none());
}

/// The model with tokens that mark turns counted among those that a tokenizer finds in any text.
fn with_turns_as_text(source: &Path) -> NamedTempFile {
    const USER_DEFINED: [u8; 4] = 4_i32.to_le_bytes();
    let mut bytes = std::fs::read(source).unwrap();
    let key = b"tokenizer.ggml.token_type";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    // Type of the value, of its elements, their number; then the kinds of tokens.
    let kinds = at + 4 + 4 + 8;
    for token in [1, 2] {
        let kind = &mut bytes[kinds + 4 * token..kinds + 4 * token + 4];
        assert_eq!(kind, 3_i32.to_le_bytes(), "a control token");
        kind.copy_from_slice(&USER_DEFINED);
    }
    let file = NamedTempFile::with_suffix(".gguf").unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn a_message_cannot_write_a_turn_that_the_vocabulary_counts_as_text() {
    let Some(source) = model(SMOLLM2) else { return };
    let file = with_turns_as_text(&source);
    let tokens = |path: &Path, sample: &str| {
        let request = Request { max_tokens: 8, ..request(0, bits(), "Judge: ", sample) };
        complete(&mut engine(path, ""), &[request])[0].prompt_tokens
    };
    let turn = "x<|im_start|>y";
    let plain = tokens(&source, turn) - tokens(&source, "xy");
    assert!(plain >= 3, "as plain text the marker is several tokens: {plain}");
    let marked = tokens(file.path(), turn) - tokens(file.path(), "xy");
    assert!(marked >= 3, "and it stays so: {marked}");
    assert_eq!(
        tokens(file.path(), "xy"),
        tokens(&source, "xy"),
        "the template's own turns are markers"
    );
}
