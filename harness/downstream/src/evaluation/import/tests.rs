//! Imports of what real runs wrote, on items of our own, with a model of 135 million parameters.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// An evaluation in lines.
fn told(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    for (benchmark, outcome) in &evaluation.benchmarks {
        let _ = match outcome {
            BenchmarkOutcome::Failed(reason) => writeln!(text, "{benchmark}: failed: {reason}"),
            BenchmarkOutcome::Scored(scored) => {
                let right: Vec<String> =
                    scored.items.iter().map(|item| format!("{}={}", item.id, item.right)).collect();
                let ScoredBenchmark { score, n, whole, pinned, decimals, .. } = scored;
                writeln!(
                    text,
                    "{benchmark}: {score} n={n:?} whole={whole} pinned={pinned} decimals={decimals:?} [{}] {:?}",
                    right.join(" "),
                    scored.notes
                )
            }
        };
    }
    text
}

#[test]
fn a_run_of_opencompass_is_read_with_its_items() {
    let evaluation = import(&fixture("opencompass-0.4.1"), None).unwrap();
    assert_eq!(evaluation.model.name, "model");
    insta::assert_snapshot!(told(&evaluation));
    // IFEval is the mean of four, and all four are kept.
    let ifeval = evaluation.scored(Benchmark::IfEval).unwrap();
    assert_eq!(ifeval.metrics.len(), 4);
    assert!((ifeval.score - f64::midpoint(100.0 / 3.0, 25.0)).abs() < 1e-9, "{}", ifeval.score);
    // MBPP's score, not one of its counts.
    let mbpp = evaluation.scored(Benchmark::Mbpp).unwrap();
    assert_eq!((mbpp.metrics.len(), mbpp.metrics["failed"].to_string()), (5, "2".to_owned()));
}

#[test]
fn a_summary_is_read_by_data_set_and_metric() {
    let summary = fixture("opencompass-0.4.1/summary/summary_20261130_022501.csv");
    insta::assert_snapshot!(told(&import(&summary, None).unwrap()));
}

#[test]
fn what_is_missing_of_a_summary_fails_its_benchmark() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("summary.csv");
    let read = |lines: &str| {
        fs::write(&file, format!("dataset,version,metric,mode,a,b\n{lines}")).unwrap();
        told(&import(folder.path(), Some("b")).unwrap())
    };
    for (lines, said) in [
        (
            "gsm8k,1d7fe4,accuracy,gen,50.00,-\n",
            "gsm8k: failed: 1 of 1 data sets have no score: gsm8k\n",
        ),
        // As version 0.5 has groups: other prompts, and a line of accuracy before the unweighted mean.
        (
            "mmlu,-,accuracy,gen,1.00,-\nmmlu,-,naive_average,gen,2.00,61.53\n",
            "mmlu: 61.53 n=None whole=false pinned=false decimals=Some(2) [] [\"which items are right was not kept\", \"asked with other prompts than the pinned ones, or the files do not say which\", \"read from a summary of 2 decimals\"]\n",
        ),
        (
            "bbh-snarks,42d6ca,score,gen,1.00,2.00\n",
            "bbh: failed: 26 of 27 data sets have no score: bbh-boolean_expressions, bbh-causal_judgement, bbh-date_understanding, bbh-disambiguation_qa, bbh-dyck_languages, ..\n",
        ),
        (
            "gsm8k,1d7fe4,accuracy,gen,1.00,200\n",
            "gsm8k: failed: FILE: accuracy is 200, not from 0 to 100\n",
        ),
        ("gsm8k,1d7fe4,other,gen,1.00,20\n", "gsm8k: failed: FILE: there is no metric accuracy\n"),
    ] {
        assert_eq!(read(lines).replace(&file.display().to_string(), "FILE"), said, "{lines}");
    }
    // 62.22 is no share of 1319 items, 62.24 is.
    for (score, is_off) in [("62.22", true), ("62.24", false)] {
        let text = read(&format!("gsm8k,1d7fe4,accuracy,gen,1,{score}\n"));
        assert_eq!(text.contains("no whole number of 1319 items"), is_off, "{text}");
    }
}

#[test]
fn items_that_disagree_with_the_score_fail_the_benchmark() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("results/m");
    fs::create_dir_all(&below).unwrap();
    let read = |text: &str| {
        fs::write(below.join("gsm8k.json"), text).unwrap();
        told(&import(folder.path(), None).unwrap())
    };
    let details =
        r#"[{"predictions": [{"correct": true}]}, {"predictions": [{"correct": false}]}]"#;
    let good = read(&format!(r#"{{"accuracy": 50.0, "details": {details}}}"#));
    assert!(good.starts_with("gsm8k: 50 n=Some(2) whole=false pinned=false"), "{good}");
    let bad = read(&format!(r#"{{"accuracy": 75.0, "details": {details}}}"#));
    assert_eq!(bad, "gsm8k: failed: gsm8k: accuracy is 75, and its items say 50\n");
    // As version 0.5 and HumanEval have details: by place, and with the task's own name.
    let by_place =
        r#"{"10": {"correct": true}, "9": {"is_correct": false, "task_id": "T/9"}, "type": "GEN"}"#;
    let good = read(&format!(r#"{{"accuracy": 50.0, "details": {by_place}}}"#));
    assert!(good.contains("[T/9=0 10=1]"), "{good}");
    let cut = read(r#"{"accuracy": 5"#);
    assert!(cut.contains("gsm8k: failed:") && cut.contains("EOF"), "{cut}");
}

#[test]
fn results_of_lm_eval_are_read_with_their_samples() {
    for path in ["lm-eval-0.4.13", "lm-eval-0.4.13/smol/results_2026-11-30T02-27-49.361873.json"] {
        let evaluation = import(&fixture(path), None).unwrap();
        assert_eq!(evaluation.protocol, ScoringProtocol::LmEval);
        assert_eq!(evaluation.packages["lm-eval"], "0.4.13");
        assert_eq!(evaluation.model.name, "smol");
        insta::allow_duplicates! { insta::assert_snapshot!("lm_eval", told(&evaluation)); }
    }
}

#[test]
fn what_holds_no_scores_and_what_holds_several_models_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = import(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("holds no scores") && error.contains("\nhint: "), "{error}");
    let mut file = folder.path().join("notes.txt");
    fs::write(&file, "").unwrap();
    assert!(import(&file, None).unwrap_err().to_string().contains("notes.txt holds no scores"));
    file.set_extension("csv");
    fs::write(&file, "dataset,version,metric,mode,a,b\n").unwrap();
    let error = import(&file, None).unwrap_err().to_string();
    assert!(error.contains("scores of a, b, and one is imported at a time"), "{error}");
    fs::write(&file, "a,b\n").unwrap();
    assert!(import(&file, None).unwrap_err().to_string().contains("its first columns are not"));
}
