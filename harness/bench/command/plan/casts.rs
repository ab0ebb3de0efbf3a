//! The roles of an experiment's first candidates.

use std::collections::BTreeMap;
use std::rc::Rc;

use gra_synth::adaptive::Experience;
use gra_synth::candidate::Roles;
use gra_synth::pool::ItemId;
use gra_synth::roles::RoleDraw;
use gra_synth::variant::Variant;

use super::CAST_SAMPLE;
use crate::experiment::Experiment;

/// Roles of the first candidates, drawn once for all variants that draw alike.
pub(super) struct Casts<'a> {
    experiment: &'a Experiment,
    drawn: BTreeMap<(String, u32), Rc<[Roles]>>,
}

impl<'a> Casts<'a> {
    pub(super) fn new(experiment: &'a Experiment) -> Self {
        Self { experiment, drawn: BTreeMap::new() }
    }

    /// What decides the roles of a variant, beside candidate and run seed.
    pub(super) fn kind(variant: &Variant) -> String {
        let Variant { roles, reviewers, .. } = variant;
        format!("{roles:?} {reviewers:?} {}", variant.has_adjudicator())
    }

    /// The roles of a round's first candidates under the first run seed.
    pub(super) fn of_round(&mut self, variant: &Variant, round: u32) -> Rc<[Roles]> {
        let key = (Self::kind(variant), round);
        if let Some(known) = self.drawn.get(&key) {
            return Rc::clone(known);
        }
        let cast = |number| {
            let draw = RoleDraw {
                run_seed: self.experiment.seeds[0],
                candidate: ItemId::Candidate { round, number },
                domain: None,
                experience: &Experience::default(),
                variant,
                members: &self.experiment.members,
            };
            draw.assign()
        };
        let drawn: Rc<[Roles]> = (0..CAST_SAMPLE).map(cast).collect();
        self.drawn.insert(key, Rc::clone(&drawn));
        drawn
    }
}
