//! Whole runs on servers that cannot answer some of their calls: what is recorded, counted and asked again,
//! and when a run stops.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_model::models;
use crate::servers::{draw, serve, serve_but, serve_pool};
use crate::workbench::{Workbench, published};

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

/// A server that fails on about every twelfth call, in six ways, each time it is asked.
fn poisoned(asked: &Value) -> Option<(u16, String)> {
    let draw = draw(asked);
    if !draw.is_multiple_of(12) {
        return None;
    }
    let error = json!({"error": {"code": 400, "message": "Failed to parse input at pos 0"}});
    let unknown = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "banana"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    Some(match draw / 12 % 6 {
        0 => (500, json!({"error": {"message": "Internal error"}}).to_string()),
        1 => (400, error.to_string()),
        2 => (200, error.to_string()),
        3 => (200, "<!DOCTYPE html><html><body>Bad day</body></html>".to_owned()),
        4 => (200, "{\"choices\": [{]".to_owned()),
        _ => (200, unknown.to_string()),
    })
}

/// The program's `run`, with its results in this folder.
fn run(bench: &Workbench, results: &str, more: &[&str]) -> Output {
    let models = models().unwrap();
    let mut arguments =
        vec!["run", "experiment.toml", "--models", &models, "-q", "--json", "--results", results];
    arguments.extend(more);
    bench.run(&arguments)
}

/// The first row of the table of a run that came to its end.
fn row(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    table["rows"][0].clone()
}

fn count(row: &Value, column: &str) -> u64 {
    let value = &row[column];
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("{column} is {value}"))
}

/// How many replies the store holds as failed.
fn stored_failures(bench: &Workbench, results: &str) -> i64 {
    let store = rusqlite::Connection::open(bench.path(results).join("store.db")).unwrap();
    let failed = "SELECT count(*) FROM completion WHERE finish LIKE '%\"failed\"%'";
    store.query_row(failed, [], |row| row.get(0)).unwrap()
}

#[test]
fn failed_calls_are_counted_everywhere_replayed_for_nothing_and_asked_again_when_wanted() {
    if models().is_none() {
        return;
    }
    let bench = Workbench::new(GRA, "rounds = 2");
    serve_pool(&bench, &serve_but(poisoned));
    let first = row(&run(&bench, "results", &[]));
    let (failed, calls) = (count(&first, "failed"), count(&first, "failed_calls"));
    assert!(failed > 0 && calls >= failed, "{first}");
    let ends = [
        "malformed",
        "failed",
        "repeated_keywords",
        "vetoed",
        "rejected",
        "adjudicated_out",
        "voted_out",
        "duplicates",
        "surplus",
        "accepted",
    ];
    let sum: u64 = ends.iter().map(|end| count(&first, end)).sum();
    assert_eq!(sum, count(&first, "candidates"), "{first}");
    let rate = first["acceptance_rate"].to_string().replace('"', "").parse::<f64>().unwrap();
    let tried = count(&first, "candidates") - failed;
    let passed = count(&first, "accepted") + count(&first, "surplus");
    #[expect(clippy::cast_precision_loss, reason = "some candidates")]
    let expected = passed as f64 / tried as f64;
    assert!((rate - expected).abs() < 1e-12, "{first}");

    // Every place that shows candidates.
    let trial = "results/small/gra/seed-42";
    let candidates = std::fs::read_to_string(bench.path(trial).join("candidates.csv")).unwrap();
    assert!(candidates.contains(",failed,"), "{candidates}");
    let card = std::fs::read_to_string(bench.path(trial).join("README.md")).unwrap();
    assert!(card.contains(&format!("| engine could not answer | {failed} |")), "{card}");
    let table = std::fs::read_to_string(bench.path("results/small/seed-42.md")).unwrap();
    assert!(table.contains("| failed |") && table.contains("--retry-failed"), "{table}");
    let look = ["--results", "results"];
    let list = bench.transcript(&[&["inspect", "small/gra/seed-42"], &look[..]].concat());
    let line = list.lines().find(|line| line.contains(" failed ")).unwrap();
    let id = line.split_whitespace().next().unwrap();
    let trail =
        bench.transcript(&[&["inspect", "small/gra/seed-42", id, "--brief"], &look[..]].concat());
    assert!(trail.contains("\nfailed: "), "{trail}");
    assert!(trail.contains("\n    failed, "), "{trail}");
    let rescored = bench
        .transcript(&[&["rescore", "small/gra/seed-42", "--tau", "6:8:1"], &look[..]].concat());
    assert!(rescored.contains("exit code 0") && rescored.contains("failed"), "{rescored}");
    let report = bench.transcript(&[&["report", "small"], &look[..]].concat());
    assert!(report.contains("exit code 0"), "{report}");
    let page = std::fs::read_to_string(bench.path("results/small/report.html")).unwrap();
    assert!(page.contains("failed calls"), "the report does not count failed calls");

    // Replayed: nothing is paid, nothing changes, though the server would answer now.
    let files = published(&bench.path("results"));
    serve_pool(&bench, &serve());
    let again = row(&run(&bench, "results", &[]));
    assert_eq!(count(&again, "paid_calls"), 0, "{again}");
    let without_report = |mut files: std::collections::BTreeMap<String, Vec<u8>>| {
        files.remove("small/report.html");
        files.retain(|name, _| !name.contains(".rescore."));
        files
    };
    assert_eq!(without_report(published(&bench.path("results"))), without_report(files.clone()));

    // Asked again: the failed calls and what follows from their replies.
    let stored = stored_failures(&bench, "results");
    assert!(stored > 0);
    let retried = row(&run(&bench, "results", &["--retry-failed"]));
    assert!(count(&retried, "paid_calls") >= stored.cast_unsigned(), "{retried}");
    assert_eq!(count(&retried, "failed"), 0, "{retried}");
    // A failed call that the other replies left unasked stays in the store.
    assert!(stored_failures(&bench, "results") < stored, "{retried}");
    // As if nothing had failed: a server's replies do not depend on their batch.
    run(&bench, "healthy", &[]);
    assert_eq!(
        without_report(published(&bench.path("results"))),
        without_report(published(&bench.path("healthy")))
    );
}

