//! Store keys: a hash of everything that determines a reply.
//!
//! Fields are hashed with their lengths, so that no two different requests make the same bytes.
//! The layout is versioned; change [`LAYOUT`] whenever a field is added, or stored replies would
//! answer requests that they do not belong to.

use std::fmt;

use gra_synth::request::{Portion, Request, ScoreReading};
use gra_synth::shape::{Part, Shape};
use sha2::{Digest, Sha256};

use crate::score::{Border, Bos, Context, Passage};

const LAYOUT: &str = "gra-completion-1";

/// Hash of everything in a request that determines a reply: prompt, shape, portion, score reading, sampling,
/// token limit and seed. Not in it: the call's id and the model's name (the model's fingerprint names the file
/// itself).
#[must_use]
pub fn request_hash(request: &Request) -> [u8; 32] {
    let mut fields = FieldHash::new(LAYOUT);
    fields.text(&request.prompt.role);
    fields.text(&request.prompt.sample);
    fields.shape(&request.shape);
    fields.number(u64::from(request.sampling.temperature.to_bits()));
    fields.number(u64::from(request.sampling.top_p.to_bits()));
    fields.number(u64::from(request.max_tokens));
    fields.number(request.seed);
    fields.portion(&request.portion);
    fields.score_reading(request.score_reading);
    fields.finish()
}

/// Names one reply: an engine's fingerprint of a model together with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompletionKey(pub [u8; 32]);

impl CompletionKey {
    /// The key of a request to the model with this fingerprint (see
    /// [`crate::engine::Engine::fingerprint`]).
    #[must_use]
    pub fn new(fingerprint: &str, request: &Request) -> Self {
        let mut fields = FieldHash::new(LAYOUT);
        fields.text(fingerprint);
        fields.bytes(&request_hash(request));
        Self(fields.finish())
    }
}

impl fmt::Display for CompletionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no completion key: 64 hexadecimal digits expected")]
pub struct KeyError(String);

impl TryFrom<String> for CompletionKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(|_| KeyError(text))?;
        Ok(Self(key))
    }
}

const SCORE_LAYOUT: &str = "gra-score-1";

/// Hash of everything in a passage that determines its score: not the model's name, as for a
/// request.
#[must_use]
pub fn passage_hash(passage: &Passage) -> [u8; 32] {
    let mut fields = FieldHash::new(SCORE_LAYOUT);
    match &passage.context {
        Context::Text { text, bos } => {
            fields.number(0);
            fields.text(text);
            fields.number(match bos {
                Bos::AsModel => 0,
                Bos::Always => 1,
                Bos::Never => 2,
            });
        }
        Context::Message(message) => {
            fields.number(1);
            fields.text(message);
        }
    }
    fields.text(&passage.continuation);
    fields.number(match passage.border {
        Border::Apart => 0,
        Border::Joined => 1,
    });
    fields.number(u64::from(passage.max_tokens.is_some()));
    fields.number(u64::from(passage.max_tokens.unwrap_or(0)));
    fields.finish()
}

/// Names one score: the scoring fingerprint of a model (see
/// [`crate::engine::Engine::scoring_fingerprint`]) together with a passage.
#[must_use]
pub fn score_key(fingerprint: &str, passage: &Passage) -> [u8; 32] {
    let mut fields = FieldHash::new(SCORE_LAYOUT);
    fields.text(fingerprint);
    fields.bytes(&passage_hash(passage));
    fields.finish()
}

/// A hash of fields in their order, each with its length, so that no two different lists of fields make the same
/// bytes.
#[derive(Debug, Default)]
pub struct FieldHash(Sha256);

impl FieldHash {
    fn new(layout: &str) -> Self {
        let mut fields = Self::default();
        fields.text(layout);
        fields
    }

    fn number(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn shape(&mut self, shape: &Shape) {
        self.number(shape.parts.len() as u64);
        for part in &shape.parts {
            match part {
                Part::Literal(text) => {
                    self.number(0);
                    self.text(text);
                }
                Part::OneOf(options) => {
                    self.number(1);
                    self.number(options.len() as u64);
                    for option in options {
                        self.text(option);
                    }
                }
                Part::Integer { min, max } => {
                    self.number(2);
                    self.number(u64::from(*min));
                    self.number(u64::from(*max));
                }
                Part::Text { max_tokens, close_at_budget } => {
                    self.number(3);
                    self.number(u64::from(*max_tokens));
                    self.number(u64::from(*close_at_budget));
                }
                Part::Thought { max_tokens } => {
                    // Numbers are in the order in which kinds were added: old keys stay.
                    self.number(5);
                    self.number(u64::from(*max_tokens));
                }
                Part::QuotedList { max_items, max_item_tokens } => {
                    self.number(4);
                    self.number(u64::from(*max_items));
                    self.number(u64::from(*max_item_tokens));
                }
            }
        }
    }

    /// Behind the others, so that requests for whole replies need no field for it.
    fn portion(&mut self, portion: &Portion) {
        match portion {
            // No field: keys from before there were portions stay valid.
            Portion::Whole => {}
            Portion::Opening => self.number(1),
            Portion::Rest { opening, tokens } => {
                self.number(2);
                self.text(opening);
                self.number(u64::from(*tokens));
            }
        }
    }

    /// Last of all; no field where scores are read as they are written.
    fn score_reading(&mut self, reading: ScoreReading) {
        match reading {
            // No field, for the same reason.
            ScoreReading::Sampled => {}
            ScoreReading::Expected => self.number(3),
        }
    }

    /// The SHA-256 of all fields.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
