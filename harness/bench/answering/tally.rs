//! How many calls of a trial were answered, failed or came back malformed, and when that is too many.
//!
//! Every number is of what the store holds, so that a run that replays stops where the first one did.

use std::collections::BTreeMap;

use gra_synth::form::{self, Malformed};
use gra_synth::request::{Failure, ModelName, Reply, Request, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Failed calls of a stage that a run goes on with, whatever share of the stage they are.
const LEAST_FAILED: u64 = 10;

/// Calls of a model that tell, when all of them have failed, that it answers nothing.
const ENOUGH_FAILED: u64 = 5;

/// Replies of a stage that tell, when all of them are malformed, that the stage cannot succeed.
const ENOUGH_MALFORMED: u64 = 8;

/// Most characters of a malformed reply that a message shows.
const SHOWN: usize = 200;

/// What a run does about calls that fail and replies that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Most failed calls of a stage.
    pub max_failed: MaxFailed,
    /// Whether calls that the store knows as failed are asked again.
    pub retry_failed: bool,
    /// Whether a run goes on when every reply of a stage is malformed.
    pub allow_malformed_stages: bool,
}

/// Most failed calls of a stage; above it a run stops. Written as a share of the stage's calls (`0.05`) or
/// as a number of them (`20`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MaxFailed {
    /// So many.
    Calls(u64),
    /// This share of the stage's calls, and at least ten.
    Share(f64),
}

impl Default for MaxFailed {
    fn default() -> Self {
        Self::Share(0.05)
    }
}

impl MaxFailed {
    /// Whether it is a number of calls, or a share from 0 to 1.
    pub(crate) fn is_usable(self) -> bool {
        match self {
            Self::Calls(_) => true,
            Self::Share(share) => (0.0..=1.0).contains(&share),
        }
    }

    fn of(self, calls: u64) -> u64 {
        match self {
            Self::Calls(calls) => calls,
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts of calls are far below 2^53, the share is from 0 to 1"
            )]
            Self::Share(share) => LEAST_FAILED.max((calls as f64 * share) as u64),
        }
    }
}

/// Why a run stops though an engine goes on answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManyLost {
    /// More calls of a stage failed than `max_failed` allows.
    #[error(
        "{failed} calls of stage {stage} failed, and at most {allowed} may; the last one, of model \
         `{}`, for {}: {}\n  hint: every other reply is saved; the same command (`run` and `synth` with \
         --retry-failed) asks the failed calls again, and `max_failed` in the experiment file allows more \
         of them", last.model, last.failure, last.said
    )]
    Failed {
        /// Of the calls.
        stage: Stage,
        /// So far in this trial.
        failed: u64,
        /// At most.
        allowed: u64,
        /// The last of them.
        last: LastFailure,
    },
    /// A model answered nothing.
    #[error(
        "every call to model `{}` failed, {calls} in a row; the last one for {}: {}\n  \
         hint: `gra-bench doctor` asks the model once; when it answers, the same command (`run` and `synth` \
         with --retry-failed) goes on", last.model, last.failure, last.said
    )]
    Unanswered {
        /// Calls of this trial.
        calls: u64,
        /// The last of them.
        last: LastFailure,
    },
    /// No reply of a stage could be read.
    #[error(
        "every reply of stage {stage} is malformed, {replies} of {replies}; the commonest reason is \
         {reason} ({count} times), as in model `{model}`'s reply: {text}\n  hint: `gra-bench doctor` says \
         whether the pool's replies are held to their form; `allow_malformed_stages = true` in the \
         experiment file lets the run go on and count them"
    )]
    Malformed {
        /// Of the calls.
        stage: Stage,
        /// So far in this trial.
        replies: u64,
        /// The commonest.
        reason: Malformed,
        /// How often.
        count: u64,
        /// Who gave the reply that is shown.
        model: ModelName,
        /// The reply's beginning.
        text: String,
    },
}

