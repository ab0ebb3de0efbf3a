//! How data sets differ from the first one.
//!
//! Where both data sets have the same item (an answer and its refinement, one candidate under two variants), the
//! difference of means is two things: what the shared items gained, pair by pair, and that each set has items which
//! the other lacks. Both are estimated; a set that keeps the better half of the other improves nothing, and differs.
//!
//! Items are the same, and depend on each other, where the data sets go back to one seed set. The p-values of all
//! differences of a table are one family of tests, and Holm-corrected.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use polars::prelude::PolarsResult;
use schemars::JsonSchema;
use serde::Deserialize;

use super::MeasuredSet;
use crate::frames::{RowMeasure, RowValues};
use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, Inference, Interval, LEVEL, Side, holm};
use crate::stats::measure::{MeasureTable, MeasureValue};

/// The margin of a measure.
type MarginOf = fn(&Margins) -> Option<f64>;

/// What is compared: a name for readers, a column, and its margin. Distances to the nearest neighbour are not: they
/// depend on how many samples there are, and no test of them is known to hold its level.
const COMPARED: [(&str, &str, MarginOf); 6] = [
    ("words of instruction", "instruction_words", |margins| margins.instruction_words),
    ("words of response", "response_words", |margins| margins.response_words),
    ("mu", "mu", |margins| margins.mu),
    ("judge's score", "judge", |margins| margins.judge),
    ("loss-ratio", "loss_ratio", |margins| margins.loss_ratio),
    ("perplexity-ratio", "perplexity_ratio", |margins| margins.perplexity_ratio),
];

/// Places in [`COMPARED`].
const RESPONSE_WORDS: usize = 1;
const JUDGE: usize = 3;

/// The judge's score of samples as long as those of the other data set ([`at_equal_length`]).
const AT_EQUAL_LENGTH: &str = "judge's score at equal length";

/// The judge's score in pairs of samples of about one length, one of each data set ([`matched_by_length`]).
const MATCHED: &str = "judge's score of pairs matched by length";

/// How far the logarithms of the words of a matched pair may lie apart: a tenth in length.
const CALIPER: f64 = 0.1;

const REFERENCE: &str = "the others are compared with it";
const NO_PAIR: &str = "one of the two has no value";
const NO_TEST: &str = "fewer than 12 on a side, or nothing varies";

/// A difference of means: a data set's minus the first one's.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// E.g. `words of instruction`.
    pub measure: &'static str,
    /// The data set.
    pub data_set: String,
    /// Samples with a value: of the first, of the data set, and items that both have.
    pub n: Sizes,
    /// Of all samples, in the unit of the measure; pair by pair where all items are in both.
    pub difference: Option<Inference>,
    /// Of the items that both have, where these are not all samples of both.
    pub same_items: Option<Inference>,
    /// What is left of the difference: items that one of the two lacks.
    pub selection: Option<Inference>,
    /// Of the [`Self::headline`] being 0, Holm-corrected for all differences of the table.
    pub p: Option<f64>,
    /// How large a difference still counts as none, where the experiment says so.
    pub margin: Option<f64>,
}

/// How many samples a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the first data set.
    pub first: usize,
    /// Of the other.
    pub other: usize,
    /// Items that both have.
    pub both: usize,
}

/// What a difference says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DifferenceVerdict {
    /// The corrected p-value is at most 0.05.
    Differs,
    /// The 90% interval lies within the margin: two one-sided tests at 5% (Schuirmann 1987).
    Alike,
    /// Neither; with so many samples on each side a difference as large as the margin, or without one as large as this
    /// one, would be found four times in five.
    Unknown {
        /// Samples on each side.
        needed: u64,
    },
    /// There is no test: fewer than 12 samples on a side, or nothing varies.
    Untested,
}

/// How large a difference of each measure still counts as none, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Margins {
    /// Words.
    pub instruction_words: Option<f64>,
    /// Words.
    pub response_words: Option<f64>,
    /// On the scale of the scores.
    pub mu: Option<f64>,
    /// On the scale of the scores.
    pub judge: Option<f64>,
    /// A ratio.
    pub loss_ratio: Option<f64>,
    /// A ratio.
    pub perplexity_ratio: Option<f64>,
}

impl Contrast {
    /// The difference that is tested: of the same items where they differ at all, else of all samples.
    #[must_use]
    pub fn headline(&self) -> Option<Inference> {
        self.same_items.filter(|same| same.p().is_some()).or(self.difference)
    }

