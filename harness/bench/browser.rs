//! Candidates as a reader browses them: a row of each for the list, a [`Trail`](crate::trail::Trail) for the
//! whole story. A report embeds both, `view` serves them; the page that shows them is one and the same. A report's page
//! answers questions about its rows by itself; those of `view` are in memory here, made once, so that no request reads
//! the whole store, and most read none of it.
//!
//! Every text here may come from a model. It leaves as JSON, and the page shows it as text only.
//!
//! `browser/` has the page's part of it: `browser.css`, `list.js`, `trail.js`, and for `view` `server.js`.

use std::cmp::Ordering;

use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::{DIMENSIONS, Decision};
use gra_synth::domain::Domain;
use gra_synth::request::Stage;
use serde::{Deserialize, Serialize};

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
    pub(crate) fn shown<'a>(self, of: impl IntoIterator<Item = &'a Candidate>) -> Option<usize> {
        let exceeds = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| text.chars().nth(self.characters).is_some())
        };
        let mut of = of.into_iter();
        of.any(|one| exceeds(&one.instruction) || exceeds(&one.response)).then_some(self.characters)
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

/// Bytes of plain text that the rows may hold together.
const ROW_TEXTS: usize = 128_000_000;

/// How much of a text a page of rows shows.
const SHOWN: Clip = Clip::to(300);

/// Most rows of one page.
const MOST_ROWS: usize = 500;

/// All rows in memory.
pub(crate) struct RowIndex {
    rows: Vec<CandidateRow>,
    /// What a search looks in, by row.
    haystacks: Vec<String>,
}

/// Which rows, in which order. Empty texts ask for all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    q: String,
    variant: String,
    seed: String,
    domain: String,
    outcome: String,
    /// Least and largest mean score.
    from: String,
    to: String,
    disputed: bool,
    sort: String,
    descending: bool,
    offset: usize,
    limit: usize,
}

/// Some of the rows that a query finds.
#[derive(Debug, Serialize)]
pub(crate) struct RowPage {
    /// Rows that fit.
    total: usize,
    /// Rows that there are.
    of: usize,
    rows: Vec<CandidateRow>,
}

impl RowIndex {
    /// Indexes candidates by trial; the limit of a row's texts, where one exceeds it.
    pub(crate) fn new(trials: &[Vec<Candidate>]) -> (Self, Option<usize>) {
        let all = || trials.iter().flatten();
        let clip = Clip::within(ROW_TEXTS, all().count());
        let mut rows: Vec<CandidateRow> = Vec::new();
        for (place, candidates) in trials.iter().enumerate() {
            rows.extend(candidates.iter().map(|one| CandidateRow::new(place, one, clip)));
        }
        let haystacks = rows.iter().map(CandidateRow::haystack).collect();
        // The search has seen the longer texts; a page of rows shows their beginnings.
        for row in &mut rows {
            row.instruction = SHOWN.beginning(&row.instruction);
            row.response = SHOWN.beginning(&row.response);
        }
        (Self { rows, haystacks }, clip.shown(all()))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The page that a query asks for, or what is wrong with it.
    pub(crate) fn answer(
        &self,
        query: &ListQuery,
        trials: &[TrialNote],
    ) -> Result<RowPage, String> {
        let bound = |text: &str| match text {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(bound) if bound.is_finite() => Ok(Some(bound)),
                _ => Err(format!("`{text}` is no score")),
            },
        };
        let (from, to) = (bound(&query.from)?, bound(&query.to)?);
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let fits = |one: &TrialNote| is(&query.variant, &one.variant) && is(&query.seed, &one.seed);
        let fits_trial: Vec<bool> = trials.iter().map(fits).collect();
        // As haystacks are; the search knows no other folding.
        let words = query.q.to_lowercase();
        let fits = |(row, haystack): &(&CandidateRow, &String)| {
            fits_trial[row.trial]
                && is(&query.domain, row.domain)
                && is(&query.outcome, row.outcome)
                && (!query.disputed || row.disputed)
                && from.is_none_or(|from| row.mu.is_some_and(|mu| mu >= from))
                && to.is_none_or(|to| row.mu.is_some_and(|mu| mu <= to))
                && (words.is_empty() || haystack.contains(&words))
        };
        let mut found: Vec<&CandidateRow> =
            self.rows.iter().zip(&self.haystacks).filter(fits).map(|(row, _)| row).collect();
        sort(&mut found, query, trials)?;
        let (total, of) = (found.len(), self.rows.len());
        // A page asks for 50; a request by hand must not ask for the whole store.
        let limit = query.limit.clamp(1, MOST_ROWS);
        let rows = found.into_iter().skip(query.offset).take(limit).cloned().collect();
        Ok(RowPage { total, of, rows })
    }
}

