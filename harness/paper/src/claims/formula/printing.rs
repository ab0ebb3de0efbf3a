//! Claims about the printing: numbers that should be the same in two places, averages that should be means, and
//! scores that should be shares of a benchmark's items, rounded to two decimals.

use super::super::scorebook::{Scorebook, pairs};
use super::super::value::Value;
use super::{Alpaca, Condor, Gra, L, Q, Vanilla, WizardLm, count, counts, number};
use crate::exact::{self, Ratio};
use crate::{Benchmark, DataSource, ITERATIONS, PrintedScores, Reference};

// Formulas that are too long for a line of code, by their claims.
const A27: &str = "#{v of Tables 1 and 3: rh2(100 j / n) = v for some j}, for gpqa and 198, arc_c \
    and 295, mbpp and 500";
const A29: &str = "#{v of Tables 1 and 3: rh2(100 j / n) = v for some j}, for ifeval and 541, 834";
const A30: &str = "#{b,s,t: T3(b,s,t) within the means of unrounded inputs, rounded half up} and \
    the same rounded up";
const P12: &str = "#{b,s: the only t whose ten columns equal those of T1(b,s,gra) is the t of the \
    largest T3(b,s,t)}";

pub(super) fn value(text: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
    match text {
        P12 => count(pairs().map(|(b, s)| {
            let matched = paper.matched_rounds(b, s);
            let scores = ITERATIONS.map(|round| t.t3(b, s, round));
            let best = scores.iter().max()?;
            // The first one, where two rounds have the same average.
            let first = scores.iter().position(|score| score == best)?;
            Some(matched == [ITERATIONS[first]])
        })),
        "#{b,s,t: size label of T3(b,s,t) = 10 t thousand}" => count(pairs().flat_map(|(b, s)| {
            ITERATIONS.map(|round| {
                Some(paper.iteration(b, s, round)?.thousands == 10 * i128::from(round))
            })
        })),
        "#{b,s,d: rh2(M1(b,s,d)) = T1(b,s,d)}" => count(pairs().flat_map(|(b, s)| {
            DataSource::MAIN.map(|d| Some(exact::round(t.m1(b, s, d)?, 2) == t.t1(b, s, d)?))
        })),
        "#{b,s,t: rh2(M3(b,s,t)) = T3(b,s,t)}" => count(pairs().flat_map(|(b, s)| {
            ITERATIONS.map(|round| Some(exact::round(t.m3(b, s, round)?, 2) == t.t3(b, s, round)?))
        })),
        "T1(L,alpaca,gra)" => number(t.t1(L, Alpaca, Gra)),
        "T1(L,wizardlm,gra)" => number(t.t1(L, WizardLm, Gra)),
        "T1(L,condor,gra)" => number(t.t1(L, Condor, Gra)),
        "T1(Q,alpaca,gra)" => number(t.t1(Q, Alpaca, Gra)),
        "T1(Q,wizardlm,gra)" => number(t.t1(Q, WizardLm, Gra)),
        "T1(Q,condor,gra)" => number(t.t1(Q, Condor, Gra)),
        "#{b,s: T2(b,s,vanilla) = T1(b,s,vanilla)}" => {
            count(pairs().map(|(b, s)| Some(t.t2(b, s, Vanilla)? == t.t1(b, s, Vanilla)?)))
        }
        A27 => {
            let fitting = [(Benchmark::Gpqa, 198), (Benchmark::ArcC, 295), (Benchmark::Mbpp, 500)];
            counts(fitting.map(|(c, n)| shares_of(&column(paper, c), n)))
        }
        "#{v of Tables 1 and 3: no j with rh2(100 j / 1319) = v}, for gsm8k" => {
            let all = column(paper, Benchmark::Gsm8k);
            Some(Value::count(all.len() - shares_of(&all, 1319)))
        }
        A29 => {
            let all = column(paper, Benchmark::IfEval);
            counts([541, 834].map(|n| shares_of(&all, n)))
        }
        A30 => {
            let all = pairs().flat_map(|(b, s)| ITERATIONS.map(|t| paper.iteration(b, s, t)));
            let rows: Vec<&PrintedScores> = all.flatten().map(|row| &row.scores).collect();
            let fitting =
                |round: fn(Ratio, u32) -> Ratio| rows.iter().filter(|row| fits(row, round)).count();
            counts([fitting(exact::round), fitting(exact::ceil)])
        }
        _ => None,
    }
}

/// Every printed value of a column, in Tables 1 and 3.
fn column(paper: &Reference, benchmark: Benchmark) -> Vec<Ratio> {
    let main = pairs().flat_map(|(b, s)| DataSource::MAIN.map(|d| paper.main(b, s, d)));
    let iterations = pairs().flat_map(|(b, s)| {
        ITERATIONS.map(|round| paper.iteration(b, s, round).map(|row| &row.scores))
    });
    main.chain(iterations).flatten().map(|scores| scores.column(benchmark)).collect()
}

/// How many of these values are shares of n items, rounded to two decimals.
fn shares_of(values: &[Ratio], n: i128) -> usize {
    // Printed with two decimals, so a share counts when it rounds to the value.
    let prints_so = |value: Ratio| near(value, n).any(|share| exact::round(share, 2) == value);
    values.iter().filter(|value| prints_so(**value)).count()
}

/// The shares of n items, in per cent, that lie nearest to this value.
fn near(value: Ratio, n: i128) -> impl Iterator<Item = Ratio> {
    // The whole numbers of items around the share, with one more on either side for rounding.
    let below = (value * n / 100).floor().to_integer();
    (below - 1..=below + 2).map(move |j| Ratio::new(100 * j, n))
}

/// Least and greatest mean of unrounded scores that print as this row. A column whose items are known
/// takes only their shares; any other may lie half a unit either way.
fn unrounded(scores: &PrintedScores) -> (Ratio, Ratio) {
    let half = Ratio::new(1, 200);
    let (mut low, mut high) = (Ratio::ZERO, Ratio::ZERO);
    for benchmark in Benchmark::ALL {
        let value = scores.column(benchmark);
        let fitting =
            |n: i128| near(value, n).filter(|share| exact::distance(*share, value) <= half);
        // Without a known number of items, or where none of its shares prints so, any score within rounding may
        // have stood there.
        let fitting: Vec<Ratio> = benchmark.grid().into_iter().flat_map(fitting).collect();
        low += fitting.iter().copied().min().unwrap_or(value - half);
        high += fitting.iter().copied().max().unwrap_or(value + half);
    }
    (low / 10, high / 10)
}

/// Whether the printed average can be the mean of unrounded scores, rounded in this way.
fn fits(scores: &PrintedScores, round: fn(Ratio, u32) -> Ratio) -> bool {
    let (low, high) = unrounded(scores);
    (round(low, 2)..=round(high, 2)).contains(&scores.average)
}
