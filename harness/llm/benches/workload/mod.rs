//! Requests like response reviews: one stage's prefix of some 390 tokens, samples of some 220, six
//! scores and a comment of at most 48 tokens. What the engine's speed is measured on.

#![allow(dead_code, reason = "each program that includes this uses its part")]

use std::path::Path;
use std::sync::Arc;

use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::{ModelPool, PoolError};
use gra_synth::pool::ItemId;
use gra_synth::request::{
    Finish, ModelName, Portion, Prompt, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::{Part, Shape};

/// Scores of a review.
const SCORES: usize = 6;

/// Requests of one round. Rounds have other samples of the same lengths, give or take a token, so
/// that no cache helps in the next round but one of the prefix. They repeat after 900 requests.
pub(crate) fn requests(count: u32, round: u32) -> Vec<Request> {
    let criteria = "Judge the response on its own merits: is it correct, relevant, clear, complete and \
                safe, and is its style fit for the question? Give whole numbers from 1 to 10. ";
    let role: Arc<str> = Arc::from(format!("You are a strict reviewer. {}", criteria.repeat(9)));
    let request = |place: u32| {
        let number = 100 + (round.wrapping_mul(count) + place) % 900;
        let claim = format!("Statement {number} follows from statement {}. ", number * 13 % 97);
        let sample = format!(
            "\nInstruction: prove claim {number}.\nResponse: {}\nYour scores and comment:\n",
            claim.repeat(16)
        );
        Request {
            id: RequestId {
                subject: ItemId::Seed(number),
                stage: Stage::ResponseReview,
                seat: 0,
                attempt: 0,
            },
            model: ModelName::new("model"),
            prompt: Prompt { role: Arc::clone(&role), sample },
            shape: review(),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sampling: Sampling::default(),
            max_tokens: 144,
            seed: u64::from(number),
        }
    };
    (0..count).map(request).collect()
}

/// Six scores and a comment of at most 48 tokens.
pub(crate) fn review() -> Shape {
    let literal = |text: &str| Part::Literal(text.to_owned());
    let mut parts = vec![literal("<bos>["), Part::Integer { min: 1, max: 10 }];
    for _ in 1..SCORES {
        parts.extend([literal(","), Part::Integer { min: 1, max: 10 }]);
    }
    parts.push(literal("]<eos>\n<boc>"));
    parts.push(Part::Text { max_tokens: 48, close_at_budget: true });
    parts.push(literal("<eoc>"));
    Shape { parts }
}

/// Whether a reply is complete and reads as six scores from 1 to 10 and a comment.
pub(crate) fn parses(reply: &Reply) -> bool {
    let scores = |text: &str| {
        let scores: Vec<_> = text.split(',').map(str::parse::<u8>).collect();
        scores.len() == SCORES && scores.iter().all(|score| matches!(score, Ok(1..=10)))
    };
    let inner = reply.text.strip_prefix("<bos>[").and_then(|text| text.strip_suffix("<eoc>"));
    let parts = inner.and_then(|text| text.split_once("]<eos>\n<boc>"));
    reply.finish == Finish::Stop && parts.is_some_and(|(text, _)| scores(text))
}

/// An engine for the model at `path`, which the requests call `model`.
pub(crate) fn engine(path: &Path, settings: EngineSettings) -> Result<LlamaEngine, PoolError> {
    let text = format!(
        "name = \"bench\"\n[encoder]\nname = \"none\"\npath = \"none\"\n\
         [[model]]\nname = \"model\"\npath = '{}'\n",
        path.display()
    );
    let pool = ModelPool::parse(&text, Path::new("bench.toml"), Path::new(""))?;
    Ok(LlamaEngine::new(pool, settings))
}
