//! Which calls an experiment asks for, how many of them are the same, which models answer them, and what they take.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use gra_synth::candidate::Roles;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, ScoreReading, Stage};
use gra_synth::roles::{Experience, RoleDraw};
use gra_synth::step;
use gra_synth::variant::{Instructions, RoleAssignment, Variant};

use super::{Range, VariantPlan};
use crate::evidence::parameters;
use crate::experiment::Experiment;
use crate::overwrite;
use crate::store::{Rate, Store};
use crate::trial::TrialId;

/// Characters of English prompt text per token, roughly.
const CHARS_PER_TOKEN: usize = 4;

/// Candidates whose roles are looked at.
const CAST_SAMPLE: u32 = 1000;

/// The stages of a candidate that goes all the way, with how often each asks.
fn stages(variant: &Variant, method: &Method) -> Vec<(Stage, u64)> {
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
fn is_of_disputes(stage: Stage) -> bool {
    matches!(stage, Stage::ReviewComment | Stage::Adjudication)
}

/// A call of a first round by all that its key would hash: what is the same here is one call.
#[derive(PartialEq, Eq, Hash)]
struct FirstCall<'a> {
    /// What roles an adaptive variant draws is not known, nor what it shares: nothing, then.
    learnt: Option<&'a str>,
    candidate: (u32, u32),
    stage: Stage,
    writer: Option<&'a ModelName>,
    model: &'a ModelName,
    repeat: usize,
    /// The same reviewer of the same generator's candidate makes the same call, unless its scores are read in
    /// another way.
    reading: Option<ScoreReading>,
    /// Another wording makes other calls, and of what is written with it all that follow.
    wording: Option<&'a str>,
}

/// Share of the variants' calls in their first round that differ, over the first candidates.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(super) fn paid_share(experiment: &Experiment) -> f64 {
    // Variants that draw alike and ask alike make the same calls: they are counted, and looked at once.
    let mut alike: BTreeMap<String, (usize, &Variant)> = BTreeMap::new();
    for variant in &experiment.variants {
        let Variant { roles, reviewers, instructions, score_reading, .. } = variant;
        let (settled, learnt) = (variant.has_adjudicator(), learnt(variant));
        let prompts = &experiment.prompts_of(variant).sha256;
        let cap = experiment.method_of(variant).cap;
        let kind = format!("{roles:?} {reviewers:?} {settled} {instructions:?} {score_reading:?}");
        alike.entry(format!("{kind} {prompts} {cap} {learnt:?}")).or_insert((0, variant)).0 += 1;
    }
    let groups = alike.into_values().map(|(count, variant)| {
        let round = u32::from(variant.instructions == Instructions::New);
        (count, variant, cast(experiment, variant, round))
    });
    let groups: Vec<(usize, &Variant, Vec<Roles>)> = groups.collect();
    let (mut asked, mut distinct) = (0, HashSet::new());
    for (count, variant, cast) in &groups {
        let calls = first_calls(experiment, variant, cast);
        asked += count * calls.len();
        distinct.extend(calls);
    }
    // Without calls none is shared.
    if asked == 0 { 1.0 } else { distinct.len() as f64 / asked as f64 }
}

/// The variant's name where its roles are learnt during the run.
pub(super) fn learnt(variant: &Variant) -> Option<&str> {
    (variant.roles == RoleAssignment::Adaptive).then_some(variant.name.as_str())
}

