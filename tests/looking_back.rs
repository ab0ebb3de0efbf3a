//! `rescore` and `compute` on a store that a test has written: no model, and no run.

use gra_analysis::trial::CallFact;
use gra_bench::store::{CallRow, Store};
use gra_llm::key::CompletionKey;
use gra_synth::annotate::as_brought;
use gra_synth::candidate::{Candidate, InstructionReview, Outcome, ResponseReview, Roles};
use gra_synth::committee::{Decision, Scores};
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::{Embedding, ModelName, RequestId, Stage};
use gra_synth::variant::{Reviewers, Variant};

use crate::synthetic::{description, seed_item};
use crate::workbench::{Workbench, on_one_line};

const ENCODER: &str = "an encoder";

fn id(number: u32) -> ItemId {
    ItemId::Candidate { round: 1, number }
}

/// Reviewed by three with six times one score each.
fn candidate(number: u32, scores: [u8; 3]) -> Candidate {
    let [generator, a, b, c, adjudicator] =
        ["llama", "qwen", "internlm", "mistral", "tulu"].map(ModelName::new);
    let reviewers = vec![a, b, c];
    let roles = Roles {
        generator: generator.clone(),
        reviewers: reviewers.clone(),
        adjudicator: Some(adjudicator),
        summariser: generator,
    };
    let examples = vec![ItemId::Seed(number % 3), ItemId::Seed(5)];
    let mut candidate = Candidate::drawn(id(number), 0, Some(Domain::Math), examples, roles);
    candidate.instruction = Some(format!("Instruction {number}"));
    candidate.response = Some("Response".to_owned());
    for ((seat, reviewer), score) in (0..).zip(reviewers).zip(scores) {
        let (bits, scores) = ([true; 3], Scores::whole([score; 6]));
        candidate.instruction_reviews.push(InstructionReview {
            seat,
            reviewer: reviewer.clone(),
            bits,
        });
        candidate.response_reviews.push(ResponseReview { seat, reviewer, scores, comment: None });
    }
    let method = Method::default();
    let decision = candidate.tally().unwrap().decide(method.tau, method.delta);
    candidate.decision = Some(decision);
    candidate.outcome = Some(match decision {
        Decision::Reject => Outcome::Rejected,
        Decision::Accept => Outcome::Accepted,
        Decision::Dispute => Outcome::AdjudicatedOut,
    });
    if decision == Decision::Dispute {
        let reviewer = candidate.roles.adjudicator.clone().unwrap();
        let scores = Scores::whole([7; 6]);
        candidate.adjudication = Some(ResponseReview { seat: 0, reviewer, scores, comment: None });
    }
    candidate
}

fn candidates() -> Vec<Candidate> {
    let scores = [
        [9, 9, 9],
        [9, 8, 9],
        [8, 8, 8],
        [10, 10, 6],
        [9, 9, 6],
        [7, 7, 7],
        [7, 8, 7],
        [4, 5, 3],
        [10, 10, 10],
        [8, 9, 7],
    ];
    (0..).zip(scores).map(|(number, scores)| candidate(number, scores)).collect()
}

fn variant(name: &str) -> Variant {
    let reviewers = if name == "no-reviewer" { Reviewers::None } else { Reviewers::Committee(3) };
    Variant { reviewers, ..Variant::gra(name) }
}

/// Writes a trial of [`candidates`].
fn record(store: &mut Store, name: &str, finished: bool) {
    record_candidates(store, name, finished, &candidates());
}

/// Writes a trial. All texts are embedded at right angles.
fn record_candidates(store: &mut Store, name: &str, finished: bool, candidates: &[Candidate]) {
    let mut record = crate::synthetic::record("small", variant(name), ENCODER);
    // Tulu's size is not stated.
    record.models = vec![description("llama", Some(8_030_261_248)), description("tulu", None)];
    let row = store.begin_trial(&record).unwrap();
    let seeds = [seed_item(0, "Seed".to_owned())];
    store.record_seeds(row, &seeds, &as_brought(&seeds)).unwrap();
    store.record_round(row, 1, candidates).unwrap();
    let texts = candidates.iter().filter_map(|candidate| candidate.instruction.clone());
    let texts: Vec<String> = texts.chain(["Seed".to_owned()]).collect();
    let unit = |at: usize| (0..texts.len()).map(|i| f32::from(u8::from(i == at))).collect();
    let embedded = texts.iter().cloned().enumerate();
    let embedded: Vec<(String, Embedding)> =
        embedded.map(|(at, text)| (text, Embedding::new(unit(at)))).collect();
    store.store_embeddings(ENCODER, &embedded).unwrap();
    store.record_calls(row, &calls(name == "adjudicated")).unwrap();
    if finished {
        store.finish_trial(row).unwrap();
    }
}

