//! One trial: annotate the seed set where new instructions are made, run the rounds, record the facts.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use gra_synth::annotate::{Annotate, Annotated, AnnotatedSeed, as_brought};
use gra_synth::candidate::Candidate;
use gra_synth::method::{Member, Method};
use gra_synth::pool::{Pool, SeedItem};
use gra_synth::prompt::PromptSet;
use gra_synth::request::ModelName;
use gra_synth::round::{Round, Setting};
use gra_synth::step::Asker;
use gra_synth::variant::{Instructions, Variant};

use crate::answering::{Answering, Asking, Paid, Thoughts};
use crate::store::{CallRow, SeedRow, TrialId};

/// What a trial needs to run.
#[derive(Clone, Copy, Debug)]
pub struct TrialSetting<'a> {
    /// Experiment, variant, run seed.
    pub id: &'a TrialId,
    /// What this variant does differently.
    pub variant: &'a Variant,
    /// The method's parameters.
    pub method: &'a Method,
    /// The prompts.
    pub prompts: &'a PromptSet,
    /// The model pool.
    pub members: &'a [Member],
    /// Models that serve where the variant names them.
    pub teachers: &'a [Member],
    /// The seed set.
    pub seeds: &'a [SeedItem],
    /// All settings as JSON, for the record.
    pub settings: &'a str,
    /// What the dataset card says, as JSON, for later exports.
    pub card: &'a str,
}

/// What a trial made.
#[derive(Debug)]
pub struct Trial {
    /// Which.
    pub id: TrialId,
    /// The annotated seed set.
    pub seeds: Vec<AnnotatedSeed>,
    /// Every candidate of every round, in order.
    pub candidates: Vec<Candidate>,
    /// Every call, in the order of the method.
    pub calls: Vec<CallRow>,
    /// How much of the replies was thought, by model; empty where none was.
    pub thoughts: BTreeMap<ModelName, Thoughts>,
    /// What it cost this time.
    pub paid: Paid,
    /// Wall-clock seconds of this time.
    pub seconds: f64,
}

/// Runs a trial to its end. What the store already knows is not asked again.
///
/// # Errors
/// When the engine or the store fails, no domain has examples, or the run was interrupted.
pub fn run(setting: TrialSetting<'_>, answering: &mut Answering<'_>) -> Result<Trial> {
    let TrialSetting { id, variant, method, prompts, members, teachers, seeds, settings, card } =
        setting;
    let started = std::time::Instant::now();
    let row = answering.store().begin_trial(id, settings, card)?;
    answering.next_trial();
    answering.progress().begin_trial(id);
    let asking = Asking::Trial { id, row };

    let asker = Asker { run_seed: id.seed, method, prompts };
    let Annotated { seeds: annotated, mut pool } = match variant.instructions {
        Instructions::New => {
            let mut annotate = Annotate::new(asker, members, seeds);
            answering.drive(asking, |answers, _| annotate.advance(answers))?
        }
        Instructions::Seed => Annotated { seeds: as_brought(seeds), pool: Pool::default() },
    };
    answering.store().record_seed(row, &seed_rows(seeds, &annotated)?)?;

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
            Instructions::Seed => Round::over_seed_set(setting, seeds),
        };
        let outcome = answering.drive(asking, |answers, progress| {
            let step = round.advance(answers);
            progress.in_round(number, round.candidates());
            step
        })?;
        answering.progress().in_round(number, &outcome.candidates);
        answering.store().record_round(row, number, &outcome.candidates)?;
        candidates.extend(outcome.candidates);
        pool.extend(outcome.samples);
    }
    answering.store().finish_trial(row)?;
    let calls = answering.store().calls(row, None)?;
    let (paid, thoughts) = (answering.paid(), answering.thoughts());
    answering.progress().end_trial();
    let seconds = started.elapsed().as_secs_f64();
    Ok(Trial { id: id.clone(), seeds: annotated, candidates, calls, thoughts, paid, seconds })
}

fn seed_rows(items: &[SeedItem], annotated: &[AnnotatedSeed]) -> Result<Vec<SeedRow>> {
    items
        .iter()
        .zip(annotated)
        .map(|(item, seed)| {
            Ok(SeedRow {
                id: seed.id,
                instruction: item.instruction.clone(),
                facts: serde_json::to_string(seed)?,
            })
        })
        .collect()
}
