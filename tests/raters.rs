//! The human check: a trial's sheet for people to rate, filled in here, and read back.

use std::collections::BTreeMap;

use gra_analysis::trial::review_verdict;
use gra_bench::store::Store;
use gra_bench::trial::stored::StoredTrial;
use serde_json::Value;

use crate::synthetic::Synthetic;
use crate::workbench::{Workbench, on_one_line};

const TRIAL: Synthetic = Synthetic {
    experiment: "small",
    variant: "gra",
    seed: 42,
    candidates: 120,
    finished: true,
    texts: |number| {
        (format!("=1+{number}"), format!("Response {number}, \"quoted\",\non two lines; and more."))
    },
};

const EXPORT: [&str; 5] = ["export", "small/gra/seed-42", "--for-raters", "--out", "raters"];

/// The fields of a CSV by the names of its columns.
type Row = BTreeMap<String, String>;

fn bench(trial: Synthetic) -> Workbench {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    trial.write(&bench.path("results/store.db"));
    bench
}

fn read(bench: &Workbench, file: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(bench.path(file)).unwrap();
    let mut csv = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    csv.deserialize().map(|row| row.unwrap()).collect()
}

/// What review said of the candidate in each row, by the key.
fn verdicts(bench: &Workbench) -> BTreeMap<String, bool> {
    let store = Store::open_read_only(&bench.path("results/store.db")).unwrap();
    let trial = StoredTrial::open(&store, &"small/gra/seed-42".parse().unwrap()).unwrap();
    let candidates = store.candidates(trial.row).unwrap();
    let verdict = |row: &Row| {
        let found = candidates.iter().find(|c| c.id.to_string() == row["candidate"]).unwrap();
        (row["row"].clone(), review_verdict(found).unwrap())
    };
    read(bench, "raters/key.csv").iter().map(verdict).collect()
}

/// Rows of `row`, `instruction_ok`, `score` and `accept`, as a person might send them.
fn filled(separator: &str, rows: impl IntoIterator<Item = [String; 4]>) -> String {
    let header = ["row", "instruction_ok", "score", "accept"].map(str::to_owned);
    let lines = std::iter::once(header).chain(rows).map(|row| row.join(separator) + "\r\n");
    lines.collect()
}

fn stats(bench: &Workbench, more: &[&str]) -> String {
    bench.transcript(&[&["stats", "--no-embeddings", "--out", "out"], more].concat())
}

