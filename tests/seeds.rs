//! Loads small files of our own, in the forms in which seed sets are published and in every format.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gra_bench::seeds::{self, Format, Group, LoadOptions, SeedError, SeedSet};

use crate::real_model::models;
use crate::workbench::Workbench;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/seeds");

/// What must be known of a seed set in one of the forms that the paper's are published in.
struct Known {
    name: &'static str,
    format: Format,
    records: usize,
    /// Items with a response.
    answered: usize,
    /// Number of a record that repeats an earlier one, and of that one.
    repeat: Option<(u32, u32)>,
}

/// Texts are ours; fields and faults are those of the sets of Alpaca, `WizardLM` and Condor.
const KNOWN: [Known; 4] = [
    // An empty output is no response; numbers are those of the file.
    Known { name: "alpaca.json", format: Format::Alpaca, records: 6, answered: 5, repeat: None },
    Known {
        name: "union.jsonl.gz",
        format: Format::JsonLines,
        records: 3,
        answered: 2,
        repeat: None,
    },
    // A test set: instructions alone, one of them twice.
    Known {
        name: "testset.jsonl",
        format: Format::JsonLines,
        records: 5,
        answered: 0,
        repeat: Some((4, 1)),
    },
    Known { name: "condor.json", format: Format::Alpaca, records: 3, answered: 1, repeat: None },
];

/// A file that is published beside a seed set and is none.
const TAGS: &str = "tags.json";

fn published(name: &str) -> PathBuf {
    Path::new(FIXTURES).join("published").join(name)
}

#[test]
fn published_forms_load_whole() {
    for known in &KNOWN {
        let set = seeds::load(&published(known.name), &LoadOptions::default()).unwrap();
        let name = known.name;
        assert_eq!(set.format, known.format, "{name}");
        assert_eq!(set.records, known.records, "{name}");
        let repeats: Vec<(u32, String)> =
            set.skipped.iter().map(|s| (s.number, s.reason.to_string())).collect();
        let expected =
            known.repeat.map(|(at, of)| (at, format!("same instruction as record {of}")));
        assert_eq!(repeats, Vec::from_iter(expected), "{name}");
        assert_eq!(set.items.len() + set.skipped.len(), set.records, "{name}");
        let answered = set.items.iter().filter(|item| item.response.is_some()).count();
        assert_eq!(answered, known.answered, "{name}");
        assert!(set.items.iter().all(|item| item.instruction.trim() == item.instruction), "{name}");
    }
}

