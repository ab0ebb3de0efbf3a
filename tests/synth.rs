//! Training data in one command: what is made, kept and refused, and what other verbs do with the folder.

use std::collections::BTreeMap;
use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::real_model::models;
use crate::servers::{completion, draw, serve_pool, serve_saying, serve_until};
use crate::workbench::{Workbench, published};

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

/// A completion with other scores in it, where it is one of a review's.
fn scored(asked: &Value, score: u64) -> Value {
    let mut said = completion(asked);
    let text = said["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let list = text.strip_prefix("<bos>[").and_then(|rest| rest.split_once(']'));
    if let Some((_, rest)) = list.filter(|(list, _)| list.split(',').count() == 6) {
        let list = [score; 6].map(|score| score.to_string()).join(",");
        said["choices"][0]["message"]["content"] = json!(format!("<bos>[{list}]{rest}"));
    }
    said
}

/// Three reviews in four let pass, and one that does not outweighs two others.
fn fair(asked: &Value) -> Value {
    scored(asked, if draw(asked).is_multiple_of(4) { 5 } else { 9 })
}

fn harsh(asked: &Value) -> Value {
    scored(asked, 2)
}

/// Every file of a data folder that the same inputs make the same; the report tells what this machine took.
fn made(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = published(folder);
    let differs = ["store.db", "model-hashes.json", "report.html"];
    files.retain(|name, _| !differs.iter().any(|file| name.contains(file)));
    files
}

fn json_of(bench: &Workbench, arguments: &[&str]) -> Value {
    let output = bench.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_data_set_is_made_kept_and_taken_up_by_other_verbs() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let url = serve_saying(fair);
    let synth = |more: &[&'static str]| {
        let own = ["synth", "seeds.jsonl", "--server", &url, "--out", "data/", "--models", &models];
        [&own[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let run = |arguments: &[String]| {
        bench.transcript(&arguments.iter().map(String::as_str).collect::<Vec<&str>>())
    };
    let said = run(&synth(&["--n", "6"]));
    assert!(said.ends_with("exit code 0"), "{said}");
    for part in [
        "serves small.gguf, asked as llama-server",
        "models take part more than once",
        "6 of 6 samples, from ",
        "\naccepted: r1-",
        "\nrejected: r1-",
        "data/alpaca.json",
        "data/report.html",
        "gra-bench ablation --like data/",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    let samples = std::fs::read(bench.path("data/alpaca.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&samples).unwrap().len(), 6);
    for file in [
        "messages.jsonl",
        "sharegpt.json",
        "samples.parquet",
        "dataset_info.json",
        "README.md",
        "pool.toml",
    ] {
        assert!(bench.path("data").join(file).is_file(), "{file}");
    }

    // The file that was kept is the trial: nothing is asked again, and the bytes are the same.
    let files = made(&bench.path("data"));
    let again = ["run", "data/experiment.toml", "--results", "data/results", "--models", &models];
    let table = json_of(&bench, &[&again[..], &["--json", "-q"]].concat());
    assert_eq!(
        (&table["rows"][0]["paid_calls"], &table["rows"][0]["accepted"]),
        (&json!(0), &json!(6))
    );
    assert!(run(&synth(&["--n", "6"])).ends_with("exit code 0"));
    assert_eq!(made(&bench.path("data")), files);

    for verb in [
        &["inspect", "data", "r1-00000", "--brief"][..],
        &["report", "data/"],
        &["rescore", "data", "--tau", "7:9:1"],
        &["export", "data", "--out", "elsewhere"],
        &["stats", "mine=data", "data/alpaca.json", "--no-embeddings"],
        &["compute", "data"],
        &["plan", "data"],
    ] {
        let said = bench.transcript(verb);
        assert!(said.ends_with("exit code 0"), "{verb:?}: {said}");
    }
    let listed = bench.transcript(&["inspect", "data", "--outcome", "accepted", "--domain", "qa"]);
    assert!(listed.contains(" accepted "), "{listed}");
    let trails = json_of(&bench, &["inspect", "data", "--outcome", "accepted", "--json"]);
    assert_eq!(trails.as_array().unwrap().len(), 6);
    let call = &trails[0]["calls"][0];
    assert!(!call["reply"]["prompt"].as_str().unwrap().is_empty(), "{call}");
    assert!(bench.transcript(&["inspect", "data", "--outcome", "lost"]).ends_with("exit code 2"));

    // What full GRA has asked is not paid again, whoever asks.
    let like = ["ablation", "--like", "data", "--variants", "gra,no-reviewer", "--models", &models];
    let table = json_of(&bench, &[&like[..], &["--json", "-q"]].concat());
    assert_eq!(table["experiment"], "data-ablation");
    assert_eq!(
        (&table["rows"][0]["paid_calls"], &table["rows"][0]["accepted"]),
        (&json!(0), &json!(6))
    );
    let said = bench.transcript(&[&like[..], &["-q"]].concat());
    assert!(
        said.contains("\naccepted: r1-") && said.contains("Next:    gra-bench report"),
        "{said}"
    );
    assert!(bench.path("data/results/data-ablation/seed-42.csv").is_file());

    // Other settings are another data set.
    let kept = std::fs::read_to_string(bench.path("data/experiment.toml")).unwrap();
    for (more, reason) in [
        (&["--n", "8"][..], "method.samples: was 6, is now 8"),
        (&["--n", "8"], "hint: keep both with another --out; --replace puts"),
        (&["--n", "6", "--limit", "11"], "seed_items: was 12, is now 11"),
        (
            &["--n", "6", "--seed", "43"],
            "with run seed 42, and this one is `data` with run seed 43",
        ),
    ] {
        let said = run(&synth(more));
        assert!(said.contains(reason) && said.ends_with("exit code 3"), "{said}");
        assert_eq!(std::fs::read_to_string(bench.path("data/experiment.toml")).unwrap(), kept);
    }
    let said = run(&synth(&["--n", "7", "--replace"]));
    assert!(said.contains("7 of 7 samples"), "{said}");
}

#[test]
fn models_that_accept_nothing_end_it_with_a_message() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let url = serve_saying(harsh);
    let said = bench.transcript(&[
        "synth",
        "seeds.jsonl",
        "--server",
        &url,
        "--n",
        "3",
        "--models",
        &models,
        "-q",
    ]);
    // One round of four times as many candidates as samples, and none after it.
    let reason = "data/gra/seed-42 has no sample to export: of its 12 candidates none was accepted";
    assert!(said.contains(reason) && said.ends_with("exit code 1"), "{said}");
    assert!(said.contains("gra-bench inspect data says why"), "{said}");
    assert!(!bench.path("data/alpaca.json").exists());
    assert!(bench.transcript(&["inspect", "data"]).contains("r1-00011  rejected"));
}

#[test]
fn what_cannot_be_used_is_said_and_leaves_no_folder() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    std::fs::create_dir(bench.path("mine")).unwrap();
    bench.write("mine/notes.txt", "mine");
    for (more, reason, code) in [
        (&["none.jsonl"][..], "none.jsonl", 3),
        (&["seeds.jsonl", "--pool", "none.toml"], "cannot read model pool", 3),
        (
            &["seeds.jsonl", "--server", "http://127.0.0.1:9"],
            "http://127.0.0.1:9/v1 does not say",
            4,
        ),
        (&["seeds.jsonl", "--out", "mine"], "mine holds files and no experiment.toml", 3),
        (&["--n", "0"], "0 is not in 1..", 2),
    ] {
        let said = bench.transcript(&[&["synth", "--models", &models][..], more].concat());
        assert!(said.contains(reason), "{more:?}: {said}");
        assert!(said.ends_with(&format!("exit code {code}")), "{more:?}: {said}");
        assert!(!bench.path("data").exists(), "{more:?}");
    }
    assert_eq!(std::fs::read_dir(bench.path("mine")).unwrap().count(), 1);
}

#[test]
#[cfg(unix)]
fn cut_off_it_goes_on_to_the_same_bytes() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let replies = Arc::new(AtomicI64::new(60));
    let url = serve_until(Arc::clone(&replies), fair);
    serve_pool(&bench, &url);
    let synth = |out| {
        [
            "synth",
            "seeds.jsonl",
            "--pool",
            "pool.toml",
            "--n",
            "4",
            "--name",
            "mine",
            "--out",
            out,
            "--models",
            &models,
            "-q",
        ]
    };
    let mut run = bench.command(&synth("stopped")).stderr(Stdio::piped()).spawn().unwrap();
    while replies.load(Ordering::Relaxed) >= 0 {
        assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let id = run.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", "--", &id]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!bench.path("stopped/alpaca.json").exists());

    replies.store(i64::MAX, Ordering::Relaxed);
    for out in ["stopped", "whole"] {
        let said = bench.transcript(&synth(out));
        assert!(said.contains("4 of 4 samples"), "{said}");
    }
    let files = |folder| {
        let mut files = made(&bench.path(folder));
        // A comment names the folder.
        assert!(files.remove("experiment.toml").is_some());
        files
    };
    assert_eq!(files("stopped"), files("whole"));
}

#[test]
fn rounds_follow_until_there_are_enough_samples() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 9\nsamples = 5");
    serve_pool(&bench, &serve_saying(fair));
    let table = json_of(&bench, &["run", "experiment.toml", "--models", &models, "--json", "-q"]);
    assert_eq!(table["rows"][0]["accepted"], 5, "{table}");
    let candidates = json_of(&bench, &["inspect", "small/gra/seed-42", "--json"]);
    let mut samples = BTreeMap::new();
    for candidate in candidates.as_array().unwrap() {
        let round = candidate["id"].as_str().unwrap().split('-').next().unwrap().to_owned();
        *samples.entry(round).or_insert(0) +=
            i32::from(candidate["outcome"]["outcome"] == "accepted");
    }
    // A round adds three at most, the last one what is missing.
    let last = samples.values().last().copied().unwrap();
    assert!(samples.len() > 1 && last > 0, "{samples:?}");
    assert!(samples.values().all(|&added| added > 0 && added <= 3), "{samples:?}");
}
