//! An engine in a process of its own: what kills it costs one chunk, never the run.
//!
//! llama.cpp aborts its process when an assertion fails or memory runs out. So the engine runs in a
//! worker: the same program, started again by its owner. The owner holds the store and every
//! decision; the worker holds models and nothing that must be kept.
//!
//! - [`serve`]: the worker's side, around any [`Engine`]
//! - [`WorkerEngine`]: the owner's side: an engine whose work is done by a worker, and what happens when that dies
//! - [`child`]: the process: started, heard, and what it died of
//!
//! A worker that someone killed is started anew and runs the chunk as it was, once: the same bytes.
//! One that died of what it did runs it with half as many sequences at once, then half of those, and
//! so on down to one. Where it dies of that too, the chunk fails. The next chunk begins with all sequences
//! again, in a fresh worker.
//!
//! Owner and worker say one JSON object a line, over a socket that is the worker's standard input. The worker's
//! standard output and error are one pipe, so stray prints are words, not messages. The owner says `Hello` once,
//! then asks; the worker answers each question in order, with any number of progress lines before the answer.
//! Both are one build, so there are no versions.
//!
//! The worker is in a process group of its own, so Ctrl-C reaches only the owner, which lets it
//! finish. When the owner dies its end of the socket closes, and the worker ends at once, also in
//! the middle of a chunk. (Linux's parent-death signal is not used: it fires when the thread ends
//! that started the worker.)

mod child;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use gra_synth::request::{Embedding, ModelName, Reply, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chat_template::{TemplateFinding, TemplateQuestion};
use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult, Watch};
use crate::llama::settings::EngineSettings;
use crate::model_pool::ModelPool;
use crate::score::{Passage, PassageScore};

use child::{Child, Crash};
pub use child::{Listener, News, Program};

/// What a worker answers for, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The models.
    pub pool: ModelPool,
    /// How they run.
    pub settings: EngineSettings,
}

/// What the owner says.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one hello per worker; it is not worth a box")]
enum Ask<'a> {
    Hello(Cow<'a, Setup>),
    Complete(Cow<'a, [Request]>),
    Embed(Cow<'a, [String]>),
    Score(Cow<'a, [Passage]>),
    Fingerprint(Cow<'a, ModelName>),
    ScoringFingerprint(Cow<'a, ModelName>),
    EncoderFingerprint,
    ProbeTemplate(Cow<'a, TemplateQuestion>),
}

/// What the worker says. The question decides what `Done` holds.
#[derive(Debug, Serialize, Deserialize)]
enum Answer<T> {
    Progress(ChunkProgress),
    Done(T),
    Failed(EngineError),
}

/// An embedding as sent: the vector and those of its windows, each `f32` as its bits, which JSON cannot round.
#[derive(Debug, Serialize, Deserialize)]
struct EmbeddingBits {
    vector: Vec<u32>,
    windows: Vec<u32>,
}

impl From<&Embedding> for EmbeddingBits {
    fn from(embedding: &Embedding) -> Self {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        Self { vector: bits(embedding.vector()), windows: bits(embedding.windows()) }
    }
}

impl From<EmbeddingBits> for Embedding {
    fn from(EmbeddingBits { vector, windows }: EmbeddingBits) -> Self {
        let values = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
        if windows.is_empty() {
            Self::new(values(vector))
        } else {
            Self::in_windows(values(vector), values(windows))
        }
    }
}

/// Sends a message whole.
fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// The next message; `None` when the other side is gone, also in the middle of a line.
fn receive<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    // A line without its end is what a dying process had time for.
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let sense = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    serde_json::from_slice(&line).map(Some).map_err(sense)
}

/// Answers until the owner is gone, then ends the process. `start` makes the engine from what the
/// owner says first; it must not read standard input.
///
/// # Errors
/// When standard input is no socket, because no owner started this process, or what comes over it
/// makes no sense.
pub fn serve<E: Engine>(start: impl FnOnce(Setup) -> E) -> io::Result<Infallible> {
    let mut owner = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A terminal, a file and a pipe have no other end.
    let no_socket = |_| io::Error::other("standard input is no socket");
    owner.peer_addr().map_err(no_socket)?;
    let heard = BufReader::new(owner.try_clone()?);
    // A thread of its own reads, so that an owner's end is noticed in the middle of a chunk.
    let (say, asks) = mpsc::channel();
    thread::Builder::new().name("owner".to_owned()).spawn(move || hear(heard, &say))?;
    let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let next = || asks.recv().map_err(broken)?;
    let Ask::Hello(setup) = next()? else {
        return Err(io::Error::other("the owner did not say what to answer for"));
    };
    let mut engine = start(setup.into_owned());
    loop {
        answer(&mut engine, next()?, &mut owner)?;
    }
}

/// Hands questions on. Reads also while the engine works, to notice when the owner dies.
fn hear(mut owner: BufReader<UnixStream>, say: &Sender<io::Result<Ask<'static>>>) {
    loop {
        match receive(&mut owner).transpose() {
            Some(Ok(ask)) => drop(say.send(Ok(ask))),
            // A reset is the end of an owner that had more to read.
            Some(Err(error)) if error.kind() != io::ErrorKind::ConnectionReset => {
                return drop(say.send(Err(error)));
            }
            Some(Err(_)) | None => gone(),
        }
    }
}

/// Ends the process at once, whatever the engine is doing.
#[allow(unsafe_code, reason = "the standard library cannot end a process without destructors")]
fn gone() -> ! {
    // SAFETY: takes a number and does not return. Unlike `std::process::exit` it runs no C++
    // destructors, which would take memory from under threads that still compute.
    unsafe { libc::_exit(0) }
}

/// Asks the engine and sends what it gives.
fn answer(engine: &mut impl Engine, ask: Ask<'_>, owner: &mut UnixStream) -> io::Result<()> {
    match ask {
        Ask::Complete(chunk) => {
            let replies = engine.complete(&chunk, &mut |so_far| tell(owner, so_far));
            done(owner, replies)
        }
        Ask::Score(passages) => {
            let scores = engine.score(&passages, &mut |so_far| tell(owner, so_far));
            done(owner, scores)
        }
        Ask::Embed(texts) => {
            let bits =
                |vectors: Vec<_>| vectors.iter().map(EmbeddingBits::from).collect::<Vec<_>>();
            done(owner, engine.embed(&texts).map(bits))
        }
        Ask::Fingerprint(model) => done(owner, engine.fingerprint(&model)),
        Ask::ScoringFingerprint(model) => done(owner, engine.scoring_fingerprint(&model)),
        Ask::EncoderFingerprint => done(owner, engine.encoder_fingerprint()),
        Ask::ProbeTemplate(question) => done(owner, engine.probe_template(&question)),
        Ask::Hello(_) => done::<()>(owner, Err(broken("the owner said hello twice".to_owned()))),
    }
}

fn tell(owner: &mut UnixStream, so_far: ChunkProgress) {
    // When the owner is gone the thread that hears it ends this process.
    drop(send(owner, &Answer::<()>::Progress(so_far)));
}

fn done<T: Serialize>(owner: &mut UnixStream, result: EngineResult<T>) -> io::Result<()> {
    send(owner, &result.map_or_else(Answer::Failed, Answer::Done))
}

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
