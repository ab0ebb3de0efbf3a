//! An engine that a test writes: replies, scores and embeddings from closures.

use gra_synth::request::{Embedding, Finish, ModelName, Reply, Request};

use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult, Watch};
use crate::score::{Passage, Score};

type Answer = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;
type Scoring = Box<dyn FnMut(&Passage) -> Option<Score> + Send>;
type Embed = Box<dyn FnMut(&str) -> Embedding + Send>;

/// Answers from a script and counts what it is asked.
pub struct ScriptedEngine {
    answer: Answer,
    scoring: Scoring,
    embed: Embed,
    /// Requests answered so far.
    pub calls: usize,
    /// Chunks answered so far.
    pub chunks: usize,
    /// Passages scored so far.
    pub scored: usize,
    /// Texts embedded so far.
    pub embedded: usize,
}

impl std::fmt::Debug for ScriptedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedEngine")
            .field("calls", &self.calls)
            .field("chunks", &self.chunks)
            .field("scored", &self.scored)
            .field("embedded", &self.embedded)
            .finish_non_exhaustive()
    }
}

impl ScriptedEngine {
    /// Answers each request with what `answer` says; `None` is [`EngineError::NotScripted`].
    /// Scores nothing, embeds with [`toy_embedding`].
    pub fn new(answer: impl FnMut(&Request) -> Option<Reply> + Send + 'static) -> Self {
        let embed = Box::new(toy_embedding);
        Self {
            answer: Box::new(answer),
            scoring: Box::new(|_| None),
            embed,
            calls: 0,
            chunks: 0,
            scored: 0,
            embedded: 0,
        }
    }

    /// Answers each request with a complete reply of this text.
    pub fn of_texts(mut text: impl FnMut(&Request) -> String + Send + 'static) -> Self {
        Self::new(move |request| Some(complete_reply(&request.prompt.text(), text(request))))
    }

    /// Scores with this closure; `None` is [`EngineError::NotScripted`].
    #[must_use]
    pub fn scoring_with(
        mut self,
        scoring: impl FnMut(&Passage) -> Option<Score> + Send + 'static,
    ) -> Self {
        self.scoring = Box::new(scoring);
        self
    }

    /// Embeds with this closure instead.
    #[must_use]
    pub fn embedding_with(mut self, embed: impl FnMut(&str) -> Embedding + Send + 'static) -> Self {
        self.embed = Box::new(embed);
        self
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
    let windows = words.chunks(WORDS).chain([&words[words.len() - WORDS..]]);
    Embedding::in_windows(whole, windows.flat_map(toy_vector).collect())
}

fn toy_vector(words: &[&str]) -> Vec<f32> {
    let mut vector = [0.0_f64; 16];
    // A constant keeps the vector of an empty text away from zero.
    vector[0] = 0.25;
    for word in words {
        let hash = crate::key::text_hash(&word.to_lowercase());
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
        self.chunks += 1;
        let mut replies = Vec::with_capacity(chunk.len());
        for request in chunk {
            self.calls += 1;
            let reply = (self.answer)(request).ok_or_else(|| EngineError::NotScripted {
                request: request.id.to_string(),
                model: request.model.clone(),
            })?;
            progress.replies += 1;
            progress.prompt_tokens += u64::from(reply.prompt_tokens);
            progress.reply_tokens += u64::from(reply.reply_tokens);
            watch(progress);
            replies.push(reply);
        }
        Ok(replies)
    }

    fn score(&mut self, passages: &[Passage], watch: &mut Watch<'_>) -> EngineResult<Vec<Score>> {
        let mut progress = ChunkProgress::default();
        let mut scores = Vec::with_capacity(passages.len());
        for passage in passages {
            self.scored += 1;
            let score = (self.scoring)(passage).ok_or_else(|| EngineError::NotScripted {
                request: "a score".to_owned(),
                model: passage.model.clone(),
            })?;
            progress.replies += 1;
            progress.prompt_tokens += u64::from(score.context_tokens);
            progress.reply_tokens += score.log_probs.len() as u64;
            watch(progress);
            scores.push(score);
        }
        Ok(scores)
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        self.embedded += texts.len();
        Ok(texts.iter().map(|text| (self.embed)(text)).collect())
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
