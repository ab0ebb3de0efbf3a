//! Interrupted anywhere, a run ends with the bytes of an uninterrupted one.
//!
//! The engine here is written for these tests: its replies depend on what they are batched with, as
//! llama.cpp's do, and it fails or stops at a chosen chunk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gra_bench::answering::{Answering, Interrupted};
use gra_bench::dataset::{self, Named};
use gra_bench::experiment::{Experiment, Overrides};
use gra_bench::progress::{Progress, Verbosity};
use gra_bench::scoring;
use gra_bench::store::Store;
use gra_bench::suite::{self, SeedReport};
use gra_bench::trial::Fingerprints;
use gra_llm::engine::{Engine, EngineError, EngineResult, Watch};
use gra_llm::key::request_hash;
use gra_llm::score::{Passage, PassageScore};
use gra_llm::scripted::{complete_reply, toy_embedding};
use gra_synth::request::{Embedding, Failure, ModelName, Portion, Reply, Request, Stage};
use sha2::{Digest, Sha256};

use crate::workbench::{Workbench, published};

const VARIANTS: &str = r#"
[[variant]]
name = "gra"
[[variant]]
name = "no-reviewer"
reviewers = "none"
[[variant]]
name = "single-model"
roles = "single-model"
"#;

/// Replies that depend on the whole chunk.
#[derive(Default)]
struct BatchSensitive {
    chunks: usize,
    calls: usize,
    fail_at: Option<usize>,
    stop_at: Option<(usize, Arc<AtomicBool>)>,
}

impl Engine for BatchSensitive {
    fn complete(&mut self, chunk: &[Request], _: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let number = self.chunks;
        self.chunks += 1;
        if self.fail_at == Some(number) {
            let (model, reason) = (chunk[0].model.to_string(), "pulled the plug".to_owned());
            return Err(EngineError::Evaluation { model, reason });
        }
        if let Some((at, flag)) = &self.stop_at
            && *at == number
        {
            flag.store(true, Ordering::Relaxed);
        }
        self.calls += chunk.len();
        let mut batch = Sha256::new();
        for request in chunk {
            batch.update(request_hash(request));
        }
        let batch: [u8; 32] = batch.finalize().into();
        Ok(chunk.iter().map(|request| reply(request, batch)).collect())
    }

    fn score(
        &mut self,
        passages: &[Passage],
        _: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(passage) = passages.first() else { return Ok(Vec::new()) };
        let (request, model) = ("a score".to_owned(), passage.model.clone());
        Err(EngineError::NotScripted { request, model })
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        Ok(texts.iter().map(|text| toy_embedding(text)).collect())
    }

    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Ok(format!("toy {model}"))
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Ok(format!("toy score {model}"))
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        Ok("toy".to_owned())
    }
}

