//! Scores of passages: from the store where it has them, else from the model.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use anyhow::Result;
use gra_llm::key::score_key;
use gra_llm::score::Passage;
use gra_synth::request::ModelName;

use super::{Answering, Interrupted, Started};
use crate::store::StoredScore;

/// Passages that are scored between two commits.
const SCORES_PER_COMMIT: usize = 32;

impl Answering<'_> {
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
        let mut missing: BTreeMap<[u8; 32], &Passage> = BTreeMap::new();
        for (key, passage) in keys.iter().zip(passages) {
            if !self.store.has_score(key)? {
                missing.insert(*key, passage);
            }
        }
        // In the order of the passages, whose neighbours may share a beginning.
        let mut left: Vec<([u8; 32], &Passage)> =
            keys.iter().filter_map(|key| missing.remove_entry(key)).collect();
        self.progress.begin_scoring(what, passages.len(), left.len());
        while !left.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Interrupted.into());
            }
            let part: Vec<_> = left.drain(..left.len().min(SCORES_PER_COMMIT)).collect();
            let batch: Vec<Passage> = part.iter().map(|(_, passage)| (*passage).clone()).collect();
            let (started, crashes) = (Started::now(self.meter.as_ref()), self.engine.crashes());
            let progress = &mut *self.progress;
            let scores = self.engine.score(&batch, &mut |so_far| progress.in_chunk(0, so_far))?;
            self.progress.end_chunk(0, batch.len());
            self.paid.add(&started, self.meter.as_ref());
            self.paid.crashes += self.engine.crashes() - crashes;
            let answered: Vec<_> =
                part.iter().zip(&scores).map(|((key, _), score)| (*key, score.into())).collect();
            self.store.store_scores(&answered)?;
        }
        self.progress.end_stage();
        keys.iter()
            .map(|key| {
                let score = self.store.score(key)?;
                score.ok_or_else(|| anyhow::anyhow!("the store lost a score"))
            })
            .collect()
    }
}
