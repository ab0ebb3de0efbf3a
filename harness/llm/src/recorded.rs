//! An engine that answers from recorded replies: a run can be replayed with no model at all.
//!
//! Recordings are JSON Lines, one reply, score or embedding per line. A request is found by its model and
//! by [`request_hash`], so by everything that determines its reply and not by its place in a run.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use gra_synth::request::{Embedding, ModelName, Reply, Request};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineError, Progress};
use crate::key::{passage_hash, request_hash, text_hash};
use crate::score::{Passage, Score};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Reply {
        model: ModelName,
        /// [`request_hash`] in hexadecimal digits.
        hash: String,
        /// The call that was recorded; for readers, not for looking up.
        request: String,
        reply: Reply,
    },
    Score {
        model: ModelName,
        /// [`passage_hash`] in hexadecimal digits.
        hash: String,
        score: Score,
    },
    Embedding {
        /// SHA-256 of the text.
        text: String,
        /// The vector as little-endian `f32`, in hexadecimal digits: exact.
        vector: String,
        /// The vectors of its windows likewise, of a text that the encoder does not read at once.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        windows: String,
    },
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Reading or writing failed.
    #[error("recording: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("recording, line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Answers what was recorded and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedEngine {
    replies: BTreeMap<(ModelName, String), Reply>,
    scores: BTreeMap<(ModelName, String), Score>,
    embeddings: BTreeMap<String, Embedding>,
}

impl RecordedEngine {
    /// Reads a recording. Of two replies to the same request the later one counts.
    ///
    /// # Errors
    /// When it cannot be read, or a line is broken.
    pub fn read(input: impl BufRead) -> Result<Self, RecordingError> {
        let mut engine = Self::default();
        for (number, line) in (1..).zip(input.lines()) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let bad = |reason: String| RecordingError::Line { line: number, reason };
            match serde_json::from_str(&line).map_err(|error| bad(error.to_string()))? {
                Line::Reply { model, hash, reply, .. } => {
                    engine.replies.insert((model, hash), reply);
                }
                Line::Score { model, hash, score } => {
                    engine.scores.insert((model, hash), score);
                }
                Line::Embedding { text, vector, windows } => {
                    let embedding = embedding(&vector, &windows)
                        .ok_or_else(|| bad("the vector is damaged".to_owned()))?;
                    engine.embeddings.insert(text, embedding);
                }
            }
        }
        Ok(engine)
    }

    /// Number of recorded replies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether no reply is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }
}

/// Writes a reply as a line of a recording.
///
/// # Errors
/// When writing fails.
pub fn write_reply(
    output: &mut impl Write,
    request: &Request,
    reply: &Reply,
) -> Result<(), RecordingError> {
    let line = Line::Reply {
        model: request.model.clone(),
        hash: hex::encode(request_hash(request)),
        request: request.id.to_string(),
        reply: reply.clone(),
    };
    write_line(output, &line)
}

/// Writes a score as a line of a recording.
///
/// # Errors
/// When writing fails.
pub fn write_score(
    output: &mut impl Write,
    passage: &Passage,
    score: &Score,
) -> Result<(), RecordingError> {
    let hash = hex::encode(passage_hash(passage));
    write_line(output, &Line::Score { model: passage.model.clone(), hash, score: score.clone() })
}

/// Writes an embedding as a line of a recording.
///
/// # Errors
/// When writing fails.
pub fn write_embedding(
    output: &mut impl Write,
    text: &str,
    embedding: &Embedding,
) -> Result<(), RecordingError> {
    let digits = |values: &[f32]| {
        hex::encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    };
    let line = Line::Embedding {
        text: hex::encode(text_hash(text)),
        vector: digits(embedding.vector()),
        windows: digits(embedding.windows()),
    };
    write_line(output, &line)
}

fn write_line(output: &mut impl Write, line: &Line) -> Result<(), RecordingError> {
    serde_json::to_writer(&mut *output, line).map_err(io::Error::from)?;
    Ok(output.write_all(b"\n")?)
}

/// `None` when the digits are none, or the windows are not of the vector's dimension.
fn embedding(vector: &str, windows: &str) -> Option<Embedding> {
    let (vector, windows) = (floats(vector)?, floats(windows)?);
    if windows.is_empty() {
        return Some(Embedding::new(vector.into()));
    }
    let fit = windows.len().is_multiple_of(vector.len());
    fit.then(|| Embedding::in_windows(vector.into(), windows.into()))
}

fn floats(digits: &str) -> Option<Vec<f32>> {
    let bytes = hex::decode(digits).ok()?;
    let (values, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

impl Engine for RecordedEngine {
    fn complete(
        &mut self,
        chunk: &[Request],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Reply>, EngineError> {
        let mut progress = Progress::default();
        let mut replies = Vec::with_capacity(chunk.len());
        for request in chunk {
            let key = (request.model.clone(), hex::encode(request_hash(request)));
            let reply = self.replies.get(&key).ok_or_else(|| EngineError::NotRecorded {
                request: request.id.to_string(),
                model: request.model.clone(),
            })?;
            progress.replies += 1;
            replies.push(reply.clone());
        }
        watch(progress);
        Ok(replies)
    }

    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Score>, EngineError> {
        let find = |passage: &Passage| {
            let key = (passage.model.clone(), hex::encode(passage_hash(passage)));
            let found = self.scores.get(&key).cloned();
            found.ok_or_else(|| EngineError::NotRecorded {
                request: "a score".to_owned(),
                model: passage.model.clone(),
            })
        };
        let scores: Vec<Score> = passages.iter().map(find).collect::<Result<_, _>>()?;
        watch(Progress { replies: scores.len(), ..Progress::default() });
        Ok(scores)
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EngineError> {
        let find = |text: &String| {
            let found = self.embeddings.get(&hex::encode(text_hash(text)));
            found.cloned().ok_or_else(|| EngineError::NotRecorded {
                request: "an embedding".to_owned(),
                model: ModelName::new("encoder"),
            })
        };
        texts.iter().map(find).collect()
    }

    fn fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        if self.replies.keys().any(|(name, _)| name == model) {
            Ok(format!("recorded;model={model}"))
        } else {
            Err(EngineError::UnknownModel { model: model.clone() })
        }
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> Result<String, EngineError> {
        if self.scores.keys().any(|(name, _)| name == model) {
            Ok(format!("recorded;score;model={model}"))
        } else {
            Err(EngineError::UnknownModel { model: model.clone() })
        }
    }

    fn encoder_fingerprint(&mut self) -> Result<String, EngineError> {
        Ok("recorded".to_owned())
    }
}
