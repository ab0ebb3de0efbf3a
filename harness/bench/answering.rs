//! Answers the method's questions: from the store where it can, from the engine where it must. So are embeddings and
//! losses found, which models compute of texts without writing any.
//!
//! The requests of a step are looked up first. What is missing is grouped by model, cut into chunks
//! and recorded; then the chunks run, as many at the same time as the engine has workers, and the replies
//! of each are committed together. A chunk that was recorded and not finished is run again whole, so an
//! interrupted run ends with the bytes of an uninterrupted one, and pays at most one chunk of each worker
//! twice. A failed call is stored as replies are, and replayed unless it is to be asked again; when too
//! many fail the run stops ([`Tolerance`]).

mod tally;
mod work;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
use gra_analysis::trial::CallFact;
use gra_llm::engine::Engine;
use gra_llm::key::{CompletionKey, score_key};
use gra_llm::score::Passage;
use gra_synth::request::{Embedding, ModelName, Portion, Reply, Request, Stage};
use gra_synth::step::{Answers, Step};
use serde::Serialize;

use crate::progress::Progress;
use crate::store::{CallRow, Store, StoredScore};
use crate::trial::TrialId;

use tally::Tally;
use work::{Group, Meter};

pub use tally::{MaxFailed, Tolerance, TooManyLost};
pub use work::Paid;

/// The run was asked to stop, and did so after saving what was under way.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted; everything finished so far is saved")]
pub struct Interrupted;

/// Texts that are embedded between two commits.
const EMBEDDINGS_PER_COMMIT: usize = 256;

/// Passages that are scored between two commits.
const SCORES_PER_COMMIT: usize = 32;

/// For whom questions are answered.
#[derive(Clone, Copy, Debug)]
pub enum Asking<'a> {
    /// A trial, which records its calls under its row.
    Trial {
        /// Which.
        id: &'a TrialId,
        /// Its row in the store.
        row: i64,
    },
    /// A caller that keeps the replies and no calls, under a name for progress and messages.
    Other(&'a str),
}

impl fmt::Display for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trial { id, .. } => id.fmt(f),
            Self::Other(name) => f.pad(name),
        }
    }
}

/// How much of one model's replies to a trial was thought: counted over every call, paid now or earlier, so that a replay
/// counts the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Thoughts {
    /// Its replies.
    pub calls: u64,
    /// Those with a thought.
    pub calls_with_thought: u64,
    /// Tokens of all its replies.
    pub reply_tokens: u64,
    /// Those of thoughts, by their share of each reply's characters.
    pub thought_tokens: u64,
}

impl Thoughts {
    /// Counts a reply.
    pub fn count(&mut self, reply: &Reply) {
        let tokens = reply.thought_tokens();
        self.calls += 1;
        self.calls_with_thought += u64::from(tokens > 0);
        self.reply_tokens += u64::from(reply.reply_tokens);
        self.thought_tokens += u64::from(tokens);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.calls_with_thought += other.calls_with_thought;
        self.reply_tokens += other.reply_tokens;
        self.thought_tokens += other.thought_tokens;
    }
}

/// The calls of a step as they are recorded, and their replies, both in the order of the requests.
type Answered = (Vec<CallRow>, Vec<Reply>);

/// The one place where questions meet answers.
pub struct Answering<'a> {
    store: &'a mut Store,
    engine: &'a mut dyn Engine,
    progress: &'a mut Progress,
    stop: &'a AtomicBool,
    /// Most requests of a chunk.
    chunk: usize,
    fingerprints: BTreeMap<ModelName, String>,
    /// Keys that the trials before this one asked for.
    asked_before: BTreeSet<CompletionKey>,
    asked_now: BTreeSet<CompletionKey>,
    meter: Option<Meter>,
    paid: Paid,
    thoughts: BTreeMap<ModelName, Thoughts>,
    tolerance: Tolerance,
    /// Of the trial, or of the other work under way.
    tally: Tally,
}

impl<'a> Answering<'a> {
    /// Nothing asked yet. `chunk` is the most requests that run together.
    pub fn new(
        store: &'a mut Store,
        engine: &'a mut dyn Engine,
        progress: &'a mut Progress,
        stop: &'a AtomicBool,
        chunk: usize,
    ) -> Self {
        Self {
            store,
            engine,
            progress,
            stop,
            chunk: chunk.max(1),
            fingerprints: BTreeMap::new(),
            asked_before: BTreeSet::new(),
            asked_now: BTreeSet::new(),
            meter: Meter::find(),
            paid: Paid::default(),
            thoughts: BTreeMap::new(),
            // Beside trials, which bring their own, nothing is published that a call's failure is part of.
            tolerance: Tolerance { retry_failed: true, ..Tolerance::default() },
            tally: Tally::default(),
        }
    }

