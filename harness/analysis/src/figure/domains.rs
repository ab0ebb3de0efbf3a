//! Acceptance by generator and domain.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;
use polars::prelude::{DataFrame, PolarsError, PolarsResult};

use super::heat_map::{Axis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::frames::{self, PASSED, means};

/// Share of the candidates that passed review and deduplication, surplus included, by who wrote them and
/// for which domain. Candidates whose round was interrupted, or that an engine failed on, take no part.
///
/// # Errors
/// When no candidate has an outcome.
pub fn domains(trial: &str, candidates: &[Candidate]) -> Result<Figure, FigureError> {
    let failed = |error: PolarsError| FigureError::Drawing(error.to_string());
    let frame = frames::outcomes(candidates).map_err(failed)?;
    // `None`: all generators together.
    let mut shares: BTreeMap<Group, Share> = BTreeMap::new();
    let by_generator = ["generator", "domain"].as_slice();
    // Each generator by domain, then all of them together.
    for by in [by_generator, &["domain"]] {
        shares.extend(groups(&frame, by).map_err(failed)?);
    }
    if shares.is_empty() {
        return Err(FigureError::Nothing { what: "no candidate has an outcome" });
    }
    let of_all = shares.iter().filter(|((generator, _), _)| generator.is_none());
    let n: u32 = of_all.map(|(_, share)| share.n).sum();
    // From bottom to top: all together, then the generators from the last to the first.
    let generators: BTreeSet<&String> = shares.keys().filter_map(|(who, _)| who.as_ref()).collect();
    let rows: Vec<Option<&String>> =
        [None].into_iter().chain(generators.into_iter().rev().map(Some)).collect();
    let known: BTreeSet<Option<&str>> =
        shares.keys().map(|(_, domain)| domain.as_deref()).collect();
    // In the paper's order; a teacher that answers seed items may know no domain.
    let all: Vec<String> = Domain::ALL.map(|domain| domain.to_string()).to_vec();
    let all = all.iter().map(|domain| Some(domain.as_str())).chain([None]);
    let domains: Vec<Option<&str>> = all.filter(|domain| known.contains(domain)).collect();
    let square = |generator: Option<&String>, domain: Option<&str>| {
        let share = shares.get(&(generator.cloned(), domain.map(str::to_owned)));
        share.map_or_else(Square::default, Share::square)
    };
    let name = |who: Option<&String>| who.map_or("all together".to_owned(), ToString::to_string);
    let map = HeatMap {
        name: "domains".to_owned(),
        title: format!("Acceptance by generator and domain in {trial}"),
        subtitle: format!("n = {n} candidates with an outcome; each square says its own n"),
        value: "acceptance (share that passed)".to_owned(),
        range: (0.0, 1.0),
        x: Axis {
            name: "requested domain".to_owned(),
            ticks: domains.iter().map(|domain| domain.unwrap_or("none known").to_owned()).collect(),
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

/// Generator and domain.
type Group = (Option<String>, Option<String>);

/// A share and of how many.
struct Share {
    value: Option<f64>,
    n: u32,
}

impl Share {
    fn square(&self) -> Square {
        Square {
            value: self.value,
            text: self.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}")),
            below: format!("n {}", self.n),
            ..Square::default()
        }
    }
}

/// Shares of candidates that passed, by generator (`None` where it is not among `by`) and domain; groups without
/// an outcome are left out.
fn groups(frame: &DataFrame, by: &[&str]) -> PolarsResult<Vec<(Group, Share)>> {
    let groups = means(frame, by, PASSED)?;
    let texts = |name: &str| -> PolarsResult<Vec<Option<String>>> {
        let texts = groups.column(name)?.str()?.iter();
        Ok(texts.map(|text| text.map(str::to_owned)).collect())
    };
    let generators = match by.len() {
        1 => vec![None; groups.height()],
        _ => texts("generator")?,
    };
    let shares = groups.column("mean")?.f64()?.iter().zip(groups.column("n")?.u32()?.iter());
    let shares = shares.map(|(value, n)| Share { value, n: n.unwrap_or(0) });
    let keyed = generators.into_iter().zip(texts("domain")?).zip(shares);
    Ok(keyed.filter(|(_, share)| share.n > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proportion::Proportion;
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
