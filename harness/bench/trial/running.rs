//! Runs one trial: annotates the seed set where new instructions are made, runs the rounds, records the facts.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use gra_analysis::trial::TrialFacts;
use gra_synth::annotate::{Annotate, Annotated, AnnotatedSeed, as_brought};
use gra_synth::pool::Pool;
use gra_synth::request::ModelName;
use gra_synth::round::{Round, Setting};
use gra_synth::step::Asker;
use gra_synth::variant::{Instructions, Variant};

use super::TrialRecord;
use crate::answering::{Answering, Asking, Paid, Thoughts};
use crate::experiment::Experiment;

/// What a trial made, and what that took.
#[derive(Debug)]
pub struct CompletedTrial {
    /// What determined it.
    pub record: TrialRecord,
    /// The annotated seed set.
    pub seeds: Vec<AnnotatedSeed>,
    /// Every candidate of every round and every call, in the order of the method.
    pub facts: TrialFacts,
    /// How much of the replies was thought, by model; empty where none was.
    pub thoughts: BTreeMap<ModelName, Thoughts>,
    /// What it cost this time.
    pub paid: Paid,
    /// Wall-clock seconds of this time.
    pub seconds: f64,
}

/// Runs a trial of a variant to its end. What the store already knows is not asked again.
///
/// # Errors
/// When the engine or the store fails, no domain has examples, or the run was interrupted.
pub fn run(
    experiment: &Experiment,
    variant: &Variant,
    record: TrialRecord,
    answering: &mut Answering<'_>,
) -> Result<CompletedTrial> {
    let Experiment { members, teachers, .. } = experiment;
    let method = &experiment.method_of(variant);
    let prompts = &experiment.prompts_of(variant).set;
    let (items, id) = (&experiment.seed_set.items, &record.id);
    let started = Instant::now();
    let row = answering.store().begin_trial(&record)?;
    answering.next_trial();
    let wanted = method.samples.filter(|_| variant.instructions == Instructions::New);
    answering.progress().begin_trial(id, method.rounds, wanted);
    let asking = Asking::Trial { id, row };

    let asker = Asker { run_seed: id.seed, method, prompts };
    let Annotated { seeds, mut pool } = annotated(experiment, variant, asker, asking, answering)?;
    answering.store().record_seeds(row, items, &seeds)?;

    let setting = Setting { asker, variant, members, teachers };
    let mut candidates = Vec::new();
    let rounds = match variant.instructions {
        Instructions::New => 1..=method.rounds,
        Instructions::Seed => 0..=0,
    };
    for number in rounds {
        let mut round = match variant.instructions {
            Instructions::New => Round::new(setting, &pool, number)
                .with_context(|| format!("trial {id}, round {number}"))?
                .after(&candidates),
            Instructions::Seed => Round::over_seed_set(setting, items),
        };
        let outcome = answering.drive(asking, |answers, progress| {
            let step = round.advance(answers);
            progress.in_round(number, round.candidates());
            step
        })?;
        answering.progress().in_round(number, &outcome.candidates);
        answering.store().record_round(row, number, &outcome.candidates)?;
        let added = outcome.samples.len();
        candidates.extend(outcome.candidates);
        pool.extend(outcome.samples);
        let samples = candidates.iter().filter(|candidate| candidate.is_sample()).count();
        // Where a number of samples is wanted: it is reached, or the next round would draw from the same pool again.
        if !method.goes_on_after(samples, added) {
            break;
        }
    }
    // From here on an earlier trial of this name is gone.
    answering.store().finish_trial(row)?;
    // Read back from the store, where they are in the order of the method and not of the schedule.
    let calls = answering.store().calls(row, None)?;
    let calls = calls.into_iter().map(|call| call.fact).collect();
    answering.progress().end_trial();
    Ok(CompletedTrial {
        facts: TrialFacts { variant: variant.name.clone(), candidates, calls },
        seeds,
        thoughts: answering.thoughts(),
        paid: answering.paid(),
        seconds: started.elapsed().as_secs_f64(),
        record,
    })
}

/// The seed set as candidates are drawn from it. A variant that keeps the seed set's instructions draws no examples, so it
/// needs no annotation.
fn annotated(
    experiment: &Experiment,
    variant: &Variant,
    asker: Asker<'_>,
    asking: Asking<'_>,
    answering: &mut Answering<'_>,
) -> Result<Annotated> {
    let items = &experiment.seed_set.items;
    match variant.instructions {
        Instructions::New => {
            let mut annotate = Annotate::new(asker, &experiment.members, items);
            answering.drive(asking, |answers, _| annotate.advance(answers))
        }
        Instructions::Seed => Ok(Annotated { seeds: as_brought(items), pool: Pool::default() }),
    }
}
