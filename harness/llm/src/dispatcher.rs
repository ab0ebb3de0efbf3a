//! Several engines as one: which engine answers a chunk, what runs at the same time, and what is done when an
//! engine fails on a chunk.
//!
//! ```text
//!  the caller's thread             one thread for each replica that has chunks
//!
//!  complete_all(chunks)            local models, as many replicas as [engine] says
//!    |  chunks by model      ,---> replica 0: a worker process:  chunk 0, chunk 1, ..
//!    |  and replica   -------+---> replica 1: a worker process:  chunk 2, ..
//!    |                       |       each chunk in several lanes, each with some threads of the worker
//!    |                       '---> the servers' engine:          chunk 3, ..
//!    |                               each chunk in as many requests at once as the server takes
//!    |                                                    |
//!  hear(place, event) <--- one event after the other -----'
//! ```
//!
//! The replicas of a group are alike: any of them can answer for every model of the group. A replica's share is a
//! run of neighbouring chunks with about as many requests as every other share. Chunks are ordered by model, so
//! few models are asked of more than one replica, and the shares follow from the chunks alone: the same chunks go
//! to the same replicas whenever they run.
//!
//! An engine fails on a chunk as a whole. The calls of such a chunk are then asked one at a time, by the same
//! replica, so that a call that no engine survives is a failed call and the others are answered.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use gra_synth::request::{Embedding, Failure, ModelName, Reply, Request};

use crate::chat_template::{TemplateFinding, TemplateQuestion};
use crate::engine::{ChunkEvent, ChunkProgress, Engine, EngineError, EngineResult, Hear, Watch};
use crate::score::{Passage, PassageScore};

/// So many failed calls one after the other are the model's failure, not the calls': each may take a load
/// of the model.
const MOST_IN_A_ROW: u32 = 3;

/// Answers with other engines.
pub struct Dispatcher {
    /// Groups of replicas. The first embeds, and answers for every model that has no route.
    groups: Vec<Vec<Replica>>,
    /// Which group answers for a model.
    routes: BTreeMap<ModelName, usize>,
}

/// An engine of a group.
struct Replica {
    engine: Box<dyn Engine>,
    /// Models that have answered a chunk.
    answered: BTreeSet<ModelName>,
}

