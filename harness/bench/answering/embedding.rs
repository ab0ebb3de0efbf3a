//! Embeddings: from the store where it has them, else from the encoder.

use std::sync::atomic::Ordering;

use anyhow::Result;
use gra_synth::request::Embedding;

use super::{Answering, Interrupted, Started};

/// Texts that are embedded between two commits.
const EMBEDDINGS_PER_COMMIT: usize = 256;

impl Answering<'_> {
    /// Embeds texts, in order. Each text is embedded once, however often it is asked for.
    ///
    /// # Errors
    /// When the engine or the store fails, or [`Interrupted`].
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>> {
        let encoder = self.engine.encoder_fingerprint()?;
        let mut missing: Vec<String> = Vec::new();
        for text in texts {
            if !self.store.has_embedding(&encoder, text)? {
                missing.push(text.clone());
            }
        }
        missing.sort();
        missing.dedup();
        self.progress.begin_embedding(missing.len());
        for part in missing.chunks(EMBEDDINGS_PER_COMMIT) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Interrupted.into());
            }
            let (started, crashes) = (Started::now(self.meter.as_ref()), self.engine.crashes());
            let embeddings = self.engine.embed(part)?;
            self.paid.add(&started, self.meter.as_ref());
            self.paid.crashes += self.engine.crashes() - crashes;
            let embedded: Vec<(String, Embedding)> = part.iter().cloned().zip(embeddings).collect();
            self.store.store_embeddings(&encoder, &embedded)?;
            self.progress.embedded(part.len());
        }
        self.progress.end_stage();
        texts
            .iter()
            .map(|text| {
                let embedding = self.store.embedding(&encoder, text)?;
                embedding.ok_or_else(|| anyhow::anyhow!("the store lost an embedding"))
            })
            .collect()
    }
}
