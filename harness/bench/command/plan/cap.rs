//! Whether rounds end at their `cap` of candidates before they have their `target` of samples.

use std::fmt::Write as _;

use gra_analysis::trial::Funnel;
use gra_synth::method::Method;
use gra_synth::variant::{Instructions, Variant};
use serde::Serialize;

use super::Recorded;
use crate::experiment::Experiment;

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
    /// Whether the variant's trial recorded it; it was given otherwise.
    is_recorded: bool,
    /// Candidates that the target needs; `null` where none pass.
    needed: Option<f64>,
    /// Its own, where it has a scale.
    cap: u32,
}

impl CapCheck {
    /// With the acceptance that was given, or that trials of the experiment recorded. `None` where no variant has a target.
    pub(super) fn new(
        experiment: &Experiment,
        recorded: &Recorded,
        given: Option<f64>,
    ) -> Option<Self> {
        let Method { target, cap, .. } = experiment.method;
        let new = |variant: &&Variant| variant.instructions == Instructions::New;
        let mut variants = Vec::new();
        for variant in experiment.variants.iter().filter(new) {
            let name = variant.name.clone();
            let own = || Funnel::of(recorded.candidates.get(&name)?).acceptance_rate();
            let Some(acceptance) = given.or_else(own) else { continue };
            let is_recorded = given.is_none();
            let Method { target, cap, .. } = experiment.method_of(variant);
            let needed = (acceptance > 0.0).then(|| (f64::from(target) / acceptance).ceil());
            variants.push(ExpectedRound { name, acceptance, is_recorded, needed, cap });
        }
        let has_target = experiment.variants.iter().any(|variant| new(&variant));
        has_target.then_some(Self { target, cap, variants })
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
        for ExpectedRound { name, acceptance, is_recorded, needed, cap } in variants {
            if needed.is_some_and(|needed| needed <= f64::from(*cap)) {
                continue;
            }
            let source = if *is_recorded { "of its trial" } else { "expected" };
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
