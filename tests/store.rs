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

/// The store as a run leaves it that is killed: what it committed last lies in files beside it.
fn kill(bench: &Workbench) {
    let path = bench.path("results/store.db");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute("UPDATE trial SET experiment = 'late' WHERE variant = 'no-reviewer'", []).unwrap();
    // A process that is killed tidies nothing up.
    for ending in ["", "-wal", "-shm"] {
        let file = |folder: &str| bench.path(&format!("{folder}/store.db{ending}"));
        std::fs::create_dir_all(bench.path("killed")).unwrap();
        std::fs::copy(file("results"), file("killed")).unwrap();
    }
}

#[test]
fn a_store_that_a_killed_run_left_is_read_whole_and_left_as_it_is() {
    let bench = bench();
    kill(&bench);
    let killed = bench.path("killed");
    let readers: &[&[&str]] = &[
        &["inspect", "late/no-reviewer/seed-42", "--results", "killed"],
        &["report", "late", "--results", "killed", "--out", "out/report.html"],
        &["store", "check", "--results", "killed"],
    ];
    // The index of the WAL is not always copied along, and its folder may be one that is only read.
    for lost in [None, Some("store.db-shm")] {
        if let Some(name) = lost {
            std::fs::remove_file(killed.join(name)).unwrap();
        }
        let before = files(&killed);
        for arguments in readers {
            let shown = bench.transcript(arguments);
            assert!(shown.ends_with("exit code 0"), "{arguments:?}: {shown}");
            assert_eq!(files(&killed), before, "{arguments:?} without {lost:?}");
        }
    }
    // Where the store alone was copied, what was committed last is not there.
    std::fs::remove_file(killed.join("store.db-wal")).unwrap();
    let before = files(&killed);
    let shown = bench.transcript(&["store", "check", "--results", "killed"]);
    assert!(shown.contains("small/no-reviewer/seed-42"), "{shown}");
    assert!(shown.contains("store.db-wal is not beside it"), "{shown}");
    assert_eq!(files(&killed), before);
    // A run goes on with it.
    assert!(Store::open(&killed.join("store.db")).is_ok());
}

#[test]
fn what_a_killed_run_left_is_not_taken_for_a_part_of_a_new_store() {
    let bench = bench();
    kill(&bench);
    let path = bench.path("killed/store.db");
    std::fs::remove_file(&path).unwrap();
    let before = files(&bench.path("killed"));
    let error = format!("{:#}", Store::open(&path).unwrap_err());
    assert!(error.contains("store.db-wal is there") && error.contains("hint: "), "{error}");
    let salvage = ["store", "salvage", "killed/store.db"];
    let shown = bench.transcript(&salvage);
    assert!(shown.contains("store.db-wal is there") && shown.ends_with("exit code 1"), "{shown}");
    let mut after = files(&bench.path("killed"));
    after.remove(&bench.path("killed/store.db.lock").display().to_string());
    assert_eq!(after, before);
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(bench.path(&format!("killed/store.db{ending}"))).unwrap();
    }
    assert!(Store::open(&path).is_ok());

    // A salvage that was killed leaves a journal, which must not be rolled back into the next one.
    bench.write("saved.db.part", "half a store");
    bench.write("saved.db.part-journal", "half a journal");
    assert!(bench.transcript(&["store", "salvage", "saved.db"]).ends_with("exit code 0"));
    assert!(store::check(&bench.path("saved.db")).unwrap().is_sound());
    assert!(!bench.path("saved.db.part-journal").exists());
}

#[test]
fn what_is_no_damage_is_not_called_so() {
    let bench = bench();
    let db = Connection::open(bench.path("results/store.db")).unwrap();
    // A list of trials that cannot be read because the rows make no sense is damaged.
    db.execute_batch("UPDATE trial SET seed = 'x' WHERE variant = 'gra'").unwrap();
    let shown = bench.transcript(&["inspect", "small/gra/seed-42"]);
    assert!(
        shown.contains("cannot read the list of trials") && shown.contains("salvage"),
        "{shown}"
    );
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
