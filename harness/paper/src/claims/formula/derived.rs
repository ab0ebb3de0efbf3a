//! What follows from the tables and is not in the paper.

use super::super::scorebook::{BASES, Scorebook, mean, over_seeds, pairs};
use super::super::value::Value;
use super::{Alpaca, Condor, D32, D72, Gra, L, Q, Vanilla, WizardLm, count, several};
use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, Reference, SeedDataset};

/// Rounds of Table 3, by seed set, that give the gains of section 4.2 for both base models.
const HIDDEN_ROUNDS: [(SeedDataset, u8); 3] = [(Alpaca, 4), (WizardLm, 4), (Condor, 5)];

// Formulas that are too long for a line of code, by their claims.
const A05: &str = "with g(b) = mean_s T3(b,s,t_s) and t = (4, 4, 5): g(L) - mean_s T1(L,s,vanilla), \
    g(Q) - mean_s T1(Q,s,vanilla), g(Q) - g(L)";
const A20: &str = "mean_{b,s} (max_t M3(b,s,t) - mean_t M3(b,s,t)) and mean_{b,s} (max_t M3(b,s,t) \
    - M3(b,s,5))";
const A22: &str = "#{(x,y,z) in 6..60: S >= 144 and 3 (x^2+y^2+z^2) - S^2 > 729, S = x+y+z}; those \
    with two or three of x, y, z >= 48";
const A25: &str = "T1(L,wizardlm,gra) - T1(L,wizardlm,32b) and M1(L,wizardlm,gra) - \
    M1(L,wizardlm,32b)";
const A26: &str = "T1(L,condor,gra) - T1(L,condor,72b) and M1(L,condor,gra) - M1(L,condor,72b)";

pub(super) fn value(text: &str, t: &Scorebook, paper: &Reference) -> Option<Value> {
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
            let step = |b, round| over_seeds(|s| Some(t.t3(b, s, round + 1)? - t.t3(b, s, round)?));
            return several(
                BASES.into_iter().flat_map(|b| [1, 2, 3, 4].map(|round| step(b, round))),
            );
        }
        A20 => {
            let best = |(b, s)| -> Option<Ratio> {
                ITERATIONS.map(|round| t.m3(b, s, round)).into_iter().max()?
            };
            let middle = |(b, s)| mean(ITERATIONS.map(|round| t.m3(b, s, round)));
            let over_mean = mean(pairs().map(|pair| Some(best(pair)? - middle(pair)?)));
            let over_last = mean(pairs().map(|(b, s)| Some(best((b, s))? - t.m3(b, s, 5)?)));
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
        exact::to_f64(share * (Ratio::ONE - share)) / exact::to_f64(c.items().into()) * 1e4
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
