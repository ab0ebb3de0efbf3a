//! How a failed command ends: a message on standard error and an exit code that means something.

use std::process::ExitCode;

use gra_downstream::engine::EnvironmentError;
use gra_downstream::evaluation::{EvaluationError, ServingError};
use gra_downstream::training::TrainingError;
use gra_llm::engine::EngineError;
use gra_llm::model_pool::PoolError;
use gra_paper::claims::MeasuredError;
use gra_synth::round::NoExamples;
use rusqlite::ErrorCode;

use crate::answering::{Interrupted, TooManyLost};
use crate::experiment::ExperimentError;
use crate::overwrite::WouldOverwrite;
use crate::seeds::SeedError;
use crate::store::DAMAGE_HINT;
use crate::terminal;
use crate::trial::TrialIdError;

/// Exit codes, as the help text lists them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: disk, store, or anything not named below
  2    wrong usage of the command line
  3    bad input: experiment, prompts, model pool, seed set, data set or scores, a name
       that is none, or settings other than those of an earlier trial of the same name
  4    a model could not be loaded, the engine failed, too many calls failed, or every reply of a
       stage was malformed
  130  interrupted; what was finished is saved, the same command goes on";

/// An error that comes of what the user gave, where no type of its own tells so.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BadInput(anyhow::Error);

/// Marks an error as one of bad input.
pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> anyhow::Error {
    BadInput(error.into()).into()
}

/// Prints an error with its causes and says how the process should end. A closed pipe is no error.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    terminal::say(&message(error));
    ExitCode::from(exit_code(error))
}

/// The error and its causes in one line, and their hints below it.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::from("error: ");
    let mut hints = Vec::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        let (what, hint) = match text.find("hint: ") {
            Some(place) => (text[..place].trim_end(), Some(text[place..].to_owned())),
            None => (text.as_str(), None),
        };
        // Transparent errors repeat their cause's text.
        if !message.contains(what) {
            if depth > 0 {
                message.push_str(": ");
            }
            message.push_str(what);
        }
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
        if let Some(hint) = hint_of_store(cause)
            && !hints.iter().any(|other| other.contains(hint))
        {
            hints.push(hint.to_owned());
        }
    }
    // Last, where a reader looks for what to do.
    for hint in hints {
        message.push('\n');
        message.push_str(&hint);
    }
    message
}

/// What to do about what SQLite says of the store.
fn hint_of_store(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let error = cause.downcast_ref::<rusqlite::Error>()?;
    let is_nonsense = matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    );
    Some(match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DAMAGE_HINT,
        None if is_nonsense => DAMAGE_HINT,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "hint: another program holds the store; close it, and give the same command again"
        }
        // SQLite has no page of shared memory either where the disk is full.
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            "hint: is the disk full or away, or is there a limit on the size of files? What was stored before is safe; the same command goes on from there"
        }
        _ => return None,
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    type Cause = dyn std::error::Error + 'static;
    let any = |is: fn(&Cause) -> bool| error.chain().any(is);
    let evaluation = error.chain().find_map(|cause| cause.downcast_ref::<EvaluationError>());
    let training = error.chain().find_map(|cause| cause.downcast_ref::<TrainingError>());
    // An interruption may be the cause of any other error, so it is looked for first.
    if any(Cause::is::<Interrupted>) {
        130
    } else if let Some(training) = training {
        of_training(training)
    } else if let Some(evaluation) = evaluation {
        of_evaluation(evaluation)
    } else if any(|cause| {
        cause.is::<ExperimentError>()
            || cause.is::<SeedError>()
            || cause.is::<TrialIdError>()
            || cause.is::<PoolError>()
            || cause.is::<MeasuredError>()
            || cause.is::<WouldOverwrite>()
            || cause.is::<NoExamples>()
            || cause.is::<BadInput>()
    }) {
        3
    } else if any(|cause| {
        cause.is::<EngineError>() || cause.is::<TooManyLost>() || cause.is::<EnvironmentError>()
    }) {
        4
    } else {
        1
    }
}

/// What was given is wrong, or the trainer failed.
fn of_training(error: &TrainingError) -> u8 {
    match error {
        TrainingError::Stopped => 130,
        TrainingError::Program(_) | TrainingError::LossIsNoNumber { .. } => 4,
        // Of the machine, not of what was given.
        TrainingError::Io { .. } | TrainingError::Running { .. } => 1,
        _ => 3,
    }
}

/// Likewise of an evaluation.
fn of_evaluation(error: &EvaluationError) -> u8 {
    match error {
        EvaluationError::Data(_)
        | EvaluationError::Plan(_)
        | EvaluationError::Serving(ServingError::NoModel(_)) => 3,
        EvaluationError::Environment(_)
        | EvaluationError::Sandbox(_)
        | EvaluationError::Serving(_) => 4,
        _ => 1,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
