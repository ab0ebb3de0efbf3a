//! Formulas that only what the paper prints can decide: numbers that should be the same in two places, averages that
//! should be means, scores that should be shares of a benchmark's items; its cases, figures and running text; and what
//! follows from its tables without being in the paper.

use super::{
    Alpaca, BASES, Condor, D32, D72, Gra, L, Q, Scorebook, Vanilla, WizardLm, count, counts, mean,
    number, over_seeds, pairs, several,
};
use crate::claims::Value;
use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, PrintedScores, Reference, SeedDataset};

/// How many dimensions Prompts 8 and 9 ask scores for.
const DIMENSIONS: i128 = 6;

/// Rounds of Table 3, by seed set, that give the gains of section 4.2 for both base models.
const HIDDEN_ROUNDS: [(SeedDataset, u8); 3] = [(Alpaca, 4), (WizardLm, 4), (Condor, 5)];

// Formulas that are too long for a line of code, by their claims.
const A27: &str = "#{v of Tables 1 and 3: rh2(100 j / n) = v for some j}, for gpqa and 198, arc_c \
    and 295, mbpp and 500";
const A29: &str = "#{v of Tables 1 and 3: rh2(100 j / n) = v for some j}, for ifeval and 541, 834";
const A30: &str = "#{b,s,t: T3(b,s,t) within the means of unrounded inputs, rounded half up} and \
    the same rounded up";
const P12: &str = "#{b,s: the only t whose ten columns equal those of T1(b,s,gra) is the t of the \
    largest T3(b,s,t)}";
const A05: &str = "with g(b) = mean_s T3(b,s,t_s) and t = (4, 4, 5): g(L) - mean_s T1(L,s,vanilla), \
    g(Q) - mean_s T1(Q,s,vanilla), g(Q) - g(L)";
const A20: &str = "mean_{b,s} (max_t M3(b,s,t) - mean_t M3(b,s,t)) and mean_{b,s} (max_t M3(b,s,t) \
    - M3(b,s,5))";
const A22: &str = "#{(x,y,z) in 6..60: S >= 144 and 3 (x^2+y^2+z^2) - S^2 > 729, S = x+y+z}; those \
    with two or three of x, y, z >= 48";
const A25: &str = "T1(L,wizardlm,gra) - T1(L,wizardlm,32b) and M1(L,wizardlm,gra) - \
    M1(L,wizardlm,32b)";
const A26: &str = "T1(L,condor,gra) - T1(L,condor,72b) and M1(L,condor,gra) - M1(L,condor,72b)";

/// The value of a formula; `None` where the text is none of them, or a number is missing. A text is a key of one group
/// only, so their order does not matter.
pub(super) fn value(text: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
    of_printing(text, t, paper).or_else(|| of_text(text, paper)).or_else(|| derived(text, t, paper))
}

/// Whether printed numbers agree with each other.
fn of_printing(text: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
    match text {
        P12 => count(pairs().map(|(b, s)| {
            let scores = t.rounds(b, s)?;
            let best = scores.iter().max()?;
            // The first one, where two rounds have the same average.
            let first = scores.iter().position(|score| score == best)?;
            Some(paper.matched_rounds(b, s) == [ITERATIONS[first]])
        })),
        "#{b,s,t: size label of T3(b,s,t) = 10 t thousand}" => {
            let size = |(b, s, n)| Some(paper.iteration(b, s, n)?.thousands);
            count(rows_3().map(|row| Some(size(row)? == 10 * i128::from(row.2))))
        }
        "#{b,s,d: rh2(M1(b,s,d)) = T1(b,s,d)}" => {
            count(rows_1().map(|(b, s, d)| Some(exact::round(t.m1(b, s, d)?, 2) == t.t1(b, s, d)?)))
        }
        "#{b,s,t: rh2(M3(b,s,t)) = T3(b,s,t)}" => {
            count(rows_3().map(|(b, s, n)| Some(exact::round(t.m3(b, s, n)?, 2) == t.t3(b, s, n)?)))
        }
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
            let rows = || rows_3().filter_map(|(b, s, n)| paper.iteration(b, s, n));
            let fitting = |round: fn(Ratio, u32) -> Ratio| {
                rows().filter(|row| fits(&row.scores, round)).count()
            };
            counts([fitting(exact::round), fitting(exact::ceil)])
        }
        _ => None,
    }
}

/// The rows of Table 1.
fn rows_1() -> impl Iterator<Item = (BaseModel, SeedDataset, DataSource)> {
    pairs().flat_map(|(b, s)| DataSource::MAIN.map(|d| (b, s, d)))
}

/// The rows of Table 3.
fn rows_3() -> impl Iterator<Item = (BaseModel, SeedDataset, u8)> {
    pairs().flat_map(|(b, s)| ITERATIONS.map(|round| (b, s, round)))
}

/// Every printed value of a column, in Tables 1 and 3.
fn column(paper: &Reference, benchmark: Benchmark) -> Vec<Ratio> {
    let main = rows_1().filter_map(|(b, s, d)| paper.main(b, s, d));
    let iterations = rows_3().filter_map(|(b, s, n)| Some(&paper.iteration(b, s, n)?.scores));
    main.chain(iterations).map(|scores| scores.column(benchmark)).collect()
}

