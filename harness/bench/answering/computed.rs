//! What models compute of texts without writing any, embeddings and losses: from the store where it has them, else from
//! the engine.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use anyhow::{Result, anyhow};
use gra_llm::engine::{Engine, EngineError};
use gra_llm::key::score_key;
use gra_llm::score::Passage;
use gra_synth::request::{Embedding, ModelName};

use super::{Answering, Interrupted, Started};
use crate::progress::Progress;
use crate::store::StoredScore;

/// Texts that are embedded between two commits.
const EMBEDDINGS_PER_COMMIT: usize = 256;

/// Passages that are scored between two commits.
const SCORES_PER_COMMIT: usize = 32;

impl Answering<'_> {
    /// Embeds texts, in order. Each text is embedded once, however often it is asked for.
    ///
    /// # Errors
    /// When the engine or the store fails, or [`Interrupted`].
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>> {
        let encoder = self.engine.encoder_fingerprint()?;
        let mut missing: Vec<String> = Vec::new();
        for text in texts {
            if self.store.embedding(&encoder, text)?.is_none() {
                missing.push(text.clone());
            }
        }
        // A text that is asked for twice is embedded once.
        missing.sort();
        missing.dedup();
        self.progress.begin_embedding(missing.len());
        for part in missing.chunks(EMBEDDINGS_PER_COMMIT) {
            let embeddings = self.work(|engine, _| engine.embed(part))?;
            let embedded: Vec<(String, Embedding)> = part.iter().cloned().zip(embeddings).collect();
            self.store.store_embeddings(&encoder, &embedded)?;
            self.progress.embedded(part.len());
        }
        self.progress.end_stage();
        let lost = || anyhow!("the store lost an embedding");
        // All from the store, so that it makes no difference which of them were there before.
        texts.iter().map(|text| self.store.embedding(&encoder, text)?.ok_or_else(lost)).collect()
    }

    /// Scores passages of one model, in order. Each is scored once, however often it is asked for. `what` names the work
    /// for people.
    ///
    /// # Errors
    /// When a passage does not fit the model's context, the engine or the store fails, or
    /// [`Interrupted`].
    pub fn score(
        &mut self,
        what: &str,
        model: &ModelName,
        passages: &[Passage],
    ) -> Result<Vec<StoredScore>> {
        let fingerprint = self.engine.scoring_fingerprint(model)?;
        let keys: Vec<[u8; 32]> =
            passages.iter().map(|passage| score_key(&fingerprint, passage)).collect();
        let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
        // In the order of the passages, whose neighbours may share a beginning.
        for (key, passage) in keys.iter().zip(passages) {
            if self.store.score(key)?.is_none() && seen.insert(*key) {
                missing.push((*key, passage));
            }
        }
        self.progress.begin_scoring(what, passages.len(), missing.len());
        for part in missing.chunks(SCORES_PER_COMMIT) {
            let batch: Vec<Passage> = part.iter().map(|(_, passage)| (*passage).clone()).collect();
            let scores = self.work(|engine, progress| {
                engine.score(&batch, &mut |so_far| progress.in_chunk(0, so_far))
            })?;
            self.progress.end_chunk(0, batch.len());
            let rows: Vec<_> =
                part.iter().zip(&scores).map(|((key, _), score)| (*key, score.into())).collect();
            self.store.store_scores(&rows)?;
        }
        self.progress.end_stage();
        let lost = || anyhow!("the store lost a score");
        keys.iter().map(|key| self.store.score(key)?.ok_or_else(lost)).collect()
    }

    /// Has the engine work for a while, and counts what that takes.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Engine, &mut Progress) -> Result<T, EngineError>,
    ) -> Result<T> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let (started, crashes) = (Started::now(self.meter.as_ref()), self.engine.crashes());
        let done = work(self.engine, self.progress)?;
        self.paid.add(&started, self.meter.as_ref());
        self.paid.crashes += self.engine.crashes() - crashes;
        Ok(done)
    }
}
