//! From data sets to scores, at the command line: what is exported, prepared, imported and refused. Trainers and scorers
//! themselves are tested where they are installed (`harness/downstream`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::synthetic::Synthetic;
use crate::workbench::{Workbench, repository};

/// A finished experiment of a variant, with its seed set and both together as sources.
fn bench() -> Workbench {
    let variants = "[[variant]]\nname = \"gra\"\n\
                    [[source]]\nname = \"vanilla\"\nfrom = \"seed-set\"\n\
                    [[source]]\nname = \"both\"\nfrom = \"union\"\nof = [\"vanilla\", \"gra\"]\n";
    let bench = Workbench::new(variants, "rounds = 1");
    let answered = |n: u32| {
        format!("{{\"instruction\": \"Explain number {n}.\", \"response\": \"It is {n}.\"}}\n")
    };
    bench.write("seeds.jsonl", &(0..12).map(answered).collect::<String>());
    let texts = |n| (format!("Name the number {n}."), format!("Number {n}."));
    let trial = Synthetic {
        experiment: "small",
        variant: "gra",
        seed: 42,
        candidates: 30,
        finished: true,
        texts,
    };
    std::fs::create_dir_all(bench.path("results")).unwrap();
    trial.write(&bench.path("results/store.db"));
    bench
}

fn json(bench: &Workbench, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(bench.path(file)).unwrap()).unwrap()
}

#[test]
fn every_data_set_of_an_experiment_is_a_training_set() {
    let bench = bench();
    let export = |more: &[&str]| {
        bench.transcript(&[&["export", "experiment.toml", "--out", "data"], more].concat())
    };
    let said = export(&[]);
    assert!(said.ends_with("3 data sets of small\nexit code 0"), "{said}");
    let both = json(&bench, "data/small-both-seed-42/manifest.json");
    let count = |set: &str| {
        let alpaca = json(&bench, &format!("data/small-{set}-seed-42/alpaca.json"));
        alpaca.as_array().unwrap().len()
    };
    assert_eq!(count("both"), count("vanilla") + count("gra"));
    assert_eq!(both["subject"]["data_source"], "both");
    assert_eq!(json(&bench, "data/small-gra-seed-42/manifest.json")["subject"]["iteration"], 1);
    let card = std::fs::read_to_string(bench.path("data/small-both-seed-42/README.md")).unwrap();
    let origins = format!("By origin: gra {}, vanilla {}.", count("gra"), count("vanilla"));
    assert!(card.contains(&origins), "{card}");

    // The same again changes nothing; another export takes no place unless it is told to, and then leaves nothing behind.
    assert!(export(&[]).ends_with("exit code 0"));
    let other = ["--format", "messages"];
    let refused = export(&other);
    assert!(
        refused.contains("holds another export") && refused.ends_with("exit code 3"),
        "{refused}"
    );
    let replaced = export(&[&other[..], &["--replace"]].concat());
    assert!(replaced.ends_with("exit code 0"), "{replaced}");
    let folder = bench.path("data/small-gra-seed-42");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["README.md", "dataset_info.json", "manifest.json", "messages.jsonl"]);
    let info = json(&bench, "data/small-gra-seed-42/dataset_info.json");
    assert_eq!(
        info.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["small-gra-seed-42_messages"]
    );

    let unknown = export(&["--sets", "gro"]);
    assert!(
        unknown.contains("has no data set `gro`") && unknown.ends_with("exit code 3"),
        "{unknown}"
    );
    let split =
        ["export", "experiment.toml", "--sets", "vanilla", "--split", "0.25", "--out", "held"];
    bench.transcript(&split);
    let manifest = json(&bench, "held/manifest.json");
    let (train, test) = (&manifest["samples"]["train"], &manifest["samples"]["test"]);
    assert_eq!(train.as_u64().unwrap(), 3 * test.as_u64().unwrap(), "{manifest}");
}

#[test]
fn answers_are_preferences() {
    let bench = bench();
    let kto = bench.transcript(&["export", "small", "--preferences", "kto", "--out", "kto"]);
    assert!(kto.contains("labelled answer") && kto.ends_with("exit code 0"), "{kto}");
    let text = std::fs::read_to_string(bench.path("kto/kto.jsonl")).unwrap();
    let labels: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["label"].clone())
        .collect();
    assert!(labels.contains(&Value::Bool(true)) && labels.contains(&Value::Bool(false)), "{text}");
    // New instructions have one answer each, so there is no pair.
    let dpo = bench.transcript(&["export", "small", "--preferences", "dpo", "--out", "dpo"]);
    assert!(dpo.contains("no instruction with both") && dpo.ends_with("exit code 1"), "{dpo}");
}

