//! Economy on a real model: fewer calls, the same samples.

use std::collections::BTreeMap;
use std::path::Path;

use crate::real_model::models;
use crate::workbench::{Workbench, published};

const VARIANTS: &str = "[[variant]]\nname = \"gra\"\n\
                        [[variant]]\nname = \"no-reviewer\"\nreviewers = \"none\"\n";

/// What is published of samples: not the facts of other candidates, nor the settings.
fn samples(results: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_of_samples = |name: &str| {
        ["alpaca.json", "messages.jsonl", "samples.parquet"].iter().any(|end| name.ends_with(end))
    };
    published(results).into_iter().filter(|(name, _)| is_of_samples(name)).collect()
}

/// Strict, because a run with economy has other batches: only then is each of its replies the same.
#[test]
fn fewer_tokens_and_the_same_samples() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(VARIANTS, "rounds = 1\neconomy = false");
    bench.edit("experiment.toml", "tau = 6.0", "tau = 4.5");
    bench.edit("experiment.toml", "threads = 1", "threads = 1\ndeterminism = \"strict\"");
    let run = |results: &str| -> serde_json::Value {
        let arguments =
            ["run", "experiment.toml", "--models", &models, "--results", results, "--json", "-q"];
        let output = bench.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let full = run("full");
    bench.edit("experiment.toml", "economy = false", "economy = true");
    let thin = run("thin");

    let (made, again) = (samples(&bench.path("full")), samples(&bench.path("thin")));
    for (name, bytes) in &made {
        assert!(again.get(name) == Some(bytes), "{name} differs");
    }
    assert_eq!(made.len(), 3 * VARIANTS.matches("name =").count());
    let of = |table: &serde_json::Value, row: usize, column: &str| {
        table["rows"][row][column].as_u64().unwrap()
    };
    assert!(of(&full, 1, "accepted") > 0, "{full}");
    // Every review has a comment less, or was not made at all.
    assert!(of(&thin, 0, "saved_comments") + of(&thin, 0, "saved_after_veto") > 0, "{thin}");
    assert!(of(&thin, 0, "reply_tokens") < of(&full, 0, "reply_tokens"), "{thin}");
}
