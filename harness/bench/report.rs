//! One self-contained HTML file about a trial or an experiment: what came out, what was run and how,
//! tables, figures, and every candidate with its trail. It needs no network and no server, holds no
//! time and no machine but what `measured.csv` recorded, and the same store gives the same bytes.
//!
//! What others wrote (models, experiment files) is escaped on its way into the page, or is data that
//! the page's own script shows as text; a content security policy lets nothing else run.
//!
//! # Layout
//!
//! - `material`: what is read for it, from the store and the results
//! - `page`: the file as a whole
//! - `verdict`, `tables`, `compared`, `figures`, `claims`, `making`: its sections
//! - `embedded`, `base64`: rows and trails as compressed blocks, within a budget
//! - `markup`: HTML, and how foreign text becomes a part of it
//! - `report.css`, `file.js`: how it looks; where its browser of samples finds its data

mod base64;
mod claims;
mod compared;
mod embedded;
mod figures;
mod making;
mod markup;
mod material;
mod page;
mod tables;
mod verdict;

use std::path::Path;

use anyhow::Result;

use crate::store::Store;
use material::Material;
pub use material::{Scope, select};

/// Renders the report of what a scope names.
///
/// # Errors
/// When there is no such trial or experiment, or the store cannot be read.
pub fn render(store: &Store, results: &Path, scope: &Scope) -> Result<String> {
    let material = Material::load(store, results, scope)?;
    page::render(&material, store, results)
}

/// A foreign text as a part of a page.
#[must_use]
pub(crate) fn escaped(text: &str) -> String {
    markup::Html::text(text).into_string()
}
