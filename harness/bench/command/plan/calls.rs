//! Which calls an experiment asks for, and how many of them are the same.

use std::collections::{BTreeMap, HashSet};

use gra_synth::method::Method;
use gra_synth::request::{ModelName, Stage};
use gra_synth::variant::{Instructions, RoleAssignment, Variant};

use super::Range;
use super::casts::Casts;
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
