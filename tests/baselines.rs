//! What is compared with full GRA, as variants: teachers, the seed set's instructions, roles that learn.

use serde_json::Value;

use crate::real_model::models;
use crate::servers::{serve, serve_pool};
use crate::workbench::{Workbench, published, repository};

const BASELINES: &str = r#"
[[variant]]
name = "gra"
[[variant]]
name = "adaptive"
roles = "adaptive"
[[variant]]
name = "refined"
instructions = "seed"
[[variant]]
name = "answer-only"
instructions = "seed"
roles = "single-model"
model = "teacher-large"
reviewers = "none"
[[variant]]
name = "distilled"
roles = "single-model"
model = "teacher-large"
reviewers = "none"
[[variant]]
name = "large-reviewer"
reviewers = "single"
reviewer = "teacher-large"
"#;

/// A teacher whose file is not there. What is pinned has a fingerprint all the same.
const ABSENT: &str = "[[teacher]]\nname = \"absent\"\nrepo = \"org/absent-GGUF\"\n\
                      file = \"absent.gguf\"\nsize_gb = 47.42\nsha256 = \
                      \"00000000000000000000000000000000000000000000000000000000000000aa\"\n";

fn row<'a>(table: &'a Value, name: &str) -> &'a Value {
    let rows = table["rows"].as_array().unwrap();
    rows.iter().find(|row| row["variant"] == name).unwrap_or_else(|| panic!("{table}"))
}