    /// The store, for the facts of the trial.
    pub fn store(&mut self) -> &mut Store {
        self.store
    }

    /// The engine, for what its models are.
    pub fn engine(&mut self) -> &mut dyn Engine {
        self.engine
    }

    /// Where progress is shown.
    pub fn progress(&mut self) -> &mut Progress {
        self.progress
    }

    /// Begins the trials of a run seed, with what is done about failed calls and malformed replies. Trials of one
    /// run seed share calls; what was asked under another one is not counted as shared.
    pub fn next_run_seed(&mut self, tolerance: Tolerance) {
        self.asked_before.clear();
        self.asked_now.clear();
        self.tolerance = tolerance;
    }

    /// Starts counting for the next trial; what was asked so far counts as asked by an earlier one.
    pub fn next_trial(&mut self) {
        self.asked_before.append(&mut self.asked_now);
        self.paid = Paid::default();
        self.thoughts.clear();
        self.tally = Tally::default();
    }

    /// What the current trial has cost so far.
    pub(crate) fn paid(&self) -> Paid {
        self.paid
    }

    /// How much of each model's replies to the current trial was thought so far; without models that never
    /// thought.
    pub(crate) fn thoughts(&self) -> BTreeMap<ModelName, Thoughts> {
        let thinks = |counted: &Thoughts| counted.calls_with_thought > 0;
        let thinking = self.thoughts.iter().filter(|(_, counted)| thinks(counted));
        thinking.map(|(model, counted)| (model.clone(), *counted)).collect()
    }

    /// Runs one of the method's machines to its end; a trial's calls are recorded.
    ///
    /// # Errors
    /// When the engine or the store fails, too many calls do ([`TooManyLost`]), or [`Interrupted`].
    pub fn drive<T>(
        &mut self,
        asking: Asking<'_>,
        mut advance: impl FnMut(Answers, &mut Progress) -> Step<T>,
    ) -> Result<T> {
        // A trial counts on over its rounds; other work begins anew each time.
        if let Asking::Other(_) = asking {
            self.tally = Tally::default();
        }
        let mut answers = Answers::Start;
        let mut under_way = BTreeSet::new();
        loop {
            let step = advance(answers, self.progress);
            if let Asking::Trial { id, .. } = asking {
                self.check_ended(&mut under_way, &step).with_context(|| format!("trial {id}"))?;
            }
            answers = match step {
                Step::Done(result) => return Ok(result),
                Step::Embed(texts) => Answers::Embeddings(self.embed(&texts)?),
                Step::Ask(requests) => {
                    let (calls, replies) = self.complete(asking, &requests)?;
                    if let Asking::Trial { row, .. } = asking {
                        self.store.record_calls(row, &calls)?;
                    }
                    Answers::Replies(replies)
                }
            };
        }
    }

    /// Checks the stages that a step asks nothing more of. `under_way`: those that it might have.
    fn check_ended<T>(&self, under_way: &mut BTreeSet<Stage>, step: &Step<T>) -> Result<()> {
        let mut asked = BTreeSet::new();
        if let Step::Ask(requests) = step {
            asked.extend(requests.iter().map(|request| request.id.stage));
        }
        if !self.tolerance.allow_malformed_stages {
            for stage in under_way.difference(&asked) {
                self.tally.check_readable(*stage)?;
            }
        }
        *under_way = asked;
        Ok(())
    }

    /// Whether the store answers a call: with a reply, or with a failure that is not to be asked again.
    fn is_stored(&self, key: &CompletionKey) -> Result<bool> {
        let Some(failed) = self.store.has_failed(key)? else { return Ok(false) };
        // What was asked a moment ago for another trial is not asked again.
        let asked = self.asked_before.contains(key) || self.asked_now.contains(key);
        Ok(!failed || asked || !self.tolerance.retry_failed)
    }

