//! What fails: what is tried again, what fails one call, and what ends a chunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gra_llm::engine::EngineError;
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::request::{Failure, Finish, Request};
use serde_json::{Value, json};

use super::http::{Act, Asked, TestServer, completion, nobody};
use super::{QUICK, ask, engine, free, good, one, pool};

/// Makes something to do.
type Make = fn() -> Act;

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
    assert_eq!(asked, 4, "and whether it answers another");
}

/// A gateway forbids a text, a worker dies of it: the status is one of a server that is away or closed, and the
/// server answers everything else.
#[test]
fn a_status_that_any_request_would_be_told_may_be_about_one() {
    let flagged = json!({"error": {"message": "flagged for \"violence\""}});
    for (status, tries) in [(401, 1), (402, 1), (403, 1), (404, 1), (429, 3), (502, 3), (503, 3)] {
        let flagged = flagged.clone();
        let server = TestServer::start(move |_, asked| match asked.body["messages"][0]["content"]
            .as_str()
        {
            Some("Say it: word 1") => Act::json(status, &flagged),
            _ => good(),
        });
        // One at a time, so that no other is under way.
        let mut engine = engine(&server.url, "concurrency = 1");
        let replies = ask(&mut engine, &[free(0), free(1), free(2)]).unwrap();
        let failure = Failure::Status(status);
        assert_eq!(replies[1].finish, Finish::Failed { failure }, "{status}");
        assert!(replies[1].text.contains("flagged for \"violence\""), "{}", replies[1].text);
        assert!([0, 2].iter().all(|&at: &usize| replies[at].text == "all is well"), "{status}");
        assert_eq!(server.asked().len(), 2 + tries + 1, "{status}");
    }
}

/// A connection that the server closed after its last answer is no failure of the next request.
#[test]
fn a_lost_connection_is_opened_again_at_once() {
    let policy = RetryPolicy { first_wait: Duration::from_secs(60), ..QUICK };
    let server = TestServer::start(|number, _| if number == 0 { Act::HangUp } else { good() });
    let mut engine = ServerEngine::new(&pool(&server.url, ""), policy, Arc::default());
    let started = Instant::now();
    assert_eq!(ask(&mut engine, &[free(0)]).unwrap()[0].text, "all is well");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

/// The reasons for which one call fails while a server answers others: how often it is asked before it
/// counts as failed, and the words that are kept.
#[test]
fn what_one_request_brings_about_is_a_failed_call() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
    let message = json!({"content": "hm"});
    let cases: [(Act, Failure, usize, &str); 16] = [
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
        (
            Act::Bytes(b"{\"choices\": [{\"message\": {\"content\": \"na\xefve\"}}]}"),
            Failure::NoCompletion,
            1,
            "no text in UTF-8",
        ),
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
        (
            Act::Say(302, "location: http://elsewhere/v1\r\n", String::new()),
            "it sends to http://elsewhere/v1\n  hint: it sends elsewhere",
        ),
    ];
    for (act, expected) in refusals {
        let (reply, asked) = one("", move |_| act.clone());
        let error = reply.unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
        assert_eq!(asked, 2, "{expected}: and whether it answers another");
    }
    let error = ask(&mut engine(&nobody(), ""), &[free(0)]).unwrap_err().to_string();
    assert!(error.contains("the connection failed") && error.contains("asked 3 times"), "{error}");
    let (reply, asked) = one("api_key_env = \"GRA_NO_SUCH_KEY\"", |_| good());
    assert!(reply.unwrap_err().contains("GRA_NO_SUCH_KEY is not set"));
    assert_eq!(asked, 0);
}

#[test]
fn a_refusal_ends_the_chunk_and_a_stop_ends_the_waiting() {
    let server = TestServer::start(|number, _| match number {
        ..5 => good(),
        _ => Act::json(401, &json!({"error": {"message": "enough"}})),
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
    let policy = RetryPolicy { first_wait: Duration::from_secs(60), ..QUICK };
    let heard = Arc::clone(&stop);
    let server = TestServer::start(move |_, _| {
        heard.store(true, Ordering::Relaxed);
        Act::json(503, &Value::Null)
    });
    let mut engine = ServerEngine::new(&pool(&server.url, ""), policy, Arc::clone(&stop));
    let started = Instant::now();
    let error = ask(&mut engine, &[free(0)]).unwrap_err();
    assert!(matches!(error, EngineError::Stopped), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(matches!(ask(&mut engine, &[free(0)]), Err(EngineError::Stopped)), "stays stopped");
    assert_eq!(server.asked().len(), 1);
}
