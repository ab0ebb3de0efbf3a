//! Models that servers hold: the `OpenAI` protocol as spoken by llama-server, vLLM, `SGLang` and `LMDeploy`.
//!
//! A request becomes one chat completion with one user message; temperature, `top_p`, the token limit and
//! the seed are always sent. A chunk's requests are under way at once, as many as the pool allows, and
//! its replies come in order. What a server cannot promise, and this module does not:
//!
//! - **the same bytes again.** Its batches are its own affair. Replies are kept by the store;
//! - **which file it serves.** The fingerprint holds what the server says of its model, never a hash of
//!   its weights: weights that are replaced under the same name are not noticed;
//! - **token budgets** to the token. A request's limit is what its texts may take and a token for each byte
//!   of the form around them; a text that runs on to it is closed here ([`ask`]), some tokens later
//!   than elsewhere;
//! - **a reply in two portions that is the whole reply.** An opening is asked for alone, its rest by a
//!   pattern that begins with it: the same distribution, not the same draws.
//!
//! # Layout
//!
//! - [`dialect`]: what a server is asked; how each program is told a reply's form and plain sampling, and says that a
//!   prompt is too long
//! - [`client`]: HTTP, and what is tried again
//! - [`ask`]: one request, one reply; texts that met their budget
//! - [`identity`]: what a server says of its model
//! - [`wire`]: what comes over the wire

mod ask;
mod client;
mod dialect;
mod identity;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gra_synth::request::{Embedding, Failure, ModelName, Reply, Request, ScoreReading};

use crate::chat_template::{TemplateVariables, fingerprint_part};
use crate::dispatcher::in_parallel;
use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult, Watch, only_model};
use crate::model_pool::{Backend, DEFAULT_TIMEOUT_S, Dialect, ModelPool, Server};
use crate::score::{Passage, PassageScore};
use ask::ChatCall;
use client::{Client, ServerError};

pub use client::RetryPolicy;
pub use identity::ListedModel;

/// Version of what is sent beside the request itself; part of every fingerprint. Raise it with any change
/// that can change a reply.
pub(crate) const ASKING_VERSION: u32 = 2;

/// So many failed calls of a model without an answered one between them are the server's failure, not the
/// calls': a process that lost its GPU answers everything with 500. At one poisoned call in forty this
/// happens once in 10^16.
const MOST_IN_A_ROW: u32 = 10;

/// Answers through the servers of a pool.
#[derive(Debug)]
pub struct ServerEngine {
    servers: BTreeMap<ModelName, Server>,
    client: Client,
    stop: Arc<AtomicBool>,
    /// What each server said of its model, once asked.
    identities: BTreeMap<ModelName, String>,
    /// How many calls of a model have failed since one was answered.
    failed_in_a_row: BTreeMap<ModelName, u32>,
}

/// What a server showed of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProbe {
    /// What it says of its model.
    pub identity: String,
    /// Whether it held a reply to the form that was asked for.
    pub constrains: bool,
    /// Whether a free reply began with a thought.
    pub thinks: bool,
    /// Whether a free reply came to its end and all of it was told as a thought.
    pub all_thought: bool,
}

/// Asks a server which models it serves. `url` ends before `/models`; `api_key_env` names the variable with its key.
///
/// # Errors
/// When it does not answer, or not as such servers do.
pub fn list(url: &str, api_key_env: Option<&str>) -> EngineResult<Vec<ListedModel>> {
    let server = Server {
        url: url.to_owned(),
        model: String::new(),
        dialect: Dialect::LlamaServer,
        api_key_env: api_key_env.map(str::to_owned),
        concurrency: 1,
        timeout_s: DEFAULT_TIMEOUT_S,
        identity: None,
        template: TemplateVariables::default(),
    };
    identity::list(&Client::new(RetryPolicy::short(), 1), &server).map_err(|error| match error {
        ServerError::Halted => EngineError::Stopped,
        // Something answers there.
        ServerError::Refused(reason) | ServerError::Failed(Failure::NoCompletion, reason)
            if !reason.contains("hint:") =>
        {
            let hint = "the address ends before /models, e.g. http://127.0.0.1:8080/v1";
            EngineError::List { url: url.to_owned(), reason: format!("{reason}\n  hint: {hint}") }
        }
        ServerError::Silent(reason)
        | ServerError::Refused(reason)
        | ServerError::Unavailable(_, reason)
        | ServerError::Failed(_, reason) => EngineError::List { url: url.to_owned(), reason },
    })
}

