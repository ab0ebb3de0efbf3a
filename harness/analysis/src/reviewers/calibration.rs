//! Whether models can review: their scores and verdicts on texts whose quality is known.
//!
//! A calibration set holds, for each instruction, a good response and faulty ones of several kinds, and faulty
//! versions of the instruction. A model that can review scores the good response above the faulty ones, whatever its
//! scale: the area under the ROC curve (AUC) is the probability that it does, ties counted half (Hanley and
//! `McNeil` 1982), 0.5 for a coin. Whether the method's threshold then separates them is
//! another question: a model may rank well and pass everything, or nothing.
//!
//! All intervals know that the responses to one instruction are not independent. A committee's score of
//! a response is the mean over its members; every committee of the size asked for takes part.
//!
//! # Layout
//!
//! - [`Sheet`]: what one rater said of every text; [`committees`]
//! - [`ResponseSkill`]: AUC, shares above tau, distinct scores, the tau of a wanted precision
//! - [`InstructionSkill`]: shares of instructions that all three bits let pass
//! - [`weaknesses`]: whether a rater can be used, in words and as data that a later run can read
//! - [`table`]: the tables and the figure of a calibration

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::proportion::Proportion;
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate, FEWEST, indicator, jackknife, weighted_mean};
use crate::statistics::rank::roc_area;
use crate::statistics::rank::{Distinct, Resolution};

pub mod table;

/// The kind of response that deserves to pass.
pub const GOOD: &str = "good";

/// The kind of instruction that deserves to pass.
pub const CLEAR: &str = "clear";

/// What one rater said of the texts of a calibration set.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet<T> {
    /// The model, or `committee of N`.
    pub rater: String,
    /// Its verdicts: item's place in the set, kind of text, what was said; `None` where no reply could be read.
    pub rows: Vec<Rating<T>>,
}

/// One verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Rating<T> {
    /// The item's place in the set, from 0. Rows of one item depend on each other.
    pub item: usize,
    /// Kind of text, e.g. `good` or `off-topic`.
    pub kind: String,
    /// A mean score from 1 to 10, or whether an instruction passed; `None` where no reply could be read.
    pub said: Option<T>,
}

impl<T: Copy> Sheet<T> {
    /// The kinds in the order in which they first come up.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let kinds = self.rows.iter().map(|row| row.kind.as_str());
        kinds.filter(|kind| seen.insert(*kind)).collect()
    }

    /// The rows that were read, as kind and verdict, and which depend on each other.
    fn read(&self) -> (Vec<(&str, T)>, Dependence) {
        let read = || self.rows.iter().filter_map(|row| Some((row, row.said?)));
        let rows = read().map(|(row, said)| (row.kind.as_str(), said)).collect();
        (rows, Dependence::by(read().map(|(row, _)| row.item)))
    }

    /// The share of rows without a readable reply.
    #[must_use]
    pub fn malformed(&self) -> f64 {
        let missing = self.rows.iter().filter(|row| row.said.is_none()).count();
        missing as f64 / (self.rows.len() as f64).max(1.0)
    }

    /// The mean over read rows of what a function makes of kind and verdict, where it makes something.
    fn mean(&self, value: impl Fn(&str, T) -> Option<f64>) -> Estimate {
        let (rows, dependence) = self.read();
        let values: Vec<Option<f64>> = rows.iter().map(|(kind, said)| value(kind, *said)).collect();
        inference::mean(&values, &dependence)
    }
}

/// Every committee of `size` of these raters: for each text the committee's verdict, where all of its members gave one.
/// Rows of different committees on one item share its place, so they depend on each other.
#[must_use]
pub fn committees<T: Copy>(
    sheets: &[Sheet<T>],
    size: usize,
    settle: impl Fn(&[T]) -> T,
) -> Sheet<T> {
    let tables: Vec<BTreeMap<(usize, &str), T>> = sheets
        .iter()
        .map(|sheet| {
            let rows = sheet.rows.iter();
            rows.filter_map(|row| Some(((row.item, row.kind.as_str()), row.said?))).collect()
        })
        .collect();
    // Every rater was asked about the same texts, so the first sheet names them all.
    let texts = sheets.first().map_or(&[][..], |sheet| &sheet.rows);
    let mut rows = Vec::new();
    for members in subsets(sheets.len(), size) {
        rows.extend(texts.iter().map(|Rating { item, kind, .. }| {
            let text = (*item, kind.as_str());
            let said: Option<Vec<T>> =
                members.iter().map(|member| tables[*member].get(&text).copied()).collect();
            Rating { item: *item, kind: kind.clone(), said: said.map(|said| settle(&said)) }
        }));
    }
    Sheet { rater: format!("committee of {size}"), rows }
}

