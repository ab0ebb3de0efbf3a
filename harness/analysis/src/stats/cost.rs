//! What a trial's samples cost: calls, tokens and operations of its rounds per accepted sample
//! ([`crate::compute`]); seed annotation, which every trial of a seed set shares, is left out.

use super::{Subject, Trial};
use crate::compute::{Compute, EngineSeconds, Parameters, Spending, TEACHER_PARAMETERS};
use crate::measure::{Cell, MeasureTable};

const NO_TRIAL: &str = "no trial made it";
const NO_SAMPLES: &str = "nothing was accepted";
const UNSTATED: &str = "a model does not say how many parameters it has";

/// Adds them.
pub(super) fn describe(subjects: &[Subject], table: &mut MeasureTable) {
    let computes: Vec<Option<Compute>> =
        subjects.iter().map(|subject| subject.trial.as_ref().map(compute)).collect();
    let mut push = |name: &str, quantity: fn(Spending) -> Option<f64>| {
        let cell = |compute: &Option<Compute>| {
            let Some(compute) = compute else { return Cell::Inapplicable(NO_TRIAL) };
            let Ok(n) = usize::try_from(compute.samples) else { return Cell::Absent(NO_SAMPLES) };
            if n == 0 {
                return Cell::Absent(NO_SAMPLES);
            }
            #[expect(clippy::cast_precision_loss, reason = "a mean over samples")]
            let each = quantity(compute.rounds().all).map(|total| total / n as f64);
            Cell::exact(each, n, UNSTATED)
        };
        table.push("cost", name, computes.iter().map(cell).collect());
    };
    push("calls per accepted sample", |spent| Some(precise(spent.calls.into())));
    push("prompt tokens per accepted sample", |spent| Some(precise(spent.prompt_tokens.into())));
    push("reply tokens per accepted sample", |spent| Some(precise(spent.reply_tokens.into())));
    push("operations per accepted sample, 1e12", |spent| Some(precise(spent.flop?.total()) / 1e12));
}

fn compute(trial: &Trial) -> Compute {
    let parameters = Parameters::Stated(trial.parameters.clone());
    Compute::of(&trial.facts, &parameters, TEACHER_PARAMETERS, EngineSeconds::new())
}

#[expect(clippy::cast_precision_loss, reason = "a count that is shown with four digits")]
fn precise(count: u128) -> f64 {
    count as f64
}
