//! Replies, and the chunks in which they were made.

use anyhow::{Context, Result};
use gra_llm::key::CompletionKey;
use gra_synth::request::{ModelName, Portion, Reply, Request, Sampling, ScoreReading, Stage};
use gra_synth::shape::Shape;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Store;

/// Requests of one model that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChunk {
    /// Row of the chunk.
    pub id: i64,
    /// In the order in which they are handed to the engine.
    pub keys: Vec<CompletionKey>,
}

/// What a chunk has cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkCost {
    /// Seconds that the engine was busy, crashes included.
    pub seconds: f64,
    /// Sequences that were written at once when it succeeded; 0 where an engine has none.
    pub slots: u32,
    /// How often the engine died on it before.
    pub crashes: u64,
}

/// A stored call, whole.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Who answered.
    pub model: ModelName,
    /// Engine and file that answered.
    pub fingerprint: String,
    /// The exact user message.
    pub prompt: String,
    /// Shape, sampling, limits and seed.
    pub settings: CallSettings,
    /// What came back.
    pub reply: Reply,
}

/// The settings of a call, beside its prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSettings {
    /// The form that was asked for.
    pub shape: Shape,
    /// How much of the reply was asked for.
    #[serde(default)]
    pub portion: Portion,
    /// What was wanted of its scores.
    #[serde(default)]
    pub score_reading: ScoreReading,
    /// How tokens were drawn.
    pub sampling: Sampling,
    /// Most new tokens.
    pub max_tokens: u32,
    /// Seed of the call.
    pub seed: u64,
}

/// What a model's chunks have cost so far, for estimates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Replies.
    pub calls: u64,
    /// Prompt tokens over all replies, shared prefixes counted each time.
    pub prompt_tokens: u64,
    /// Reply tokens.
    pub reply_tokens: u64,
    /// Engine seconds.
    pub seconds: f64,
}

/// The columns that [`Store::read_reply`] reads.
const REPLY: &str = "completion.text, finish, prompt_tokens, reply_tokens, expected";