#[test]
fn a_run_with_failed_calls_that_was_killed_ends_with_the_same_bytes() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 2");
    serve_pool(&bench, &serve_but(poisoned));
    assert!(count(&row(&run(&bench, "undisturbed", &[])), "failed") > 0);
    for replies in [15, 40] {
        let results = format!("killed-{replies}");
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        serve_pool(
            &bench,
            &serve_but(move |question| {
                counted.fetch_add(1, Ordering::Relaxed);
                poisoned(question)
            }),
        );
        let arguments =
            ["run", "experiment.toml", "--models", &models, "-q", "--results", &results];
        let mut killed = bench.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while asked.load(Ordering::Relaxed) < replies {
            assert!(killed.try_wait().unwrap().is_none(), "the run ended by itself");
            assert!(began.elapsed() < Duration::from_secs(120), "the server was not asked");
            thread::sleep(Duration::from_millis(2));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        row(&run(&bench, &results, &[]));
        assert_eq!(published(&bench.path(&results)), published(&bench.path("undisturbed")));
    }
}

/// A model of the pool that fails on everything stops the run, and is not taken for its calls' failure.
#[test]
fn a_model_that_answers_nothing_stops_the_run_and_nothing_is_stored_as_failed() {
    if models().is_none() {
        return;
    }
    let bench = Workbench::new(GRA, "rounds = 2");
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let broken = serve_but(move |_| {
        let dead = json!({"error": {"message": "the device is lost"}}).to_string();
        (!is_mended.load(Ordering::Relaxed)).then_some((400, dead))
    });
    serve_pool(&bench, &broken);
    // All questions of a step in one chunk of each model.
    bench.edit("experiment.toml", "chunk = 4", "chunk = 64");
    // Every seed item is to be annotated, so that a model is asked more than five times at once.
    let seed = |n: u32| format!("{{\"instruction\": \"Say what thing {n} is for.\"}}");
    let seeds = (0..60).map(seed).collect::<Vec<_>>().join("\n");
    bench.write("seeds.jsonl", &seeds);
    let output = run(&bench, "results", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("model `m0`") && said.contains("the device is lost"), "{said}");
    assert_eq!(stored_failures(&bench, "results"), 0);
    mended.store(true, Ordering::Relaxed);
    let row = row(&run(&bench, "results", &[]));
    assert_eq!(count(&row, "failed_calls"), 0, "{row}");
}

