//! The store as a file: other versions, other programs, cut and damaged ones, and readers that change nothing.

use std::collections::BTreeMap;
use std::path::Path;

use gra_bench::store::{self, Store};
use rusqlite::Connection;

use crate::synthetic::Synthetic;
use crate::workbench::Workbench;

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

const TRIAL: Synthetic = Synthetic {
    experiment: "small",
    variant: "gra",
    seed: 42,
    candidates: 60,
    finished: true,
    texts: |number| {
        let words = "about tides, bridges and clocks ".repeat(8);
        (format!("Instruction {number} {words}"), format!("Response {number} {words}"))
    },
};

/// A bench with a store of two trials, one of them finished.
fn bench() -> Workbench {
    let bench = Workbench::new(GRA, "rounds = 1");
    let path = bench.path("results/store.db");
    TRIAL.write(&path);
    Synthetic { variant: "no-reviewer", candidates: 40, ..TRIAL }.write(&path);
    bench
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
            files.insert(path.display().to_string(), bytes);
        }
    }
    files
}

/// Spoils the store at a path.
type Spoil<'a> = &'a dyn Fn(&Path);

#[test]
fn what_is_no_store_of_this_version_is_refused_and_left_alone() {
    let sql = |statement: &'static str| {
        move |path: &Path| Connection::open(path).unwrap().execute_batch(statement).unwrap()
    };
    let newer = sql("PRAGMA user_version = 99");
    let earlier = sql("PRAGMA user_version = 4; PRAGMA application_id = 0");
    let column = sql("ALTER TABLE completion ADD COLUMN more TEXT");
    let table = sql("CREATE TABLE notes (text TEXT)");
    let lacking = sql("DROP TABLE score");
    let other = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        Connection::open(path).unwrap().execute_batch("CREATE TABLE places (url TEXT)").unwrap();
    };
    let text = |path: &Path| std::fs::write(path, "a text, and no database at all").unwrap();
    let cases: &[(&str, Spoil<'_>)] = &[
        ("it has version 99 of the tables", &newer),
        ("it has version 4 of the tables", &earlier),
        ("it has another table `completion`", &column),
        ("it has another table `notes`", &table),
        ("it has another table `score`", &lacking),
        ("a database of another program", &other),
        ("it does not begin as an SQLite file does", &text),
    ];
    for (said, spoil) in cases {
        let bench = bench();
        let path = bench.path("results/store.db");
        spoil(&path);
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("nothing in it was changed"), "{error}");
        let verbs: [&[&str]; 3] =
            [&["inspect", "small/gra/seed-42"], &["store", "check"], &["report", "small"]];
        for verb in verbs {
            let shown = bench.transcript(verb);
            assert!(shown.contains(said), "{said}: {shown}");
            assert!(shown.ends_with("exit code 1"), "{shown}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before, "{said}");
    }
}

#[test]
fn a_store_that_was_cut_is_no_new_one() {
    let bench = bench();
    let path = bench.path("results/store.db");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, 15, 16, 99, 100, 4095, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("was cut"), "{length}: {error}");
        let shown = bench.transcript(&["inspect", "small/gra/seed-42"]);
        assert!(shown.contains("was cut") && shown.contains("hint: "), "{length}: {shown}");
        assert_eq!(std::fs::read(&path).unwrap(), &whole[..length]);
    }
    // Half a store still has rows.
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let shown = bench.transcript(&["store", "salvage", "saved.db"]);
    assert!(shown.ends_with("exit code 0"), "{shown}");
    assert!(store::check(&bench.path("saved.db")).unwrap().is_sound());
    let saved = Connection::open(bench.path("saved.db")).unwrap();
    let rows: i64 =
        saved.query_row("SELECT count(*) FROM chunk_member", [], |row| row.get(0)).unwrap();
    assert!(rows > 0, "{shown}");
}

#[test]
fn readers_change_nothing_and_make_nothing() {
    let readers: &[&[&str]] = &[
        &["inspect", "small/gra/seed-42"],
        &["inspect", "small/gra/seed-42", "r1-00003"],
        &["inspect", "small/gra/seed-42", "--json"],
        &["report", "small", "--out", "out/report.html"],
        &["rescore", "small/gra/seed-42", "--tau", "7:9:1", "--out", "out"],
        &["compute", "small/gra/seed-42", "--out", "out"],
        &["export", "small/gra/seed-42", "--out", "out"],
        &["export", "small/gra/seed-42", "--out", "out", "--for-raters"],
        &["figures", "--out", "out"],
        &["stats", "small/gra/seed-42", "--no-embeddings", "--out", "out"],
        &["stats", "seeds.jsonl", "--no-embeddings", "--out", "out"],
        &["stats", "seeds.jsonl", "--models", "nowhere", "--out", "out"],
        &["plan", "experiment.toml"],
        &["tables"],
        &["claims"],
        &["seed", "describe", "seeds.jsonl"],
        &["doctor", "--pool", "pool.toml"],
        &["store", "check"],
    ];
    let bench = bench();
    let results = bench.path("results");
    for arguments in readers {
        let before = files(&results);
        let shown = bench.transcript(arguments);
        let fails = arguments[0] == "doctor";
        assert!(shown.ends_with("exit code 0") || fails, "{arguments:?}: {shown}");
        assert_eq!(files(&results), before, "{arguments:?}");

        // While a run holds the store, too.
        let held = Store::open(&results.join("store.db")).unwrap();
        let shown = bench.transcript(arguments);
        assert!(shown.ends_with("exit code 0") || fails, "{arguments:?}: {shown}");
        drop(held);

        // Where there is nothing yet, nothing is made but what was asked for.
        let empty = Workbench::new(GRA, "rounds = 1");
        empty.run(arguments);
        assert!(!empty.path("results").exists(), "{arguments:?}");
    }
}

