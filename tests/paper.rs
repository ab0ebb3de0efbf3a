//! `tables` and `claims`: what the paper prints, beside a user's results, through the command line.

use std::fmt::Write;

use crate::workbench::{Workbench, repository};

const HEADER: &str =
    "base_model,seed_dataset,data_source,iteration,benchmark,score,n,training_seed\n";
const BENCHMARKS: [&str; 10] =
    ["gsm8k", "math", "humaneval", "mbpp", "hellaswag", "arc_c", "gpqa", "bbh", "mmlu", "ifeval"];

fn bench() -> Workbench {
    Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1")
}

/// A results folder with scores of two models: Qwen on Alpaca, seed data and GRA.
fn with_scores(lines: &str) -> Workbench {
    let bench = bench();
    let mut csv = HEADER.to_owned() + lines;
    for (place, benchmark) in BENCHMARKS.iter().enumerate() {
        let score = 40 + place;
        writeln!(csv, "qwen2.5-7b,alpaca,vanilla,,{benchmark},{score},500,0").unwrap();
        writeln!(csv, "qwen2.5-7b,alpaca,gra,5,{benchmark},{}.25,500,0", score + 9).unwrap();
    }
    std::fs::create_dir(bench.path("results")).unwrap();
    bench.write("results/benchmarks.csv", &csv);
    bench
}

fn stdout(bench: &Workbench, arguments: &[&str]) -> String {
    let output = bench.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_results_the_paper_speaks_alone() {
    let bench = bench();
    insta::assert_snapshot!("table-2", bench.transcript(&["tables", "2"]));
    insta::assert_snapshot!(
        "claims-not-measurable",
        bench.transcript(&["claims", "--verdict", "not-measurable"])
    );
    assert!(!bench.path("results").exists(), "nothing is written");
}

#[test]
fn every_format_has_every_table() {
    let bench = with_scores("");
    for (format, each) in
        [("terminal", "Table "), ("md", "## Table "), ("latex", "\\toprule"), ("html", "<table>")]
    {
        let text = stdout(&bench, &["tables", "--format", format]);
        assert!(text.matches(each).count() >= 3, "{format}: {text}");
        assert!(text.contains("here, 5 rounds"), "{format}: {text}");
    }
    let csv = stdout(&bench, &["tables", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 1 + 24 * 11 + 24 + 30 * 11);
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&bench, &["tables", "1", "--json"])).unwrap();
    let cells = json["cells"].as_array().unwrap();
    let path = "table1/qwen2.5-7b/alpaca/gra/avg";
    let cell = cells.iter().find(|cell| cell["path"] == path).unwrap();
    assert_eq!((&cell["printed"], &cell["here"]), (&60.36.into(), &53.75.into()));
    assert_eq!(cell["less_paper"], -6.61);
    let missing = "table1/qwen2.5-7b/condor/gra/avg";
    assert!(cells.iter().find(|cell| cell["path"] == missing).unwrap()["here"].is_null());
}