impl Dispatcher {
    /// An engine of these replicas, which answer for every model and embed.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn new(replicas: Vec<Box<dyn Engine>>) -> Self {
        assert!(!replicas.is_empty(), "something must answer");
        let first = replicas.into_iter().map(Replica::new).collect();
        Self { groups: vec![first], routes: BTreeMap::new() }
    }

    /// Sends these models' chunks to `engine`.
    #[must_use]
    pub fn route(
        mut self,
        models: impl IntoIterator<Item = ModelName>,
        engine: Box<dyn Engine>,
    ) -> Self {
        let group = self.groups.len();
        self.routes.extend(models.into_iter().map(|model| (model, group)));
        self.groups.push(vec![Replica::new(engine)]);
        self
    }

    fn group_of(&self, model: &ModelName) -> usize {
        self.routes.get(model).copied().unwrap_or(0)
    }

    /// The replica that answers what needs only one.
    fn first_of(&mut self, model: &ModelName) -> &mut Replica {
        let group = self.group_of(model);
        &mut self.groups[group][0]
    }

    /// Which chunks each replica answers, group after group.
    fn shares(&self, chunks: &[&[Request]]) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.groups.len()];
        for (place, chunk) in chunks.iter().enumerate() {
            places[chunk.first().map_or(0, |first| self.group_of(&first.model))].push(place);
        }
        let of_group = |(replicas, places): (&Vec<Replica>, Vec<usize>)| {
            let requests: Vec<usize> = places.iter().map(|&place| chunks[place].len()).collect();
            let shares = neighbours(&requests, replicas.len()).into_iter();
            shares.map(move |share| share.into_iter().map(|at| places[at]).collect())
        };
        self.groups.iter().zip(places).flat_map(of_group).collect()
    }

    /// Gives every replica of a group its part of some items. The results come in the order of the items.
    fn each_part<T: Sync, R: Send>(
        &mut self,
        group: usize,
        items: &[T],
        watch: &mut Watch<'_>,
        ask: impl Fn(&mut dyn Engine, usize, &[T], &mut Watch<'_>) -> EngineResult<Vec<R>> + Sync,
    ) -> EngineResult<Vec<R>> {
        let replicas = &mut self.groups[group];
        let count = replicas.len();
        let ask = &ask;
        let parts = replicas.iter_mut().enumerate().map(|(at, replica)| {
            let (from, to) = (at * items.len() / count, (at + 1) * items.len() / count);
            (replica, from, &items[from..to])
        });
        // A thread for an empty part would only come and go.
        let busy = parts.filter(|(_, _, part)| !part.is_empty());
        let tasks = busy.map(|(replica, from, part)| {
            move |tell: &mut Watch<'_>| ask(&mut *replica.engine, from, part, tell)
        });
        let tasks: Vec<_> = tasks.collect();
        let mut so_far = vec![ChunkProgress::default(); tasks.len()];
        let done = in_parallel(tasks, |at, progress| {
            so_far[at] = progress;
            watch(so_far.iter().copied().sum());
        });
        Ok(done.into_iter().collect::<EngineResult<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

impl Replica {
    fn new(engine: Box<dyn Engine>) -> Self {
        Self { engine, answered: BTreeSet::new() }
    }

    /// Answers a chunk; where the engine fails on it, call by call.
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let Some(first) = chunk.first() else { return Ok(Vec::new()) };
        let model = &first.model;
        let engine = &mut self.engine;
        let replies = engine.complete(chunk, watch).or_else(|error| {
            let answered_before = self.answered.contains(model);
            let ask = |call: &[Request], watch: &mut Watch<'_>| engine.complete(call, watch);
            one_by_one(chunk, error, answered_before, ask, watch)
        })?;
        self.answered.insert(model.clone());
        Ok(replies)
    }

    /// Answers its share, chunk after chunk, until `enough` is set.
    fn complete_share(
        &mut self,
        chunks: &[&[Request]],
        places: &[usize],
        enough: &AtomicBool,
        tell: &mut dyn FnMut((usize, ChunkEvent)),
    ) -> EngineResult<()> {
        for &place in places {
            tell((place, ChunkEvent::Begun));
            let crashes = self.engine.crashes();
            let replies = self.complete(chunks[place], &mut |so_far| {
                tell((place, ChunkEvent::Progress(so_far)));
            })?;
            let crashes = self.engine.crashes() - crashes;
            tell((place, ChunkEvent::Answered { replies, crashes }));
            if enough.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

impl Engine for Dispatcher {
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let Some(first) = chunk.first() else { return Ok(Vec::new()) };
        self.first_of(&first.model).complete(chunk, watch)
    }

    /// When one replica fails the others finish what they have begun; the error is that of the first share that
    /// has one.
    fn complete_all(&mut self, chunks: &[&[Request]], hear: &mut Hear<'_>) -> EngineResult<()> {
        let shares = self.shares(chunks);
        let enough = &AtomicBool::new(false);
        let replicas = self.groups.iter_mut().flatten().zip(shares);
        // A thread for a replica without chunks would only come and go.
        let busy = replicas.filter(|(_, places)| !places.is_empty());
        let tasks = busy.map(|(replica, places)| {
            move |tell: &mut dyn FnMut((usize, ChunkEvent))| {
                let done = replica.complete_share(chunks, &places, enough, tell);
                if done.is_err() {
                    enough.store(true, Ordering::Relaxed);
                }
                done
            }
        });
        let done = in_parallel(tasks.collect(), |_, (place, event)| {
            if hear(place, event) == ControlFlow::Break(()) {
                enough.store(true, Ordering::Relaxed);
            }
        });
        done.into_iter().collect()
    }

    fn workers(&self, model: &ModelName) -> usize {
        self.groups[self.group_of(model)].len()
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(first) = passages.first() else { return Ok(Vec::new()) };
        self.each_part(self.group_of(&first.model), passages, watch, |engine, from, part, watch| {
            engine.score(part, watch).map_err(|error| match error {
                // Counted from the first of all passages, not of this replica's.
                EngineError::PassageTooLong { model, passage, tokens, context } => {
                    EngineError::PassageTooLong { model, passage: from + passage, tokens, context }
                }
                error => error,
            })
        })
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        self.each_part(0, texts, &mut |_| {}, |engine, _, part, _| engine.embed(part))
    }

    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        self.first_of(model).engine.fingerprint(model)
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        self.first_of(model).engine.scoring_fingerprint(model)
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        self.groups[0][0].engine.encoder_fingerprint()
    }

    fn probe_template(&mut self, question: &TemplateQuestion) -> EngineResult<TemplateFinding> {
        self.first_of(&question.model).engine.probe_template(question)
    }

    fn crashes(&self) -> u64 {
        self.groups.iter().flatten().map(|replica| replica.engine.crashes()).sum()
    }
}

/// Answers a chunk that failed with `error`, one call at a time. `answered_before`: whether the model has
/// answered anything, so that a chunk of one call can tell whose failure it is.
///
/// # Errors
/// When the failure is not of a kind that one call can cause, or no call of the chunk was answered and
/// nothing before, or several calls in a row failed.
fn one_by_one(
    chunk: &[Request],
    error: EngineError,
    answered_before: bool,
    mut ask: impl FnMut(&[Request], &mut Watch<'_>) -> EngineResult<Vec<Reply>>,
    watch: &mut Watch<'_>,
) -> EngineResult<Vec<Reply>> {
    let Some(failed) = failed_call(&error) else { return Err(error) };
    if let [_] = chunk {
        return if answered_before { Ok(vec![failed]) } else { Err(error) };
    }
    let (mut replies, mut in_a_row, mut answered) = (Vec::new(), 0, answered_before);
    let mut before = ChunkProgress::default();
    for request in chunk {
        let mut last = ChunkProgress::default();
        let reply = ask(slice::from_ref(request), &mut |so_far| {
            last = so_far;
            // Slots are counted once, below: calls follow each other.
            watch([before, ChunkProgress { slots: 0, ..so_far }].into_iter().sum());
        });
        match reply {
            Ok(reply) => {
                (in_a_row, answered) = (0, true);
                replies.extend(reply);
            }
            Err(alone) => {
                let Some(failed) = failed_call(&alone) else { return Err(alone) };
                in_a_row += 1;
                if in_a_row == MOST_IN_A_ROW {
                    return Err(error);
                }
                replies.push(failed);
            }
        }
        before = [before, last].into_iter().sum();
        before = ChunkProgress { replies: replies.len(), slots: 1, ..before };
        watch(before);
    }
    if answered { Ok(replies) } else { Err(error) }
}

/// The record of a call that the engine failed on in this way; `None` where the way concerns every call.
fn failed_call(error: &EngineError) -> Option<Reply> {
    match error {
        EngineError::Evaluation { reason, .. } => {
            Some(Reply::failed(Failure::Evaluation, reason.clone()))
        }
        EngineError::Crashed { ending, said, .. } => {
            Some(Reply::failed(Failure::Crash, format!("{ending}{said}")))
        }
        _ => None,
    }
}

/// Which chunks each of some replicas answers, by the chunks' numbers of requests.
fn neighbours(requests: &[usize], replicas: usize) -> Vec<Vec<usize>> {
    let all: usize = requests.iter().sum::<usize>().max(1);
    let mut shares = vec![Vec::new(); replicas];
    let mut before = 0;
    for (place, count) in requests.iter().enumerate() {
        // A chunk belongs to the replica in whose part of all requests its middle lies.
        let replica = (2 * before + count) * replicas / (2 * all);
        shares[replica.min(replicas - 1)].push(place);
        before += count;
    }
    shares
}

/// Runs tasks, each in a thread of its own unless there is only one. What a task tells is heard in the caller's
/// thread with the task's place, one message after the other. The results come in the order of the tasks.
pub(crate) fn in_parallel<T, M, R>(mut tasks: Vec<T>, mut hear: impl FnMut(usize, M)) -> Vec<R>
where
    T: FnOnce(&mut dyn FnMut(M)) -> R + Send,
    M: Send,
    R: Send,
{
    if tasks.len() == 1 {
        return tasks.drain(..).map(|task| task(&mut |message| hear(0, message))).collect();
    }
    let (sender, messages) = mpsc::channel();
    thread::scope(|scope| {
        let start = |(place, task): (usize, T)| {
            let sender = sender.clone();
            // Sending cannot fail: the receiver lives until every sender is gone.
            let mut tell = move |message| drop(sender.send((place, message)));
            scope.spawn(move || task(&mut tell))
        };
        let running: Vec<ScopedJoinHandle<'_, R>> =
            tasks.into_iter().enumerate().map(start).collect();
        // The loop ends when the last task has dropped its sender; this one would keep it waiting.
        drop(sender);
        for (place, message) in messages {
            hear(place, message);
        }
        let result =
            |task: ScopedJoinHandle<'_, R>| task.join().unwrap_or_else(|e| resume_unwind(e));
        running.into_iter().map(result).collect()
    })
}

#[cfg(test)]
mod tests {
    use gra_synth::pool::ItemId;
    use gra_synth::request::{
        ModelName, Portion, Prompt, RequestId, Sampling, ScoreReading, Stage,
    };
    use gra_synth::shape::Shape;

    use super::*;
    use crate::scripted::complete_reply;

    fn evaluation() -> EngineError {
        EngineError::Evaluation { model: "model".to_owned(), reason: "return code -3".to_owned() }
    }

    /// Five calls, of which these fail. Which of the replies are failed, or the error.
    fn isolate(
        failing: &[u64],
        error: EngineError,
        before: bool,
    ) -> Result<Vec<bool>, EngineError> {
        let request = |seed| Request {
            id: RequestId { subject: ItemId::Seed(0), stage: Stage::Summary, seat: 0, attempt: 0 },
            model: ModelName::new("model"),
            prompt: Prompt { role: "Role.".into(), sample: String::new() },
            shape: Shape::free(),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sampling: Sampling::default(),
            max_tokens: 8,
            seed,
        };
        let chunk: Vec<Request> = (0..5).map(request).collect();
        let ask = |call: &[Request], watch: &mut Watch<'_>| {
            assert_eq!(call.len(), 1);
            if failing.contains(&call[0].seed) {
                return Err(evaluation());
            }
            watch(ChunkProgress { replies: 1, slots: 1, ..ChunkProgress::default() });
            Ok(vec![complete_reply("", call[0].seed.to_string())])
        };
        let mut last = ChunkProgress::default();
        let replies = one_by_one(&chunk, error, before, ask, &mut |so_far| last = so_far)?;
        assert_eq!(last.replies, 5);
        for (request, reply) in chunk.iter().zip(&replies) {
            assert!(reply.failure().is_some() || reply.text == request.seed.to_string());
        }
        Ok(replies.iter().map(|reply| reply.failure() == Some(Failure::Evaluation)).collect())
    }

    #[test]
    fn the_calls_that_fail_alone_are_failed_and_the_others_answered() {
        assert_eq!(isolate(&[3], evaluation(), false).unwrap(), [false, false, false, true, false]);
        assert_eq!(
            isolate(&[0, 1], evaluation(), false).unwrap(),
            [true, true, false, false, false]
        );
        assert_eq!(isolate(&[], evaluation(), false).unwrap(), [false; 5]);
    }

    #[test]
    fn what_is_no_calls_failure_stays_an_error() {
        let in_a_row = isolate(&[1, 2, 3], evaluation(), true);
        assert!(matches!(in_a_row, Err(EngineError::Evaluation { .. })), "{in_a_row:?}");
        let unusable = EngineError::Unusable { model: "model".to_owned(), reason: String::new() };
        let unusable = isolate(&[], unusable, true);
        assert!(matches!(unusable, Err(EngineError::Unusable { .. })), "{unusable:?}");
    }

    #[test]
    fn shares_are_neighbours_of_about_the_same_size() {
        assert_eq!(neighbours(&[64, 64, 64, 64], 2), [[0, 1], [2, 3]]);
        assert_eq!(neighbours(&[64, 64, 8, 64, 64], 2), [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(neighbours(&[10, 1, 1, 1, 1], 2), [vec![0], vec![1, 2, 3, 4]]);
        assert_eq!(neighbours(&[7], 3), [vec![], vec![0], vec![]]);
        assert_eq!(neighbours(&[], 2), [[]; 2] as [[usize; 0]; 2]);
        assert_eq!(neighbours(&[5, 5, 5], 1), [[0, 1, 2]]);
    }
}