impl ServerEngine {
    /// An engine for the models that servers hold. Asks nothing yet. When `stop` is set it begins no
    /// other request and waits for no other try; the chunk under way is then not answered.
    #[must_use]
    pub fn new(pool: &ModelPool, retries: RetryPolicy, stop: Arc<AtomicBool>) -> Self {
        let servers: BTreeMap<ModelName, Server> = pool
            .members_and_teachers()
            .filter_map(|model| match &model.backend {
                Backend::Server(server) => Some((model.name.clone(), server.clone())),
                Backend::LlamaCpp(_) => None,
            })
            .collect();
        // One pool of connections serves all models.
        let widest = servers.values().map(|server| server.concurrency).max().unwrap_or(1);
        let client = Client::new(retries, widest);
        Self {
            servers,
            client,
            stop,
            identities: BTreeMap::new(),
            failed_in_a_row: BTreeMap::new(),
        }
    }

    /// Asks a server what it serves, and for a reply of a given form.
    ///
    /// # Errors
    /// When it does not answer, or not for this model.
    pub fn look(&mut self, model: &ModelName) -> EngineResult<ServerProbe> {
        let identity = self.identity(model)?;
        let server = self.server(model)?;
        let reply = |call: ChatCall<'_>| {
            let reply = call.ask(&self.client, &|| self.stop.load(Ordering::Relaxed));
            reply.map_err(|error| error.into_engine_error(model, server))
        };
        let constrains = ask::is_as_probed(&reply(ChatCall::probe(server))?);
        let free = reply(ChatCall::thinking_probe(server))?;
        let thinks = ask::has_thought(&free);
        Ok(ServerProbe { identity, constrains, thinks, all_thought: ask::is_all_thought(&free) })
    }

    fn server(&self, model: &ModelName) -> EngineResult<&Server> {
        let unknown = || EngineError::UnknownModel { model: model.clone() };
        self.servers.get(model).ok_or_else(unknown)
    }

    /// What the server says of the model; the pinned text when it does not answer.
    fn identity(&mut self, model: &ModelName) -> EngineResult<String> {
        if let Some(known) = self.identities.get(model) {
            return Ok(known.clone());
        }
        let server = self.server(model)?;
        let stopped = || self.stop.load(Ordering::Relaxed);
        // With a pinned identity to fall back on, a server that is away is not waited for.
        let tries = if server.identity.is_some() { 1 } else { RetryPolicy::short().tries };
        let client = self.client.with_tries(tries);
        let identity = match (identity::ask(&client, server, &stopped), &server.identity) {
            (
                Err(
                    ServerError::Silent(_) | ServerError::Unavailable(..) | ServerError::Failed(..),
                ),
                Some(pinned),
            ) => pinned.clone(),
            (Err(error), _) => return Err(error.into_engine_error(model, server)),
            (Ok(found), Some(pinned)) if found != *pinned => {
                let reason = format!(
                    "serves another model than the pool pins: `{found}`, not `{pinned}`\n  hint: \
                     correct `identity` if it was replaced on purpose"
                );
                return Err(ServerError::Refused(reason).into_engine_error(model, server));
            }
            (Ok(found), _) => found,
        };
        self.identities.insert(model.clone(), identity.clone());
        Ok(identity)
    }

    /// Asks all calls, as many at once as the server is meant to take. A call that the server fails on
    /// leaves the others alone. `in_a_row`: how many have failed since one was answered.
    fn ask_all(
        &self,
        model: &ModelName,
        server: &Server,
        calls: &[ChatCall<'_>],
        in_a_row: &mut u32,
        watch: &mut Watch<'_>,
    ) -> EngineResult<Vec<Reply>> {
        let slots = server.concurrency.min(u32::try_from(calls.len()).unwrap_or(u32::MAX));
        let (next, failed) = (&AtomicUsize::new(0), &AtomicBool::new(false));
        let halted = || failed.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed);
        let work = |tell: &mut dyn FnMut((usize, Result<Reply, ServerError>))| {
            while !halted() {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(call) = calls.get(place) else { return };
                let answer = call.ask(&self.client, &halted);
                if matches!(
                    answer,
                    Err(ServerError::Silent(_)
                        | ServerError::Refused(_)
                        | ServerError::Unavailable(..))
                ) {
                    failed.store(true, Ordering::Relaxed);
                }
                // One that halted because another ended the chunk has nothing of its own to tell.
                if !matches!(answer, Err(ServerError::Halted)) {
                    tell((place, answer));
                }
            }
        };
        let mut replies: Vec<Option<Reply>> = vec![None; calls.len()];
        let mut first_failure: Option<(usize, ServerError)> = None;
        let mut so_far = ChunkProgress { slots, ..ChunkProgress::default() };
        in_parallel((0..slots).map(|_| work).collect(), |_, (place, answer)| {
            let reply = match answer {
                Ok(reply) => {
                    *in_a_row = 0;
                    reply
                }
                Err(ServerError::Failed(failure, said)) => {
                    *in_a_row += 1;
                    if *in_a_row >= MOST_IN_A_ROW {
                        failed.store(true, Ordering::Relaxed);
                        let reason = format!(
                            "the last {in_a_row} calls failed: {said}\n  hint: none of this chunk is \
                             stored; when the server answers again, so does the same command"
                        );
                        first_failure.get_or_insert((place, ServerError::Refused(reason)));
                    }
                    Reply::failed(failure, said)
                }
                Err(error) => {
                    // Of those that are told, the first in the chunk's order.
                    if first_failure.as_ref().is_none_or(|(at, _)| place < *at) {
                        first_failure = Some((place, error));
                    }
                    return;
                }
            };
            so_far.replies += 1;
            so_far.prompt_tokens += u64::from(reply.prompt_tokens);
            so_far.reply_tokens += u64::from(reply.reply_tokens);
            watch(so_far);
            replies[place] = Some(reply);
        });
        match first_failure {
            Some((_, error)) => Err(error.into_engine_error(model, server)),
            None => replies.into_iter().collect::<Option<_>>().ok_or(EngineError::Stopped),
        }
    }
}

