//! The tables of a calibration: every estimate with its interval for files, and one line per rater for a terminal.

use super::{InstructionSkill, ResponseSkill};
use crate::figure::heat_map::{Axis, HeatMap, Panel, Square};
use crate::figure::{Figure, FigureError};
use crate::grid::{self, hundredths as number, left, or_missing, right};
use crate::statistics::inference::Estimate;
use crate::stats::measure::{MeasureTable, MeasureValue};

/// A rater and what was found of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rated {
    /// The model, or `committee of N`.
    pub rater: String,
    /// How well it scores responses.
    pub responses: ResponseSkill,
    /// How well it checks instructions.
    pub instructions: InstructionSkill,
    /// The same AUC as [`Self::responses`] has, of the integers in the same replies; where the scores are expected
    /// values.
    pub auc_as_written: Option<Estimate>,
    /// Mean over the texts of its score less the mean of the other models' on the same text; positive: lenient.
    /// `None` for a committee.
    pub leniency: Option<Estimate>,
}

/// Every estimate, a column per rater.
#[must_use]
pub fn measures(rated: &[Rated]) -> MeasureTable {
    let mut table = MeasureTable::new(rated.iter().map(|rated| rated.rater.clone()).collect());
    let mut push = |group: &'static str, name: &str, cell: &dyn Fn(&Rated) -> MeasureValue| {
        table.push(group, name, rated.iter().map(cell).collect());
    };
    let estimate = |estimate: Estimate| MeasureValue::or_absent(estimate, "no readable reply");
    let Some(first) = rated.first() else { return table };
    // Every rater was asked about the same texts: the first names the kinds.
    push("responses", "AUC, good against all faulty", &|of| estimate(of.responses.auc));
    push("responses", "AUC within instructions", &|of| estimate(of.responses.within));
    if first.auc_as_written.is_some() {
        push("responses", "AUC of the same replies as written", &|of| {
            of.auc_as_written.map_or(MeasureValue::Inapplicable("scores are as written"), estimate)
        });
    }
    for (place, (kind, _)) in first.responses.auc_by_kind.iter().enumerate() {
        let name = format!("AUC, good against {kind}");
        push("responses", &name, &|of| at(&of.responses.auc_by_kind, place));
    }
    for (place, (kind, _)) in first.responses.mean_by_kind.iter().enumerate() {
        let name = format!("mean score, {kind}");
        push("responses", &name, &|of| at(&of.responses.mean_by_kind, place));
    }
    let n = |of: &Rated| of.responses.auc.n;
    let good_passes = |of: &Rated| estimate(of.responses.good_passes);
    push("responses", "share of good that reaches tau", &good_passes);
    let faulty_passes = |of: &Rated| estimate(of.responses.faulty_passes);
    push("responses", "share of faulty that reaches tau", &faulty_passes);
    // Of as many rows as AUC: those that were read.
    let threshold = |of: &Rated, part: fn((f64, f64)) -> f64| {
        MeasureValue::exact(of.responses.threshold.map(part), n(of), "no score is precise enough")
    };
    push("responses", "lowest tau of precision 0.9", &|of| threshold(of, |found| found.0));
    push("responses", "share of good at that tau", &|of| threshold(of, |found| found.1));
    push("responses", "distinct scores", &|of| {
        MeasureValue::count(of.responses.resolution.distinct, n(of))
    });
    push("responses", "leniency", &|of| {
        of.leniency.map_or(MeasureValue::Inapplicable("a committee has no colleagues"), estimate)
    });
    push("responses", "share malformed", &|of| {
        MeasureValue::exact(Some(of.responses.malformed), n(of), "")
    });
    push("instructions", "balanced accuracy", &|of| estimate(of.instructions.balanced_accuracy));
    for (place, (kind, _)) in first.instructions.passes_by_kind.iter().enumerate() {
        let name = format!("share passed, {kind}");
        push("instructions", &name, &|of| at(&of.instructions.passes_by_kind, place));
    }
    push("instructions", "share malformed", &|of| {
        MeasureValue::exact(Some(of.instructions.malformed), n(of), "")
    });
    table
}

