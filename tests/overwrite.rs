//! Results of earlier runs are not overwritten by a run with other settings.

use std::path::Path;

use serde_json::Value;

use crate::real_model::models;
use crate::servers::{serve, serve_pool};
use crate::synthetic::Synthetic;
use crate::workbench::{Workbench, published, repository};

const VARIANTS: &str = "[[variant]]\nname = \"gra\"\n\
                        [[variant]]\nname = \"majority-vote\"\ndispute = \"majority-vote\"\n\
                        [[variant]]\nname = \"no-reviewer\"\nreviewers = \"none\"\n";

/// The program's arguments for a run of the bench.
fn run<'a>(models: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run", "experiment.toml", "--models", models, "-q"];
    arguments.extend(more);
    arguments
}

/// Changes one setting of an experiment.
type Change<'a> = (&'a str, &'a dyn Fn(&Workbench), &'a [&'a str]);

#[test]
fn a_run_with_other_settings_overwrites_nothing() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    serve_pool(&bench, &serve());
    let first = bench.transcript(&run(&models, &[]));
    assert!(first.ends_with("exit code 0"), "{first}");
    let before = published(&bench.path("results"));

    let nothing = |_: &Workbench| {};
    let edit = |file: &'static str, from: &'static str, to: &'static str| {
        move |bench: &Workbench| bench.edit(file, from, to)
    };
    let tau = edit("experiment.toml", "tau = 6.0", "tau = 7.0");
    let limits = edit("experiment.toml", "summary = 12", "summary = 13");
    let seeds = edit("seeds.jsonl", "Explain tides", "Explain the tides");
    let pool = edit("pool.toml", "name = \"m3\"", "name = \"another\"");
    let variant = edit("experiment.toml", "name = \"gra\"", "name = \"gra\"\ncommittee = 2");
    let chunk = edit("experiment.toml", "chunk = 4", "chunk = 5");
    let prompts = |bench: &Workbench| {
        let own = bench.path("prompts");
        std::fs::create_dir_all(&own).unwrap();
        for file in std::fs::read_dir(repository().join("experiments/prompts")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), own.join(file.file_name())).unwrap();
        }
        let judge = own.join("9-adjudication.txt");
        let text = std::fs::read_to_string(&judge).unwrap();
        std::fs::write(judge, text + "\nBe strict.\n").unwrap();
    };
    let changes: &[Change<'_>] = &[
        ("seed_items: was 12, is now 10", &nothing, &["--limit", "10"]),
        ("method.tau: was 6.0, is now 7.0", &tau, &[]),
        ("method.limits.summary: was 12, is now 13", &limits, &[]),
        ("seed_set_sha256: was", &seeds, &[]),
        ("models.another: was none", &pool, &[]),
        ("variant.reviewers.committee: was 3, is now 2", &variant, &[]),
        ("chunk: was 4, is now 5", &chunk, &[]),
        ("prompts_sha256: was", &prompts, &["--prompts", "prompts"]),
    ];
    for (key, change, more) in changes {
        let files = ["experiment.toml", "seeds.jsonl", "pool.toml"];
        let saved = files.map(|file| std::fs::read_to_string(bench.path(file)).unwrap());
        change(&bench);
        // Published files are known by their manifests where the store is another.
        for store in [&[][..], &["--store", "other.db"]] {
            let more = [*more, store].concat();
            let said = bench.transcript(&run(&models, &more));
            assert!(said.contains(key), "{key}, {store:?}: {said}");
            assert!(said.contains("--name") && said.contains("--replace"), "{said}");
            assert!(said.contains("trial small/gra/seed-42 is "), "{said}");
            assert!(said.ends_with("exit code 3"), "{said}");
            assert_eq!(published(&bench.path("results")), before, "{key}");
        }
        for (file, text) in files.iter().zip(saved) {
            bench.write(file, &text);
        }
    }
    assert!(bench.transcript(&run(&models, &[])).ends_with("exit code 0"));
    assert_eq!(published(&bench.path("results")), before, "the same settings, the same bytes");

    // Another name keeps both, and --replace one.
    tau(&bench);
    assert!(bench.transcript(&run(&models, &["--name", "strict"])).ends_with("exit code 0"));
    let mut both = published(&bench.path("results"));
    assert!(both.keys().any(|name| name.starts_with("strict/gra/seed-42/")));
    both.retain(|name, _| !name.starts_with("strict/"));
    assert_eq!(both, before);
    assert!(bench.transcript(&run(&models, &["--replace"])).ends_with("exit code 0"));
    let after = published(&bench.path("results"));
    for variant in ["gra", "majority-vote", "no-reviewer"] {
        let manifest = &after[&format!("small/{variant}/seed-42/manifest.json")];
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        assert_eq!(manifest["settings"]["method"]["tau"], 7.0, "{variant}");
    }
    assert_ne!(after["small/seed-42.md"], before["small/seed-42.md"]);
}