#[test]
fn more_failed_calls_than_max_failed_stop_the_run_with_the_reason() {
    if models().is_none() {
        return;
    }
    let bench = Workbench::new(GRA, "rounds = 2");
    bench.edit("experiment.toml", "chunk = 4", "chunk = 4\nmax_failed = 0");
    serve_pool(&bench, &serve_but(poisoned));
    let output = run(&bench, "results", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in ["calls of stage", "at most 0 may", "of model `m", "hint: ", "--retry-failed"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    // The failure is recorded: the same command stops at the same place and asks nothing.
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    serve_pool(
        &bench,
        &serve_but(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            None
        }),
    );
    let stage = |said: &str| said.split_once("calls of stage").unwrap().1[..12].to_owned();
    let output = run(&bench, "results", &[]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(stage(&String::from_utf8_lossy(&output.stderr)), stage(&said));
    assert!(count(&row(&run(&bench, "results", &["--retry-failed"])), "accepted") > 0);

    bench.edit("experiment.toml", "max_failed = 0", "max_failed = 1.5");
    let output = run(&bench, "results", &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("max_failed must be"), "{said}");

    bench.edit("experiment.toml", "max_failed = 1.5", "limit = 0");
    let output = run(&bench, "results", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("limit must be at least 1"), "{said}");
}

/// Replies in which no stage's tags are.
fn chatty(asked: &Value) -> Option<(u16, String)> {
    let is_keywords = asked["messages"][0]["content"].as_str().unwrap().contains("keyword");
    let reply = json!({"choices": [{"message": {"content": "Sure! Here is what I think."},
        "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 6}});
    is_keywords.then(|| (200, reply.to_string()))
}

#[test]
fn a_stage_whose_replies_are_all_malformed_stops_the_run_with_a_sample() {
    if models().is_none() {
        return;
    }
    let bench = Workbench::new(GRA, "rounds = 1");
    // All items bring their annotation along, so that keywords are the first stage.
    let seeds = std::fs::read_to_string(bench.path("seeds.jsonl")).unwrap();
    let annotated: Vec<&str> = seeds.lines().filter(|line| line.contains("summary")).collect();
    bench.write("seeds.jsonl", &annotated.join("\n"));
    serve_pool(&bench, &serve_but(chatty));
    let output = run(&bench, "results", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in [
        "every reply of stage keywords is malformed, 18 of 18",
        "no-tags (18 times)",
        "\"Sure! Here is what I think.\"",
        "allow_malformed_stages",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(!bench.path("results/small/seed-42.csv").exists(), "a table of zeros");
    bench.edit("experiment.toml", "chunk = 4", "chunk = 4\nallow_malformed_stages = true");
    let row = row(&run(&bench, "results", &[]));
    assert_eq!((count(&row, "malformed"), count(&row, "candidates")), (6, 6), "{row}");
    assert!(Path::new(&bench.path("results/small/seed-42.csv")).exists());
}

#[test]
fn a_trial_without_samples_whose_calls_failed_names_the_way_out() {
    if models().is_none() {
        return;
    }
    let bench = Workbench::new(GRA, "rounds = 1");
    // Every instruction fails, which is fewer calls than stop a run.
    serve_pool(
        &bench,
        &serve_but(|asked| {
            let is_instruction =
                asked["grammar"].as_str().is_some_and(|grammar| grammar.contains("<boi>"));
            let error = json!({"error": {"message": "Failed to parse input"}});
            is_instruction.then(|| (400, error.to_string()))
        }),
    );
    let failed = row(&run(&bench, "results", &[]));
    assert_eq!(count(&failed, "failed"), count(&failed, "candidates"), "{failed}");
    let said = bench.transcript(&["export", "small/gra/seed-42", "--out", "out"]);
    assert!(said.contains("none was accepted (6 failed)"), "{said}");
    assert!(said.contains("--retry-failed with the command that made it"), "{said}");
}