/// The calls of a variant's first round with these roles, as far as it goes without a dispute.
fn first_calls<'a>(
    experiment: &'a Experiment,
    variant: &'a Variant,
    cast: &'a [Roles],
) -> Vec<FirstCall<'a>> {
    let items = u32::try_from(experiment.seed_set.items.len()).unwrap_or(u32::MAX);
    let is_new = variant.instructions == Instructions::New;
    let (round, most, written) = if is_new {
        let written = &[Stage::Keywords, Stage::Instruction, Stage::Response][..];
        (1, experiment.method_of(variant).cap, written)
    } else {
        (0, items, &[Stage::Response][..])
    };
    let prompts = experiment.prompts_of(variant);
    let reworded = |stage| !prompts.set.asks_alike(&experiment.prompts.set, stage);
    let mut calls = Vec::new();
    for (number, roles) in (0..most).zip(cast) {
        let mut ask = |stage, writer, model, repeat| {
            let follows = written.iter().any(|&writes| writes < stage && reworded(writes));
            calls.push(FirstCall {
                learnt: learnt(variant),
                candidate: (round, number),
                stage,
                writer,
                model,
                repeat,
                reading: (stage == Stage::ResponseReview).then_some(variant.score_reading),
                wording: (follows || reworded(stage)).then_some(&prompts.sha256),
            });
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
        if is_new {
            ask(Stage::Summary, writer, &roles.summariser, 0);
        }
    }
    calls
}

/// The roles of a round's first candidates under the first run seed.
fn cast(experiment: &Experiment, variant: &Variant, round: u32) -> Vec<Roles> {
    let cast = |number| {
        let draw = RoleDraw {
            run_seed: experiment.seeds[0],
            candidate: ItemId::Candidate { round, number },
            // What adaptive roles learn from is not known before a run: they are drawn as in its first wave.
            domain: None,
            experience: &Experience::default(),
            variant,
            members: &experiment.members,
        };
        draw.assign()
    };
    (0..CAST_SAMPLE).map(cast).collect()
}

/// Mean parameters of the models that answer a stage; `None` where one of them does not say how large it is.
fn mean_parameters(
    cast: &[Roles],
    stage: Stage,
    parameters: &BTreeMap<ModelName, u64>,
) -> Option<f64> {
    let (mut answering, mut sum) = (0_u32, 0.0);
    for roles in cast {
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
            let size = *parameters.get(model)? as f64;
            sum += size;
        }
    }
    (answering > 0).then(|| sum / f64::from(answering))
}

/// What the calls of each stage have cost. Where there was no dispute yet, one is reckoned like a review.
fn rates(store: &Store) -> Result<BTreeMap<Stage, Rate>> {
    let mut rates = BTreeMap::new();
    for stage in Stage::ALL {
        let mut rate = store.rate(stage)?;
        if rate.is_none() && is_of_disputes(stage) {
            rate = store.rate(Stage::ResponseReview)?;
        }
        rates.extend(rate.map(|rate| (stage, rate)));
    }
    Ok(rates)
}

/// What the variants' calls take, added up stage by stage.
pub(super) struct Estimate<'a> {
    experiment: &'a Experiment,
    rates: BTreeMap<Stage, Rate>,
    parameters: BTreeMap<ModelName, u64>,
    /// Trials that ask for nothing again.
    pub(super) finished: Vec<TrialId>,
    pub(super) calls: Range,
    pub(super) reply: Range,
    pub(super) prompt: Range,
    /// Least and most; not known where it is not of one of the stages.
    seconds: Option<(f64, f64)>,
    pub(super) operations: Option<(f64, f64)>,
}

impl<'a> Estimate<'a> {
    /// Of no calls yet.
    pub(super) fn new(experiment: &'a Experiment, store: Option<&Store>) -> Result<Self> {
        let finished = store.map(|store| overwrite::finished_as_planned(experiment, store));
        Ok(Self {
            experiment,
            rates: store.map(rates).transpose()?.unwrap_or_default(),
            parameters: parameters(&experiment.pool),
            finished: finished.transpose()?.unwrap_or_default(),
            calls: Range::NONE,
            reply: Range::NONE,
            prompt: Range::NONE,
            seconds: Some((0.0, 0.0)),
            operations: Some((0.0, 0.0)),
        })
    }

