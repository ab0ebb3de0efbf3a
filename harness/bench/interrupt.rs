//! Ctrl-C: the first one lets the chunk under way finish and be saved (of a server: the requests under
//! way finish, and the chunk is asked again), the second one ends at once, and the worker with it. The
//! worker itself hears neither.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::answering::Interrupted;
use crate::progress::Progress;

/// Does long work on a blocking thread, so that Ctrl-C is heard meanwhile; the work is given the flag that the first
/// one sets.
///
/// # Errors
/// What the work fails with.
pub(crate) async fn hearing(
    work: impl FnOnce(&Arc<AtomicBool>) -> Result<()> + Send + 'static,
) -> Result<()> {
    let stop = stop_flag();
    tokio::task::spawn_blocking(move || work(&stop)).await.context("the work ended early")?
}

/// A flag that the first Ctrl-C (or SIGTERM) sets.
fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    tokio::spawn(async move {
        loop {
            wait().await;
            if set.swap(true, Ordering::Relaxed) {
                // What was committed is safe; the chunk under way will be run again.
                std::process::exit(130);
            }
            crate::failure::note(
                "stopping after what is under way; press Ctrl-C again to stop at once",
            );
        }
    });
    flag
}

/// Says how to go on where an interrupt ended the work.
pub(crate) fn say_how_to_go_on<T>(result: &Result<T>, progress: &Progress) {
    if result.as_ref().is_err_and(anyhow::Error::is::<Interrupted>) {
        let command: Vec<String> = std::env::args().collect();
        progress.say(&format!("to go on, give the same command again: {}", command.join(" ")));
    }
}

/// Until the next Ctrl-C (or SIGTERM), which is heard from this call on.
#[cfg(unix)]
pub(crate) fn wait() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = heard else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Until the next Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn wait() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
