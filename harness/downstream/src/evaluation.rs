//! A model becomes scores on benchmarks, by OpenCompass (the paper's engine and prompts) or lm-eval (its own).
//!
//! [`evaluate`] has a model served, scores it benchmark by benchmark and writes `evaluation.json` last; told to stop, or
//! killed, it goes on where it was when it is called again with the same plan. [`import`] makes the same record of what
//! engines wrote elsewhere. A benchmark that cannot be scored is in the record with its reason, and [`Evaluation::average`]
//! has no value then.
//!
//! # Layout
//!
//! - [`suite`]: which items of which benchmarks, with which prompts
//! - [`data_cache`]: the files that they are read from
//! - [`serving`]: the model, behind a server
//! - `opencompass`, `lm_eval`: one engine each
//! - `scoring`: what engines share: who is asked, and what makes a score one that can be trusted
//! - `sandbox`: code that the model wrote is kept from the machine
//! - [`record`]: what was found
//! - `import`: what others found

pub mod data_cache;
mod import;
mod lm_eval;
mod opencompass;
pub mod record;
mod sandbox;
mod scoring;
pub mod serving;
pub mod suite;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gra_paper::Benchmark;

pub use data_cache::{DataCache, DataError};
pub use import::{ImportError, import};
pub use record::{
    BenchmarkOutcome, Evaluation, PlanError, RecordError, ScoredBenchmark, ScoringProtocol,
};
pub use sandbox::SandboxError;
pub use serving::{ServingError, ServingOptions, Target};
pub use suite::{Suite, SuiteError};

use crate::engine::{EngineKind, Environment, EnvironmentError, ProgramError};
use sandbox::Sandbox;
use scoring::{Asked, BenchmarkError, Scorer};
use serving::Served;

/// The version of OpenCompass whose configurations are pinned.
const OPENCOMPASS: &str = "0.4.1";

/// What is scored, how and where to.
#[derive(Clone, Debug)]
pub struct EvaluationPlan {
    /// The model.
    pub target: Target,
    /// How its server is started and waited for.
    pub serving: ServingOptions,
    /// Which items of which benchmarks.
    pub suite: Suite,
    /// Which engine scores them.
    pub protocol: ScoringProtocol,
    /// The benchmarks' files.
    pub data: DataCache,
    /// Folder of the evaluation; what is written there has fixed names.
    pub folder: PathBuf,
    /// Whether an evaluation of something else in that folder is removed.
    pub replace: bool,
    /// Longest wait for a reply in seconds. A server that hangs for longer, three times, fails the benchmark.
    pub answer_within: u64,
}

/// How far an evaluation is.
#[derive(Clone, Debug, PartialEq)]
pub enum EvaluationProgress {
    /// The model is being loaded.
    Serving,
    /// A benchmark is being scored.
    Scoring {
        /// The benchmark.
        benchmark: Benchmark,
        /// Its place among those of the suite, from 1.
        place: usize,
        /// How many the suite has.
        of: usize,
        /// Items that have an answer.
        answered: u64,
        /// Items that are asked, at most.
        items: u64,
    },
    /// A benchmark is done: its score in per cent, or why it has none.
    Done {
        /// The benchmark.
        benchmark: Benchmark,
        /// Its score or the reason.
        result: Result<f64, String>,
    },
}

/// An evaluation cannot begin or go on. What was answered is kept.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The engine is not installed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Another version of OpenCompass is installed than the one with the pinned prompts.
    #[error(
        "OpenCompass {0} has other prompts under the same names; the pinned ones are in {OPENCOMPASS}\nhint: scripts/engines opencompass"
    )]
    Version(String),
    /// Files of benchmarks are not there.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Code of the model cannot be kept from the machine.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The model is not served, or no more.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The folder holds something else.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The record cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A path cannot be made absolute.
    #[error("{}: {source}", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Scores a model. `engines` is the folder of the environments that `scripts/engines` made. `None` when it was told to
