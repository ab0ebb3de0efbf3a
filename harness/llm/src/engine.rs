//! Who answers: the one trait that every engine implements, its errors and its progress reports.
//!
//! An engine is blocking and owns its threads; the shell calls it from a blocking task. It knows
//! nothing of variants, trials or the store.

use std::iter::Sum;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use gra_synth::request::{Embedding, ModelName, Reply, Request};
use serde::{Deserialize, Serialize};

use crate::chat_template::{TemplateFinding, TemplateQuestion};
use crate::model_pool::ModelFileError;
use crate::score::{Passage, PassageScore};

/// What an engine tells while it works on a chunk. Counts are of this chunk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkProgress {
    /// Replies finished, or passages scored.
    pub replies: usize,
    /// Prompt tokens evaluated (a shared prefix counts once), or context tokens.
    pub prompt_tokens: u64,
    /// Tokens generated or forced, or scored.
    pub reply_tokens: u64,
    /// Sequences that are written at once; 0 where an engine has none.
    pub slots: u32,
}

/// Of engines that work at the same time.
impl Sum for ChunkProgress {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            replies: sum.replies + part.replies,
            prompt_tokens: sum.prompt_tokens + part.prompt_tokens,
            reply_tokens: sum.reply_tokens + part.reply_tokens,
            slots: sum.slots + part.slots,
        })
    }
}

/// What happens to one of several chunks.
#[derive(Debug)]
pub enum ChunkEvent {
    /// It begins.
    Begun,
    /// So far.
    Progress(ChunkProgress),
    /// It is done.
    Answered {
        /// In the order of its requests.
        replies: Vec<Reply>,
        /// How often the engine died under it.
        crashes: u64,
    },
}

/// Takes the events of chunks, by their places. Once it breaks no other chunk begins; those that have begun
/// are finished, and their events still come.
pub type Hear<'a> = dyn FnMut(usize, ChunkEvent) -> ControlFlow<()> + 'a;

/// Takes the progress of one call of an engine.
pub type Watch<'a> = dyn FnMut(ChunkProgress) + 'a;

/// What an engine gives, or why it could not.
pub type EngineResult<T> = Result<T, EngineError>;

/// Answers requests.
pub trait Engine: Send {
    /// Answers one chunk: requests of one model, run together. The replies come in the order of the
    /// requests. The same chunk on the same machine and build gives the same replies, unless a server
    /// answers; a request in another chunk may get another reply, which is why chunks are recorded
    /// before they run.
    ///
    /// A prompt that does not fit is a reply ([`gra_synth::request::Finish::PromptTooLong`]), not an
    /// error. So is a call that a server fails on while it answers others
    /// ([`gra_synth::request::Finish::Failed`]); a [`Dispatcher`](crate::dispatcher::Dispatcher) finds such
    /// calls of the other engines.
    ///
    /// # Errors
    /// When the model cannot be loaded, the server is away or the engine fails on the chunk; nothing of the
    /// chunk is then answered.
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>>;

