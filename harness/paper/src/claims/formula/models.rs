//! Claims about what trained models score (paper, sections 4.2, 4.3, 5.1 and 5.3): they can be computed
//! from any scores of trained models.

use super::super::scorebook::{BASES, Scorebook, mean, over_seeds, pairs};
use super::super::value::Value;
use super::{Alpaca, D32, D72, Formula, Gra, L, Q, Vanilla, count, number, several};
use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, SeedDataset};

/// Columns whose items offer a choice of answers.
const CHOICES: [Benchmark; 4] =
    [Benchmark::HellaSwag, Benchmark::ArcC, Benchmark::Bbh, Benchmark::Mmlu];

// Formulas that are too long for a line of code, by their claims.
const A13: &str = "sum_{c in hellaswag, arc_c, bbh, mmlu} mean_s (T1(Q,s,gra,c) - T1(Q,s,72b,c)) / \
    10";

/// The code of a formula; `None` where the text is no formula over scores of models.
pub(super) fn formula(text: &str) -> Option<Formula> {
    let formula: Formula = match text {
        "#{s: T1(Q,s,gra) >= T1(Q,s,72b)}" => |t| reaches_large_model(t, Q),
        "#{s: T1(L,s,gra) >= T1(L,s,72b)}" => |t| reaches_large_model(t, L),
        "mean_s T1(L,s,gra) - mean_s T1(L,s,vanilla)" => |t| number(t.gap(L, Gra, Vanilla)),
        "mean_s T1(Q,s,gra) - mean_s T1(Q,s,vanilla)" => |t| number(t.gap(Q, Gra, Vanilla)),
        "mean_s T1(L,s,72b) - mean_s T1(L,s,gra)" => |t| number(t.gap(L, D72, Gra)),
        "mean_s T1(Q,s,gra) - mean_s T1(Q,s,72b)" => |t| number(t.gap(Q, Gra, D72)),
        "mean_s T1(Q,s,gra) - mean_s T1(L,s,gra)" => {
            |t| number(over_seeds(|s| Some(t.t1(Q, s, Gra)? - t.t1(L, s, Gra)?)))
        }
        "min_{s,d} (T1(Q,s,d) - T1(L,s,d))" => |t| {
            let lead = |(s, d)| Some(t.t1(Q, s, d)? - t.t1(L, s, d)?);
            let leads: Option<Vec<Ratio>> = seeds_and_sources().map(lead).collect();
            number(leads?.into_iter().min())
        },
        "mean_{b,s} (T1(b,s,72b) - T1(b,s,32b))" => {
            |t| number(mean(pairs().map(|(b, s)| Some(t.t1(b, s, D72)? - t.t1(b, s, D32)?))))
        }
        "#{b,c: mean_s (T1(b,s,gra,c) - T1(b,s,vanilla,c)) > 0}" => |t| {
            let gains = BASES.into_iter().flat_map(|b| by_column(t, b, Gra, Vanilla));
            count(gains.map(|gain| Some(gain? > Ratio::ZERO)))
        },
        "#{b,s,c: T1(b,s,gra,c) > T1(b,s,vanilla,c)}" => |t| {
            count(pairs().flat_map(|(b, s)| {
                Benchmark::ALL
                    .map(|c| Some(t.cell1((b, s, Gra), c)? > t.cell1((b, s, Vanilla), c)?))
            }))
        },
        "#{b,s: Spearman's rho of t and T3(b,s,t) > 0}" => {
            |t| count(pairs().map(|(b, s)| rises(t, b, s)))
        }
        "mean_{b,s} ((T3(b,s,3) - T3(b,s,1)) - (T3(b,s,5) - T3(b,s,3)))" => |t| {
            number(mean(pairs().map(|(b, s)| {
                let t3 = |round| t.t3(b, s, round);
                Some((t3(3)? - t3(1)?) - (t3(5)? - t3(3)?))
            })))
        },
        "max_{b,s} |T2(b,s,refined) - T2(b,s,gra)|" => |t| {
            let apart = |(b, s)| {
                Some(exact::distance(t.t2(b, s, DataSource::GraRefined)?, t.t2(b, s, Gra)?))
            };
            number(pairs().map(apart).collect::<Option<Vec<_>>>()?.into_iter().max())
        },
        "#{b,s: T2(b,s,refined) > T2(b,s,vanilla)}" => |t| {
            let refined = DataSource::GraRefined;
            count(pairs().map(|(b, s)| Some(t.t2(b, s, refined)? > t.t2(b, s, Vanilla)?)))
        },
        "#{b,s: T2(b,s,integrated) > max(T2(b,s,gra), T2(b,s,refined))}" => |t| {
            count(pairs().map(|(b, s)| {
                let either = t.t2(b, s, Gra)?.max(t.t2(b, s, DataSource::GraRefined)?);
                Some(t.t2(b, s, DataSource::GraIntegrated)? > either)
            }))
        },
        "mean_s (T1(b,s,72b) - T1(b,s,32b))" => |t| several(BASES.map(|b| t.gap(b, D72, D32))),
        "mean_s (T1(Q,s,d) - T1(L,s,d)), by d" => |t| {
            let lead = |d| over_seeds(|s| Some(t.t1(Q, s, d)? - t.t1(L, s, d)?));
            several(DataSource::MAIN.map(lead))
        },
        "mean_s (T1(Q,s,gra,c) - T1(Q,s,72b,c)), by c" => |t| several(by_column(t, Q, Gra, D72)),
        A13 => |t| {
            // Four of the ten columns: their mean, times four, over ten.
            let all = by_column(t, Q, Gra, D72);
            number(mean(CHOICES.map(|column| all[column as usize])).map(|mean| mean * 4 / 10))
        },
        "mean_s (T1(L,s,gra,c) - T1(L,s,72b,c)), by c" => |t| several(by_column(t, L, Gra, D72)),
        "100 (mean_s T1(b,s,gra) / mean_s T1(b,s,vanilla) - 1)" => |t| {
            let of = |b, d| over_seeds(|s| t.t1(b, s, d));
            several(BASES.map(|b| {
                // Models that score nothing have no gain in per cent.
                let vanilla = of(b, Vanilla).filter(|vanilla| *vanilla != Ratio::ZERO)?;
                Some((of(b, Gra)? / vanilla - Ratio::ONE) * 100)
            }))
        },
        "#{b,s: T3(b,s,t+1) > T3(b,s,t) for t = 1..4}" => |t| {
            count(pairs().map(|(b, s)| {
                let rounds = ITERATIONS.map(|round| t.t3(b, s, round));
                let rounds: Vec<Ratio> = rounds.into_iter().collect::<Option<_>>()?;
                Some(rounds.windows(2).all(|pair| pair[1] > pair[0]))
            }))
        },
        _ => return None,
    };
    Some(formula)
}

