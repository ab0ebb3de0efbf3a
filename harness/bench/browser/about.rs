//! What a page of candidates must know before it shows any.

use gra_synth::candidate::Outcome;
use gra_synth::committee::DIMENSIONS;
use gra_synth::domain::Domain;
use gra_synth::request::Stage;
use serde::Serialize;

use crate::store::TrialId;

/// Trials, and the words that filters offer.
#[derive(Clone, Debug, Serialize)]
pub struct About {
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
    /// Candidates on record.
    pub candidates: usize,
}

impl TrialNote {
    /// A trial of so many candidates.
    #[must_use]
    pub fn new(id: &TrialId, finished: bool, candidates: usize) -> Self {
        let (name, variant, seed) = (id.to_string(), id.variant.clone(), id.seed.to_string());
        Self { name, variant, seed, finished, candidates }
    }
}

impl About {
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
