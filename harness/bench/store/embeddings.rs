//! Embeddings by encoder and text.

use anyhow::{Context, Result, bail};
use gra_synth::request::Embedding;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::Store;

/// Hash of the encoder's fingerprint and a text.
fn key(encoder: &str, text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((encoder.len() as u64).to_le_bytes());
    hash.update(encoder);
    hash.update(text);
    hash.finalize().into()
}

impl Store {
    /// The stored embedding of a text by an encoder.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn embedding(&self, encoder: &str, text: &str) -> Result<Option<Embedding>> {
        let bytes: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT vector FROM embedding WHERE key = ?")?
            .query_row([key(encoder, text)], |row| row.get(0))
            .optional()?;
        let Some(bytes) = bytes else { return Ok(None) };
        let (floats, rest) = bytes.as_chunks::<4>();
        if floats.is_empty() || !rest.is_empty() {
            bail!(self.damaged("a stored embedding"));
        }
        Ok(Some(Embedding(floats.iter().map(|four| f32::from_le_bytes(*four)).collect())))
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
        let transaction = self.db.transaction()?;
        for (text, embedding) in embedded {
            let bytes: Vec<u8> = embedding.0.iter().flat_map(|float| float.to_le_bytes()).collect();
            transaction
                .prepare_cached("INSERT OR IGNORE INTO embedding (key, vector) VALUES (?, ?)")?
                .execute(params![key(encoder, text), bytes])?;
        }
        transaction.commit().context("cannot store embeddings\nhint: is the disk full?")
    }
}