/// Prompts 4, 5, 7 and a review for every candidate; one call of a model whose size is not stated.
fn calls(adjudicated: bool) -> Vec<CallRow> {
    let stages = [Stage::Keywords, Stage::Instruction, Stage::Response, Stage::ResponseReview];
    let mut calls = Vec::new();
    for number in 0..10 {
        for stage in stages {
            calls.push(call(id(number), stage, "llama"));
        }
    }
    if adjudicated {
        calls.push(call(id(3), Stage::Adjudication, "tulu"));
    }
    calls
}

fn call(subject: ItemId, stage: Stage, model: &str) -> CallRow {
    let fact = CallFact {
        id: RequestId { subject, stage, seat: 0, attempt: 0 },
        model: ModelName::new(model),
        shared: stage == Stage::Keywords,
        prompt_tokens: 400,
        reply_tokens: 100,
    };
    CallRow { fact, key: CompletionKey([0; 32]) }
}

pub(crate) fn bench() -> Workbench {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let mut store = Store::open(&bench.path("results/store.db")).unwrap();
    for (name, finished) in
        [("gra", true), ("adjudicated", true), ("no-reviewer", true), ("half", false)]
    {
        record(&mut store, name, finished);
    }
    bench
}

const GRID: [&str; 6] =
    ["rescore", "small/gra/seed-42", "--tau", "7:9:0.5", "--delta", "0.5:2.5:1"];

#[test]
fn a_grid_and_its_files() {
    let bench = bench();
    insta::assert_snapshot!("rescore-grid", bench.transcript(&GRID));
    let file = |ending: &str| bench.path(&format!("results/small/gra/seed-42.rescore.{ending}"));
    let read = |ending: &str| std::fs::read_to_string(file(ending)).unwrap();
    insta::assert_snapshot!("rescore-csv", read("csv"));
    assert!(read("md").starts_with("# small/gra/seed-42 under other thresholds\n"));
    let figure = read("svg");
    assert!(figure.starts_with("<svg ") && figure.contains("as the trial ran"));

    // The same cells are known where `figures` draws them.
    bench.run(&["figures", "small/gra/seed-42", "--only", "sensitivity", "--format", "svg"]);
    let drawn = bench.path("figures/sensitivity.small-gra-seed-42.svg");
    let drawn = std::fs::read_to_string(drawn).unwrap();
    assert!(drawn.contains("the paper") && ![&drawn, &figure].iter().any(|svg| svg.contains('~')));

    let before = (read("csv"), read("md"), figure);
    bench.run(&GRID);
    assert_eq!((read("csv"), read("md"), read("svg")), before, "the same bytes again");
}

#[test]
fn a_grid_as_json_with_a_judge() {
    let bench = bench();
    bench.write("judge.csv", "score,id\n7.5,r1-00000\n,r1-00001\n8.5,r1-00002\n1,r1-00005\n");
    let mut arguments = GRID.to_vec();
    arguments.extend(["--judge", "judge.csv", "--json", "--out", "elsewhere"]);
    let output = bench.run(&arguments);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1 + 5 * 3);
    assert_eq!((&rows[0]["as_run"], &rows[0]["judged"]), (&true.into(), &2.into()));
    assert_eq!(rows[0]["mean_judge"], 8.0);
    assert_eq!(rows[0]["acceptance_least"], rows[0]["acceptance_most"]);
    assert!(bench.path("elsewhere/small-gra-seed-42.rescore.svg").exists());
    assert!(!bench.path("results/small").exists());
}

