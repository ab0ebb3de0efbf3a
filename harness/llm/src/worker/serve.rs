//! The worker's side: answers what comes over the socket with the engine that it was started for.

#![allow(unsafe_code, reason = "the standard library cannot end a process without destructors")]

use std::convert::Infallible;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use serde::Serialize;

use super::{Answer, Ask, EmbeddingBits, Setup, receive, send};
use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult};

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
        Ask::Hello(_) => {
            let reason = "the owner said hello twice".to_owned();
            done::<()>(owner, Err(EngineError::Worker { reason }))
        }
    }
}

fn tell(owner: &mut UnixStream, so_far: ChunkProgress) {
    // When the owner is gone the thread that hears it ends this process.
    drop(send(owner, &Answer::<()>::Progress(so_far)));
}

fn done<T: Serialize>(owner: &mut UnixStream, result: EngineResult<T>) -> io::Result<()> {
    send(owner, &result.map_or_else(Answer::Failed, Answer::Done))
}
