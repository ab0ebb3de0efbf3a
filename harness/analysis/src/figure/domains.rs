//! Acceptance by generator and domain.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;
use gra_synth::request::ModelName;

use super::heat_map::{Axis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::funnel;
use crate::proportion::Proportion;

/// Share of the candidates that passed review and deduplication, surplus included, by who wrote them and
/// for which domain. Candidates whose round was interrupted, or that an engine failed on, take no part.
///
/// # Errors
/// When no candidate has an outcome.
pub fn domains(trial: &str, candidates: &[Candidate]) -> Result<Figure, FigureError> {
    // `None`: all generators together.
    let mut cells: BTreeMap<(Option<&ModelName>, Option<Domain>), Proportion> = BTreeMap::new();
    for candidate in candidates {
        let Some(passed) = funnel::passed(candidate) else { continue };
        for generator in [Some(&candidate.roles.generator), None] {
            cells.entry((generator, candidate.domain)).or_default().count(passed);
        }
    }
    if cells.is_empty() {
        return Err(FigureError::Nothing { what: "no candidate has an outcome" });
    }
    let n: u64 = cells.iter().filter(|((who, _), _)| who.is_none()).map(|(_, cell)| cell.n()).sum();
    // From bottom to top: all together, then the generators from the last to the first.
    let generators: BTreeSet<&ModelName> = cells.keys().filter_map(|(who, _)| *who).collect();
    let rows: Vec<Option<&ModelName>> =
        [None].into_iter().chain(generators.into_iter().rev().map(Some)).collect();
    let known: BTreeSet<Option<Domain>> = cells.keys().map(|(_, domain)| *domain).collect();
    // In the paper's order; a teacher that answers seed items may know no domain.
    let all = Domain::ALL.into_iter().map(Some).chain([None]);
    let domains: Vec<Option<Domain>> = all.filter(|domain| known.contains(domain)).collect();
    let square = |generator: Option<&ModelName>, domain: Option<Domain>| {
        cells.get(&(generator, domain)).copied().map_or_else(Square::default, shaded)
    };
    let name = |who: Option<&ModelName>| who.map_or("all together".to_owned(), ToString::to_string);
    let map = HeatMap {
        name: "domains".to_owned(),
        title: format!("Acceptance by generator and domain in {trial}"),
        subtitle: format!("n = {n} candidates with an outcome; each square says its own n"),
        value: "acceptance (share that passed)".to_owned(),
        range: (0.0, 1.0),
        x: Axis {
            name: "requested domain".to_owned(),
            ticks: domains
                .iter()
                .map(|domain| domain.map_or("none known".to_owned(), |domain| domain.to_string()))
                .collect(),
        },
        y: Axis { name: "generator".to_owned(), ticks: rows.iter().copied().map(name).collect() },
        panels: vec![Panel {
            title: String::new(),
            rows: rows
                .iter()
                .map(|generator| domains.iter().map(|&domain| square(*generator, domain)).collect())
                .collect(),
        }],
        framed: String::new(),
        dotted: String::new(),
        notes: vec![
            "Passed: accepted, or surplus to the round's target. With few candidates a square says \
             little: 0 of 5 is compatible with up to 43% (Wilson's 95% interval)."
                .to_owned(),
        ],
    };
    map.figure()
}

fn shaded(cell: Proportion) -> Square {
    let value = cell.value();
    Square {
        value,
        text: value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}")),
        below: format!("n {}", cell.n()),
        ..Square::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial_by_hand::every_outcome;

    #[test]
    fn squares_hold_shares_and_say_of_how_many() {
        let mut candidates = every_outcome();
        candidates[0].domain = Some(Domain::Coding);
        candidates[1].domain = None;
        let figure = domains("by/hand/seed-1", &candidates).unwrap();
        assert_eq!(figure.collisions(), [""; 0]);
        let decided = candidates.iter().filter(|c| c.outcome.is_some()).count();
        assert!(figure.caption.contains(&format!("n = {decided}")), "{}", figure.caption);
        assert!(figure.svg.contains("llama") && figure.svg.contains("all together"));
        assert!(domains("none", &[]).is_err());
    }

    #[test]
    fn the_caption_quotes_wilsons_interval() {
        let high = Proportion { yes: 0, no: 5 }.wilson().unwrap().high;
        assert_eq!(format!("{:.0}%", 100.0 * high), "43%");
    }
}
