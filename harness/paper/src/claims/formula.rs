//! The formulas of `claims.csv`, one arm per claim, in its notation.
//!
//! A formula takes the rows that it is computed from, so one formula serves the paper's tables and measured
//! scores. It gives `None` where a row is missing, and for claims without a formula. A claim that would need
//! constants alone has none: its line says `stated, nothing to compute`.

mod consistency;
mod derived;
mod models;
mod shares;
mod text;

use super::scorebook::Scorebook;
use super::value::Value;
use crate::exact::Ratio;
use crate::{BaseModel, DataSource, Reference, SeedDataset};

use BaseModel::{Llama as L, Qwen as Q};
use DataSource::{Distill32b as D32, Distill72b as D72, Gra, Vanilla};
use SeedDataset::{Alpaca, Condor, WizardLm};

/// What a claim's formula gives for the printed tables.
pub(super) fn value(id: &str, book: &Scorebook, paper: &Reference) -> Option<Value> {
    models::value(id, book)
        .or_else(|| text::value(id, paper))
        .or_else(|| consistency::value(id, book, paper))
        .or_else(|| derived::value(id, book, paper))
}

/// What a claim's formula gives for measured scores; `None` also where the claim is not about models.
pub(super) fn measured(id: &str, book: &Scorebook) -> Option<Value> {
    models::value(id, book)
}

/// Whether models' scores decide the claim.
pub(super) fn is_about_models(id: &str) -> bool {
    models::IDS.contains(&id)
}

/// `#{...}`: how many cases are true; `None` when one is unknown.
fn count(cases: impl IntoIterator<Item = Option<bool>>) -> Option<Value> {
    let known: Vec<bool> = cases.into_iter().collect::<Option<_>>()?;
    Some(Value::count(known.into_iter().filter(|is_so| *is_so).count()))
}

fn several(numbers: impl IntoIterator<Item = Option<Ratio>>) -> Option<Value> {
    numbers.into_iter().collect::<Option<_>>().map(Value::Several)
}
