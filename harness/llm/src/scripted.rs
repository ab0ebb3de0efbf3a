//! An engine that a test writes, of a closure. For tests alone: no path of the program leads here.

use gra_synth::request::{Embedding, Finish, ModelName, Reply, Request};
use sha2::{Digest, Sha256};

use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult, Watch};
use crate::score::{Passage, PassageScore};

type ReplyFn = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

/// Answers each request with what a closure says, embeds with [`toy_embedding`], and scores nothing.
pub struct ScriptedEngine {
    reply: ReplyFn,
}

impl ScriptedEngine {
    /// Answers each request with what `reply` says; `None` is [`EngineError::NotScripted`].
    pub fn new(reply: impl FnMut(&Request) -> Option<Reply> + Send + 'static) -> Self {
        Self { reply: Box::new(reply) }
    }

    /// Answers each request with a complete reply of this text.
    pub fn from_texts(mut text: impl FnMut(&Request) -> String + Send + 'static) -> Self {
        Self::new(move |request| Some(complete_reply(&request.prompt.text(), text(request))))
    }
}

/// A finished reply; tokens are counted as words.
#[must_use]
pub fn complete_reply(prompt: &str, text: String) -> Reply {
    let words = |text: &str| u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
    Reply {
        finish: Finish::Stop,
        prompt_tokens: words(prompt),
        reply_tokens: words(&text),
        text,
        expected: Vec::new(),
    }
}

/// A unit vector of 16 dimensions that depends on a text's words: equal texts have cosine 1, texts
/// that share most words are near, others are far. Of a text of more than 64 words each 64 are a window, and
/// the last ones. Deterministic on every machine.
#[must_use]
pub fn toy_embedding(text: &str) -> Embedding {
    const WORDS: usize = 64;
    let words: Vec<&str> = text.split_whitespace().collect();
    let whole = toy_vector(&words).into();
    if words.len() <= WORDS {
        return Embedding::new(whole);
    }
    // The last window ends with the text, as the real encoder's does.
    let windows = words.chunks(WORDS).chain([&words[words.len() - WORDS..]]);
    Embedding::in_windows(whole, windows.flat_map(toy_vector).collect())
}

fn toy_vector(words: &[&str]) -> Vec<f32> {
    let mut vector = [0.0_f64; 16];
    // A constant keeps the vector of an empty text away from zero.
    vector[0] = 0.25;
    for word in words {
        // Each word pushes the vector in a direction of its own.
        let hash: [u8; 32] = Sha256::digest(word.to_lowercase()).into();
        for (value, byte) in vector.iter_mut().zip(hash) {
            *value += (f64::from(byte) - 127.5) / 127.5;
        }
    }
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "embeddings are f32")]
    vector.iter().map(|v| (v / length) as f32).collect()
}

impl Engine for ScriptedEngine {
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let mut progress = ChunkProgress::default();
        let reply = |request: &Request| {
            let reply = (self.reply)(request).ok_or_else(|| EngineError::NotScripted {
                request: request.id.to_string(),
                model: request.model.clone(),
            })?;
            progress.replies += 1;
            progress.prompt_tokens += u64::from(reply.prompt_tokens);
            progress.reply_tokens += u64::from(reply.reply_tokens);
            watch(progress);
            Ok(reply)
        };
        chunk.iter().map(reply).collect()
    }

    fn score(
        &mut self,
        passages: &[Passage],
        _: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(passage) = passages.first() else { return Ok(Vec::new()) };
        let (request, model) = ("a score".to_owned(), passage.model.clone());
        Err(EngineError::NotScripted { request, model })
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        Ok(texts.iter().map(|text| toy_embedding(text)).collect())
    }

    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Ok(format!("scripted;model={model}"))
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Ok(format!("scripted;score;model={model}"))
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        Ok("scripted".to_owned())
    }
}
