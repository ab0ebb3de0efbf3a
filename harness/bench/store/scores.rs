//! Losses of scored passages, by model and passage.

use anyhow::{Context, Result};
use gra_llm::score::PassageScore;
use rusqlite::{OptionalExtension, params};

use super::Store;

/// What is kept of a [`PassageScore`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredScore {
    /// Mean negative log-probability of the scored tokens, in nats; `None` when none is scored.
    pub loss: Option<f64>,
    /// Tokens that were scored.
    pub tokens: u32,
    /// Tokens before the continuation.
    pub context_tokens: u32,
    /// Whether the continuation lost its end to a limit.
    pub truncated: bool,
}

impl From<&PassageScore> for StoredScore {
    fn from(score: &PassageScore) -> Self {
        Self {
            loss: score.loss(),
            tokens: u32::try_from(score.log_probs.len()).unwrap_or(u32::MAX),
            context_tokens: score.context_tokens,
            truncated: score.truncated,
        }
    }
}

impl Store {
    /// The stored score under a key ([`gra_llm::key::score_key`]).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn score(&self, key: &[u8; 32]) -> Result<Option<StoredScore>> {
        let mut find = self.db.prepare_cached(
            "SELECT loss, tokens, context_tokens, truncated FROM score WHERE key = ?",
        )?;
        let score = find.query_row([key], |row| {
            Ok(StoredScore {
                loss: row.get(0)?,
                tokens: row.get(1)?,
                context_tokens: row.get(2)?,
                truncated: row.get(3)?,
            })
        });
        Ok(score.optional()?)
    }

    /// Whether a score is stored under a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_score(&self, key: &[u8; 32]) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM score WHERE key = ?)";
        Ok(self.db.prepare_cached(find)?.query_row([key], |row| row.get(0))?)
    }

    /// Stores scores, all or none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn store_scores(&mut self, scores: &[([u8; 32], StoredScore)]) -> Result<()> {
        let transaction = self.db.transaction()?;
        for (key, score) in scores {
            transaction
                .prepare_cached(
                    // The same passage may be scored by two callers; both scores are the same.
                    "INSERT OR IGNORE INTO score (key, loss, tokens, context_tokens, truncated)
                     VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    key,
                    score.loss,
                    score.tokens,
                    score.context_tokens,
                    score.truncated
                ])?;
        }
        transaction.commit().context("cannot store scores\nhint: is the disk full?")
    }
}
