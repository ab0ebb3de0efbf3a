//! Names of tasks, and results that lack something.

use super::*;

#[test]
fn a_task_is_of_a_benchmark_and_a_part_by_its_name() {
    for (task, benchmark, part) in [
        ("gsm8k_local", Some(Benchmark::Gsm8k), ""),
        ("gra_gsm8k", Some(Benchmark::Gsm8k), ""),
        ("gra_arc_c", Some(Benchmark::ArcC), ""),
        ("arc_challenge_chat", Some(Benchmark::ArcC), ""),
        ("arc_easy", None, ""),
        ("minerva_math_algebra", Some(Benchmark::Math), "algebra"),
        ("mmlu_high_school_physics_generative", Some(Benchmark::Mmlu), "high_school_physics"),
        ("gra_mmlu_marketing", Some(Benchmark::Mmlu), "marketing"),
        ("mmlu_pro_physics", None, ""),
        (
            "bbh_cot_fewshot_logical_deduction_five_objects",
            Some(Benchmark::Bbh),
            "logical_deduction_five_objects",
        ),
        ("gpqa_diamond_cot_zeroshot", Some(Benchmark::Gpqa), ""),
        ("gpqa_main_cot_zeroshot", None, ""),
        ("humaneval_instruct", Some(Benchmark::HumanEval), ""),
        ("humaneval_plus", None, ""),
        ("ifeval", Some(Benchmark::IfEval), ""),
    ] {
        assert_eq!(benchmark_of(task), benchmark, "{task}");
        if let Some(benchmark) = benchmark {
            assert_eq!(part_of(benchmark, task), part, "{task}");
        }
    }
}

#[test]
fn a_group_counts_by_its_tasks_and_a_metric_that_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results_1.json");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        LmEvalResults::read(&file).and_then(|results| results.score(Benchmark::Mmlu, None))
    };
    let scored = read(
        r#"{"results": {"mmlu": {"acc,none": 0.9}, "mmlu_virology": {"acc,none": 0.5, "acc_stderr,none": 0.1},
            "mmlu_sociology": {"acc,none": 0.25}},
            "n-samples": {"mmlu_virology": {"original": 2, "effective": 2}, "mmlu_sociology": {"original": 8, "effective": 4}}}"#,
    );
    let scored = scored.unwrap();
    // The unweighted mean of the tasks, not the group's own number.
    assert!((scored.score - 37.5).abs() < 1e-9);
    assert_eq!((scored.n, scored.whole, scored.parts.len()), (Some(6), false, 2));
    assert_eq!(scored.notes, ["mmlu_sociology: acc,none"]);
    let error =
        read(r#"{"results": {"mmlu_virology": {"f1,none": 0.5}}}"#).unwrap_err().to_string();
    assert!(error.contains("mmlu_virology has none of exact_match"), "{error}");
    let error = read(r#"{"results": {"mmlu_virology": {"acc,none": 50.0}}}"#).unwrap_err();
    assert!(error.to_string().contains("acc,none of mmlu_virology is 50, not from 0 to 1"));
    assert!(read("{").unwrap_err().to_string().contains("EOF"));
}

#[test]
fn newest_results_are_taken_by_the_time_in_their_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(LmEvalResults::newest(folder.path()), None);
    for name in ["b/results_2026-01-01.json", "a/results_2026-01-02.json", "a/samples_2027.jsonl"] {
        gra_files::write_atomic(&folder.path().join(name), b"{}").unwrap();
    }
    let newest = LmEvalResults::newest(folder.path()).unwrap();
    assert!(newest.ends_with("a/results_2026-01-02.json"), "{}", newest.display());
}
