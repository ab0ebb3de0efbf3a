//! Several engines at work at the same time, each on its share of the chunks.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use gra_synth::request::Request;

use crate::engine::{Engine, EngineError, Hear};

/// An engine, and the places of the chunks that it answers.
pub(crate) type Share<'e> = (&'e mut dyn Engine, Vec<usize>);

/// Lets every engine answer its share. What happens is heard one event after the other. When one fails
/// the others finish what they have begun; the error is that of the first share that has one.
pub(crate) fn complete_all(
    mut shares: Vec<Share<'_>>,
    chunks: &[&[Request]],
    hear: &mut Hear<'_>,
) -> Result<(), EngineError> {
    shares.retain(|(_, places)| !places.is_empty());
    let of =
        |places: &[usize]| -> Vec<&[Request]> { places.iter().map(|&at| chunks[at]).collect() };
    if let [(engine, places)] = shares.as_mut_slice() {
        return engine.complete_all(&of(places), &mut |at, event| hear(places[at], event));
    }
    let enough = AtomicBool::new(false);
    let (say, heard) = mpsc::channel();
    let work = |(engine, places): Share<'_>, say: mpsc::Sender<_>| {
        let done = engine.complete_all(&of(&places), &mut |at, event| {
            // Somebody listens until every sender is gone.
            let _ = say.send((places[at], event));
            if enough.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if done.is_err() {
            enough.store(true, Ordering::Relaxed);
        }
        done
    };
    thread::scope(|scope| {
        let running: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let (say, work) = (say.clone(), &work);
                scope.spawn(move || work(share, say))
            })
            .collect();
        drop(say);
        for (place, event) in heard {
            if hear(place, event).is_break() {
                enough.store(true, Ordering::Relaxed);
            }
        }
        let done: Vec<_> = running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        done.into_iter().collect()
    })
}
