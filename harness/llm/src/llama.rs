//! The llama.cpp engine: models in the process that owns it, many sequences in one batch.
//!
//! A chunk of requests to one model is answered by [`chunk`] (what to evaluate, and who evaluates which part of it)
//! and [`decode`] (the loop that evaluates a part). Its schedule depends
//! on the chunk and the settings alone, never on time, so the same chunk on the same machine and build
//! gives the same replies. A request in another chunk may get another reply: the numbers that llama.cpp
//! computes depend on what a sequence is batched with.
//!
//! llama.cpp aborts the process when one of its assertions fails. What is known to lead there
//! (encoders asked to generate, files without weights, batches over their allocation) is refused
//! before it is tried; a [`worker`](crate::worker) takes the rest.

mod chunk;
mod decode;
mod encoder;
mod generator;
mod prompt;
pub mod runtime;
mod score;
pub mod settings;
#[cfg(test)]
mod tests;

use gra_synth::request::{Embedding, ModelName, Reply, Request};

use crate::automaton::WRITER_VERSION;
use crate::chat_template::{TemplateFinding, TemplateQuestion, fingerprint_part};
use crate::engine::{Engine, EngineError, EngineResult, Watch, only_model};
use crate::model_pool::{Backend, ModelFileError, ModelPool, ModelSource, PoolModel};
use crate::score::{Passage, PassageScore};
use encoder::Encoder;
use generator::{Generator, Resident};
use gra_files::digest::{self, DigestCache};
use settings::EngineSettings;

/// Version of the binding, and so of the vendored llama.cpp; part of every fingerprint.
pub const LLAMA_VERSION: &str = "llama-cpp-2 0.1.160";

/// Answers with llama.cpp.
#[derive(Debug)]
pub struct LlamaEngine {
    pool: ModelPool,
    settings: EngineSettings,
    digests: DigestCache,
    resident: Resident,
    encoder: Option<Encoder>,
}

impl LlamaEngine {
    /// An engine for the llama.cpp models of a pool. Loads nothing yet.
    #[must_use]
    pub fn new(pool: ModelPool, settings: EngineSettings) -> Self {
        let digests =
            settings.digest_cache.as_deref().map_or_else(DigestCache::in_memory, DigestCache::at);
        Self {
            resident: Resident::new(settings.resident_bytes),
            pool,
            settings,
            digests,
            encoder: None,
        }
    }

    /// The pool that this engine answers for.
    #[must_use]
    pub const fn pool(&self) -> &ModelPool {
        &self.pool
    }

    /// The settings, with the defaults of this machine filled in.
    #[must_use]
    pub const fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// The model of this name, loaded, and the settings that it runs with.
    fn generator(&mut self, name: &ModelName) -> EngineResult<(&Generator, &EngineSettings)> {
        let (member, source) = self.member(name)?;
        let files = source.verify(member.name.as_str(), &member.sha256, &mut self.digests)?;
        let generator = self.resident.generator(&member, &files, &self.settings)?;
        Ok((generator, &self.settings))
    }

    /// What of a model's entry is in its fingerprints: the hash of its files, its context, its template's variables.
    fn identity(&mut self, name: &ModelName) -> EngineResult<(String, String, String)> {
        let (member, source) = self.member(name)?;
        let sha256 = known_sha256(name.as_str(), &source, &member.sha256, &mut self.digests)?;
        let context = member.context.map_or_else(|| "default".to_owned(), |n| n.to_string());
        Ok((sha256, context, fingerprint_part(&member.template)))
    }

    /// The model of this name, with its file.
    fn member(&self, name: &ModelName) -> EngineResult<(PoolModel, ModelSource)> {
        let unknown = || EngineError::UnknownModel { model: name.clone() };
        let model = self.pool.model(name).ok_or_else(unknown)?;
        if let Backend::LlamaCpp(source) = &model.backend {
            return Ok((model.clone(), source.clone()));
        }
        Err(EngineError::unusable(name.as_str(), "its backend is not llama.cpp"))
    }
}

impl Engine for LlamaEngine {
    fn probe_template(&mut self, question: &TemplateQuestion) -> EngineResult<TemplateFinding> {
        let (member, source) = self.member(&question.model)?;
        source.locate(member.name.as_str())?;
        prompt::probe(&member, &source.path(), &question.calls)
    }

    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let Some(model) = only_model(chunk.iter().map(|request| &request.model))? else {
            return Ok(Vec::new());
        };
        let (generator, settings) = self.generator(model)?;
        chunk::answer(generator, chunk, settings, watch)
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(model) = only_model(passages.iter().map(|passage| &passage.model))? else {
            return Ok(Vec::new());
        };
        let (generator, settings) = self.generator(model)?;
        score::run(generator, passages, settings, watch)
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let entry = &self.pool.encoder;
        let encoder = if let Some(loaded) = self.encoder.take() {
            loaded
        } else {
            let files = entry.source.verify(&entry.name, &entry.sha256, &mut self.digests)?;
            Encoder::load(&entry.name, files.first())?
        };
        self.encoder.insert(encoder).embed(texts, &self.settings)
    }

    /// Not in it: threads, slots, KV budget and batch sizes. They decide what is evaluated together
    /// and so can change a reply, as the chunk can; replies are pinned by the store that keeps
    /// them, not by recomputing. What is promised is the same reply for the same schedule.
    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        let (sha256, context, template) = self.identity(model)?;
        let device = self.settings.device();
        let flash = self.settings.flash_attention();
        let strict = if self.settings.strict() { ";determinism=strict" } else { "" };
        Ok(format!(
            "llama.cpp/{LLAMA_VERSION};writer={WRITER_VERSION};sha256={sha256};context={context};\
             kv=f16;fa={flash};device={device}{strict}{template}"
        ))
    }

    /// Not in it: threads and batch sizes. Scoring has its own geometry, which follows from the model
    /// and from the version of its rules.
    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        let (sha256, context, template) = self.identity(model)?;
        let device = self.settings.device();
        Ok(format!(
            "llama.cpp/{LLAMA_VERSION};score={};sha256={sha256};context={context};kv=f32;fa=off;\
             device={device}{template}",
            score::SCORING_VERSION,
        ))
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        let entry = &self.pool.encoder;
        let sha256 = known_sha256(&entry.name, &entry.source, &entry.sha256, &mut self.digests)?;
        Ok(format!(
            "llama.cpp/{LLAMA_VERSION};encoder={};sha256={sha256};pooling=mean;norm=l2;tokens={};\
             windows={}",
            encoder::VERSION,
            encoder::MAX_TOKENS,
            encoder::WINDOW_TOKENS
        ))
    }
}

/// The hash that stands for a model's files; from the pinned ones when the files are not here, so that a
/// finished run replays without its models. It stands for the chat template too: that is part of the file.
fn known_sha256(
    name: &str,
    source: &ModelSource,
    pinned: &[String],
    digests: &mut DigestCache,
) -> Result<String, ModelFileError> {
    match source.verify(name, pinned, digests) {
        Err(ModelFileError::Missing { .. }) if !pinned.is_empty() => Ok(digest::of_model(pinned)),
        verified => verified.map(|files| digest::of_model(&files.sha256)),
    }
}
