//! Whether rounds end at their `cap` of candidates before they have their `target` of samples.

use std::fmt::Write as _;

use anyhow::Result;
use gra_analysis::trial::funnel::Funnel;
use gra_synth::method::Method;
use gra_synth::variant::{Instructions, Variant};
use serde::Serialize;

use crate::experiment::Experiment;
use crate::store::Store;

/// A round's target beside the candidates that it may draw.
#[derive(Debug, Serialize)]
pub(super) struct CapCheck {
    target: u32,
    cap: u32,
    /// Of the variants that have a target, whose acceptance is expected or recorded.
    variants: Vec<ExpectedRound>,
}

/// What a variant's round comes to at an acceptance.
#[derive(Debug, Serialize)]
struct ExpectedRound {
    name: String,
    acceptance: f64,
    /// The trial that recorded it; `null` where it was given.
    trial: Option<String>,
    /// Candidates that the target needs; `null` where none pass.
    needed: Option<f64>,
    /// Its own, where it has a scale.
    cap: u32,
}

impl CapCheck {
    /// With the acceptance that was given, or that finished trials of the experiment recorded.
    pub(super) fn new(
        experiment: &Experiment,
        store: Option<&Store>,
        given: Option<f64>,
    ) -> Result<Option<Self>> {
        let Method { target, cap, .. } = experiment.method;
        let new = |variant: &&Variant| variant.instructions == Instructions::New;
        let mut variants = Vec::new();
        let mut has_target = false;
        let trials = store.map(Store::trials).transpose()?.unwrap_or_default();
        for variant in experiment.variants.iter().filter(new) {
            has_target = true;
            let own = trials.iter().find(|trial| {
                let id = &trial.id;
                trial.finished && id.experiment == experiment.name && id.variant == variant.name
            });
            let (acceptance, trial) = match (given, store, own) {
                (Some(given), ..) => (Some(given), None),
                (None, Some(store), Some(trial)) => {
                    let funnel = Funnel::of(&store.candidates(trial.row)?);
                    (funnel.acceptance_rate(), Some(trial.id.to_string()))
                }
                _ => (None, None),
            };
            let Method { target, cap, .. } = experiment.method_of(variant);
            variants.extend(acceptance.map(|acceptance| ExpectedRound {
                cap,
                name: variant.name.clone(),
                acceptance,
                trial,
                needed: (acceptance > 0.0).then(|| (f64::from(target) / acceptance).ceil()),
            }));
        }
        Ok(has_target.then_some(Self { target, cap, variants }))
    }

    pub(super) fn text(&self) -> String {
        let Self { target, cap, variants } = self;
        let least = 100.0 * f64::from(*target) / f64::from(*cap);
        let mut text = match least {
            least if least > 100.0 => {
                format!("cap            {cap} candidates: no round can have its {target} samples\n")
            }
            least => format!(
                "cap            {cap} candidates: a round has its {target} samples if at least {least:.0}% pass\n"
            ),
        };
        for ExpectedRound { name, acceptance, trial, needed, cap } in variants {
            if needed.is_some_and(|needed| needed <= f64::from(*cap)) {
                continue;
            }
            let source =
                trial.as_ref().map_or("expected".to_owned(), |trial| format!("of {trial}"));
            let needs = match needed {
                Some(needed) => format!("the target needs {needed:.0} candidates"),
                None => "no number of candidates meets the target".to_owned(),
            };
            let left = acceptance * f64::from(*cap);
            let _ = writeln!(
                text,
                "  it binds     `{name}`: at {:.1}% ({source}) {needs}, and the cap leaves about {left:.0} samples",
                100.0 * acceptance,
            );
        }
        text
    }
}
