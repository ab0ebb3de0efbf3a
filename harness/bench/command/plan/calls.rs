//! Which calls an experiment asks for, how many of them are the same, and which models answer them.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use gra_synth::candidate::Roles;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};
use gra_synth::roles::{Experience, RoleDraw};
use gra_synth::variant::{Instructions, RoleAssignment, Variant};

use super::Range;
use crate::experiment::Experiment;

/// Candidates whose roles are looked at.
const CAST_SAMPLE: u32 = 1000;

/// The stages of a candidate that goes all the way, with how often each asks.
pub(super) fn stages(variant: &Variant, method: &Method) -> Vec<(Stage, u64)> {
    let reviews = u64::from(variant.reviews());
    let new = u64::from(variant.instructions == Instructions::New);
    let settled = u64::from(variant.has_adjudicator());
    // The adjudicator reads comments; where replies wait with them, they are asked for first.
    let comments = if method.comments_wait() { reviews * settled } else { 0 };
    let stages = [
        (Stage::Keywords, new),
        (Stage::Instruction, new),
        (Stage::InstructionReview, reviews),
        (Stage::Response, 1),
        (Stage::ResponseReview, reviews),
        (Stage::ReviewComment, comments),
        (Stage::Adjudication, settled),
        (Stage::Summary, new),
    ];
    stages.into_iter().filter(|(_, asks)| *asks > 0).collect()
}

/// How many candidates a trial draws: one per seed item where the instructions are the seed set's.
pub(super) fn candidates(variant: &Variant, experiment: &Experiment) -> Range {
    let Method { target, cap, rounds, samples, .. } = experiment.method_of(variant);
    let items = experiment.seed_set.items.len() as u64;
    match variant.instructions {
        Instructions::New => {
            let all =
                Range { least: target.min(cap).into(), most: cap.into() }.times(rounds.into());
            Range { least: all.least.min(samples.map_or(u64::MAX, u64::from)), ..all }
        }
        Instructions::Seed => Range { least: items, most: items },
    }
}

/// Whether a stage asks about disputes alone.
pub(super) fn is_of_disputes(stage: Stage) -> bool {
    matches!(stage, Stage::ReviewComment | Stage::Adjudication)
}

/// Share of the variants' calls in their first round that differ, over the first candidates.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(super) fn paid_share(experiment: &Experiment, casts: &mut Casts<'_>) -> f64 {
    let items = u32::try_from(experiment.seed_set.items.len()).unwrap_or(u32::MAX);
    let everyone = experiment.members.iter().chain(&experiment.teachers);
    let places: BTreeMap<&ModelName, usize> =
        everyone.enumerate().map(|(place, member)| (&member.name, place)).collect();
    let place = |model: &ModelName| places.get(model).copied();
    // Variants that draw alike and ask alike make the same calls: they are counted, and looked at once.
    let mut alike: BTreeMap<(String, &str), (usize, &Variant)> = BTreeMap::new();
    for variant in &experiment.variants {
        // What roles adaptive variants draw is not known, nor what such a variant shares: nothing, then.
        let learnt = if variant.roles == RoleAssignment::Adaptive { &variant.name } else { "" };
        let Variant { instructions, score_reading, .. } = variant;
        let prompts = &experiment.prompts_of(variant).sha256;
        let cap = experiment.method_of(variant).cap;
        let kind = Casts::kind(variant);
        let kind = format!("{kind} {instructions:?} {score_reading:?} {prompts} {cap}");
        alike.entry((kind, learnt)).or_insert((0, variant)).0 += 1;
    }
    // A call is known by what its key would hash: all that can make two calls two.
    let mut asked = 0;
    let mut distinct = HashSet::new();
    for ((_, learnt), (count, variant)) in &alike {
        let (round, most, written) = match variant.instructions {
            Instructions::New => (
                1,
                experiment.method_of(variant).cap,
                &[Stage::Keywords, Stage::Instruction, Stage::Response][..],
            ),
            Instructions::Seed => (0, items, &[Stage::Response][..]),
        };
        let cast = casts.of_round(variant, round);
        let prompts = experiment.prompts_of(variant);
        let reworded = |stage| !prompts.set.asks_alike(&experiment.prompts.set, stage);
        for (number, roles) in (0..most).zip(cast.iter()) {
            let mut ask = |stage, writer: Option<&ModelName>, model, repeat| {
                asked += count;
                let models = (writer.map(place), place(model));
                // The same reviewer of the same generator's candidate makes the same call, unless its
                // scores are read in another way.
                let reading = (stage == Stage::ResponseReview).then_some(variant.score_reading);
                // Another wording makes other calls, and of what is written with it all that follow.
                let follows = written.iter().any(|&writes| writes < stage && reworded(writes));
                let wording = (follows || reworded(stage)).then_some(&prompts.sha256);
                distinct.insert((learnt, round, number, stage, models, reading, repeat, wording));
            };
            for &stage in written {
                ask(stage, None, &roles.generator, 0);
            }
            let writer = Some(&roles.generator);
            for (seat, reviewer) in roles.reviewers.iter().enumerate() {
                let repeat = roles.reviewers[..seat].iter().filter(|r| *r == reviewer).count();
                ask(Stage::InstructionReview, writer, reviewer, repeat);
                ask(Stage::ResponseReview, writer, reviewer, repeat);
            }
            if variant.instructions == Instructions::New {
                ask(Stage::Summary, writer, &roles.summariser, 0);
            }
        }
    }
    if asked == 0 { 1.0 } else { distinct.len() as f64 / asked as f64 }
}

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
                // What adaptive roles learn from is not known before a run: they are drawn as in its first wave.
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

/// Mean parameters of those who answer a variant's stages, over the first candidates.
pub(super) struct Sizes<'a> {
    cast: Rc<[Roles]>,
    parameters: &'a BTreeMap<ModelName, u64>,
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
