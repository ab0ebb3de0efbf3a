//! Several engines as one: each model's chunks go to the engine that holds it, and the engines work at
//! the same time.

use std::collections::BTreeMap;

use gra_synth::request::{Embedding, ModelName, Reply, Request};

use crate::abreast;
use crate::engine::{Engine, EngineError, Hear, Progress};
use crate::score::{Passage, Score};
use crate::template_probe::{TemplateFinding, TemplateQuestion};

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

    fn complete_all(
        &mut self,
        chunks: &[&[Request]],
        hear: &mut Hear<'_>,
    ) -> Result<(), EngineError> {
        let mut places = vec![Vec::new(); self.others.len()];
        let mut here = Vec::new();
        for (place, chunk) in chunks.iter().enumerate() {
            match chunk.first().and_then(|first| self.routes.get(&first.model)) {
                Some(&engine) => places[engine].push(place),
                None => here.push(place),
            }
        }
        let others = self.others.iter_mut().map(|engine| &mut **engine as &mut dyn Engine);
        let mut shares: Vec<abreast::Share<'_>> = vec![(&mut *self.encoder, here)];
        shares.extend(others.zip(places));
        abreast::complete_all(shares, chunks, hear)
    }

    fn probe_template(
        &mut self,
        question: &TemplateQuestion,
    ) -> Result<TemplateFinding, EngineError> {
        self.of(&question.model).probe_template(question)
    }

    fn workers(&self, model: &ModelName) -> usize {
        let engine = self.routes.get(model).map_or(&self.encoder, |&place| &self.others[place]);
        engine.workers(model)
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
