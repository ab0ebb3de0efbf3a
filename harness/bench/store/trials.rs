//! The facts of trials: what was asked, decided and kept.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use gra_analysis::facts::CallFact;
use gra_llm::key::CompletionKey;
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};
use rusqlite::{OptionalExtension, params};

use super::Store;

/// Which trial: experiment, variant and run seed. Written `ablation/gra/seed-42`, as the folder of
/// its results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialId {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the variant.
    pub variant: String,
    /// Run seed.
    pub seed: u64,
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/seed-{}", self.experiment, self.variant, self.seed)
    }
}

impl FromStr for TrialId {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        if let [.., experiment, variant, seed] = parts.as_slice()
            && let Some(Ok(seed)) = seed.strip_prefix("seed-").map(str::parse)
        {
            return Ok(Self { experiment: (*experiment).into(), variant: (*variant).into(), seed });
        }
        bail!(
            "`{text}` is no trial\nhint: a trial is written EXPERIMENT/VARIANT/seed-N, e.g. \
               ablation/gra/seed-42"
        )
    }
}

/// A trial in the store.
#[derive(Clone, Debug)]
pub struct TrialRow {
    /// Row number.
    pub row: i64,
    /// Which trial.
    pub id: TrialId,
    /// Its resolved settings as JSON.
    pub settings: String,
    /// What its dataset card says, as JSON.
    pub card: String,
    /// Whether it came to its end.
    pub finished: bool,
}

/// One call of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Which call.
    pub id: RequestId,
    /// Who was asked.
    pub model: ModelName,
    /// Where its reply is stored.
    pub key: CompletionKey,
    /// Whether an earlier variant of the experiment asked the same.
    pub shared: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the reply.
    pub reply_tokens: u32,
}

impl CallRow {
    /// The call as the analysis reads it.
    #[must_use]
    pub fn fact(&self) -> CallFact {
        CallFact {
            id: self.id.clone(),
            model: self.model.clone(),
            prompt_tokens: self.prompt_tokens,
            reply_tokens: self.reply_tokens,
            shared: self.shared,
        }
    }
}

/// A seed item of a trial.
#[derive(Clone, Debug)]
pub struct SeedRow {
    /// Which.
    pub id: ItemId,
    /// Its text.
    pub instruction: String,
    /// Annotation as JSON.
    pub facts: String,
}

impl Store {
    /// Begins a trial, or begins it again: its earlier facts are dropped, its replies stay.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn begin_trial(&mut self, id: &TrialId, settings: &str, card: &str) -> Result<i64> {
        let transaction = self.db.transaction()?;
        let seed = id.seed.cast_signed();
        let row: Option<i64> = transaction
            .query_row(
                "SELECT id FROM trial WHERE experiment = ? AND variant = ? AND seed = ?",
                params![id.experiment, id.variant, seed],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(row) = row {
            for table in ["call", "candidate", "seed_item"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE trial = ?"), [row])?;
            }
            transaction.execute("DELETE FROM trial WHERE id = ?", [row])?;
        }
        transaction.execute(
            "INSERT INTO trial (id, experiment, variant, seed, settings, card, finished)
             VALUES (?, ?, ?, ?, ?, ?, 0)",
            params![row, id.experiment, id.variant, seed, settings, card],
        )?;
        let row = transaction.last_insert_rowid();
        transaction.commit().with_context(|| format!("cannot begin trial {id}"))?;
        Ok(row)
    }

    /// Records the calls of one step.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn record_calls(&mut self, trial: i64, calls: &[CallRow]) -> Result<()> {
        let transaction = self.db.transaction()?;
        for call in calls {
            transaction
                .prepare_cached("INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
                .execute(params![
                trial,
                call.id.subject.to_string(),
                call.id.stage.name(),
                call.id.seat,
                call.id.attempt,
                call.model.as_str(),
                call.key.0,
                call.shared,
                call.prompt_tokens,
                call.reply_tokens,
            ])?;
        }
        transaction.commit().context("cannot record calls")
    }

