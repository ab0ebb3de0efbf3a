//! What is done when an engine fails on a chunk: its calls are asked one at a time, so that the call that
//! it fails on is found and the others are answered.

use std::slice;

use gra_synth::request::{Failure, Reply, Request};

use crate::engine::{ChunkProgress, EngineError, EngineResult, Watch};

/// So many failed calls one after the other are the model's failure, not the calls': each may take a load
/// of the model.
const MOST_IN_A_ROW: u32 = 3;

/// Answers a chunk that failed with `error`, one call at a time. `answered_before`: whether the model has
/// answered anything, so that a chunk of one call can tell whose failure it is.
///
/// # Errors
/// When the failure is not of a kind that one call can cause, or no call of the chunk was answered and
/// nothing before, or several calls in a row failed.
pub(super) fn one_by_one(
    chunk: &[Request],
    error: EngineError,
    answered_before: bool,
    mut ask: impl FnMut(&[Request], &mut Watch<'_>) -> EngineResult<Vec<Reply>>,
    watch: &mut Watch<'_>,
) -> EngineResult<Vec<Reply>> {
    let Some(failed) = failed_call(&error) else { return Err(error) };
    if let [_] = chunk {
        return if answered_before { Ok(vec![failed]) } else { Err(error) };
    }
    let (mut replies, mut in_a_row, mut answered) = (Vec::new(), 0, answered_before);
    let mut before = ChunkProgress::default();
    for request in chunk {
        let mut last = ChunkProgress::default();
        let reply = ask(slice::from_ref(request), &mut |so_far| {
            last = so_far;
            // Slots are counted once, below: calls follow each other.
            watch([before, ChunkProgress { slots: 0, ..so_far }].into_iter().sum());
        });
        match reply {
            Ok(reply) => {
                (in_a_row, answered) = (0, true);
                replies.extend(reply);
            }
            Err(alone) => {
                let Some(failed) = failed_call(&alone) else { return Err(alone) };
                in_a_row += 1;
                if in_a_row == MOST_IN_A_ROW {
                    return Err(error);
                }
                replies.push(failed);
            }
        }
        before = [before, last].into_iter().sum();
        before = ChunkProgress { replies: replies.len(), slots: 1, ..before };
        watch(before);
    }
    if answered { Ok(replies) } else { Err(error) }
}

/// The record of a call that the engine failed on in this way; `None` where the way concerns every call.
fn failed_call(error: &EngineError) -> Option<Reply> {
    match error {
        EngineError::Evaluation { reason, .. } => {
            Some(Reply::failed(Failure::Evaluation, reason.clone()))
        }
        EngineError::Crashed { ending, said, .. } => {
            Some(Reply::failed(Failure::Crash, format!("{ending}{said}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gra_synth::pool::ItemId;
    use gra_synth::request::{
        ModelName, Portion, Prompt, RequestId, Sampling, ScoreReading, Stage,
    };
    use gra_synth::shape::Shape;

    use super::*;
    use crate::scripted::complete_reply;

    fn evaluation() -> EngineError {
        EngineError::Evaluation { model: "model".to_owned(), reason: "return code -3".to_owned() }
    }

    /// Five calls, of which these fail. Which of the replies are failed, or the error.
    fn isolate(
        failing: &[u64],
        error: EngineError,
        before: bool,
    ) -> Result<Vec<bool>, EngineError> {
        let request = |seed| Request {
            id: RequestId { subject: ItemId::Seed(0), stage: Stage::Summary, seat: 0, attempt: 0 },
            model: ModelName::new("model"),
            prompt: Prompt { role: "Role.".into(), sample: String::new() },
            shape: Shape::free(),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sampling: Sampling::default(),
            max_tokens: 8,
            seed,
        };
        let chunk: Vec<Request> = (0..5).map(request).collect();
        let ask = |call: &[Request], watch: &mut Watch<'_>| {
            assert_eq!(call.len(), 1);
            if failing.contains(&call[0].seed) {
                return Err(evaluation());
            }
            watch(ChunkProgress { replies: 1, slots: 1, ..ChunkProgress::default() });
            Ok(vec![complete_reply("", call[0].seed.to_string())])
        };
        let mut last = ChunkProgress::default();
        let replies = one_by_one(&chunk, error, before, ask, &mut |so_far| last = so_far)?;
        assert_eq!(last.replies, 5);
        for (request, reply) in chunk.iter().zip(&replies) {
            assert!(reply.failure().is_some() || reply.text == request.seed.to_string());
        }
        Ok(replies.iter().map(|reply| reply.failure() == Some(Failure::Evaluation)).collect())
    }

    #[test]
    fn the_calls_that_fail_alone_are_failed_and_the_others_answered() {
        assert_eq!(isolate(&[3], evaluation(), false).unwrap(), [false, false, false, true, false]);
        assert_eq!(
            isolate(&[0, 1], evaluation(), false).unwrap(),
            [true, true, false, false, false]
        );
        assert_eq!(isolate(&[], evaluation(), false).unwrap(), [false; 5]);
    }

    #[test]
    fn what_is_no_calls_failure_stays_an_error() {
        let in_a_row = isolate(&[1, 2, 3], evaluation(), true);
        assert!(matches!(in_a_row, Err(EngineError::Evaluation { .. })), "{in_a_row:?}");
        let unusable = EngineError::Unusable { model: "model".to_owned(), reason: String::new() };
        let unusable = isolate(&[], unusable, true);
        assert!(matches!(unusable, Err(EngineError::Unusable { .. })), "{unusable:?}");
    }
}