#[test]
fn every_published_form_is_known() {
    for entry in std::fs::read_dir(published("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == TAGS || KNOWN.iter().any(|known| known.name == name), "{name}");
    }
}

#[test]
fn a_tag_list_is_no_seed_set() {
    let error = seeds::load(&published(TAGS), &LoadOptions::default()).unwrap_err().to_string();
    for part in ["no record has a field `instruction`", "`Art`", "--field instruction=NAME"] {
        assert!(error.contains(part), "{error}");
    }
}

/// A subset keeps its numbers: the first records of a file are another file.
#[test]
fn numbers_are_places_in_the_file() {
    let whole = published("alpaca.json");
    let limited = LoadOptions { limit: Some(4), ..LoadOptions::default() };
    let limited = seeds::load(&whole, &limited).unwrap();
    let text = std::fs::read_to_string(&whole).unwrap();
    let records: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.json");
    std::fs::write(&path, serde_json::to_string(&records[..4]).unwrap()).unwrap();
    let part = seeds::load(&path, &LoadOptions::default()).unwrap();
    assert_eq!(limited.items, part.items);
    assert_eq!(limited.over_limit, 2);
}

#[test]
fn fifty_thousand_records_load_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.jsonl");
    let mut lines = String::new();
    for n in 0..52_000 {
        writeln!(lines, r#"{{"instruction":"Explain step {n} of a long recipe.","output":"{n}"}}"#)
            .unwrap();
    }
    std::fs::write(&path, lines).unwrap();
    let start = Instant::now();
    let set = seeds::load(&path, &LoadOptions::default()).unwrap();
    assert_eq!(set.items.len(), 52_000);
    // Takes about a tenth of a second; the rest is for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

/// What comes of each file of `layouts`: data sets as they are published and as tools write them, and the damage
/// that they come with. Texts are ours, fields are those of Dolly, Alpaca with history, `OpenHermes`, `UltraChat`,
/// LIMA, Tulu, WizardLM, Magpie, `OpenOrca`, GSM8K, `MetaMath`, Aya, `no_robots`, `WildChat` and OASST.
#[test]
fn every_layout_is_read_or_named() {
    let folder = Path::new(FIXTURES).join("layouts");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        writeln!(text, "== {name}").unwrap();
        match seeds::load(&folder.join(&name), &LoadOptions::default()) {
            Err(error) => writeln!(text, "{}", error.to_string().replace(FIXTURES, "")).unwrap(),
            Ok(set) => {
                assert_eq!(set.items.len() + set.skipped.len(), set.records, "{name}");
                writeln!(text, "{}", set.format).unwrap();
                for item in &set.items {
                    let response = item.response.as_deref().unwrap_or("(no response)");
                    writeln!(text, "{} {:?} -> {response:?}", item.number, item.instruction)
                        .unwrap();
                }
                for note in set.account().notes(&name) {
                    writeln!(text, "{note}").unwrap();
                }
            }
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn roles_are_named_by_hand() {
    let path = Path::new(FIXTURES).join("layouts/roles.jsonl");
    let roles = ["Asker=user", "helper=assistant"].map(|text| seeds::role(text).unwrap());
    let options = LoadOptions { roles: roles.into_iter().collect(), ..LoadOptions::default() };
    let set = seeds::load(&path, &options).unwrap();
    assert!(set.skipped.is_empty(), "{:?}", set.skipped);
    let last = set.items.last().unwrap();
    assert_eq!(
        (last.instruction.as_str(), last.response.as_deref()),
        ("Name a rope.", Some("Halyard."))
    );
    for bad in ["asker", "=user", "asker=questioner"] {
        assert!(seeds::role(bad).unwrap_err().to_string().contains("\nhint: "), "{bad}");
    }
}

fn fixture(name: &str, fields: &[&str]) -> Result<SeedSet, SeedError> {
    let mapping = fields.iter().map(|text| seeds::assignment(text).unwrap()).collect();
    seeds::load(&Path::new(FIXTURES).join(name), &LoadOptions { mapping, ..LoadOptions::default() })
}

/// Number and instruction of each item, then the counts of what was skipped or set aside.
fn outline(set: &SeedSet) -> String {
    let mut text = format!("{}\n", set.format);
    for item in &set.items {
        writeln!(text, "{} {}", item.number, item.instruction.replace('\n', "\\n")).unwrap();
    }
    for group in Group::of_skipped(&set.skipped).iter().chain(&Group::of_remarks(&set.remarks)) {
        writeln!(text, "{}: {}", group.name, group.count).unwrap();
    }
    text
}

#[test]
fn fixtures_in_each_format() {
    let load = |name: &str| outline(&fixture(name, &[]).unwrap());
    insta::assert_snapshot!(load("alpaca.json"), @r"
        Alpaca JSON
        0 Give two reasons to keep bees.
        1 Put the words in alphabetical order.\n\npear, apple, plum
        2 Say what a ford is.
        5 Nenne drei Bäume.
        empty-instruction: 1
        repeat: 1
        placeholder: 1
        ");
    insta::assert_snapshot!(load("sharegpt.json"), @"
        ShareGPT conversations
        0 How do I fold a letter in three?
        1 Which season follows summer?
        no-user-turn: 1
        later-turns: 1
        system-prompt: 1
        ");
    insta::assert_snapshot!(load("wizardlm-conversations.json"), @"
        ShareGPT conversations
        0 Design a board game about tides for three players, and state when it ends.
        ");
    insta::assert_snapshot!(load("messages.jsonl"), @"
        ShareGPT conversations
        0 Translate 'good morning' into Danish.
        1 Name a metal that is liquid at room temperature.
        ");
    insta::assert_snapshot!(load("annotated.jsonl"), @"
        JSON Lines
        0 Compute 12 % of 250.
        1 Speak as a lighthouse keeper on a quiet night.
        2 Describe how to peel an onion.
        3 Sort a list of dates.
        annotation-too-many-keywords: 1
        annotation-unknown-domain: 1
        ");
    insta::assert_snapshot!(load("broken-line-7.jsonl"), @"
        JSON Lines
        0 Name a fruit.
        1 Name a tool.
        2 Name a bird.
        3 Name a fish.
        4 Name a tree.
        5 Name a lake.
        7 Name a star.
        broken-json: 1
        ");
    let table = fixture("table.csv", &["instruction=question", "output=answer"]).unwrap();
    insta::assert_snapshot!(outline(&table), @r"
        CSV
        0 Which is heavier, a litre of oil or of water?
        1 Rewrite as one sentence:\nIt rained. We stayed.
        wrong-column-count: 1
        ");
}

#[test]
fn broken_json_names_its_line() {
    let error = fixture("broken-line-7.json", &[]).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(FIXTURES, "fixtures"), @r"
        cannot use fixtures/broken-line-7.json as a seed set: broken JSON on line 7, column 33: control character (\u0000-\u001F) found while parsing a string
        hint: look at it: sed -n 7p fixtures/broken-line-7.json; an array must be whole, but in a .jsonl file, with one record a line, broken lines are skipped and counted
        ");
}

/// What of a seed set is not read is said by the run, beside its table and in the manifest.
#[test]
fn a_run_says_what_it_did_not_read() {
    let Some(models) = models() else { return };
    let bench =
        Workbench::new("[[variant]]\nname = \"free\"\nreviewers = \"none\"\n", "rounds = 1");
    let seeds = std::fs::read_to_string(bench.path("seeds.jsonl")).unwrap();
    let more = "{\"instruction\": [\"x\"]}\n\
                {\"instruction\": \"Name a pear.\", \"source\": \"ours\", \"system\": \"Be brief.\"}\n";
    bench.write("seeds.jsonl", &(seeds + more));
    let output = bench.run(&["run", "experiment.toml", "--models", &models]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let notes = [
        "seeds.jsonl: 1 of 14 records were skipped: not-text 1 (record 12 (line 13): field `instruction` \
         is an array, not text).",
        "seeds.jsonl: of records that were kept: system-prompt 1 (record 13 (line 14): system prompt left \
         out).",
        "seeds.jsonl: fields that were not read (records): `source` (1).",
    ];
    let table = std::fs::read_to_string(bench.path("results/small/seed-42.md")).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for note in notes {
        for text in [&said, &table, &printed] {
            assert!(text.contains(note), "{note}\n{text}");
        }
    }
    let manifest = std::fs::read(bench.path("results/small/free/seed-42/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let set = &manifest["seed_set"];
    assert_eq!(
        (&set["file"], &set["records"], &set["kept"]),
        (&"seeds.jsonl".into(), &14.into(), &13.into())
    );
    assert_eq!(set["skipped"][0]["name"], "not-text");
    assert_eq!(set["remarks"][0]["name"], "system-prompt");
    assert_eq!(set["unread"][0], serde_json::json!({ "name": "source", "records": 1 }));
}
