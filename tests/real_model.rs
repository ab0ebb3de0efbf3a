//! Whole runs on llama.cpp with the real demonstration pool.

use std::time::{Duration, Instant};

use crate::workbench::{Workbench, published, repository};

const VARIANTS: &str = "[[variant]]\nname = \"gra\"\n[[variant]]\nname = \"majority-vote\"\n\
                        dispute = \"majority-vote\"\n";

/// The folder of the demonstration pool; `None`, said plainly, where it was not made.
pub(crate) fn models() -> Option<String> {
    let folder = std::env::var_os("GRA_MODELS")
        .map_or_else(|| repository().join(".models"), std::path::PathBuf::from);
    if folder.join("SmolLM2-135M-Instruct.Q4_0.gguf").exists() {
        return Some(folder.display().to_string());
    }
    let required = std::env::var_os("GRA_REQUIRE_MODELS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "no demonstration pool in {}; run scripts/setup and scripts/demo-pool",
        folder.display()
    );
    println!("skipped: no demonstration pool in {}", folder.display());
    None
}

/// The folder of the encoder; `None`, said plainly, where it was not made.
pub(crate) fn encoder() -> Option<String> {
    let folder = std::env::var_os("GRA_MODELS")
        .map_or_else(|| repository().join(".models"), std::path::PathBuf::from);
    if folder.join("all-MiniLM-L6-v2.F32.gguf").exists() {
        return Some(folder.display().to_string());
    }
    let required = std::env::var_os("GRA_REQUIRE_MODELS").is_some_and(|value| value == "1");
    assert!(!required, "no encoder in {}; run scripts/setup", folder.display());
    println!("skipped: no encoder in {}", folder.display());
    None
}

#[test]
fn a_run_on_the_real_model_and_everything_that_can_be_asked_of_it() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    let output = bench.run(&run);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = |n: usize, name: &str| table["rows"][n][name].as_f64().unwrap_or(f64::NAN);
    assert!((row(0, "candidates") - 6.0).abs() < 0.5, "{table}");
    assert!(row(0, "paid_calls") > 6.0 && row(0, "reply_tokens") > 50.0, "{table}");
    assert!(row(1, "calls_shared") > 6.0, "disputes aside, a vote asks what an adjudicator asks");

    // The same command again is answered by the store, and writes the same bytes.
    let files = published(&bench.path("results"));
    let again = bench.run(&run);
    let replayed: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(replayed["rows"][0]["paid_calls"], 0);
    assert_eq!(published(&bench.path("results")), files);

    // Constrained replies read: nothing is malformed for its form. What a form cannot rule out is
    // an empty reply, keywords that say the same twice and those that the prompt itself shows.
    for candidate in inspect(&bench) {
        for reply in candidate["malformed"].as_array().unwrap() {
            let reason = reply["reason"].as_str().unwrap();
            let of_content = ["empty", "prompt-too-long", "repeated-keywords", "copied-example"];
            assert!(of_content.contains(&reason), "{candidate}");
        }
    }
    let trail = bench.transcript(&["inspect", "small/gra/seed-42", "r1-00000"]);
    for part in
        ["drawn", "generator", "keywords", "calls", "raw reply", "<boa>\"domain\"", "exit code 0"]
    {
        assert!(trail.contains(part), "{part} is missing in:\n{trail}");
    }
    let export = bench.transcript(&["export", "small/gra/seed-42", "--out", "data"]);
    assert!(export.contains("samples of small/gra/seed-42"), "{export}");
    assert!(bench.path("data/dataset_info.json").exists());
}

fn inspect(bench: &Workbench) -> Vec<serde_json::Value> {
    let output = bench.run(&["inspect", "small/gra/seed-42", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn kill_9_and_the_same_command_give_the_bytes_of_an_undisturbed_run() {
    let Some(models) = models() else { return };
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let run = |results: &'static str| {
        ["run", "experiment.toml", "--models", &models, "-q", "--results", results]
            .map(str::to_owned)
    };
    let output = bench.run(&run("whole").each_ref().map(String::as_str));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let arguments = run("killed");
    let arguments = arguments.each_ref().map(String::as_str);
    for chunks in [1, 4] {
        let mut child = bench.command(&arguments).spawn().unwrap();
        let began = Instant::now();
        while finished_chunks(&bench) < chunks && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(300), "no chunk was finished");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let output = bench.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(published(&bench.path("killed")), published(&bench.path("whole")));
}

fn finished_chunks(bench: &Workbench) -> i64 {
    let count = || -> rusqlite::Result<i64> {
        // Read-only, so that looking makes no empty file for the run to find.
        let reading = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let store = rusqlite::Connection::open_with_flags(bench.path("killed/store.db"), reading)?;
        store
            .query_row("SELECT count(*) FROM chunk WHERE seconds IS NOT NULL", [], |row| row.get(0))
    };
    // Not there yet, or busy: look again.
    count().unwrap_or(0)
}
