//! The experiment files of this repository, files that stand on others, and comparisons.

use std::path::{Path, PathBuf};

use gra_bench::experiment::{Experiment, Experiments, Overrides};
use gra_bench::store::Store;
use gra_bench::trial::stored::StoredTrial;
use gra_synth::request::Stage;

use crate::real_model::models;
use crate::servers::{serve, serve_pool};
use crate::synthetic::Synthetic;
use crate::workbench::{Workbench, on_one_line, published, repository};

/// The experiment files, by name.
fn files() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository().join("experiments")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_experiment_file_loads_on_every_scale() {
    let scales = ["demonstration", "small", "laptop", "paper"];
    let files = files();
    assert!(files.len() > 10, "{files:?}");
    for file in &files {
        for scale in scales {
            let base = repository().join(format!("experiments/base/{scale}.toml"));
            // The paper's seed sets are not ours to bring along.
            let starter = repository().join("experiments/seeds/starter.jsonl");
            let (seed_set, named) =
                if scale == "paper" { (Some(starter), "paper-starter") } else { (None, scale) };
            let overrides = Overrides { base: Some(base), seed_set, ..Overrides::default() };
            let loaded = Experiment::load(file, Path::new("models"), &overrides);
            let experiment = loaded.unwrap_or_else(|error| panic!("{scale}: {error}"));
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            assert_eq!(experiment.name, format!("{stem}-{named}"), "the file is named after it");
            assert_eq!(experiment.demonstration, scale == "demonstration");
            assert!(!experiment.paper.is_empty(), "{stem} does not say where the paper asks it");
        }
    }
}

#[test]
fn an_experiment_stands_on_its_base() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    std::fs::create_dir(bench.path("base")).unwrap();
    let whole = std::fs::read_to_string(bench.path("experiment.toml")).unwrap();
    let base =
        whole.replace("seeds.jsonl", "../seeds.jsonl").replace("\"pool.toml", "\"../pool.toml");
    bench.write("base/small.toml", &base);
    bench.write(
        "experiment.toml",
        "name = \"own\"\nbase = \"base/small.toml\"\nquestion = \"Mine?\"\n\
         [method]\ntau = 7.5\n[[variant]]\nname = \"other\"\n",
    );
    let load = |overrides: &Overrides| {
        Experiment::load(&bench.path("experiment.toml"), Path::new("models"), overrides).unwrap()
    };
    let own = load(&Overrides::default());
    assert_eq!((own.name.as_str(), own.method.rounds, own.seeds.as_slice()), ("own", 1, &[42][..]));
    assert!((f64::from(own.method.tau) - 7.5).abs() < 1e-9);
    let names: Vec<&str> = own.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!((names.as_slice(), own.seed_set.items.len()), (&["other"][..], 12));

    bench.write("base/large.toml", &base.replace("cap = 6", "cap = 600"));
    let base = Some(bench.path("base/large.toml"));
    let large = load(&Overrides { base, ..Overrides::default() });
    assert_eq!((large.name.as_str(), large.method.cap), ("own-large", 600));
}

