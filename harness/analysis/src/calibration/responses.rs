//! Scores of responses: does the good one come out on top, and does tau let it pass?

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{GOOD, Sheet};
use crate::bootstrap::{Bootstrap, Clusters, Estimate, weighted_mean};
use crate::levels::Levels;
use crate::resolution::Resolution;

/// The precision for which a threshold is looked for.
pub const WANTED_PRECISION: f64 = 0.9;

/// How well one rater scores responses.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseSkill {
    /// AUC of good responses against faulty ones of all kinds, in [0, 1].
    pub auc: Estimate,
    /// The share of faulty responses below the good one to the same instruction, ties counted half: 0.5 for a coin,
    /// as AUC, but untouched by how hard the instructions are.
    pub within: Estimate,
    /// AUC against one kind at a time, in the set's order.
    pub auc_by_kind: Vec<(String, Estimate)>,
    /// Mean score by kind, `good` first, on the scale of 1 to 10.
    pub mean_by_kind: Vec<(String, Estimate)>,
    /// Share of good responses whose score reaches tau.
    pub good_passes: Estimate,
    /// Share of faulty responses whose score reaches tau.
    pub faulty_passes: Estimate,
    /// How finely it scores.
    pub resolution: Resolution,
    /// Share of calls without a readable reply.
    pub malformed: f64,
    /// The lowest score that may serve as tau so that, where good and faulty responses are equally many, at least
    /// [`WANTED_PRECISION`] of what passes is good; with the share of good responses that pass it.
    pub threshold: Option<(f64, f64)>,
}

impl ResponseSkill {
    /// AUC alone, of good responses against faulty ones of all kinds.
    #[must_use]
    pub fn auc_of(sheet: &Sheet<f64>, bootstrap: Bootstrap) -> Estimate {
        auc_against(sheet, "all", |kind| kind != GOOD, bootstrap)
    }

    /// Measures a rater's scores against `tau`, both from 0 to 10.
    #[must_use]
    pub fn of(sheet: &Sheet<f64>, tau: f64, bootstrap: Bootstrap) -> Self {
        let (rows, clusters) = sheet.read();
        let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let mean = |kind: &str| {
            let values: Vec<Option<f64>> =
                rows.iter().map(|row| (row.0 == kind).then_some(row.1)).collect();
            let name = ["calibration", "mean", &sheet.rater, kind];
            let [mean] =
                bootstrap.estimate(&clusters, &name, |weights| [mean_of(&values, weights)]);
            mean
        };
        let share = |name: &str, counts: fn(&str) -> bool| {
            let name = ["calibration", "pass", &sheet.rater, name];
            sheet.share(&name, bootstrap, counts, |score| score >= tau)
        };
        let kinds = sheet.kinds();
        let faulty = kinds.iter().filter(|kind| **kind != GOOD);
        Self {
            auc: Self::auc_of(sheet, bootstrap),
            within: within(sheet, bootstrap),
            auc_by_kind: faulty
                .map(|kind| {
                    (
                        (*kind).to_owned(),
                        auc_against(sheet, kind, |other| other == *kind, bootstrap),
                    )
                })
                .collect(),
            mean_by_kind: kinds.iter().map(|kind| ((*kind).to_owned(), mean(kind))).collect(),
            good_passes: share("good", |kind| kind == GOOD),
            faulty_passes: share("faulty", |kind| kind != GOOD),
            resolution: Resolution::of(&scores).unwrap_or_else(|_| Resolution::of_counts(&[])),
            malformed: sheet.malformed(),
            threshold: threshold(&rows),
        }
    }
}

/// AUC of good responses against the faulty ones of some kinds, which have a name together.
fn auc_against(
    sheet: &Sheet<f64>,
    name: &str,
    is_faulty: impl Fn(&str) -> bool,
    bootstrap: Bootstrap,
) -> Estimate {
    let (rows, clusters) = sheet.read();
    let side = |kind: &str| match kind {
        GOOD => Side::Good,
        kind if is_faulty(kind) => Side::Faulty,
        _ => Side::Neither,
    };
    let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let sides: Vec<Side> = rows.iter().map(|row| side(row.0)).collect();
    auc(&scores, &sides, &clusters, &["calibration", "auc", &sheet.rater, name], bootstrap)
}