#[test]
fn what_cannot_be_rescored_is_named() {
    let bench = bench();
    bench.write("no-score.csv", "id,points\nr1-00000,7\n");
    bench.write("no-candidate.csv", "id,score\nr9-00000,7\n");
    bench.write("twice.csv", "id,score\nr1-00000,7\nr1-00000,8\n");
    bench.write("no-number.csv", "id,score\nr1-00000,good\n");
    let cases: &[(&str, &[&str])] = &[
        ("unknown-trial", &["small/gra/seed-43"]),
        ("no-trial-name", &["gra"]),
        ("unfinished", &["small/half/seed-42"]),
        ("no-reviewers", &["small/no-reviewer/seed-42"]),
        ("too-many-reviewers", &["small/gra/seed-42", "--reviewers", "1..4"]),
        ("step-of-zero", &["small/gra/seed-42", "--tau", "7:9:0"]),
        ("falling-range", &["small/gra/seed-42", "--delta", "2:1:0.5"]),
        ("tau-out-of-range", &["small/gra/seed-42", "--tau", "10:11:0.5"]),
        ("cosine-out-of-range", &["small/gra/seed-42", "--cosine", "0,0.9"]),
        ("large-grid", &["small/gra/seed-42", "--tau", "0:10:0.05", "--delta", "0:5:0.05"]),
        ("judge-missing", &["small/gra/seed-42", "--judge", "nowhere.csv"]),
        ("judge-no-score", &["small/gra/seed-42", "--judge", "no-score.csv"]),
        ("judge-no-candidate", &["small/gra/seed-42", "--judge", "no-candidate.csv"]),
        ("judge-twice", &["small/gra/seed-42", "--judge", "twice.csv"]),
        ("judge-no-number", &["small/gra/seed-42", "--judge", "no-number.csv"]),
    ];
    let mut transcripts = Vec::new();
    for (name, arguments) in cases {
        let arguments: Vec<&str> = ["rescore"].iter().chain(*arguments).copied().collect();
        let transcript = bench.transcript(&arguments);
        transcripts.push(format!("--- {name}\n{transcript}\n"));
    }
    insta::assert_snapshot!("rescore-errors", transcripts.concat());
    assert!(!bench.path("results/small").exists(), "nothing is written");
}

