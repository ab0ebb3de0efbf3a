//! Store keys, and the scripted engine.

use gra_llm::engine::{Engine, EngineError};
use gra_llm::key::{CompletionKey, request_hash};
use gra_llm::score::{Border, Context, Passage};
use gra_llm::scripted::{ScriptedEngine, toy_embedding};
use gra_synth::request::{Finish, ModelName, Request};

use crate::requests::{mixed, request};
use crate::shapes::{bits, review};

type Change = fn(&mut Request);

#[test]
fn keys_depend_on_what_determines_a_reply_and_nothing_else() {
    let base = || request(0, review(), "role", "sample");
    let key = |request: &Request| CompletionKey::new("engine", request);
    let mut same = base();
    same.id.attempt = 7;
    same.model = ModelName::new("the same file under another name");
    assert_eq!(key(&same), key(&base()));
    let changes: [Change; 8] = [
        |r| r.prompt.role = "rol".into(),
        |r| r.prompt.sample.push('.'),
        |r| (r.prompt.role, r.prompt.sample) = ("rolesa".into(), "mple".into()),
        |r| r.shape = bits(),
        |r| r.sampling.temperature = 0.3,
        |r| r.sampling.top_p = 0.95,
        |r| r.max_tokens += 1,
        |r| r.seed += 1,
    ];
    let mut keys = vec![key(&base()), CompletionKey::new("other engine", &base())];
    for change in changes {
        let mut request = base();
        change(&mut request);
        keys.push(key(&request));
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 10);
    // Pinned: a store outlives this program.
    assert_eq!(hex::encode(request_hash(&base())), PINNED);
    let text = key(&base()).to_string();
    assert_eq!(CompletionKey::try_from(text.clone()).unwrap(), key(&base()));
    assert!(CompletionKey::try_from(text[1..].to_owned()).is_err());
}

const PINNED: &str = "589f78b4d5bfdf321455290830c5f0c387009f7f8f6c63b22526ef1dc863aeb7";

#[test]
fn a_script_may_have_no_reply() {
    let mut engine = ScriptedEngine::new(|_| None);
    let error = engine.complete(&[mixed(0)], &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::NotScripted { .. }));
    let passage = Passage {
        model: ModelName::new("model"),
        context: Context::text("before"),
        continuation: "after".to_owned(),
        border: Border::default(),
        max_tokens: None,
    };
    let error = engine.score(&[passage], &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::NotScripted { .. }));
    let mut engine = ScriptedEngine::from_texts(|_| "two words".to_owned());
    let reply = engine.complete(&[mixed(0)], &mut |_| {}).unwrap().remove(0);
    assert_eq!((reply.finish, reply.reply_tokens), (Finish::Stop, 2));
}

#[test]
fn toy_embeddings_are_unit_vectors_that_know_words() {
    let [a, same, near, far] =
        ["a b c d e", "A b  c d e", "a b c d f", "v w x y z"].map(toy_embedding);
    assert!((a.cosine(&a) - 1.0).abs() < 1e-6);
    assert!((a.cosine(&same) - 1.0).abs() < 1e-6);
    assert!(a.cosine(&near) > a.cosine(&far));
    assert!((toy_embedding("").cosine(&toy_embedding("")) - 1.0).abs() < 1e-6);
}
