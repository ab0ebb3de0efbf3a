//! The engine of servers against a server that says what it is made to say, and against a real llama-server.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod failures;
mod http;
mod identity;
mod llama_server;
#[path = "../support/models.rs"]
mod models;
mod replies;
#[path = "../support/requests.rs"]
mod requests;
#[path = "../support/shapes.rs"]
mod shapes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gra_llm::dispatcher::Dispatcher;
use gra_llm::engine::{ChunkProgress, Engine, EngineError};
use gra_llm::model_pool::ModelPool;
use gra_llm::score::{Border, Context, Passage};
use gra_llm::scripted::ScriptedEngine;
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::request::{Finish, ModelName, Reply, Request};
use gra_synth::shape::Shape;
use http::{Act, Asked, TestServer, completion, nobody};
use requests::request;
use serde_json::json;

/// Three tries within some milliseconds.
const QUICK: RetryPolicy = RetryPolicy {
    tries: 3,
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(10),
};

fn pool(url: &str, extra: &str) -> ModelPool {
    let dialect = if extra.contains("dialect") { "" } else { "dialect = \"vllm\"\n" };
    let text = format!(
        "name = \"test\"\n[encoder]\nname = \"minilm\"\npath = \"minilm.gguf\"\n[[model]]\n\
         name = \"model\"\nbackend = \"server\"\nurl = \"{url}\"\nmodel = \"some/model\"\n{dialect}{extra}\n"
    );
    ModelPool::parse(&text, Path::new("pool.toml"), Path::new("")).unwrap()
}

fn engine(url: &str, extra: &str) -> ServerEngine {
    ServerEngine::new(&pool(url, extra), QUICK, Arc::default())
}

fn free(number: u32) -> Request {
    request(number, Shape::free(), "Say it: ", &format!("word {number}"))
}

fn ask(engine: &mut ServerEngine, chunk: &[Request]) -> Result<Vec<Reply>, EngineError> {
    engine.complete(chunk, &mut |_| {})
}

/// What one request brings when the server acts so, and how often the server was asked.
fn one(
    extra: &str,
    act: impl Fn(usize) -> Act + Send + Sync + 'static,
) -> (Result<Reply, String>, usize) {
    let server = TestServer::start(move |number, _| act(number));
    let reply = ask(&mut engine(&server.url, extra), &[free(0)]);
    let reply = reply.map(|mut replies| replies.remove(0)).map_err(|error| error.to_string());
    (reply, server.asked().len())
}

fn good() -> Act {
    Act::json(200, &completion("all is well", "stop"))
}

#[test]
fn replies_come_in_order_and_everything_is_sent() {
    let echo = |_: usize, asked: &Asked| {
        let message = asked.body["messages"][0]["content"].as_str().unwrap();
        let pause = Duration::from_millis(asked.body["seed"].as_u64().unwrap() * 7 % 23);
        let reply = Act::json(200, &completion(message.strip_prefix("Say it: ").unwrap(), "stop"));
        Act::Later(pause, Box::new(reply))
    };
    let server = TestServer::start(echo);
    // A variable that cargo sets; what it holds is no secret.
    let mut engine = engine(&server.url, "concurrency = 8\napi_key_env = \"CARGO_PKG_NAME\"");
    let mut chunk: Vec<Request> = (0..40).map(free).collect();
    chunk[0].seed = u64::MAX;
    let mut last = ChunkProgress::default();
    let replies = engine.complete(&chunk, &mut |so_far| last = so_far).unwrap();
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(reply.text, format!("word {number}"));
        let counted = (reply.finish, reply.prompt_tokens, reply.reply_tokens);
        assert_eq!(counted, (Finish::Stop, 7, 2));
    }
    let all = ChunkProgress { replies: 40, prompt_tokens: 280, reply_tokens: 80, slots: 8 };
    assert_eq!(last, all);
    for asked in server.asked() {
        assert_eq!(asked.path, "/v1/chat/completions");
        assert!(asked.head.contains("authorization: bearer gra-llm\r\n"), "{}", asked.head);
        let body = asked.body;
        assert_eq!(body["model"], "some/model");
        assert_eq!(body["messages"].as_array().unwrap().len(), 1);
        assert_eq!(body["messages"][0]["role"], "user");
        assert_eq!((&body["temperature"], &body["top_p"]), (&json!(0.2), &json!(0.9)));
        assert_eq!((&body["max_tokens"], &body["stream"]), (&json!(160), &json!(false)));
        assert!(body["seed"].as_u64().unwrap() < 1 << 31, "vLLM and llama-server take no more");
    }
}

#[test]
fn what_a_server_is_not_asked_has_a_named_error() {
    let mut engine = engine(&nobody(), "");
    let passage = Passage {
        model: ModelName::new("model"),
        context: Context::text("a"),
        continuation: "b".to_owned(),
        border: Border::Apart,
        max_tokens: None,
    };
    let error = engine.score(&[passage], &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("score with a model of the pool that llama.cpp runs"), "{error}");
    let error = engine.embed(&["text".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("the pool's [encoder]"), "{error}");
    assert!(ask(&mut engine, &[]).unwrap().is_empty());
    let other = Request { model: ModelName::new("other"), ..free(0) };
    assert!(matches!(ask(&mut engine, &[other]), Err(EngineError::UnknownModel { .. })));
}

#[test]
fn a_pool_may_mix_servers_and_others() {
    let server = TestServer::start(|_, _| good());
    let local = ScriptedEngine::from_texts(|_| "from here".to_owned());
    let theirs = [ModelName::new("model")];
    let mut engine =
        Dispatcher::new(vec![Box::new(local)]).route(theirs, Box::new(engine(&server.url, "")));
    let mut text_of = |model: &str| {
        let request = Request { model: ModelName::new(model), ..free(0) };
        engine.complete(&[request], &mut |_| {}).unwrap().remove(0).text
    };
    assert_eq!(text_of("model"), "all is well");
    assert_eq!(text_of("local"), "from here");
    assert_eq!(engine.embed(&["a text".to_owned()]).unwrap().len(), 1);
    assert_eq!(engine.encoder_fingerprint().unwrap(), "scripted");
    assert!(engine.fingerprint(&ModelName::new("local")).unwrap().starts_with("scripted"));
}
