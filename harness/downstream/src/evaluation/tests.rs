//! Whole evaluations with a script in the engine's place, which writes what the real one wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::serving::tests::{ONE, REPLY, server};
use super::*;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/opencompass-0.4.1");

/// A folder with an engine, benchmarks and room for an evaluation.
struct Bench {
    folder: tempfile::TempDir,
    plan: EvaluationPlan,
}

impl Bench {
    /// `script` stands for the engine; `$benchmark` is what it is called for, `keep DATA_SET` writes the recorded result.
    fn new(url: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("engines/opencompass/bin");
        fs::create_dir_all(&bin).unwrap();
        let manifest = r#"{"engine": "opencompass", "packages": {"opencompass": "0.4.1"}}"#;
        fs::write(folder.path().join("engines/opencompass/engine.json"), manifest).unwrap();
        let text = format!(
            "#!/bin/sh\nset -e\nbenchmark=$(basename \"$2\" .py)\necho \"$benchmark\" >> {calls}\n\
             keep() {{\n  mkdir -p run/results/model run/summary\n  cp {FIXTURE}/results/model/$1.json run/results/model/\n\
             \x20 cp {FIXTURE}/summary/*.csv run/summary/\n}}\n{script}\n",
            calls = folder.path().join("calls").display(),
        );
        let python = bin.join("python");
        fs::write(&python, text).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let data = DataCache { folder: folder.path().join("data-cache") };
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/benchmarks");
        data_cache::lay_out(&own, &data).unwrap();
        let plan = EvaluationPlan {
            target: Target::Url { url: url.to_owned(), model: None },
            serving: ServingOptions {
                answer_within: std::time::Duration::from_secs(5),
                ..ServingOptions::default()
            },
            suite: Suite::smoke().only(&[Benchmark::Gsm8k, Benchmark::ArcC]).unwrap(),
            protocol: ScoringProtocol::OpenCompass,
            data,
            folder: folder.path().join("evaluation"),
            replace: false,
            answer_within: 5,
        };
        Self { folder, plan }
    }

    fn evaluate(&self, stop: &AtomicBool) -> Result<Option<Evaluation>, EvaluationError> {
        evaluate(&self.plan, &self.folder.path().join("engines"), stop, &mut |_| ())
    }

    /// What the engine was called for.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "of the form that servers of tests have")]
fn answering(path: &str) -> Option<(u16, &'static str)> {
    Some((200, if path.ends_with("models") { ONE } else { REPLY }))
}

#[test]
fn a_benchmark_that_fails_has_its_reason_and_is_all_that_is_tried_again() {
    let script = "case $benchmark in\n  gsm8k) keep gsm8k ;;\n  *) echo 'no space left' >&2; exit 3 ;;\nesac";
    let bench = Bench::new(&server(answering), script);
    let stop = AtomicBool::new(false);
    let evaluation = bench.evaluate(&stop).unwrap().unwrap();
    let gsm8k = evaluation.scored(Benchmark::Gsm8k).unwrap();
    assert_eq!((gsm8k.n, gsm8k.whole, gsm8k.pinned), (Some(3), false, true));
    let failures: Vec<_> = evaluation.failures().collect();
    let reason = "the engine failed (exit status: 3): no space left\nhint: read logs/arc_c.log";
    assert_eq!(failures, [("arc_c", reason)]);
    let file = bench.plan.folder.join(record::EVALUATION_FILE);
    assert_eq!(Evaluation::read(&file).unwrap(), evaluation);
    // The record is of no machine.
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&bench.folder.path().display().to_string()), "{text}");

    assert_eq!(bench.evaluate(&stop).unwrap().unwrap(), evaluation);
    assert_eq!(bench.calls(), ["gsm8k", "arc_c", "arc_c"]);
}

#[test]
fn a_result_of_other_prompts_or_without_a_summary_is_no_score() {
    for (script, said) in [
        (
            "keep $benchmark; sed -i s/1d7fe4/c07d8f/ run/summary/*.csv",
            "gsm8k was asked with other prompts: their hash is c07d8f, not 1d7fe4",
        ),
        ("keep $benchmark; rm run/summary/*.csv", "their hash is in no summary, not 1d7fe4"),
        // OpenCompass ends with success when a task of its has failed.
        ("true", "gsm8k has no result: ./opencompass/run/results/model/gsm8k.json is missing"),
    ] {
        let mut bench = Bench::new(&server(answering), script);
        bench.plan.suite = bench.plan.suite.only(&[Benchmark::Gsm8k]).unwrap();
        let evaluation = bench.evaluate(&AtomicBool::new(false)).unwrap().unwrap();
        let (_, reason) = evaluation.failures().next().unwrap();
        assert!(reason.contains(said), "{reason}");
    }
}

#[test]
fn an_evaluation_that_is_stopped_writes_no_record() {
    let bench = Bench::new(&server(answering), "sleep 1000");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| bench.evaluate(&stop));
        while bench.calls().is_empty() {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(running.join().unwrap().unwrap(), None);
    });
    assert!(!bench.plan.folder.join(record::EVALUATION_FILE).exists());
}

#[test]
fn a_server_that_dies_ends_the_evaluation() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    // It answers the first request, and fails when it is asked after the engine's failure.
    let url = server(|path| match path.ends_with("models") {
        true => Some((200, ONE)),
        false if ASKED.fetch_add(1, Ordering::Relaxed) == 0 => Some((200, REPLY)),
        false => Some((500, "out of memory")),
    });
    let bench = Bench::new(&url, "exit 1");
    let error = bench.evaluate(&AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("the server answers 500") && error.contains("out of memory"), "{error}");
    assert_eq!(bench.calls(), ["gsm8k"]);
    assert!(!bench.plan.folder.join(record::EVALUATION_FILE).exists());
}

#[test]
fn what_is_missing_is_told_before_the_model_is_asked() {
    // Nothing listens there, so reaching the model would be another error.
    let mut bench = Bench::new("http://127.0.0.1:9", "true");
    fs::remove_file(bench.plan.data.folder.join("data/gsm8k/test.jsonl")).unwrap();
    let stop = AtomicBool::new(false);
    let error = bench.evaluate(&stop).unwrap_err().to_string();
    assert!(error.contains("data/gsm8k/test.jsonl: missing"), "{error}");
    let file = bench.folder.path().join("engines/opencompass/engine.json");
    fs::write(file, r#"{"engine": "opencompass", "packages": {"opencompass": "0.5.4"}}"#).unwrap();
    let error = bench.evaluate(&stop).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"
    OpenCompass 0.5.4 has other prompts under the same names; the pinned ones are in 0.4.1
    hint: scripts/engines opencompass
    ");
    bench.plan.protocol = ScoringProtocol::LmEval;
    let error = bench.evaluate(&stop).unwrap_err().to_string();
    assert!(error.ends_with("hint: scripts/engines lm-eval"), "{error}");
}
