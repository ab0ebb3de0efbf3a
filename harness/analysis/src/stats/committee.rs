//! How a trial's reviewers agree ([`crate::committee`]).

use std::collections::BTreeSet;

use gra_synth::request::ModelName;

use super::{Settings, StatsError, Subject, Trial};
use crate::bootstrap::Estimate;
use crate::committee::{Committee, Criterion, Scale, malformed_rates};
use crate::measure::{Cell, Measure, MeasureTable};
use crate::proportion::Proportion;

/// One of the numbers about what reviewers were asked.
type Coefficient<T> = fn(T) -> Estimate;

const NO_COMMITTEE: &str = "no committee reviewed it";
const UNDEFINED: &str = "not defined: no variation, or a single reviewer";

/// Adds what there is to say of reviewers.
pub(super) fn describe(
    subjects: &[Subject],
    settings: Settings,
    table: &mut MeasureTable,
) -> Result<(), StatsError> {
    let mut committees = Vec::new();
    for subject in subjects {
        let of = |trial: &Trial| {
            Committee::of(&trial.facts.candidates, &trial.families, settings.bootstrap)
        };
        let committee = subject.trial.as_ref().map(of).transpose()?;
        committees.push(committee.filter(|committee| !committee.reviewers.is_empty()));
    }
    let mut add = |is_detail, name: String, cell: &dyn Fn(&Committee) -> Cell| {
        let cell =
            |of: &Option<Committee>| of.as_ref().map_or(Cell::Inapplicable(NO_COMMITTEE), cell);
        let cells = committees.iter().map(cell).collect();
        table.add(Measure { group: "committee", name, cells, is_detail });
    };
    add(false, "reviewed by all seats".to_owned(), &|of| {
        let coverage = of.responses.coverage;
        Cell::count(size(coverage.whole), size(coverage.whole + coverage.part))
    });
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
                Cell::or_absent(estimate(of.responses.scales[place]), UNDEFINED)
            });
        }
    }
    let of_bit: [(&str, Coefficient<Criterion>); 3] =
        [("share of ones", |c| c.ones), ("Gwet's AC1", |c| c.ac1), ("Fleiss' kappa", |c| c.fleiss)];
    for (name, estimate) in of_bit {
        for (place, criterion) in any.instructions.criteria.iter().enumerate() {
            add(name == "share of ones", format!("{}: {name}", criterion.name), &|of| {
                Cell::or_absent(estimate(of.instructions.criteria[place]), UNDEFINED)
            });
        }
    }
    let reviewers: BTreeSet<&ModelName> =
        committees.iter().flatten().flat_map(|of| of.reviewers.keys()).collect();
    for model in reviewers {
        add(false, format!("{model}: leniency"), &|of| match of.reviewers.get(model) {
            Some(reviewer) => Cell::or_absent(reviewer.leniency, "no other reviewer sat beside it"),
            None => Cell::Inapplicable("it did not review"),
        });
    }
    add(false, "self-preference of families".to_owned(), &|of| {
        Cell::or_absent(of.self_preference, "no family sat beside another on its own work")
    });
    add(false, "disputes overturned, share".to_owned(), &|of| {
        share(of.overturned, "nothing went to an adjudicator")
    });
    let malformed = |subject: &Subject| {
        let Some(trial) = &subject.trial else { return Cell::Inapplicable("not a trial") };
        let rates = malformed_rates(&trial.facts.candidates, &trial.facts.calls);
        let all = rates.values().fold(Proportion::default(), |sum, rate| Proportion {
            yes: sum.yes + rate.yes,
            no: sum.no + rate.no,
        });
        share(all, "it asked nothing")
    };
    table.push("committee", "replies malformed, share", subjects.iter().map(malformed).collect());
    Ok(())
}

/// A share with Wilson's interval.
fn share(share: Proportion, missing: &'static str) -> Cell {
    let (value, interval, n) = (share.value(), share.wilson(), size(share.n()));
    Cell::or_absent(Estimate { n, value, interval }, missing)
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
