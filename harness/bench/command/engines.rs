//! Which engine answers for a pool.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result, bail};
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::{Backend, ModelPool};
use gra_llm::recorded::RecordedEngine;

use crate::cli::Places;

/// The engine of a pool. Loads no model yet.
pub(crate) fn engine(
    pool: &ModelPool,
    settings: &EngineSettings,
    places: &Places,
) -> Result<Box<dyn Engine>> {
    let recorded = pool.models.iter().filter(|m| m.backend == Backend::Recorded).count();
    if recorded == 0 {
        let digest_cache = Some(places.results.join("model-hashes.json"));
        let settings = EngineSettings { digest_cache, ..settings.clone() };
        return Ok(Box::new(LlamaEngine::new(pool.clone(), settings)));
    }
    if recorded < pool.models.len() {
        bail!(
            "pool `{}` mixes recorded and live models\nhint: give all of its models \
             backend = \"recorded\", or none",
            pool.name
        );
    }
    let path = pool.models[0].source.path();
    let file = File::open(&path)
        .with_context(|| format!("cannot read the recording {}", path.display()))?;
    let engine = RecordedEngine::read(BufReader::new(file))
        .with_context(|| format!("recording {}", path.display()))?;
    Ok(Box::new(engine))
}
