//! `calibrate`: the calibration set, and a whole calibration on llama.cpp with the real demonstration pool.

use serde_json::json;

use crate::real_model::models;
use crate::servers::{draw, serve, serve_but, serve_pool};
use crate::workbench::{Workbench, published, repository};

/// The calibration set of the repository.
fn starter() -> String {
    repository().join("experiments/calibration/starter.jsonl").display().to_string()
}

fn prompts() -> String {
    repository().join("experiments/prompts").display().to_string()
}

#[test]
fn the_starter_set_has_twenty_items_of_every_kind_in_every_domain() {
    let items = gra_bench::calibration::load(starter().as_ref(), None).unwrap();
    let mut by_domain = std::collections::BTreeMap::new();
    for item in &items {
        *by_domain.entry(item.domain).or_insert(0) += 1;
        let kinds = |texts: &std::collections::BTreeMap<String, String>| {
            texts.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(kinds(&item.instructions), "clear impossible incomplete vague", "{}", item.id);
        let responses = kinds(&item.responses);
        assert_eq!(responses, "absurd good incomplete off-topic subtly-wrong", "{}", item.id);
    }
    assert_eq!(by_domain.len(), 7);
    assert!(by_domain.values().all(|items| *items == 20), "{by_domain:?}");
    let few = gra_bench::calibration::load(starter().as_ref(), Some(2)).unwrap();
    assert_eq!(few.len(), 14);
}

#[test]
fn a_length_gives_nothing_away() {
    // A rater that scored by length alone must stay a coin: mean lengths differ by less than a fifth.
    let items = gra_bench::calibration::load(starter().as_ref(), None).unwrap();
    let mean = |kind: &str| {
        let words = items.iter().map(|item| item.responses[kind].split_whitespace().count());
        words.sum::<usize>() * 100 / items.len()
    };
    let good = mean("good");
    for kind in ["subtly-wrong", "incomplete", "off-topic", "absurd"] {
        let other = mean(kind);
        assert!(other * 5 > good * 4 && other * 5 < good * 6, "{kind}: {other} beside {good}");
    }
}

#[test]
fn a_bad_set_is_named_with_its_line() {
    let bench = Workbench::new("", "rounds = 1");
    let good = r#"{"id": "a", "domain": "Math", "instructions": {"clear": "Add 1 and 2."}, "responses": {"good": "3", "absurd": "A cow."}}"#;
    let cases = [
        ("no-json", "{", 3),
        (
            "no-good",
            r#"{"id": "a", "domain": "Math", "instructions": {"clear": "x"}, "responses": {"absurd": "y"}}"#,
            3,
        ),
        (
            "domain",
            r#"{"id": "a", "domain": "Cooking", "instructions": {"clear": "x"}, "responses": {"good": "y"}}"#,
            3,
        ),
        (
            "empty-text",
            r#"{"id": "a", "domain": "Math", "instructions": {"clear": " "}, "responses": {"good": "y"}}"#,
            3,
        ),
        ("twice", good, 3),
        ("nothing", "", 3),
    ];
    for (name, second, code) in cases {
        let first = if name == "nothing" { "" } else { good };
        bench.write("set.jsonl", &format!("{first}\n{second}\n"));
        let arguments = ["calibrate", "--set", "set.jsonl", "--pool", "pool.toml"];
        let said = bench.transcript(&[&arguments[..], &["--prompts", &prompts()]].concat());
        assert!(said.ends_with(&format!("exit code {code}")), "{name}: {said}");
        let place = if name == "nothing" { "set.jsonl holds no items" } else { "set.jsonl line 2" };
        assert!(said.contains(place), "{name}: {said}");
        assert!(!bench.path("results/store.db").exists(), "{name}: nothing was asked");
    }
}

#[test]
fn a_calibration_on_the_real_model_is_kept_and_warned_of() {
    let Some(models) = models() else { return };
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let (set, prompts) = (starter(), prompts());
    let calibrate = |extra: &[&str]| {
        let mut arguments = vec!["calibrate", "--models", &models, "--threads", "1"];
        arguments.extend(["--pool", "pool.toml", "--prompts", &prompts, "--set", &set]);
        // `--models` is the folder of files; the raters are named by a pool of two.
        arguments.extend(["--raters", "smollm2-q4_0,smollm2-q4_1", "--per-domain", "1"]);
        arguments.extend(extra);
        bench.run(&arguments)
    };
    let first = calibrate(&["--json"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(found["items"], 7);
    let raters: Vec<&str> =
        found["raters"].as_array().unwrap().iter().map(|r| r["rater"].as_str().unwrap()).collect();
    assert_eq!(raters, ["smollm2-q4_0", "smollm2-q4_1", "committee of 2"]);
    let auc =
        found["measures"]["smollm2-q4_0"]["responses"]["AUC, good against all faulty"].clone();
    assert!((0.0..=1.0).contains(&auc["value"].as_f64().unwrap()), "{auc}");
    // One good and four faulty responses to each of seven instructions.
    assert_eq!(auc["n"], 35);

    // Once more: the store knows all of it, and the files have the same bytes.
    let files = published(&bench.path("results"));
    for name in ["calibration.json", "calibration.md", "calibration.png", "reviews.csv"] {
        let path = format!("calibration/demo/{name}");
        assert!(files.contains_key(&path), "{path} of {:?}", files.keys());
    }
    let again = calibrate(&["--json"]);
    assert_eq!((again.stdout, published(&bench.path("results"))), (first.stdout, files));

    // A model of this size cannot review, and a run says so before it starts.
    let run = bench.run(&["run", "experiment.toml", "--models", &models]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(said.contains("reviewer smollm2-q4_0: "), "{said}");
    assert!(said.contains("calibrated on 7 instructions at tau 8"), "{said}");
}

#[test]
fn failed_calls_of_a_calibration_are_told_and_asked_again() {
    let Some(models) = models() else { return };
    let bench = Workbench::new("", "rounds = 1");
    let (set, prompts) = (starter(), prompts());
    let calibrate = |out: &str| {
        let mut arguments = vec!["calibrate", "--models", &models, "--pool", "pool.toml"];
        arguments.extend(["--prompts", &prompts, "--set", &set, "--per-domain", "1"]);
        arguments.extend(["--raters", "m0", "--results", out, "-q"]);
        bench.transcript(&arguments).replace(out, "results")
    };
    serve_pool(&bench, &serve());
    let healthy = calibrate("healthy");
    let poisoned = serve_but(|asked| {
        let error = json!({"error": {"message": "Failed to parse input"}});
        draw(asked).is_multiple_of(10).then(|| (400, error.to_string()))
    });
    serve_pool(&bench, &poisoned);
    let said = calibrate("poisoned");
    assert!(said.contains("of its calls failed and count as malformed here"), "{said}");
    assert!(said.ends_with("exit code 0"), "{said}");
    serve_pool(&bench, &serve());
    assert_eq!(calibrate("poisoned"), healthy);
}