#[test]
fn claims_are_measured_where_the_results_hold_the_data() {
    let bench = with_scores("");
    std::fs::create_dir_all(bench.path("results/small/gra")).unwrap();
    let compute = "trial,stage,samples,calls,prompt_tokens,reply_tokens,prompt_flop,reply_flop,\
                   times_teacher\n\
                   small/gra/seed-42,rounds,4,50,1,0,15200000000,0,1.25\n";
    bench.write("results/small/gra/seed-42.compute.csv", compute);
    std::fs::create_dir(bench.path("results/small/gra/seed-42")).unwrap();
    let manifest = |demonstration: bool, roles: &str, tau: f64| {
        let zero = "0".repeat(64);
        let manifest = serde_json::json!({
            "gra_bench": "0.1.0", "engine": "b1", "question": "?", "demonstration": demonstration,
            "settings": {
                "experiment": "small",
                "variant": { "name": "gra", "roles": roles, "reviewers": { "committee": 3 }, "dispute": "adjudicator" },
                "method": { "tau": tau }, "sampling": {}, "models": {}, "encoder": zero, "seed_set": "s.json",
                "seed_set_sha256": zero, "seed_items": 9, "prompts_sha256": zero, "chunk": 64,
            },
        });
        bench.write("results/small/gra/seed-42/manifest.json", &manifest.to_string());
        stdout(&bench, &["claims"]).contains("small/gra/seed-42.compute.csv")
    };
    // What the paper says of compute is about none of these.
    assert!(!manifest(true, "random", 8.0), "a demonstration");
    assert!(!manifest(false, "adaptive", 8.0), "another variant");
    assert!(!manifest(false, "random", 6.5), "another threshold");
    assert!(manifest(false, "random", 8.0));
    std::fs::create_dir(bench.path("results/stats")).unwrap();
    let stats = "group,measure,data_set,value,low,high,n,absent\n\
                 judge,\"judge > 8, share of accepted\",gra,0.5,0.4,0.6,80,\n";
    bench.write("results/stats/stats.csv", stats);
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&bench, &["claims", "--json"])).unwrap();
    let claims = json["claims"].as_array().unwrap();
    let here = |id: &str| {
        let claim = claims.iter().find(|claim| claim["id"] == id).unwrap();
        (claim["here"].clone(), claim["here_verdict"].clone())
    };
    assert_eq!(claims.len(), 120);
    // One average of 500 items a benchmark: 60 lies far off the interval.
    assert_eq!(here("P29"), (53.75.into(), "off by 5.77".into()));
    assert_eq!(here("P63"), (50.into(), "contradicted".into()));
    assert_eq!(here("P03"), (1.25.into(), "contradicted".into()));
    assert_eq!(here("A21").0, 12.5);
    // One seed set of three was scored.
    assert!(here("P14").0.is_null());
    assert!(stdout(&bench, &["claims"]).contains("here 50 [40, 60] (contradicted): stats.csv"));
    let p63 = claims.iter().find(|claim| claim["id"] == "P63").unwrap();
    assert!(p63["here_from"].as_str().unwrap().ends_with("in per cent, n 80"), "{p63}");
    assert!(stdout(&bench, &["claims", "--format", "md"]).starts_with("| verdict |"));
    let off = stdout(&bench, &["claims", "--format", "csv", "--verdict", "off"]);
    assert_eq!(off.lines().count(), 1 + 22);
}

#[test]
fn bad_scores_are_named() {
    let bench = with_scores("qwen2.5-7b,alpaca,gra,9,gsm8k,50,500,0\n");
    insta::assert_snapshot!("bad-round", bench.transcript(&["tables"]));
    bench.write("results/benchmarks.csv", "model,score\nqwen,50\n");
    insta::assert_snapshot!("no-column", bench.transcript(&["claims"]));
    insta::assert_snapshot!("no-table", bench.transcript(&["tables", "4"]));
}

#[test]
fn generated_files_are_checked() {
    let bench = bench();
    let missing = bench.transcript(&["tables", "--check"]);
    assert!(missing.contains("hint: gra-bench tables --write"), "{missing}");
    stdout(&bench, &["tables", "--write"]);
    assert_eq!(stdout(&bench, &["tables", "--check"]), "");
    bench.edit("results/paper/generated/tables.md", "60.36", "63.36");
    let drift = bench.transcript(&["tables", "--check"]);
    assert!(drift.contains("tables.md is out of date: line 11 is `"), "{drift}");
    assert!(drift.ends_with("exit code 1"), "{drift}");
}

#[test]
fn the_repository_holds_what_is_generated() {
    let results = repository().join("results");
    let transcript =
        bench().transcript(&["tables", "--check", "--results", results.to_str().unwrap()]);
    assert_eq!(transcript, "\nexit code 0");
}