#[test]
fn operations_beside_a_teacher() {
    let bench = bench();
    insta::assert_snapshot!("compute", bench.transcript(&["compute", "small/gra/seed-42"]));
    let path = bench.path("results/small/gra/seed-42.compute.csv");
    insta::assert_snapshot!("compute-csv", std::fs::read_to_string(path).unwrap());

    let unstated = bench.transcript(&["compute", "small/adjudicated/seed-42"]);
    assert!(unstated.contains("No comparison with a teacher"), "{unstated}");
    let assumed =
        bench.transcript(&["compute", "small/adjudicated/seed-42", "--parameters", "7.6e9"]);
    assert!(assumed.contains("With a pool of models of 7.6 billion parameters"), "{assumed}");
    let json = bench.run(&["compute", "small/gra/seed-42", "small/adjudicated/seed-42", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["rows"][0]["engine_s"], serde_json::Value::Null);

    // Ten calls are shared with an earlier variant: a run that had only those from the store paid the rest.
    let header = "variant,paid_calls,stored_calls,engine_s,wall_s,energy_j,crashes\n";
    let cases = [
        ("gra,30,10,9.0,12.5,345.5,0", "took 12.5 wall seconds and 346 J of the processors"),
        ("gra,30,10,9.0,12.5,,0", "took 12.5 wall seconds. Energy is not known"),
        ("gra,0,40,0.0,0.1,0.5,0", "Wall seconds and energy are not known"),
        // Of several runs, the one that paid for all of it: not a retry of two failed calls, nor one of a trial that
        // was replaced.
        (
            "gra,70,10,9.0,99.5,,0\ngra,30,10,9.0,12.5,,0\ngra,2,38,0.4,0.5,,0",
            "took 12.5 wall seconds",
        ),
        ("majority-vote,30,10,9.0,12.5,345.5,0", "Wall seconds and energy are not known"),
        ("gra,30,ten,9.0,12.5,345.5,0", "error: cannot read results/small/seed-42.measured.csv"),
    ];
    for (row, expected) in cases {
        bench.write("results/small/seed-42.measured.csv", &format!("{header}{row}\n"));
        let said = bench.transcript(&["compute", "small/gra/seed-42"]);
        assert!(on_one_line(&said).contains(expected), "{row}: {said}");
    }

    for bad in [&["compute"][..], &["compute", "small/half/seed-42"]] {
        assert!(!bench.run(bad).status.success(), "{bad:?}");
    }
    let refused = bench.transcript(&["compute", "small/gra/seed-42", "--parameters", "0"]);
    assert!(refused.contains("from 1 to 1e15"), "{refused}");
}

#[test]
fn tables_of_all_trials_in_long_form() {
    let bench = bench();
    let said = bench.transcript(&["export", "small", "--out", "out", "--tidy"]);
    assert!(said.contains("3 trials of small") && said.ends_with("exit code 0"), "{said}");
    let table = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(bench.path(&format!("out/{name}.csv"))).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let accepted = candidates().iter().filter(|one| one.is_sample()).count();
    let disputed = candidates().iter().filter(|one| one.adjudication.is_some()).count();
    // A header; three bits and six scores of each of three reviewers, six of an adjudicator.
    for (name, rows) in [
        ("candidates", 30),
        ("samples", 3 * accepted),
        ("reviews", 3 * (10 * 3 * (3 + 6) + 6 * disputed)),
        ("calls", 3 * 40 + 1),
    ] {
        let lines = table(name);
        assert_eq!(lines.len(), 1 + rows, "{name}");
        assert!(lines[0].starts_with("experiment,variant,run_seed,"), "{name}: {}", lines[0]);
    }
    assert_eq!(table("reviews")[1], "small,gra,42,r1-00000,instruction-review,0,qwen,reasonable,1");
    let half = bench.transcript(&["export", "small/half/seed-42", "--out", "out", "--tidy"]);
    assert!(half.contains("no trial of small/half/seed-42 is finished"), "{half}");
}

#[test]
fn readers_that_fail_make_no_store() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    for arguments in [
        &["inspect", "small/gra/seed-42"][..],
        &["report", "small"],
        &["view", "small"],
        &["rescore", "small/gra/seed-42"],
        &["compute", "small/gra/seed-42"],
        &["export", "small", "--out", "out", "--tidy"],
        &["stats", "small/gra/seed-42"],
        &["compare", "experiment.toml"],
        &["store", "check"],
    ] {
        assert!(!bench.run(arguments).status.success(), "{arguments:?}");
        assert!(!bench.path("results").exists() && !bench.path("out").exists(), "{arguments:?}");
    }
}

#[test]
fn nothing_is_not_exported_and_texts_do_not_steer_a_terminal() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let mut store = Store::open(&bench.path("results/store.db")).unwrap();
    let mut rejected = candidates();
    rejected.retain(|candidate| candidate.outcome == Some(Outcome::Rejected));
    rejected[0].instruction = Some("Open \u{202e}gpj.exe\u{1b}[2J now".to_owned());
    record_candidates(&mut store, "gra", true, &rejected);
    drop(store);
    let said = bench.transcript(&["export", "small/gra/seed-42", "--out", "out"]);
    let reason = format!("of its {0} candidates none was accepted ({0} rejected)", rejected.len());
    assert!(said.contains(&reason) && said.ends_with("exit code 1"), "{said}");
    assert!(!bench.path("out").exists(), "nothing is written");

    let subject = rejected[0].id.to_string();
    let shown = bench.transcript(&["inspect", "small/gra/seed-42", &subject]);
    assert!(shown.contains("Open \\u{202e}gpj.exe\\u{1b}[2J now"), "{shown}");
    let listed = bench.transcript(&["inspect", "small/gra/seed-42"]);
    assert!(!listed.contains(['\u{202e}', '\u{1b}']), "{listed:?}");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
    let json = bench.run(&["inspect", "small/gra/seed-42", &subject, "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        json["candidate"]["instruction"], "Open \u{202e}gpj.exe\u{1b}[2J now",
        "JSON keeps texts"
    );
}
