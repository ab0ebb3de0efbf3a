//! What a server says of its model, and what a look at it finds.

use gra_llm::engine::Engine;
use gra_synth::request::ModelName;
use serde_json::json;

use super::engine;
use super::http::{Act, TestServer, completion, nobody};

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

/// llama-server with several models tells of itself without a name, and of a model with one.
#[test]
fn a_router_is_asked_about_its_model() {
    let server = TestServer::start(|_, asked| match asked.path.as_str() {
        "/v1/models" => cards("some/model", "some/model"),
        "/props" => Act::json(200, &json!({"role": "router", "model_path": "none"})),
        "/props?model=some%2Fmodel" => Act::json(
            200,
            &json!({"model_path": "/data/b.gguf", "build_info": "b9", "chat_template": "x",
                "default_generation_settings": {"n_ctx": 512}}),
        ),
        _ => Act::json(404, &json!({"error": {"message": "no such page"}})),
    });
    let mut engine = engine(&server.url, "dialect = \"llama-server\"");
    let print = engine.fingerprint(&ModelName::new("model")).unwrap();
    assert!(print.contains("file=b.gguf;build=b9;"), "{print}");
}

/// A parser for thoughts of another model takes the whole reply for one.
#[test]
fn a_look_tells_where_no_answer_is_left() {
    let mut body = completion("", "stop");
    body["choices"][0]["message"]["reasoning_content"] = json!("Three cats and a spider: 20.");
    let server = TestServer::start(move |_, asked| match asked.path.as_str() {
        "/v1/models" => cards("some/model", "some/model"),
        "/version" => Act::json(200, &json!({"version": "0.32.0"})),
        _ => Act::json(200, &body),
    });
    let found = engine(&server.url, "").look(&ModelName::new("model")).unwrap();
    assert!(found.thinks && found.all_thought, "{found:?}");
}
