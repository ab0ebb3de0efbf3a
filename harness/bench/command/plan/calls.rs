//! Which calls an experiment asks for, and how many of them are the same.

use std::collections::BTreeSet;

use gra_synth::adaptive::Experience;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Stage};
use gra_synth::roles::{Casting, Roles};
use gra_synth::variant::{Instructions, RoleAssignment, Variant};

use super::CAST_SAMPLE;
use super::Range;
use crate::experiment::Experiment;

/// The stages of a candidate that goes all the way, with how often each asks.
pub(super) fn stages(variant: &Variant, method: &Method) -> Vec<(Stage, u64)> {
    let reviews = u64::from(variant.reviews());
    let new = variant.instructions == Instructions::New;
    let mut stages = Vec::new();
    if new {
        stages.extend([(Stage::Keywords, 1), (Stage::Instruction, 1)]);
    }
    if reviews > 0 {
        stages.push((Stage::InstructionReview, reviews));
    }
    stages.push((Stage::Response, 1));
    if reviews > 0 {
        stages.push((Stage::ResponseReview, reviews));
    }
    if variant.has_adjudicator() {
        if method.comments_wait() {
            stages.push((Stage::ReviewComment, reviews));
        }
        stages.push((Stage::Adjudication, 1));
    }
    if new {
        stages.push((Stage::Summary, 1));
    }
    stages
}

/// How many candidates a trial draws: one per seed item where the instructions are the seed set's.
pub(super) fn candidates(variant: &Variant, experiment: &Experiment) -> Range {
    let Method { target, cap, rounds, .. } = experiment.method;
    let items = experiment.seed_set.items.len() as u64;
    match variant.instructions {
        Instructions::New => {
            Range { least: target.min(cap).into(), most: cap.into() }.times(rounds.into())
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
pub(super) fn paid_share(experiment: &Experiment) -> f64 {
    let (mut asked, run_seed) = (0_usize, experiment.seeds[0]);
    let mut distinct: BTreeSet<(&str, ItemId, Stage, ModelName, usize)> = BTreeSet::new();
    let items = u32::try_from(experiment.seed_set.items.len()).unwrap_or(u32::MAX);
    for variant in &experiment.variants {
        let (round, most, written) = match variant.instructions {
            Instructions::New => (
                1,
                experiment.method.cap,
                &[Stage::Keywords, Stage::Instruction, Stage::Response][..],
            ),
            Instructions::Seed => (0, items, &[Stage::Response][..]),
        };
        // Whom adaptive roles fall to is not known, nor what such a variant shares: nothing, then.
        let learnt = if variant.roles == RoleAssignment::Adaptive { &variant.name } else { "" };
        for number in 0..most.min(CAST_SAMPLE) {
            let id = ItemId::Candidate { round, number };
            let casting =
                Casting { run_seed, candidate: id, domain: None, experience: &Experience::new() };
            let roles = Roles::assign(casting, variant, &experiment.members);
            let mut ask = |stage, model: &ModelName, repeat| {
                asked += 1;
                distinct.insert((learnt, id, stage, model.clone(), repeat));
            };
            for &stage in written {
                ask(stage, &roles.generator, 0);
            }
            for (seat, reviewer) in roles.reviewers.iter().enumerate() {
                let repeat = roles.reviewers[..seat].iter().filter(|r| *r == reviewer).count();
                // The same reviewer of the same generator's candidate makes the same call, unless its
                // scores are read in another way.
                let who = format!("{} {reviewer}", roles.generator);
                let read = format!("{who} {:?}", variant.score_reading);
                ask(Stage::InstructionReview, &ModelName::new(&who), repeat);
                ask(Stage::ResponseReview, &ModelName::new(&read), repeat);
            }
            if variant.instructions == Instructions::New {
                let writer = format!("{} {}", roles.generator, roles.summariser);
                ask(Stage::Summary, &ModelName::new(&writer), 0);
            }
        }
    }
    if asked == 0 { 1.0 } else { distinct.len() as f64 / asked as f64 }
}