    /// Answers several chunks, each as [`Self::complete`] does: in order, or several at the same time
    /// where the engine has several [`workers`](Self::workers). Which worker answers a chunk follows
    /// from the chunks alone.
    ///
    /// # Errors
    /// As [`Self::complete`]; chunks that were heard of as answered stay so.
    fn complete_all(&mut self, chunks: &[&[Request]], hear: &mut Hear<'_>) -> EngineResult<()> {
        let mut goes_on = true;
        for (place, chunk) in chunks.iter().enumerate() {
            let mut tell = |event| goes_on &= hear(place, event).is_continue();
            tell(ChunkEvent::Begun);
            // Counted before and after: the engine counts over its whole life.
            let crashes = self.crashes();
            let replies = self.complete(chunk, &mut |so_far| tell(ChunkEvent::Progress(so_far)))?;
            tell(ChunkEvent::Answered { replies, crashes: self.crashes() - crashes });
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// How many chunks of this model can be answered at the same time.
    fn workers(&self, _model: &ModelName) -> usize {
        1
    }

    /// Scores passages of one model: the log-probabilities of their continuations, in order. A score
    /// depends on its passage alone.
    ///
    /// # Errors
    /// When a passage does not fit the model's context, the model cannot be loaded, or the engine
    /// fails; nothing is then scored.
    fn score(
        &mut self,
        passages: &[Passage],
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>>;

    /// Embeds texts with the pool's encoder: unit vectors, in order, and those of the windows of texts
    /// that it does not read at once. Each text's embedding depends on that text alone.
    ///
    /// # Errors
    /// When the encoder cannot be loaded or fails.
    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>>;

    /// Everything besides a request that determines a reply of this model: file hash, chat
    /// template, engine version and the settings that can change output; of a server, what it says
    /// of these. Stable text, hashed into store keys.
    ///
    /// # Errors
    /// When the model is not in the pool, its file cannot be read, or its server does not answer.
    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String>;

    /// Everything besides a passage that determines a score of this model.
    ///
    /// # Errors
    /// When the model is not in the pool or its file cannot be read.
    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String>;

    /// The same for the encoder.
    ///
    /// # Errors
    /// When the encoder's file cannot be read.
    fn encoder_fingerprint(&mut self) -> EngineResult<String>;

    /// Renders a model's chat template and tokenises prompts with it, without loading its weights.
    ///
    /// # Errors
    /// When the model's file cannot be read, or the engine keeps templates to itself.
    fn probe_template(&mut self, question: &TemplateQuestion) -> EngineResult<TemplateFinding> {
        let reason = "its engine does not show its chat template";
        Err(EngineError::unusable(question.model.as_str(), reason))
    }

    /// How often the engine has died under its work and was started again. Engines in this process
    /// cannot.
    fn crashes(&self) -> u64 {
        0
    }
}

/// Why an engine could not answer. Crosses a worker's socket as it is.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The request names a model that the pool does not have.
    #[error("model `{model}` is not in the pool")]
    UnknownModel {
        /// The name asked for.
        model: ModelName,
    },
    /// The file could not be loaded.
    #[error("cannot load model `{model}` from {}: {reason}", path.display())]
    Load {
        /// The model's name.
        model: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model cannot be used for this, e.g. it has no chat template.
    #[error("model `{model}` cannot be used: {reason}")]
    Unusable {
        /// The model's name.
        model: String,
        /// Why not.
        reason: String,
    },
    /// llama.cpp reported a failure while it evaluated a batch.
    #[error("llama.cpp failed on model `{model}`: {reason}")]
    Evaluation {
        /// The model's name.
        model: String,
        /// Its return code in words.
        reason: String,
    },
    /// The process that held the model died, again and again.
    #[error(
        "the worker process died {times} times on model `{model}`, in the end with one sequence at a \
         time: {ending}{said}\n  hint: everything finished is saved, and the same command goes on \
         from there; free memory, or give the model a smaller `context`"
    )]
    Crashed {
        /// The model's name.
        model: String,
        /// How often.
        times: u32,
        /// What it died of the last time, in a sentence.
        ending: String,
        /// Its last lines, each after a line break.
        said: String,
    },
    /// The process that should hold the models cannot be started or understood.
    #[error("the worker process failed: {reason}")]
    Worker {
        /// What went wrong.
        reason: String,
    },
    /// A passage is longer than the model's context, and was not to be cut.
    #[error(
        "passage {passage} is {tokens} tokens long, and model `{model}` reads {context}; set its \
         `max_tokens` or the model's `context`"
    )]
    PassageTooLong {
        /// The model's name.
        model: String,
        /// Its place among the passages asked for, from 0.
        passage: usize,
        /// Tokens of context and continuation.
        tokens: usize,
        /// Tokens that fit.
        context: u32,
    },
    /// A file of the pool is missing, unreadable or not the pinned one.
    #[error(transparent)]
    File(#[from] Box<ModelFileError>),
    /// A server did not answer, or answered that it will not.
    #[error("the server of model `{model}`, {url}: {reason}")]
    Server {
        /// The model's name.
        model: String,
        /// Where the server should answer.
        url: String,
        /// What went wrong, in the server's words where it had any.
        reason: String,
    },
    /// A server does not say which models it serves.
    #[error("the server at {url} does not say what it serves: {reason}")]
    List {
        /// Where it should answer.
        url: String,
        /// What went wrong, in the server's words where it had any.
        reason: String,
    },
    /// The engine was told to stop before it had answered.
    #[error("stopped before everything was answered")]
    Stopped,
    /// A scripted engine was asked something that its script has no reply for.
    #[error("the script has no reply for {request} of model `{model}`")]
    NotScripted {
        /// The call.
        request: String,
        /// Who was asked.
        model: ModelName,
    },
}

impl EngineError {
    /// A model that cannot be used for what is asked of it.
    pub(crate) fn unusable(model: &str, reason: impl Into<String>) -> Self {
        Self::Unusable { model: model.to_owned(), reason: reason.into() }
    }

    /// A file that cannot be loaded.
    pub(crate) fn load(model: &str, path: &Path, reason: impl Into<String>) -> Self {
        Self::Load { model: model.to_owned(), path: path.to_owned(), reason: reason.into() }
    }
}

impl From<ModelFileError> for EngineError {
    fn from(error: ModelFileError) -> Self {
        Self::File(Box::new(error))
    }
}

/// The one model that requests or passages are for; `None` where there are none.
///
/// # Errors
/// When they are for several: what runs together runs on one model.
pub(crate) fn only_model<'a>(
    mut models: impl Iterator<Item = &'a ModelName>,
) -> EngineResult<Option<&'a ModelName>> {
    let Some(first) = models.next() else { return Ok(None) };
    match models.find(|model| *model != first) {
        None => Ok(Some(first)),
        Some(other) => {
            let reason = format!("a chunk is of one model, and this one also asks {other}");
            Err(EngineError::unusable(first.as_str(), reason))
        }
    }
}