    pub(super) fn add(&mut self, variant: &Variant) -> VariantPlan {
        let seeds = self.experiment.seeds.len() as u64;
        let stages = stages(variant, &self.experiment.method);
        let candidates = candidates(variant, self.experiment);
        let every: u64 = stages.iter().map(|(_, n)| n).sum();
        // A candidate that is accepted without dispute needs no adjudicator.
        let without = stages.iter().filter(|(stage, _)| !is_of_disputes(*stage));
        let plain: u64 = without.map(|(_, n)| n).sum();
        let calls = Range { least: candidates.least * plain, most: candidates.most * every };
        self.calls = self.calls.plus(calls.times(seeds));
        // Of round 1, whose roles are known; later rounds draw from the same members.
        let cast = cast(self.experiment, variant, 1);
        for (stage, asks) in stages {
            let size = mean_parameters(&cast, stage, &self.parameters);
            self.add_stage(variant, stage, candidates.times(asks * seeds), size);
        }
        let name = variant.name.clone();
        VariantPlan { name, candidates, calls_per_candidate: every, calls }
    }

    /// `calls`: so many where every candidate goes all the way. `size`: mean parameters of those who answer.
    fn add_stage(&mut self, variant: &Variant, stage: Stage, calls: Range, size: Option<f64>) {
        let experiment = self.experiment;
        let done = self.finished.iter().filter(|trial| trial.variant == variant.name).count();
        let open = open_share(done, experiment.seeds.len() as u64);
        let thought = experiment.members.iter().map(|member| member.thought_tokens).max();
        let thought = thought.unwrap_or_default();
        let limit = step::max_tokens_with_thought(stage, &experiment.method, thought).into();
        let prompts = &experiment.prompts_of(variant).set;
        let role = prompts.prompt(stage, String::new()).role.len() / CHARS_PER_TOKEN;
        let rate = self.rates.get(&stage).copied();
        // Before a stage has run, a reply counts with its whole budget and a prompt with its role alone.
        let mean = |total: u64, n: u64| total.div_ceil(n.max(1));
        let typical = rate.map_or(limit, |rate| mean(rate.reply_tokens, rate.calls));
        let read = rate.map_or(role as u64, |rate| mean(rate.prompt_tokens, rate.calls));
        let Range { least, most } = calls;
        let least = if is_of_disputes(stage) { 0 } else { least };
        self.reply = self.reply.plus(Range { least: least * typical, most: most * limit });
        self.prompt = self.prompt.plus(Range { least, most }.times(read));
        // A forward pass: two operations per parameter and token (Kaplan et al. 2020, section 2.1).
        self.operations = self.operations.zip(size).map(|((few, many), size)| {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let of = |calls: u64, tokens: u64| 2.0 * size * (calls * tokens) as f64;
            (few + of(least, read + typical), many + of(most, read + limit))
        });
        self.seconds = self.seconds.zip(rate).map(|((few, many), rate)| {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let [calls, least, most] = [rate.calls.max(1), least, most].map(|n| n as f64);
            // Trials that are finished take no time; their calls are counted above all the same.
            let each = rate.seconds / calls;
            (few + least * each * open, many + most * each * open)
        });
    }

    /// Least and most hours, and what they assume. `open`: share of the trials that must still be run.
    pub(super) fn hours(
        &self,
        tokens_per_second: Option<f64>,
        paid_share: f64,
        open: f64,
    ) -> (Option<(f64, f64)>, String) {
        // What the user says of the machine goes before what the store has seen.
        if let Some(rate) = tokens_per_second {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let hours = |tokens: u64| tokens as f64 * paid_share * open / rate / 3600.0;
            let Range { least, most } = self.reply;
            return (Some((hours(least), hours(most))), format!("{rate} reply tokens/s"));
        }
        let assumed = match self.seconds {
            Some(_) => "what the store's finished chunks took per call of each stage",
            None => "unknown: give --tokens-per-second, or run a small experiment first",
        };
        let hours = |seconds: f64| seconds * paid_share / 3600.0;
        (self.seconds.map(|(least, most)| (hours(least), hours(most))), assumed.to_owned())
    }
}

/// Share of so many trials that must still be run.
pub(super) fn open_share(done: usize, all: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of trials")]
    let share = 1.0 - done as f64 / all.max(1) as f64;
    share.max(0.0)
}