fn at(estimates: &[(String, Estimate)], place: usize) -> MeasureValue {
    let found = estimates.get(place);
    found.map_or(MeasureValue::Absent("no such text"), |(_, found)| {
        MeasureValue::or_absent(*found, "no readable reply")
    })
}

/// One line per rater: responses above, instructions below. Fits 80 columns for names of up to 24 letters.
#[must_use]
pub fn terminal(rated: &[Rated], tau: f64) -> String {
    let names = |title: &str| left(title, rated, |of| short(&of.rater));
    let share = |value: Option<f64>| or_missing(value, |value| format!("{:.0}%", 100.0 * value));
    let responses = [
        names("responses"),
        right("AUC", rated, |of| number(of.responses.auc.value)),
        right("95%\ninterval", rated, |of| interval(&of.responses.auc)),
        right(&format!("good\n>= {tau}"), rated, |of| share(of.responses.good_passes.value)),
        right(&format!("faulty\n>= {tau}"), rated, |of| share(of.responses.faulty_passes.value)),
        right("scores\nused", rated, |of| of.responses.resolution.distinct.to_string()),
        right("mal-\nformed", rated, |of| share(Some(of.responses.malformed))),
    ];
    let mut instructions = vec![
        names("instructions"),
        right("balanced\naccuracy", rated, |of| number(of.instructions.balanced_accuracy.value)),
        right("95%\ninterval", rated, |of| interval(&of.instructions.balanced_accuracy)),
    ];
    let kinds = rated.first().map(|of| of.instructions.passes_by_kind.len());
    for place in 0..kinds.unwrap_or(0) {
        let title = format!("pass\n{}", rated[0].instructions.passes_by_kind[place].0);
        instructions.push(right(&title, rated, |of| {
            share(of.instructions.passes_by_kind.get(place).and_then(|(_, share)| share.value))
        }));
    }
    format!("{}\n{}", grid::terminal(&responses), grid::terminal(&instructions))
}

/// AUC of every rater against every kind, and the shares of instructions that pass, as shaded squares.
///
/// # Errors
/// When nothing was rated.
pub fn figure(pool: &str, items: usize, rated: &[Rated]) -> Result<Figure, FigureError> {
    let Some(first) = rated.first() else {
        return Err(FigureError::Nothing("no rater"));
    };
    let square = |of: &Estimate| Square {
        value: of.value,
        text: number(of.value),
        below: interval(of),
        ..Square::default()
    };
    let kinds = first.responses.auc_by_kind.iter().map(|(kind, _)| kind.as_str());
    // The first rater stands at the top; the rows of a heat map rise.
    let rows = rated.iter().rev().map(|of| {
        let of_kinds = of.responses.auc_by_kind.iter().map(|(_, auc)| square(auc));
        of_kinds.chain([square(&of.responses.auc)]).collect()
    });
    let map = HeatMap {
        name: "calibration".to_owned(),
        title: format!("How well the models of pool {pool} tell good responses from faulty ones"),
        subtitle: format!(
            "AUC: the share of pairs in which the good response scores above the faulty one, ties counted half; \
             {items} instructions; 95% intervals"
        ),
        value: "AUC (0.5: a coin, 1: always right)".to_owned(),
        range: (0.5, 1.0),
        x: Axis::new("good against", kinds.chain(["all"])),
        y: Axis::new("", rated.iter().rev().map(|of| &of.rater)),
        panels: vec![Panel { title: String::new(), rows: rows.collect() }],
        notes: vec!["Values below 0.5 are shaded as 0.5.".to_owned()],
        ..HeatMap::default()
    };
    map.figure()
}

fn interval(estimate: &Estimate) -> String {
    estimate.interval.map_or_else(String::new, |i| format!("{:.2}-{:.2}", i.low, i.high))
}

/// A name of at most 24 letters.
fn short(name: &str) -> String {
    if name.chars().count() <= 24 {
        return name.to_owned();
    }
    let kept: String = name.chars().take(23).collect();
    format!("{kept}\u{2026}")
}
