//! Economy on a real model: fewer calls, the same samples.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gra_bench::experiment::{Experiment, Overrides};
use gra_bench::progress::{Progress, Verbosity};
use gra_bench::store::Store;
use gra_bench::suite::{self, SeedReport};
use gra_llm::engine::{Engine, EngineError, Progress as ChunkProgress};
use gra_llm::key::request_hash;
use gra_llm::llama::LlamaEngine;
use gra_llm::score::{Passage, Score};
use gra_synth::candidate::Candidate;
use gra_synth::request::{Embedding, ModelName, Portion, Reply, Request};

use crate::real_model::models;
use crate::workbench::{Workbench, published};

const VARIANTS: &str = "[[variant]]\nname = \"gra\"\n\
                        [[variant]]\nname = \"no-reviewer\"\nreviewers = \"none\"\n";

/// The real engine, whose whole replies are pinned. A portion is cut from its whole reply: a reply
/// depends on its batch, and what is compared here is which calls are made.
struct Pinned {
    engine: LlamaEngine,
    whole: BTreeMap<(ModelName, [u8; 32]), Reply>,
    /// Whether a call that is not pinned may be made.
    open: bool,
    calls: usize,
    openings: usize,
}

impl Engine for Pinned {
    fn complete(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(ChunkProgress),
    ) -> Result<Vec<Reply>, EngineError> {
        self.calls += chunk.len();
        let key = |request: &Request| {
            let whole = Request { portion: Portion::Whole, ..request.clone() };
            (request.model.clone(), request_hash(&whole))
        };
        if self.open {
            let replies = self.engine.complete(chunk, watch)?;
            self.whole.extend(chunk.iter().map(key).zip(replies));
        }
        let replies: Vec<Reply> = chunk
            .iter()
            .map(|request| {
                let mut reply = self.whole.get(&key(request)).expect("asks nothing new").clone();
                if request.portion == Portion::Opening {
                    let opening = request.shape.opening(&reply.text).unwrap().len();
                    reply.text.truncate(opening);
                }
                reply
            })
            .collect();
        let openings = chunk.iter().filter(|request| request.portion == Portion::Opening);
        self.openings += openings.count();
        Ok(replies)
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut dyn FnMut(ChunkProgress),
    ) -> Result<Vec<Score>, EngineError> {
        self.engine.score(passages, watch)
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EngineError> {
        self.engine.embed(texts)
    }

    fn fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.engine.fingerprint(model)
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.engine.scoring_fingerprint(model)
    }

    fn encoder_fingerprint(&mut self) -> Result<String, EngineError> {
        self.engine.encoder_fingerprint()
    }
}

fn run(bench: &Workbench, models: &str, results: &Path, engine: &mut Pinned) -> Vec<SeedReport> {
    let path = bench.path("experiment.toml");
    let experiment = Experiment::load(&path, Path::new(models), &Overrides::default()).unwrap();
    let mut store = Store::open(&results.join("store.db")).unwrap();
    let mut progress = Progress::new(Verbosity::Quiet);
    let stop = AtomicBool::new(false);
    suite::run_all(&experiment, engine, &mut store, results, &mut progress, &stop).unwrap()
}

/// What is published of samples: not the facts of other candidates, nor the settings.
fn samples(results: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_of_samples = |name: &str| {
        ["alpaca.json", "sharegpt.jsonl", "samples.parquet"].iter().any(|end| name.ends_with(end))
    };
    published(results).into_iter().filter(|(name, _)| is_of_samples(name)).collect()
}

#[test]
fn fewer_calls_and_the_same_samples() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(VARIANTS, "rounds = 1\neconomy = false");
    bench.edit("experiment.toml", "tau = 6.0", "tau = 4.5");
    let path = bench.path("experiment.toml");
    let experiment = Experiment::load(&path, Path::new(&models), &Overrides::default()).unwrap();
    let mut engine = Pinned {
        engine: LlamaEngine::new(experiment.pool.clone(), experiment.engine.clone()),
        whole: BTreeMap::new(),
        open: true,
        calls: 0,
        openings: 0,
    };
    let full = bench.path("full");
    run(&bench, &models, &full, &mut engine);
    let asked = std::mem::take(&mut engine.calls);

    engine.open = false;
    bench.edit("experiment.toml", "economy = false", "economy = true");
    let thin = bench.path("thin");
    let reports = run(&bench, &models, &thin, &mut engine);

    let made = samples(&full);
    let again = samples(&thin);
    for (name, bytes) in &made {
        assert!(again.get(name) == Some(bytes), "{name} differs");
    }
    assert_eq!(made.len(), 3 * VARIANTS.matches("name =").count());
    assert!(
        reports[0].trials.iter().any(|trial| trial.candidates.iter().any(Candidate::is_sample))
    );
    // How many depends on what the model says; that nothing new is asked, `Pinned` has checked.
    println!("{asked} calls, with economy {} ({} openings)", engine.calls, engine.openings);
    assert!(engine.openings > 0);
}
