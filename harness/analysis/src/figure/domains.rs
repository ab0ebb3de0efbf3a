//! Acceptance by generator and domain.

use std::collections::{BTreeMap, BTreeSet};

use gra_synth::candidate::Candidate;
use gra_synth::domain::Domain;
use gra_synth::request::ModelName;
use polars::prelude::{DataFrame, PolarsError, PolarsResult};

use super::heat_map::{Axis, Emphasis, HeatMap, Panel, Square};
use super::{Figure, FigureError};
use crate::frames::{self, PASSED, means};
use crate::proportion::Proportion;

/// Share of the candidates that passed review and deduplication, surplus included, by who wrote them and
/// for which domain; `pool`: the generators' order. Candidates whose round was interrupted, or that an engine failed on, take no part.
///
/// # Errors
/// When no candidate has an outcome.
pub fn domains(
    trial: &str,
    candidates: &[Candidate],
    pool: &[ModelName],
) -> Result<Figure, FigureError> {
    let failed = |error: PolarsError| FigureError::Drawing(error.to_string());
    let frame = frames::outcomes(candidates).map_err(failed)?;
    let of_each = means(&frame, &["generator", "domain"], PASSED).map_err(failed)?;
    let of_all = means(&frame, &["domain"], PASSED).map_err(failed)?;
    let generators = texts(&of_each, "generator").map_err(failed)?;
    let mut shares: BTreeMap<Group<'_>, Proportion> = BTreeMap::new();
    shares.extend(proportions(&of_each, generators).map_err(failed)?);
    shares.extend(proportions(&of_all, vec![None; of_all.height()]).map_err(failed)?);
    if shares.is_empty() {
        return Err(FigureError::Nothing { what: "no candidate has an outcome" });
    }
    let together = shares.iter().filter(|((generator, _), _)| generator.is_none());
    let n: u64 = together.map(|(_, share)| share.n()).sum();
    // From bottom to top: all together, then the generators from the last to the first.
    let generators: BTreeSet<&str> =
        shares.keys().filter_map(|(generator, _)| *generator).collect();
    let mut generators: Vec<&str> = generators.into_iter().collect();
    let place = |name: &str| pool.iter().position(|model| model.as_str() == name);
    generators.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    let rows: Vec<Option<&str>> =
        [None].into_iter().chain(generators.into_iter().rev().map(Some)).collect();
    let known: BTreeSet<Option<&str>> = shares.keys().map(|(_, domain)| *domain).collect();
    // In the paper's order; a teacher that answers seed items may know no domain.
    let all: Vec<String> = Domain::ALL.map(|domain| domain.to_string()).to_vec();
    let all = all.iter().map(|domain| Some(domain.as_str())).chain([None]);
    // A domain that was never drawn is shown as such; one that is not known needs no column where all are.
    let domains: Vec<Option<&str>> =
        all.filter(|domain| domain.is_some() || known.contains(domain)).collect();
    let never: Vec<&str> =
        domains.iter().filter(|domain| !known.contains(*domain)).copied().flatten().collect();
    let never = match never.as_slice() {
        [] => String::new(),
        some => format!(" Never drawn: {}.", some.join(", ")),
    };
    let row = |generator: Option<&str>| -> Vec<Square> {
        let shares = domains.iter().map(|domain| shares.get(&(generator, *domain)).copied());
        let blank = || Square {
            text: if generator.is_none() { "none" } else { "" }.to_owned(),
            ..Square::default()
        };
        shares.map(|share| share.map_or_else(blank, square)).collect()
    };
    let name = |generator: Option<&str>| generator.unwrap_or("all together").to_owned();
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
        panels: vec![Panel { title: String::new(), rows: rows.into_iter().map(row).collect() }],
        framed: String::new(),
        dotted: String::new(),
        notes: vec![format!(
            "Passed: accepted, or surplus to the round's target. With few candidates a square says \
                 little, and one of n 1 is pale: 0 of 5 is compatible with up to 43% (Wilson's 95% interval).{never}"
        )],
    };
    map.figure()
}

/// Generator, or `None` for all of them together, and domain.
type Group<'a> = (Option<&'a str>, Option<&'a str>);

/// The shares behind means of [`PASSED`] in groups of these generators; groups without an outcome are left out.
fn proportions<'a>(
    groups: &'a DataFrame,
    generators: Vec<Option<&'a str>>,
) -> PolarsResult<Vec<(Group<'a>, Proportion)>> {
    let keys = generators.into_iter().zip(texts(groups, "domain")?);
    let means = groups.column("mean")?.f64()?.iter().zip(groups.column("n")?.u32()?.iter());
    let proportion = |(key, (mean, n)): (Group<'a>, (Option<f64>, Option<u32>))| {
        let (mean, n) = (mean?, n?);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the mean of n zeros and ones, times n, is from 0 to n"
        )]
        let yes = (mean * f64::from(n)).round() as u64;
        Some((key, Proportion { yes, no: u64::from(n) - yes }))
    };
    Ok(keys.zip(means).filter_map(proportion).collect())
}

fn texts<'a>(groups: &'a DataFrame, column: &str) -> PolarsResult<Vec<Option<&'a str>>> {
    Ok(groups.column(column)?.str()?.iter().collect())
}

fn square(share: Proportion) -> Square {
    let value = share.value();
    Square {
        value,
        text: value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}")),
        below: format!("n {}", share.n()),
        emphasis: if share.n() < 2 { Emphasis::Faded } else { Emphasis::Full },
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
        let figure = domains("by/hand/seed-1", &candidates, &[]).unwrap();
        assert!(figure.caption.contains("Never drawn: QA, Reasoning, "), "{}", figure.caption);
        assert_eq!(figure.collisions(), [""; 0]);
        let decided = candidates.iter().filter(|c| c.outcome.is_some()).count();
        assert!(figure.caption.contains(&format!("n = {decided}")), "{}", figure.caption);
        assert!(figure.svg.contains("llama") && figure.svg.contains("all together"));
        assert!(domains("none", &[], &[]).is_err());
    }

    #[test]
    fn the_caption_quotes_wilsons_interval() {
        let high = Proportion { yes: 0, no: 5 }.wilson().unwrap().high;
        assert_eq!(format!("{:.0}%", 100.0 * high), "43%");
    }
}
