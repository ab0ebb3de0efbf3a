//! Whole runs with models that think before they answer.

use serde_json::{Value, json};

use crate::real_model::models;
use crate::servers::{completion, serve_pool, serve_saying};
use crate::workbench::{Workbench, published};

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

const THOUGHT: &str = "The user wants two things. <bos>[1,1,1,1,1,1]<eos> would be too low.";

/// Thinks before every free reply: between tags in the text, or in a field of its own.
fn thinking(asked: &Value) -> Value {
    let mut body = completion(asked);
    if asked.get("grammar").is_none() {
        let message = &mut body["choices"][0]["message"];
        if asked["seed"].as_u64().unwrap().is_multiple_of(2) {
            let text = message["content"].as_str().unwrap();
            message["content"] = json!(format!("<think>\n{THOUGHT}\n</think>\n\n{text}"));
        } else {
            message["reasoning_content"] = json!(THOUGHT);
        }
        body["usage"]["completion_tokens"] = json!(60);
    }
    body
}

#[test]
fn thoughts_stay_out_of_samples_and_are_kept_and_counted() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 2");
    serve_pool(&bench, &serve_saying(thinking));
    let doctor = bench.transcript(&["doctor", "--pool", "pool.toml", "--models", &models]);
    for part in ["thinks: thoughts before its replies", "enable_thinking = false", "exit code 0"] {
        assert!(doctor.contains(part), "{part} is missing in:\n{doctor}");
    }
    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    let output = bench.run(&run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(table["rows"][0]["accepted"].as_u64().unwrap() >= 3, "{table}");
    let files = published(&bench.path("results"));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("think>") && !text.contains("two things"), "{name} holds a thought");
    }
    let text = |name: &str| String::from_utf8_lossy(&files[name]).into_owned();
    let manifest: Value = serde_json::from_str(&text("small/gra/seed-42/manifest.json")).unwrap();
    let counted: Vec<&Value> = manifest["thoughts"].as_object().unwrap().values().collect();
    let sum = |key: &str| counted.iter().map(|model| model[key].as_u64().unwrap()).sum::<u64>();
    let candidates: Vec<Value> = serde_json::from_str(
        &bench.transcript(&["inspect", "small/gra/seed-42", "--json"]).replace("\nexit code 0", ""),
    )
    .unwrap();
    let answered = candidates.iter().filter(|candidate| !candidate["response"].is_null()).count();
    assert_eq!(sum("calls_with_thought"), answered as u64, "{manifest}");
    assert!(sum("thought_tokens") > 30 * answered as u64, "{manifest}");
    assert!(
        text("small/seed-42.md").contains("thoughts are no part of samples"),
        "the table says so"
    );
    // The trail keeps them.
    let sample =
        candidates.iter().find(|candidate| candidate["outcome"]["outcome"] == "accepted").unwrap();
    let id = sample["id"].as_str().unwrap();
    let trail = bench.transcript(&["inspect", "small/gra/seed-42", id]);
    assert!(trail.contains("of them thought)") && trail.contains(THOUGHT), "{trail}");
    // A replay counts the same.
    assert!(bench.run(&run).status.success());
    assert_eq!(published(&bench.path("results")), files);
}

#[test]
fn a_thought_that_never_ends_is_malformed_with_its_reason() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let endless = |asked: &Value| {
        let mut body = completion(asked);
        if asked.get("grammar").is_none() {
            body["choices"][0] = json!({"message": {"content": format!("<think>\n{THOUGHT}")}, "finish_reason": "length"});
        }
        body
    };
    serve_pool(&bench, &serve_saying(endless));
    // Every response is malformed, which would stop the run.
    bench.edit("experiment.toml", "chunk = 4", "chunk = 4\nallow_malformed_stages = true");
    let run = ["run", "experiment.toml", "--models", &models, "-q"];
    assert!(bench.run(&run).status.success());
    let said = bench.transcript(&["inspect", "small/gra/seed-42", "r1-00000"]);
    assert!(said.contains("malformed: response, seat 0, attempt 2: unfinished-thought"), "{said}");
}

#[test]
fn a_pool_says_what_its_templates_are_told_and_how_much_a_model_may_think() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let plan = || bench.transcript(&["plan", "experiment.toml"]);
    let before = plan();
    bench.write("pool.toml", &pool.replacen("[[model]]\n", "[[model]]\nthought_tokens = 512\n", 1));
    assert_ne!(plan(), before, "a thought's room is planned for");
    let cases = [
        ("template = { messages = [] }", "model.0.template.messages: is given to every template"),
        ("template = { mode = { deep = true } }", "model.0.template.mode: must be true, false"),
        ("thought_tokens = -1", "thought_tokens"),
    ];
    for (line, expected) in cases {
        bench.write("pool.toml", &pool.replacen("[[model]]\n", &format!("[[model]]\n{line}\n"), 1));
        let said = bench.transcript(&["doctor", "--pool", "pool.toml", "--models", &models]);
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.ends_with("exit code 0"), "{said}");
    }
}
