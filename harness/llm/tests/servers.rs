//! The engine of servers against a server that says what it is made to say.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gra_llm::dispatcher::Dispatcher;
use gra_llm::engine::{ChunkProgress, Engine, EngineError};
use gra_llm::model_pool::ModelPool;
use gra_llm::score::{Border, Context, Passage};
use gra_llm::scripted::ScriptedEngine;
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::form::{self, Malformed};
use gra_synth::request::{Failure, Finish, ModelName, Portion, Reply, Request};
use gra_synth::shape::{Part, Shape};
use serde_json::{Value, json};
use support::http::{Act, Asked, TestServer, completion, nobody};
use support::{bits, literal, request, review, text};

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

/// Makes something to do.
type Make = fn() -> Act;

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
fn what_passes_is_tried_again() {
    let busy = || Act::json(503, &json!({"error": {"message": "a hiccup"}}));
    let passing: [(&str, Make); 8] = [
        ("408", || Act::json(408, &Value::Null)),
        ("429", || Act::json(429, &Value::Null)),
        ("500", || Act::json(500, &json!("no object"))),
        ("503", || Act::json(503, &json!({"error": {"message": "Loading model"}}))),
        ("hang-up", || Act::HangUp),
        ("half a body of known length", || Act::Half { announced: true }),
        ("half a body", || Act::Half { announced: false }),
        ("no body", || Act::Say(200, "", String::new())),
    ];
    for (name, act) in passing {
        let (reply, asked) = one("", move |number| if number < 2 { act() } else { good() });
        assert_eq!(reply.unwrap_or_else(|error| panic!("{name}: {error}")).text, "all is well");
        assert_eq!(asked, 3, "{name}");
    }
    let (reply, asked) = one("", move |_| busy());
    let error = reply.unwrap_err();
    assert!(error.contains("HTTP status 503: a hiccup; asked 3 times"), "{error}");
    assert!(error.starts_with("the server of model `model`, http://127.0.0.1:"), "{error}");
    assert_eq!(asked, 3);
}

