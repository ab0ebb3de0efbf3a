//! Exit codes are as the help says, for whatever is put in; and nothing is written meanwhile.

use crate::looking_back;
use crate::workbench::{Workbench, repository};

/// An exit code, what the message must say, the arguments, and files to write or edit before.
type Case = (i32, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const RUN: &[&str] = &["run", "experiment.toml"];

/// On an experiment; `FILE:FROM` is edited, `FILE` is written.
const OF_EXPERIMENTS: &[Case] = &[
    (3, "cannot read experiment nowhere.toml", &["run", "nowhere.toml"], &[]),
    (3, "cannot read experiment ..", &["run", ".."], &[]),
    (3, "experiment experiment.toml", RUN, &[("experiment.toml", "name = ")]),
    (3, "experiment experiment.toml", RUN, &[("experiment.toml", "")]),
    (3, "names 7 twice", &["run", "experiment.toml", "--seeds", "7,7"], &[]),
    (3, "no variant `x`", &["run", "experiment.toml", "--variants", "x"], &[]),
    (3, "no variant `x`", &["plan", "experiment.toml", "--variants", "x"], &[]),
    (3, "name `../x`", &["run", "experiment.toml", "--name", "../x"], &[]),
    (3, "name `/tmp/x`", &["run", "experiment.toml", "--name", "/tmp/x"], &[]),
    (3, "name `..`", &["run", "experiment.toml", "--name", ".."], &[]),
    (3, "name `store.db`", &["run", "experiment.toml", "--name", "store.db"], &[]),
    (3, "name `-x`", &["run", "experiment.toml", "--name=-x"], &[]),
    (3, "name `stats`", &["run", "experiment.toml", "--name", "stats"], &[]),
    (3, "name `paper`", RUN, &[("experiment.toml:name = \"small\"", "name = \"paper\"")]),
    (3, "name `..`", RUN, &[("experiment.toml:name = \"small\"", "name = \"..\"")]),
    (3, "variant `a/b`", RUN, &[("experiment.toml:name = \"gra\"", "name = \"a/b\"")]),
    (3, "variant `..`", RUN, &[("experiment.toml:name = \"gra\"", "name = \"..\"")]),
    (
        3,
        "variant `seed-42.csv`",
        RUN,
        &[("experiment.toml:name = \"gra\"", "name = \"seed-42.csv\"")],
    ),
    (
        3,
        "source `../x`",
        RUN,
        &[(
            "experiment.toml:name = \"gra\"",
            "name = \"gra\"\n[[source]]\nname = \"../x\"\nfrom = \"seed-set\"",
        )],
    ),
    (
        3,
        "trial `..`",
        RUN,
        &[(
            "experiment.toml:name = \"gra\"",
            "name = \"gra\"\n[[source]]\nname = \"x\"\nfrom = \"trial\"\ntrial = \"../gra\"",
        )],
    ),
    (3, "cannot read model pool", &["run", "experiment.toml", "--pool", "nowhere.toml"], &[]),
    (3, "model pool", &["run", "experiment.toml", "--pool", "seeds.jsonl"], &[]),
    (3, "nowhere.json", &["run", "experiment.toml", "--seed-set", "nowhere.json"], &[]),
    (3, "seeds.jsonl", RUN, &[("seeds.jsonl", "")]),
    (3, "seeds.jsonl", RUN, &[("seeds.jsonl", "\u{0}\u{1}\u{2}")]),
    (3, "prompt", &["run", "experiment.toml", "--prompts", "nowhere"], &[]),
    (
        3,
        "threads",
        &["run", "experiment.toml", "--models", "models"],
        &[("experiment.toml:threads = 1", "threads = -1")],
    ),
    (3, "no data set `x`", &["compare", "experiment.toml", "--sets", "x"], &[]),
    (2, "no number above 0", &["plan", "experiment.toml", "--tokens-per-second", "0"], &[]),
    (2, "no number above 0", &["plan", "experiment.toml", "--tokens-per-second", "nan"], &[]),
    (2, "no share from 0 to 1", &["plan", "experiment.toml", "--acceptance", "2"], &[]),
    (2, "no score from 0 to 10", &["calibrate", "--tau", "nan"], &[]),
    (3, "three decimal places", &["calibrate", "--tau", "7.12345"], &[]),
    (2, "no score from 0 to 10", &["stats", "seeds.jsonl", "--judge-threshold", "99"], &[]),
    (3, "cannot read experiment nowhere.toml", &["export", "nowhere.toml", "--out", "out"], &[]),
    (3, "there is no such file", &["eval", "nowhere.gguf", "--suite", "smoke"], &[]),
    (2, "unexpected argument", &["run", "experiment.toml", "--limits", "3"], &[]),
    (2, "required", &["run"], &[]),
    (2, "invalid value", &["run", "experiment.toml", "--seeds", "x"], &[]),
    (2, "unrecognized subcommand", &["runs"], &[]),
    (3, "nowhere.toml", &["doctor", "--pool", "nowhere.toml"], &[]),
    (3, "nowhere.json", &["seed", "describe", "nowhere.json"], &[]),
    (3, "no-seeds.json", &["seed", "describe", "no-seeds.json"], &[("no-seeds.json", "[]")]),
    (3, "nowhere.json", &["stats", "nowhere.json"], &[]),
    (3, "empty.json", &["stats", "empty.json"], &[("empty.json", "[]")]),
    (3, "two data sets", &["stats", "seeds.jsonl", "seeds.jsonl"], &[]),
    (3, "cannot name a data set", &["stats", "../x=seeds.jsonl"], &[]),
    (
        3,
        "no data set `x`",
        &["stats", "seeds.jsonl", "--reference", "x", "--pool", "pool.toml"],
        &[],
    ),
    (3, "no model `x`", &["stats", "seeds.jsonl", "--judge", "x", "--no-embeddings"], &[]),
    (3, "no model `x`", &["stats", "seeds.jsonl", "--ifd", "x", "--no-embeddings"], &[]),
    (3, "nowhere.toml", &["stats", "seeds.jsonl", "--pool", "nowhere.toml"], &[]),
    (3, "benchmarks.csv", &["tables"], &[("results/benchmarks.csv", "a,b\n1,2\n")]),
    (3, "benchmarks.csv", &["claims"], &[("results/benchmarks.csv", "a,b\n1,2\n")]),
    (3, "benchmarks.csv", &["figures"], &[("results/benchmarks.csv", "a,b\n1,2\n")]),
    (2, "invalid value", &["tables", "4"], &[]),
    (1, "there is no store", &["inspect", "small/gra/seed-42"], &[]),
    (1, "there is no store", &["store", "check"], &[]),
    (1, "is no file", &["store", "check", "--store", "."], &[]),
    (1, "is no file", &["inspect", "small/gra/seed-42", "--store", "/dev/null"], &[]),
    (1, "is no file", &["report", "small", "--store", "."], &[]),
    (3, "its own smaller copy", &["quantize", "x.gguf", "./x.gguf", "Q2_K"], &[("x.gguf", "")]),
    (1, "there is no store", &["store", "salvage", "new.db"], &[]),
    (1, "is there already", &["init", "."], &[("experiments/ablation.toml", "mine")]),
];

/// On a store with finished trials and one that is not.
const OF_STORES: &[Case] = &[
    (3, "`gra` is no trial", &["inspect", "gra"], &[]),
    (3, "is no trial", &["inspect", "../../seed-42"], &[]),
    (3, "is no trial", &["inspect", "../small/gra/seed-42"], &[]),
    (3, "is no trial", &["rescore", "../x/y/seed-1"], &[]),
    (3, "is no trial", &["export", "x/../seed-1", "--out", "out"], &[]),
    (3, "is no trial", &["compute", "small/gra/seed-x"], &[]),
    (3, "x", &["inspect", "small/gra/seed-42", "x"], &[]),
    (3, "the store holds no", &["inspect", "small/gra/seed-43"], &[]),
    (3, "has no candidate", &["inspect", "small/gra/seed-42", "r9-00000"], &[]),
    (1, "not finished", &["export", "small/half/seed-42", "--out", "out"], &[]),
    (3, "`../x`", &["report", "../x"], &[]),
    (3, "`../x`", &["figures", "../x"], &[]),
    (3, "tau", &["rescore", "small/gra/seed-42", "--tau", "11"], &[]),
    (2, "invalid value", &["rescore", "small/gra/seed-42", "--tau", "x"], &[]),
    (
        3,
        "cells",
        &["rescore", "small/gra/seed-42", "--tau", "0:10:0.01", "--delta", "0:5:0.01"],
        &[],
    ),
    (3, "nowhere.csv", &["rescore", "small/gra/seed-42", "--judge", "nowhere.csv"], &[]),
    (
        3,
        "judge.csv",
        &["rescore", "small/gra/seed-42", "--judge", "judge.csv"],
        &[("judge.csv", "id\nx\n")],
    ),
    (3, "reviewers", &["rescore", "small/gra/seed-42", "--reviewers", "1..9"], &[]),
    (1, "pool.toml is a file, and no folder", &["figures", "--out", "pool.toml"], &[]),
    (1, "is a file, and no folder", &["export", "small/gra/seed-42", "--out", "pool.toml/x"], &[]),
    (
        3,
        "other files of the same names",
        &["export", "small/gra/seed-42", "--out", "mine"],
        &[("mine/README.md", "my own")],
    ),
];

fn check(bench: &Workbench, case: &Case) {
    let (code, said, arguments, files) = case;
    for (file, text) in *files {
        if let Some((file, from)) = file.split_once(':') {
            bench.edit(file, from, text);
        } else {
            std::fs::create_dir_all(bench.path(file).parent().unwrap()).unwrap();
            bench.write(file, text);
        }
    }
    let transcript = bench.transcript(arguments);
    assert!(transcript.ends_with(&format!("exit code {code}")), "{arguments:?}: {transcript}");
    assert!(transcript.contains(said), "{arguments:?}: {transcript}");
}

#[test]
fn bad_input_has_the_exit_code_that_the_help_says() {
    let variants = "[[variant]]\nname = \"gra\"\n";
    for case in OF_EXPERIMENTS {
        let bench = Workbench::new(variants, "rounds = 1");
        check(&bench, case);
        let is_of_results = case.3.iter().any(|(file, _)| file.starts_with("results/"));
        assert!(is_of_results || !bench.path("results").exists(), "{:?}", case.2);
    }
    let bench = looking_back::bench();
    for case in OF_STORES {
        check(&bench, case);
        assert!(
            !bench.path("out").exists() && !bench.path("results/small").exists(),
            "{:?}",
            case.2
        );
    }
}

#[test]
fn one_json_document_for_several_trials() {
    let bench = looking_back::bench();
    let trials = ["compute", "small/gra/seed-42", "small/adjudicated/seed-42", "--json"];
    let several: serde_json::Value = serde_json::from_slice(&bench.run(&trials).stdout).unwrap();
    assert_eq!(several.as_array().map(Vec::len), Some(2), "{several}");
    let one = ["compute", "small/gra/seed-42", "--json"];
    let one: serde_json::Value = serde_json::from_slice(&bench.run(&one).stdout).unwrap();
    assert_eq!(one, several[0]);
}

#[test]
fn the_program_brings_its_experiments() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    // The caller's folder is a clone; this one has no experiments.
    assert!(!bench.path("experiments").exists());
    let plan = bench.transcript(&["plan", "experiments/ablation.toml"]);
    assert!(plan.starts_with("ablation: ") && plan.ends_with("exit code 0"), "{plan}");
    let based = ["plan", "experiments/ifd.toml", "--base", "experiments/base/laptop.toml"];
    assert!(bench.transcript(&based).ends_with("exit code 0"));
    let seeds = bench.transcript(&["seed", "describe", "experiments/seeds/starter.jsonl"]);
    assert!(seeds.ends_with("exit code 0"), "{seeds}");
    let stats = ["stats", "experiments/seeds/starter.jsonl", "--models", "nowhere", "--out", "out"];
    let stats = bench.transcript(&stats);
    assert!(
        stats.contains("diversity is not measured") && stats.ends_with("exit code 0"),
        "{stats}"
    );
    let run = bench.transcript(&["ablation", "--seed", "42", "--models", "nowhere"]);
    assert!(run.contains("the file of model `smollm2-q8_0` is missing"), "{run}");
    assert!(run.contains("experiments/ablation.toml: the file that is built in"), "{run}");
    let pinned = bench.transcript(&["doctor", "--pin", "--models", "nowhere"]);
    assert!(!pinned.contains("No such file"), "{pinned}");

    let init = bench.transcript(&["init", "mine"]);
    assert!(init.ends_with("exit code 0"), "{init}");
    // Where it was cut off, the same command goes on.
    let cut = bench.path("mine/experiments/refine.toml");
    let whole = std::fs::read(&cut).unwrap();
    std::fs::remove_file(&cut).unwrap();
    assert!(bench.transcript(&["init", "mine"]).ends_with("exit code 0"));
    assert_eq!(std::fs::read(&cut).unwrap(), whole);
    std::fs::write(&cut, "mine").unwrap();
    let again = bench.transcript(&["init", "mine"]);
    assert!(again.contains("is there already") && again.ends_with("exit code 1"), "{again}");
    std::fs::write(&cut, whole).unwrap();
    for file in ["ablation.toml", "prompts/9-adjudication.txt", "seeds/starter.jsonl"] {
        let own = std::fs::read(bench.path(&format!("mine/experiments/{file}"))).unwrap();
        assert_eq!(own, std::fs::read(repository().join("experiments").join(file)).unwrap());
    }
    // What is on disk is read, and what is built in stands in for the rest.
    bench.edit("mine/experiments/ablation.toml", "name = \"ablation\"", "name = \"mine\"");
    let mut plan = bench.command(&["plan", "experiments/ablation.toml"]);
    let plan = plan.current_dir(bench.path("mine")).output().unwrap();
    assert!(String::from_utf8_lossy(&plan.stdout).starts_with("mine: "));
    std::fs::remove_dir_all(bench.path("mine/experiments/base")).unwrap();
    let mut plan = bench.command(&["plan", "experiments/ablation.toml"]);
    let plan = plan.current_dir(bench.path("mine")).output().unwrap();
    assert!(String::from_utf8_lossy(&plan.stdout).starts_with("mine: "), "{plan:?}");
}

