//! What LLaMA-Factory writes: `trainer_log.jsonl` while it trains, `trainer_state.json` and `all_results.json` at its end.
//! Python writes `NaN` and `Infinity` into JSON, which no JSON parser takes.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TrainingError::{self, Unusable};
use crate::engine::tail;

/// How far a training is, at one of its logged steps.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingProgress {
    /// Steps of the optimizer that are done, of earlier runs as well.
    pub step: u64,
    /// Of so many.
    pub steps: u64,
    /// Mean loss of a token since the step that was logged before, in nats.
    pub loss: f64,
    /// How long the rest takes at this run's speed; `None` at its first step.
    pub remaining: Option<Duration>,
}

/// A point of the loss curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossPoint {
    /// Step of the optimizer, from 1.
    pub step: u64,
    /// How much of the data was seen by then, in passes.
    pub epoch: f64,
    /// Mean loss of a token since the point before, in nats.
    pub loss: f64,
    /// Rate of this step; with a warm-up, the first one's is 0.
    pub learning_rate: f64,
    /// Length of the gradient before it was clipped; `None` where it overflowed, which fp16 is used to: such a step is
    /// left out.
    pub grad_norm: Option<f64>,
}

/// A number as Python writes it: `NaN` and `Infinity` are numbers too.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum PythonNumber {
    Finite(f64),
    /// What [`quoted`] made of the others.
    Named(NotFinite),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
enum NotFinite {
    NaN,
    Infinity,
    #[serde(rename = "-Infinity")]
    MinusInfinity,
}

impl PythonNumber {
    const fn get(self) -> f64 {
        match self {
            Self::Finite(number) => number,
            Self::Named(NotFinite::NaN) => f64::NAN,
            Self::Named(NotFinite::Infinity) => f64::INFINITY,
            Self::Named(NotFinite::MinusInfinity) => f64::NEG_INFINITY,
        }
    }
}

/// Reads JSON that Python wrote.
pub(super) fn from_python<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(&quoted(text))
}

/// Puts `NaN`, `Infinity` and `-Infinity` between quotes, outside of strings.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(letter) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word));
        if let (false, Some(word)) = (in_string, word) {
            out.extend(["\"", word, "\""]);
            rest = &rest[word.len()..];
            continue;
        }
        // What is escaped is taken along: a quote after a backslash ends no string.
        let escaped = in_string && letter == '\\';
        let taken: usize = rest.chars().take(1 + usize::from(escaped)).map(char::len_utf8).sum();
        in_string ^= letter == '"';
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

/// Follows `trainer_log.jsonl`, which a training appends to; a resumed one repeats steps.
pub(super) struct LogReader {
    path: PathBuf,
    /// Bytes of whole lines that were read.
    read: u64,
    first: Option<(u64, Instant)>,
}

/// A line of the log. The last one has no loss.
#[derive(Deserialize)]
struct LogLine {
    current_steps: u64,
    total_steps: u64,
    loss: Option<PythonNumber>,
}

impl LogReader {
    /// Of lines that are appended from now on.
    pub(super) fn at_end(path: PathBuf) -> Self {
        let read = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { path, read, first: None }
    }

    /// Steps that were logged since the last call. A line that cannot be read is passed over: the log serves to show
    /// progress, and the record is made of `trainer_state.json`.
    pub(super) fn new_steps(&mut self) -> Vec<TrainingProgress> {
        let bytes = tail(&self.path, self.read, u64::MAX);
        // The trainer may be in the middle of a line, which is then read once more.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        text.lines().filter_map(|line| self.step(line)).collect()
    }

    fn step(&mut self, line: &str) -> Option<TrainingProgress> {
        let LogLine { current_steps: step, total_steps: steps, loss } = from_python(line).ok()?;
        let loss = loss?.get();
        // From the first logged step on: what came before it is loading. And of this run alone: LLaMA-Factory's own
        // estimate counts steps of earlier runs, but not their time.
        let (first, since) = *self.first.get_or_insert_with(|| (step, Instant::now()));
        let done = u32::try_from(step.saturating_sub(first)).ok().filter(|done| *done > 0);
        let left = u32::try_from(steps.saturating_sub(step)).ok();
        let remaining = done.zip(left).map(|(done, left)| since.elapsed() / done * left);
        Some(TrainingProgress { step, steps, loss, remaining })
    }
}

/// What a training came to.
#[derive(Debug, PartialEq)]
pub(super) struct TrainingOutcome {
    /// Steps that were made.
    pub(super) steps: u64,
    pub(super) loss: Vec<LossPoint>,
    /// `all_results.json`.
    pub(super) results: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct State {
    global_step: u64,
    max_steps: u64,
    log_history: Vec<StatePoint>,
}

/// An entry of the history; the last one sums the training up and has no loss.
#[derive(Deserialize)]
struct StatePoint {
    step: u64,
    epoch: Option<f64>,
    loss: Option<PythonNumber>,
    learning_rate: Option<f64>,
    grad_norm: Option<PythonNumber>,
}

/// Reads a model folder that LLaMA-Factory has finished. `in_fp16`: whether gradients may overflow now and then.
///
/// # Errors
/// When a file is missing or damaged, the training did not reach its last step, or its loss is no number.
pub(super) fn read_outcome(model: &Path, in_fp16: bool) -> Result<TrainingOutcome, TrainingError> {
    let path = model.join("trainer_state.json");
    let state: State = read(&path)?;
    if state.global_step < state.max_steps {
        let (made, steps) = (state.global_step, state.max_steps);
        return Err(Unusable(format!(
            "the training in {} made {made} of {steps} steps\n\
             hint: run it again; it goes on from its newest checkpoint",
            model.display()
        )));
    }
    let mut loss = Vec::new();
    for point in &state.log_history {
        let Some(value) = point.loss.map(PythonNumber::get) else { continue };
        let grad_norm = point.grad_norm.map(PythonNumber::get);
        let overflowed = grad_norm.is_some_and(|norm| !norm.is_finite());
        if !value.is_finite() || (overflowed && !in_fp16) {
            return Err(TrainingError::LossIsNoNumber { step: point.step });
        }
        loss.push(LossPoint {
            step: point.step,
            epoch: point.epoch.unwrap_or(0.0),
            loss: value,
            learning_rate: point.learning_rate.unwrap_or(0.0),
            grad_norm: grad_norm.filter(|norm| norm.is_finite()),
        });
    }
    let results: BTreeMap<String, PythonNumber> = read(&model.join("all_results.json"))?;
    if !results.get("train_loss").is_some_and(|loss| loss.get().is_finite()) {
        return Err(TrainingError::LossIsNoNumber { step: state.global_step });
    }
    let results = results.into_iter().map(|(name, value)| (name, value.get())).collect();
    Ok(TrainingOutcome { steps: state.global_step, loss, results })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, TrainingError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => TrainingError::missing(path),
        _ => TrainingError::from_io(path)(error),
    })?;
    from_python(&text).map_err(|error| TrainingError::damaged(path, error))
}

#[cfg(test)]
mod tests;
