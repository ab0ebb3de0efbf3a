//! The dispatcher: replicas that are alike, and engines by model, at work at the same time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Barrier, Mutex};

use gra_llm::dispatcher::Dispatcher;
use gra_llm::engine::{ChunkEvent, Engine, EngineError};
use gra_llm::scripted::{ScriptedEngine, toy_embedding};
use gra_synth::request::{ModelName, Request};

use crate::requests::mixed;

/// Chunks of these sizes, of different requests.
fn chunks(sizes: &[u32]) -> Vec<Vec<Request>> {
    let mut numbers = 0..;
    sizes.iter().map(|size| numbers.by_ref().take(*size as usize).map(mixed).collect()).collect()
}

/// Answers with its name and what it was asked.
fn worker(name: &'static str) -> ScriptedEngine {
    ScriptedEngine::from_texts(move |request| format!("{name}: {}", request.prompt.sample))
}

/// How it ended, what was answered by place, and the places in the order in which they began.
type Heard = (Result<(), EngineError>, BTreeMap<usize, Vec<String>>, Vec<usize>);

/// Asks for all chunks, until told to stop.
fn ask(
    engine: &mut dyn Engine,
    chunks: &[Vec<Request>],
    mut stop: impl FnMut(usize, &ChunkEvent) -> bool,
) -> Heard {
    let (mut answered, mut begun) = (BTreeMap::new(), Vec::new());
    let asked: Vec<&[Request]> = chunks.iter().map(Vec::as_slice).collect();
    let done = engine.complete_all(&asked, &mut |place, event| {
        let flow =
            if stop(place, &event) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        match event {
            ChunkEvent::Begun => begun.push(place),
            ChunkEvent::Progress(_) => assert!(begun.contains(&place)),
            ChunkEvent::Answered { replies, crashes: 0 } => {
                answered.insert(place, replies.into_iter().map(|reply| reply.text).collect());
            }
            ChunkEvent::Answered { .. } => panic!("nothing crashed"),
        }
        flow
    });
    (done, answered, begun)
}

#[test]
fn every_chunk_is_answered_by_the_worker_of_its_share() {
    let chunks = chunks(&[4, 4, 2, 4, 4]);
    let mut engine = Dispatcher::new(vec![Box::new(worker("first")), Box::new(worker("second"))]);
    assert_eq!(engine.workers(&ModelName::new("model")), 2);
    let (done, answered, begun) = ask(&mut engine, &chunks, |_, _| false);
    done.unwrap();
    assert_eq!(begun.len(), 5);
    for (place, chunk) in chunks.iter().enumerate() {
        let name = if place < 2 { "first" } else { "second" };
        let expected: Vec<String> =
            chunk.iter().map(|request| format!("{name}: {}", request.prompt.sample)).collect();
        assert_eq!(answered[&place], expected);
    }
}

#[test]
fn workers_work_at_the_same_time() {
    // Each waits in its first call until the other is in its own: one after the other would hang.
    let meeting = Arc::new(Barrier::new(2));
    let meets = || {
        let (meeting, mut met) = (Arc::clone(&meeting), false);
        ScriptedEngine::from_texts(move |_| {
            if !std::mem::replace(&mut met, true) {
                meeting.wait();
            }
            "here".to_owned()
        })
    };
    let mut engine = Dispatcher::new(vec![Box::new(meets()), Box::new(meets())]);
    let (done, answered, _) = ask(&mut engine, &chunks(&[3, 3]), |_, _| false);
    done.unwrap();
    assert_eq!(answered.len(), 2);
}

#[test]
fn who_says_enough_gets_what_was_begun_and_no_more() {
    let mut one = worker("alone");
    let (done, answered, begun) = ask(&mut one, &chunks(&[2, 2, 2]), |place, event| {
        place == 1 && matches!(event, ChunkEvent::Progress(_))
    });
    done.unwrap();
    assert_eq!((answered.len(), begun), (2, vec![0, 1]));
}

#[test]
fn an_error_is_told_and_the_other_worker_finishes_its_chunk() {
    let chunks = chunks(&[2, 2]);
    let hard = chunks[0][0].prompt.sample.clone();
    // The second answers once the first has failed, if that ever happens.
    let (failed, wait) = std::sync::mpsc::channel::<()>();
    let failed = Mutex::new(Some(failed));
    let refuses = ScriptedEngine::new(move |request| {
        assert_eq!(request.prompt.sample, hard);
        drop(failed.lock().unwrap().take());
        None
    });
    let patient = ScriptedEngine::from_texts(move |_| {
        let _ = wait.recv();
        "late".to_owned()
    });
    let mut engine = Dispatcher::new(vec![Box::new(refuses), Box::new(patient)]);
    let (done, answered, _) = ask(&mut engine, &chunks, |_, _| false);
    assert!(matches!(done, Err(EngineError::NotScripted { .. })));
    assert_eq!(answered.into_keys().collect::<Vec<_>>(), [1]);
}

#[test]
fn embeddings_come_in_the_order_of_their_texts() {
    let texts: Vec<String> = (0..7).map(|n| format!("text number {n}")).collect();
    let expected: Vec<_> = texts.iter().map(|text| toy_embedding(text)).collect();
    for workers in [1, 2, 3, 9] {
        let replicas: Vec<Box<dyn Engine>> =
            (0..workers).map(|_| Box::new(worker("w")) as Box<dyn Engine>).collect();
        assert_eq!(Dispatcher::new(replicas).embed(&texts).unwrap(), expected);
    }
}

#[test]
fn engines_of_different_models_answer_side_by_side() {
    let mut chunks = chunks(&[2, 2, 2]);
    for request in &mut chunks[1] {
        request.model = ModelName::new("served");
    }
    let mut engine = Dispatcher::new(vec![Box::new(worker("here"))])
        .route([ModelName::new("served")], Box::new(worker("there")));
    assert_eq!(engine.workers(&ModelName::new("served")), 1);
    let (done, answered, _) = ask(&mut engine, &chunks, |_, _| false);
    done.unwrap();
    for (place, name) in ["here", "there", "here"].into_iter().enumerate() {
        assert!(answered[&place].iter().all(|text| text.starts_with(name)), "{place}");
    }
}
