//! Every claim of the paper that can be checked: what it prints, what its own tables give, and what was
//! measured here.
//!
//! The verdict on the paper is the audit's (`results/paper/claims.csv`); a test holds every one of them
//! against its formula. What is measured here has a verdict of its own, by the rules of [`judge`].

mod formula;
mod measured;
mod scorebook;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use measured::{Measured, MeasuredError};
pub use table::{markdown, terminal, write_csv};
pub use value::{Value, judge};

use scorebook::Scorebook;

use crate::{Claim, Reference, Verdict};

/// What was measured here, beside a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Here {
    /// It was measured.
    Measured {
        /// In the claim's own unit.
        value: Value,
        /// Where the value is from.
        from: String,
        /// By the rules of [`judge`]; `None` where the claim is no number or bound.
        verdict: Option<Verdict>,
    },
    /// It could be, and what it takes.
    Missing(&'static str),
    /// The claim is about the paper's own text or tables.
    Inapplicable,
}

/// A claim and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The claim, what was printed, the verdict and why.
    pub claim: Claim,
    /// What its formula gives for the printed tables; `None` where it has none.
    pub recomputed: Option<Value>,
    /// What was measured here.
    pub here: Here,
}

impl Finding {
    /// What the formula gives, or that there is nothing to compute; `None` for a claim in words.
    #[must_use]
    pub fn recomputed_text(&self) -> Option<String> {
        let stated = self.claim.is_stated().then(|| self.claim.recomputed.clone());
        self.recomputed.as_ref().map(ToString::to_string).or(stated)
    }
}

/// All claims, in the order of the paper's file.
#[must_use]
pub fn audit(paper: &Reference, measured: &Measured) -> Vec<Finding> {
    let printed = Scorebook::from(paper);
    let ours = measured.scorebook();
    let find = |claim: &Claim| Finding {
        recomputed: formula::value(&claim.id, &printed, paper),
        here: measured.of(claim, &ours),
        claim: claim.clone(),
    };
    paper.claims().iter().map(find).collect()
}
