//! How large the models are that answer each stage of a variant.

use std::collections::BTreeMap;

use gra_llm::model_pool::PoolModel;
use gra_synth::adaptive::Experience;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};
use gra_synth::roles::{Casting, Roles};
use gra_synth::variant::Variant;

use super::CAST_SAMPLE;
use crate::experiment::Experiment;

/// Mean parameters of those who answer a variant's stages, over the first candidates.
pub(super) struct Sizes {
    cast: Vec<Roles>,
    parameters: BTreeMap<ModelName, u64>,
}

impl Sizes {
    pub(super) fn of(experiment: &Experiment, variant: &Variant) -> Self {
        let run_seed = experiment.seeds[0];
        let cast = |number| {
            let candidate = ItemId::Candidate { round: 1, number };
            let experience = &Experience::new();
            let casting = Casting { run_seed, candidate, domain: None, experience };
            Roles::assign(casting, variant, &experiment.members)
        };
        let models = experiment.pool.members_and_teachers();
        let stated = |model: &PoolModel| Some((model.name.clone(), model.parameters?));
        Self {
            cast: (0..CAST_SAMPLE).map(cast).collect(),
            parameters: models.filter_map(stated).collect(),
        }
    }

    /// `None` where one of them does not say how large it is.
    pub(super) fn of_stage(&self, stage: Stage) -> Option<f64> {
        let answering = |roles: &Roles| -> Vec<ModelName> {
            match stage {
                Stage::InstructionReview | Stage::ResponseReview | Stage::ReviewComment => {
                    roles.reviewers.clone()
                }
                Stage::Adjudication => roles.adjudicator.iter().cloned().collect(),
                Stage::Summary => vec![roles.summariser.clone()],
                _ => vec![roles.generator.clone()],
            }
        };
        let models: Vec<ModelName> = self.cast.iter().flat_map(answering).collect();
        let sizes: Vec<u64> = models
            .iter()
            .map(|model| self.parameters.get(model).copied())
            .collect::<Option<_>>()?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let mean = sizes.iter().map(|&size| size as f64).sum::<f64>() / sizes.len() as f64;
        mean.is_finite().then_some(mean)
    }
}
