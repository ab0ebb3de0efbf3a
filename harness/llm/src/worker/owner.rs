//! The owner's side: an engine whose work is done by a worker, and what happens when that dies.
//!
//! A worker that someone killed is started anew and runs the chunk as it was, once: the same bytes.
//! One that died of what it did runs it with half as many sequences at once, then half of those, and
//! so on down to one. Where it dies of that too, the chunk's calls are asked one at a time: the one that
//! kills it is a failed call, and the others are answered. The next chunk begins with all sequences
//! again, in a fresh worker.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use gra_synth::request::{Embedding, ModelName, Reply, Request};

use super::child::{Child, Crash, Listener, News, Program};
use super::protocol::{Answer, Ask, Setup};
use crate::engine::{Engine, EngineError, Progress};
use crate::one_by_one::one_by_one;
use crate::score::{Passage, Score};
use crate::template_probe::{TemplateFinding, TemplateQuestion};

/// Answers through a worker process, which is started when it is first needed and ends with this
/// value. It owns one worker.
pub struct WorkerEngine {
    program: Program,
    setup: Setup,
    listener: Listener,
    child: Option<Child>,
    crashes: u64,
    /// Models that have answered a call.
    answered: BTreeSet<ModelName>,
}

/// Why a question was not answered.
enum Unanswered {
    /// The worker died on it.
    Died(Crash),
    /// It, or the attempt to start it, failed in an orderly way.
    Failed(EngineError),
}

/// A question, and for whom.
struct Question<'a> {
    ask: Ask<'a>,
    model: Cow<'a, str>,
    /// Most sequences that it can keep busy.
    width: usize,
}

