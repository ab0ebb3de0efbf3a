//! Work that is done at the same time, and told of by one thread.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use gra_synth::request::Request;

use crate::engine::{ChunkEvent, Engine, EngineError, Hear};

/// Runs tasks, each in a thread of its own unless there is only one. What a task says is heard here with
/// its place, one message after the other. The results come in the order of the tasks.
pub(crate) fn at_once<T, M, R>(mut tasks: Vec<T>, mut hear: impl FnMut(usize, M)) -> Vec<R>
where
    T: FnOnce(&mut dyn FnMut(M)) -> R + Send,
    M: Send,
    R: Send,
{
    if tasks.len() == 1 {
        return tasks.drain(..).map(|task| task(&mut |message| hear(0, message))).collect();
    }
    let (say, heard) = mpsc::channel();
    thread::scope(|scope| {
        let running: Vec<_> = tasks
            .into_iter()
            .enumerate()
            .map(|(place, task)| {
                let say = say.clone();
                let mut tell = move |message| {
                    // The receiver lives until every sender is gone.
                    let _ = say.send((place, message));
                };
                scope.spawn(move || task(&mut tell))
            })
            .collect();
        drop(say);
        for (place, message) in heard {
            hear(place, message);
        }
        let result = |task: thread::ScopedJoinHandle<'_, R>| {
            task.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        running.into_iter().map(result).collect()
    })
}

/// An engine, and the places of the chunks that it answers.
pub(crate) type Share<'e> = (&'e mut dyn Engine, Vec<usize>);

/// Lets every engine answer its share. When one fails the others finish what they have begun; the error
/// is that of the first share that has one.
pub(crate) fn complete_all(
    mut shares: Vec<Share<'_>>,
    chunks: &[&[Request]],
    hear: &mut Hear<'_>,
) -> Result<(), EngineError> {
    shares.retain(|(_, places)| !places.is_empty());
    let enough = &AtomicBool::new(false);
    let tasks = shares.into_iter().map(|(engine, places)| {
        move |say: &mut dyn FnMut((usize, ChunkEvent))| {
            let share: Vec<&[Request]> = places.iter().map(|&place| chunks[place]).collect();
            let done = engine.complete_all(&share, &mut |at, event| {
                say((places[at], event));
                if enough.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            if done.is_err() {
                enough.store(true, Ordering::Relaxed);
            }
            done
        }
    });
    let done = at_once(tasks.collect(), |_, (place, event)| {
        if hear(place, event).is_break() {
            enough.store(true, Ordering::Relaxed);
        }
    });
    done.into_iter().collect()
}