#[test]
fn a_plan_of_many_variants_comes_to_its_end() {
    let variant = |number: usize| {
        let models =
            ["smollm2-q8_0", "smollm2-q5_k_m", "smollm2-q4_k_m", "smollm2-q4_1", "smollm2-q4_0"];
        let model = models[number % 5];
        let differs = match number % 6 {
            0 => "roles = \"adaptive\"".to_owned(),
            1 => format!("roles = \"single-model\"\nmodel = \"{model}\""),
            2 => format!("roles = \"fixed\"\nrotation = {}", number % 5),
            3 => format!("reviewers = \"single\"\nreviewer = \"{model}\""),
            4 => format!("committee = {}", 1 + number % 3),
            _ => "dispute = \"majority-vote\"".to_owned(),
        };
        format!("[[variant]]\nname = \"v{number}\"\n{differs}\n")
    };
    let variants: String = (0..300).map(variant).collect();
    let bench = Workbench::new(&variants, "rounds = 1");
    bench.edit("experiment.toml", "cap = 6", "cap = 4000");
    let shown = bench.transcript(&["plan", "experiment.toml"]);
    assert!(shown.ends_with("exit code 0"), "{shown}");
    assert!(shown.contains("v299"), "{shown}");
}

#[test]
#[cfg(unix)]
fn a_limit_on_file_sizes_is_told_and_costs_nothing() {
    let bench = looking_back::bench();
    let program = bench.command(&[]).get_program().to_owned();
    let limited = |arguments: &str| {
        let mut shell = std::process::Command::new("sh");
        let script = format!("ulimit -f 1; exec \"$0\" {arguments}");
        shell.current_dir(bench.path(".")).arg("-c").arg(script).arg(&program);
        let output = shell.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let report = limited("report small --out report.html");
    assert_eq!(report.0, Some(1), "{report:?}");
    assert!(report.1.contains("report.html") && report.1.contains("File too large"), "{report:?}");
    assert!(!bench.path("report.html").exists());
    // A store that cannot be written.
    let stats = limited("stats seeds.jsonl --no-embeddings --out out");
    assert_eq!(stats.0, Some(1), "{stats:?}");
    assert!(stats.1.contains("File too large"), "{stats:?}");
}
