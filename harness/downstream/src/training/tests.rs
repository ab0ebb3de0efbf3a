//! Trainings in temporary folders. LLaMA-Factory is played by a shell script, which copies what the real one wrote; the real
//! one runs in `tests/real_training.rs`.

use std::time::{Duration, Instant};

use super::*;
use crate::engine::{EngineKind, Environment};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training");
const SMOKE: &str = include_str!("../../../../experiments/recipes/smoke.toml");
const PAPER: &str = include_str!("../../../../experiments/recipes/paper.toml");

/// What LLaMA-Factory leaves after a training that went well.
const FINISHES: &str = "cp $FIXTURES/trainer_log.jsonl $FIXTURES/trainer_state.json $FIXTURES/all_results.json $BASE/* model";

struct Workshop {
    root: tempfile::TempDir,
}

impl Workshop {
    /// With a base model of one tensor, and a data set.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("base");
        fs::create_dir(&base).unwrap();
        let header = br#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}"#;
        let mut weights = (header.len() as u64).to_le_bytes().to_vec();
        weights.extend_from_slice(header);
        weights.extend_from_slice(&[0; 8]);
        fs::write(base.join("model.safetensors"), weights).unwrap();
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            fs::write(base.join(name), "{}").unwrap();
        }
        let data = r#"[{"instruction": "Greet.", "output": "Hello."}]"#;
        fs::write(root.path().join("a.json"), data).unwrap();
        Self { root }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("training")
    }

    fn plan(&self) -> TrainingPlan {
        TrainingPlan {
            data_sets: vec![TrainingSet {
                name: "a".to_owned(),
                file: self.root.path().join("a.json"),
            }],
            base: Base::Folder(self.root.path().join("base")),
            recipe: Recipe::parse("smoke", SMOKE).unwrap(),
            seed: 0,
        }
    }

    fn prepare(&self, plan: &TrainingPlan, other: OtherTraining) -> Result<(), TrainingError> {
        prepare(plan, &self.folder(), other, &mut DigestCache::in_memory()).map(|_| ())
    }

    /// An environment whose `llamafactory-cli` is this script, run in the training's folder.
    fn environment(&self, script: &str) -> Environment {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.root.path().join("llamafactory");
        let cli = folder.join("bin/llamafactory-cli");
        fs::create_dir_all(cli.parent().unwrap()).unwrap();
        let base = self.root.path().join("base");
        let head = format!("#!/bin/sh\nset -e\nFIXTURES={FIXTURES}\nBASE={}\n", base.display());
        fs::write(&cli, format!("{head}mkdir -p model\n{script}\n")).unwrap();
        fs::set_permissions(&cli, fs::Permissions::from_mode(0o755)).unwrap();
        Environment { engine: EngineKind::LlamaFactory, folder, packages: BTreeMap::new() }
    }

    fn train(&self, script: &str) -> (Result<TrainingRecord, TrainingError>, Vec<TrainingEvent>) {
        let mut events = Vec::new();
        let environment = self.environment(script);
        let stop = AtomicBool::new(false);
        let record = train(&self.folder(), &environment, &stop, &mut |event| events.push(event));
        (record, events)
    }

    /// Where this machine's folders stand in a text, `[ROOT]`.
    fn without_paths(&self, text: &str) -> String {
        let root = fs::canonicalize(self.root.path()).unwrap();
        let text = text.replace(&root.display().to_string(), "[ROOT]");
        text.replace(&self.root.path().display().to_string(), "[ROOT]")
    }
}

#[test]
fn what_is_written_for_the_trainer() {
    let workshop = Workshop::new();
    let mut plan = workshop.plan();
    plan.recipe = Recipe::parse("paper", PAPER).unwrap();
    workshop.prepare(&plan, OtherTraining::Refuse).unwrap();
    let read = |name: &str| {
        workshop.without_paths(&fs::read_to_string(workshop.folder().join(name)).unwrap())
    };
    insta::assert_snapshot!("paper-train.yaml", read("train.yaml"));
    insta::assert_snapshot!("paper-train.sh", read("train.sh"));
    insta::assert_snapshot!("paper-train.slurm", read("train.slurm"));
    insta::assert_snapshot!("paper-zero-2.json", read("zero-2.json"));
    insta::assert_snapshot!("dataset_info.json", read("data/dataset_info.json"));
    // The same plan gives the same bytes.
    let before: Vec<String> = ["inputs.json", "train.yaml"].map(read).to_vec();
    workshop.prepare(&plan, OtherTraining::Refuse).unwrap();
    assert_eq!(before, ["inputs.json", "train.yaml"].map(read));
}