#[test]
fn damage_is_named_with_what_is_lost_and_a_way_out() {
    let facts = "UPDATE candidate SET facts = '{' WHERE trial = 1 AND id = 'r1-00003'";
    let record = "UPDATE trial SET record = '' WHERE id = 1";
    let finish = "UPDATE completion SET finish = 'x'";
    let role = "DELETE FROM role_text";
    let cases = [
        (facts, "candidate r1-00003 of trial small/gra/seed-42 is damaged", true),
        (record, "the record of trial small/gra/seed-42 is damaged", true),
        (finish, "the stored reply", true),
        (role, "the prompt of the reply", false),
    ];
    for (statement, said, is_found) in cases {
        let bench = bench();
        let path = bench.path("results/store.db");
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        let shown = bench.transcript(&["inspect", "small/gra/seed-42", "r1-00003"]);
        assert!(shown.contains(said), "{statement}: {shown}");
        assert!(shown.contains("gra-bench store salvage NEW"), "{statement}: {shown}");
        if !is_found {
            continue;
        }
        let check = bench.transcript(&["store", "check"]);
        assert!(check.contains("cannot be read") && check.ends_with("exit code 1"), "{check}");
        let shown = bench.transcript(&["store", "salvage", "saved.db"]);
        assert!(shown.ends_with("exit code 0"), "{shown}");
        let sound = bench.transcript(&["store", "check", "--store", "saved.db"]);
        assert!(sound.ends_with("exit code 0"), "{sound}");
        let again = bench.transcript(&["store", "salvage", "saved.db"]);
        assert!(again.contains("is there already") && again.ends_with("exit code 1"), "{again}");
        // The other trial is untouched.
        let other = ["export", "small/no-reviewer/seed-42", "--out", "out", "--store", "saved.db"];
        assert!(bench.transcript(&other).ends_with("exit code 0"), "{statement}");
    }

    // A trial of which a fact is lost is finished by running it again.
    let bench = bench();
    Connection::open(bench.path("results/store.db")).unwrap().execute_batch(facts).unwrap();
    bench.run(&["store", "salvage", "saved.db"]);
    let said = bench.transcript(&["rescore", "small/gra/seed-42", "--store", "saved.db"]);
    assert!(
        said.contains("is not finished") && said.contains("run its experiment again"),
        "{said}"
    );
}

/// Pages of the store by the table they belong to, with their kind and the rows on them.
fn pages(path: &Path) -> Vec<(i64, String, String, i64)> {
    let db = Connection::open(path).unwrap();
    let mut find = db.prepare("SELECT pageno, name, pagetype, ncell FROM dbstat").unwrap();
    let rows =
        find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

fn rows(path: &Path, table: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn of_a_damaged_page_only_its_own_rows_are_lost() {
    const PAGE: usize = 4096;
    let bench = bench();
    let path = bench.path("results/store.db");
    let whole = std::fs::read(&path).unwrap();
    let tables = ["completion", "candidate", "call", "seed_item", "chunk_member"];
    let total = tables.map(|table| rows(&path, table));
    let leaves: Vec<_> = pages(&path).into_iter().filter(|page| page.2 == "leaf").collect();
    let mut tried = 0;
    for (place, (number, table, _, cells)) in leaves.iter().enumerate() {
        // A root that is a leaf is all of its table.
        let Some(of_table) = tables.iter().position(|name| name == table) else { continue };
        if place % 7 != 0 {
            continue;
        }
        tried += 1;
        let mut damaged = whole.clone();
        let at = usize::try_from(number - 1).unwrap() * PAGE;
        damaged[at..at + PAGE].fill(0xA5);
        std::fs::write(&path, damaged).unwrap();
        assert!(!store::check(&path).unwrap().is_sound(), "page {number} of {table}");
        let saved = bench.path(&format!("saved-{number}.db"));
        store::salvage(&path, &saved).unwrap();
        let survey = store::check(&saved).unwrap();
        assert!(survey.is_sound(), "page {number} of {table}: {survey:?}");
        // Replies of a chunk are kept whole or not at all.
        if *table != "completion" && *table != "chunk_member" {
            let kept = rows(&saved, table);
            let least = total[of_table] - cells;
            assert!(kept >= least, "page {number} of {table}: {kept} of {least}");
        }
    }
    assert!(tried > 10, "{tried} pages are too few to say anything");
}

#[test]
fn random_damage_ends_with_a_reason() {
    let bench = bench();
    let path = bench.path("results/store.db");
    let whole = std::fs::read(&path).unwrap();
    let mut state = 7_u64;
    let mut draw = |most: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % most
    };
    for number in 0..25 {
        let mut damaged = whole.clone();
        for _ in 0..=number {
            let at = draw(whole.len());
            damaged[at] ^= u8::try_from(1 + draw(255)).unwrap();
        }
        std::fs::write(&path, damaged).unwrap();
        let saved = bench.path(&format!("saved-{number}.db"));
        match store::salvage(&path, &saved) {
            Ok(_) => assert!(store::check(&saved).unwrap().is_sound(), "{number}"),
            Err(error) => {
                assert!(!saved.exists(), "{number}: {error:#}");
                assert!(!bench.path(&format!("saved-{number}.db.part")).exists());
            }
        }
        for arguments in [&["inspect", "small/gra/seed-42"][..], &["store", "check"]] {
            let code = bench.run(arguments).status.code();
            assert!(matches!(code, Some(0 | 1)), "{number} {arguments:?}: {code:?}");
        }
    }
}
