//! The command line as a user meets it: help, errors, exit codes.

use crate::model_files::gguf::{F32, Gguf};
use crate::workbench::Workbench;

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

#[test]
fn help_of_every_verb() {
    let bench = Workbench::new(GRA, "rounds = 1");
    insta::assert_snapshot!("help", bench.transcript(&["--help"]));
    let verbs = [
        "run",
        "ablation",
        "seed",
        "inspect",
        "plan",
        "doctor",
        "export",
        "rescore",
        "compute",
        "quantize",
        "stats",
        "compare",
        "tables",
        "claims",
        "figures",
        "report",
        "view",
        "init",
        "store",
        "schema",
        "completions",
        "synth",
        "train",
        "eval",
        "reproduce",
    ];
    for verb in verbs {
        insta::assert_snapshot!(format!("help-{verb}"), bench.transcript(&[verb, "--help"]));
    }
}

#[test]
fn completions_and_the_manual_name_every_verb() {
    let bench = Workbench::new(GRA, "rounds = 1");
    let said = |arguments: &[&str]| {
        let output = bench.run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut texts = ["bash", "elvish", "fish", "powershell", "zsh"]
        .map(|shell| said(&["completions", shell]))
        .to_vec();
    texts.push(said(&["man"]).to_lowercase());
    for (place, text) in texts.iter().enumerate() {
        for verb in ["ablation", "compare", "schema", "quantize"] {
            assert!(text.contains(verb), "text {place} lacks {verb}");
        }
    }
    assert!(!texts[5].contains("worker\n"), "the hidden verb");
    assert!(
        texts[5].contains(".th gra-bench 1") && texts[5].contains("130  interrupted"),
        "{}",
        texts[5]
    );
}

#[test]
fn bad_experiments_are_refused_before_anything_runs() {
    let cases: &[(&str, &str, &str)] = &[
        ("unknown-key", "chunk = 4", "chunks = 4"),
        ("unknown-method-key", "tau = 6.0", "threshold = 6.0"),
        ("tau-out-of-range", "tau = 6.0", "tau = 11"),
        ("delta-too-fine", "delta = 1.0", "delta = 1.00001"),
        ("no-candidates", "cap = 6", "cap = 0"),
        (
            "two-variants-of-one-name",
            "name = \"gra\"",
            "name = \"gra\"\n[[variant]]\nname = \"gra\"",
        ),
        ("bad-variant-name", "name = \"gra\"", "name = \"../gra\""),
        ("misplaced-key", "name = \"gra\"", "name = \"gra\"\nrotation = 1"),
        (
            "unknown-reviewer",
            "name = \"gra\"",
            "name = \"gra\"\nreviewers = \"single\"\nreviewer = \"gpt\"",
        ),
        ("committee-too-large", "name = \"gra\"", "name = \"gra\"\ncommittee = 4"),
        ("committee-of-nobody", "name = \"gra\"", "name = \"gra\"\ncommittee = 0"),
        ("missing-seed-set", "seeds.jsonl", "nowhere.jsonl"),
        ("missing-pool", "pool.toml", "nowhere.toml"),
        ("bad-sampling", "temperature = 0.9", "temperature = -1.0"),
        ("no-seeds", "seeds = [42]", "seeds = []"),
        ("unknown-isolation", "threads = 1", "isolation = \"thread\""),
    ];
    for (name, from, to) in cases {
        let bench = Workbench::new(GRA, "rounds = 1");
        bench.edit("experiment.toml", from, to);
        let transcript = bench.transcript(&["run", "experiment.toml"]);
        insta::assert_snapshot!(format!("refused-{name}"), transcript);
        assert!(!bench.path("results").exists(), "{name}: nothing is written");
    }
}

#[test]
fn no_seed_items_are_no_limit() {
    let bench = Workbench::new(GRA, "rounds = 1");
    for verb in [&["run", "experiment.toml"][..], &["synth", "seeds.jsonl"]] {
        let refused = bench.transcript(&[verb, &["--limit", "0"]].concat());
        assert!(refused.contains("invalid value '0' for '--limit <N>'"), "{refused}");
        assert!(refused.ends_with("exit code 2"), "{refused}");
        assert!(!bench.path("results").exists() && !bench.path("data").exists());
    }
}

/// Breaks one thing of an experiment.
type Spoil<'a> = &'a dyn Fn(&Workbench);

#[test]
fn bad_seed_sets_prompts_and_pools_are_named() {
    let seeds = |bench: &Workbench, text: &str| bench.write("seeds.jsonl", text);
    let cases: &[(&str, Spoil<'_>)] = &[
        ("no-seed-records", &|bench| seeds(bench, "")),
        ("one-domain-item", &|bench| {
            seeds(
                bench,
                "{\"instruction\": \"x\", \"domain\": \"QA\", \"summary\": \"x\", \"keywords\": [\"x\"]}\n",
            );
        }),
        ("missing-model-file", &|_| {}),
        ("pool-of-four", &|bench| {
            let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
            let cut = pool.rfind("[[model]]").unwrap();
            bench.write("pool.toml", &pool[..cut]);
        }),
        ("unknown-pool-key", &|bench| bench.edit("pool.toml", "licence", "license")),
        ("missing-prompt", &|bench| {
            std::fs::create_dir(bench.path("prompts")).unwrap();
            let text = std::fs::read_to_string(bench.path("experiment.toml")).unwrap();
            let line = text.lines().find(|line| line.starts_with("prompts")).unwrap().to_owned();
            bench.edit("experiment.toml", &line, "prompts = \"prompts\"");
        }),
    ];
    for (name, spoil) in cases {
        let bench = Workbench::new(GRA, "rounds = 1");
        spoil(&bench);
        let transcript = bench.transcript(&["run", "experiment.toml", "--models", "models"]);
        insta::assert_snapshot!(format!("named-{name}"), transcript);
    }
}

#[test]
fn a_model_that_is_not_the_pinned_one_is_refused() {
    let bench = Workbench::new(GRA, "rounds = 1");
    std::fs::create_dir(bench.path("models")).unwrap();
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let paths = pool.lines().filter_map(|line| line.strip_prefix("path = \""));
    // Whole files of the right kind: the encoder comes first in the pool.
    let kinds = std::iter::once("bert").chain(std::iter::repeat("llama"));
    for (line, architecture) in paths.zip(kinds) {
        let file = bench.path("models").join(line.trim_end_matches('"'));
        let other = Gguf::default().text("general.architecture", architecture);
        other.tensor("a.weight", &[8], F32, 32).write(&file);
    }
    let run = ["run", "experiment.toml", "--models", "models", "-q"];
    let said = bench.transcript(&run);
    assert!(said.contains("is not the pinned one: models/"), "{said}");
    assert!(said.contains("hint: fetch the file again") && said.ends_with("exit code 4"), "{said}");
}

#[test]
fn broken_model_files_end_a_run_with_a_reason() {
    let cases: &[(&str, &[u8])] =
        &[("empty", b""), ("no-gguf", b"not a model"), ("cut", b"GGUF\x03\0\0\0\x01")];
    for (name, bytes) in cases {
        let bench = Workbench::new(GRA, "rounds = 1");
        std::fs::create_dir(bench.path("models")).unwrap();
        let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
        // A pinned file would be refused for its hash.
        let unpinned: Vec<&str> = pool.lines().filter(|line| !line.starts_with("sha256")).collect();
        bench.write("pool.toml", &unpinned.join("\n"));
        for line in pool.lines().filter_map(|line| line.strip_prefix("path = \"")) {
            std::fs::write(bench.path("models").join(line.trim_end_matches('"')), bytes).unwrap();
        }
        let output = bench.run(&["run", "experiment.toml", "--models", "models", "-q"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{name}: {error}");
        assert!(error.contains("gguf") || error.contains("GGUF"), "{name}: {error}");
    }
}

#[test]
fn a_results_folder_that_cannot_be_written_is_named_before_anything_is_paid() {
    let bench = Workbench::new(GRA, "rounds = 1");
    bench.write("file", "");
    let arguments = ["run", "experiment.toml", "--results", "file/results"];
    insta::assert_snapshot!(bench.transcript(&arguments));
}

#[test]
fn looking_at_what_is_not_there() {
    let bench = Workbench::new(GRA, "rounds = 1");
    insta::assert_snapshot!("no-store", bench.transcript(&["inspect", "small/gra/seed-42"]));
    std::fs::create_dir(bench.path("results")).unwrap();
    bench.write("results/store.db", "this is no database, and long enough to be read as one");
    insta::assert_snapshot!("no-database", bench.transcript(&["inspect", "small/gra/seed-42"]));
}

#[test]
#[cfg(unix)]
fn a_worker_by_hand_says_what_it_is() {
    let bench = Workbench::new(GRA, "rounds = 1");
    insta::assert_snapshot!(bench.transcript(&["worker"]));
}

#[test]
fn a_plan_runs_nothing() {
    let bench = Workbench::new(GRA, "rounds = 1");
    insta::assert_snapshot!(bench.transcript(&["plan", "experiment.toml"]));
    assert!(!bench.path("results").exists());
}
