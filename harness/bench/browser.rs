//! Candidates as a reader browses them: a row of each for the list, a trail for the whole story. A report
//! embeds both, `view` serves them; the page that shows them is one and the same.
//!
//! Every text here may come from a model. It leaves as JSON, and the page shows it as text only.
//!
//! # Layout
//!
//! - `row`: what the list shows, searches and filters
//! - `trail`: everything that was drawn, said and decided about one candidate
//! - `about`: what the page must know beforehand: trials, domains, outcomes
//! - `browser.css`, `list.js`, `trail.js`: the page's part of it

mod about;
mod row;
mod trail;

pub use about::{About, TrialNote};
pub use row::{Clip, Row};
pub use trail::{Call, Depth, Example, Teller, Trail};

/// How list and trail look.
pub(crate) const STYLE: &str = include_str!("browser/browser.css");

/// The list and the trail; what comes after them brings the data and calls `browse`.
pub(crate) const SCRIPT: &str =
    concat!(include_str!("browser/trail.js"), include_str!("browser/list.js"));

/// The list's place in a page.
pub(crate) fn markup() -> &'static str {
    include_str!("browser/browser.html")
}
