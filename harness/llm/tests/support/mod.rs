//! What the tests with real models share: the models, requests, and a checker of shapes.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

pub(crate) mod http;
mod models;
pub(crate) mod toy;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::ModelPool;
use gra_synth::pool::ItemId;
use gra_synth::request::{
    Finish, ModelName, Portion, Prompt, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::{Part, Shape};

pub(crate) use models::{MINILM, SMOLLM2, model, models};

/// A pool of the model at `path`, named `model`, with extra lines for its table.
pub(crate) fn pool(path: &Path, extra: &str) -> ModelPool {
    let encoder = models().join(MINILM);
    let text = format!(
        "name = \"test\"\n[encoder]\nname = \"minilm\"\npath = '{}'\n\
         [[model]]\nname = \"model\"\npath = '{}'\n{extra}\n",
        encoder.display(),
        path.display()
    );
    ModelPool::parse(&text, Path::new("test.toml"), Path::new("")).unwrap()
}

/// One thread per engine: tests run side by side, and threads that share a core wait for each other
/// at every layer.
pub(crate) fn settings() -> EngineSettings {
    EngineSettings { threads: 1, ..EngineSettings::default() }
}

pub(crate) fn engine(path: &Path, slots: u32) -> LlamaEngine {
    LlamaEngine::new(pool(path, ""), EngineSettings { slots, ..settings() })
}

pub(crate) fn literal(text: &str) -> Part {
    Part::Literal(text.to_owned())
}

pub(crate) fn text(max_tokens: u32, close_at_budget: bool) -> Part {
    Part::Text { max_tokens, close_at_budget }
}

/// Six scores and a comment.
pub(crate) fn review() -> Shape {
    let mut parts = vec![literal("<bos>["), Part::Integer { min: 1, max: 10 }];
    for _ in 1..6 {
        parts.extend([literal(","), Part::Integer { min: 1, max: 10 }]);
    }
    parts.extend([literal("]<eos>\n<boc>"), text(48, true), literal("<eoc>")]);
    Shape { parts }
}

/// A domain and keywords.
pub(crate) fn keywords() -> Shape {
    let domains = ["mathematics", "coding", "commonsense", "general knowledge"];
    Shape {
        parts: vec![
            literal("<boa>\"domain\": \""),
            Part::OneOf(domains.map(str::to_owned).to_vec()),
            literal("\", \"keywords\": "),
            Part::QuotedList { max_items: 3, max_item_tokens: 8 },
            literal("<eoa>"),
        ],
    }
}

/// Three bits.
pub(crate) fn bits() -> Shape {
    let bit = || Part::Integer { min: 0, max: 1 };
    let comma = || literal(",");
    let parts = vec![literal("<bos>["), bit(), comma(), bit(), comma(), bit(), literal("]<eos>")];
    Shape { parts }
}

/// A short summary.
pub(crate) fn summary() -> Shape {
    Shape { parts: vec![literal("<bod>\"summary\": \""), text(24, true), literal("\"<eod>")] }
}

/// Request `number` of a chunk.
pub(crate) fn request(number: u32, shape: Shape, role: &str, sample: &str) -> Request {
    Request {
        id: RequestId {
            subject: ItemId::Seed(number),
            stage: Stage::ResponseReview,
            seat: 0,
            attempt: 0,
        },
        model: ModelName::new("model"),
        prompt: Prompt { role: Arc::from(role), sample: sample.to_owned() },
        shape,
        portion: Portion::Whole,
        score_reading: ScoreReading::Sampled,
        sampling: Sampling::default(),
        max_tokens: 160,
        seed: 42 + u64::from(number),
    }
}

pub(crate) const ROLE: &str = "You review answers. Read the instruction and the response below. Score \
    correctness, relevance, clarity, completeness, safety and style with whole numbers from 1 to \
    10, then comment in one sentence. Be strict, be fair, and do not repeat the question.\n\n";

/// A request about sample `number`, with the shapes by turns.
pub(crate) fn mixed(number: u32) -> Request {
    let shape = match number % 5 {
        0 => review(),
        1 => keywords(),
        2 => bits(),
        3 => summary(),
        _ => Shape { parts: vec![text(32, true)] },
    };
    let sample = format!(
        "Instruction: Explain why {} is taller than {} steps.\nResponse: It is {} steps tall.\n",
        ["a tower", "a tree", "this hill"][number as usize % 3],
        number,
        number * 7 + 1
    );
    request(number, shape, ROLE, &sample)
}

/// Whether a reply has a shape, by trying every way to read it.
pub(crate) fn has_shape(text: &str, parts: &[Part]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Literal(literal) => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| has_shape(text, rest))
        }
        Part::OneOf(options) => options.iter().any(|option| {
            text.strip_prefix(option.as_str()).is_some_and(|text| has_shape(text, rest))
        }),
        Part::Integer { min, max } => (*min..=*max).any(|value| {
            text.strip_prefix(value.to_string().as_str()).is_some_and(|text| has_shape(text, rest))
        }),
        Part::Text { .. } => (1..=text.len()).any(|end| {
            text.is_char_boundary(end)
                && !text[..end].trim().is_empty()
                && has_shape(&text[end..], rest)
        }),
        Part::Thought { .. } => panic!("a reply with a thought is read by its form"),
        Part::QuotedList { max_items, .. } => (2..=text.len()).any(|end| {
            text.is_char_boundary(end)
                && serde_json::from_str::<Vec<String>>(&text[..end]).is_ok_and(|items| {
                    !items.is_empty()
                        && items.len() <= usize::from(*max_items)
                        && items.iter().all(|item| !item.trim().is_empty())
                })
                && has_shape(&text[end..], rest)
        }),
    }
}

pub(crate) fn assert_complete(request: &Request, reply: &Reply) {
    assert_eq!(reply.finish, Finish::Stop, "{}: {:?}", request.id, reply.text);
    assert!(has_shape(&reply.text, &request.shape.parts), "{}: {:?}", request.id, reply.text);
    assert!(reply.reply_tokens <= request.max_tokens, "{}: {}", request.id, reply.reply_tokens);
}

/// A temporary copy of a file's first bytes.
pub(crate) fn cut_copy(path: &Path, bytes: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole = fs::read(path).unwrap();
    fs::write(file.path(), &whole[..bytes.min(whole.len())]).unwrap();
    file
}

/// A temporary copy of a model whose chat template has another name, so that the copy has none.
pub(crate) fn without_template(path: &Path) -> tempfile::NamedTempFile {
    const KEY: &[u8] = b"tokenizer.chat_template";
    let mut whole = fs::read(path).unwrap();
    // The header stands first; another name of the same length keeps every offset.
    let at = whole.windows(KEY.len()).position(|bytes| bytes == KEY).unwrap();
    whole[at + KEY.len() - 1] = b'_';
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), whole).unwrap();
    file
}