#[test]
fn a_training_is_recorded_once() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let counted = format!("echo run >>runs\n{FINISHES}");
    let (record, events) = workshop.train(&counted);
    let record = record.unwrap();
    assert_eq!((record.runs, record.steps, record.loss.len(), record.devices), (1, 6, 6, 1));
    let Some(TrainingEvent::Step(last)) = events.last() else { panic!("{events:?}") };
    assert_eq!((last.step, last.steps), (6, 6));
    // The script has no package, and the record says so.
    assert!(record.notes[0].starts_with("llamafactory is missing; trainings were tried with 0.9"));
    assert_eq!(TrainingRecord::read(&workshop.folder()).unwrap(), Some(record.clone()));
    // Not run again; and taking it back from elsewhere gives the same.
    assert_eq!(workshop.train(&counted).0.unwrap(), record);
    assert_eq!(import(&workshop.folder()).unwrap(), record);
    assert_eq!(fs::read_to_string(workshop.folder().join("runs")).unwrap(), "run\n");
}

#[test]
fn a_run_that_died_is_told_and_can_be_repeated() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let (died, _) =
        workshop.train("echo 'Loading data'; echo 'No space left on device' >&2; exit 3");
    let said = died.unwrap_err().to_string();
    assert!(said.contains("(exit status: 3)") && said.contains("train.log"), "{said}");
    assert!(
        said.contains("Loading data\nNo space left on device\nhint: what is done stays done"),
        "{said}"
    );
    assert_eq!(
        import(&workshop.folder()).unwrap_err().to_string().lines().next(),
        Some(
            format!(
                "{} is missing: the training is not finished, or was not copied whole",
                workshop.folder().join("model/trainer_state.json").display()
            )
            .as_str()
        )
    );
    assert_eq!(workshop.train(FINISHES).0.unwrap().runs, 2);
}

/// A disk was full while checkpoint 4 was written: the one before it is taken.
#[test]
fn a_checkpoint_that_is_cut_off_is_put_aside() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let dies = "for step in 2 4; do mkdir model/checkpoint-$step; cp $BASE/* model/checkpoint-$step; \
        echo \"{\\\"global_step\\\": $step}\" >model/checkpoint-$step/trainer_state.json; done; \
        printf 'PK' >model/checkpoint-4/optimizer.pt; rm model/checkpoint-4/trainer_state.json; exit 1";
    let said = workshop.train(dies).0.unwrap_err().to_string();
    assert!(
        said.contains("it ended while it wrote ")
            && said.contains("model/checkpoint-4 (trainer_state.json: No such"),
        "{said}"
    );
    assert!(said.contains(" MB are free on that disk\nhint: make room"), "{said}");
    let (record, events) = workshop.train(FINISHES);
    record.unwrap();
    let aside = workshop.folder().join("model/cut-off-4");
    let [TrainingEvent::PutAside(path, why), TrainingEvent::ResumedFrom(2), ..] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(path, &aside);
    assert!(why.starts_with("trainer_state.json: No such file"), "{why}");
    assert!(aside.is_dir());
    assert!(remove_checkpoints(&workshop.folder()).unwrap() > 0);
    assert!(!aside.exists() && !workshop.folder().join("model/checkpoint-2").exists());
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let start = Instant::now();
    let (broken, _) =
        workshop.train("cp $FIXTURES/nan_trainer_log.jsonl model/trainer_log.jsonl; sleep 300");
    let said = broken.unwrap_err().to_string();
    assert!(said.starts_with("the loss or its gradient is no finite number at step "), "{said}");
    assert!(said.contains("hint: lower learning_rate"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(60));
    // And one that was trained elsewhere to its end is refused.
    fs::remove_dir_all(workshop.folder().join("model")).unwrap();
    let finishes =
        format!("{FINISHES}; cp $FIXTURES/nan_trainer_state.json model/trainer_state.json");
    let (broken, _) = workshop.train(&finishes);
    assert!(matches!(broken, Err(TrainingError::LossIsNoNumber { .. })), "{broken:?}");
}

#[test]
fn it_stops_when_it_is_told_to() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let environment = workshop.environment("cp $FIXTURES/trainer_log.jsonl model; sleep 300");
    let stop = AtomicBool::new(false);
    let mut show = |_| stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = train(&workshop.folder(), &environment, &stop, &mut show);
    assert!(matches!(stopped, Err(TrainingError::Stopped)), "{stopped:?}");
}

