//! How large the models are that answer each stage of a variant.

use std::collections::BTreeMap;
use std::rc::Rc;

use gra_synth::candidate::Roles;
use gra_synth::request::{ModelName, Stage};
use gra_synth::variant::Variant;

use super::casts::Casts;
use crate::experiment::Experiment;

/// Mean parameters of those who answer a variant's stages, over the first candidates.
pub(super) struct Sizes<'a> {
    cast: Rc<[Roles]>,
    parameters: &'a BTreeMap<ModelName, u64>,
}

/// Parameters of every model that states them.
pub(super) fn parameters(experiment: &Experiment) -> BTreeMap<ModelName, u64> {
    let models = experiment.pool.members_and_teachers();
    models.filter_map(|model| Some((model.name.clone(), model.parameters?))).collect()
}

impl<'a> Sizes<'a> {
    pub(super) fn new(
        casts: &mut Casts<'_>,
        variant: &Variant,
        parameters: &'a BTreeMap<ModelName, u64>,
    ) -> Self {
        Self { cast: casts.of_round(variant, 1), parameters }
    }

    /// `None` where one of them does not say how large it is.
    pub(super) fn of_stage(&self, stage: Stage) -> Option<f64> {
        let (mut answering, mut sum) = (0_u32, 0.0);
        for roles in &*self.cast {
            let models = match stage {
                Stage::InstructionReview | Stage::ResponseReview | Stage::ReviewComment => {
                    roles.reviewers.as_slice()
                }
                Stage::Adjudication => roles.adjudicator.as_slice(),
                Stage::Summary => std::slice::from_ref(&roles.summariser),
                _ => std::slice::from_ref(&roles.generator),
            };
            for model in models {
                answering += 1;
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let size = *self.parameters.get(model)? as f64;
                sum += size;
            }
        }
        (answering > 0).then(|| sum / f64::from(answering))
    }
}
