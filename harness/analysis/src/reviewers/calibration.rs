//! Whether models can review: their scores and verdicts on texts whose quality is known.
//!
//! A calibration set holds, for each instruction, a good response and faulty ones of several kinds, and faulty
//! versions of the instruction. A model that can review scores the good response above the faulty ones, whatever its
//! scale: the area under the ROC curve (AUC) is the probability that it does, ties counted half (Hanley and
//! `McNeil` 1982), 0.5 for a coin. Whether the method's threshold then separates them is another question: a model may rank well
//! and pass everything, or nothing.
//!
//! All intervals know that the responses to one instruction are not independent. A committee's score of
//! a response is the mean over its members; every committee of the size asked for takes part.
//!
//! # Layout
//!
//! - [`Sheet`]: what one rater said of every text
//! - [`skill`]: of responses AUC, shares above tau, distinct scores, the tau of a wanted precision; of instructions
//!   shares that all three bits let pass
//! - [`verdict`]: whether a rater can be used, in words

use std::collections::{BTreeMap, BTreeSet};

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{self, Estimate};

pub mod skill;
pub mod table;
pub mod verdict;

/// The kind of response that deserves to pass.
pub const GOOD: &str = "good";

/// The kind of instruction that deserves to pass.
pub const CLEAR: &str = "clear";

/// What one rater said of the texts of a calibration set.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet<T> {
    /// The model, or `committee of N`.
    pub rater: String,
    /// Its verdicts: item's place in the set, kind of text, what was said; `None` where no reply could be read.
    pub rows: Vec<Rating<T>>,
}

/// One verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Rating<T> {
    /// The item's place in the set, from 0. Rows of one item depend on each other.
    pub item: usize,
    /// Kind of text, e.g. `good` or `off-topic`.
    pub kind: String,
    /// A mean score from 1 to 10, or whether an instruction passed; `None` where no reply could be read.
    pub said: Option<T>,
}

impl<T: Copy> Sheet<T> {
    /// The kinds in the order in which they first come up.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let kinds = self.rows.iter().map(|row| row.kind.as_str());
        kinds.filter(|kind| seen.insert(*kind)).collect()
    }

    /// The rows that were read, as kind and verdict, and which depend on each other.
    fn read(&self) -> (Vec<(&str, T)>, Dependence) {
        let read = || self.rows.iter().filter_map(|row| Some((row, row.said?)));
        let rows = read().map(|(row, said)| (row.kind.as_str(), said)).collect();
        (rows, Dependence::by(read().map(|(row, _)| row.item)))
    }

    /// The share of rows without a readable reply.
    #[must_use]
    pub fn malformed(&self) -> f64 {
        let missing = self.rows.iter().filter(|row| row.said.is_none()).count();
        missing as f64 / (self.rows.len() as f64).max(1.0)
    }

    /// The mean over read rows of what a function makes of kind and verdict, where it makes something.
    fn mean(&self, value: impl Fn(&str, T) -> Option<f64>) -> Estimate {
        let (rows, dependence) = self.read();
        let values: Vec<Option<f64>> = rows.iter().map(|(kind, said)| value(kind, *said)).collect();
        inference::mean(&values, &dependence)
    }
}

/// Every committee of `size` of these raters: for each text the committee's verdict, where all of its members gave one.
/// Rows of different committees on one item share its place, so they depend on each other.
#[must_use]
pub fn committees<T: Copy>(
    sheets: &[Sheet<T>],
    size: usize,
    settle: impl Fn(&[T]) -> T,
) -> Sheet<T> {
    let tables: Vec<BTreeMap<(usize, &str), T>> = sheets
        .iter()
        .map(|sheet| {
            let rows = sheet.rows.iter();
            rows.filter_map(|row| Some(((row.item, row.kind.as_str()), row.said?))).collect()
        })
        .collect();
    // Every rater was asked about the same texts, so the first sheet names them all.
    let texts: Vec<(usize, &str)> = sheets
        .first()
        .map(|sheet| sheet.rows.iter().map(|row| (row.item, row.kind.as_str())).collect())
        .unwrap_or_default();
    let mut rows = Vec::new();
    for members in subsets(sheets.len(), size) {
        rows.extend(texts.iter().map(|text| {
            let said: Option<Vec<T>> =
                members.iter().map(|member| tables[*member].get(text).copied()).collect();
            Rating { item: text.0, kind: text.1.to_owned(), said: said.map(|said| settle(&said)) }
        }));
    }
    Sheet { rater: format!("committee of {size}"), rows }
}

/// The subsets of `size` of the numbers below `n`, in lexicographic order.
fn subsets(n: usize, size: usize) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = vec![Vec::new()];
    // Each round adds one member behind the last one, so no subset comes twice.
    for _ in 0..size {
        let longer = found.into_iter().flat_map(|subset| {
            let next = subset.last().map_or(0, |last| last + 1);
            (next..n).map(move |member| [subset.as_slice(), &[member]].concat())
        });
        found = longer.collect();
    }
    found
}

#[cfg(test)]
mod tests;
