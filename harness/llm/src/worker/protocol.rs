//! What owner and worker say to each other: one JSON object a line.
//!
//! The owner says `Hello` once, then asks; the worker answers each question in order, with any
//! number of progress lines before the answer. Both are one build, so there are no versions.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use gra_synth::request::{ModelName, Reply, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::engine::Progress;
use crate::llama::settings::EngineSettings;
use crate::model_pool::ModelPool;
use crate::score::{Passage, Score};
use crate::template_probe::{TemplateFinding, TemplateQuestion};

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
pub(super) enum Ask<'a> {
    Hello(Cow<'a, Setup>),
    Complete(Cow<'a, [Request]>),
    Embed(Cow<'a, [String]>),
    Score(Cow<'a, [Passage]>),
    Fingerprint(Cow<'a, ModelName>),
    ScoringFingerprint(Cow<'a, ModelName>),
    EncoderFingerprint,
    ProbeTemplate(Cow<'a, TemplateQuestion>),
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Progress(Progress),
    Replies(Vec<Reply>),
    /// A text's vector and the vectors of its windows, each `f32` as its bits, which JSON cannot round.
    Vectors(Vec<[Vec<u32>; 2]>),
    /// The log-probabilities in them are written so that they read back exactly.
    Scores(Vec<Score>),
    Fingerprint(String),
    Template(TemplateFinding),
    Failed(Failure),
}

/// Sends a message whole.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// The next message; `None` when the other side is gone, also in the middle of a line.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let sense = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    serde_json::from_slice(&line).map(Some).map_err(sense)
}