/// stop; called again with the same plan it goes on from there.
///
/// # Errors
/// When an engine, a file of a benchmark, the sandbox or the model is missing, or the server dies. Benchmarks that fail
/// while the server answers are no error but outcomes of the record.
pub fn evaluate(
    plan: &EvaluationPlan,
    engines: &Path,
    stop: &AtomicBool,
    show: &mut dyn FnMut(&EvaluationProgress),
) -> Result<Option<Evaluation>, EvaluationError> {
    // Everything that can be refused is refused before the model is loaded.
    let engines = absolute(engines)?;
    let folder = absolute(&plan.folder)?;
    let environment = environment(&engines, plan.protocol)?;
    let data = DataCache { folder: absolute(&plan.data.folder)? };
    let files = data.require(&plan.suite)?;
    let sandbox = plan.suite.runs_code().then(Sandbox::find).transpose()?;
    show(&EvaluationProgress::Serving);
    let log = folder.join("logs/server.log");
    let served = match serving::serve(&plan.target, &engines, &plan.serving, &log, stop) {
        Ok(served) => served,
        Err(ServingError::Stopped) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut evaluation = Evaluation {
        suite: Some(plan.suite.clone()),
        data: files,
        packages: served.packages.clone(),
        ..Evaluation::new(served.model.clone(), plan.protocol)
    };
    evaluation.packages.extend(environment.packages.clone());
    record::take(&folder, &evaluation, plan.replace)?;
    let engine = Scorer {
        environment: &environment,
        data: &data,
        sandbox: sandbox.as_ref(),
        folder: &folder,
        asked: Asked {
            url: &served.url,
            model: &served.model.name,
            parallel: plan.serving.parallel,
            context: plan.serving.context,
            reply_limit: plan.suite.reply_limit,
            answer_within: plan.answer_within,
        },
    };
    let score = match plan.protocol {
        ScoringProtocol::OpenCompass => opencompass::score,
        ScoringProtocol::LmEval => lm_eval::score,
    };
    let of = plan.suite.scopes.len();
    // One after the other: each benchmark asks the server as much at a time as it can answer.
    for (index, scope) in plan.suite.scopes.iter().enumerate() {
        let (benchmark, items) = (scope.benchmark, scope.expected_items());
        let mut look = |answered| {
            let place = index + 1;
            show(&EvaluationProgress::Scoring { benchmark, place, of, answered, items });
        };
        let outcome = match score(&engine, scope, stop, &mut look) {
            Ok(Some(scored)) => BenchmarkOutcome::Scored(scored),
            Ok(None) => return Ok(None),
            Err(error) => failure(&error, &served, &folder)?,
        };
        let result = match &outcome {
            BenchmarkOutcome::Scored(scored) => Ok(scored.score),
            BenchmarkOutcome::Failed(reason) => Err(reason.clone()),
        };
        show(&EvaluationProgress::Done { benchmark, result });
        evaluation.benchmarks.insert(benchmark.id().to_owned(), outcome);
    }
    evaluation.write(&folder)?;
    Ok(Some(evaluation))
}

/// The environment of the engine whose protocol this is.
fn environment(engines: &Path, protocol: ScoringProtocol) -> Result<Environment, EvaluationError> {
    let kind = match protocol {
        ScoringProtocol::OpenCompass => EngineKind::OpenCompass,
        ScoringProtocol::LmEval => EngineKind::LmEval,
    };
    let environment = Environment::find(engines, kind)?;
    let version = environment.version("opencompass");
    if kind == EngineKind::OpenCompass && version != OPENCOMPASS {
        return Err(EvaluationError::Version(version.to_owned()));
    }
    Ok(environment)
}

/// A benchmark's failure as an outcome, or an error where the server is the reason: it would fail all that follow.
fn failure(
    error: &BenchmarkError,
    served: &Served,
    folder: &Path,
) -> Result<BenchmarkOutcome, EvaluationError> {
    // Asked once more: an engine that fails because its server is gone does not say so.
    served.ask()?;
    // The record names no folder of this machine; the log has all that the engine said.
    let reason = match error {
        BenchmarkError::Program(ProgramError::Failed { status, said, log, .. }) => {
            let last = said.lines().last().unwrap_or_default();
            let log = log.file_name().unwrap_or_default().to_string_lossy();
            format!("the engine failed ({status}): {last}\nhint: read logs/{log}")
        }
        other => other.to_string(),
    };
    Ok(BenchmarkOutcome::Failed(reason.replace(&folder.display().to_string(), ".")))
}

fn absolute(path: &Path) -> Result<PathBuf, EvaluationError> {
    std::path::absolute(path)
        .map_err(|source| EvaluationError::Path { path: path.to_owned(), source })
}