/// How many of these values are shares of n items, rounded to two decimals.
fn shares_of(values: &[Ratio], n: i128) -> usize {
    let prints_so =
        |value: &&Ratio| near(**value, n).any(|share| exact::round(share, 2) == **value);
    values.iter().filter(prints_so).count()
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
        let fitting: Vec<Ratio> =
            benchmark.grid().map(i128::from).into_iter().flat_map(fitting).collect();
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

/// What cases, figures and other claims decide.
fn of_text(text: &str, paper: &Reference) -> Option<Value> {
    let printed = |path: &str| paper.number(path).ok()?.number;
    let number = match text {
        "T1(L,alpaca,gra) - 0.73" => paper.main(L, Alpaca, Gra)?.average - printed("claims/P28")?,
        "52.07 - 48.59" => printed("claims/P30")? - printed("claims/P31")?,
        "59.52 - max(52.07, 48.59)" => {
            printed("claims/P29")? - printed("claims/P30")?.max(printed("claims/P31")?)
        }
        "mean_i m_i, where m_i is reviewer i's mean" => exact::mean(case_1(paper)?)?,
        "mean of the seven printed scores" => mean_score(adjudicated(paper)?)?,
        // Seven numbers are printed where Prompt 9 asks for six: over six their sum gives the printed mean.
        "(4 + 2 + 5 + 5 + 5 + 1 + 5) / 6" => {
            Ratio::new(adjudicated(paper)?.iter().sum(), DIMENSIONS)
        }
        "sqrt(mean_i (m_i - mu)^2)" => {
            return Some(Value::Real(exact::to_f64(variance(paper)?).sqrt()));
        }
        "mean_i (m_i - mu)^2" => variance(paper)?,
        // Without the root: 1.5 squared is 9/4, and the comparison stays exact.
        "sqrt(mean_i (m_i - mu)^2) > 1.5" => {
            return Some(Value::Truth(variance(paper)? > Ratio::new(9, 4)));
        }
        "#{i: m_i >= 8}" => {
            let passes = |mean: &&Ratio| **mean >= Ratio::from(8);
            return Some(Value::count(case_1(paper)?.iter().filter(passes).count()));
        }
        "there is k in 18..180 with rh1(k / 18) = 8.2" => {
            return Some(Value::Truth(is_mean(Ratio::new(82, 10), 18)));
        }
        "there is k in 6..60 with rh1(k / 6) = 8.1" => {
            return Some(Value::Truth(is_mean(Ratio::new(81, 10), 6)));
        }
        "87.3 + 12.7" => printed("figure7/judge/above-8")? + printed("figure7/judge/at-most-8")?,
        "75.82 - 75.49" => printed("figure8/gra/ifd")? - printed("figure8/distill-72b/ifd")?,
        "75.82 - 14.58 and 75.82 / 1.1458" => {
            let gra = printed("figure8/gra/ifd")?;
            let above = printed("figure8/gra-less-vanilla/difference")?;
            // "Above" may be points or per cent: both readings are given.
            let relative = gra / (above / 100 + 1);
            return Some(Value::Several(vec![gra - above, relative]));
        }
        _ => return None,
    };
    Some(Value::Number(number))
}

/// The scores that the adjudicator gives in a printed case.
fn adjudicated(paper: &Reference) -> Option<&[i128]> {
    Some(&paper.cases.iter().find(|line| line.role == "adjudicator")?.scores)
}

/// The means of Case 1's three reviewers.
fn case_1(paper: &Reference) -> Option<[Ratio; 3]> {
    let lines = paper.cases.iter().filter(|line| line.case == 1 && line.role == "reviewer");
    // A list of another length than six has a mean all the same, as it has in the paper.
    let means: Option<Vec<Ratio>> = lines.map(|line| mean_score(&line.scores)).collect();
    means?.try_into().ok()
}

fn mean_score(scores: &[i128]) -> Option<Ratio> {
    exact::mean(scores.iter().copied().map(Ratio::from))
}

/// The population variance of those means: the square of sigma.
fn variance(paper: &Reference) -> Option<Ratio> {
    let means = case_1(paper)?;
    let centre = exact::mean(means)?;
    exact::mean(means.map(|m| (m - centre) * (m - centre)))
}

/// Whether a number of one decimal can be the mean of so many scores from 1 to 10.
fn is_mean(printed: Ratio, scores: i128) -> bool {
    // Sums of whole numbers from 1 to 10.
    (scores..=10 * scores).any(|sum| exact::round(Ratio::new(sum, scores), 1) == printed)
}

/// What follows from the tables.
fn derived(text: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
    let columns = |b, of, less| over_seeds(|s| Some(t.m1(b, s, of)? - t.m1(b, s, less)?));
    let number = match text {
        "mean_s M1(L,s,72b) - mean_s M1(L,s,gra)" => columns(L, D72, Gra)?,
        "mean_s M1(Q,s,gra) - mean_s M1(Q,s,72b)" => columns(Q, Gra, D72)?,
        "mean_s M1(L,s,gra) - mean_s M1(L,s,vanilla)" => columns(L, Gra, Vanilla)?,
        "mean_s M1(Q,s,gra) - mean_s M1(Q,s,vanilla)" => columns(Q, Gra, Vanilla)?,
        A05 => {
            let gain = |b| Some(hidden(t, b)? - over_seeds(|s| t.t1(b, s, Vanilla))?);
            let lead = hidden(t, Q)? - hidden(t, L)?;
            return several([gain(L), gain(Q), Some(lead)]);
        }
        "#{b,s: M1(b,s,gra) >= M1(b,s,72b) - 0.005}" => {
            let slack = Ratio::new(5, 1000);
            return count(pairs().map(|(b, s)| Some(t.m1(b, s, Gra)? >= t.m1(b, s, D72)? - slack)));
        }
        "with g and t of A05: g(b) - mean_s T1(b,s,72b)" => {
            let surplus = |b| Some(hidden(t, b)? - over_seeds(|s| t.t1(b, s, D72))?);
            return several(BASES.map(surplus));
        }
        "mean_s (M3(b,s,5) - M1(b,s,72b))" => {
            let last = |b| over_seeds(|s| Some(t.m3(b, s, 5)? - t.m1(b, s, D72)?));
            return several(BASES.map(last));
        }
        "mean_s (T2(b,s,gra) - T2(b,s,vanilla))" => {
            let gain = |b| over_seeds(|s| Some(t.t2(b, s, Gra)? - t.t2(b, s, Vanilla)?));
            return several(BASES.map(gain));
        }
        "sqrt(sum_c p_c (1 - p_c) / n_c) / 10, in points" => {
            let error = |b| standard_error(paper, (b, Alpaca, Gra));
            return several([error(L), error(Q)]);
        }
        "mean_s (T3(b,s,t+1) - T3(b,s,t)), by b, then t" => {
            let step = |b, n| over_seeds(|s| Some(t.t3(b, s, n + 1)? - t.t3(b, s, n)?));
            return several(BASES.into_iter().flat_map(|b| [1, 2, 3, 4].map(|n| step(b, n))));
        }
        A20 => {
            let means = |(b, s)| ITERATIONS.map(|round| t.m3(b, s, round));
            let best = |pair| means(pair).into_iter().max()?;
            let over_mean = mean(pairs().map(|pair| Some(best(pair)? - mean(means(pair))?)));
            let over_last = mean(pairs().map(|pair| Some(best(pair)? - means(pair)[4]?)));
            return several([over_mean, over_last]);
        }
        A22 => return Some(disputes()),
        A25 => return turned(t, (L, WizardLm), D32),
        A26 => return turned(t, (L, Condor), D72),
        _ => return None,
    };
    Some(Value::Number(number))
}

/// g: the mean of Table 3 over the seed sets, at the rounds that section 4.2 seems to use.
fn hidden(t: &Scorebook, b: BaseModel) -> Option<Ratio> {
    mean(HIDDEN_ROUNDS.map(|(s, round)| t.t3(b, s, round)))
}

/// GRA less another source: by the printed averages, and by the means of the columns.
fn turned(t: &Scorebook, (b, s): (BaseModel, SeedDataset), less: DataSource) -> Option<Value> {
    let printed = t.t1(b, s, Gra)? - t.t1(b, s, less)?;
    let columns = t.m1(b, s, Gra)? - t.m1(b, s, less)?;
    Some(Value::Several(vec![printed, columns]))
}

/// Binomial standard error of the mean of ten scores, in points: the uncertainty from sampled items alone.
fn standard_error(
    paper: &Reference,
    (b, s, d): (BaseModel, SeedDataset, DataSource),
) -> Option<Ratio> {
    let scores = paper.main(b, s, d)?;
    let variance = Benchmark::ALL.map(|c| {
        let share = scores.column(c) / 100;
        // p (1 - p) / n, in squared points.
        exact::to_f64(share * (Ratio::ONE - share)) / exact::to_f64(i128::from(c.items()).into())
            * 1e4
    });
    exact::parse(&format!("{:.9}", variance.iter().sum::<f64>().sqrt() / 10.0))
}

/// Triples of reviewer means, in steps of a sixth from 1 to 10, that are disputed (mu at least 8, sigma
/// above 1.5), and those of them where two reviewers or three are at 8 or above. In sixths: a sum of at
/// least 144, and 3 sum(x^2) - sum(x)^2 above 729.
fn disputes() -> Value {
    let (mut disputed, mut with_majority) = (0, 0);
    for a in 6..=60_i32 {
        for b in 6..=60 {
            for c in 6..=60 {
                let sum = a + b + c;
                // mu < 8 rejects, sigma <= 1.5 accepts: neither is a dispute.
                if sum < 144 || 3 * (a * a + b * b + c * c) - sum * sum <= 729 {
                    continue;
                }
                disputed += 1;
                // 48 sixths are a mean of 8.
                let high = [a, b, c].iter().filter(|mean| **mean >= 48).count();
                with_majority += i128::from(high >= 2);
            }
        }
    }
    Value::Several(vec![disputed.into(), with_majority.into()])
}