#[test]
fn every_baseline_is_a_variant() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(BASELINES, "rounds = 2");
    bench.edit("experiment.toml", "wave = 6", "wave = 2");
    serve_pool(&bench, &serve());
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    // Nobody names this one, so nobody looks for it.
    bench.write("pool.toml", &format!("{pool}{ABSENT}"));
    insta::assert_snapshot!("baselines-plan", bench.transcript(&["plan", "experiment.toml"]));

    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    let output = bench.run(&run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |variant: &str, column: &str| row(&table, variant)[column].as_u64().unwrap();
    assert_eq!([count("refined", "candidates"), count("answer-only", "candidates")], [12, 12]);
    assert_eq!(count("answer-only", "accepted"), 12);
    assert!(count("distilled", "accepted") >= 3 && count("adaptive", "accepted") >= 3, "{table}");
    let files = published(&bench.path("results"));
    let again = bench.run(&run);
    let replayed: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(replayed["rows"].as_array().unwrap().iter().all(|row| row["paid_calls"] == 0));
    assert!(published(&bench.path("results")) == files, "other bytes");

    let manifest = |variant: &str| -> Value {
        let name = format!("small/{variant}/seed-42/manifest.json");
        serde_json::from_slice(&files[&name]).unwrap()
    };
    let known = |variant: &str| -> Vec<String> {
        let manifest = manifest(variant);
        manifest["settings"]["models"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(known("answer-only"), ["teacher-large"]);
    assert_eq!(known("refined"), ["m0", "m1", "m2", "m3", "m4"]);

    let says = |arguments: &[&str], parts: &[&str]| {
        let transcript = bench.transcript(arguments);
        for part in parts.iter().chain(&["exit code 0"]) {
            assert!(transcript.contains(part), "{part} is missing in:\n{transcript}");
        }
    };
    let (refined, adaptive) = ("small/refined/seed-42", "small/adaptive/seed-42");
    says(&["inspect", refined, "r0-00000", "--brief"], &["seed item    s00000", "generator    m"]);
    says(&["inspect", refined, "s00005", "--brief"], &["this trial draws no examples"]);
    says(
        &["inspect", adaptive, "r2-00000", "--brief"],
        &["what was known of them", "agreed", "when not"],
    );
    says(&["rescore", refined, "--tau", "6:9:1"], &["exact"]);
    says(&["compute", "small/answer-only/seed-42"], &["response"]);
    says(&["export", refined, "--out", "data"], &["samples of small/refined/seed-42"]);
    let card = std::fs::read_to_string(bench.path("data/README.md")).unwrap();
    assert!(card.contains("The instructions are the seed set's own"), "{card}");
    let prompts = repository().join("experiments/prompts").display().to_string();
    let judged = ["stats", refined, "--no-embeddings", "--judge", "teacher-large"];
    let setting = ["--pool", "pool.toml", "--prompts", &prompts, "--models", &models, "-q"];
    says(&[judged.as_slice(), &setting].concat(), &["judge"]);
}

#[test]
fn a_seed_items_response_is_rewritten_unseen_or_in_view() {
    let Some(models) = models() else { return };
    let variants = "[[variant]]\nname = \"refined\"\ninstructions = \"seed\"\n\
                    [[variant]]\nname = \"rewritten\"\ninstructions = \"seed\"\nrewrite = \"shown\"\n";
    let bench = Workbench::new(variants, "rounds = 1");
    let item =
        |n| format!("{{\"instruction\": \"Explain tide {n}.\", \"output\": \"Old words {n}.\"}}\n");
    bench.write("seeds.jsonl", &[0, 1, 2].map(item).concat());
    serve_pool(&bench, &serve());
    let run = bench.transcript(&["run", "experiment.toml", "--models", &models, "-q"]);
    assert!(run.ends_with("exit code 0"), "{run}");
    let trail = |variant: &str| {
        bench.transcript(&["inspect", &format!("small/{variant}/seed-42"), "r0-00001"])
    };
    assert!(trail("rewritten").contains("Old words 1."), "{}", trail("rewritten"));
    assert!(!trail("refined").contains("Old words"), "{}", trail("refined"));
    let settings = |variant: &str| -> Value {
        let file = bench.path(&format!("results/small/{variant}/seed-42/manifest.json"));
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        manifest["settings"].take()
    };
    let (refined, rewritten) = (settings("refined"), settings("rewritten"));
    assert_eq!(refined["variant"]["rewrite"], Value::Null, "the default is left out");
    assert_eq!(rewritten["variant"]["rewrite"], "shown");
    assert_ne!(refined["prompts_sha256"], rewritten["prompts_sha256"]);
    let card = |variant: &str| {
        let folder = bench.path(&format!("results/small/{variant}/seed-42"));
        std::fs::read_to_string(folder.join("README.md")).unwrap()
    };
    assert!(card("rewritten").contains("with its responses in view"), "{}", card("rewritten"));
    assert!(card("refined").contains("were written anew"), "{}", card("refined"));
}

#[test]
fn a_teacher_that_is_not_there_is_named_before_anything_is_asked() {
    let Some(models) = models() else { return };
    let variants = "[[variant]]\nname = \"gra\"\n[[variant]]\nname = \"judged\"\n\
                    reviewers = \"single\"\nreviewer = \"absent\"\n";
    let bench = Workbench::new(variants, "rounds = 1");
    serve_pool(&bench, &serve());
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    bench.write("pool.toml", &format!("{pool}{ABSENT}"));
    let mut command = bench.command(&["run", "experiment.toml", "--models", &models, "-q"]);
    let output = command.env("HF_HUB_CACHE", bench.path("hub")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the file of model `absent` is missing"), "{error}");
    assert!(error.contains("hint: hf download org/absent-GGUF absent.gguf"), "{error}");
    let inspected = bench.transcript(&["inspect", "small/gra/seed-42"]);
    assert!(inspected.contains("the store holds no"), "{inspected}");

    let mut command = bench.command(&["doctor", "--pool", "pool.toml", "--models", &models]);
    let output = command.env("HF_HUB_CACHE", bench.path("hub")).output().unwrap();
    let doctor = String::from_utf8_lossy(&output.stdout);
    for part in [
        "teachers take 47.4 GB on disk (47.4 GB still to fetch)",
        "teacher `absent`: not all of its files are here",
        "no problems found in what was looked at",
    ] {
        assert!(doctor.contains(part), "{part} is missing in:\n{doctor}");
    }
}

#[test]
fn a_pool_is_pinned_by_what_is_here() {
    let Some(models) = models() else { return };
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let hash = pool.lines().filter(|line| line.starts_with("sha256")).nth(1).unwrap();
    bench.write("pool.toml", &pool.replacen(&format!("{hash}\n"), "", 1));
    let doctor = ["doctor", "--pool", "pool.toml", "--models", &models];
    let said = bench.transcript(&doctor);
    assert!(said.contains(&format!("to pin it: {hash}")), "{said}");
    let said = bench.transcript(&[doctor.as_slice(), &["--pin"]].concat());
    assert!(said.contains(&format!("pinned now: {hash}")), "{said}");
    let pinned = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let mut lines = pinned.lines().filter(|line| !line.starts_with("sha256"));
    assert!(pool.lines().filter(|line| !line.starts_with("sha256")).eq(lines.by_ref()));
    assert!(pool.lines().all(|line| pinned.contains(line)), "{pinned}");
    assert!(!bench.transcript(&doctor).contains("not pinned"));
}
