//! Answers the method's questions: from the store where it can, from the engine where it must.
//!
//! The requests of a step are looked up first. What is missing is grouped by model, cut into chunks
//! and recorded; then the chunks run, as many at the same time as the engine has workers, and the replies
//! of each are committed together. A chunk that was recorded and not finished is run again whole, so an
//! interrupted run ends with the bytes of an uninterrupted one, and pays at most one chunk of each worker
//! twice. A failed call is stored as replies are, and replayed unless it is to be asked again; when too
//! many fail the run stops ([`Tolerance`]).

mod computed;
mod cost;
mod tally;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use gra_analysis::trial::CallFact;
use gra_llm::engine::{ChunkEvent, Engine, EngineError};
use gra_llm::key::CompletionKey;
use gra_synth::request::{ModelName, Portion, Reply, Request, Stage};
use gra_synth::step::{Answers, Step};

use crate::progress::Progress;
use crate::store::{CallRow, ChunkCost, PlannedChunk, Store};
use crate::trial::TrialId;

use cost::{Meter, Started};
use tally::Tally;

pub use cost::{Paid, Thoughts};
pub use tally::{MaxFailed, Tolerance, TooManyLost};

/// The run was asked to stop, and did so after saving what was under way.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted; everything finished so far is saved")]
pub struct Interrupted;

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

/// Calls of one model and stage: their requests share a role prompt.
type Group = (ModelName, Stage);

/// What is known of a chunk under way.
#[derive(Default)]
struct Running {
    begun: Option<Instant>,
    slots: u32,
}

impl Running {
    /// What it has cost, now that it is done.
    fn cost(&self, crashes: u64) -> ChunkCost {
        let seconds = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        ChunkCost { seconds, slots: self.slots, crashes }
    }
}

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
    #[must_use]
    pub fn paid(&self) -> Paid {
        self.paid
    }

    /// How much of each model's replies to the current trial was thought so far; without models that never
    /// thought.
    #[must_use]
    pub fn thoughts(&self) -> BTreeMap<ModelName, Thoughts> {
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
    fn complete(
        &mut self,
        asking: Asking<'_>,
        requests: &[Request],
    ) -> Result<(Vec<CallRow>, Vec<Reply>)> {
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
        if !self.fingerprints.contains_key(&request.model) {
            let fingerprint = self.engine.fingerprint(&request.model)?;
            self.fingerprints.insert(request.model.clone(), fingerprint);
        }
        Ok(CompletionKey::new(&self.fingerprints[&request.model], request))
    }

    /// The chunks that will answer what is missing, by model: recorded unfinished ones that can be
    /// run whole as they were, then new ones. What another caller recorded and cannot be used here
    /// stays open for that caller.
    fn plan(
        &mut self,
        asking: Asking<'_>,
        missing: BTreeMap<Group, Vec<CompletionKey>>,
    ) -> Result<Vec<(Group, PlannedChunk)>> {
        let name = asking.to_string();
        let all: usize = missing.values().map(Vec::len).sum();
        let (mut again, mut forget, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (group, mut left) in missing {
            for (planned_for, chunk) in self.store.open_chunks(&group.0, group.1)? {
                // A reply depends on what it was batched with, so a chunk runs again whole or not at all.
                if chunk.keys.iter().all(|key| left.contains(key)) {
                    left.retain(|key| !chunk.keys.contains(key));
                    again.push((group.clone(), chunk));
                } else if planned_for == name {
                    forget.push(chunk.id);
                }
            }
            // No chunk is larger than a worker's part of the step.
            let size = self.chunk.min(all.div_ceil(self.engine.workers(&group.0).max(1))).max(1);
            new.extend(left.chunks(size).map(|keys| (group.clone(), keys.to_vec())));
        }
        if !new.is_empty() || !forget.is_empty() {
            let planned = self.store.plan_chunks(&name, &forget, &new)?;
            again.extend(new.into_iter().map(|(group, _)| group).zip(planned));
        }
        // By model, old chunks and new ones, so that a model is loaded once for all of them.
        again.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(again)
    }

    /// Runs chunks and stores the replies of each when it is done.
    fn run(
        &mut self,
        planned: &[(Group, PlannedChunk)],
        missing: &BTreeMap<CompletionKey, &Request>,
    ) -> Result<()> {
        if planned.is_empty() {
            return Ok(());
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let requests = |(_, chunk): &(Group, PlannedChunk)| {
            chunk.keys.iter().map(|key| missing[key].clone()).collect()
        };
        let chunks: Vec<Vec<Request>> = planned.iter().map(requests).collect();
        let asked: Vec<&[Request]> = chunks.iter().map(Vec::as_slice).collect();
        let started = Started::now(self.meter.as_ref());
        let mut running: Vec<Running> = planned.iter().map(|_| Running::default()).collect();
        let (mut left, mut unsaved, mut lost) = (planned.len(), None, None);
        // A copy: the calls are counted for good when all replies of the step are read back.
        let mut tally = self.tally.clone();
        let max_failed = self.tolerance.max_failed;
        let Self { store, engine, progress, stop, fingerprints, paid, .. } = &mut *self;
        let ended = engine.complete_all(&asked, &mut |place, event| {
            let ((model, _), chunk) = &planned[place];
            match event {
                ChunkEvent::Begun => running[place].begun = Some(Instant::now()),
                ChunkEvent::Progress(so_far) => {
                    running[place].slots = so_far.slots;
                    progress.in_chunk(place, so_far);
                }
                ChunkEvent::Answered { replies, crashes } => {
                    progress.end_chunk(place, replies.len());
                    paid.calls += replies.len() as u64;
                    paid.crashes += crashes;
                    let answered: Vec<_> = chunks[place].iter().zip(replies).collect();
                    for (request, reply) in &answered {
                        tally.count(request, reply, true);
                    }
                    let verdict = tally.check_failed(max_failed);
                    // A model that answers nothing is away: its calls have not failed.
                    let is_away = matches!(&verdict, Err(TooManyLost::Unanswered { last, .. })
                        if last.model == *model);
                    // The first verdict is the reason; chunks that were under way only add to it.
                    lost = lost.take().or(verdict.err());
                    if is_away {
                        return ControlFlow::Break(());
                    }
                    let cost = running[place].cost(crashes);
                    match store.finish_chunk(chunk, &fingerprints[model], cost, &answered) {
                        Ok(()) => left -= 1,
                        Err(error) => unsaved = Some(error),
                    }
                }
            }
            if unsaved.is_some() || lost.is_some() || stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.paid.add(&started, self.meter.as_ref());
        // What could not be saved is told first: nothing goes on without the store.
        if let Some(lost) = lost.filter(|_| unsaved.is_none()) {
            return Err(lost.into());
        }
        match (unsaved, ended) {
            (Some(error), _) => Err(error),
            (None, Err(EngineError::Stopped)) => Err(Interrupted.into()),
            (None, Err(error)) => Err(error.into()),
            // Stopped between two chunks, of which the engine knows nothing.
            (None, Ok(())) if left > 0 => Err(Interrupted.into()),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Reads the replies of a step back, all of them from the store.
    fn collect(
        &mut self,
        keys: &[CompletionKey],
        requests: &[Request],
    ) -> Result<(Vec<CallRow>, Vec<Reply>)> {
        let (mut rows, mut replies) = (Vec::new(), Vec::new());
        for (key, request) in keys.iter().zip(requests) {
            let reply = self.store.reply(key)?;
            let reply = reply.ok_or_else(|| anyhow::anyhow!("the store lost reply {key}"))?;
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
}
