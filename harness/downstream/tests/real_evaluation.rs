//! Real engines, asked about items of our own; for machines where `scripts/engines` has made the environments:
//!
//! `GRA_ENGINES=.engines GRA_MODEL=.models/SmolLM2-135M-Instruct.Q4_1.gguf cargo test -p gra-downstream --test
//! real_evaluation -- --ignored --nocapture`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, whose progress is shown")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use gra_downstream::evaluation::data_cache::lay_out;
use gra_downstream::evaluation::{
    BenchmarkOutcome, DataCache, Evaluation, EvaluationPlan, ScoringProtocol, ServingOptions,
    Suite, Target, evaluate,
};
use gra_paper::Benchmark;

fn path(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set")))
}

/// Evaluates and shows how far it is.
fn run(plan: &EvaluationPlan) -> Evaluation {
    let began = Instant::now();
    let mut said = String::new();
    let stop = AtomicBool::new(false);
    let evaluation = evaluate(plan, &path("GRA_ENGINES"), &stop, &mut |progress| {
        let line = format!("{progress:?}");
        if line != said {
            println!("{:4} s {line}", began.elapsed().as_secs());
            said = line;
        }
    });
    evaluation.unwrap().unwrap()
}

fn benchmarks(ids: &str) -> Vec<Benchmark> {
    let ids = std::env::var("GRA_ONLY").unwrap_or(ids.to_owned());
    ids.split(',').map(|id| id.parse().unwrap()).collect()
}

/// Scores the model on the smoke suite, in `$GRA_OUT` where it is set, on items of `$GRA_BENCHMARKS` where it is set,
/// on the benchmarks of `$GRA_ONLY` where it is set.
fn score(protocol: ScoringProtocol, only: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("GRA_OUT").map_or(scratch.path().to_owned(), PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/benchmarks");
    let data = DataCache { folder: folder.join("data-cache") };
    lay_out(&std::env::var_os("GRA_BENCHMARKS").map_or(own, PathBuf::from), &data).unwrap();
    let evaluation = run(&EvaluationPlan {
        target: Target::from_path(&path("GRA_MODEL")).unwrap(),
        serving: ServingOptions { parallel: 2, threads: Some(1), ..ServingOptions::default() },
        suite: Suite::smoke().only(&benchmarks(only)).unwrap(),
        protocol,
        data,
        folder: folder.join("evaluation"),
        replace: false,
        answer_within: 600,
    });
    for (benchmark, outcome) in &evaluation.benchmarks {
        let BenchmarkOutcome::Scored(scored) = outcome else { panic!("{benchmark}: {outcome:?}") };
        assert!(scored.n.unwrap() > 0 && !scored.items.is_empty(), "{benchmark}");
    }
}

#[test]
#[ignore = "needs GRA_ENGINES and GRA_MODEL"]
fn opencompass_scores_a_served_model() {
    let all = "gsm8k,math,mbpp,hellaswag,arc_c,gpqa,bbh,mmlu,ifeval";
    score(ScoringProtocol::OpenCompass, all);
}

#[test]
#[ignore = "needs GRA_ENGINES and GRA_MODEL"]
fn lm_eval_scores_a_served_model() {
    score(ScoringProtocol::LmEval, "gsm8k,math,arc_c,gpqa,bbh,mmlu");
}

/// All items of benchmarks in the data cache `$COMPASS_DATA_CACHE`, by the server `$GRA_URL`, in `$GRA_OUT`; by lm-eval
/// where `$GRA_LM_EVAL` is set.
#[test]
#[ignore = "needs GRA_ENGINES, GRA_URL, GRA_OUT and COMPASS_DATA_CACHE"]
fn whole_benchmarks_are_scored() {
    let url = std::env::var("GRA_URL").unwrap();
    let evaluation = run(&EvaluationPlan {
        target: Target::Url { url, model: None },
        serving: ServingOptions { parallel: 16, ..ServingOptions::default() },
        suite: Suite::paper().only(&benchmarks("gsm8k")).unwrap(),
        protocol: if std::env::var_os("GRA_LM_EVAL").is_some() {
            ScoringProtocol::LmEval
        } else {
            ScoringProtocol::OpenCompass
        },
        data: DataCache::find(None).unwrap(),
        folder: path("GRA_OUT"),
        replace: false,
        answer_within: std::env::var("GRA_WITHIN").map_or(60, |seconds| seconds.parse().unwrap()),
    });
    for (benchmark, outcome) in &evaluation.benchmarks {
        let BenchmarkOutcome::Scored(scored) = outcome else { panic!("{benchmark}: {outcome:?}") };
        println!("{benchmark} {} of {:?} {:?}", scored.score, scored.n, scored.notes);
        assert!(scored.whole, "{benchmark}");
    }
}
