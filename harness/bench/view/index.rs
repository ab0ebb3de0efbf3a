//! Rows of all candidates in memory, made once, and questions about them: no request reads the whole
//! store, and most read none of it.

use std::cmp::Ordering;

use gra_synth::candidate::Candidate;
use serde::{Deserialize, Serialize};

use crate::browser::{CandidateRow, Clip, TrialNote};

/// Bytes of plain text that the rows may hold together.
const ROW_TEXTS: usize = 128_000_000;

/// How much of a text a page of rows shows.
const SHOWN: Clip = Clip::to(300);

/// Most rows of one page.
const MOST_ROWS: usize = 500;

pub(super) struct Index {
    rows: Vec<CandidateRow>,
    /// What a search looks in, by row.
    haystacks: Vec<String>,
}

/// Which rows, in which order. Empty texts ask for all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
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
pub(super) struct Page {
    /// Rows that fit.
    total: usize,
    /// Rows that there are.
    of: usize,
    rows: Vec<CandidateRow>,
}

impl Index {
    /// Indexes candidates by trial; the limit of a row's texts, where one exceeds it.
    pub(super) fn new(trials: &[Vec<Candidate>]) -> (Self, Option<usize>) {
        let all = || trials.iter().flatten();
        let clip = Clip::within(ROW_TEXTS, all().count());
        let of_trial = |(place, candidates): (usize, &Vec<Candidate>)| {
            candidates
                .iter()
                .map(|candidate| CandidateRow::new(place, candidate, clip))
                .collect::<Vec<_>>()
        };
        let mut rows: Vec<CandidateRow> = trials.iter().enumerate().flat_map(of_trial).collect();
        let haystacks = rows.iter().map(CandidateRow::haystack).collect();
        // The search has seen the longer texts; a page of rows shows their beginnings.
        for row in &mut rows {
            row.instruction = SHOWN.beginning(&row.instruction);
            row.response = SHOWN.beginning(&row.response);
        }
        (Self { rows, haystacks }, clip.shown(all()))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The page that a query asks for, or what is wrong with it.
    pub(super) fn answer(&self, query: &ListQuery, trials: &[TrialNote]) -> Result<Page, String> {
        let bound = |text: &str| match text {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(bound) if bound.is_finite() => Ok(Some(bound)),
                _ => Err(format!("`{text}` is no score")),
            },
        };
        let (from, to) = (bound(&query.from)?, bound(&query.to)?);
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let fits_trial: Vec<bool> = trials
            .iter()
            .map(|trial| is(&query.variant, &trial.variant) && is(&query.seed, &trial.seed))
            .collect();
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
        Ok(Page { total, of, rows })
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
    use super::*;

    /// Id, outcome, mu, disputed, text.
    type Given = (&'static str, &'static str, Option<f64>, bool, &'static str);

    fn index(given: &[Given]) -> Index {
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
        Index { haystacks: rows.iter().map(CandidateRow::haystack).collect(), rows }
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
