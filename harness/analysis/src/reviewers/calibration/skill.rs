//! Scores of responses: does the good one come out on top, and does tau let it pass? Verdicts on instructions: do
//! clear ones pass, and faulty ones not?

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{CLEAR, GOOD, Rating, Sheet};
use crate::proportion::Proportion;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate, jackknife, weighted_mean};
use crate::statistics::levels::{Distinct, Resolution};
use crate::statistics::rank::roc_area;

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
    pub fn auc_of(sheet: &Sheet<f64>) -> Estimate {
        auc_against(sheet, |kind| kind != GOOD)
    }

    /// Measures a rater's scores against `tau`, both from 0 to 10.
    #[must_use]
    pub fn of(sheet: &Sheet<f64>, tau: f64) -> Self {
        let (rows, _) = sheet.read();
        let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let mean = |kind: &str| {
            let of_kind = |other: &str, score| (other == kind).then_some(score);
            sheet.mean(of_kind)
        };
        let passing = |counts: fn(&str) -> bool| {
            let passes = |kind: &str, score| counts(kind).then(|| share_of(score >= tau));
            sheet.mean(passes).within(0.0, 1.0)
        };
        let kinds = sheet.kinds();
        let faulty = kinds.iter().filter(|kind| **kind != GOOD);
        let auc = |kind: &&str| ((*kind).to_owned(), auc_against(sheet, |other| other == *kind));
        Self {
            auc: Self::auc_of(sheet),
            within: within(sheet),
            auc_by_kind: faulty.map(auc).collect(),
            mean_by_kind: kinds.iter().map(|kind| ((*kind).to_owned(), mean(kind))).collect(),
            good_passes: passing(|kind| kind == GOOD),
            faulty_passes: passing(|kind| kind != GOOD),
            resolution: Resolution::of(&scores).unwrap_or_else(|_| Resolution::of_counts(&[])),
            malformed: sheet.malformed(),
            threshold: threshold(&rows),
        }
    }
}

/// AUC of good responses against the faulty ones of some kinds.
fn auc_against(sheet: &Sheet<f64>, is_faulty: impl Fn(&str) -> bool) -> Estimate {
    let counts =
        |row: &&Rating<f64>| row.said.is_some() && (row.kind == GOOD || is_faulty(&row.kind));
    let rows: Vec<&Rating<f64>> = sheet.rows.iter().filter(counts).collect();
    let dependence = Dependence::by(rows.iter().map(|row| row.item));
    let scores: Vec<f64> = rows.iter().filter_map(|row| row.said).collect();
    let is_good: Vec<bool> = rows.iter().map(|row| row.kind == GOOD).collect();
    roc_area(&scores, &is_good, &dependence)
}

/// See [`ResponseSkill::within`]. A faulty response is held against the last good one before it, so that the rows
/// of several committees pair within each.
fn within(sheet: &Sheet<f64>) -> Estimate {
    let mut good = BTreeMap::new();
    let (mut items, mut won) = (Vec::new(), Vec::new());
    for row in &sheet.rows {
        // The good response to an instruction stands before the faulty ones.
        if row.kind == GOOD {
            good.insert(row.item, row.said);
        } else if let (Some(good), Some(said)) = (good.get(&row.item).copied().flatten(), row.said)
        {
            items.push(row.item);
            won.push(Some(match good.total_cmp(&said) {
                Ordering::Greater => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Less => 0.0,
            }));
        }
    }
    inference::mean(&won, &Dependence::by(items)).within(0.0, 1.0)
}

/// The lowest threshold of the wanted precision, and the share of good responses that reach it.
fn threshold(rows: &[(&str, f64)]) -> Option<(f64, f64)> {
    let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let levels = Distinct::levels(&scores).ok()?;
    let share = |is_counted: fn(&str) -> bool, tau: f64| {
        let counted = rows.iter().filter(|row| is_counted(row.0));
        Proportion::from_cases(counted.map(|row| row.1 >= tau)).value()
    };
    // Levels rise, so the first that is precise enough is the lowest.
    levels.kinds.iter().find_map(|&tau| {
        let recall = share(|kind| kind == GOOD, tau)?;
        let fallout = share(|kind| kind != GOOD, tau)?;
        let precision = recall / (recall + fallout);
        (precision >= WANTED_PRECISION).then_some((tau, recall))
    })
}

/// How well one rater checks instructions. An instruction passes when all three bits are 1.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionSkill {
    /// Mean of the share of clear instructions that pass and the share of faulty ones that do not; 0.5 for a coin,
    /// and for a rater that says one thing only.
    pub balanced_accuracy: Estimate,
    /// Share that passes by kind, in the set's order.
    pub passes_by_kind: Vec<(String, Estimate)>,
    /// Share of calls without a readable reply.
    pub malformed: f64,
}

impl InstructionSkill {
    /// Measures a rater's verdicts.
    #[must_use]
    pub fn of(sheet: &Sheet<bool>) -> Self {
        let (rows, dependence) = sheet.read();
        let of_kind = |is_counted: fn(&str) -> bool| -> Vec<Option<f64>> {
            rows.iter().map(|row| is_counted(row.0).then(|| share_of(row.1))).collect()
        };
        let (clear, faulty) = (of_kind(|kind| kind == CLEAR), of_kind(|kind| kind != CLEAR));
        let [balanced_accuracy] = jackknife(&dependence, |weights| {
            let [clear, faulty] = [&clear, &faulty].map(|rows| weighted_mean(rows, weights));
            [clear.zip(faulty).map(|(clear, faulty)| f64::midpoint(clear, 1.0 - faulty))]
        });
        let passes = |kind: &&str| {
            let of_kind = |other: &str, passes| (other == *kind).then(|| share_of(passes));
            sheet.mean(of_kind).within(0.0, 1.0)
        };
        let kinds = sheet.kinds();
        Self {
            balanced_accuracy: balanced_accuracy.within(0.0, 1.0),
            passes_by_kind: kinds.iter().map(|kind| ((*kind).to_owned(), passes(kind))).collect(),
            malformed: sheet.malformed(),
        }
    }
}

/// What a case adds to a share.
fn share_of(is_one: bool) -> f64 {
    f64::from(u8::from(is_one))
}
