//! An engine in a process of its own: what kills it costs one chunk, never the run.
//!
//! llama.cpp aborts its process when an assertion fails or memory runs out. So the engine runs in a
//! worker: the same program, started again by its owner. The owner holds the store and every
//! decision; the worker holds models and nothing that must be kept.
//!
//! - [`serve`](mod@serve): the worker's side, around any [`Engine`](crate::engine::Engine)
//! - [`child`]: the process: started, heard, and what it died of
//! - [`owner`]: [`WorkerEngine`], the owner's side, and what it does after a crash
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
mod owner;
mod serve;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use gra_synth::request::{Embedding, ModelName, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chat_template::TemplateQuestion;
use crate::engine::{ChunkProgress, EngineError};
use crate::llama::settings::EngineSettings;
use crate::model_pool::ModelPool;
use crate::score::Passage;

pub use child::{Listener, News, Program};
pub use owner::WorkerEngine;
pub use serve::serve;

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