#[test]
fn two_runs_with_stores_of_their_own_do_not_publish_over_each_other() {
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    let folder = bench.path("results/small");
    std::fs::create_dir_all(&folder).unwrap();
    // As a run holds it that is under way.
    let held = std::fs::File::open(&folder).unwrap();
    held.try_lock().unwrap();
    let said = bench.transcript(&run("nowhere", &["--store", "other.db"]));
    assert!(said.contains("another gra-bench is writing to results/small"), "{said}");
    assert!(said.ends_with("exit code 1") && said.contains("--name or --results"), "{said}");
    drop(held);
    let said = bench.transcript(&run("nowhere", &["--store", "other.db"]));
    assert!(!said.contains("another gra-bench"), "{said}");
}

#[test]
fn a_run_of_some_variants_keeps_the_table_of_all() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    serve_pool(&bench, &serve());
    assert!(bench.transcript(&run(&models, &[])).ends_with("exit code 0"));
    let before = published(&bench.path("results"));
    let measured = || std::fs::read_to_string(bench.path("results/small/seed-42.measured.csv"));
    let paid = measured().unwrap();
    let some = ["--variants", "gra,no-reviewer"];
    let said = bench.transcript(&run(&models, &some));
    assert!(said.contains("because it also has majority-vote"), "{said}");
    assert_eq!(published(&bench.path("results")), before);
    assert_eq!(measured().unwrap(), paid, "a replay costs nothing, and hides no cost");

    // What a replaced trial no longer bears out is written anew.
    bench.edit("experiment.toml", "tau = 6.0", "tau = 7.0");
    let replace = ["--variants", "gra,no-reviewer", "--replace"];
    let said = bench.transcript(&run(&models, &replace));
    assert!(said.ends_with("exit code 0") && !said.contains("also has"), "{said}");
    let after = measured().unwrap();
    assert!(after.starts_with(&paid), "what the replaced trials took stays: {after}");
    let table = std::fs::read_to_string(bench.path("results/small/seed-42.csv")).unwrap();
    assert!(!table.contains("majority-vote"), "{table}");
}

#[test]
fn a_finished_trial_stays_until_another_attempt_is_finished() {
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    let path = bench.path("results/store.db");
    let texts = |number: u32| (format!("Instruction {number}"), format!("Response {number}"));
    let trial = Synthetic {
        experiment: "small",
        variant: "gra",
        seed: 42,
        candidates: 30,
        finished: true,
        texts,
    };
    let listed = || {
        let text = bench.transcript(&["inspect", "small/gra/seed-42"]);
        text.lines().filter(|line| line.starts_with("r1-")).count()
    };
    trial.write(&path);
    assert_eq!(listed(), 30);
    Synthetic { candidates: 7, finished: false, ..trial }.write(&path);
    assert_eq!(listed(), 30, "an attempt that came to no end is none");
    let exported = bench.transcript(&["export", "small/gra/seed-42", "--out", "data"]);
    assert!(exported.ends_with("exit code 0"), "{exported}");
    Synthetic { candidates: 9, ..trial }.write(&path);
    assert_eq!(listed(), 9);
    let count = |table: &str| -> i64 {
        let db = rusqlite::Connection::open(Path::new(&path)).unwrap();
        let select = format!("SELECT count(*) FROM {table}");
        db.query_row(&select, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("trial"), count("candidate"), count("seed_item")), (1, 9, 200));
}
