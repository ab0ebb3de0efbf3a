//! The owner's side: an engine whose work is done by a worker, and what happens when that dies.
//!
//! A worker that someone killed is started anew and runs the chunk as it was, once: the same bytes.
//! One that died of what it did runs it with half as many sequences at once, then half of those, and
//! so on down to one. Where it dies of that too, the chunk fails. The next chunk begins with all sequences
//! again, in a fresh worker.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use gra_synth::request::{Embedding, ModelName, Reply, Request};
use serde::de::DeserializeOwned;

use super::child::{Child, Crash, Listener, News, Program};
use super::{Answer, Ask, EmbeddingBits, Setup};
use crate::chat_template::{TemplateFinding, TemplateQuestion};
use crate::engine::{Engine, EngineError, EngineResult, Watch};
use crate::score::{Passage, PassageScore};

/// Answers through a worker process, which is started when it is first needed and ends with this
/// value. It owns one worker.
pub struct WorkerEngine {
    program: Program,
    setup: Setup,
    listener: Listener,
    child: Option<Child>,
    crashes: u64,
}

impl WorkerEngine {
    /// An engine that starts `program` for the models of `setup`. Starts nothing yet.
    pub fn new(
        program: Program,
        setup: Setup,
        listener: impl Fn(News<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { program, setup, listener: Arc::new(listener), child: None, crashes: 0 }
    }

    /// Asks for something that keeps one sequence busy, about `model`, until there is an answer.
    fn ask<T: DeserializeOwned>(&mut self, ask: &Ask<'_>, model: &str) -> EngineResult<T> {
        self.insist(ask, model, 1, &mut |_| {})
    }

    /// Asks until there is an answer, or until even one sequence at a time kills the worker. `model` is named in
    /// errors; `width` is how many sequences the question can keep busy.
    fn insist<T: DeserializeOwned>(
        &mut self,
        ask: &Ask<'_>,
        model: &str,
        width: usize,
        watch: &mut Watch<'_>,
    ) -> EngineResult<T> {
        let mut slots = self.setup.settings.slots;
        let mut tries = 0;
        loop {
            tries += 1;
            // What ran at once decides what half of it is; the worker tells when it is fewer than its slots.
            let mut ran = slots.min(u32::try_from(width).unwrap_or(u32::MAX)).max(1);
            let answer = self.ask_once(slots, ask, &mut |so_far| {
                if so_far.slots > 0 {
                    ran = ran.min(so_far.slots);
                }
                watch(so_far);
            });
            let crash = match answer? {
                Ok(answer) => return Ok(answer),
                Err(crash) => crash,
            };
            self.crashes += 1;
            // Alone it gets a second try as well: a fresh worker holds no other model.
            let again = tries == 1 && (ran == 1 || crash.ending.is_from_outside());
            let next = match (again, ran) {
                (true, _) => slots,
                (false, 1) => return Err(crashed(model, tries, &crash)),
                (false, ran) => ran / 2,
            };
            let how = if again {
                "it runs again".to_owned()
            } else {
                format!("it runs again with {next} at once instead of {ran}")
            };
            let news = format!("the worker died on `{model}`: {}; {how}", crash.ending);
            (self.listener)(News::Crash(&news));
            slots = next;
        }
    }

    /// Asks once, a worker that runs so many sequences at once. The inner error is that of one that died of the
    /// question; one that failed in an orderly way, or could not be started, is the outer one.
    fn ask_once<T: DeserializeOwned>(
        &mut self,
        slots: u32,
        ask: &Ask<'_>,
        watch: &mut Watch<'_>,
    ) -> EngineResult<Result<T, Crash>> {
        let mut child = match self.child.take().filter(|child| child.slots == slots) {
            Some(child) => child,
            None => self.start(slots)?,
        };
        let mut told = child.ask(ask);
        loop {
            let answer = match told.and_then(|()| child.hear()) {
                Ok(Some(Answer::Progress(so_far))) => {
                    watch(so_far);
                    told = Ok(());
                    continue;
                }
                Ok(Some(Answer::Done(answer))) => Ok(Ok(answer)),
                Ok(Some(Answer::Failed(error))) => Err(error),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(broken(format!("what it said makes no sense: {error}")));
                }
                Ok(None) | Err(_) => return Ok(Err(child.bury())),
            };
            // It lives, and has the models of this question loaded.
            self.child = Some(child);
            return answer;
        }
    }

    fn start(&self, slots: u32) -> EngineResult<Child> {
        let mut setup = Cow::Borrowed(&self.setup);
        if setup.settings.slots != slots {
            setup.to_mut().settings.slots = slots;
        }
        let started = Child::start(&self.program, &setup, &self.listener);
        started.map_err(|error| broken(format!("it cannot be started: {error}")))
    }
}

const fn broken(reason: String) -> EngineError {
    EngineError::Worker { reason }
}

fn crashed(model: &str, times: u32, crash: &Crash) -> EngineError {
    let said = crash.said.iter().flat_map(|line| ["\n  | ", line]).collect();
    let ending = crash.ending.to_string();
    EngineError::Crashed { model: model.to_owned(), times, ending, said }
}

/// As many answers as were asked for.
fn all_of<T>(answers: Vec<T>, asked: usize) -> EngineResult<Vec<T>> {
    if answers.len() == asked {
        return Ok(answers);
    }
    Err(broken(format!("it gave {} answers to {asked} questions", answers.len())))
}

impl Engine for WorkerEngine {
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let Some(first) = chunk.first() else { return Ok(Vec::new()) };
        let ask = Ask::Complete(Cow::Borrowed(chunk));
        let replies = self.insist(&ask, first.model.as_str(), chunk.len(), watch)?;
        all_of(replies, chunk.len())
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(first) = passages.first() else { return Ok(Vec::new()) };
        let ask = Ask::Score(Cow::Borrowed(passages));
        all_of(self.insist(&ask, first.model.as_str(), 1, watch)?, passages.len())
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let encoder = self.setup.pool.encoder.name.clone();
        let bits: Vec<EmbeddingBits> = self.ask(&Ask::Embed(Cow::Borrowed(texts)), &encoder)?;
        all_of(bits.into_iter().map(Embedding::from).collect(), texts.len())
    }

    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        self.ask(&Ask::Fingerprint(Cow::Borrowed(model)), model.as_str())
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        self.ask(&Ask::ScoringFingerprint(Cow::Borrowed(model)), model.as_str())
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        let encoder = self.setup.pool.encoder.name.clone();
        self.ask(&Ask::EncoderFingerprint, &encoder)
    }

    fn probe_template(&mut self, question: &TemplateQuestion) -> EngineResult<TemplateFinding> {
        self.ask(&Ask::ProbeTemplate(Cow::Borrowed(question)), question.model.as_str())
    }

    fn crashes(&self) -> u64 {
        self.crashes
    }
}
