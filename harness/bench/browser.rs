//! Candidates as a reader browses them: a row of each for the list, a [`Trail`](crate::trail::Trail) for the
//! whole story. A report embeds both, `view` serves them; the page that shows them is one and the same.
//!
//! Every text here may come from a model. It leaves as JSON, and the page shows it as text only.
//!
//! `browser/` has the page's part of it: `browser.css`, `list.js`, `trail.js`.

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::{DIMENSIONS, Decision};
use gra_synth::domain::Domain;
use gra_synth::request::Stage;
use serde::Serialize;

use crate::trial::stored::StoredTrial;

/// How list and trail look.
pub(crate) const STYLE: &str = include_str!("browser/browser.css");

/// The list and the trail; what comes after them brings the data and calls `browse`.
pub(crate) const SCRIPT: &str =
    concat!(include_str!("browser/trail.js"), include_str!("browser/list.js"));

/// The list's place in a page.
pub(crate) const MARKUP: &str = include_str!("browser/browser.html");

/// What the page must know before it shows any candidate: trials, and the words that filters offer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BrowserIndex {
    /// In the order that rows count them in.
    pub(crate) trials: Vec<TrialNote>,
    /// Every domain, in the paper's order.
    pub(crate) domains: Vec<&'static str>,
    /// Every way to end, in the order of the method.
    pub(crate) outcomes: Vec<&'static str>,
    /// What responses are scored on.
    pub(crate) dimensions: [&'static str; 6],
    /// Characters of each text that the search sees; `None` for all.
    pub(crate) clip: Option<usize>,
}

/// A trial that is browsed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrialNote {
    /// As `inspect` takes it.
    pub(crate) name: String,
    /// Its variant.
    pub(crate) variant: String,
    /// Its run seed, as text: it may exceed what a page counts exactly.
    pub(crate) seed: String,
    /// Whether it came to its end.
    pub(crate) finished: bool,
}

impl TrialNote {
    /// What the page says of a trial.
    pub(crate) fn new(trial: &StoredTrial) -> Self {
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
    pub(crate) fn new(trials: Vec<TrialNote>, clip: Option<usize>) -> Self {
        // Whatever the stage, a malformed or a failed candidate has one word.
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

/// One candidate in a list: what the list shows, searches and filters, with the beginning of its texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CandidateRow {
    /// Place of its trial.
    pub(crate) trial: usize,
    /// Which candidate.
    pub(crate) id: String,
    /// The domain it was made for; empty where a seed set brought none along.
    pub(crate) domain: &'static str,
    /// How it ended; `under way` while its round is.
    pub(crate) outcome: &'static str,
    /// The committee's mean, in score points; `None` unless all of it has scored.
    pub(crate) mu: Option<f64>,
    /// The committee's spread, likewise.
    pub(crate) sigma: Option<f64>,
    /// mu >= tau and sigma > delta, however that was settled.
    pub(crate) disputed: bool,
    /// Who wrote it.
    pub(crate) generator: String,
    /// The keyword set.
    pub(crate) keywords: String,
    /// Beginning of the instruction; empty until written.
    pub(crate) instruction: String,
    /// Beginning of the response; empty until written.
    pub(crate) response: String,
}

/// How much of a text a row keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clip {
    characters: usize,
}

impl Clip {
    /// So that the texts of so many rows together stay within some bytes of plain English; never less
    /// than a line of each.
    pub(crate) fn within(bytes: usize, rows: usize) -> Self {
        // Instruction and response of each row.
        let texts = 2 * rows.max(1);
        Self { characters: (bytes / texts).max(120) }
    }

    /// To so many characters of each text.
    pub(crate) const fn to(characters: usize) -> Self {
        Self { characters }
    }

    /// The limit, where one of the texts exceeds it.
    pub(crate) fn shown<'a>(
        self,
        candidates: impl IntoIterator<Item = &'a Candidate>,
    ) -> Option<usize> {
        let exceeds = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| text.chars().nth(self.characters).is_some())
        };
        let mut candidates = candidates.into_iter();
        candidates
            .any(|candidate| exceeds(&candidate.instruction) || exceeds(&candidate.response))
            .then_some(self.characters)
    }

    /// The beginning of a text that exceeds the limit, and a sign that there was more.
    pub(crate) fn beginning(self, text: &str) -> String {
        match text.char_indices().nth(self.characters) {
            Some((end, _)) => format!("{}\u{2026}", &text[..end]),
            None => text.to_owned(),
        }
    }
}

impl CandidateRow {
    /// The row of a candidate of the trial at a place.
    pub(crate) fn new(trial: usize, candidate: &Candidate, clip: Clip) -> Self {
        let tally = candidate.tally();
        Self {
            trial,
            id: candidate.id.to_string(),
            domain: candidate.domain.map_or("", Domain::name),
            outcome: candidate.outcome.map_or("under way", |outcome| outcome.name()),
            mu: tally.map(|tally| rounded(tally.mu())),
            sigma: tally.map(|tally| rounded(tally.sigma())),
            disputed: candidate.decision == Some(Decision::Dispute),
            generator: candidate.roles.generator.to_string(),
            keywords: candidate.keywords.join(", "),
            instruction: clip.beginning(candidate.instruction.as_deref().unwrap_or_default()),
            response: clip.beginning(candidate.response.as_deref().unwrap_or_default()),
        }
    }

    /// What a search looks in, in small letters.
    pub(crate) fn haystack(&self) -> String {
        let parts = [&self.id, &self.instruction, &self.response, &self.keywords, &self.generator];
        parts.map(|part| part.to_lowercase()).join("\n")
    }
}

/// To four decimals, which sum scores are told apart by.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use gra_synth::candidate::Roles;
    use gra_synth::pool::ItemId;
    use gra_synth::request::ModelName;

    use super::*;

    fn written(instruction: &str) -> Candidate {
        let model = ModelName::new("a model");
        let roles = Roles {
            generator: model.clone(),
            reviewers: Vec::new(),
            adjudicator: None,
            summariser: model,
        };
        let id = ItemId::Candidate { round: 1, number: 7 };
        let mut candidate = Candidate::drawn(id, 0, Some(Domain::Qa), Vec::new(), roles);
        candidate.instruction = Some(instruction.to_owned());
        candidate
    }

    #[test]
    fn texts_are_cut_between_characters_and_say_so() {
        let clip = Clip { characters: 3 };
        let cases =
            [("abc", "abc"), ("abcd", "abc\u{2026}"), ("日本語です", "日本語\u{2026}"), ("", "")];
        for (text, kept) in cases {
            let candidate = written(text);
            assert_eq!(CandidateRow::new(0, &candidate, clip).instruction, kept);
            assert_eq!(clip.shown([&candidate]).is_some(), kept.ends_with('\u{2026}'));
        }
    }

    #[test]
    fn a_share_of_the_budget_is_never_less_than_a_line() {
        assert_eq!(Clip::within(16_000_000, 50_000).characters, 160);
        assert_eq!(Clip::within(16_000_000, 10_000_000).characters, 120);
        assert_eq!(Clip::within(1_000, 0).characters, 500);
    }

    #[test]
    fn what_is_not_known_yet_is_absent() {
        let row = CandidateRow::new(2, &written("x"), Clip { characters: 9 });
        assert_eq!((row.mu, row.sigma, row.outcome), (None, None, "under way"));
        assert_eq!(row.haystack(), "r1-00007\nx\n\n\na model");
    }
}