    /// Answers the requests of a step, in order.
    fn complete(&mut self, asking: Asking<'_>, requests: &[Request]) -> Result<Answered> {
        let keys: Vec<CompletionKey> =
            requests.iter().map(|request| self.key(request)).collect::<Result<_>>()?;
        let mut missing: BTreeMap<CompletionKey, &Request> = BTreeMap::new();
        let mut groups: BTreeMap<Group, Vec<CompletionKey>> = BTreeMap::new();
        for (key, request) in keys.iter().zip(requests) {
            if self.is_stored(key)? {
                self.paid.stored += 1;
            // Two requests of a step may be one question, which is paid once.
            } else if let Entry::Vacant(place) = missing.entry(*key) {
                place.insert(request);
                groups.entry((request.model.clone(), request.id.stage)).or_default().push(*key);
            }
        }
        self.progress.begin_stage(requests[0].id.stage, requests.len(), missing.len());
        self.tally.expect(requests);
        let planned = self.plan(asking, groups)?;
        self.run(&planned, &missing)?;
        self.progress.end_stage();
        let (rows, replies) = self.collect(&keys, requests)?;
        // A judge reads no comment.
        let scores_alone = |request: &Request| {
            matches!(asking, Asking::Other(_)) || request.portion == Portion::Opening
        };
        for (request, reply) in requests.iter().zip(&replies) {
            self.tally.count(request, reply, scores_alone(request));
        }
        self.tally.check_failed(self.tolerance.max_failed).with_context(|| asking.to_string())?;
        Ok((rows, replies))
    }

    /// The key under which a request's reply is stored.
    fn key(&mut self, request: &Request) -> Result<CompletionKey> {
        let fingerprint = match self.fingerprints.entry(request.model.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.engine.fingerprint(&request.model)?),
        };
        Ok(CompletionKey::new(fingerprint, request))
    }

    /// Reads the replies of a step back, all of them from the store.
    fn collect(&mut self, keys: &[CompletionKey], requests: &[Request]) -> Result<Answered> {
        let (mut rows, mut replies) = (Vec::new(), Vec::new());
        for (key, request) in keys.iter().zip(requests) {
            let reply = self.store.reply(key)?;
            let reply = reply.ok_or_else(|| anyhow!("the store lost reply {key}"))?;
            self.asked_now.insert(*key);
            self.thoughts.entry(request.model.clone()).or_default().count(&reply);
            let fact = CallFact {
                id: request.id.clone(),
                model: request.model.clone(),
                shared: self.asked_before.contains(key),
                prompt_tokens: reply.prompt_tokens,
                reply_tokens: reply.reply_tokens,
            };
            rows.push(CallRow { fact, key: *key });
            replies.push(reply);
        }
        Ok((rows, replies))
    }

    /// Embeds texts, in order. Each text is embedded once, however often it is asked for.
    ///
    /// # Errors
    /// When the engine or the store fails, or [`Interrupted`].
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>> {
        let encoder = self.engine.encoder_fingerprint()?;
        let mut missing: Vec<String> = Vec::new();
        for text in texts {
            if self.store.embedding(&encoder, text)?.is_none() {
                missing.push(text.clone());
            }
        }
        // A text that is asked for twice is embedded once.
        missing.sort();
        missing.dedup();
        self.progress.begin_embedding(missing.len());
        for part in missing.chunks(EMBEDDINGS_PER_COMMIT) {
            let embeddings = self.work(|engine, _| engine.embed(part))?;
            let embedded: Vec<(String, Embedding)> = part.iter().cloned().zip(embeddings).collect();
            self.store.store_embeddings(&encoder, &embedded)?;
            self.progress.embedded(part.len());
        }
        self.progress.end_stage();
        let lost = || anyhow!("the store lost an embedding");
        // All from the store, so that it makes no difference which of them were there before.
        texts.iter().map(|text| self.store.embedding(&encoder, text)?.ok_or_else(lost)).collect()
    }

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
        let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
        // In the order of the passages, whose neighbours may share a beginning.
        for (key, passage) in keys.iter().zip(passages) {
            if self.store.score(key)?.is_none() && seen.insert(*key) {
                missing.push((*key, passage));
            }
        }
        self.progress.begin_scoring(what, passages.len(), missing.len());
        for part in missing.chunks(SCORES_PER_COMMIT) {
            let batch: Vec<Passage> = part.iter().map(|(_, passage)| (*passage).clone()).collect();
            let scores = self.work(|engine, progress| {
                engine.score(&batch, &mut |so_far| progress.in_chunk(0, so_far))
            })?;
            self.progress.end_chunk(0, batch.len());
            let rows: Vec<_> =
                part.iter().zip(&scores).map(|((key, _), score)| (*key, score.into())).collect();
            self.store.store_scores(&rows)?;
        }
        self.progress.end_stage();
        let lost = || anyhow!("the store lost a score");
        keys.iter().map(|key| self.store.score(key)?.ok_or_else(lost)).collect()
    }
}