#[test]
fn mistakes_in_experiments_are_named_before_anything_runs() {
    let expectation = "[expectation]\n\"it\" = \"table1/qwen2.5-7b/alpacca/gra/avg\"\n";
    let judge = "[compare]\njudge = \"smollm2-q8\"\n";
    let expected = "name = \"expected\"\nscore_reading = \"expected\"\n";
    let sets = "[compare]\nsets = [\"gra\", \"vanila\"]\n[[source]]\nname = \"vanilla\"\nfrom = \"seed-set\"\n";
    let again = "[rescore]\ntau = \"9:7:0.5\"\n";
    let rule = "[rescore]\ndispute = [\"majority\"]\n";
    let cases: &[(&str, &str, &str)] = &[
        ("unknown-variant-key", "name = \"gra\"", "name = \"gra\"\nroless = \"fixed\""),
        ("unknown-roles", "name = \"gra\"", "name = \"gra\"\nroles = \"radnom\""),
        ("base-of-itself", "name = \"small\"", "name = \"small\"\nbase = \"experiment.toml\""),
        ("missing-base", "name = \"small\"", "name = \"small\"\nbase = \"nowhere.toml\""),
        ("expectation", "[[variant]]", &format!("{expectation}[[variant]]")),
        ("compare-judge", "[[variant]]", &format!("{judge}[[variant]]")),
        ("compare-sets", "[[variant]]", &format!("{sets}[[variant]]")),
        ("rescore-range", "[[variant]]", &format!("{again}[[variant]]")),
        ("rescore-rule", "[[variant]]", &format!("{rule}[[variant]]")),
        (
            "missing-source",
            "[[variant]]",
            "[[source]]\nname = \"released\"\nfrom = \"file\"\npath = \"released.json\"\n[[variant]]",
        ),
        ("expected-without-review", "name = \"gra\"", &format!("{expected}reviewers = \"none\"")),
        (
            "expected-without-a-form",
            "[method]",
            &format!("[[variant]]\n{expected}[method]\nconstrained = false"),
        ),
        ("rewrite-of-new-instructions", "name = \"gra\"", "name = \"gra\"\nrewrite = \"shown\""),
        (
            "rewrite-without-responses",
            "name = \"gra\"",
            "name = \"gra\"\ninstructions = \"seed\"\nrewrite = \"shown\"",
        ),
        (
            "teacher-without-a-model",
            "name = \"gra\"",
            "name = \"gra\"\nroles = \"single-model\"\nmodel = \"teacher-huge\"",
        ),
    ];
    for (name, from, to) in cases {
        let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
        bench.edit("experiment.toml", from, to);
        let transcript = bench.transcript(&["run", "experiment.toml"]);
        insta::assert_snapshot!(format!("refused-{name}"), transcript);
        assert!(!bench.path("results").exists(), "{name}: nothing is written");
    }
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let mut members = pool.split("[[model]]");
    let kept: Vec<&str> = members.by_ref().take(5).collect();
    bench.write("pool.toml", &kept.join("[[model]]"));
    insta::assert_snapshot!("refused-pool-of-four", bench.transcript(&["run", "experiment.toml"]));
}

/// Beside the experiment's own prompts a variant with these.
fn reworded(files: &[(&str, &str)]) -> Workbench {
    let variants =
        "[[variant]]\nname = \"gra\"\n[[variant]]\nname = \"reworded\"\nprompts = \"words\"\n";
    let bench = Workbench::new(variants, "rounds = 1\neconomy = false");
    std::fs::create_dir(bench.path("words")).unwrap();
    for (name, text) in files {
        bench.write(&format!("words/{name}"), text);
    }
    bench
}

const OTHER_REVIEW: &str = "Grade it.\n<bos>[8,7,6,8,7,6]<eos><boc>why<eoc>\n=== sample ===\n\
                            {{instruction}}\n{{response}}\n";

#[test]
fn a_variants_prompts_stand_over_the_experiments() {
    let load = |bench: &Workbench| {
        let file = bench.path("experiment.toml");
        Experiment::load(&file, Path::new("models"), &Overrides::default())
    };
    let experiment = load(&reworded(&[("8-response-review.txt", OTHER_REVIEW)])).unwrap();
    let [gra, other] = [0, 1].map(|at| experiment.prompts_of(&experiment.variants[at]));
    assert_eq!(gra.sha256, experiment.prompts.sha256);
    assert_ne!(gra.sha256, other.sha256);
    for stage in Stage::ALL {
        let is_reworded = matches!(stage, Stage::ResponseReview | Stage::ReviewComment);
        assert_eq!(other.set.asks_alike(&gra.set, stage), !is_reworded, "{stage}");
    }
    let cases = [
        ("nothing", &[][..]),
        ("a-slip", &[("8-response-review.txt", OTHER_REVIEW), ("9-adjudicate.txt", OTHER_REVIEW)]),
        ("annotation", &[("2-summary.txt", "Sum up.\n=== sample ===\n{{instruction}}\n")]),
        ("a-place", &[("8-response-review.txt", "Grade it.\n=== sample ===\n{{instruction}}\n")]),
    ];
    for (name, files) in cases {
        let bench = reworded(files);
        let transcript = bench.transcript(&["run", "experiment.toml"]);
        insta::assert_snapshot!(format!("refused-prompts-with-{name}"), transcript);
    }
}