/// See [`ResponseSkill::within`]. A faulty response is held against the last good one before it, so that the rows
/// of several committees pair within each.
fn within(sheet: &Sheet<f64>, bootstrap: Bootstrap) -> Estimate {
    let mut good = BTreeMap::new();
    let (mut items, mut won) = (Vec::new(), Vec::new());
    for row in &sheet.rows {
        if row.kind == GOOD {
            good.insert(row.item, row.said);
        } else if let (Some(good), Some(said)) = (good.get(&row.item).copied().flatten(), row.said)
        {
            items.push(row.item);
            won.push(match good.total_cmp(&said) {
                Ordering::Greater => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Less => 0.0,
            });
        }
    }
    let name = ["calibration", "within", &sheet.rater];
    let [share] =
        bootstrap.estimate(&Clusters::by(items), &name, |weights| [weighted_mean(&won, weights)]);
    share
}

/// What a row is to the area under the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Good,
    Faulty,
    Neither,
}

/// The probability that a good response scores above a faulty one, ties counted half.
fn auc(
    scores: &[f64],
    sides: &[Side],
    clusters: &Clusters,
    name: &[&str],
    bootstrap: Bootstrap,
) -> Estimate {
    let Ok(levels) = Levels::of(scores) else {
        return Estimate { n: clusters.len(), value: None, interval: None };
    };
    let on = |side: Side, weights: &[u32]| {
        let weights: Vec<u32> = sides
            .iter()
            .zip(weights)
            .map(|(of, weight)| if *of == side { *weight } else { 0 })
            .collect();
        levels.counts(&weights)
    };
    let [auc] = bootstrap.estimate(clusters, name, |weights| {
        [area(&on(Side::Good, weights), &on(Side::Faulty, weights))]
    });
    auc
}

/// The area under the curve from how many good and faulty responses have each score, scores rising.
#[expect(clippy::cast_precision_loss, reason = "products of counts are far below 2^53")]
fn area(good: &[u64], faulty: &[u64]) -> Option<f64> {
    let (mut below, mut won) = (0_u64, 0_u64);
    for (good, faulty) in good.iter().zip(faulty) {
        // Twice the wins, so that a tie counts one.
        won += good * (2 * below + faulty);
        below += faulty;
    }
    let pairs = 2 * good.iter().sum::<u64>() * below;
    (pairs > 0).then(|| won as f64 / pairs as f64)
}

/// The lowest threshold of the wanted precision, and the share of good responses that reach it.
fn threshold(rows: &[(&str, f64)]) -> Option<(f64, f64)> {
    let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let levels = Levels::of(&scores).ok()?;
    let share = |is_counted: fn(&str) -> bool, tau: f64| {
        let counted: Vec<Option<bool>> =
            rows.iter().map(|row| is_counted(row.0).then_some(row.1 >= tau)).collect();
        super::weighted_share(&counted, &vec![1; rows.len()])
    };
    levels.values().iter().find_map(|&tau| {
        let recall = share(|kind| kind == GOOD, tau)?;
        let fallout = share(|kind| kind != GOOD, tau)?;
        let precision = recall / (recall + fallout);
        (precision >= WANTED_PRECISION).then_some((tau, recall))
    })
}

/// The weighted mean of the rows that have a value.
fn mean_of(values: &[Option<f64>], weights: &[u32]) -> Option<f64> {
    let counted =
        values.iter().zip(weights).filter_map(|(value, weight)| Some(((*value)?, *weight)));
    let (sum, count) = counted.fold((0.0, 0.0), |(sum, count), (value, weight)| {
        (sum + value * f64::from(weight), count + f64::from(weight))
    });
    (count > 0.0).then(|| sum / count)
}