/// The reasons for which one call fails while a server answers others: how often it is asked before it
/// counts as failed, and the words that are kept.
#[test]
fn what_one_request_brings_about_is_a_failed_call() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
    let message = json!({"content": "hm"});
    let cases: [(Act, Failure, usize, &str); 15] = [
        (
            Act::json(500, &json!({"error": {"message": "Failed to parse input"}})),
            Failure::Status(500),
            3,
            "HTTP status 500: Failed to parse input; asked 3 times",
        ),
        (Act::json(504, &Value::Null), Failure::Status(504), 3, "HTTP status 504"),
        (Act::json(408, &Value::Null), Failure::Status(408), 3, "HTTP status 408"),
        (
            Act::json(400, &json!({"error": {"message": "bad grammar"}})),
            Failure::Status(400),
            1,
            "HTTP status 400: bad grammar",
        ),
        (Act::json(422, &json!({"detail": "no"})), Failure::Status(422), 1, "HTTP status 422: no"),
        (Act::Say(200, "", "<html>Welcome</html>".to_owned()), Failure::NoCompletion, 1, "no JSON"),
        (Act::Say(200, "", "{\"choices\": }".to_owned()), Failure::NoCompletion, 1, "no JSON"),
        (
            Act::json(200, &json!({"error": {"code": 500, "message": "engine is dead"}})),
            Failure::ErrorReply,
            1,
            "engine is dead",
        ),
        (
            Act::json(200, &json!({"object": "error", "message": "no such thing"})),
            Failure::ErrorReply,
            1,
            "no such thing",
        ),
        (Act::json(200, &json!({"choices": []})), Failure::NoCompletion, 1, "holds no reply"),
        (Act::json(200, &json!([1, 2])), Failure::NoCompletion, 1, "no chat completion"),
        (
            Act::json(200, &json!({"choices": [{"message": message, "finish_reason": "stop"}]})),
            Failure::NoCompletion,
            1,
            "does not count tokens",
        ),
        (
            Act::json(200, &completion("hm", "abort")),
            Failure::UnknownFinish,
            1,
            "for a reason of its own: abort",
        ),
        (
            Act::json(200, &json!({"choices": [{"message": message}], "usage": usage})),
            Failure::UnknownFinish,
            1,
            "nothing",
        ),
        (Act::HangUp, Failure::ConnectionLost, 3, "asked 3 times"),
    ];
    for (act, failure, tries, words) in cases {
        // Its neighbours are answered, before and after it.
        let server = TestServer::start(move |_, asked| {
            if asked.body["messages"][0]["content"] == "Say it: word 1" {
                act.clone()
            } else {
                good()
            }
        });
        let replies =
            ask(&mut engine(&server.url, "concurrency = 1"), &[free(0), free(1), free(2)]);
        let replies = replies.unwrap_or_else(|error| panic!("{words}: {error}"));
        assert_eq!(replies[1].finish, Finish::Failed { failure }, "{words}");
        assert!(replies[1].text.contains(words), "{words}: {}", replies[1].text);
        assert_eq!((replies[1].prompt_tokens, replies[1].reply_tokens), (0, 0));
        assert!([0, 2].iter().all(|&at: &usize| replies[at].text == "all is well"), "{words}");
        assert_eq!(server.asked().len(), 2 + tries, "{words}");
    }
    let slow = |_: usize, asked: &Asked| match asked.body["messages"][0]["content"].as_str() {
        Some("Say it: word 1") => Act::Later(Duration::from_secs(3), Box::new(good())),
        _ => good(),
    };
    let server = TestServer::start(slow);
    let mut engine = engine(&server.url, "timeout_s = 1");
    let replies = ask(&mut engine, &[free(0), free(1)]).unwrap();
    assert_eq!(replies[1].finish, Finish::Failed { failure: Failure::TimedOut });
    assert!(replies[1].text.contains("no answer within 1 s"), "{}", replies[1].text);
}

/// Failed calls one after the other are the server's failure: nothing of the chunk is answered, and not
/// every request of it is asked.
#[test]
fn a_server_that_fails_on_everything_ends_the_chunk() {
    let broken = || Act::json(400, &json!({"error": {"message": "the device is lost"}}));
    let chunk: Vec<Request> = (0..100).map(free).collect();
    // From the start, and from the thirtieth call on.
    for answered in [0, 30] {
        let server =
            TestServer::start(move |number, _| if number < answered { good() } else { broken() });
        let mut engine = engine(&server.url, "concurrency = 2");
        let error = ask(&mut engine, &chunk).unwrap_err();
        let EngineError::Server { reason, .. } = &error else { panic!("{error}") };
        let expected = "the last 10 calls failed: HTTP status 400: the device is lost";
        assert!(reason.starts_with(expected), "{reason}");
        assert!(server.asked().len() < answered + 20, "{}", server.asked().len());
    }
    // Failed calls of small chunks add up, and an answered one between them begins anew.
    let server = TestServer::start(move |number, _| match number {
        6 => good(),
        _ => broken(),
    });
    let mut engine = engine(&server.url, "concurrency = 1");
    let chunks: Vec<bool> = chunk.chunks(4).map(|part| ask(&mut engine, part).is_ok()).collect();
    assert_eq!(chunks[..4], [true, true, true, true], "one and eight in a row");
    assert!(!chunks[4], "ten in a row");
}

