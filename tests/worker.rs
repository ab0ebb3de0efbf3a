//! Whole runs on the real model whose worker, or whose owner, is ended from outside.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::real_model::models;
use crate::workbench::{Workbench, published};

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

/// A run under way, in a process group of its own like a shell's.
fn start(bench: &Workbench, models: &str, results: &str) -> Child {
    let arguments = ["run", "experiment.toml", "--models", models, "--results", results];
    let mut command = bench.command(&arguments);
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until this holds, for as long as the run goes on.
fn wait_for<T>(run: &mut Child, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(run.try_wait().unwrap().is_none(), "the run ended before {what}");
        assert!(began.elapsed() < Duration::from_secs(300), "there was no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One number from the store of a run.
fn count(bench: &Workbench, results: &str, sql: &str) -> Option<i64> {
    let store = bench.path(results).join("store.db");
    // Not there yet, or busy: nothing to say. Read-only, so that looking makes no empty file for the run to find.
    let reading = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(store, reading).ok()?;
    store.query_row(sql, [], |row| row.get(0)).ok()
}

/// Chunks that were finished, once there are so many and another is recorded as under way.
fn chunks_finished(bench: &Workbench, results: &str, least: i64) -> Option<i64> {
    let open = count(bench, results, "SELECT count(*) FROM chunk WHERE seconds IS NULL")?;
    let finished = count(bench, results, "SELECT count(*) FROM chunk WHERE seconds IS NOT NULL")?;
    (open > 0 && finished >= least).then_some(finished)
}

/// State and parent of a process, while it lives.
fn process(id: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The living workers of a run.
fn workers(run: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").unwrap();
    let ids = ids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_worker =
        |id: &u32| process(*id).is_some_and(|(state, parent)| state != 'Z' && parent == run);
    ids.filter(is_worker).collect()
}

fn worker(run: u32) -> Option<u32> {
    workers(run).pop()
}

fn signal(name: &str, target: &str) {
    let status = Command::new("kill").args(["-s", name, "--", target]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_killed_worker_and_an_interrupted_run_change_no_byte() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    bench.edit("experiment.toml", "target = 3\ncap = 6\nwave = 6", "target = 2\ncap = 3\nwave = 3");
    // Undisturbed, and without a worker: both ways make the same bytes.
    bench.edit("experiment.toml", "threads = 1", "threads = 1\nisolation = \"none\"");
    let undisturbed =
        bench.run(&["run", "experiment.toml", "--models", &models, "-q", "--results", "whole"]);
    assert!(undisturbed.status.success(), "{}", String::from_utf8_lossy(&undisturbed.stderr));
    let expected = published(&bench.path("whole"));
    bench.edit("experiment.toml", "\"none\"", "\"process\"");

    let mut run = start(&bench, &models, "killed");
    wait_for(&mut run, "a chunk", || chunks_finished(&bench, "killed", 2));
    let id = run.id();
    let victim = wait_for(&mut run, "a worker", || worker(id));
    signal("KILL", &victim.to_string());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the worker died on `smollm2-") && said.contains("SIGKILL"), "{said}");
    assert_eq!(published(&bench.path("killed")), expected);
    assert_eq!(count(&bench, "killed", "SELECT sum(crashes) FROM chunk"), Some(1));
    let narrowed = "SELECT count(*) FROM chunk WHERE slots IS NOT
                    (SELECT count(*) FROM chunk_member WHERE chunk = chunk.id)";
    assert_eq!(count(&bench, "killed", narrowed), Some(0), "all at once, after the crash too");
    let measured = std::fs::read_to_string(bench.path("killed/small/seed-42.measured.csv"));
    let measured = measured.unwrap();
    assert!(measured.lines().next().unwrap().ends_with(",crashes"), "{measured}");
    assert!(measured.lines().nth(1).unwrap().ends_with(",1"), "{measured}");

    let mut run = start(&bench, &models, "interrupted");
    let before = wait_for(&mut run, "a chunk", || chunks_finished(&bench, "interrupted", 2));
    // As a terminal does at Ctrl-C: to the whole foreground group.
    signal("INT", &format!("-{}", run.id()));
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping after what is under way"), "{said}");
    let finished = "SELECT count(*) FROM chunk WHERE seconds IS NOT NULL";
    assert!(count(&bench, "interrupted", finished).unwrap() > before, "the chunk was saved");
    assert_eq!(count(&bench, "interrupted", "SELECT sum(crashes) FROM chunk"), Some(0));
    let output = start(&bench, &models, "interrupted").wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(published(&bench.path("interrupted")), expected);
}

#[test]
fn two_workers_share_a_run_and_the_death_of_one_changes_no_byte() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    bench.edit("experiment.toml", "target = 3\ncap = 6\nwave = 6", "target = 2\ncap = 3\nwave = 3");
    bench.edit("experiment.toml", "threads = 1", "threads = 2\nworkers = 2");
    let whole = start(&bench, &models, "whole").wait_with_output().unwrap();
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));

    let mut run = start(&bench, &models, "killed");
    let id = run.id();
    let pair = wait_for(&mut run, "two workers", || Some(workers(id)).filter(|w| w.len() == 2));
    signal("KILL", &pair[1].to_string());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the worker died on `smollm2-") && said.contains("SIGKILL"), "{said}");
    assert_eq!(published(&bench.path("killed")), published(&bench.path("whole")));
    assert_eq!(count(&bench, "killed", "SELECT sum(crashes) FROM chunk"), Some(1));
}

#[test]
fn a_killed_run_leaves_no_worker_behind() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let mut run = start(&bench, &models, "killed");
    wait_for(&mut run, "a chunk", || chunks_finished(&bench, "killed", 1));
    let id = run.id();
    let orphan = wait_for(&mut run, "a worker", || worker(id));
    run.kill().unwrap();
    run.wait().unwrap();
    let began = Instant::now();
    while process(orphan).is_some_and(|(state, _)| state != 'Z') {
        assert!(began.elapsed() < Duration::from_secs(10), "process {orphan} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