fn reply(request: &Request, batch: [u8; 32]) -> Reply {
    let mut hash = Sha256::new();
    hash.update(batch);
    hash.update(request_hash(request));
    let draw: [u8; 32] = hash.finalize().into();
    let number = u16::from_le_bytes([draw[0], draw[1]]);
    if draw[8].is_multiple_of(32) {
        return Reply::failed(Failure::Status(500), format!("{number} cannot be parsed"));
    }
    let score = |at: usize| 4 + draw[at] % 7;
    let text = match request.id.stage {
        Stage::SeedDomain => r#"<bod>"domain": "QA"<eod>"#.to_owned(),
        Stage::SeedSummary | Stage::Summary => format!(r#"<bod>"summary": "About {number}"<eod>"#),
        Stage::SeedKeywords => format!(r#"<bok>"keywords": ["k{number}"]<eok>"#),
        Stage::Keywords => format!(r#"<boa>"domain": "QA", "keywords": ["k{number}"]<eoa>"#),
        Stage::Instruction if draw[2].is_multiple_of(8) => "no tags".to_owned(),
        Stage::Instruction => format!("<boi>Task {number} of {}<eoi>", draw[3]),
        Stage::InstructionReview => {
            format!("<bos>[1,1,{}]<eos>", u8::from(!draw[2].is_multiple_of(8)))
        }
        Stage::Response => format!("Answer {number}"),
        Stage::ReviewComment => {
            let Portion::Rest { opening, .. } = &request.portion else { panic!("scores first") };
            format!("{opening}c{number}<eoc>")
        }
        Stage::ResponseReview | Stage::Adjudication => {
            let scores: Vec<String> = (2..8).map(|at| score(at).to_string()).collect();
            let comment = match request.portion {
                Portion::Opening => String::new(),
                _ => format!("c{number}<eoc>"),
            };
            format!("<bos>[{}]<eos>\n<boc>{comment}", scores.join(","))
        }
    };
    complete_reply(&request.prompt.text(), text)
}

fn experiment(bench: &Workbench) -> Experiment {
    let path = bench.path("experiment.toml");
    Experiment::load(&path, Path::new("models"), &Overrides::default()).unwrap()
}

fn run(
    bench: &Workbench,
    results: &Path,
    engine: &mut BatchSensitive,
) -> anyhow::Result<Vec<SeedReport>> {
    let flag = match &engine.stop_at {
        Some((_, flag)) => Arc::clone(flag),
        None => Arc::new(AtomicBool::new(false)),
    };
    let mut store = Store::open(&results.join("store.db"))?;
    let mut progress = Progress::new(Verbosity::Quiet);
    let mut answering = Answering::new(&mut store, engine, &mut progress, &flag, 4);
    let experiment = experiment(bench);
    let fingerprints = Fingerprints::read(&experiment, answering.engine())?;
    suite::run_all(&experiment, &fingerprints, &mut answering, results)
}

/// The files and cost of a run that nothing disturbed.
fn undisturbed(bench: &Workbench) -> (BTreeMap<String, Vec<u8>>, BatchSensitive) {
    let mut engine = BatchSensitive::default();
    let results = bench.path("undisturbed");
    run(bench, &results, &mut engine).unwrap();
    (published(&results), engine)
}

#[test]
fn a_crash_at_any_chunk_changes_no_byte_and_costs_at_most_that_chunk() {
    let bench = Workbench::new(VARIANTS, "rounds = 2");
    let (expected, whole) = undisturbed(&bench);
    assert!(whole.chunks > 20, "{} chunks are too few to say anything", whole.chunks);
    let candidates =
        &expected[&Path::new("small/gra/seed-42/candidates.csv").display().to_string()];
    assert!(String::from_utf8_lossy(candidates).contains(",failed,"), "no candidate failed");
    for fail_at in 0..whole.chunks {
        let results = bench.path(&format!("crash-{fail_at}"));
        let mut engine = BatchSensitive { fail_at: Some(fail_at), ..BatchSensitive::default() };
        run(&bench, &results, &mut engine).unwrap_err();
        let mut again = BatchSensitive::default();
        run(&bench, &results, &mut again).unwrap();
        assert_eq!(published(&results), expected, "crash at chunk {fail_at}");
        assert_eq!(
            engine.calls + again.calls,
            whole.calls,
            "nothing that was stored is paid again"
        );
    }
}

#[test]
fn an_interrupt_finishes_its_chunk_and_the_run_goes_on_from_there() {
    let bench = Workbench::new(VARIANTS, "rounds = 2");
    let (expected, whole) = undisturbed(&bench);
    for at in [0, 3, whole.chunks / 2] {
        let results = bench.path(&format!("interrupt-{at}"));
        let flag = Arc::new(AtomicBool::new(false));
        let stop_at = Some((at, Arc::clone(&flag)));
        let mut engine = BatchSensitive { stop_at, ..BatchSensitive::default() };
        let error = run(&bench, &results, &mut engine).unwrap_err();
        assert!(error.is::<Interrupted>(), "{error}");
        assert_eq!(engine.chunks, at + 1, "the chunk under way was finished, and no other begun");
        let mut again = BatchSensitive::default();
        run(&bench, &results, &mut again).unwrap();
        assert_eq!(published(&results), expected);
        assert_eq!(engine.calls + again.calls, whole.calls);
    }
}

/// A judge of the same stage and model comes between a crash and the run that goes on.
#[test]
fn what_others_ask_meanwhile_leaves_recorded_chunks_alone() {
    let bench = Workbench::new("[[variant]]\nname = \"gra\"\n", "rounds = 1");
    let (expected, whole) = undisturbed(&bench);
    bench.write("judged.json", r#"[{"instruction": "Say hello.", "output": "Hello."}]"#);
    let experiment = experiment(&bench);
    let mut reviews_were_open = false;
    for fail_at in 0..whole.chunks {
        let results = bench.path(&format!("crash-{fail_at}"));
        let mut engine = BatchSensitive { fail_at: Some(fail_at), ..BatchSensitive::default() };
        run(&bench, &results, &mut engine).unwrap_err();

        let open = "SELECT count(*) FROM chunk WHERE seconds IS NULL AND stage = 'response-review'";
        let count = || -> i64 {
            let db = rusqlite::Connection::open(results.join("store.db")).unwrap();
            db.query_row(open, [], |row| row.get(0)).unwrap()
        };
        let before = count();
        reviews_were_open |= before > 0;
        for judge in &experiment.members {
            let mut store = Store::open(&results.join("store.db")).unwrap();
            let file = format!("x={}", bench.path("judged.json").display());
            let data_set =
                dataset::load(vec![Named::parse(&file).unwrap()], &store).unwrap().remove(0);
            let (method, prompts) = (&experiment.method, &experiment.prompts.set);
            let judge = judge.clone();
            let bench = scoring::Bench { judge, prompts, method, run_seed: 42 };
            let (mut engine, mut progress) =
                (BatchSensitive::default(), Progress::new(Verbosity::Quiet));
            let stop = AtomicBool::new(false);
            let mut answering = Answering::new(&mut store, &mut engine, &mut progress, &stop, 4);
            let judgements = bench.judge(&data_set, &mut answering).unwrap();
            assert!(judgements.values().all(|judgement| judgement.scores.is_some()));
        }
        assert_eq!(count(), before, "crash at chunk {fail_at}");
        run(&bench, &results, &mut BatchSensitive::default()).unwrap();
        assert_eq!(published(&results), expected, "crash at chunk {fail_at}");
    }
    assert!(reviews_were_open, "no crash fell among the reviews");
}

#[test]
fn a_finished_run_replays_without_a_single_call() {
    let bench = Workbench::new(VARIANTS, "rounds = 2");
    let (expected, _) = undisturbed(&bench);
    let results = bench.path("undisturbed");
    let mut engine = BatchSensitive { fail_at: Some(0), ..BatchSensitive::default() };
    let reports = run(&bench, &results, &mut engine).unwrap();
    assert_eq!(engine.chunks, 0);
    assert!(reports[0].trials.iter().all(|trial| trial.paid.calls == 0 && trial.paid.stored > 0));
    assert_eq!(published(&results), expected);
}

#[test]
fn variants_pay_for_what_they_share_once() {
    let bench = Workbench::new(VARIANTS, "rounds = 1");
    let separate: u64 = ["gra", "no-reviewer", "single-model"]
        .into_iter()
        .map(|name| {
            let alone = Workbench::new(VARIANTS, "rounds = 1");
            let overrides = Overrides { variants: vec![name.to_owned()], ..Overrides::default() };
            let path = alone.path("experiment.toml");
            let one = Experiment::load(&path, Path::new("models"), &overrides).unwrap();
            let mut store = Store::open(&alone.path("store.db")).unwrap();
            let (mut engine, mut progress) =
                (BatchSensitive::default(), Progress::new(Verbosity::Quiet));
            let stop = AtomicBool::new(false);
            let mut answering = Answering::new(&mut store, &mut engine, &mut progress, &stop, 4);
            let fingerprints = Fingerprints::read(&one, answering.engine()).unwrap();
            let results = alone.path("results");
            suite::run_all(&one, &fingerprints, &mut answering, &results).unwrap();
            engine.calls as u64
        })
        .sum();
    let mut engine = BatchSensitive::default();
    let reports = run(&bench, &bench.path("together"), &mut engine).unwrap();
    assert!((engine.calls as u64) < separate, "{} against {separate}", engine.calls);
    let trials = &reports[0].trials;
    assert!(trials[0].facts.calls.iter().all(|call| !call.shared), "the first shares with none");
    let shared = trials[1].facts.calls.iter().filter(|call| call.shared).count() as u64;
    assert!(trials[1].paid.stored >= shared && shared > 0);
}

#[test]
fn only_one_run_holds_a_store() {
    let bench = Workbench::new(VARIANTS, "rounds = 2");
    let path = bench.path("store.db");
    let _held = Store::open(&path).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("another gra-bench is running"), "{error}");
    assert!(Store::open_read_only(&path).is_ok(), "readers may look");
}
