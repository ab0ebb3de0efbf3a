//! A finished trial as the store has it: what the verbs that look back start from.

use anyhow::{Context, Result, bail};
use gra_analysis::rescore::Embeddings;
use gra_analysis::trial::CallFact;
use gra_synth::candidate::Candidate;
use gra_synth::method::Method;
use gra_synth::variant::Variant;
use serde::Deserialize;

use crate::export::CardFacts;
use crate::store::{CallRow, DAMAGE_HINT, Store, TrialId, TrialRow};

/// A trial that came to its end.
#[derive(Debug)]
pub struct FinishedTrial {
    /// Which.
    pub id: TrialId,
    /// How it was run.
    pub settings: TrialSettings,
    /// What its dataset card says.
    pub card: CardFacts,
    /// Every candidate of every round.
    pub candidates: Vec<Candidate>,
    row: i64,
}

/// Of a trial's settings, what looking back needs.
#[derive(Clone, Debug, Deserialize)]
pub struct TrialSettings {
    /// The method's parameters.
    pub method: Method,
    /// What the variant did differently.
    pub variant: Variant,
    /// Fingerprint of the encoder; `None` for trials of earlier releases.
    #[serde(default)]
    pub encoder: Option<String>,
    /// SHA-256 of the seed set; likewise.
    #[serde(default)]
    pub seed_set_sha256: Option<String>,
}

impl TrialRow {
    /// The settings, read.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn read_settings(&self) -> Result<TrialSettings> {
        serde_json::from_str(&self.settings).with_context(|| {
            format!("the stored settings of {} are damaged\n{DAMAGE_HINT}", self.id)
        })
    }
}

impl FinishedTrial {
    /// Reads a trial.
    ///
    /// # Errors
    /// When there is no such trial, it is not finished, or the store cannot be read.
    pub fn load(store: &Store, id: TrialId) -> Result<Self> {
        let trial = store.trial(&id)?;
        if !trial.finished {
            bail!(
                "trial {id} is not finished\nhint: run its experiment again; it goes on where it was"
            );
        }
        let card = serde_json::from_str(&trial.card)
            .with_context(|| format!("the stored description of {id} is damaged\n{DAMAGE_HINT}"))?;
        let (settings, candidates) = (trial.read_settings()?, store.candidates(trial.row)?);
        Ok(Self { id, settings, card, candidates, row: trial.row })
    }

    /// Every call, as the analysis reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn calls(&self, store: &Store) -> Result<Vec<CallFact>> {
        Ok(store.calls(self.row, None)?.iter().map(CallRow::fact).collect())
    }

    /// Engine seconds of its calls by stage.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn engine_seconds(
        &self,
        store: &Store,
    ) -> Result<gra_analysis::cost::compute::EngineSeconds> {
        store.engine_seconds(self.row)
    }

    /// The stored embeddings of seed set and candidates; `None` when the trial does not say which encoder
    /// made them, or a seed item has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn embeddings(&self, store: &Store) -> Result<Option<Embeddings>> {
        let Some(encoder) = &self.settings.encoder else { return Ok(None) };
        let mut embeddings = Embeddings::default();
        for (id, instruction) in store.seed_instructions(self.row)? {
            let Some(embedding) = store.embedding(encoder, &instruction)? else { return Ok(None) };
            embeddings.seeds.push((id, embedding));
        }
        for candidate in &self.candidates {
            let Some(instruction) = &candidate.instruction else { continue };
            if let Some(embedding) = store.embedding(encoder, instruction)? {
                embeddings.instructions.insert(candidate.id, embedding);
            }
        }
        Ok(Some(embeddings))
    }
}