impl Engine for ServerEngine {
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let Some(model) = only_model(chunk.iter().map(|request| &request.model))? else {
            return Ok(Vec::new());
        };
        if chunk.iter().any(|request| request.score_reading == ScoreReading::Expected) {
            return Err(EngineError::unusable(model.as_str(), NO_EXPECTED_SCORES));
        }
        let server = self.server(model)?;
        let call = |request| {
            ChatCall::new(server, request)
                .map_err(|error| EngineError::unusable(model.as_str(), error.to_string()))
        };
        // All of them before the first is asked: what cannot be said is not paid for.
        let calls: Vec<ChatCall<'_>> = chunk.iter().map(call).collect::<EngineResult<_>>()?;
        let mut in_a_row = self.failed_in_a_row.get(model).copied().unwrap_or(0);
        let replies = self.ask_all(model, server, &calls, &mut in_a_row, watch);
        self.failed_in_a_row.insert(model.clone(), in_a_row);
        replies
    }

    fn score(
        &mut self,
        passages: &[Passage],
        _: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        let Some(first) = passages.first() else { return Ok(Vec::new()) };
        Err(EngineError::unusable(first.model.as_str(), NO_SCORES))
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        Err(EngineError::unusable("encoder", NO_EMBEDDINGS))
    }

    /// Independent of the address: several replicas of a model are one model. Not in it: how many
    /// requests run at once, and a hash of the weights, which no server tells.
    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        let identity = self.identity(model)?;
        let server = self.server(model)?;
        Ok(format!(
            "server;asking={ASKING_VERSION};pattern={};dialect={};model={};{identity}{}",
            crate::pattern::PATTERN_VERSION,
            server.dialect.name(),
            server.model,
            fingerprint_part(&server.template),
        ))
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Err(EngineError::unusable(model.as_str(), NO_SCORES))
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        Err(EngineError::unusable("encoder", NO_EMBEDDINGS))
    }
}

const NO_SCORES: &str = "its server does not tell the log-probabilities of a given text; score with a model of \
                         the pool that llama.cpp runs here (a GGUF file under `path` or `repo`)";

const NO_EMBEDDINGS: &str = "servers are not asked to embed; the pool's [encoder] is a GGUF file that llama.cpp \
                             runs here";

const NO_EXPECTED_SCORES: &str = "expected scores are worked out from probabilities that servers do not tell; \
                                  llama.cpp does, with a GGUF file of the pool";
