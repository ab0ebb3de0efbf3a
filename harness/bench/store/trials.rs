//! The facts of trials: what was asked, decided and kept.

use std::fmt;

use anyhow::{Context, Result};
use gra_analysis::compute::{CostSplit, EngineSeconds};
use gra_analysis::trial::CallFact;
use gra_llm::key::CompletionKey;
use gra_synth::annotate::AnnotatedSeed;
use gra_synth::candidate::Candidate;
use gra_synth::pool::{ItemId, SeedItem};
use gra_synth::request::{ModelName, RequestId, Stage};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;

use super::Store;
use crate::trial::{TrialId, TrialRecord};

/// A trial as it is listed.
#[derive(Clone, Debug)]
pub struct TrialRow {
    /// Row number.
    pub row: i64,
    /// Which trial.
    pub id: TrialId,
    /// Whether it came to its end.
    pub finished: bool,
    /// Its [`TrialRecord`] as JSON. One that is damaged must not keep others from being listed.
    record: String,
}

/// One call of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The call as the analysis reads it.
    pub fact: CallFact,
    /// Where its reply is stored.
    pub key: CompletionKey,
}

/// A seed item of a trial.
#[derive(Clone, Debug)]
pub struct SeedRow {
    /// Its text.
    pub instruction: String,
    /// Its annotation.
    pub annotated: AnnotatedSeed,
}