#[test]
fn a_reworded_review_is_asked_of_the_same_candidates() {
    let Some(models) = models() else { return };
    let bench = reworded(&[("8-response-review.txt", OTHER_REVIEW)]);
    serve_pool(&bench, &serve());
    insta::assert_snapshot!("plan-of-two-wordings", bench.transcript(&["plan", "experiment.toml"]));
    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    let output = bench.run(&run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |column: &str| table["rows"][1][column].as_u64().unwrap();
    // What is not reviewed anew is the first variant's call; of 6 candidates each has three reviews at most.
    let reviews = count("calls") - count("calls_shared");
    assert!(count("acceptance_pairs") == 6 && (3..=24).contains(&reviews), "{table}");
    assert!(count("passed_here_only") + count("passed_in_reference_only") <= 6, "{table}");

    let files = published(&bench.path("results"));
    let sha256 = |variant: &str| {
        let manifest = &files[&format!("small/{variant}/seed-42/manifest.json")];
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        manifest["settings"]["prompts_sha256"].to_string()
    };
    assert_ne!(sha256("gra"), sha256("reworded"));
    let seen = |variant: &str| {
        bench.transcript(&["inspect", &format!("small/{variant}/seed-42"), "r1-00000"])
    };
    assert!(seen("reworded").contains("Grade it.") && !seen("gra").contains("Grade it."));
    bench.edit("words/8-response-review.txt", "Grade it.", "Grade this.");
    let refused = bench.transcript(&run);
    let changed = "trial small/reworded/seed-42 is ";
    assert!(refused.contains(changed) && refused.contains("prompts_sha256: was"), "{refused}");
}

#[test]
fn servers_tell_no_expected_scores() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    bench.edit("experiment.toml", "name = \"gra\"", "name = \"gra\"\nscore_reading = \"expected\"");
    serve_pool(&bench, "http://127.0.0.1:9/v1");
    let transcript = bench.transcript(&["plan", "experiment.toml"]);
    insta::assert_snapshot!("refused-expected-from-servers", transcript);
}

#[test]
fn expected_scores_from_the_model_to_the_record() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(
        "[[variant]]\nname = \"gra\"\n\
         [[variant]]\nname = \"expected\"\nscore_reading = \"expected\"\n",
        "rounds = 1\neconomy = false",
    );
    let run = ["run", "experiment.toml", "--models", &models, "-q"];
    let output = bench.run(&run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = published(&bench.path("results"));
    let reviews = |variant: &str| -> Vec<[f64; 6]> {
        let store = Store::open_read_only(&bench.path("results/store.db")).unwrap();
        let id = format!("small/{variant}/seed-42").parse().unwrap();
        let trial = StoredTrial::open(&store, &id).unwrap();
        let candidates = store.candidates(trial.row).unwrap();
        let reviews = candidates.into_iter().flat_map(|candidate| candidate.response_reviews);
        reviews.map(|review| review.scores.values()).collect()
    };
    let whole = |scores: &&[f64; 6]| scores.iter().all(|score| score.fract() == 0.0);
    let (sampled, expected) = (reviews("gra"), reviews("expected"));
    assert!(!sampled.is_empty() && sampled.iter().all(|scores| whole(&scores)), "{sampled:?}");
    assert!(expected.iter().all(|scores| !whole(&scores)), "{expected:?}");
    assert_eq!(sampled.len(), expected.len(), "the same candidates");

    let again = bench.run(&run);
    assert!(String::from_utf8_lossy(&again.stdout).contains("expected"));
    assert!(published(&bench.path("results")) == files, "the same from the store");
}

#[test]
fn compare_needs_a_run() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    insta::assert_snapshot!(
        "compare-before-run",
        bench.transcript(&["compare", "experiment.toml"])
    );
}

#[test]
fn sources_beside_variants_and_seeds_beside_each_other() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(
        "[[variant]]\nname = \"free\"\nreviewers = \"none\"\n\
         [[variant]]\nname = \"one\"\nreviewers = \"none\"\nroles = \"single-model\"\n\
         [[source]]\nname = \"vanilla\"\nfrom = \"seed-set\"\n\
         [[source]]\nname = \"cut\"\nfrom = \"seed-set\"\nsize_of = \"free\"\n\
         [[source]]\nname = \"both\"\nfrom = \"union\"\nof = [\"free\", \"one\"]\n\
         [[source]]\nname = \"first-round\"\nfrom = \"rounds\"\nvariant = \"free\"\nrounds = 1\n\
         [compare]\nmatched = 3\n",
        "rounds = 1",
    );
    let run = ["run", "experiment.toml", "--seeds", "42,43", "--models", &models, "-q"];
    let output = bench.run(&run);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Over run seeds") && said.contains("deviation between"), "{said}");
    let seeds = std::fs::read_to_string(bench.path("results/small/seeds.csv")).unwrap();
    for measure in ["acceptance, seed 42", "acceptance, seed 43", "acceptance, mean of seeds"] {
        assert!(seeds.contains(measure), "{measure}: {seeds}");
    }

    let compare = |json: bool| {
        let mut arguments = vec!["compare", "experiment.toml", "--models", &models, "-q"];
        arguments.extend(json.then_some("--json"));
        let output = bench.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let found: serde_json::Value = serde_json::from_str(&compare(true)).unwrap();
    let samples =
        |name: &str| found["data_sets"][name]["text"]["words of instruction, mean"]["n"].as_u64();
    assert!(samples("vanilla") > samples("cut"), "{found}");
    let words = found["words"].to_string();
    for name in ["one", "vanilla", "cut", "both", "first-round"] {
        assert!(words.contains(&format!("{name} against free: ")), "{name}: {words}");
    }
    // Two variants have drawn the same candidates.
    assert!(words.contains("3 in both)"), "{words}");
    let cost = &found["data_sets"]["free"]["cost"]["calls per accepted sample"]["value"];
    assert!(cost.as_f64().unwrap() >= 3.0, "{found}");

    let files = published(&bench.path("results"));
    assert!(files.contains_key("small/seed-42.compare/compare.md"), "{:?}", files.keys());
    compare(false);
    assert_eq!(published(&bench.path("results")), files, "the same again");
}