/// The last of several failed calls, for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// Whose.
    pub model: ModelName,
    /// Its reason.
    pub failure: Failure,
    /// The engine's words.
    pub said: String,
}

#[derive(Clone, Debug, Default)]
struct StageTally {
    /// Asked, answered or not.
    calls: u64,
    failed: u64,
    last_failed: Option<LastFailure>,
    readable: u64,
    /// By reason: how many, and the first of them.
    malformed: BTreeMap<Malformed, (u64, ModelName, String)>,
}

#[derive(Clone, Debug, Default)]
struct ModelTally {
    answered: u64,
    failed: u64,
    last_failed: Option<LastFailure>,
}

/// The counts of a trial, or of other work.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    stages: BTreeMap<Stage, StageTally>,
    models: BTreeMap<ModelName, ModelTally>,
}

impl Tally {
    /// Counts the calls of a step before they are answered.
    pub(super) fn expect(&mut self, requests: &[Request]) {
        for request in requests {
            self.stages.entry(request.id.stage).or_default().calls += 1;
        }
    }

    /// Counts answered calls. `scores_alone`: the comment behind a reply's scores is not read.
    pub(super) fn count(&mut self, request: &Request, reply: &Reply, scores_alone: bool) {
        let stage = self.stages.entry(request.id.stage).or_default();
        let model = self.models.entry(request.model.clone()).or_default();
        // A failed call has no reply to read, so it is neither readable nor malformed.
        if let Some(failure) = reply.failure() {
            let said = shortened(&reply.text);
            let last = LastFailure { model: request.model.clone(), failure, said };
            stage.failed += 1;
            stage.last_failed = Some(last.clone());
            model.failed += 1;
            model.last_failed = Some(last);
            return;
        }
        model.answered += 1;
        match form::check(request, reply, scores_alone) {
            Ok(()) => stage.readable += 1,
            Err(reason) => {
                let first = || (0, request.model.clone(), reply.text.clone());
                stage.malformed.entry(reason).or_insert_with(first).0 += 1;
            }
        }
    }

    /// Whether all calls of a model have failed, or too many of a stage.
    pub(super) fn check_failed(&self, max_failed: MaxFailed) -> Result<(), TooManyLost> {
        // Models before stages: one that answers nothing is why a stage has too many failures.
        for tally in self.models.values() {
            if let (0, ENOUGH_FAILED.., Some(last)) =
                (tally.answered, tally.failed, &tally.last_failed)
            {
                return Err(TooManyLost::Unanswered { calls: tally.failed, last: last.clone() });
            }
        }
        for (&stage, tally) in &self.stages {
            let (failed, allowed) = (tally.failed, max_failed.of(tally.calls));
            if let (true, Some(last)) = (failed > allowed, &tally.last_failed) {
                return Err(TooManyLost::Failed { stage, failed, allowed, last: last.clone() });
            }
        }
        Ok(())
    }

    /// Whether a stage that has ended has any reply that could be read.
    pub(super) fn check_readable(&self, stage: Stage) -> Result<(), TooManyLost> {
        let Some(tally) = self.stages.get(&stage) else { return Ok(()) };
        let replies: u64 = tally.malformed.values().map(|(count, ..)| count).sum();
        // A few malformed replies may be chance; one that can be read shows that the stage works.
        if tally.readable > 0 || replies < ENOUGH_MALFORMED {
            return Ok(());
        }
        // Of reasons that are as common, the first of the list.
        let common = tally.malformed.iter().rev().max_by_key(|(_, (count, ..))| *count);
        let Some((reason, (count, model, text))) = common else { return Ok(()) };
        let (reason, count, model) = (*reason, *count, model.clone());
        Err(TooManyLost::Malformed {
            stage,
            replies,
            reason,
            count,
            model,
            text: format!("{:?}", shortened(text)),
        })
    }
}

/// The beginning of a text.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ..", &text[..end]),
        None => text.to_owned(),
    }
}
