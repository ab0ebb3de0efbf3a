//! Several engines as one: each model's chunks go to the engine that holds it.

use std::collections::BTreeMap;

use gra_synth::request::{Embedding, ModelName, Reply, Request};

use crate::engine::{Engine, EngineError, Progress};
use crate::score::{Passage, Score};

/// Answers with other engines.
pub struct RoutedEngine {
    encoder: Box<dyn Engine>,
    others: Vec<Box<dyn Engine>>,
    /// A place among the others; models that are not here belong to the engine that embeds.
    routes: BTreeMap<ModelName, usize>,
}

impl RoutedEngine {
    /// An engine that embeds with `encoder`, and asks it for every model that no route is added for.
    #[must_use]
    pub fn new(encoder: Box<dyn Engine>) -> Self {
        Self { encoder, others: Vec::new(), routes: BTreeMap::new() }
    }

    /// Sends these models' chunks to `engine`.
    #[must_use]
    pub fn route(
        mut self,
        models: impl IntoIterator<Item = ModelName>,
        engine: Box<dyn Engine>,
    ) -> Self {
        let place = self.others.len();
        self.routes.extend(models.into_iter().map(|model| (model, place)));
        self.others.push(engine);
        self
    }

    fn of(&mut self, model: &ModelName) -> &mut dyn Engine {
        match self.routes.get(model) {
            Some(place) => &mut *self.others[*place],
            None => &mut *self.encoder,
        }
    }
}

impl Engine for RoutedEngine {
    fn complete(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Reply>, EngineError> {
        let Some(first) = chunk.first() else { return Ok(Vec::new()) };
        self.of(&first.model).complete(chunk, watch)
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Score>, EngineError> {
        let Some(first) = passages.first() else { return Ok(Vec::new()) };
        self.of(&first.model).score(passages, watch)
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EngineError> {
        self.encoder.embed(texts)
    }

    fn fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.of(model).fingerprint(model)
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        self.of(model).scoring_fingerprint(model)
    }

    fn encoder_fingerprint(&mut self) -> Result<String, EngineError> {
        self.encoder.encoder_fingerprint()
    }

    fn crashes(&self) -> u64 {
        let others: u64 = self.others.iter().map(|engine| engine.crashes()).sum();
        self.encoder.crashes() + others
    }
}
