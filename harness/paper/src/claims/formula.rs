//! The formulas of `claims.csv`. **The text of a formula is the key of its code**: `mean_s T1(L,s,gra)` stands in the
//! file and, letter by letter, before the code that computes it, so neither changes without the other. A text
//! without code has no value, and a test holds that every formula of the file has one.
//!
//! A formula takes the rows that it is computed from, so one formula serves the paper's tables and measured
//! scores. It gives `None` where a row is missing. A claim that would need constants alone has no formula: its line
//! says `stated, nothing to compute`.
//!
//! - `models`: what trained models score; also computed from measured scores
//! - `printing`: numbers that should agree with each other
//! - `text`: cases, figures, numbers of the running text
//! - `derived`: what follows from the tables and is not in the paper

mod derived;
mod models;
mod printing;
mod text;

use super::scorebook::Scorebook;
use super::value::Value;
use crate::exact::Ratio;
use crate::{BaseModel, Claim, DataSource, Reference, SeedDataset};

use BaseModel::{Llama as L, Qwen as Q};
use DataSource::{Distill32b as D32, Distill72b as D72, Gra, Vanilla};
use SeedDataset::{Alpaca, Condor, WizardLm};

/// The code of a formula over scores of trained models.
type Formula = fn(&Scorebook) -> Option<Value>;

/// What a claim's formula gives for the printed tables.
pub(super) fn value(claim: &Claim, book: &Scorebook, paper: &Reference) -> Option<Value> {
    let text = claim.formula.as_str();
    // A text is a key of one module only, so their order does not matter.
    if let Some(formula) = models::formula(text) {
        return formula(book);
    }
    printing::value(text, book, paper)
        .or_else(|| text::value(text, paper))
        .or_else(|| derived::value(text, book, paper))
}

/// What a claim's formula gives for measured scores; `None` also where the claim is not about models.
pub(super) fn measured(claim: &Claim, book: &Scorebook) -> Option<Value> {
    for_scores(claim)?(book)
}

/// Whether models' scores decide the claim.
pub(super) fn is_about_models(claim: &Claim) -> bool {
    for_scores(claim).is_some()
}

fn for_scores(claim: &Claim) -> Option<Formula> {
    // By the id first: formulas of these claims are about numbers of the running text.
    models::ablation(&claim.id).or_else(|| models::formula(&claim.formula))
}

fn number(number: Option<Ratio>) -> Option<Value> {
    number.map(Value::Number)
}

fn counts<const N: usize>(counts: [usize; N]) -> Option<Value> {
    several(counts.map(|n| Some(Ratio::from(n as i128))))
}

/// `#{...}`: how many cases are true; `None` when one is unknown.
fn count(cases: impl IntoIterator<Item = Option<bool>>) -> Option<Value> {
    let known: Vec<bool> = cases.into_iter().collect::<Option<_>>()?;
    Some(Value::count(known.into_iter().filter(|is_so| *is_so).count()))
}

fn several(numbers: impl IntoIterator<Item = Option<Ratio>>) -> Option<Value> {
    numbers.into_iter().collect::<Option<_>>().map(Value::Several)
}
