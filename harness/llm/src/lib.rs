//! Who answers: engines that complete, score and embed, and the pools of models they use.
//!
//! Of the method this crate knows requests, shapes and replies, and nothing else: no variant, no
//! stage order, no store. An [`engine::Engine`] is blocking and owns its threads.
//!
//! # Layout
//!
//! - [`engine`]: the trait, its errors, its progress reports
//! - [`model_pool`], [`gguf`]: which models, whether their files are right, what the
//!   files say
//! - [`llama`]: the llama.cpp engine: resident models, batched decoding, scoring, embedding,
//!   quantising
//! - [`worker`]: any engine in a process of its own
//! - [`server`]: models that OpenAI-compatible servers hold
//! - [`dispatcher`]: several engines as one: who answers what, and at the same time
//! - [`chat_template`], [`vocabulary`], [`automaton`], [`sampler`]: a prompt's form, a model's tokens,
//!   a reply's form, the draw of a token. Pure
//! - [`pattern`]: a reply's form in the languages that servers are told it in. Pure
//! - [`adherence`]: where a reply leaves its form, and how one that was cut is closed. Pure
//! - [`score`]: passages and their log-probabilities
//! - [`scripted`]: an engine without a model, for tests
//! - [`key`]: store keys

pub mod adherence;
pub mod automaton;
pub mod chat_template;
pub mod dispatcher;
pub mod engine;
pub mod gguf;
pub mod key;
pub mod llama;
pub mod model_pool;
pub mod pattern;
pub mod sampler;
pub mod score;
#[doc(hidden)]
pub mod scripted;
pub mod server;
pub mod vocabulary;
#[cfg(unix)]
pub mod worker;
