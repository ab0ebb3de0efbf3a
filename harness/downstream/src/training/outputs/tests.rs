use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training");

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(FIXTURES).join(name)).unwrap()
}

#[test]
fn python_writes_numbers_that_json_has_not() {
    let cases = [
        (
            r#"{"a": NaN, "b": -Infinity, "c": [Infinity, 1]}"#,
            r#"{"a": "NaN", "b": "-Infinity", "c": ["Infinity", 1]}"#,
        ),
        (r#"{"NaN": "is NaN\" NaN", "é": NaN}"#, r#"{"NaN": "is NaN\" NaN", "é": "NaN"}"#),
        (r#""\\" NaN"#, r#""\\" "NaN""#),
    ];
    for (python, json) in cases {
        assert_eq!(quoted(python), json);
    }
}

/// The log of a real training, as it grows: in two pieces, cut in the middle of a line.
#[test]
fn a_log_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer_log.jsonl");
    let text = fixture("trainer_log.jsonl");
    let (before, rest) = text.split_at(text.match_indices('\n').nth(1).unwrap().0 + 30);
    let mut log = LogReader::at_end(path.clone());
    assert_eq!(log.new_steps(), []);
    fs::write(&path, before).unwrap();
    let steps = |progress: &[TrainingProgress]| -> Vec<u64> {
        progress.iter().map(|progress| progress.step).collect()
    };
    assert_eq!(steps(&log.new_steps()), [1, 2]);
    fs::write(&path, format!("{before}{rest}")).unwrap();
    let last = log.new_steps();
    // The line that sums up has no loss and is no step.
    assert_eq!(steps(&last), [3, 4, 5, 6]);
    assert!(last.iter().all(|progress| progress.steps == 6 && progress.remaining.is_some()));
    assert_eq!(last[3].remaining, Some(Duration::ZERO));
    assert_eq!(log.new_steps(), []);
    // A resumed run shows what it adds.
    assert_eq!(LogReader::at_end(path).new_steps(), []);
}

#[test]
fn a_log_with_a_loss_that_is_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer_log.jsonl");
    let mut log = LogReader::at_end(path.clone());
    fs::write(&path, fixture("nan_trainer_log.jsonl")).unwrap();
    let losses: Vec<bool> = log.new_steps().iter().map(|step| step.loss.is_finite()).collect();
    assert!(losses[0] && losses.contains(&false), "{losses:?}");
}

#[test]
fn what_a_training_came_to() {
    let outcome = read_outcome(Path::new(FIXTURES), false).unwrap();
    let curve: Vec<String> = outcome
        .loss
        .iter()
        .map(|point| {
            let LossPoint { step, epoch, loss, learning_rate, grad_norm } = point;
            format!("{step} {epoch:.2} {loss:.3} {learning_rate:e} {:.2}", grad_norm.unwrap())
        })
        .collect();
    insta::assert_snapshot!(curve.join("\n"), @r"
    1 0.25 1.898 0e0 16.20
    2 0.50 2.159 5e-6 22.95
    3 0.75 1.717 4.522542485937369e-6 17.72
    4 1.00 3.229 3.272542485937369e-6 19.24
    5 1.25 2.657 1.7274575140626318e-6 17.20
    6 1.50 2.240 4.774575140626317e-7 23.50
    ");
    let results: Vec<String> =
        outcome.results.iter().map(|(name, value)| format!("{name} {value}")).collect();
    insta::assert_snapshot!(results.join("\n"), @r"
    epoch 1.5
    total_flos 219203933184
    train_loss 2.3167230089505515
    train_runtime 33.7721
    train_samples_per_second 0.355
    train_steps_per_second 0.178
    ");
}

/// Its second step has a loss, and a gradient that is none.
#[test]
fn a_gradient_that_is_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let text = fixture("nan_trainer_state.json");
    fs::write(folder.path().join("trainer_state.json"), text).unwrap();
    fs::write(folder.path().join("all_results.json"), fixture("all_results.json")).unwrap();
    for (in_fp16, first) in [(false, 2), (true, 3)] {
        let error = read_outcome(folder.path(), in_fp16).unwrap_err();
        assert!(
            matches!(error, TrainingError::LossIsNoNumber { step } if step == first),
            "{error}"
        );
    }
}