/// Two seed sets beside the experiment, in place of its one.
fn seed_sets(bench: &Workbench) {
    let whole = std::fs::read_to_string(bench.path("seeds.jsonl")).unwrap();
    bench.write("tides.jsonl", &whole);
    bench.write("rivers.jsonl", &whole.replace("tides", "rivers"));
    let two = "seed_sets = [\"tides.jsonl\", \"rivers.jsonl\"]";
    bench.edit("experiment.toml", "seed_set = \"seeds.jsonl\"", two);
}

#[test]
fn a_file_of_several_seed_sets_is_an_experiment_for_each() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    seed_sets(&bench);
    let load = |overrides: &Overrides| {
        let path = bench.path("experiment.toml");
        let all = Experiments::load(&path, Path::new("models"), overrides).unwrap();
        let names: Vec<String> = all.each.into_iter().map(|one| one.name).collect();
        (all.name, names.join(" "))
    };
    let of = |name: &str, each: &str| (name.to_owned(), each.to_owned());
    assert_eq!(load(&Overrides::default()), of("small", "small-tides small-rivers"));
    let name = Some("mine".to_owned());
    assert_eq!(
        load(&Overrides { name, ..Overrides::default() }),
        of("mine", "mine-tides mine-rivers")
    );
    // One of them alone is the same experiment.
    let seed_set = Some(bench.path("rivers.jsonl"));
    let one = load(&Overrides { seed_set, ..Overrides::default() });
    assert_eq!(one, of("small-rivers", "small-rivers"));

    // A file that stands on this one replaces its seed sets by one, and the other way round.
    let above = "name = \"above\"\nbase = \"experiment.toml\"\nquestion = \"One?\"\nseed_set = \"tides.jsonl\"\n";
    bench.write("above.toml", above);
    let loaded =
        Experiments::load(&bench.path("above.toml"), Path::new("models"), &Overrides::default());
    assert_eq!(loaded.unwrap().each.len(), 1);

    let plan = bench.transcript(&["plan", "experiment.toml"]);
    for line in ["small-tides: nothing is run", "small-rivers: nothing", "small, all 2 seed sets"] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
}

#[test]
fn seed_sets_that_cannot_be_used_are_named() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    seed_sets(&bench);
    std::fs::remove_file(bench.path("rivers.jsonl")).unwrap();
    let mut said = vec![bench.transcript(&["run", "experiment.toml"])];
    bench.edit(
        "experiment.toml",
        "[method]",
        "[fetch]\n\"rivers.jsonl\" = \"curl RIVERS\"\n[method]",
    );
    said.push(bench.transcript(&["run", "experiment.toml"]));
    bench.edit("experiment.toml", "\"rivers.jsonl\"]", "\"other/tides.json\"]");
    said.push(bench.transcript(&["plan", "experiment.toml"]));
    bench.edit("experiment.toml", "seed_sets = ", "seed_set = \"seeds.jsonl\"\nseed_sets = ");
    bench.edit("experiment.toml", ", \"other/tides.json\"", "");
    said.push(bench.transcript(&["plan", "experiment.toml"]));
    insta::assert_snapshot!("refused-seed-sets", said.join("\n\n"));
    assert!(!bench.path("results").exists(), "nothing is written");

    let paper = bench.transcript(&[
        "plan",
        "experiments/main.toml",
        "--base",
        "experiments/base/paper.toml",
    ]);
    assert!(paper.contains("seeds/condor.jsonl: hf download internlm/Condor-SFT-20K"), "{paper}");
    let laptop = bench.transcript(&[
        "plan",
        "experiments/main.toml",
        "--base",
        "experiments/base/laptop.toml",
    ]);
    assert!(
        laptop.starts_with("Seed set: 201 items of the starter set; the paper's have tens of"),
        "{laptop}"
    );
}