#[test]
fn a_server_says_how_long_to_wait() {
    let started = Instant::now();
    let act = |number| match number {
        0 => Act::Say(429, "retry-after: 1\r\n", "{}".to_owned()),
        _ => good(),
    };
    assert!(one("", act).0.is_ok());
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    // Longer than the request may take: not waited for.
    let act = |_| Act::Say(429, "retry-after: 3600\r\n", "{}".to_owned());
    let error = one("timeout_s = 60", act).0.unwrap_err();
    assert!(error.contains("outlasts its time") && error.contains("timeout_s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_any_request_would_be_told_ends_the_chunk_at_once() {
    let refusals: [(Act, &str); 4] = [
        (Act::json(403, &json!({"detail": "not you"})), "HTTP status 403: not you"),
        (
            Act::json(401, &json!({"message": "who are you?"})),
            "who are you?\n  hint: name the variable",
        ),
        (Act::json(404, &Value::Null), "hint: `url` usually ends in /v1"),
        (Act::Say(302, "location: http://elsewhere/\r\n", String::new()), "sends elsewhere"),
    ];
    for (act, expected) in refusals {
        let (reply, asked) = one("", move |_| act.clone());
        let error = reply.unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(asked, 1, "{expected}");
    }
    let error = ask(&mut engine(&nobody(), ""), &[free(0)]).unwrap_err().to_string();
    assert!(error.contains("the connection failed") && error.contains("asked 3 times"), "{error}");
    let (reply, asked) = one("api_key_env = \"GRA_NO_SUCH_KEY\"", |_| good());
    assert!(reply.unwrap_err().contains("GRA_NO_SUCH_KEY is not set"));
    assert_eq!(asked, 0);
}

#[test]
fn replies_that_were_cut_are_replies() {
    let cut = one("", |_| Act::json(200, &completion("half of", "length"))).0.unwrap();
    assert_eq!((cut.text.as_str(), cut.finish), ("half of", Finish::Length));
    let filtered = one("", |_| Act::json(200, &completion("", "content_filter"))).0.unwrap();
    assert_eq!((filtered.text.as_str(), filtered.finish), ("", Finish::Length));
    let silent = json!({"choices": [{"message": {"content": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 0}});
    let silent = one("", move |_| Act::json(200, &silent)).0.unwrap();
    assert_eq!((silent.text.as_str(), silent.finish), ("", Finish::Stop));
}

#[test]
fn a_prompt_that_is_too_long_is_a_reply() {
    let too_long = |prompt: u32| {
        json!({"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error",
            "n_prompt_tokens": prompt, "n_ctx": 512}})
    };
    let (reply, asked) = one("", move |_| Act::json(400, &too_long(900)));
    let reply = reply.unwrap();
    assert_eq!(reply.finish, Finish::PromptTooLong { tokens: 900, context: Some(512) });
    assert_eq!(
        (reply.text.as_str(), reply.prompt_tokens, reply.reply_tokens, asked),
        ("", 900, 0, 1)
    );
    // Only the reply could outgrow the context: it is asked for as far as it fits.
    let act = move |number, _: &Asked| match number {
        0 => Act::json(400, &too_long(400)),
        _ => good(),
    };
    let server = TestServer::start(act);
    let replies = ask(&mut engine(&server.url, ""), &[free(0)]).unwrap();
    assert_eq!(replies[0].finish, Finish::Stop);
    let limits: Vec<Value> =
        server.bodies().iter().map(|body| body["max_tokens"].clone()).collect();
    assert_eq!(limits, [json!(160), json!(111)]);
    // vLLM does not always count the prompt to its end: then its own limit is the context.
    let vague = |tokens: u32| {
        json!({"error": {"message": format!("This model's maximum context length is 512 tokens. However, \
            you requested 160 output tokens and your prompt contains at least {tokens} input tokens.")}})
    };
    let server = TestServer::start(move |number, _| match number {
        0 => Act::json(400, &vague(353)),
        _ => Act::json(400, &vague(513)),
    });
    let replies = ask(&mut engine(&server.url, ""), &[free(0)]).unwrap();
    assert_eq!(replies[0].finish, Finish::PromptTooLong { tokens: 513, context: Some(512) });
    assert_eq!(server.bodies()[1].get("max_tokens"), None);
    // LMDeploy answers with the name of its error, and does not say how much would fit.
    let mut lmdeploy = completion("status code ResponseType.INPUT_LENGTH_ERROR", "error");
    lmdeploy["usage"]["prompt_tokens"] = json!(9000);
    let reply = one("dialect = \"lmdeploy\"", move |_| Act::json(200, &lmdeploy)).0.unwrap();
    assert_eq!(reply.finish, Finish::PromptTooLong { tokens: 9000, context: None });
    assert_eq!((reply.text.as_str(), reply.reply_tokens), ("", 0));
    // A server that says so of everything ends the asking.
    let (reply, asked) = one("", move |_| Act::json(400, &too_long(400)));
    assert!(matches!(reply.unwrap().finish, Finish::PromptTooLong { .. }));
    assert_eq!(asked, 2);
}

#[test]
fn each_dialect_is_told_the_form_its_way() {
    let asked = |dialect: &str| {
        let server = TestServer::start(|_, _| good());
        let mut engine = engine(&server.url, &format!("dialect = \"{dialect}\""));
        ask(&mut engine, &[request(0, bits(), "Judge: ", "this"), free(1)]).unwrap();
        let mut bodies = server.bodies();
        bodies.sort_by_key(|body| body["seed"].as_u64());
        bodies
    };
    let grammar = "root ::= \"<bos>\\x5B\" (\"0\" | \"1\") \",\" (\"0\" | \"1\") \",\" (\"0\" | \"1\") \
                   \"\\x5D<eos>\"\n";
    let expression = r"<bos>\u005B(0|1),(0|1),(0|1)\u005D<eos>";
    let by_four = grammar.replace("\\x", "\\u00");
    let cases = [
        ("llama-server", "/grammar", grammar),
        ("vllm", "/structured_outputs/grammar", by_four.as_str()),
        ("sglang", "/ebnf", by_four.as_str()),
        ("lmdeploy", "/response_format/regex_schema", expression),
    ];
    for (dialect, place, form) in cases {
        let bodies = asked(dialect);
        assert_eq!(bodies[0].pointer(place).unwrap(), form, "{dialect}");
        assert_eq!(bodies[1].pointer(place), None, "{dialect}: a free reply is held to nothing");
        for body in &bodies {
            // Temperature and nucleus, in this order, and nothing else.
            match dialect {
                "llama-server" => assert_eq!(body["samplers"], json!(["temperature", "top_p"])),
                "lmdeploy" => {
                    assert_eq!((&body["top_k"], &body["min_p"]), (&json!(0), &json!(0.0)));
                }
                _ => assert_eq!(
                    (&body["top_k"], &body["repetition_penalty"]),
                    (&json!(-1), &json!(1.0))
                ),
            }
        }
    }
}

#[test]
fn an_opening_is_asked_for_alone_and_its_rest_behind_it() {
    let server = TestServer::start(|_, _| good());
    let mut engine = engine(&server.url, "dialect = \"sglang\"");
    let portion = |portion| Request { portion, ..request(0, review(), "Judge: ", "this") };
    let opening = "<bos>[1,2,3,4,5,6]<eos>\n<boc>".to_owned();
    ask(&mut engine, &[portion(Portion::Opening)]).unwrap();
    let rest =
        ask(&mut engine, &[portion(Portion::Rest { opening, tokens: 2 })]).unwrap().remove(0);
    // Three words, two of them the opening's: tokens are those of the rest.
    assert_eq!((rest.prompt_tokens, rest.reply_tokens), (9, 1));
    let grammars: Vec<String> =
        server.bodies().iter().map(|body| body["ebnf"].as_str().unwrap().to_owned()).collect();
    assert!(grammars[0].ends_with("\"\\u005D<eos>\\n<boc>\"\n"), "{}", grammars[0]);
    let begun = "root ::= \"<bos>\\u005B1,2,3,4,5,6\\u005D<eos>\\n<boc>\" [\\t\\n";
    assert!(grammars[1].starts_with(begun), "{}", grammars[1]);
    assert!(grammars[1].ends_with("\"<eoc>\"\n"), "{}", grammars[1]);
}

#[test]
fn a_refusal_ends_the_chunk_and_a_stop_ends_the_waiting() {
    let server = TestServer::start(|number, _| match number {
        5 => Act::json(401, &json!({"error": {"message": "enough"}})),
        _ => good(),
    });
    let mut engine = engine(&server.url, "concurrency = 2");
    let chunk: Vec<Request> = (0..100).map(free).collect();
    let error = ask(&mut engine, &chunk).unwrap_err();
    assert!(
        matches!(&error, EngineError::Server { reason, .. } if reason.contains("enough")),
        "{error}"
    );
    assert!(server.asked().len() < 20, "{}", server.asked().len());

    let stop = Arc::new(AtomicBool::new(false));
    let patience = RetryPolicy { first_wait: Duration::from_secs(60), ..QUICK };
    let heard = Arc::clone(&stop);
    let server = TestServer::start(move |_, _| {
        heard.store(true, Ordering::Relaxed);
        Act::json(503, &Value::Null)
    });
    let mut engine = ServerEngine::new(&pool(&server.url, ""), patience, Arc::clone(&stop));
    let started = Instant::now();
    let error = ask(&mut engine, &[free(0)]).unwrap_err();
    assert!(matches!(error, EngineError::Stopped), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(matches!(ask(&mut engine, &[free(0)]), Err(EngineError::Stopped)), "stays stopped");
    assert_eq!(server.asked().len(), 1);
}

/// What a vLLM server of this model says of it.
fn cards(id: &str, root: &str) -> Act {
    let permission = json!([{"id": "modelperm-1234", "created": 1}]);
    Act::json(
        200,
        &json!({"object": "list", "data": [{"id": id, "object": "model", "created": 12,
        "owned_by": "vllm", "root": root, "max_model_len": 8192, "permission": permission}]}),
    )
}

#[test]
fn a_fingerprint_is_what_the_server_says_whatever_its_address() {
    let model = ModelName::new("model");
    let of = |root: &'static str, extra: &str| {
        let server = TestServer::start(move |_, asked| match asked.path.as_str() {
            "/version" => Act::json(200, &json!({"version": "0.32.0"})),
            _ => cards("some/model", root),
        });
        engine(&server.url, extra).fingerprint(&model).unwrap()
    };
    let fingerprint = "server;asking=2;pattern=2;dialect=vllm;model=some/model;program=vllm;\
                       version=0.32.0;root=some/model;context=8192";
    assert_eq!(of("some/model", ""), fingerprint);
    assert_eq!(of("some/model", "concurrency = 3"), fingerprint, "another port, more at once");
    // Pinned: the server may be away, or must say the same.
    let pinned = "identity = \"program=vllm;version=0.32.0;root=some/model;context=8192\"";
    assert_eq!(of("some/model", pinned), fingerprint);
    assert_eq!(engine(&nobody(), pinned).fingerprint(&model).unwrap(), fingerprint);
    let other = TestServer::start(|_, _| cards("some/model", "other"));
    let error = engine(&other.url, pinned).fingerprint(&model).unwrap_err().to_string();
    assert!(error.contains("serves another model than the pool pins"), "{error}");
    let elsewhere = TestServer::start(|_, _| cards("another", "another"));
    let error = engine(&elsewhere.url, "").fingerprint(&model).unwrap_err().to_string();
    assert!(error.contains("does not serve `some/model`; it lists another"), "{error}");
    assert!(engine(&nobody(), "").fingerprint(&model).is_err());
    assert!(engine(&nobody(), "").fingerprint(&ModelName::new("nobody")).is_err());
}

#[test]
fn folders_and_versions_tell_models_apart() {
    let identity = |root: &'static str, version: fn() -> Act| {
        let server = TestServer::start(move |_, asked| match asked.path.as_str() {
            "/version" => version(),
            "/v1/models" => cards("some/model", root),
            _ => {
                let mut reply = completion("Hi", "length");
                reply["system_fingerprint"] = json!("vllm-0.32.0-tp2-cdbf14fb");
                Act::json(200, &reply)
            }
        });
        engine(&server.url, "").look(&ModelName::new("model")).unwrap().identity
    };
    let known: fn() -> Act = || Act::json(200, &json!({"version": "0.12.1"}));
    let of = |root| {
        let identity = identity(root, known);
        let root = identity.strip_prefix("program=vllm;version=0.12.1;root=").unwrap();
        root.strip_suffix(";context=8192").unwrap().to_owned()
    };
    assert_eq!(of("org/model"), "org/model");
    assert_eq!(of("/data/qwen/hf"), of("/data/qwen/hf/"));
    let folders = ["/data/qwen/hf", "/data/smollm2/hf", "/other/qwen/hf", "/hf"].map(of);
    for (place, folder) in folders.iter().enumerate() {
        assert!(folder.contains("hf~"), "{folder}");
        assert!(!folder.contains("data") && !folders[..place].contains(folder), "{folder}");
    }
    let cached = "/home/me/.cache/huggingface/hub/models--org--a--b/snapshots/0123abcd";
    assert_eq!(of(cached), "org/a--b@0123abcd");
    // Its page for that is closed, or is another's: a reply tells the version.
    let closed: fn() -> Act = || Act::json(404, &json!({"detail": "Not Found"}));
    let page: fn() -> Act = || Act::Say(200, "", "<html>Welcome</html>".to_owned());
    for version in [closed, page] {
        let identity = identity("org/model", version);
        assert!(identity.contains(";version=vllm-0.32.0-tp2-cdbf14fb;root=org/"), "{identity}");
    }
}

/// What a server says to each request: a text, and why it ended.
type Said<'a> = &'a [(&'a str, &'a str)];

/// A reply of each kind, cut by the server at the limit it was given.
#[test]
fn a_text_that_runs_to_its_budget_is_closed() {
    let scores = || [literal("<bos>["), Part::Integer { min: 1, max: 10 }, literal("]<eos>")];
    let comment_first = || {
        let mut parts = vec![literal("<boc>"), text(40, true), literal("<eoc>\n")];
        parts.extend(scores());
        Shape { parts }
    };
    let instruction =
        |close| Shape { parts: vec![literal("<boi>"), text(30, close), literal("<eoi>")] };
    let answer = |close| Shape { parts: vec![text(30, close)] };
    let opening = "<bos>[1,2,3,4,5,6]<eos>\n<boc>";
    let reviewed = format!("{opening}It is sli");
    let closed = format!("{opening}It is sli<eoc>");
    let cases: [(Shape, Said<'_>, &str, Finish); 9] = [
        (review(), &[(&reviewed, "length")], &closed, Finish::Stop),
        (review(), &[(&reviewed, "content_filter")], &reviewed, Finish::Length),
        (instruction(true), &[("<boi>Compare", "length")], "<boi>Compare<eoi>", Finish::Stop),
        (instruction(false), &[("<boi>Compare", "length")], "<boi>Compare", Finish::Length),
        (answer(true), &[("It is", "length")], "It is", Finish::Stop),
        (answer(false), &[("It is", "length")], "It is", Finish::Length),
        // What the server was not held to is not mended.
        (
            instruction(true),
            &[("Sure! <boi>Compare", "length")],
            "Sure! <boi>Compare",
            Finish::Length,
        ),
        (
            comment_first(),
            &[("<boc>So and so <eo", "length"), ("<boc>So and so <eoc>\n<bos>[7]<eos>", "stop")],
            "<boc>So and so <eoc>\n<bos>[7]<eos>",
            Finish::Stop,
        ),
        // A server that never ends is not asked for ever.
        (
            comment_first(),
            &[("<boc>So", "length"), ("<boc>So<eoc>\n<bos>[", "length")],
            "<boc>So<eoc>\n<bos>[",
            Finish::Length,
        ),
    ];
    for (shape, said, expected, finish) in cases {
        let replies: Vec<Value> =
            said.iter().map(|(text, finish)| completion(text, finish)).collect();
        let server = TestServer::start(move |number, _| {
            Act::json(200, replies.get(number).unwrap_or(&Value::Null))
        });
        let request = Request { shape: shape.clone(), ..free(0) };
        let reply = ask(&mut engine(&server.url, ""), &[request]).unwrap().remove(0);
        assert_eq!((reply.text.as_str(), reply.finish), (expected, finish), "{shape:?}");
        let bodies = server.bodies();
        assert_eq!(bodies.len(), said.len(), "{expected}");
        if let [_, second] = bodies.as_slice() {
            let grammar = second["structured_outputs"]["grammar"].as_str().unwrap();
            let begun = r#"root ::= "<boc>So"#;
            assert!(
                grammar.starts_with(begun) && grammar.contains(r#"\u005B" ("1" |"#),
                "{grammar}"
            );
        }
    }
    // The limit that is sent leaves the text its budget, whatever tokens the form takes.
    let server = TestServer::start(|_, _| good());
    let request = Request { shape: instruction(true), ..free(0) };
    ask(&mut engine(&server.url, ""), &[request]).unwrap();
    assert_eq!(server.bodies()[0]["max_tokens"], 30 + 10 + 4);
    // At the context's end a text has not met its budget.
    let server = TestServer::start(|number, _| match number {
        0 => Act::json(400, &json!({"error": {"n_prompt_tokens": 490, "n_ctx": 512}})),
        _ => Act::json(200, &completion("<boi>Compare", "length")),
    });
    let request = Request { shape: instruction(true), ..free(0) };
    let reply = ask(&mut engine(&server.url, ""), &[request]).unwrap().remove(0);
    assert_eq!((reply.text.as_str(), reply.finish), ("<boi>Compare", Finish::Length));
    assert_eq!(server.bodies()[1]["max_tokens"], 21);
}

#[test]
fn a_look_tells_whether_replies_are_held_to_their_form() {
    // `reads` is how the server reads an escaped text; `None` where it holds replies to nothing.
    let serve = |reads: Option<fn(&str) -> String>| {
        TestServer::start(move |_, asked| match (asked.path.as_str(), reads) {
            ("/v1/models", _) => cards("some/model", "some/model"),
            ("/version", _) => Act::json(200, &json!({"version": "0.32.0"})),
            (_, Some(reads)) if asked.body.get("structured_outputs").is_some() => {
                let grammar = asked.body["structured_outputs"]["grammar"].as_str().unwrap();
                let text = grammar.strip_prefix("root ::= \"").unwrap();
                let text = text.strip_suffix("\"\n").unwrap();
                Act::json(200, &completion(&reads(text), "stop"))
            }
            _ => Act::json(200, &completion("Hello!", "stop")),
        })
    };
    let look =
        |server: &TestServer| engine(&server.url, "").look(&ModelName::new("model")).unwrap();
    let four_digits = |text: &str| {
        let unescaped = serde_json::from_str(&format!("\"{text}\""));
        unescaped.unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let held = look(&serve(Some(four_digits)));
    assert!(held.constrains && held.identity.starts_with("program=vllm;"), "{held:?}");
    assert!(!held.thinks, "{held:?}");
    // One that takes all digits for the number's: a quote before an `a` becomes U+022A.
    let all_digits = |text: &str| text.replace("\\u0022a", "\u{22a}").replace("\\u", "?");
    assert!(!look(&serve(Some(all_digits))).constrains);
    assert!(!look(&serve(None)).constrains);
}

/// A chat completion whose thought is told apart.
fn with_field(field: &str, thought: &str, text: Option<&str>) -> Value {
    let mut body = completion(text.unwrap_or_default(), "stop");
    body["choices"][0]["message"]["content"] = json!(text);
    body["choices"][0]["message"][field] = json!(thought);
    body["usage"]["completion_tokens"] = json!(40);
    body
}

#[test]
fn a_thought_is_no_answer_wherever_a_server_puts_it() {
    let read = |body: Value| {
        let reply = one("", move |_| Act::json(200, &body)).0.unwrap();
        (form::read_response(&reply), reply.thought_tokens() > 0, reply.text)
    };
    let four = Ok("Four.".to_owned());
    for field in ["reasoning_content", "reasoning"] {
        let (answer, counted, text) = read(with_field(field, "2 + 2", Some("Four.")));
        assert_eq!((&answer, counted), (&four, true), "{field}");
        assert_eq!(text, "<think>\n2 + 2\n</think>\n\nFour.", "the raw reply keeps it");
        // It was cut within the thought, or the server took all of it for one.
        let (answer, counted, _) = read(with_field(field, "2 + 2, so it is", None));
        assert_eq!((answer, counted), (Err(Malformed::UnfinishedThought), true), "{field}");
    }
    let (answer, counted, _) = read(completion("<think>2 + 2</think>Four.", "stop"));
    assert_eq!((answer, counted), (four.clone(), true));
    // A field that is null, or something else than text, is none.
    let mut odd = completion("Four.", "stop");
    odd["choices"][0]["message"]["reasoning_content"] = Value::Null;
    odd["choices"][0]["message"]["reasoning"] = json!({"effort": "low"});
    let (answer, counted, _) = read(odd);
    assert_eq!((answer, counted), (four, false));
}

#[test]
fn template_variables_and_room_for_a_thought_reach_the_server() {
    let asked = |extra: &str| {
        let server = TestServer::start(|_, _| good());
        let mut engine = engine(&server.url, extra);
        let thinks = |request: Request| Request {
            shape: request.shape.clone().behind_thought(64),
            ..request
        };
        let chunk = [thinks(request(0, bits(), "Judge: ", "this")), thinks(free(1))];
        ask(&mut engine, &chunk).unwrap();
        let fingerprint = |engine: &mut ServerEngine| engine.fingerprint(&ModelName::new("model"));
        let _ = fingerprint(&mut engine);
        let mut bodies = server.bodies();
        bodies.retain(|body| !body.is_null());
        bodies.sort_by_key(|body| body["seed"].as_u64());
        bodies
    };
    let template = "template = { enable_thinking = false }";
    let bodies = asked(&format!("dialect = \"llama-server\"\n{template}"));
    assert_eq!(bodies[0]["chat_template_kwargs"], json!({"enable_thinking": false}));
    assert_eq!(bodies[0]["reasoning_format"], "none");
    let grammar = bodies[0]["grammar"].as_str().unwrap();
    assert!(
        grammar.contains("think>\\n\\n<bos>\\x5B\" (\"0\" | \"1\")"),
        "room before the form: {grammar}"
    );
    assert_eq!(bodies[1].get("grammar"), None, "free replies are held to nothing");
    // vLLM begins the form behind the thought by itself.
    let bodies = asked("");
    let grammar = bodies[0]["structured_outputs"]["grammar"].as_str().unwrap();
    assert!(grammar.starts_with("root ::= \"<bos>"), "{grammar}");
    assert_eq!(bodies[0].get("chat_template_kwargs"), None);
}

#[test]
fn template_variables_are_part_of_a_fingerprint() {
    let server = TestServer::start(|_, _| cards("some/model", "some/model"));
    let of = |extra| engine(&server.url, extra).fingerprint(&ModelName::new("model")).unwrap();
    let (plain, off) = (of(""), of("template = { enable_thinking = false }"));
    assert_eq!(off, format!("{plain};template={{\"enable_thinking\":false}}"));
}

#[test]
fn a_look_tells_whether_a_model_thinks() {
    let server = TestServer::start(|_, asked| match asked.path.as_str() {
        "/v1/models" => cards("some/model", "some/model"),
        _ => Act::json(200, &completion("<think>\nThey ask for legs", "length")),
    });
    let found = engine(&server.url, "").look(&ModelName::new("model")).unwrap();
    assert!(found.thinks && !found.constrains, "{found:?}");
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
