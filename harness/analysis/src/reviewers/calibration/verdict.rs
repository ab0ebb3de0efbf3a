//! Whether a rater can be used, in words and as data that a later run can read.

use serde::{Deserialize, Serialize};

use super::skill::{InstructionSkill, ResponseSkill};
use crate::statistics::inference::{Estimate, FEWEST};

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
        let clear = instructions.passes_by_kind.iter().find(|(kind, _)| kind == super::CLEAR);
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
    ends.or_else(|| estimate.value.map(|value| (value, value)))
}
