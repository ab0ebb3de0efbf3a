//! Acceptance over tau and delta, from a rescored trial: one panel per dispute rule, committee and cosine
//! limit.

use std::collections::BTreeSet;

use gra_synth::committee::Thousandths;
use gra_synth::method::Method;

use super::heat_map::{Axis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::columns::or_missing;
use crate::rescore::{Knowledge, Rescored, Rule, RuleOutcome};

/// The heat map of a trial's grid. Values between bounds are shaded by their middle.
///
/// # Errors
/// When the grid has no cells.
pub fn acceptance(trial: &str, grid: &Rescored) -> Result<Figure, FigureError> {
    let rules = || grid.cells.iter().map(|cell| cell.rule);
    let taus: BTreeSet<Thousandths> = rules().map(|rule| rule.tau).collect();
    let deltas: BTreeSet<Thousandths> = rules().map(|rule| rule.delta).collect();
    let mut others: Vec<Rule> = Vec::new();
    for rule in rules() {
        // One panel for each combination of what is neither tau nor delta.
        if !others.iter().any(|other| is_beside(other, &rule)) {
            others.push(rule);
        }
    }
    // A panel's title says what it differs in from the others; what all share is said once, in the subtitle.
    let differs = |k: usize| others.iter().any(|other| parts(other)[k] != parts(&others[0])[k]);
    let said = |rule: &Rule, different: bool| {
        let parts = parts(rule).into_iter().enumerate();
        let said = parts.filter(|(k, _)| differs(*k) == different).map(|(_, part)| part);
        said.collect::<Vec<_>>().join(", ")
    };
    let panel = |other: &Rule| Panel {
        title: said(other, true),
        rows: taus
            .iter()
            .map(|&tau| {
                let at = |&delta: &Thousandths| square(grid, &Rule { tau, delta, ..*other });
                deltas.iter().map(at).collect()
            })
            .collect(),
    };
    let map = HeatMap {
        name: "sensitivity".to_owned(),
        title: format!("Acceptance of {trial} under other thresholds"),
        subtitle: subtitle(grid, &others.first().map(|rule| said(rule, false)).unwrap_or_default()),
        value: "acceptance (share of candidates drawn)".to_owned(),
        // The same for all trials, whose figures are laid side by side.
        range: (0.0, 1.0),
        x: Axis::new("delta (score points)", &deltas),
        y: Axis::new("tau (points)", &taus),
        panels: others.iter().map(panel).collect(),
        framed: "as the trial ran".to_owned(),
        dotted: "the paper's thresholds".to_owned(),
        notes: notes(grid),
    };
    map.figure()
}

fn subtitle(grid: &Rescored, shared: &str) -> String {
    let shared = if shared.is_empty() { String::new() } else { format!("; {shared}") };
    format!(
        "Recorded reviews decided again, no model asked; n = {} candidates{shared}",
        grid.candidates
    )
}

/// Whether two rules share a panel.
fn is_beside(a: &Rule, b: &Rule) -> bool {
    let Rule { tau, delta, .. } = *a;
    Rule { tau, delta, ..*b } == *a
}

/// What of a rule is neither tau nor delta, in words.
fn parts(rule: &Rule) -> [String; 3] {
    let plural = if rule.reviewers == 1 { "" } else { "s" };
    [
        format!("{} reviewer{plural}", rule.reviewers),
        format!("disputes: {}", rule.dispute.name()),
        format!("cosine below {}", rule.cosine_limit),
    ]
}

fn square(grid: &Rescored, rule: &Rule) -> Square {
    let Some(cell) = grid.cells.iter().find(|cell| cell.rule == *rule) else {
        return Square::default();
    };
    let paper = Method::default();
    let bounds = cell.acceptance.least.value.zip(cell.acceptance.most.value);
    Square {
        // Shaded half way between the bounds; the text says both.
        value: bounds.map(|(low, high)| f64::midpoint(low, high)),
        text: or_missing(bounds, |bounds| text(bounds, cell.knowledge)),
        framed: *rule == grid.recorded.rule,
        // The paper's thresholds, whatever else the panels differ in.
        dotted: (rule.tau, rule.delta) == (paper.tau, paper.delta),
        ..Square::default()
    }
}

/// `0.42`, `0.42-0.50` between bounds, `~0.42` when approximate.
fn text((low, high): (f64, f64), knowledge: Knowledge) -> String {
    let approximate = knowledge > Knowledge::Bounded;
    let sign = if approximate { "~" } else { "" };
    if low < high { format!("{sign}{low:.2}-{high:.2}") } else { format!("{sign}{low:.2}") }
}

fn notes(grid: &Rescored) -> Vec<String> {
    let mut notes = vec![
        "tau: least mean score that passes. delta: largest spread of the reviewers that is no dispute."
            .to_owned(),
    ];
    let any = |of: &dyn Fn(&RuleOutcome) -> bool| grid.cells.iter().any(of);
    if any(&|cell| cell.unknown > 0) {
        notes.push(
            "a-b: some candidates were never asked what the rule needs to know; from none to all of \
             them passing, shaded half way."
                .to_owned(),
        );
    }
    let approximate = grid.knowledge().into_iter().filter(|known| *known > Knowledge::Bounded);
    notes.extend(approximate.map(|known| format!("~: {}", known.sentence())));
    notes
}