/// What has no value comes last either way, and equals keep their order.
fn sort(rows: &mut [&CandidateRow], query: &ListQuery, trials: &[TrialNote]) -> Result<(), String> {
    let turn = |order: Ordering| if query.descending { order.reverse() } else { order };
    let number = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => turn(a.total_cmp(&b)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    // Rows come by trial and id, as they were read.
    match query.sort.as_str() {
        "" | "id" if !query.descending => {}
        "" | "id" => rows.sort_by(|a, b| b.id.cmp(&a.id)),
        "variant" => {
            let variant = |row: &CandidateRow| &trials[row.trial].variant;
            rows.sort_by(|a, b| turn(variant(a).cmp(variant(b))));
        }
        "domain" => rows.sort_by(|a, b| turn(a.domain.cmp(b.domain))),
        "outcome" => rows.sort_by(|a, b| turn(a.outcome.cmp(b.outcome))),
        "mu" => rows.sort_by(|a, b| number(a.mu, b.mu)),
        "sigma" => rows.sort_by(|a, b| number(a.sigma, b.sigma)),
        other => return Err(format!("rows are not sorted by `{other}`")),
    }
    Ok(())
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

    /// Id, outcome, mu, disputed, text.
    type Given = (&'static str, &'static str, Option<f64>, bool, &'static str);

    fn index(given: &[Given]) -> RowIndex {
        let row = |&(id, outcome, mu, disputed, text): &Given| CandidateRow {
            trial: 0,
            id: id.to_owned(),
            domain: "Math",
            outcome,
            mu,
            sigma: None,
            disputed,
            generator: "qwen".to_owned(),
            keywords: String::new(),
            instruction: text.to_owned(),
            response: String::new(),
        };
        let rows: Vec<CandidateRow> = given.iter().map(row).collect();
        RowIndex { haystacks: rows.iter().map(CandidateRow::haystack).collect(), rows }
    }

    fn trials() -> Vec<TrialNote> {
        let (name, variant, seed) = ("e/gra/seed-42".into(), "gra".into(), "42".into());
        vec![TrialNote { name, variant, seed, finished: true }]
    }

    fn ids(change: impl FnOnce(&mut ListQuery)) -> String {
        let index = index(&[
            ("a", "accepted", Some(8.5), false, "Tides in ΑΘΗΝΑ"),
            ("b", "rejected", Some(3.0), false, "bridges"),
            ("c", "vetoed", None, false, "tides again"),
            ("d", "accepted", Some(9.0), true, "海の潮"),
        ]);
        let mut query = ListQuery { limit: 10, ..ListQuery::default() };
        change(&mut query);
        match index.answer(&query, &trials()) {
            Ok(page) => {
                let rows: Vec<&str> = page.rows.iter().map(|row| row.id.as_str()).collect();
                format!("{} of {}: {}", page.total, page.of, rows.join(" "))
            }
            Err(reason) => reason,
        }
    }

    #[test]
    fn questions_find_what_fits_in_the_order_asked_for() {
        type Change = fn(&mut ListQuery);
        let cases: [(Change, &str); 13] = [
            (|_| {}, "4 of 4: a b c d"),
            (|q| q.q = "TIDES".into(), "2 of 4: a c"),
            (|q| q.q = "αθηνα".into(), "1 of 4: a"),
            (|q| q.q = "潮".into(), "1 of 4: d"),
            (|q| q.q = "%".into(), "0 of 4: "),
            (|q| q.outcome = "accepted".into(), "2 of 4: a d"),
            (|q| q.variant = "other".into(), "0 of 4: "),
            (|q| (q.from, q.to) = ("3".into(), "8.5".into()), "2 of 4: a b"),
            (|q| q.disputed = true, "1 of 4: d"),
            (|q| (q.sort, q.descending) = ("mu".into(), true), "4 of 4: d a b c"),
            (|q| q.sort = "mu".into(), "4 of 4: b a d c"),
            (|q| (q.offset, q.limit) = (1, 2), "4 of 4: b c"),
            (|q| q.from = "high".into(), "`high` is no score"),
        ];
        for (change, expected) in cases {
            assert_eq!(ids(change), expected);
        }
        assert_eq!(ids(|q| q.sort = "DROP TABLE".into()), "rows are not sorted by `DROP TABLE`");
        assert_eq!(ids(|q| q.offset = usize::MAX), "4 of 4: ");
    }
}