impl Store {
    /// The stored reply under a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reply(&self, key: &CompletionKey) -> Result<Option<Reply>> {
        let find = format!("SELECT {REPLY} FROM completion WHERE key = ?");
        let mut find = self.db.prepare_cached(&find)?;
        let mut rows = find.query([key.0])?;
        rows.next()?.map(|row| self.read_reply(key, row)).transpose()
    }

    fn read_reply(&self, key: &CompletionKey, row: &Row<'_>) -> Result<Reply> {
        let damaged = || self.damaged(format_args!("the stored reply {key}"));
        let (finish, expected): (String, Option<String>) = (row.get(1)?, row.get(4)?);
        let expected = expected.map(|expected| serde_json::from_str(&expected)).transpose();
        Ok(Reply {
            text: row.get(0)?,
            finish: serde_json::from_str(&finish).with_context(damaged)?,
            prompt_tokens: row.get(2)?,
            reply_tokens: row.get(3)?,
            expected: expected.with_context(damaged)?.unwrap_or_default(),
        })
    }

    /// Whether a call is stored, and then whether it failed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_failed(&self, key: &CompletionKey) -> Result<Option<bool>> {
        let mut find = self
            .db
            .prepare_cached("SELECT finish LIKE '%\"failed\"%' FROM completion WHERE key = ?")?;
        Ok(find.query_row([key.0], |row| row.get(0)).optional()?)
    }

    /// A stored call with its prompt and settings.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn completion(&self, key: &CompletionKey) -> Result<Option<Completion>> {
        // A reply without its role text is damaged, not absent.
        let find = format!(
            "SELECT {REPLY}, model, fingerprint, role_text.text, sample, settings
             FROM completion LEFT JOIN role_text ON role_text.hash = completion.role_hash
             WHERE key = ?"
        );
        let mut find = self.db.prepare_cached(&find)?;
        let mut rows = find.query([key.0])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let damaged = |what| self.damaged(format_args!("the {what} of the reply {key}"));
        let (role, sample): (Option<String>, String) = (row.get(7)?, row.get(8)?);
        let settings: String = row.get(9)?;
        Ok(Some(Completion {
            model: ModelName::new(&row.get::<_, String>(5)?),
            fingerprint: row.get(6)?,
            reply: self.read_reply(key, row)?,
            // The prompt is the role's text, which many share, and what is asked of this one sample.
            prompt: role.map(|role| role + &sample).with_context(|| damaged("prompt"))?,
            settings: serde_json::from_str(&settings).with_context(|| damaged("settings"))?,
        }))
    }

    /// The chunks of a model and stage that were recorded and never finished, oldest first, each with
    /// the name of who planned it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open_chunks(
        &self,
        model: &ModelName,
        stage: Stage,
    ) -> Result<Vec<(String, PlannedChunk)>> {
        let mut find = self.db.prepare_cached(
            "SELECT chunk.id, planned_for, key
             FROM chunk JOIN chunk_member ON chunk_member.chunk = chunk.id
             WHERE model = ? AND stage = ? AND seconds IS NULL ORDER BY chunk.id, place",
        )?;
        let rows = find.query_map([model.as_str(), stage.name()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, [u8; 32]>(2)?))
        })?;
        let mut chunks: Vec<(String, PlannedChunk)> = Vec::new();
        for row in rows {
            let (id, planned_for, key) = row?;
            let key = CompletionKey(key);
            // Rows come by chunk, so a key belongs to the last chunk or begins a new one.
            match chunks.last_mut() {
                Some((_, last)) if last.id == id => last.keys.push(key),
                _ => chunks.push((planned_for, PlannedChunk { id, keys: vec![key] })),
            }
        }
        Ok(chunks)
    }

    /// Records which requests will run together, all chunks in one transaction, and forgets
    /// recorded chunks that can no longer be run whole.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn plan_chunks(
        &mut self,
        planned_for: &str,
        forget: &[i64],
        chunks: &[((ModelName, Stage), Vec<CompletionKey>)],
    ) -> Result<Vec<PlannedChunk>> {
        let transaction = self.db.transaction()?;
        // Members first: between two transactions no chunk may be without its members.
        for id in forget {
            transaction.execute("DELETE FROM chunk_member WHERE chunk = ?", [id])?;
            transaction.execute("DELETE FROM chunk WHERE id = ?", [id])?;
        }
        let mut planned = Vec::with_capacity(chunks.len());
        for ((model, stage), keys) in chunks {
            transaction.execute(
                "INSERT INTO chunk (model, stage, planned_for) VALUES (?, ?, ?)",
                params![model.as_str(), stage.name(), planned_for],
            )?;
            let id = transaction.last_insert_rowid();
            for (place, key) in (0_i64..).zip(keys) {
                transaction.execute(
                    "INSERT INTO chunk_member (chunk, place, key) VALUES (?, ?, ?)",
                    params![id, place, key.0],
                )?;
            }
            planned.push(PlannedChunk { id, keys: keys.clone() });
        }
        transaction.commit().context("cannot record the chunks of a step")?;
        Ok(planned)
    }

    /// Stores the replies of a chunk, all or none. A reply replaces a failure that was stored before.
    ///
    /// # Errors
    /// When the store cannot be written, e.g. because the disk is full.
    pub fn finish_chunk(
        &mut self,
        chunk: &PlannedChunk,
        fingerprint: &str,
        cost: ChunkCost,
        answered: &[(&Request, Reply)],
    ) -> Result<()> {
        let transaction = self.db.transaction()?;
        let (mut prompt_tokens, mut reply_tokens) = (0_i64, 0_i64);
        for (key, (request, reply)) in chunk.keys.iter().zip(answered) {
            prompt_tokens += i64::from(reply.prompt_tokens);
            reply_tokens += i64::from(reply.reply_tokens);
            // Thousands of prompts share a role text, which is kept once.
            let role_hash: [u8; 32] = Sha256::digest(request.prompt.role.as_bytes()).into();
            transaction
                .prepare_cached("INSERT OR IGNORE INTO role_text (hash, text) VALUES (?, ?)")?
                .execute(params![role_hash, &*request.prompt.role])?;
            // Most replies have no expected scores: NULL takes no room.
            let expected = Some(&reply.expected).filter(|expected| !expected.is_empty());
            let settings = CallSettings {
                shape: request.shape.clone(),
                portion: request.portion.clone(),
                score_reading: request.score_reading,
                sampling: request.sampling,
                max_tokens: request.max_tokens,
                seed: request.seed,
            };
            transaction
                .prepare_cached(
                    "INSERT INTO completion (
                         key, chunk, model, fingerprint, stage, role_hash, sample, settings, text,
                         finish, prompt_tokens, reply_tokens, expected)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                     ON CONFLICT (key) DO UPDATE SET chunk = excluded.chunk, text = excluded.text,
                         finish = excluded.finish, prompt_tokens = excluded.prompt_tokens,
                         reply_tokens = excluded.reply_tokens, expected = excluded.expected
                     WHERE completion.finish LIKE '%\"failed\"%'",
                )?
                .execute(params![
                    key.0,
                    chunk.id,
                    request.model.as_str(),
                    fingerprint,
                    request.id.stage.name(),
                    role_hash,
                    request.prompt.sample,
                    serde_json::to_string(&settings)?,
                    reply.text,
                    serde_json::to_string(&reply.finish)?,
                    reply.prompt_tokens,
                    reply.reply_tokens,
                    expected.map(serde_json::to_string).transpose()?,
                ])?;
        }
        transaction.execute(
            "UPDATE chunk SET seconds = ?, prompt_tokens = ?, reply_tokens = ?, slots = ?,
                 crashes = ? WHERE id = ?",
            params![
                cost.seconds,
                prompt_tokens,
                reply_tokens,
                // Servers have no slots; 0 would read as a measurement.
                (cost.slots > 0).then_some(cost.slots),
                cost.crashes.cast_signed(),
                chunk.id
            ],
        )?;
        transaction.commit().context("cannot store the replies of a chunk")
    }

    /// What the finished chunks of a stage have cost, over all models; `None` when there are none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rate(&self, stage: Stage) -> Result<Option<Rate>> {
        let rate = self.db.query_row(
            "SELECT coalesce(sum((SELECT count(*) FROM chunk_member WHERE chunk = chunk.id)), 0),
                    coalesce(sum(prompt_tokens), 0), coalesce(sum(reply_tokens), 0),
                    coalesce(sum(seconds), 0.0)
             FROM chunk WHERE stage = ? AND seconds IS NOT NULL",
            [stage.name()],
            |row| {
                Ok(Rate {
                    calls: row.get::<_, i64>(0)?.cast_unsigned(),
                    prompt_tokens: row.get::<_, i64>(1)?.cast_unsigned(),
                    reply_tokens: row.get::<_, i64>(2)?.cast_unsigned(),
                    seconds: row.get(3)?,
                })
            },
        )?;
        // Sums over no rows are zeros, which are no rate.
        Ok((rate.calls > 0).then_some(rate))
    }
}