impl Store {
    /// Begins a trial. An earlier attempt that came to no end is dropped, its replies stay. A finished
    /// trial of the same name stays until [`Self::finish_trial`] puts this one in its place.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn begin_trial(&mut self, record: &TrialRecord) -> Result<i64> {
        let id = &record.id;
        let transaction = self.db.transaction()?;
        // An attempt that came to no end gives way; a finished trial of this name stays.
        drop_trial(&transaction, id, false)?;
        transaction.execute(
            "INSERT INTO trial (experiment, variant, seed, record, finished) VALUES (?, ?, ?, ?, 0)",
            params![
                id.experiment,
                id.variant,
                id.seed.cast_signed(),
                serde_json::to_string(record)?
            ],
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
        for CallRow { fact, key } in calls {
            transaction
                .prepare_cached(
                    "INSERT INTO call (
                         trial, subject, stage, seat, attempt, model, key, shared, prompt_tokens,
                         reply_tokens)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    trial,
                    fact.id.subject.to_string(),
                    fact.id.stage.name(),
                    fact.id.seat,
                    fact.id.attempt,
                    fact.model.as_str(),
                    key.0,
                    fact.shared,
                    fact.prompt_tokens,
                    fact.reply_tokens,
                ])?;
        }
        transaction.commit().context("cannot record calls")
    }

    /// Records the seed items of a trial with their annotations, which are in the same order.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn record_seeds(
        &mut self,
        trial: i64,
        items: &[SeedItem],
        annotated: &[AnnotatedSeed],
    ) -> Result<()> {
        let transaction = self.db.transaction()?;
        for (item, seed) in items.iter().zip(annotated) {
            let facts = serde_json::to_string(seed)?;
            transaction
                .prepare_cached(
                    "INSERT INTO seed_item (trial, id, instruction, facts) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![trial, seed.id.to_string(), item.instruction, facts])?;
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
            let facts = serde_json::to_string(candidate)?;
            transaction
                .prepare_cached(
                    "INSERT INTO candidate (trial, id, round, facts) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![trial, candidate.id.to_string(), round, facts])?;
        }
        transaction.commit().context("cannot record a round")
    }

    /// Marks a trial as finished; it takes the place of an earlier one of its name.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn finish_trial(&mut self, trial: i64) -> Result<()> {
        let transaction = self.db.transaction()?;
        let select = "SELECT experiment, variant, seed FROM trial WHERE id = ?";
        let id = transaction.query_row(select, [trial], |row| {
            let seed = row.get::<_, i64>(2)?.cast_unsigned();
            Ok(TrialId { experiment: row.get(0)?, variant: row.get(1)?, seed })
        })?;
        // In one transaction with the mark, so that there is always one finished trial of a name that had one.
        drop_trial(&transaction, &id, true)?;
        transaction.execute("UPDATE trial SET finished = 1 WHERE id = ?", [trial])?;
        transaction.commit().with_context(|| format!("cannot finish trial {id}"))
    }

    /// All trials, by name; where one is being run again, the finished one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn trials(&self) -> Result<Vec<TrialRow>> {
        let mut trials = self.attempts()?;
        // By name, the finished one first.
        trials.dedup_by(|later, earlier| later.id == earlier.id);
        Ok(trials)
    }

    /// All trials, by name, with attempts that came to no end behind the finished trials of their names.
    pub(crate) fn attempts(&self) -> Result<Vec<TrialRow>> {
        let mut find = self.db.prepare(
            "SELECT id, experiment, variant, seed, record, finished FROM trial
             ORDER BY experiment, variant, seed, finished DESC",
        )?;
        let rows = find.query_map([], |row| {
            let (experiment, variant) = (row.get(1)?, row.get(2)?);
            let seed = row.get::<_, i64>(3)?.cast_unsigned();
            Ok(TrialRow {
                row: row.get(0)?,
                id: TrialId { experiment, variant, seed },
                record: row.get(4)?,
                finished: row.get(5)?,
            })
        })?;
        let cannot =
            || format!("cannot read the list of trials of the store {}", self.path.display());
        rows.collect::<rusqlite::Result<_>>().with_context(cannot)
    }

    /// Whether a round of a trial is on record.
    pub(crate) fn has_rounds(&self, trial: i64) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM candidate WHERE trial = ?)";
        Ok(self.db.query_row(find, [trial], |row| row.get(0))?)
    }

    /// Whether a trial of this name came to its end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_finished(&self, id: &TrialId) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM trial
                        WHERE experiment = ? AND variant = ? AND seed = ? AND finished = 1)";
        let seed = id.seed.cast_signed();
        Ok(self.db.query_row(find, params![id.experiment, id.variant, seed], |row| row.get(0))?)
    }

    /// What determined a trial that is listed.
    ///
    /// # Errors
    /// When its record is damaged.
    pub fn record(&self, trial: &TrialRow) -> Result<TrialRecord> {
        serde_json::from_str(&trial.record)
            .with_context(|| self.damaged(format_args!("the record of trial {}", trial.id)))
    }

    /// The candidates of a trial, by round and number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn candidates(&self, trial: i64) -> Result<Vec<Candidate>> {
        let mut find = self.db.prepare("SELECT id, facts FROM candidate WHERE trial = ?")?;
        let rows = find.query_map([trial], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for row in rows {
            let (id, facts): (String, String) = row.with_context(|| {
                format!("cannot read the candidates of {}", self.name_of(trial))
            })?;
            candidates.push(self.facts(&facts, format_args!("candidate {id}"), trial)?);
        }
        // As text, r10-00000 would come before r2-00000.
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
        let read = |facts: String| self.facts(&facts, format_args!("candidate {id}"), trial);
        facts.map(read).transpose()
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
            let (Ok(subject), Some(stage)) = (subject.parse(), stage_named(&stage)) else {
                return Err(rusqlite::Error::InvalidQuery);
            };
            let fact = CallFact {
                id: RequestId { subject, stage, seat: row.get(2)?, attempt: row.get(3)? },
                model: ModelName::new(&row.get::<_, String>(4)?),
                shared: row.get(6)?,
                prompt_tokens: row.get(7)?,
                reply_tokens: row.get(8)?,
            };
            Ok(CallRow { fact, key: CompletionKey(row.get(5)?) })
        })?;
        let calls: rusqlite::Result<_> = rows.collect();
        let mut calls: Vec<CallRow> =
            calls.with_context(|| self.damaged_in("the list of calls", trial))?;
        // Stages sort by name in SQL; the method has another order.
        calls.sort_by(|a, b| a.fact.id.cmp(&b.fact.id));
        Ok(calls)
    }

    /// The seconds that engines were busy with a trial's calls, whenever that was: of the chunk that
    /// answered a call, an equal share. Stages with a call of which that is unknown are absent.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn engine_seconds(&self, trial: i64) -> Result<EngineSeconds> {
        let mut find = self.db.prepare(
            "WITH size AS (SELECT chunk, count(*) AS n FROM chunk_member GROUP BY chunk)
             SELECT call.stage, sum(seconds / n), sum(iif(shared, 0.0, seconds / n)),
                    count(*) - count(seconds / n)
             FROM call
                 LEFT JOIN completion ON completion.key = call.key
                 LEFT JOIN chunk ON chunk.id = completion.chunk
                 LEFT JOIN size ON size.chunk = chunk.id
             WHERE call.trial = ? GROUP BY call.stage",
        )?;
        let rows = find.query_map([trial], |row| {
            let (stage, unknown): (String, i64) = (row.get(0)?, row.get(3)?);
            let seconds = |column| row.get::<_, Option<f64>>(column);
            Ok((stage, seconds(1)?.zip(seconds(2)?).filter(|_| unknown == 0)))
        })?;
        let mut by_stage = EngineSeconds::new();
        for row in rows {
            let (name, seconds) = row?;
            // A stage with one call of unknown cost has an unknown sum.
            if let (Some(stage), Some((all, own))) = (stage_named(&name), seconds) {
                by_stage.insert(stage, CostSplit { all, own });
            }
        }
        Ok(by_stage)
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
            let (id, instruction): (String, String) = row?;
            let parsed = id.parse();
            let damaged = || self.damaged_in(format_args!("seed item `{id}`"), trial);
            Ok((parsed.with_context(damaged)?, instruction))
        })
        .collect()
    }

    /// A seed item of a trial; `None` when it has no such item.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn seed_item(&self, trial: i64, id: ItemId) -> Result<Option<SeedRow>> {
        let mut find = self.db.prepare_cached(
            "SELECT instruction, facts FROM seed_item WHERE trial = ? AND id = ?",
        )?;
        let row = find.query_row(params![trial, id.to_string()], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?))
        });
        let Some((instruction, facts)) = row.optional()? else { return Ok(None) };
        let annotated = self.facts(&facts, format_args!("seed item {id}"), trial)?;
        Ok(Some(SeedRow { instruction, annotated }))
    }

    /// Reads what is stored of a trial as JSON.
    fn facts<T: DeserializeOwned>(
        &self,
        json: &str,
        what: impl fmt::Display,
        trial: i64,
    ) -> Result<T> {
        serde_json::from_str(json).with_context(|| self.damaged_in(what, trial))
    }

    /// Says that something of a trial cannot be read, and what to type.
    fn damaged_in(&self, what: impl fmt::Display, trial: i64) -> String {
        self.damaged(format_args!("{what} of {}", self.name_of(trial)))
    }

    /// A trial in words, by its row.
    fn name_of(&self, trial: i64) -> String {
        let select =
            "SELECT experiment || '/' || variant || '/seed-' || seed FROM trial WHERE id = ?";
        // Best effort: the table of trials may be damaged as well.
        let name = self.db.query_row(select, [trial], |row| row.get(0));
        name.map_or_else(
            |_| format!("trial in row {trial}"),
            |name: String| format!("trial {name}"),
        )
    }
}

/// The stage that is stored under a name.
pub(super) fn stage_named(name: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.name() == name)
}

/// Drops the finished trial of a name, or the one that is not finished, with its facts.
fn drop_trial(db: &Connection, id: &TrialId, finished: bool) -> rusqlite::Result<()> {
    let row: Option<i64> = db
        .query_row(
            "SELECT id FROM trial
             WHERE experiment = ? AND variant = ? AND seed = ? AND finished = ?",
            params![id.experiment, id.variant, id.seed.cast_signed(), finished],
            |row| row.get(0),
        )
        .optional()?;
    let Some(row) = row else { return Ok(()) };
    // Replies stay: they belong to no trial.
    for table in ["call", "candidate", "seed_item"] {
        db.execute(&format!("DELETE FROM {table} WHERE trial = ?"), [row])?;
    }
    db.execute("DELETE FROM trial WHERE id = ?", [row])?;
    Ok(())
}