#[test]
fn one_trainer_works_in_a_folder() {
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    let running = fs::File::create(workshop.folder().join(".running")).unwrap();
    running.lock().unwrap();
    let said = workshop.train(FINISHES).0.unwrap_err().to_string();
    assert!(
        said.contains("a training runs in") && said.contains("hint: wait for its end"),
        "{said}"
    );
    drop(running);
    workshop.train(FINISHES).0.unwrap();
}

#[test]
fn another_training_is_refused_and_says_what_differs() {
    let workshop = Workshop::new();
    let plan = workshop.plan();
    workshop.prepare(&plan, OtherTraining::Refuse).unwrap();
    workshop.train(FINISHES).0.unwrap();
    // Comments and the recipe's name make no other training.
    let mut same = plan.clone();
    same.recipe = Recipe::parse("mine", &format!("# Mine.\n{SMOKE}")).unwrap();
    workshop.prepare(&same, OtherTraining::Refuse).unwrap();
    assert!(workshop.folder().join("training.json").is_file());

    let mut other = plan;
    other.seed = 1;
    other.recipe = Recipe::parse("smoke", &SMOKE.replace("5e-6", "1e-5")).unwrap();
    let data = r#"[{"instruction": "Greet.", "output": "Good morning."}]"#;
    fs::write(workshop.root.path().join("a.json"), data).unwrap();
    fs::write(workshop.root.path().join("base/config.json"), "{\"a\": 1}").unwrap();
    let refused = workshop.prepare(&other, OtherTraining::Refuse).unwrap_err();
    insta::assert_snapshot!(workshop.without_paths(&refused.to_string()), @r"
    [ROOT]/training holds another training:
      data set a: sha256 3aeee9180e6c (records: 1), not sha256 3f69a675bfc9 (records: 1)
      base model, config.json: 44136fa355b3, not f9d86028c6e0
      recipe, learning_rate: 5.0e-06, not 1.0e-05
      training seed: 0, not 1
    hint: choose another folder, or replace it with --replace
    ");
    assert!(workshop.folder().join("training.json").is_file());
    workshop.prepare(&other, OtherTraining::Replace).unwrap();
    assert!(!workshop.folder().join("training.json").exists());
}

#[test]
fn folders_that_are_none_of_ours_are_left_alone() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.folder()).unwrap();
    fs::write(workshop.folder().join("thesis.tex"), "").unwrap();
    for other in [OtherTraining::Refuse, OtherTraining::Replace] {
        let error = workshop.prepare(&workshop.plan(), other).unwrap_err().to_string();
        assert!(error.contains("no training was prepared in it"), "{error}");
    }
    let (nothing, _) = workshop.train(FINISHES);
    assert!(nothing.unwrap_err().to_string().contains("it has no inputs.json"));
}

/// What a cluster may do to a folder before it comes back.
#[test]
fn imports_that_are_refused() {
    let cases = [
        ("echo '[]' >data/a.json", "data/a.json was changed after the training was prepared"),
        ("echo 'seed: 3' >>train.yaml", "train.yaml was changed after the training was prepared"),
        ("rm model/model.safetensors", "model/model.safetensors is missing"),
        ("printf x >>model/model.safetensors", "model/model.safetensors is damaged: "),
        ("rm model/all_results.json", "model/all_results.json is missing"),
        ("rm sessions.jsonl", "sessions.jsonl is missing"),
        ("echo '{\"ended\": 1}' >sessions.jsonl", "no run is in it"),
        (
            "sed -i 's/\"global_step\": 6/\"global_step\": 4/' model/trainer_state.json",
            "made 4 of 6 steps",
        ),
        ("echo '{' >model/trainer_state.json", "model/trainer_state.json is damaged: EOF"),
    ];
    for (harm, said) in cases {
        let workshop = Workshop::new();
        workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
        workshop.train(FINISHES).0.unwrap();
        fs::remove_file(workshop.folder().join("training.json")).unwrap();
        let mut shell = std::process::Command::new("sh");
        let harmed = shell.args(["-ec", harm]).current_dir(workshop.folder()).status().unwrap();
        assert!(harmed.success(), "{harm}");
        let error = import(&workshop.folder()).unwrap_err().to_string();
        assert!(error.contains(said), "{harm}: {error}");
        assert!(!workshop.folder().join("training.json").exists());
    }
    let workshop = Workshop::new();
    workshop.prepare(&workshop.plan(), OtherTraining::Refuse).unwrap();
    fs::write(workshop.root.path().join("base/config.json"), "{\"other\": 1}").unwrap();
    let error = workshop.train(FINISHES).0.unwrap_err().to_string();
    assert!(error.contains("not trained from base as it was prepared: config.json"), "{error}");
}
