//! What counts as a reply: cut texts, long prompts, thoughts; and how each dialect is told the form.

use gra_llm::engine::Engine;
use gra_llm::server::ServerEngine;
use gra_synth::form::{self, Malformed};
use gra_synth::request::{Finish, ModelName, Portion, Request};
use gra_synth::shape::{Part, Shape};
use serde_json::{Value, json};

use super::http::{Act, Asked, TestServer, completion};
use super::{ask, engine, free, good, one};
use crate::requests::request;
use crate::shapes::{bits, literal, review, text};

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

/// Gateways pass the words of other protocols on.
#[test]
fn replies_of_other_services_are_read() {
    let finishes = [
        ("eos_token", Finish::Stop),
        ("eos", Finish::Stop),
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
    ];
    for (word, finish) in finishes {
        let reply = one("", move |_| Act::json(200, &completion("well", word))).0.unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), ("well", finish), "{word}");
    }
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "2 + "}, {"type": "text", "text": "2"}]},
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "four."},
    ]);
    let mut body = completion("", "stop");
    body["choices"][0]["message"]["content"] = parts;
    let reply = one("", move |_| Act::json(200, &body)).0.unwrap();
    assert_eq!(reply.text, "<think>\n2 + 2\n</think>\n\nIt is four.");
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
