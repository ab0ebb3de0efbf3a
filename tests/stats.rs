//! `stats`: data sets side by side, on llama.cpp with the real demonstration pool.

use crate::real_model::{encoder, models};
use crate::workbench::{Workbench, published};

const RECORDS: &str = r#"[
  {"instruction": "Name the colours of the flag.", "input": "France", "output": "Blue, white and red."},
  {"instruction": "Say hello.", "input": "", "output": "Hello there, and a very good morning to you."},
  {"instruction": "Say hello.", "input": "", "output": ""},
  {"instruction": "What is two and two?", "input": "", "output": "Four."}
]"#;

#[test]
fn difficulty_and_a_judge_on_the_real_model() {
    let Some(models) = models() else { return };
    let bench = Workbench::new("", "rounds = 1");
    bench.write("records.json", RECORDS);
    let prompts = crate::workbench::repository().join("experiments/prompts").display().to_string();
    let measure = |extra: &[&str]| {
        let mut arguments = vec!["stats", "records.json", "--models", &models, "--threads", "1"];
        arguments.extend(["--pool", "pool.toml", "--prompts", &prompts]);
        arguments.extend(["--ifd", "smollm2-q4_0", "--judge", "smollm2-q4_1", "--json"]);
        arguments.extend(extra);
        bench.run(&arguments)
    };
    let first = measure(&[]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    let table: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    let value = |group: &str, measure: &str| table["records"][group][measure]["value"].as_f64();
    for formula in ["loss-ratio", "perplexity-ratio"] {
        let mean = value("ifd", &format!("{formula}, mean over all")).unwrap();
        assert!((0.1..2.0).contains(&mean), "{formula} {mean}");
    }
    assert_eq!(value("ifd", "samples without a loss"), Some(1.0), "one response is empty");
    assert_eq!(table["records"]["ifd"]["loss-ratio, mean over all"]["n"], 3);
    let judged = value("quality", "judge's score, mean").unwrap();
    assert!((0.0..=10.0).contains(&judged), "{judged}");
    assert!(said.contains("3/3 paid"), "{said}");

    // Once more: the store knows all of it, and the files have the same bytes.
    let files = published(&bench.path("results"));
    assert!(files.keys().any(|name| name == "stats/records.parquet"), "{:?}", files.keys());
    let again = measure(&["-v"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("0/0 paid, 3 from the store"), "{said}");
    assert_eq!((again.stdout, published(&bench.path("results"))), (first.stdout, files));
}

#[test]
fn a_trial_beside_its_seeds() {
    let Some(models) = models() else { return };
    let bench =
        Workbench::new("[[variant]]\nname = \"free\"\nreviewers = \"none\"\n", "rounds = 1");
    let run = bench.run(&["run", "experiment.toml", "--models", &models, "-q"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let prompts = crate::workbench::repository().join("experiments/prompts").display().to_string();
    let mut arguments = vec!["stats", "seeds=seeds.jsonl", "free=small/free/seed-42", "--json"];
    arguments.extend(["--models", &models, "--pool", "pool.toml", "--prompts", &prompts]);
    arguments.extend(["--threads", "1", "--judge", "smollm2-q4_1", "--map", "--out", "out"]);
    let output = bench.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let free = &table["free"];
    let samples = free["diversity"]["samples compared"]["n"].as_u64().unwrap();
    assert_eq!(samples, 3, "the experiment's target: {free}");
    let vendi = free["diversity"]["Vendi score"]["value"].as_f64().unwrap();
    assert!((1.0..=3.0 + 1e-9).contains(&vendi), "{vendi} of {samples}");
    assert_eq!(
        table["seeds"]["diversity"]["precision against the reference"]["value"].as_f64(),
        None
    );
    assert!(free["committee"].get("mean: ICC(1,1)").is_none(), "nobody reviewed: {free}");

    // Every candidate with a response is judged; three of each set are too few for a map.
    let judged = std::fs::read_to_string(bench.path("out/free.judge.csv")).unwrap();
    assert!(judged.starts_with("id,score\nr1-0000"), "{judged}");
    let why = free["map"]["points"]["absent"].as_str().unwrap();
    assert!(why.contains("a map of 6 points shows chance alone"), "{free}");
    assert!(!bench.path("out/map.csv").exists());
}

/// Records whose instructions are longer than the encoder reads at once, and differ at their ends.
fn long_records() -> String {
    let rule = |n: u32| format!("Rule {n}: keep shelf {n} free of dust.");
    let rules = (0..40).map(rule).collect::<Vec<_>>().join(" ");
    let record = |task: &str| serde_json::json!({ "instruction": format!("{rules} {task}"), "output": "Done." });
    let tasks = ["Now write a poem about the sea.", "Now compute 17 times 23."];
    let short = serde_json::json!({ "instruction": "Name a metal.", "output": "Iron." });
    serde_json::json!([record(tasks[0]), record(tasks[1]), short]).to_string()
}

#[test]
fn a_map_that_cannot_be_drawn_costs_no_table() {
    let Some(models) = encoder() else { return };
    let bench = Workbench::new("", "rounds = 1");
    bench.write("records.json", RECORDS);
    bench.write("long.json", &long_records());
    bench.write("one.json", r#"[{"instruction": "Say hello.", "output": "Hello."}]"#);
    let copies = vec![serde_json::json!({ "instruction": "Say hello.", "output": "Hello." }); 9];
    bench.write("copies.json", &serde_json::json!(copies).to_string());
    let measure = |extra: &[&str]| {
        let mut arguments = vec!["stats", "--models", &models, "--threads", "1", "--map"];
        arguments.extend(["--pool", "pool.toml", "--out", "out"]);
        arguments.extend(extra);
        bench.run(&arguments)
    };
    let record = |n: u32| serde_json::json!({ "instruction": format!("Name {n} metals."), "output": "Iron." });
    let fifty: Vec<serde_json::Value> = (0..50).map(record).collect();
    bench.write("fifty.json", &serde_json::json!(fifty).to_string());
    let drawn = measure(&["fifty.json"]);
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    let picture = std::fs::read_to_string(bench.path("out/map.svg")).unwrap();
    assert!(picture.contains("fifty (50 points)") && picture.contains("perplexity"), "{picture}");
    let nine: Vec<String> = (0..9).map(|n| format!("s{n}=records.json")).collect();
    let nine = nine.iter().map(String::as_str).collect();
    for (sources, why) in [
        (nine, "a map shows at most 8 data sets, and these are 9"),
        (vec!["records.json"], "a map of 4 points shows chance alone; it takes at least 50"),
        (vec!["one.json"], "it takes 4 or more, and there are 1"),
        (vec!["long.json"], "it takes 4 or more, and there are 3"),
        (vec!["one.json", "long.json"], "it takes 4 or more, and there are 2"),
        (vec!["copies.json"], "all of them are the same"),
    ] {
        measure(&["fifty.json"]);
        let output = measure(&sources);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("No map was drawn: ") && said.contains(why), "{said}");
        assert!(said.contains("samples measured"), "{said}");
        assert!(!bench.path("out/map.svg").exists(), "the map of other data sets is gone");
        let page = std::fs::read_to_string(bench.path("out/stats.md")).unwrap();
        assert!(page.contains(why) && page.contains("words of instruction"), "{page}");
        let json = measure(&[sources.as_slice(), &["--json"]].concat());
        let table: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        for set in table.as_object().unwrap().values() {
            assert!(set["map"]["points"]["absent"].as_str().unwrap().contains(why), "{table}");
            assert!(set["text"]["words of instruction, mean"]["value"].is_number(), "{table}");
        }
    }
}

#[test]
fn instructions_that_the_encoder_does_not_read_at_once_are_counted() {
    let Some(models) = encoder() else { return };
    let bench = Workbench::new("", "rounds = 1");
    bench.write("long.json", &long_records());
    bench.write("records.json", RECORDS);
    let measure = |extra: &[&str]| {
        let mut arguments = vec!["stats", "records.json", "long.json", "--models", &models];
        arguments.extend(["--threads", "1", "--pool", "pool.toml", "--out", "out"]);
        arguments.extend(extra);
        bench.run(&arguments)
    };
    let output = measure(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("or in letters that it does not know, are instructions of long 2 of 3:"),
        "{said}"
    );
    let table: serde_json::Value = serde_json::from_slice(&measure(&["--json"]).stdout).unwrap();
    let long = |set: &str| {
        table[set]["diversity"]["longer than the encoder reads at once, or in unknown letters"]
            .clone()
    };
    assert_eq!((long("long")["value"].as_f64(), long("long")["n"].as_u64()), (Some(2.0), Some(3)));
    assert_eq!(long("records")["value"].as_f64(), Some(0.0));
    // Their beginnings are the same, and still they are not one text.
    let nearest = &table["long"]["diversity"]["distance to nearest, mean"];
    assert!(nearest["value"].as_f64().unwrap() > 0.01, "{nearest}");
}

#[test]
fn what_cannot_be_measured_is_named() {
    let bench = Workbench::new("", "rounds = 1");
    bench.write("records.json", RECORDS);
    let measure = |sources: &[&str]| {
        let mut arguments = vec!["stats", "--pool", "pool.toml"];
        arguments.extend(sources);
        bench.transcript(&arguments)
    };
    insta::assert_snapshot!(measure(&["records.json", "records.json"]), @"
    error: two data sets are called `records`
    hint: name them: A=SOURCE B=SOURCE
    exit code 3
    ");
    insta::assert_snapshot!(measure(&["../records.json"]), @"
    error: cannot use ../records.json as a seed set: No such file or directory (os error 2)
    hint: check the path: ls -l ../records.json
    exit code 3
    ");
    insta::assert_snapshot!(measure(&["small/gra/seed-42"]), @"
    error: there is no store at results/store.db
    hint: run an experiment first, or name the store with --store
    exit code 1
    ");
    insta::assert_snapshot!(measure(&["records.json", "--judge", "nobody"]), @"
    error: pool `demo` has no model `nobody`
    hint: it has smollm2-q8_0, smollm2-q5_k_m, smollm2-q4_k_m, smollm2-q4_1, smollm2-q4_0, teacher-small, teacher-large; --pool names another
    exit code 3
    ");
    insta::assert_snapshot!(measure(&["a/b=records.json"]), @"
    error: `a/b` cannot name a data set: it also names files
    hint: write NAME=records.json with letters, digits, `-`, `_` and `.`
    exit code 3
    ");
}

const LAYOUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/seeds/layouts");

#[test]
fn what_of_a_file_is_not_measured_is_said() {
    let bench = Workbench::new("", "rounds = 1");
    for name in ["nested-output.json", "openorca.jsonl"] {
        std::fs::copy(format!("{LAYOUTS}/{name}"), bench.path(name)).unwrap();
    }
    let stats = ["stats", "nested-output.json", "orca=openorca.jsonl", "--pool", "pool.toml"];
    let with = |more: &'static str| [&stats[..], &["--no-embeddings", more]].concat();
    let said = bench.transcript(&with("-v"));
    assert!(said.contains("3 of 5 records were skipped: not-text 3 (record 0: "), "{said}");
    assert!(
        said.contains("openorca.jsonl: fields that were not read (records): `id` (2)."),
        "{said}"
    );
    let table = std::fs::read_to_string(bench.path("results/stats/stats.csv")).unwrap();
    assert!(table.contains("data,records skipped,nested-output,3,,,5,\n"), "{table}");
    let page = std::fs::read_to_string(bench.path("results/stats/stats.md")).unwrap();
    assert!(page.contains("nested-output.json: 3 of 5 records were skipped: not-text 3"), "{page}");
    let json: serde_json::Value =
        serde_json::from_slice(&bench.run(&with("--json")).stdout).unwrap();
    assert_eq!(json["nested-output"]["files"]["nested-output.json"]["skipped"][0]["count"], 3);
    assert_eq!(json["orca"]["files"]["openorca.jsonl"]["unread"][0]["name"], "id");
    assert_eq!(json["orca"]["data"]["samples measured"]["value"], 2.0);

    // `compare` says the same of an experiment's files.
    let sources = "[[variant]]\nname = \"gra\"\n[[source]]\nname = \"nested\"\nfrom = \"file\"\npath = \"nested-output.json\"\n\
                   [[source]]\nname = \"seeds\"\nfrom = \"seed-set\"\n";
    let experiment = std::fs::read_to_string(bench.path("experiment.toml")).unwrap();
    bench.write("experiment.toml", &format!("{experiment}{sources}"));
    let compare = ["compare", "experiment.toml", "--sets", "seeds,nested", "--no-embeddings"];
    let said = bench.transcript(&compare);
    assert!(said.contains("nested-output.json: 3 of 5 records were skipped: not-text 3"), "{said}");
    let page = bench.path("results/small/seed-42.compare/compare.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("- nested-output.json: 3 of 5 records were skipped"), "{page}");
}

const BENCHMARKS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/benchmarks/opencompass");

/// A question of the fixture as it is, one with a word changed, and one of our own.
const HOLDING: &str = r#"[
  {"instruction": "A farm's hens lay 16 eggs a day. The farmer eats three for breakfast and bakes a cake with four every day. How many eggs are left to be sold each day?", "output": "Nine eggs."},
  {"instruction": "Solve this sum with care.", "input": "A ferry carries 12 cars on each crossing and makes 6 crossings before noon. How many cars does it carry before noon on one day?", "output": "It carries 6 times 12 cars, which is 72."},
  {"instruction": "Say why leaves are green in the summer and turn red or yellow in the autumn of each year.", "output": "Chlorophyll."}
]"#;

#[test]
fn samples_that_hold_items_of_a_benchmark_are_listed_and_counted() {
    let bench = Workbench::new("", "rounds = 1");
    bench.write("records.json", HOLDING);
    let gsm8k = format!("{BENCHMARKS}/gsm8k");
    let stats = ["stats", "records.json", "--pool", "pool.toml", "--no-embeddings"];
    let with = |more: &[&'static str]| {
        let mut arguments: Vec<String> = stats.iter().map(|&word| word.to_owned()).collect();
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    };
    let mut named = with(&["--benchmarks"]);
    named.push(gsm8k.clone());
    let run = |arguments: &[String]| {
        bench.transcript(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let said = run(&named);
    assert!(said.contains("test: samples with 13 words"), "{said}");
    assert!(said.contains("contamination.csv"), "{said}");
    let read = |name: &str| std::fs::read_to_string(bench.path("results/stats").join(name));
    let list = read("contamination.csv").unwrap();
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    let found: Vec<&[&str]> = rows.iter().skip(1).map(|row| &row[..5]).collect();
    let expected = [
        ["records", "s00000", "test", "0", "13 words"],
        ["records", "s00001", "test", "1", "13 words"],
    ];
    assert_eq!(found, expected, "{list}");
    let table = read("stats.csv").unwrap();
    for row in [
        "contamination,\"test: samples with 13 words of it, share\",records,0.6666666666666666,,,3,",
        "contamination,\"test: items with 13 words in a sample, share\",records,1,,,2,",
    ] {
        assert!(table.contains(row), "{table}");
    }

    // Without benchmarks there is no list, and none of an earlier time.
    let plain = run(&with(&[]));
    assert!(!plain.contains("contamination"), "{plain}");
    assert!(read("contamination.csv").is_err());

    insta::assert_snapshot!(run(&with(&["--benchmarks", "missing.jsonl"])), @"
    error: cannot use missing.jsonl as a benchmark: No such file or directory (os error 2)
    hint: a benchmark is a file of JSON, JSON Lines, CSV or Parquet, or a folder of them
    exit code 3
    ");

    // `compare` reads the benchmarks that its file names, from the file's folder.
    std::fs::create_dir(bench.path("questions")).unwrap();
    std::fs::copy(format!("{gsm8k}/test.jsonl"), bench.path("questions/sums.jsonl")).unwrap();
    let experiment = std::fs::read_to_string(bench.path("experiment.toml")).unwrap();
    let sources = "[[variant]]\nname = \"gra\"\n[[source]]\nname = \"records\"\nfrom = \"file\"\npath = \"records.json\"\n\
                   [compare]\nbenchmarks = [\"questions\"]\n";
    bench.write("experiment.toml", &format!("{experiment}{sources}"));
    let said =
        bench.transcript(&["compare", "experiment.toml", "--sets", "records", "--no-embeddings"]);
    assert!(said.contains("sums: samples with 13 words"), "{said}");
    assert!(bench.path("results/small/seed-42.compare/contamination.csv").is_file());
}