/// The subsets of `size` of the numbers below `n`, in lexicographic order.
fn subsets(n: usize, size: usize) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    // Each round adds one member behind the last one, so no subset comes twice.
    for _ in 0..size {
        let longer = found.into_iter().flat_map(|subset| {
            let next = subset.last().map_or(0, |last| last + 1);
            (next..n).map(move |member| [subset.as_slice(), &[member]].concat())
        });
        found = longer.collect();
    }
    found
}

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
        let mean = |kind: &str| sheet.mean(|other, score| (other == kind).then_some(score));
        let passing = |counts: fn(&str) -> bool| {
            sheet.mean(|kind, score| counts(kind).then(|| indicator(score >= tau))).within(0.0, 1.0)
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
            rows.iter().map(|row| is_counted(row.0).then(|| indicator(row.1))).collect()
        };
        let (clear, faulty) = (of_kind(|kind| kind == CLEAR), of_kind(|kind| kind != CLEAR));
        // Means of the two kinds weigh alike, however many faulty versions an instruction has.
        let [balanced_accuracy] = jackknife(&dependence, |weights| {
            let [clear, faulty] = [&clear, &faulty].map(|rows| weighted_mean(rows, weights));
            [clear.zip(faulty).map(|(clear, faulty)| f64::midpoint(clear, 1.0 - faulty))]
        });
        let passes = |kind: &&str| {
            let of_kind = |other: &str, passes| (other == *kind).then(|| indicator(passes));
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

/// More calls than this share without a readable reply make a rater unusable.
const MOST_MALFORMED: f64 = 0.2;

/// What is wrong with a rater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weakness {
    /// More than a fifth of its replies cannot be read.
    Malformed,
    /// The interval of its AUC holds 0.5: it does not tell good responses from faulty ones.
    ScoresLikeChance,
    /// Its AUC lies below 0.5: it prefers faulty responses.
    PrefersFaulty,
    /// No good response reaches tau.
    TauRejectsAll,
    /// Good and faulty responses pass tau alike: the intervals of both shares hold a common value.
    TauDoesNotSeparate,
    /// The interval of its balanced accuracy holds 0.5, or lies below: it does not tell clear instructions from
    /// faulty ones.
    ChecksLikeChance,
    /// It lets fewer than a tenth of clear instructions pass.
    VetoesAlmostAll,
}

impl Weakness {
    /// A clause about the rater.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Malformed => "more than a fifth of its replies cannot be read",
            Self::ScoresLikeChance => "it scores responses no better than chance",
            Self::PrefersFaulty => "it scores faulty responses above good ones",
            Self::TauRejectsAll => "no good response reaches tau",
            Self::TauDoesNotSeparate => "tau lets faulty responses pass as often as good ones",
            Self::ChecksLikeChance => "it checks instructions no better than chance",
            Self::VetoesAlmostAll => "it lets fewer than a tenth of clear instructions pass",
        }
    }
}

/// What is wrong with a rater; nothing where it can review.
#[must_use]
pub fn weaknesses(
    responses: &ResponseSkill,
    instructions: Option<&InstructionSkill>,
) -> Vec<Weakness> {
    let mut found = Vec::new();
    let malformed = instructions.map_or(0.0, |skill| skill.malformed).max(responses.malformed);
    if malformed > MOST_MALFORMED {
        found.push(Weakness::Malformed);
    }
    // An interval that holds 0.5, or too few responses for one, cannot tell the rater from a coin.
    match tested(&responses.auc) {
        Some((_, high)) if high < 0.5 => found.push(Weakness::PrefersFaulty),
        Some((low, _)) if low > 0.5 => {}
        _ => found.push(Weakness::ScoresLikeChance),
    }
    // Two shares whose intervals touch cannot be told apart, whatever AUC says.
    let (good, faulty) = (&responses.good_passes, &responses.faulty_passes);
    if good.value.unwrap_or(0.0) <= 0.0 {
        found.push(Weakness::TauRejectsAll);
    } else if span(good).zip(span(faulty)).is_some_and(|(good, faulty)| good.0 <= faulty.1) {
        found.push(Weakness::TauDoesNotSeparate);
    }
    if let Some(instructions) = instructions {
        if tested(&instructions.balanced_accuracy).is_none_or(|(low, _)| low <= 0.5) {
            found.push(Weakness::ChecksLikeChance);
        }
        let clear = instructions.passes_by_kind.iter().find(|(kind, _)| kind == CLEAR);
        if clear.and_then(|(_, share)| share.value).is_some_and(|share| share < 0.1) {
            found.push(Weakness::VetoesAlmostAll);
        }
    }
    found
}

/// Both ends of an interval, or the value where nothing varies; `None` for too few rows.
fn tested(estimate: &Estimate) -> Option<(f64, f64)> {
    span(estimate).filter(|_| estimate.n >= FEWEST)
}

/// Both ends of an interval; where nothing varies, or there are too few rows for one, the value stands for them.
fn span(estimate: &Estimate) -> Option<(f64, f64)> {
    let ends = estimate.interval.map(|interval| (interval.low, interval.high));
    ends.or(estimate.value.map(|value| (value, value)))
}

#[cfg(test)]
mod tests;