    /// What it says; `None` where there is no difference to speak of.
    #[must_use]
    pub fn verdict(&self) -> Option<DifferenceVerdict> {
        let headline = self.headline()?;
        if self.p.is_some_and(|p| p <= LEVEL) {
            return Some(DifferenceVerdict::Differs);
        }
        let interval = headline.interval(1.0 - 2.0 * LEVEL);
        let is_within =
            |(margin, Interval { low, high }): (f64, Interval)| -margin < low && high < margin;
        if self.margin.zip(interval).is_some_and(is_within) {
            return Some(DifferenceVerdict::Alike);
        }
        // With a margin the question is whether so much is there; without one, whether this much is.
        let needed = headline.rows_to_find(self.margin.unwrap_or(headline.value));
        let unknown = |needed| DifferenceVerdict::Unknown { needed };
        Some(needed.map_or(DifferenceVerdict::Untested, unknown))
    }
}

/// The differences of means from the first data set, by measure.
pub(super) fn contrasts(
    data_sets: &[MeasuredSet],
    margins: Margins,
) -> PolarsResult<Vec<Contrast>> {
    let values =
        |set: &MeasuredSet| set.values(COMPARED.map(|(_, column, _)| RowMeasure::column(column)));
    let values: Vec<RowValues<String>> =
        data_sets.iter().map(values).collect::<PolarsResult<_>>()?;
    let seed_set = data_sets.first().and_then(|first| first.seed_set.as_ref());
    let is_related = |set: &MeasuredSet| seed_set.is_some() && seed_set == set.seed_set.as_ref();
    let mut contrasts = Vec::new();
    let mut push = |measure, set: &MeasuredSet, found: Differences, margin| {
        let data_set = set.name.clone();
        let Differences { n, difference, same_items, selection } = found;
        let mut contrast =
            Contrast { measure, data_set, n, difference, same_items, selection, p: None, margin };
        contrast.p = contrast.headline().and_then(|headline| headline.p());
        contrasts.push(contrast);
    };
    for (place, (measure, _, margin)) in COMPARED.into_iter().enumerate() {
        for (set, of_set) in data_sets.iter().zip(&values).skip(1) {
            let sides = [Rows::of(&values[0], place), Rows::of(of_set, place)];
            push(measure, set, compare(&sides, is_related(set)), margin(&margins));
        }
    }
    let controls: [(&str, Control); 2] =
        [(AT_EQUAL_LENGTH, at_equal_length), (MATCHED, matched_by_length)];
    for (measure, control) in controls {
        for (set, of_set) in data_sets.iter().zip(&values).skip(1) {
            let found = control([&values[0], of_set], is_related(set));
            push(measure, set, found, margins.judge);
        }
    }
    let p_values: Vec<Option<f64>> = contrasts.iter().map(|contrast| contrast.p).collect();
    for (contrast, p) in contrasts.iter_mut().zip(holm(&p_values)) {
        contrast.p = p;
    }
    Ok(contrasts)
}

/// A data set's samples that have a value.
#[derive(Clone, Default)]
struct Rows<'a> {
    values: Vec<Option<f64>>,
    items: Vec<&'a [String]>,
}

impl<'a> Rows<'a> {
    fn of(values: &'a RowValues<String>, measure: usize) -> Self {
        let rows = values.values(measure).iter().zip(values.items());
        let rows = rows.filter(|(value, _)| value.is_some());
        let (values, items) = rows.map(|(value, items)| (*value, items.as_slice())).unzip();
        Self { values, items }
    }

    /// The rows that are themselves among these items, and the others.
    fn split(&self, among: &BTreeSet<&String>) -> [Self; 2] {
        let mut parts = [Self::default(), Self::default()];
        for (value, items) in self.values.iter().zip(&self.items) {
            let part = &mut parts[usize::from(!among.contains(&items[0]))];
            part.values.push(*value);
            part.items.push(items);
        }
        parts
    }

    fn names(&self) -> BTreeSet<&'a String> {
        self.items.iter().map(|items| &items[0]).collect()
    }
}

/// How the means of two data sets differ, as [`Contrast`] has it.
struct Differences {
    n: Sizes,
    difference: Option<Inference>,
    same_items: Option<Inference>,
    selection: Option<Inference>,
}

/// A comparison of all judged samples, in which no item is held against itself.
type Control = fn([&RowValues<String>; 2], bool) -> Differences;

