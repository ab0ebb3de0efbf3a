//! The worker's side: answers what comes over the socket with the engine that it was started for.

use std::convert::Infallible;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use gra_synth::request::Embedding;

use super::protocol::{Answer, Ask, Setup, receive, send};
use crate::engine::Engine;

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
    let (say, asks) = mpsc::channel();
    thread::Builder::new().name("owner".to_owned()).spawn(move || hear(heard, &say))?;
    let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let next = || asks.recv().map_err(broken)?;
    let Ask::Hello(setup) = next()? else {
        return Err(io::Error::other("the owner did not say what to answer for"));
    };
    let mut engine = start(setup.into_owned());
    loop {
        let answer = answer(&mut engine, next()?, &mut owner);
        send(&mut owner, &answer)?;
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

fn answer(engine: &mut impl Engine, ask: Ask<'_>, owner: &mut UnixStream) -> Answer {
    let answer = match ask {
        Ask::Complete(chunk) => {
            // When the owner is gone the thread that hears it ends this process.
            let mut watch = |so_far| drop(send(owner, &Answer::Progress(so_far)));
            engine.complete(&chunk, &mut watch).map(Answer::Replies)
        }
        Ask::Score(passages) => {
            let mut watch = |so_far| drop(send(owner, &Answer::Progress(so_far)));
            engine.score(&passages, &mut watch).map(Answer::Scores)
        }
        Ask::Embed(texts) => engine.embed(&texts).map(|vectors| {
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
            let both = |text: &Embedding| [bits(text.vector()), bits(text.windows())];
            Answer::Vectors(vectors.iter().map(both).collect())
        }),
        Ask::Fingerprint(model) => engine.fingerprint(&model).map(Answer::Fingerprint),
        Ask::ScoringFingerprint(model) => {
            engine.scoring_fingerprint(&model).map(Answer::Fingerprint)
        }
        Ask::EncoderFingerprint => engine.encoder_fingerprint().map(Answer::Fingerprint),
        Ask::ProbeTemplate(question) => engine.probe_template(&question).map(Answer::Template),
        Ask::Hello(_) => return failed("the owner said hello twice"),
    };
    answer.unwrap_or_else(|error| Answer::Failed(error.into()))
}

fn failed(text: &str) -> Answer {
    Answer::Failed(super::failure::Failure::Other { text: text.to_owned() })
}
