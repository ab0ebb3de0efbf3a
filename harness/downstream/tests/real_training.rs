//! A training by the real LLaMA-Factory on this machine's CPU: stopped, resumed, made into a GGUF file. It takes minutes, so it
//! runs only when it is asked for:
//!
//! ```text
//! scripts/setup && scripts/engines --cpu llamafactory
//! cargo test -p gra-downstream --test real_training -- --ignored --nocapture
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gra_downstream::engine::{EngineKind, Environment};
use gra_downstream::training::{
    Base, OtherTraining, Recipe, TrainingError, TrainingEvent, TrainingPlan, TrainingRecord,
    TrainingSet, prepare, to_gguf, train,
};
use gra_files::digest::DigestCache;

const RECORDS: &str = r#"[
{"instruction": "Name three colours of a traffic light.", "output": "Red, amber and green."},
{"instruction": "Add the two numbers.", "input": "4 and 9", "output": "The sum is 13."},
{"instruction": "Say what a thermometer measures.", "output": "It measures temperature."},
{"instruction": "Give the past tense of the verb 'go'.", "output": "The past tense of 'go' is 'went'."}
]"#;

/// A folder of the repository, or the one that a variable names.
fn folder(variable: &str, default: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os(variable).map_or(repository.join(default), PathBuf::from)
}

#[test]
#[ignore = "takes minutes, and needs scripts/engines llamafactory"]
fn a_training_that_was_stopped_goes_on() {
    let environment =
        Environment::find(&folder("GRA_ENGINES", ".engines"), EngineKind::LlamaFactory);
    let environment = environment.unwrap();
    let model = folder("GRA_MODELS", ".models").join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::write(root.join("tiny.json"), RECORDS).unwrap();
    let mut digests = DigestCache::in_memory();
    let never = AtomicBool::new(false);

    let base = Base::parse(model.to_str().unwrap()).unwrap();
    let base = base.converted(&root.join("bases"), &environment, &mut digests, &never).unwrap();
    let text = include_str!("../../../experiments/recipes/smoke.toml");
    let data_sets = vec![TrainingSet { name: "tiny".to_owned(), file: root.join("tiny.json") }];
    let recipe = Recipe::parse("smoke", text).unwrap();
    let plan = TrainingPlan { data_sets, base, recipe, seed: 0 };
    let folder = root.join("training");
    prepare(&plan, &folder, OtherTraining::Refuse, &mut digests).unwrap();

    let stop = AtomicBool::new(false);
    let checkpoint = folder.join("model/checkpoint-2/trainer_state.json");
    let stopped = train(&folder, &environment, &stop, &mut |event| {
        println!("{event:?}");
        // Its third step is logged after the checkpoint of the second was written.
        stop.store(checkpoint.is_file(), Ordering::Relaxed);
    });
    assert!(matches!(stopped, Err(TrainingError::Stopped)), "{stopped:?}");
    assert_eq!(TrainingRecord::read(&folder).unwrap(), None);

    let mut events = Vec::new();
    let record = train(&folder, &environment, &never, &mut |event| events.push(event)).unwrap();
    assert!(matches!(events[0], TrainingEvent::ResumedFrom(2..)), "{events:?}");
    assert_eq!((record.runs, record.steps, record.loss.len()), (2, 6, 6));
    assert!(record.chat_template_sha256.is_some());

    let gguf = to_gguf(&folder, &environment, &never).unwrap();
    assert_eq!(fs::read(gguf).unwrap()[..4], *b"GGUF");
}
