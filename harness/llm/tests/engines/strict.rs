//! `determinism = "strict"`: the same bytes alone, in every company, order and number of slots, and
//! after a restart.

use std::path::Path;

use gra_llm::engine::{Engine, EngineError};
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::{Determinism, EngineSettings};
use gra_synth::request::{ModelName, Portion, Reply, Request, Sampling, ScoreReading};

use crate::models::{SMOLLM2, model};
use crate::requests::{ROLE, assert_complete, mixed, request};
use crate::shapes::review;
use crate::{pool, settings};

fn strict(path: &Path, slots: u32) -> LlamaEngine {
    let determinism = Determinism::Strict;
    LlamaEngine::new(pool(path, ""), EngineSettings { slots, determinism, ..settings() })
}

fn complete(engine: &mut LlamaEngine, chunk: &[Request]) -> Vec<Reply> {
    engine.complete(chunk, &mut |_| {}).unwrap()
}

/// Every second request is greedy; 16 make one seat of 8 be taken again.
fn requests() -> Vec<Request> {
    let request = |number| {
        let mut request = mixed(number);
        request.max_tokens = 40;
        if number % 2 == 0 {
            request.sampling = Sampling { temperature: 0.0, top_p: 1.0 };
        }
        request
    };
    (0..9).map(request).collect()
}

#[test]
fn replies_do_not_depend_on_their_batch() {
    let Some(path) = model(SMOLLM2) else { return };
    // Types of a demonstration pool: one that is repacked, and one whose kernels take whole blocks only.
    let others = ["Q4_0", "Q4_K_M"].map(|kind| path.with_file_name(SMOLLM2.replace("Q4_1", kind)));
    let chunk = requests();
    for path in [path].into_iter().chain(others).filter(|path| path.exists()) {
        let together = complete(&mut strict(&path, 16), &chunk);
        let mut backwards = chunk.clone();
        backwards.reverse();
        let mut other = complete(&mut strict(&path, 3), &backwards);
        other.reverse();
        assert_eq!(other, together, "{}: order and slots", path.display());
        let lanes = EngineSettings { lanes: Some(2), ..strict(&path, 16).settings().clone() };
        let in_lanes = complete(&mut LlamaEngine::new(pool(&path, ""), lanes), &chunk);
        assert_eq!(in_lanes, together, "{}: lanes", path.display());
        // Alone nothing is shared, and all sequences but one idle.
        let mut engine = strict(&path, 16);
        for (request, expected) in chunk.iter().zip(&together).step_by(3) {
            let alone = complete(&mut engine, std::slice::from_ref(request));
            assert_eq!(&alone[0], expected, "{}: {} alone", path.display(), request.id);
        }
    }
}

#[test]
fn strict_replies_have_their_shapes_and_a_fingerprint_of_their_own() {
    let Some(path) = model(SMOLLM2) else { return };
    let chunk: Vec<Request> = (0..5).map(mixed).collect();
    let mut engine = strict(&path, 5);
    for (request, reply) in chunk.iter().zip(complete(&mut engine, &chunk)) {
        assert_complete(request, &reply);
    }
    let name = ModelName::new("model");
    let loose = crate::engine(&path, 5).fingerprint(&name).unwrap();
    assert_eq!(engine.fingerprint(&name).unwrap(), format!("{loose};determinism=strict"));
}

#[test]
fn a_reply_in_two_portions_is_the_whole_reply() {
    let Some(path) = model(SMOLLM2) else { return };
    let whole: Vec<Request> =
        (0..4).map(|n| request(n, review(), ROLE, &format!("Sample {n}: 2 + 2 = {n}."))).collect();
    let mut engine = strict(&path, 16);
    let expected = complete(&mut engine, &whole);
    let portion = |n: usize, portion| Request { portion, ..whole[n].clone() };
    let openings: Vec<Request> = (0..4).map(|n| portion(n, Portion::Opening)).collect();
    let openings = complete(&mut engine, &openings);
    let rest = |n: usize| {
        let Reply { text, reply_tokens, .. } = openings[n].clone();
        portion(n, Portion::Rest { opening: text, tokens: reply_tokens })
    };
    // Other company than the openings had.
    let rests = complete(&mut engine, &[rest(3), rest(1)]);
    for (n, reply) in [3, 1].into_iter().zip(&rests) {
        assert_eq!(reply.text, expected[n].text);
        assert_eq!(openings[n].reply_tokens + reply.reply_tokens, expected[n].reply_tokens);
    }
}

/// What is probed beside a reply is nothing that the reply, or another, could tell.
#[test]
fn expected_scores_do_not_depend_on_their_batch() {
    let Some(path) = model(SMOLLM2) else { return };
    let reading = |score_reading| -> Vec<Request> {
        (0..6).map(|n| Request { score_reading, ..mixed(5 * n) }).collect()
    };
    let sampled = complete(&mut strict(&path, 16), &reading(ScoreReading::Sampled));
    let chunk = reading(ScoreReading::Expected);
    let together = complete(&mut strict(&path, 16), &chunk);
    for ((sampled, request), reply) in sampled.iter().zip(&chunk).zip(&together) {
        assert_complete(request, reply);
        assert_eq!((&sampled.text, reply.expected.len()), (&reply.text, 6));
    }
    let alone = complete(&mut strict(&path, 3), &chunk[4..5]);
    assert_eq!(alone[0], together[4]);
}

#[test]
fn only_what_was_measured_is_promised() {
    let Some(path) = model(SMOLLM2) else { return };
    let settings =
        EngineSettings { determinism: Determinism::Strict, gpu_layers: Some(1), ..settings() };
    let mut engine = LlamaEngine::new(pool(&path, ""), settings);
    let error = engine.complete(&[mixed(0)], &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("CPU"), "{error}");
}
