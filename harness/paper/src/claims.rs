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
mod value;

pub use measured::{Measured, MeasuredError};
pub use table::{markdown, terminal, write_csv};
pub use value::{Value, judge, judge_measured};

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
    paper.claims().iter().map(find).collect()
}
