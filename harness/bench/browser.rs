//! Candidates as a reader browses them: a row of each for the list, a [`Trail`](crate::trail::Trail) for the
//! whole story. A report embeds both, `view` serves them; the page that shows them is one and the same.
//!
//! Every text here may come from a model. It leaves as JSON, and the page shows it as text only.
//!
//! # Layout
//!
//! - `row`: what the list shows, searches and filters
//! - `browser.css`, `list.js`, `trail.js`: the page's part of it

mod row;

use gra_synth::candidate::Outcome;
use gra_synth::committee::DIMENSIONS;
use gra_synth::domain::Domain;
use gra_synth::request::Stage;
use serde::Serialize;

use crate::trial::stored::StoredTrial;
pub use row::{CandidateRow, Clip};

/// How list and trail look.
pub(crate) const STYLE: &str = include_str!("browser/browser.css");

/// The list and the trail; what comes after them brings the data and calls `browse`.
pub(crate) const SCRIPT: &str =
    concat!(include_str!("browser/trail.js"), include_str!("browser/list.js"));

/// The list's place in a page.
pub(crate) const MARKUP: &str = include_str!("browser/browser.html");

/// What the page must know before it shows any candidate: trials, and the words that filters offer.
#[derive(Clone, Debug, Serialize)]
pub struct BrowserIndex {
    /// In the order that rows count them in.
    pub trials: Vec<TrialNote>,
    /// Every domain, in the paper's order.
    pub domains: Vec<&'static str>,
    /// Every way to end, in the order of the method.
    pub outcomes: Vec<&'static str>,
    /// What responses are scored on.
    pub dimensions: [&'static str; 6],
    /// Characters of each text that the search sees; `None` for all.
    pub clip: Option<usize>,
}

/// A trial that is browsed.
#[derive(Clone, Debug, Serialize)]
pub struct TrialNote {
    /// As `inspect` takes it.
    pub name: String,
    /// Its variant.
    pub variant: String,
    /// Its run seed, as text: it may exceed what a page counts exactly.
    pub seed: String,
    /// Whether it came to its end.
    pub finished: bool,
}

impl TrialNote {
    /// What the page says of a trial.
    #[must_use]
    pub fn new(trial: &StoredTrial) -> Self {
        let id = trial.id();
        Self {
            name: id.to_string(),
            variant: id.variant.clone(),
            seed: id.seed.to_string(),
            finished: trial.finished,
        }
    }
}

impl BrowserIndex {
    /// Of these trials.
    #[must_use]
    pub fn new(trials: Vec<TrialNote>, clip: Option<usize>) -> Self {
        let outcomes = [
            Outcome::Accepted,
            Outcome::Surplus,
            Outcome::Malformed { stage: Stage::Keywords },
            Outcome::Failed { stage: Stage::Keywords },
            Outcome::RepeatedKeywords,
            Outcome::Vetoed,
            Outcome::Rejected,
            Outcome::AdjudicatedOut,
            Outcome::VotedOut,
            Outcome::Duplicate,
        ];
        Self {
            trials,
            domains: Domain::ALL.map(Domain::name).to_vec(),
            outcomes: outcomes.map(Outcome::name).to_vec(),
            dimensions: DIMENSIONS,
            clip,
        }
    }
}