#[test]
fn a_plan_takes_its_variances_from_what_was_recorded() {
    let variants =
        "[[variant]]\nname = \"gra\"\n[[variant]]\nname = \"no-reviewer\"\nreviewers = \"none\"\n";
    let bench = Workbench::new(variants, "rounds = 1");
    bench.edit("experiment.toml", "target = 3\ncap = 6", "target = 120\ncap = 120");
    let plan = || on_one_line(&bench.transcript(&["plan", "experiment.toml"]));
    let assumed = plan();
    let whole = "half of them passed; a judge's scores deviate by 1.5;";
    assert!(assumed.contains(whole), "{assumed}");
    assert!(assumed.contains("of 100 points of acceptance and less are not found"), "{assumed}");

    let texts = |number| (format!("Instruction {number}."), format!("Response {number}."));
    for variant in ["gra", "no-reviewer"] {
        let (experiment, seed, candidates) = ("small", 42, 120);
        let trial = Synthetic { experiment, variant, seed, candidates, finished: true, texts };
        trial.write(&bench.path("results/store.db"));
    }
    let folder = bench.path("results/small/seed-42.compare");
    std::fs::create_dir_all(&folder).unwrap();
    // Scores of 5 and 9 in turn have a deviation of 2.
    let scores = (0..60).map(|n| format!("r1-{n:05},{}\n", 5 + 4 * (n % 2)));
    let file = folder.join("gra.judge.csv");
    std::fs::write(&file, format!("id,score\n{}", scores.collect::<String>())).unwrap();
    let recorded = plan();
    let whole =
        "as in the store's trials; a judge's scores deviate by 2.0, as the last comparison's;";
    assert!(recorded.contains(whole), "{recorded}");
    // A file of a trial that was replaced since names candidates that this one has not.
    std::fs::write(&file, "id,score\nr9-00000,5\n").unwrap();
    assert!(plan().contains("deviate by 1.5;"));
}

#[test]
fn seed_sets_are_run_joined_and_compared() {
    let Some(models) = models() else { return };
    let variants = "[[variant]]\nname = \"free\"\nreviewers = \"none\"\n\
         [[variant]]\nname = \"one\"\nreviewers = \"none\"\nroles = \"single-model\"\n";
    let bench = Workbench::new(variants, "rounds = 1");
    seed_sets(&bench);
    let given = ["plan", "experiment.toml", "--acceptance", "0.25"];
    let plan = on_one_line(&bench.transcript(&given));
    let binds = "`free`: at 25.0% (expected) the target needs 12 candidates, and the cap leaves about 2 samples";
    assert!(plan.contains(binds), "{plan}");
    assert!(
        plan.contains("6 candidates: a round has its 3 samples if at least 50% pass"),
        "{plan}"
    );

    let run = ["run", "experiment.toml", "--models", &models, "-q"];
    let output = bench.run(&run);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Over seed sets"), "{said}");
    let joined = std::fs::read_to_string(bench.path("results/small/seed-sets.csv")).unwrap();
    for row in [
        "by seed set,\"acceptance, seed set tides\",free,",
        "by seed set,\"accepted samples, seed set rivers\",one,3,",
        "over seed sets,\"acceptance, mean of seed sets\",free,",
        "over seed sets,\"acceptance, difference to the first\",one,",
    ] {
        assert!(joined.contains(row), "{row}: {joined}");
    }
    let compare = ["compare", "experiment.toml", "--no-embeddings", "--models", &models, "-q"];
    let output = bench.run(&compare);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = published(&bench.path("results"));
    for file in [
        "small-tides/seed-42.compare/compare.md",
        "small-rivers/seed-42.compare/stats.csv",
        "small/seed-42.compare/seed-sets.md",
    ] {
        assert!(files.contains_key(file), "{file}: {:?}", files.keys());
    }
    let words = "\"words of instruction, mean, difference to the first\",one,";
    let joined = String::from_utf8_lossy(&files["small/seed-42.compare/seed-sets.csv"]);
    assert!(joined.contains(words), "{joined}");

    // One of them alone leaves the table of both, and everything comes out the same again.
    bench.run(&["run", "experiment.toml", "--seed-set", "tides.jsonl", "--models", &models, "-q"]);
    bench.run(&run);
    bench.run(&compare);
    assert_eq!(published(&bench.path("results")), files);
}