/// What is computed of measured scores for claims whose rows the paper prints in no table, by the id of the claim.
/// Their formulas in the file, where there are any, are about numbers of the running text.
pub(super) fn ablation(id: &str) -> Option<Formula> {
    use DataSource::{FixedRoles, MajorityVote, NoReviewer, SingleModel, SingleReviewer};
    let formula: Formula = match id {
        "P27" => |t| number(Some(t.t1(L, Alpaca, SingleReviewer)? - t.t1(L, Alpaca, NoReviewer)?)),
        "P28" => |t| number(Some(t.t1(L, Alpaca, Gra)? - t.t1(L, Alpaca, MajorityVote)?)),
        "P29" => |t| number(t.t1(Q, Alpaca, Gra)),
        "P30" => |t| number(t.t1(Q, Alpaca, SingleModel)),
        "P31" => |t| number(t.t1(Q, Alpaca, FixedRoles)),
        "P32" => |t| number(Some(t.t1(Q, Alpaca, SingleModel)? - t.t1(Q, Alpaca, FixedRoles)?)),
        "P58" => |t| {
            let best = t.t1(L, Alpaca, NoReviewer)?.max(t.t1(L, Alpaca, SingleReviewer)?);
            number(Some(t.t1(L, Alpaca, Gra)? - best))
        },
        "P59" => |t| {
            let best = t.t1(Q, Alpaca, SingleModel)?.max(t.t1(Q, Alpaca, FixedRoles)?);
            number(Some(t.t1(Q, Alpaca, Gra)? - best))
        },
        _ => return None,
    };
    Some(formula)
}

fn reaches_large_model(t: &Scorebook, b: BaseModel) -> Option<Value> {
    count(SeedDataset::ALL.map(|s| Some(t.t1(b, s, Gra)? >= t.t1(b, s, D72)?)))
}

/// `mean_s (T1(b, s, of, c) - T1(b, s, less, c))` for every column c.
fn by_column(t: &Scorebook, b: BaseModel, of: DataSource, less: DataSource) -> [Option<Ratio>; 10] {
    Benchmark::ALL
        .map(|c| over_seeds(|s| Some(t.cell1((b, s, of), c)? - t.cell1((b, s, less), c)?)))
}

/// Whether scores and rounds are positively rank-correlated. The sign is that of the covariance of ranks.
fn rises(t: &Scorebook, b: BaseModel, s: SeedDataset) -> Option<bool> {
    let scores: Vec<Ratio> =
        ITERATIONS.into_iter().map(|round| t.t3(b, s, round)).collect::<Option<_>>()?;
    let rank = |of: &Ratio| {
        let below = scores.iter().filter(|score| *score < of).count();
        let equal = scores.iter().filter(|score| *score == of).count();
        // Twice the mean rank, so that ties stay whole.
        Ratio::from(2 * below as i128 + equal as i128 + 1)
    };
    let ranks: Vec<Ratio> = scores.iter().map(rank).collect();
    let centre = exact::mean(ranks.iter().copied())?;
    // Rounds are 1 to 5, so their mean is 3; only the sign counts, so nothing is divided.
    let covariance = ITERATIONS
        .iter()
        .zip(ranks)
        .map(|(round, rank)| (rank - centre) * (i128::from(*round) - 3));
    Some(covariance.sum::<Ratio>() > Ratio::ZERO)
}

fn seeds_and_sources() -> impl Iterator<Item = (SeedDataset, DataSource)> {
    SeedDataset::ALL.into_iter().flat_map(|s| DataSource::MAIN.map(|d| (s, d)))
}
