//! The facts of trials: what was asked, decided and kept.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use gra_analysis::trial::CallFact;
use gra_llm::key::CompletionKey;
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};
use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use crate::experiment::plain_name;
use crate::failure::bad_input;

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
        // A folder of results may stand before it, but nothing that leads out of one.
        if let [.., experiment, variant, seed] = parts.as_slice()
            && let Some(Ok(seed)) = seed.strip_prefix("seed-").map(str::parse)
            && !parts.contains(&"..")
            && plain_name("trial", experiment).is_ok()
            && plain_name("trial", variant).is_ok()
        {
            return Ok(Self { experiment: (*experiment).into(), variant: (*variant).into(), seed });
        }
        Err(bad_input(anyhow!(
            "`{text}` is no trial\nhint: a trial is written EXPERIMENT/VARIANT/seed-N, e.g. \
               ablation/gra/seed-42"
        )))
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
    /// Begins a trial. An earlier attempt that came to no end is dropped, its replies stay. A finished
    /// trial of the same name stays until [`Self::finish_trial`] puts this one in its place.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn begin_trial(&mut self, id: &TrialId, settings: &str, card: &str) -> Result<i64> {
        let transaction = self.db.transaction()?;
        drop_trial(&transaction, id, false)?;
        transaction.execute(
            "INSERT INTO trial (experiment, variant, seed, settings, card, finished)
             VALUES (?, ?, ?, ?, ?, 0)",
            params![id.experiment, id.variant, id.seed.cast_signed(), settings, card],
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
                .prepare_cached(
                    "INSERT INTO call (
                         trial, subject, stage, seat, attempt, model, key, shared, prompt_tokens,
                         reply_tokens)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
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
                .prepare_cached(
                    "INSERT INTO seed_item (trial, id, instruction, facts) VALUES (?, ?, ?, ?)",
                )?
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
            "SELECT id, experiment, variant, seed, settings, card, finished FROM trial
             ORDER BY experiment, variant, seed, finished DESC",
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
        rows.collect::<rusqlite::Result<_>>().with_context(|| self.damaged("the list of trials"))
    }

    /// Whether a round of a trial is on record.
    pub(crate) fn has_rounds(&self, trial: i64) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM candidate WHERE trial = ?)";
        Ok(self.db.query_row(find, [trial], |row| row.get(0))?)
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
        let mut find = self.db.prepare("SELECT id, facts FROM candidate WHERE trial = ?")?;
        let rows = find.query_map([trial], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for row in rows {
            let (id, facts): (String, String) =
                row.with_context(|| self.damaged_in("the list of candidates", trial))?;
            let candidate = serde_json::from_str(&facts)
                .with_context(|| self.damaged_in(format_args!("candidate {id}"), trial))?;
            candidates.push(candidate);
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
        facts
            .map(read)
            .transpose()
            .with_context(|| self.damaged_in(format_args!("candidate {id}"), trial))
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
        let calls: rusqlite::Result<_> = rows.collect();
        let mut calls: Vec<CallRow> =
            calls.with_context(|| self.damaged_in("the list of calls", trial))?;
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
            let (id, instruction): (String, String) = row?;
            let parsed = id.parse();
            let damaged = || self.damaged_in(format_args!("seed item `{id}`"), trial);
            Ok((parsed.with_context(damaged)?, instruction))
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

    /// Says that something of a trial cannot be read, and what to type.
    fn damaged_in(&self, what: impl fmt::Display, trial: i64) -> String {
        let select =
            "SELECT experiment || '/' || variant || '/seed-' || seed FROM trial WHERE id = ?";
        let name = self.db.query_row(select, [trial], |row| row.get(0));
        let name = name.unwrap_or_else(|_| format!("in row {trial}"));
        self.damaged(format_args!("{what} of trial {name}"))
    }
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
    for table in ["call", "candidate", "seed_item"] {
        db.execute(&format!("DELETE FROM {table} WHERE trial = ?"), [row])?;
    }
    db.execute("DELETE FROM trial WHERE id = ?", [row])?;
    Ok(())
}
