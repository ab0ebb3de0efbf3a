//! Requests for replies of every shape.

use std::sync::Arc;

use gra_synth::pool::ItemId;
use gra_synth::request::{
    Finish, ModelName, Portion, Prompt, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::Shape;

use crate::shapes::{bits, has_shape, keywords, review, summary, text};

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

pub(crate) fn assert_complete(request: &Request, reply: &Reply) {
    assert_eq!(reply.finish, Finish::Stop, "{}: {:?}", request.id, reply.text);
    assert!(has_shape(&reply.text, &request.shape.parts), "{}: {:?}", request.id, reply.text);
    assert!(reply.reply_tokens <= request.max_tokens, "{}: {}", request.id, reply.reply_tokens);
}
