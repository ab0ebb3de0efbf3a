//! Which printed scores can be shares of a benchmark's items, rounded to two decimals.

use super::super::scorebook::pairs;
use crate::exact::{self, Ratio};
use crate::{Benchmark, DataSource, ITERATIONS, Reference, Scores};

/// Every printed value of a column, in Tables 1 and 3.
pub(super) fn column(paper: &Reference, benchmark: Benchmark) -> Vec<Ratio> {
    let main = pairs().flat_map(|(b, s)| DataSource::MAIN.map(|d| paper.main(b, s, d)));
    let iterations = pairs().flat_map(|(b, s)| {
        ITERATIONS.map(|round| paper.iteration(b, s, round).map(|row| &row.scores))
    });
    main.chain(iterations).flatten().map(|scores| scores.column(benchmark)).collect()
}

/// How many of these values are shares of n items, rounded to two decimals.
pub(super) fn fitting(values: &[Ratio], n: i128) -> usize {
    let prints_so = |value: Ratio| near(value, n).any(|share| exact::round(share, 2) == value);
    values.iter().filter(|value| prints_so(**value)).count()
}

/// The shares of n items, in per cent, that lie nearest to this value.
fn near(value: Ratio, n: i128) -> impl Iterator<Item = Ratio> {
    let below = (value * n / 100).floor().to_integer();
    (below - 1..=below + 2).map(move |j| Ratio::new(100 * j, n))
}

/// Least and greatest mean of unrounded scores that print as this row. A column whose items are known
/// takes only their shares; any other may lie half a unit either way.
fn unrounded(scores: &Scores) -> (Ratio, Ratio) {
    let half = Ratio::new(1, 200);
    let (mut low, mut high) = (Ratio::ZERO, Ratio::ZERO);
    for benchmark in Benchmark::ALL {
        let value = scores.column(benchmark);
        let fitting =
            |n: i128| near(value, n).filter(|share| exact::distance(*share, value) <= half);
        let fitting: Vec<Ratio> = benchmark.grid().into_iter().flat_map(fitting).collect();
        low += fitting.iter().copied().min().unwrap_or(value - half);
        high += fitting.iter().copied().max().unwrap_or(value + half);
    }
    (low / 10, high / 10)
}

/// Whether the printed average can be the mean of unrounded scores, rounded half up.
pub(super) fn fits_half_up(scores: &Scores) -> bool {
    let (low, high) = unrounded(scores);
    (exact::round(low, 2)..=exact::round(high, 2)).contains(&scores.average)
}

/// Whether the printed average can be the mean of unrounded scores, rounded up.
pub(super) fn fits_up(scores: &Scores) -> bool {
    let (low, high) = unrounded(scores);
    (exact::ceil(low, 2)..=exact::ceil(high, 2)).contains(&scores.average)
}