    /// Records the seed items of a trial.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn record_seed(&mut self, trial: i64, seeds: &[SeedRow]) -> Result<()> {
        let transaction = self.db.transaction()?;
        for seed in seeds {
            transaction
                .prepare_cached("INSERT INTO seed_item VALUES (?, ?, ?, ?)")?
                .execute(params![trial, seed.id.to_string(), seed.instruction, seed.facts])?;
        }
        transaction.commit().context("cannot record the seed set")
    }

    /// Records the candidates of a finished round.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn record_round(&mut self, trial: i64, round: u32, candidates: &[Candidate]) -> Result<()> {
        let transaction = self.db.transaction()?;
        for candidate in candidates {
            transaction.prepare_cached("INSERT INTO candidate VALUES (?, ?, ?, ?)")?.execute(
                params![trial, candidate.id.to_string(), round, serde_json::to_string(candidate)?],
            )?;
        }
        transaction.commit().context("cannot record a round")
    }

    /// Marks a trial as finished.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn finish_trial(&mut self, trial: i64) -> Result<()> {
        self.db.execute("UPDATE trial SET finished = 1 WHERE id = ?", [trial])?;
        Ok(())
    }

    /// All trials, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn trials(&self) -> Result<Vec<TrialRow>> {
        let mut find = self.db.prepare(
            "SELECT id, experiment, variant, seed, settings, card, finished FROM trial
             ORDER BY experiment, variant, seed",
        )?;
        let rows = find.query_map([], |row| {
            let (experiment, variant) = (row.get(1)?, row.get(2)?);
            let seed = row.get::<_, i64>(3)?.cast_unsigned();
            Ok(TrialRow {
                row: row.get(0)?,
                id: TrialId { experiment, variant, seed },
                settings: row.get(4)?,
                card: row.get(5)?,
                finished: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One trial.
    ///
    /// # Errors
    /// When there is no such trial; lists those that there are.
    pub fn trial(&self, id: &TrialId) -> Result<TrialRow> {
        let trials = self.trials()?;
        let known: Vec<String> = trials.iter().map(|trial| trial.id.to_string()).collect();
        trials.into_iter().find(|trial| trial.id == *id).with_context(|| match known.len() {
            0 => format!("there is no trial {id}: the store is empty"),
            _ => format!("there is no trial {id}\nhint: the store has {}", known.join(", ")),
        })
    }

    /// The candidates of a trial, by round and number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn candidates(&self, trial: i64) -> Result<Vec<Candidate>> {
        let mut find = self.db.prepare("SELECT facts FROM candidate WHERE trial = ?")?;
        let rows = find.query_map([trial], |row| row.get::<_, String>(0))?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for row in rows {
            candidates.push(serde_json::from_str(&row?).context("a stored candidate is damaged")?);
        }
        candidates.sort_by_key(|candidate| candidate.id);
        Ok(candidates)
    }

    /// One candidate of a trial; `None` when it has no such candidate on record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn candidate(&self, trial: i64, id: ItemId) -> Result<Option<Candidate>> {
        let facts: Option<String> = self
            .db
            .prepare_cached("SELECT facts FROM candidate WHERE trial = ? AND id = ?")?
            .query_row(params![trial, id.to_string()], |row| row.get(0))
            .optional()?;
        let read = |facts: String| serde_json::from_str(&facts);
        facts.map(read).transpose().context("a stored candidate is damaged")
    }

    /// The calls of a trial, or those about one subject, in the order of the method.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn calls(&self, trial: i64, subject: Option<ItemId>) -> Result<Vec<CallRow>> {
        // Two statements: an index serves no condition that may be absent.
        let of_subject = if subject.is_some() { "AND subject = ?2" } else { "AND ?2 IS NULL" };
        let mut find = self.db.prepare_cached(&format!(
            "SELECT subject, stage, seat, attempt, model, key, shared, prompt_tokens, reply_tokens
             FROM call WHERE trial = ?1 {of_subject}"
        ))?;
        let subject = subject.map(|id| id.to_string());
        let rows = find.query_map(params![trial, subject], |row| {
            let (subject, stage): (String, String) = (row.get(0)?, row.get(1)?);
            let call = |id| {
                Ok(CallRow {
                    id,
                    model: ModelName::new(&row.get::<_, String>(4)?),
                    key: CompletionKey(row.get(5)?),
                    shared: row.get(6)?,
                    prompt_tokens: row.get(7)?,
                    reply_tokens: row.get(8)?,
                })
            };
            let stage = Stage::ALL.into_iter().find(|known| known.name() == stage);
            let (Ok(subject), Some(stage)) = (subject.parse(), stage) else {
                return Err(rusqlite::Error::InvalidQuery);
            };
            call(RequestId { subject, stage, seat: row.get(2)?, attempt: row.get(3)? })
        })?;
        let mut calls: Vec<CallRow> = rows.collect::<rusqlite::Result<_>>()?;
        calls.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(calls)
    }

    /// Id and instruction of every seed item of a trial.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seed_instructions(&self, trial: i64) -> Result<Vec<(ItemId, String)>> {
        let mut find =
            self.db.prepare("SELECT id, instruction FROM seed_item WHERE trial = ? ORDER BY id")?;
        let rows = find.query_map([trial], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (id, instruction) = row?;
            Ok((id.parse().context("a stored seed item is damaged")?, instruction))
        })
        .collect()
    }

    /// The seed items of a trial with these ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seed_items(&self, trial: i64, ids: &[ItemId]) -> Result<Vec<SeedRow>> {
        let mut find = self
            .db
            .prepare("SELECT instruction, facts FROM seed_item WHERE trial = ? AND id = ?")?;
        let mut seeds = Vec::new();
        for &id in ids {
            let row = find
                .query_row(params![trial, id.to_string()], |row| {
                    Ok(SeedRow { id, instruction: row.get(0)?, facts: row.get(1)? })
                })
                .optional()?;
            seeds.extend(row);
        }
        Ok(seeds)
    }
}