impl WorkerEngine {
    /// An engine that starts `program` for the models of `setup`. Starts nothing yet.
    pub fn new(
        program: Program,
        setup: Setup,
        listener: impl Fn(News<'_>) + Send + Sync + 'static,
    ) -> Self {
        let listener = Arc::new(listener);
        Self { program, setup, listener, child: None, crashes: 0, answered: BTreeSet::new() }
    }

    /// Asks until there is an answer, or until even one sequence at a time kills the worker.
    fn insist(
        &mut self,
        question: &Question<'_>,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Answer, EngineError> {
        let mut slots = self.setup.settings.slots;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut ran = slots.min(u32::try_from(question.width).unwrap_or(u32::MAX)).max(1);
            let answer = self.ask(slots, &question.ask, &mut |so_far| {
                if so_far.slots > 0 {
                    ran = ran.min(so_far.slots);
                }
                watch(so_far);
            });
            let crash = match answer {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Failed(error)) => return Err(error),
                Err(Unanswered::Died(crash)) => crash,
            };
            self.crashes += 1;
            // Alone it gets a second try as well: a fresh worker holds no other model.
            let again = tries == 1 && (ran == 1 || crash.ending.is_from_outside());
            let next = match (again, ran) {
                (true, _) => slots,
                (false, 1) => return Err(crashed(question, tries, &crash)),
                (false, ran) => ran / 2,
            };
            let how = if again {
                "it runs again".to_owned()
            } else {
                format!("it runs again with {next} at once instead of {ran}")
            };
            let Crash { ending, .. } = crash;
            let news = format!("the worker died on `{}`: {ending}; {how}", question.model);
            (self.listener)(News::Crash(&news));
            slots = next;
        }
    }

    /// Has the worker answer a chunk.
    fn ask_together(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Reply>, EngineError> {
        let model = Cow::Borrowed(chunk.first().map_or("", |first| first.model.as_str()));
        let ask = Ask::Complete(Cow::Borrowed(chunk));
        match self.insist(&Question { ask, model, width: chunk.len() }, watch)? {
            Answer::Replies(replies) if replies.len() == chunk.len() => Ok(replies),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks once, a worker that runs so many sequences at once.
    fn ask(
        &mut self,
        slots: u32,
        ask: &Ask<'_>,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Answer, Unanswered> {
        let mut child = match self.child.take().filter(|child| child.slots == slots) {
            Some(child) => child,
            None => self.start(slots)?,
        };
        let mut told = child.ask(ask);
        loop {
            match told.and_then(|()| child.hear()) {
                Ok(Some(Answer::Progress(so_far))) => watch(so_far),
                Ok(Some(answer)) => {
                    self.child = Some(child);
                    return match answer {
                        Answer::Failed(failure) => Err(Unanswered::Failed(failure.into())),
                        answer => Ok(answer),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(broken(&format!("what it said makes no sense: {error}")));
                }
                Ok(None) | Err(_) => return Err(Unanswered::Died(child.bury())),
            }
            told = Ok(());
        }
    }

    fn start(&self, slots: u32) -> Result<Child, Unanswered> {
        let mut setup = Cow::Borrowed(&self.setup);
        if setup.settings.slots != slots {
            setup.to_mut().settings.slots = slots;
        }
        let started = Child::start(&self.program, &setup, &self.listener);
        started.map_err(|error| broken(&format!("it cannot be started: {error}")))
    }
}

fn broken(reason: &str) -> Unanswered {
    Unanswered::Failed(EngineError::Worker { reason: reason.to_owned() })
}

fn crashed(question: &Question<'_>, times: u32, crash: &Crash) -> EngineError {
    let mut said = String::new();
    for line in &crash.said {
        // Writing to a string cannot fail.
        let _ = write!(said, "\n  | {line}");
    }
    EngineError::Crashed {
        model: question.model.to_string(),
        times,
        ending: crash.ending.to_string(),
        said,
    }
}

fn unexpected(answer: &Answer) -> EngineError {
    let kind = match answer {
        Answer::Progress(_) => "progress",
        Answer::Replies(_) => "replies",
        Answer::Vectors(_) => "vectors",
        Answer::Scores(_) => "scores",
        Answer::Fingerprint(_) => "a fingerprint",
        Answer::Template(_) => "what a template does",
        Answer::Failed(_) => "a failure",
    };
    EngineError::Worker { reason: format!("it answered with {kind}, which was not asked") }
}

impl Engine for WorkerEngine {
    fn complete(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Reply>, EngineError> {
        let Some(first) = chunk.first() else { return Ok(Vec::new()) };
        let answered_before = self.answered.contains(&first.model);
        let replies = match self.ask_together(chunk, watch) {
            Ok(replies) => replies,
            Err(error @ EngineError::Crashed { .. }) => {
                let ask = |call: &[Request], watch: &mut dyn FnMut(Progress)| {
                    self.ask_together(call, watch)
                };
                one_by_one(chunk, error, answered_before, ask, watch)?
            }
            Err(error) => return Err(error),
        };
        self.answered.insert(first.model.clone());
        Ok(replies)
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Score>, EngineError> {
        let Some(first) = passages.first() else { return Ok(Vec::new()) };
        let model = Cow::Borrowed(first.model.as_str());
        let ask = Ask::Score(Cow::Borrowed(passages));
        match self.insist(&Question { ask, model, width: 1 }, watch)? {
            Answer::Scores(scores) if scores.len() == passages.len() => Ok(scores),
            other => Err(unexpected(&other)),
        }
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EngineError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let model = Cow::Owned(self.setup.pool.encoder.name.clone());
        let ask = Ask::Embed(Cow::Borrowed(texts));
        match self.insist(&Question { ask, model, width: 1 }, &mut |_| {})? {
            Answer::Vectors(vectors) if vectors.len() == texts.len() => {
                let values = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
                let embedding = |[vector, windows]: [Vec<u32>; 2]| match windows.len() {
                    0 => Embedding::new(values(vector)),
                    _ => Embedding::in_windows(values(vector), values(windows)),
                };
                Ok(vectors.into_iter().map(embedding).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    fn fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        let ask = Ask::Fingerprint(Cow::Borrowed(model));
        let question = Question { ask, model: Cow::Borrowed(model.as_str()), width: 1 };
        match self.insist(&question, &mut |_| {})? {
            Answer::Fingerprint(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        let ask = Ask::ScoringFingerprint(Cow::Borrowed(model));
        let question = Question { ask, model: Cow::Borrowed(model.as_str()), width: 1 };
        match self.insist(&question, &mut |_| {})? {
            Answer::Fingerprint(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    fn encoder_fingerprint(&mut self) -> Result<String, EngineError> {
        let model = Cow::Owned(self.setup.pool.encoder.name.clone());
        let question = Question { ask: Ask::EncoderFingerprint, model, width: 1 };
        match self.insist(&question, &mut |_| {})? {
            Answer::Fingerprint(text) => Ok(text),
            other => Err(unexpected(&other)),
        }
    }

    fn probe_template(
        &mut self,
        question: &TemplateQuestion,
    ) -> Result<TemplateFinding, EngineError> {
        let model = Cow::Borrowed(question.model.as_str());
        let ask = Ask::ProbeTemplate(Cow::Borrowed(question));
        match self.insist(&Question { ask, model, width: 1 }, &mut |_| {})? {
            Answer::Template(found) => Ok(found),
            other => Err(unexpected(&other)),
        }
    }

    fn crashes(&self) -> u64 {
        self.crashes
    }
}
