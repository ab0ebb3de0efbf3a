//! Every claim of the paper that can be checked: what it prints, what its own tables give, and what was
//! measured here.
//!
//! The verdict on the paper is the audit's (`results/paper/claims.csv`); a test holds every one of them
//! against its formula. What is measured here has a verdict of its own, by [`judge_measured`].

mod formula;
mod measured;
mod table;
#[cfg(test)]
mod tests;

pub use measured::{Measured, MeasuredError};
pub use table::{markdown, terminal, write_csv};

use std::fmt;

use formula::Scorebook;

use crate::exact::{self, Ratio};
use crate::{Claim, ClaimVerdict, Reference};

/// What a user's results say about a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// The results hold a value for it.
    Measured {
        /// The value, in the unit of the claim.
        value: Value,
        /// Its 95% interval, where it has one.
        interval: Option<(Ratio, Ratio)>,
        /// The file that the value is from, and how it was taken.
        from: String,
        /// The verdict of [`judge_measured`]; `None` where the claim is not a number or a bound.
        verdict: Option<ClaimVerdict>,
    },
    /// The results hold no value; the text says which command or file would.
    Missing(&'static str),
    /// No measurement can decide it: the claim is about the paper's own text or tables.
    Inapplicable,
}

impl Measurement {
    /// The value and its interval: `50 [40, 60]`; `None` where nothing was measured.
    #[must_use]
    pub fn number(&self) -> Option<String> {
        let Self::Measured { value, interval, .. } = self else { return None };
        let interval =
            interval.map(|(low, high)| format!(" [{}, {}]", exact::shown(low), exact::shown(high)));
        Some(format!("{value}{}", interval.unwrap_or_default()))
    }
}

/// A claim with what its formula gives and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The line of `claims.csv`: the printed number, the audit's verdict and its reason.
    pub claim: Claim,
    /// What the formula gives for the printed tables; `None` for a claim without a formula.
    pub recomputed: Option<Value>,
    /// What the user's results say.
    pub here: Measurement,
}

impl Finding {
    /// What the formula gives, or `stated, nothing to compute`; `None` for a claim in words.
    #[must_use]
    pub fn recomputed_text(&self) -> Option<String> {
        let stated = self.claim.is_stated().then(|| self.claim.recomputed.clone());
        self.recomputed.as_ref().map(ToString::to_string).or(stated)
    }
}

/// Recomputes every claim from the printed tables and looks for it in a user's results, in the order of `claims.csv`.
#[must_use]
pub fn audit(paper: &Reference, measured: &Measured) -> Vec<Finding> {
    // The same formulas twice: on what the paper prints, and on what was measured here.
    let printed = Scorebook::from(paper);
    // Once for all claims: each shifted book is all measured scores anew.
    let (ours, shifted) = (measured.scorebook(None), measured.shifted());
    let find = |claim: &Claim| Finding {
        recomputed: formula::value(claim, &printed, paper),
        here: measured.measurement(claim, &ours, &shifted),
        claim: claim.clone(),
    };
    paper.claims.iter().map(find).collect()
}

/// What a formula gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An exact number; counts are whole ones.
    Number(Ratio),
    /// A number with a root in it.
    Real(f64),
    /// Whether something is so.
    Truth(bool),
    /// Several numbers.
    Several(Vec<Ratio>),
}

impl Value {
    /// A whole number.
    fn count(n: usize) -> Self {
        Self::Number(Ratio::from(n as i128))
    }

    /// The value as a fraction, where it is a single number.
    fn rounded(&self) -> Option<Ratio> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Real(number) => exact::parse(&format!("{number:.9}")),
            Self::Truth(_) | Self::Several(_) => None,
        }
    }
}

/// To four decimals, without trailing zeros; several with spaces between them.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Number(number) => exact::shown(*number),
            Self::Real(number) => {
                let text = format!("{number:.4}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Self::Truth(truth) => truth.to_string(),
            Self::Several(numbers) => {
                let texts: Vec<String> = numbers.iter().copied().map(exact::shown).collect();
                texts.join(" ")
            }
        };
        out.pad(&text)
    }
}

/// Compares what was printed with what a formula gives. A number is met when the value rounds to it, at
/// its own number of decimals; `>0`, `>=1`, `<30`, `<=30` and `not 90` are bounds; `true` is a truth.
/// `None` where the two cannot be compared by a rule: words, or one number against several.
#[must_use]
pub fn judge(printed: &str, value: &Value) -> Option<ClaimVerdict> {
    let met = |is_met: bool| if is_met { ClaimVerdict::Holds } else { ClaimVerdict::Contradicted };
    match value {
        Value::Truth(truth) => printed.parse().ok().map(|claimed: bool| met(claimed == *truth)),
        Value::Several(numbers) => {
            // One number per base model, column or round; another count means another question.
            let claimed: Vec<&str> = printed.split(' ').collect();
            let is_met = |(text, number): (&&str, &Ratio)| meets(text, *number);
            let each: Option<Vec<bool>> = claimed.iter().zip(numbers).map(is_met).collect();
            let each = each.filter(|_| claimed.len() == numbers.len())?;
            Some(met(each.into_iter().all(|is_met| is_met)))
        }
        Value::Number(_) | Value::Real(_) => {
            let number = value.rounded()?;
            if let Some(is_met) = within(printed, number) {
                return Some(met(is_met));
            }
            let claimed = exact::parse(printed)?;
            if meets(printed, number)? {
                return Some(ClaimVerdict::Holds);
            }
            Some(ClaimVerdict::Off(exact::distance(exact::round(number, 4), claimed)))
        }
    }
}

/// [`judge`] of a measured value with its interval, where it has one: met where the whole interval meets what was
/// printed, missed where none of it does, and otherwise not to be told.
#[must_use]
pub fn judge_measured(
    printed: &str,
    value: &Value,
    interval: Option<(Ratio, Ratio)>,
) -> Option<ClaimVerdict> {
    let verdict = judge(printed, value)?;
    let Some((low, high)) = interval else { return Some(verdict) };
    let is_met = |number| within(printed, number).or_else(|| meets(printed, number));
    let ends = (is_met(low)?, is_met(high)?);
    // What a printed number or bound allows has no gaps, but for `not 90`, whose gap may lie between the ends.
    let holds_number = |text: &str| exact::parse(text).is_some_and(|n| low <= n && n <= high);
    Some(match printed.strip_prefix("not ") {
        Some(gap) if holds_number(gap) => ClaimVerdict::CannotTell,
        None if ends == (true, true) => ClaimVerdict::Holds,
        None if ends.0 || ends.1 || holds_number(printed) => ClaimVerdict::CannotTell,
        _ => verdict,
    })
}

/// Whether a number rounds to a printed one; `None` when that is no number.
fn meets(printed: &str, number: Ratio) -> Option<bool> {
    let claimed = exact::parse(printed)?;
    // At the printed number of decimals: 8.83 is met by 8.8267, and 9 by 9.4.
    let decimals = printed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    Some(exact::round(number, u32::try_from(decimals).ok()?) == claimed)
}

/// Whether a number is within a bound; `None` when nothing of the kind was printed.
fn within(printed: &str, number: Ratio) -> Option<bool> {
    // Two-letter signs before those that begin alike.
    let sign = ["not ", ">=", "<=", ">", "<"].into_iter().find(|sign| printed.starts_with(sign))?;
    let bound = exact::parse(&printed[sign.len()..])?;
    Some(match sign {
        "not " => number != bound,
        ">=" => number >= bound,
        "<=" => number <= bound,
        ">" => number > bound,
        _ => number < bound,
    })
}
