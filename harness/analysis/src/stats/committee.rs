//! How a trial's reviewers agree ([`crate::reviewers::committee`]).

use std::collections::BTreeSet;

use gra_synth::request::ModelName;

use super::{MeasuredSet, StatsError, TrialEvidence};
use crate::proportion::Proportion;
use crate::reviewers::committee::{Committee, Criterion, Scale, malformed_rates};
use crate::statistics::inference::Estimate;
use crate::stats::measure::{Measure, MeasureTable, MeasureValue, size};

/// One of the numbers about what reviewers were asked.
type Coefficient<T> = fn(T) -> Estimate;

const NO_COMMITTEE: &str = "no committee reviewed it";
const UNDEFINED: &str = "not defined: no variation, or a single reviewer";

/// Adds what there is to say of reviewers.
pub(super) fn describe(
    data_sets: &[MeasuredSet],
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let mut committees = Vec::new();
    for data_set in data_sets {
        let of = |trial: &TrialEvidence| Committee::of(&trial.facts.candidates, &trial.families);
        let committee = data_set.trial.as_ref().map(of).transpose()?;
        committees.push(committee.filter(|committee| !committee.reviewers.is_empty()));
    }
    let mut add = |is_detail, name: String, cell: &dyn Fn(&Committee) -> MeasureValue| {
        let cell = |of: &Option<Committee>| {
            of.as_ref().map_or(MeasureValue::Inapplicable(NO_COMMITTEE), cell)
        };
        let cells = committees.iter().map(cell).collect();
        table.add(Measure { group: "committee", name, cells, is_detail });
    };
    add(false, "reviewed by all seats".to_owned(), &|of| {
        let coverage = of.responses.coverage;
        MeasureValue::count(size(coverage.whole), size(coverage.whole + coverage.part))
    });
    // All committees are measured on the same scales: any of them names the rows.
    let Some(any) = committees.iter().flatten().next() else { return Ok(()) };
    // The mean of the six first.
    let mut scales: Vec<usize> = (0..any.responses.scales.len()).collect();
    scales.rotate_right(1);
    let of_scale: [(&str, Coefficient<Scale>); 3] =
        [("Krippendorff's alpha", |s| s.alpha), ("ICC(1,1)", |s| s.icc), ("spread", |s| s.spread)];
    for (name, estimate) in of_scale {
        for &place in &scales {
            let scale = any.responses.scales[place].name;
            add(scale != "mean", format!("{scale}: {name}"), &|of| {
                MeasureValue::or_absent(estimate(of.responses.scales[place]), UNDEFINED)
            });
        }
    }
    let of_bit: [(&str, Coefficient<Criterion>); 3] =
        [("share of ones", |c| c.ones), ("Gwet's AC1", |c| c.ac1), ("Fleiss' kappa", |c| c.fleiss)];
    for (name, estimate) in of_bit {
        for (place, criterion) in any.instructions.criteria.iter().enumerate() {
            add(name == "share of ones", format!("{}: {name}", criterion.name), &|of| {
                MeasureValue::or_absent(estimate(of.instructions.criteria[place]), UNDEFINED)
            });
        }
    }
    let reviewers: BTreeSet<&ModelName> =
        committees.iter().flatten().flat_map(|of| of.reviewers.keys()).collect();
    for model in reviewers {
        add(false, format!("{model}: leniency"), &|of| match of.reviewers.get(model) {
            Some(reviewer) => {
                MeasureValue::or_absent(reviewer.leniency, "no other reviewer sat beside it")
            }
            None => MeasureValue::Inapplicable("it did not review"),
        });
    }
    add(false, "self-preference of families".to_owned(), &|of| {
        MeasureValue::or_absent(of.self_preference, "no family sat beside another on its own work")
    });
    add(false, "disputes overturned, share".to_owned(), &|of| {
        share(of.overturned, "nothing went to an adjudicator")
    });
    let malformed = |data_set: &MeasuredSet| {
        let Some(trial) = &data_set.trial else { return MeasureValue::Inapplicable("not a trial") };
        let rates = malformed_rates(&trial.facts.candidates, &trial.facts.calls);
        let all = rates.values().fold(Proportion::default(), |sum, rate| Proportion {
            yes: sum.yes + rate.yes,
            no: sum.no + rate.no,
        });
        share(all, "it asked nothing")
    };
    table.push("committee", "replies malformed, share", data_sets.iter().map(malformed).collect());
    Ok(())
}

/// A share without interval: calls and disputes of one candidate, and of one model, depend on each other.
fn share(share: Proportion, missing: &'static str) -> MeasureValue {
    MeasureValue::exact(share.value(), size(share.n()), missing)
}