fn compare(sides: &[Rows; 2], is_related: bool) -> Differences {
    let [first, other] = sides;
    let (mine, theirs) = (first.names(), other.names());
    // Items of unrelated data sets are different ones, whatever they are called.
    let both = mine.intersection(&theirs).copied().filter(|_| is_related);
    let both: BTreeSet<&String> = both.collect();
    let is_all = both.len() == mine.len() && both.len() == theirs.len();
    let difference = if is_all && !both.is_empty() {
        pairs(first, other)
    } else {
        sum(&[(first, -1.0), (other, 1.0)], is_related)
    };
    let (same_items, selection) = if both.is_empty() || is_all {
        (None, None)
    } else {
        let [first_both, first_alone] = first.split(&both);
        let [other_both, other_alone] = other.split(&both);
        // mean(other) - mean(first) less the pairs' difference is what the items add that one lacks: each
        // side's share of such items, times how far they lie from the shared ones.
        let lone = |alone: &Rows, all: &Rows| alone.values.len() as f64 / all.values.len() as f64;
        let (of_other, of_first) = (lone(&other_alone, other), lone(&first_alone, first));
        let parts = [
            (&other_alone, of_other),
            (&other_both, -of_other),
            (&first_both, of_first),
            (&first_alone, -of_first),
        ];
        let parts: Vec<(&Rows, f64)> =
            parts.into_iter().filter(|(_, weight)| weight.abs() > 0.0).collect();
        (pairs(&first_both, &other_both), sum(&parts, true))
    };
    let n = Sizes { first: first.values.len(), other: other.values.len(), both: both.len() };
    Differences { n, difference, same_items, selection }
}

/// A judged sample: score, logarithm of the response's words, and row.
type Judged = (f64, f64, usize);

/// The judged samples of a data set.
fn judged(of: &RowValues<String>) -> Vec<Judged> {
    let rows = of.values(JUDGE).iter().zip(of.values(RESPONSE_WORDS)).enumerate();
    rows.filter_map(|(row, (score, words))| Some(((*score)?, (*words)?.ln_1p(), row))).collect()
}

/// The difference of a judge's scores that is left when both data sets have responses of one length: judges favour long
/// ones. Scores are regressed on the logarithm of the words within each data set, with one slope (an analysis of
/// covariance). What the slope's own error adds to each row is part of its value, so the interval has it too.
fn at_equal_length(sides: [&RowValues<String>; 2], is_related: bool) -> Differences {
    let judged = sides.map(judged);
    let mean = |rows: &[Judged], of: fn(&Judged) -> f64| {
        rows.iter().map(of).sum::<f64>() / rows.len() as f64
    };
    let centre = [0, 1].map(|k| (mean(&judged[k], |row| row.0), mean(&judged[k], |row| row.1)));
    let deviations = || {
        let of =
            |k: usize| judged[k].iter().map(move |row| (row.0 - centre[k].0, row.1 - centre[k].1));
        of(0).chain(of(1))
    };
    let spread: f64 = deviations().map(|(_, length)| length * length).sum();
    let slope = deviations().map(|(score, length)| score * length).sum::<f64>() / spread;
    let apart = centre[1].1 - centre[0].1;
    let rows: [Rows; 2] = std::array::from_fn(|k| {
        let n = judged[k].len() as f64;
        // The difference is this side's mean, with its sign, less the slope times how far the lengths are apart.
        let sign = if k == 0 { 1.0 } else { -1.0 };
        let value = |&(score, length, _): &Judged| {
            let (own, off) = (score - centre[k].0, length - centre[k].1);
            let of_slope = sign * n * apart * off * (own - slope * off) / spread;
            Some(score - slope * length + of_slope)
        };
        let items = judged[k].iter().map(|row| sides[k].items()[row.2].as_slice());
        Rows { values: judged[k].iter().map(value).collect(), items: items.collect() }
    });
    let [first, other] = &rows;
    // Without two lengths in a data set there is no slope.
    let sides = [(first, -1.0), (other, 1.0)];
    let difference = (spread > 0.0).then(|| sum(&sides, is_related)).flatten();
    let both = if is_related { first.names().intersection(&other.names()).count() } else { 0 };
    let n = Sizes { first: first.values.len(), other: other.values.len(), both };
    Differences { n, difference, same_items: None, selection: None }
}

/// The same control without a straight line: samples are paired with ones of the other data set that are as long, the
/// nearest first and each once. Samples that are too long or too short for a partner are left out, so this is about the
/// lengths that both data sets have.
fn matched_by_length(sides: [&RowValues<String>; 2], is_related: bool) -> Differences {
    let [first, other] = sides.map(judged);
    let items_of = |side: usize, row: usize| {
        let place = if is_related { 0 } else { side };
        sides[side].items()[row].iter().map(move |item| (place, item))
    };
    let pairs = nearest_pairs(&first, &other);
    let differences: Vec<Option<f64>> =
        pairs.iter().map(|(mine, theirs)| Some(theirs.0 - mine.0)).collect();
    let items = pairs.iter().map(|(mine, theirs)| items_of(0, mine.2).chain(items_of(1, theirs.2)));
    let difference = Inference::of_mean(&differences, &Dependence::by_items(items));
    let n = Sizes { first: pairs.len(), other: pairs.len(), both: 0 };
    Differences { n, difference, same_items: None, selection: None }
}