#[test]
fn a_training_without_its_trainer_says_how_to_install_it() {
    let bench = bench();
    let train = ["train", "small/gra/seed-42", "--base", "owner/model", "--recipe", "smoke"];
    let said = bench.transcript(&train);
    assert!(said.contains("hint: scripts/engines llamafactory"), "{said}");
    assert!(said.ends_with("exit code 4"), "{said}");

    // For a cluster nothing is needed but the hub's name of the base.
    let emitted = bench.transcript(&[&train[..], &["--emit-only", "--seeds", "0,7"]].concat());
    assert!(emitted.ends_with("exit code 0"), "{emitted}");
    let folder = "results/trained/small-gra-seed-42/model/seed-7";
    for file in ["train.sh", "train.slurm", "train.yaml", "inputs.json", "data/dataset_info.json"] {
        assert!(bench.path(folder).join(file).is_file(), "{file}");
    }
    let subject = json(&bench, &format!("{folder}/subject.json"));
    assert_eq!(
        (&subject["base_model"], &subject["data_source"], &subject["training_seed"]),
        (&"model".into(), &"gra".into(), &7.into())
    );
    // Of a file of others nothing is known but the name that it is given, whatever the file is called.
    std::fs::write(bench.path("alpaca.json"), r#"[{"instruction": "Add.", "output": "Sum."}]"#)
        .unwrap();
    let of_file = [
        "train",
        "mine=alpaca.json",
        "--base",
        "owner/model",
        "--recipe",
        "smoke",
        "--emit-only",
        "--seeds",
        "0",
    ];
    let said = bench.transcript(&of_file);
    assert!(said.ends_with("exit code 0"), "{said}");
    let subject = json(&bench, "results/trained/mine/model/seed-0/subject.json");
    assert_eq!(
        (&subject["seed_dataset"], &subject["data_source"]),
        (&"mine".into(), &"mine".into())
    );

    // What was not trained is not taken back, and another recipe does not take its place.
    let import = bench.transcript(&["train", "import", folder]);
    assert!(import.ends_with("exit code 3"), "{import}");
    let other = ["train", "small/gra/seed-42", "--base", "owner/model", "--emit-only"];
    let refused = bench.transcript(&other);
    assert!(
        refused.contains("holds another training") && refused.ends_with("exit code 3"),
        "{refused}"
    );

    for (arguments, said) in [
        (["--base", "owner/model", "--recipe", "none"], "there is no recipe `none`"),
        (["--base", "nothing.gguf", "--recipe", "smoke"], "nothing.gguf"),
    ] {
        let bad = bench.transcript(&[&train[..2], &arguments].concat());
        assert!(bad.contains(said), "{bad}");
    }
}

/// Scores that OpenCompass and lm-eval wrote elsewhere, recorded by us on items of ours.
fn recorded(engine: &str) -> PathBuf {
    repository().join("harness/downstream/tests/fixtures").join(engine)
}

#[test]
fn scores_of_others_stand_in_the_tables_by_their_protocol() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let import = |path: &Path, subject: &str| {
        let path = path.display().to_string();
        bench.transcript(&["eval", "import", &path, "--as", subject])
    };
    let opencompass = recorded("opencompass-0.4.1");
    let said = import(&opencompass, "smollm2-135m/starter/gra/1");
    assert!(said.ends_with("exit code 0"), "{said}");
    let said = import(&recorded("lm-eval-0.4.13"), "smollm2-135m/starter/gra/1");
    assert!(said.ends_with("exit code 0"), "{said}");
    let again = import(&opencompass, "smollm2-135m/starter/vanilla");
    assert!(again.ends_with("exit code 0"), "{again}");

    let scores = std::fs::read_to_string(bench.path("results/benchmarks.csv")).unwrap();
    for protocol in ["opencompass", "lm-eval"] {
        assert!(scores.contains(&format!(",{protocol}")), "{scores}");
    }
    let table = bench.transcript(&["tables", "1"]);
    for part in [
        "smollm2-135m, starter, lm-eval",
        "smollm2-135m, starter, opencompass",
        "less GRA, round 1",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    // The same answers twice: item by item nothing differs.
    let cells = bench.run(&["tables", "1", "--json"]);
    let cells: Value = serde_json::from_slice(&cells.stdout).unwrap();
    let is_it = |cell: &&Value| {
        let path = cell["path"].as_str().unwrap();
        path.starts_with("here/opencompass") && path.ends_with("vanilla/gsm8k")
    };
    let cell = cells["cells"].as_array().unwrap().iter().find(is_it).unwrap();
    assert_eq!((&cell["less_reference"], &cell["is_paired"]), (&0.into(), &true.into()), "{cell}");

    let nothing = import(&bench.path("seeds.jsonl"), "a/b/c");
    assert!(nothing.ends_with("exit code 3"), "{nothing}");
    let wrong = import(&opencompass, "a/b");
    assert!(wrong.contains("BASE/SEED-SET/SOURCE") && wrong.ends_with("exit code 2"), "{wrong}");
}

#[test]
fn an_evaluation_says_what_it_lacks() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    bench.write("model.gguf", "no model");
    for (arguments, said, code) in [
        (vec!["eval", "model.gguf"], "--suite smoke needs none", 3),
        (vec!["eval", "model.gguf", "--suite", "smoke"], "hint: scripts/engines opencompass", 4),
        (vec!["eval", "model.gguf", "--suite", "large"], "there is no suite `large`", 3),
        (vec!["eval", "nothing", "--suite", "smoke"], "nothing", 3),
    ] {
        let found = bench.transcript(&arguments);
        assert!(found.contains(said), "{arguments:?}: {found}");
        assert!(found.ends_with(&format!("exit code {code}")), "{arguments:?}: {found}");
    }
}

#[test]
fn the_whole_story_is_a_list_of_commands() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let said = bench.transcript(&["reproduce", "--scale", "smoke", "--dry-run"]);
    assert!(said.ends_with("exit code 0"), "{said}");
    let verbs: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("gra-bench ")?.split(' ').next())
        .collect();
    let expected = ["run", "export", "train", "train"];
    assert_eq!(verbs[..4], expected);
    assert_eq!(verbs.iter().filter(|verb| **verb == "eval").count(), 6);
    assert!(said.contains("Training:    4 trainings"), "{said}");
    let unknown = bench.transcript(&["reproduce", "--scale", "huge"]);
    assert!(
        unknown.contains("there are smoke, laptop and paper") && unknown.ends_with("exit code 3")
    );
}
