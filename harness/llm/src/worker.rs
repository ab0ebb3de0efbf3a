//! An engine in a process of its own: what kills it costs one chunk, never the run.
//!
//! llama.cpp aborts its process when an assertion fails or memory runs out. So the engine runs in a
//! worker: the same program, started again by its owner. The owner holds the store and every
//! decision; the worker holds models and nothing that must be kept.
//!
//! - [`protocol`]: what is said, one JSON line each, over a socket that is the worker's standard
//!   input. Its standard output and error are one pipe, so stray prints are words, not messages
//! - [`serve`](mod@serve): the worker's side, around any [`Engine`](crate::engine::Engine)
//! - [`child`]: the process: started, heard, and what it died of
//! - [`owner`]: [`WorkerEngine`], the owner's side, and what it does after a crash
//! - [`failure`]: errors on their way over the socket
//!
//! The worker is in a process group of its own, so Ctrl-C reaches only the owner, which lets it
//! finish. When the owner dies its end of the socket closes, and the worker ends at once, also in
//! the middle of a chunk. (Linux's parent-death signal is not used: it fires when the thread ends
//! that started the worker.)

mod child;
mod failure;
mod owner;
mod protocol;
mod serve;
#[cfg(test)]
mod tests;

pub use child::{Listener, News, Program};
pub use owner::WorkerEngine;
pub use protocol::Setup;
pub use serve::serve;