#[test]
fn a_sheet_is_blind_filled_in_and_read_back() {
    let bench = bench(TRIAL);
    insta::assert_snapshot!(bench.transcript(&EXPORT), @"
    raters/key.csv
    raters/how-to-rate.md
    raters/sheet.csv
    50 rows of small/gra/seed-42: 25 of 72 candidates that review let pass, 25 of 33 that it rejected with a response
    Give raters sheet.csv and how-to-rate.md, and keep key.csv to yourself. When copies are filled in:
      gra-bench stats --raters raters/sheet-NAME.csv
    exit code 0
    ");
    let (sheet, verdicts) = (read(&bench, "raters/sheet.csv"), verdicts(&bench));
    assert_eq!((sheet.len(), verdicts.values().filter(|passed| **passed).count()), (50, 25));
    let bytes = std::fs::read_to_string(bench.path("raters/sheet.csv")).unwrap();
    assert!(!bytes.contains("r1-") && !bytes.contains("llama"), "{bytes}");
    assert!(sheet[0]["instruction"].starts_with("'=1+"), "{:?}", sheet[0]);
    assert!(sheet.iter().all(|row| row["accept"].is_empty()));
    let order: Vec<bool> = sheet.iter().map(|row| verdicts[&row["row"]]).collect();
    assert!(!order.is_sorted() && !order.iter().rev().is_sorted(), "{order:?}");
    let numbers: Vec<&str> = sheet.iter().map(|row| row["row"].as_str()).collect();
    assert!(!numbers.is_sorted() && numbers.iter().all(|number| number.len() == 6));

    // The same draw again changes nothing; another one would cost the key, and so would one over a filled sheet.
    assert!(bench.transcript(&EXPORT).ends_with("exit code 0"));
    assert_eq!(std::fs::read_to_string(bench.path("raters/sheet.csv")).unwrap(), bytes);
    let other = bench.transcript(&[&EXPORT[..], &["--seed", "43"]].concat());
    assert!(other.contains("raters/key.csv is there already"), "{other}");
    bench.write("raters/sheet.csv", &bytes.replacen(",,,,", ",1,9,1,", 1));
    let refused = bench.transcript(&EXPORT);
    assert!(refused.contains("sheet.csv is there already") && refused.ends_with("exit code 3"));
    let one = stats(&bench, &["--raters", "raters/sheet.csv"]);
    // The value stands in the first block of columns, the number of rows in the second.
    for cell in ["1", "50"] {
        let row = format!("sheet: rows rated small-gra-seed-42 {cell} ");
        assert!(on_one_line(&one).contains(&row), "{one}");
    }
    assert!(bench.transcript(&[&EXPORT[..], &["--replace"]].concat()).ends_with("exit code 0"));

    // Anna says what review said. Ben does so too but for six rows, from last to first, without two of them, in a
    // file as spreadsheets write it where commas are decimal.
    let row = |number: &str, passed| {
        let [ok, score, accept] = if passed { ["1", "8.5", "yes"] } else { ["0", "3", "No"] };
        [number, ok, score, accept].map(str::to_owned)
    };
    let anna = numbers.iter().map(|number| row(number, verdicts[*number]));
    bench.write("raters/sheet-anna.csv", &filled(",", anna));
    let ben = numbers.iter().enumerate().skip(2).rev();
    let ben = ben.map(|(place, number)| row(number, verdicts[*number] != (place < 8)));
    let ben = ben.map(|[row, ok, score, accept]| [row, ok, score.replace('.', ","), accept]);
    bench.write("raters/sheet-ben.csv", &(filled(";", ben) + ";;;\r\n"));
    let raters = ["--raters", "raters/sheet-anna.csv", "raters/sheet-ben.csv"];
    let said = stats(&bench, &[&raters[..], &["-v"]].concat());
    assert!(said.ends_with("exit code 0"), "{said}");
    let group = said.lines().skip_while(|line| !line.starts_with("raters"));
    let group: Vec<&str> = group.take_while(|line| !line.starts_with("checks")).collect();
    insta::assert_snapshot!("table-of-raters", group.join("\n"));
    // Beside a file the trial is named; the same numbers are in the files and in JSON.
    let beside = [&["seeds.jsonl", "t=small/gra/seed-42"], &raters[..], &["--json"]].concat();
    let arguments = [&["stats", "--no-embeddings", "--out", "out"], &beside[..]].concat();
    let table: Value = serde_json::from_slice(&bench.run(&arguments).stdout).unwrap();
    let kappa = &table["t"]["raters"]["ben: kappa with committee"];
    assert_eq!((kappa["n"].as_u64(), kappa["interval"].is_array()), (Some(48), true), "{kappa}");
    let csv = std::fs::read_to_string(bench.path("out/stats.csv")).unwrap();
    assert!(csv.contains("raters,anna: kappa with committee,t,1,,,50,"), "{csv}");
}

#[test]
fn what_is_no_rating_is_named_with_its_line() {
    let bench = bench(TRIAL);
    bench.run(&EXPORT);
    let rows: Vec<String> =
        read(&bench, "raters/sheet.csv").into_iter().map(|row| row["row"].clone()).collect();
    let good = |number: &String| [number.clone(), "1".into(), "8".into(), "1".into()];
    let sheet = |change: &dyn Fn(&mut [String; 4])| {
        let mut all: Vec<[String; 4]> = rows.iter().map(good).collect();
        change(&mut all[2]);
        filled(",", all)
    };
    let cases: [(&str, String); 9] = [
        ("line 4: accept is `maybe`", sheet(&|row| row[3] = "maybe".into())),
        ("line 4: instruction_ok is `2`", sheet(&|row| row[1] = "2".into())),
        ("line 4: score is `11`", sheet(&|row| row[2] = "11".into())),
        ("line 4: score is `good`", sheet(&|row| row[2] = "good".into())),
        ("line 4: there is no row `7` in raters/key.csv", sheet(&|row| row[0] = "7".into())),
        ("was on line 2 already", sheet(&|row| row[0].clone_from(&rows[0]))),
        ("line 4: 5 columns where the header has 4", sheet(&|row| row[2] = "8,5".into())),
        ("has no column `accept`", sheet(&|_| {}).replacen("accept", "accepted", 1)),
        (
            "has no rating",
            filled(",", rows.iter().map(|n| [n.as_str(), "", "", ""].map(str::to_owned))),
        ),
    ];
    for (said, text) in cases {
        bench.write("raters/sheet-anna.csv", &text);
        let found = stats(&bench, &["--raters", "raters/sheet-anna.csv"]);
        assert!(found.contains(said) && found.contains("raters/sheet-anna.csv"), "{said}: {found}");
        assert!(found.contains("\nhint: ") || said.contains("already"), "{said}: {found}");
        assert!(found.ends_with("exit code 3") && !bench.path("out").exists(), "{said}: {found}");
    }
    bench.write("raters/sheet-anna.csv", &sheet(&|_| {}));
    let sheets = ["--raters", "raters/sheet-anna.csv"];
    for (said, more) in [
        ("two sheets are of a rater `anna`", &["anna=raters/sheet.csv"][..]),
        ("cannot read raters/sheet-x.csv as a sheet of ratings", &["raters/sheet-x.csv"]),
        ("cannot read nowhere.csv as a key of a sheet", &["--key", "nowhere.csv"]),
        ("has no column `trial`", &["--key", "raters/sheet-anna.csv"]),
    ] {
        let found = stats(&bench, &[&sheets[..], more].concat());
        assert!(found.contains(said) && found.ends_with("exit code 3"), "{said}: {found}");
    }
    let other = stats(&bench, &[&["seeds.jsonl"], &sheets[..]].concat());
    assert!(other.contains("is of small/gra/seed-42, which is none of the data sets"), "{other}");
    // The trial is run again under its name: other texts were rated.
    let texts = |number| (format!("Task {number}"), format!("Response {number}"));
    Synthetic { texts, ..TRIAL }.write(&bench.path("results/store.db"));
    let again = stats(&bench, &sheets);
    assert!(again.contains("with other texts: the trial was run again"), "{again}");
}

#[test]
fn a_trial_of_one_side_or_none_says_so() {
    let unreviewed = Synthetic { variant: "no-reviewer", candidates: 30, ..TRIAL };
    let bench = bench(unreviewed);
    let export =
        ["export", "small/no-reviewer/seed-42", "--for-raters", "--out", "raters", "--n", "10"];
    let said = bench.transcript(&export);
    assert!(said.contains("10 rows of small/no-reviewer/seed-42: 10 of 30 candidates"), "{said}");
    assert!(said.contains("With one side alone there is no agreement to measure."), "{said}");
    // Where every row is accepted kappa has a reason in place of a value, and the share is there.
    let rows = read(&bench, "raters/sheet.csv");
    let rows = rows.iter().zip(["1", "0"].into_iter().cycle());
    let rows = rows.map(|(row, yes)| [&row["row"], "", "", yes].map(str::to_owned));
    bench.write("raters/sheet-anna.csv", &filled("\t", rows));
    let said = stats(&bench, &["--raters", "raters/sheet-anna.csv"]);
    assert!(said.contains("one of the two says one thing only"), "{said}");
    assert!(said.contains("anna: accepts,"), "{said}");

    Synthetic { variant: "empty", candidates: 0, ..TRIAL }.write(&bench.path("results/store.db"));
    let nothing = ["export", "small/empty/seed-42", "--for-raters", "--out", "other"];
    let said = bench.transcript(&nothing);
    assert!(said.contains("has nothing to rate") && said.ends_with("exit code 3"), "{said}");
    assert!(!bench.path("other").exists());
}
