//! A record for tests of what is made of one.

use std::collections::BTreeMap;

use gra_synth::method::Method;
use gra_synth::request::ModelName;
use gra_synth::variant::Variant;

use super::{ModelDescription, TrialId, TrialRecord, TrialSettings};

/// A record with names that would break out of a card.
pub(crate) fn record() -> TrialRecord {
    let model = |name: &str, licence: Option<&str>, parameters| ModelDescription {
        name: ModelName::new(name),
        source: format!("hub/{name}"),
        licence: licence.map(str::to_owned),
        parameters,
    };
    TrialRecord {
        id: TrialId::new("ablation", "gra", 42),
        settings: TrialSettings {
            experiment: "ablation".to_owned(),
            variant: Variant::gra("no-<reviewer>"),
            method: Method::default(),
            sampling: BTreeMap::new(),
            models: BTreeMap::new(),
            encoder: "an encoder".to_owned(),
            seed_set: "starter.jsonl".to_owned(),
            seed_set_sha256: String::new(),
            seed_items: 52,
            prompts_sha256: String::new(),
            chunk: 64,
        },
        models: vec![
            model("llama", Some("Apache-2.0"), Some(135_000_000)),
            model("a|b", None, None),
        ],
        demonstration: true,
    }
}

#[test]
fn the_order_of_the_pool_is_that_of_models_that_may_be_asked() {
    let mut record = record();
    assert_eq!(record.pool_order(), Vec::<&ModelName>::new());
    for name in ["a|b", "llama"] {
        record.settings.models.insert(ModelName::new(name), "a fingerprint".to_owned());
    }
    assert_eq!(record.pool_order(), [&ModelName::new("llama"), &ModelName::new("a|b")]);
    let read: TrialRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    assert_eq!(read, record);
}
