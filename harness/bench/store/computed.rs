//! What models compute of texts without writing any: embeddings, and losses of scored passages.
//!
//! Embeddings are found by encoder and text. Those of long texts have keys of their own, and a row each: their windows
//! are never without the vector, nor it without them. Scores are found by model and passage.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use gra_llm::key::FieldHash;
use gra_llm::score::PassageScore;
use gra_synth::request::Embedding;
use rusqlite::{OptionalExtension, params};

use super::Store;

/// Added to an encoder's name in the keys of texts that it does not read at once.
const IN_WINDOWS: &str = ";windows";

/// Hash of the encoder's fingerprint and a text.
fn key(encoder: &str, text: &str) -> [u8; 32] {
    let mut hash = FieldHash::default();
    hash.text(encoder);
    hash.text(text);
    hash.finish()
}

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
    /// The stored embedding of a text by an encoder.
    ///
    /// # Errors
    /// When the store cannot be read, or the row is damaged.
    pub fn embedding(&self, encoder: &str, text: &str) -> Result<Option<Embedding>> {
        let mut find = self.db.prepare_cached("SELECT vector FROM embedding WHERE key = ?")?;
        let mut row = |key: [u8; 32]| -> rusqlite::Result<Option<Vec<u8>>> {
            find.query_row([key], |row| row.get(0)).optional()
        };
        let damaged = || anyhow!(self.damaged("a stored embedding"));
        if let Some(bytes) = row(key(encoder, text))? {
            // A vector is whole single-precision numbers, at least one.
            if bytes.is_empty() || bytes.len() % 4 != 0 {
                return Err(damaged());
            }
            return Ok(Some(Embedding::new(floats(&bytes))));
        }
        // Not found as a short text: the same text may be stored in windows.
        let long = row(key(&format!("{encoder}{IN_WINDOWS}"), text))?;
        long.map(|bytes| from_row(&bytes).with_context(damaged)).transpose()
    }

    /// Stores embeddings, all or none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn store_embeddings(
        &mut self,
        encoder: &str,
        embedded: &[(String, Embedding)],
    ) -> Result<()> {
        // Vector and windows of a long text are one row, so neither can be without the other.
        let in_windows = format!("{encoder}{IN_WINDOWS}");
        let transaction = self.db.transaction()?;
        for (text, embedding) in embedded {
            let (encoder, bytes) = if embedding.is_long() {
                (in_windows.as_str(), to_row(embedding))
            } else {
                (encoder, bytes(embedding.vector()).collect())
            };
            transaction
                .prepare_cached("INSERT OR IGNORE INTO embedding (key, vector) VALUES (?, ?)")?
                .execute(params![key(encoder, text), bytes])?;
        }
        transaction.commit().context("cannot store embeddings")
    }

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
        transaction.commit().context("cannot store scores")
    }
}

/// A long text's row: the number of its windows, its vector, the vectors of its windows.
fn to_row(embedding: &Embedding) -> Vec<u8> {
    let windows = embedding.windows().len() / embedding.vector().len();
    let count = u32::try_from(windows).unwrap_or(u32::MAX).to_le_bytes();
    let values = bytes(embedding.vector()).chain(bytes(embedding.windows()));
    count.into_iter().chain(values).collect()
}

fn from_row(bytes: &[u8]) -> Option<Embedding> {
    let (count, values) = bytes.split_first_chunk::<4>()?;
    let vectors = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_add(1)?;
    let values = floats(values);
    let dim = values.len() / vectors;
    // At least the vector of the whole text and one window, all of one length.
    if vectors < 2 || dim == 0 || dim * vectors != values.len() {
        return None;
    }
    let (vector, windows) = values.split_at(dim);
    Some(Embedding::in_windows(vector.into(), windows.into()))
}

fn bytes(values: &[f32]) -> impl Iterator<Item = u8> {
    values.iter().flat_map(|value| value.to_le_bytes())
}

fn floats(bytes: &[u8]) -> Arc<[f32]> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_read_back_with_their_windows() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("store.db")).unwrap();
        let short = Embedding::new([0.6, -0.8].as_slice().into());
        let windows = [1.0, 0.0, -0.0, 1.0, 0.6, 0.8].as_slice();
        let long = Embedding::in_windows([0.8, 0.6].as_slice().into(), windows.into());
        let both = [("short".to_owned(), short.clone()), ("long".to_owned(), long.clone())];
        store.store_embeddings("encoder", &both).unwrap();
        assert_eq!(store.embedding("encoder", "short").unwrap(), Some(short));
        assert_eq!(store.embedding("encoder", "long").unwrap(), Some(long));
        assert_eq!(store.embedding("encoder", "other").unwrap(), None);
        assert_eq!(store.embedding("another encoder", "long").unwrap(), None);

        store.db.execute("UPDATE embedding SET vector = x'02000000'", []).unwrap();
        assert!(store.embedding("encoder", "long").unwrap_err().to_string().contains("damaged"));
    }
}
