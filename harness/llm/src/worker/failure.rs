//! Errors on their way over the socket. The owner's callers see the error that the engine made: the
//! same kind, the same text.

use std::io;
use std::path::PathBuf;

use gra_synth::request::ModelName;
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::model_pool::PoolError;

/// An [`EngineError`] as sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    UnknownModel { model: ModelName },
    Load { model: String, path: PathBuf, reason: String },
    Unusable { model: String, reason: String },
    Evaluation { model: String, reason: String },
    NotScripted { request: String, model: ModelName },
    PassageTooLong { model: String, passage: usize, tokens: usize, context: u32 },
    Missing { model: String, what: String, path: PathBuf, why: String, hint: String },
    File { model: String, path: PathBuf, error: SystemError },
    WrongHash { model: String, path: PathBuf, found: String, pinned: String },
    Other { text: String },
}

/// An [`io::Error`] as sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SystemError {
    code: Option<i32>,
    text: String,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownModel { model } => Self::UnknownModel { model },
            EngineError::Load { model, path, reason } => Self::Load { model, path, reason },
            EngineError::Unusable { model, reason } => Self::Unusable { model, reason },
            EngineError::Evaluation { model, reason } => Self::Evaluation { model, reason },
            EngineError::NotScripted { request, model } => Self::NotScripted { request, model },
            EngineError::PassageTooLong { model, passage, tokens, context } => {
                Self::PassageTooLong { model, passage, tokens, context }
            }
            EngineError::File(error) => match *error {
                PoolError::Missing { model, what, path, why, hint } => {
                    Self::Missing { model, what, path, why, hint }
                }
                PoolError::File { model, path, error } => {
                    let error = SystemError { code: error.raw_os_error(), text: error.to_string() };
                    Self::File { model, path, error }
                }
                PoolError::WrongHash { model, path, found, pinned } => {
                    Self::WrongHash { model, path, found, pinned }
                }
                // A worker reads no pool file.
                error @ (PoolError::Read { .. }
                | PoolError::Syntax { .. }
                | PoolError::Value { .. }) => Self::Other { text: error.to_string() },
            },
            // A worker has no worker, and asks no server.
            error @ (EngineError::Crashed { .. }
            | EngineError::Worker { .. }
            | EngineError::Server { .. }
            | EngineError::Stopped) => Self::Other { text: error.to_string() },
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::UnknownModel { model } => Self::UnknownModel { model },
            Failure::Load { model, path, reason } => Self::Load { model, path, reason },
            Failure::Unusable { model, reason } => Self::Unusable { model, reason },
            Failure::Evaluation { model, reason } => Self::Evaluation { model, reason },
            Failure::NotScripted { request, model } => Self::NotScripted { request, model },
            Failure::PassageTooLong { model, passage, tokens, context } => {
                Self::PassageTooLong { model, passage, tokens, context }
            }
            Failure::Missing { model, what, path, why, hint } => {
                PoolError::Missing { model, what, path, why, hint }.into()
            }
            Failure::File { model, path, error } => {
                let SystemError { code, text } = error;
                let error =
                    code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error);
                PoolError::File { model, path, error }.into()
            }
            Failure::WrongHash { model, path, found, pinned } => {
                PoolError::WrongHash { model, path, found, pinned }.into()
            }
            Failure::Other { text } => Self::Worker { reason: text },
        }
    }
}