/// Pairs of one sample of each side whose lengths lie within [`CALIPER`], the nearest pair first, each sample once.
fn nearest_pairs(first: &[Judged], other: &[Judged]) -> Vec<(Judged, Judged)> {
    let mut line: Vec<(usize, Judged)> = first.iter().map(|row| (0, *row)).collect();
    line.extend(other.iter().map(|row| (1, *row)));
    line.sort_by(|(a_side, a), (b_side, b)| {
        a.1.total_cmp(&b.1).then(a_side.cmp(b_side)).then(a.2.cmp(&b.2))
    });
    // By length, the nearest two of different sides always stand side by side: pairs are taken out of a linked list.
    let mut before: Vec<Option<usize>> = (0..line.len()).map(|at| at.checked_sub(1)).collect();
    let mut after: Vec<usize> = (1..=line.len()).collect();
    let apart = |a: usize, b: usize| (line[a].0 != line[b].0).then(|| line[b].1.1 - line[a].1.1);
    let neighbours = (1..line.len()).map(|at| (at - 1, at));
    // Bits of numbers that are not negative have the order of the numbers.
    let mut nearest: BinaryHeap<Reverse<(u64, usize, usize)>> =
        neighbours.filter_map(|(a, b)| Some(Reverse((apart(a, b)?.to_bits(), a, b)))).collect();
    let mut is_taken = vec![false; line.len()];
    let mut pairs = Vec::new();
    while let Some(Reverse((bits, a, b))) = nearest.pop() {
        if f64::from_bits(bits) > CALIPER {
            break;
        }
        if is_taken[a] || is_taken[b] {
            continue;
        }
        is_taken[a] = true;
        is_taken[b] = true;
        let (mine, theirs) = if line[a].0 == 0 { (a, b) } else { (b, a) };
        pairs.push((line[mine].1, line[theirs].1));
        let (left, right) = (before[a], after[b]);
        if let Some(left) = left {
            after[left] = right;
        }
        if right < line.len() {
            before[right] = left;
            let found = left.and_then(|left| Some((apart(left, right)?.to_bits(), left, right)));
            nearest.extend(found.map(Reverse));
        }
    }
    pairs
}

/// The weighted sum of the sides' means. Items of sides that are not related are different items.
fn sum(sides: &[(&Rows, f64)], is_related: bool) -> Option<Inference> {
    let items = sides.iter().enumerate().flat_map(|(place, (rows, _))| {
        let place = if is_related { 0 } else { place };
        rows.items.iter().map(move |items| items.iter().map(move |item| (place, item)))
    });
    let dependence = Dependence::by_items(items);
    let sides = sides.iter().map(|(rows, weight)| Side { values: &rows.values, weight: *weight });
    Inference::of_sides(&sides.collect::<Vec<_>>(), &dependence)
}

/// The mean difference of the items that both have.
fn pairs(first: &Rows, other: &Rows) -> Option<Inference> {
    let by_name: BTreeMap<&String, usize> =
        first.items.iter().enumerate().map(|(row, items)| (&items[0], row)).collect();
    let (mut differences, mut items) = (Vec::new(), Vec::new());
    for (value, of_other) in other.values.iter().zip(&other.items) {
        let row = by_name[&of_other[0]];
        differences.push(value.zip(first.values[row]).map(|(other, first)| other - first));
        items.push(of_other.iter().chain(first.items[row]));
    }
    Inference::of_mean(&differences, &Dependence::by_items(items))
}

/// Adds the differences to a table of as many data sets as they are about, and the first.
pub(super) fn describe(contrasts: &[Contrast], table: &mut MeasureTable) {
    let others = table.data_sets().len().saturating_sub(1);
    if others == 0 {
        return;
    }
    for row in contrasts.chunks(others) {
        let measure = row[0].measure;
        let mut push = |what: &str, cell: &dyn Fn(&Contrast) -> MeasureValue| {
            let mut cells = vec![MeasureValue::Inapplicable(REFERENCE)];
            cells.extend(row.iter().map(cell));
            table.push("against the first", format!("{measure}, {what}"), cells);
        };
        let shown = |inference: Option<Inference>, missing| {
            inference.map_or(missing, |found| MeasureValue::Known(found.estimate()))
        };
        let inapplicable = MeasureValue::Inapplicable("no item is in both, or all are");
        push("difference", &|of| shown(of.difference, MeasureValue::Absent(NO_PAIR)));
        push("difference of the same items", &|of| shown(of.same_items, inapplicable.clone()));
        push("difference by selection", &|of| shown(of.selection, inapplicable.clone()));
        push("Holm-corrected p", &|of| {
            let n = of.headline().map_or(0, |headline| headline.rows());
            MeasureValue::or_absent(Estimate { n, value: of.p, interval: None }, NO_TEST)
        });
    }
}
