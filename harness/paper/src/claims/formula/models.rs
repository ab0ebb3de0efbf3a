//! Claims about what trained models score (paper, sections 4.2, 4.3, 5.1 and 5.3): they can be computed
//! from any scores of trained models.

use super::super::scorebook::{BASES, Scorebook, mean, over_seeds, pairs};
use super::super::value::Value;
use super::{Alpaca, D32, D72, Gra, L, Q, Vanilla, count, several};
use crate::exact::{self, Ratio};
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, SeedDataset};

/// Claims that models' scores decide.
pub(super) const IDS: [&str; 29] = [
    "P01", "P02", "P13", "P14", "P15", "P16", "P17", "P18", "P20", "P21", "P22", "P23", "P24",
    "P27", "P28", "P29", "P30", "P31", "P32", "P45", "P46", "P47", "A10", "A11", "A12", "A13",
    "A14", "A16", "A17",
];

/// Columns whose items offer a choice of answers.
const CHOICES: [Benchmark; 4] =
    [Benchmark::HellaSwag, Benchmark::ArcC, Benchmark::Bbh, Benchmark::Mmlu];

pub(super) fn value(id: &str, t: &Scorebook) -> Option<Value> {
    let number = match id {
        "P01" => return reaches_large_model(t, Q),
        "P02" => return reaches_large_model(t, L),
        "P13" => t.gap(L, Gra, Vanilla)?,
        "P14" => t.gap(Q, Gra, Vanilla)?,
        "P15" => t.gap(L, D72, Gra)?,
        "P16" => t.gap(Q, Gra, D72)?,
        "P17" => over_seeds(|s| Some(t.t1(Q, s, Gra)? - t.t1(L, s, Gra)?))?,
        "P18" => {
            let lead = |(s, d)| Some(t.t1(Q, s, d)? - t.t1(L, s, d)?);
            let leads: Option<Vec<Ratio>> = seeds_and_sources().map(lead).collect();
            leads?.into_iter().min()?
        }
        "P20" => mean(pairs().map(|(b, s)| Some(t.t1(b, s, D72)? - t.t1(b, s, D32)?)))?,
        "P21" => {
            let gains = BASES.into_iter().flat_map(|b| by_column(t, b, Gra, Vanilla));
            return count(gains.map(|gain| Some(gain? > Ratio::ZERO)));
        }
        "P22" => {
            return count(pairs().flat_map(|(b, s)| {
                Benchmark::ALL
                    .map(|c| Some(t.cell1((b, s, Gra), c)? > t.cell1((b, s, Vanilla), c)?))
            }));
        }
        "P23" => return count(pairs().map(|(b, s)| rises(t, b, s))),
        "P24" => mean(pairs().map(|(b, s)| {
            let t3 = |round| t.t3(b, s, round);
            Some((t3(3)? - t3(1)?) - (t3(5)? - t3(3)?))
        }))?,
        "P45" => {
            let apart = |(b, s)| {
                Some(exact::distance(t.t2(b, s, DataSource::GraRefined)?, t.t2(b, s, Gra)?))
            };
            pairs().map(apart).collect::<Option<Vec<_>>>()?.into_iter().max()?
        }
        "P46" => {
            let refined = DataSource::GraRefined;
            return count(pairs().map(|(b, s)| Some(t.t2(b, s, refined)? > t.t2(b, s, Vanilla)?)));
        }
        "P47" => {
            let joined = |(b, s)| {
                let either = t.t2(b, s, Gra)?.max(t.t2(b, s, DataSource::GraRefined)?);
                Some(t.t2(b, s, DataSource::GraIntegrated)? > either)
            };
            return count(pairs().map(joined));
        }
        "A10" => return several(BASES.map(|b| t.gap(b, D72, D32))),
        "A11" => {
            let lead = |d| over_seeds(|s| Some(t.t1(Q, s, d)? - t.t1(L, s, d)?));
            return several(DataSource::MAIN.map(lead));
        }
        "A12" => return several(by_column(t, Q, Gra, D72)),
        "A13" => {
            let all = by_column(t, Q, Gra, D72);
            let part = CHOICES.map(|column| all[column as usize]);
            mean(part)? * 4 / 10
        }
        "A14" => return several(by_column(t, L, Gra, D72)),
        "A16" => {
            let of = |b, d| over_seeds(|s| t.t1(b, s, d));
            let gain = |b| {
                let vanilla = of(b, Vanilla).filter(|vanilla| *vanilla != Ratio::ZERO)?;
                Some((of(b, Gra)? / vanilla - Ratio::ONE) * 100)
            };
            return several(BASES.map(gain));
        }
        "A17" => {
            let steps = |(b, s)| -> Option<bool> {
                let rounds = ITERATIONS.map(|round| t.t3(b, s, round));
                let rounds: Vec<Ratio> = rounds.into_iter().collect::<Option<_>>()?;
                Some(rounds.windows(2).all(|pair| pair[1] > pair[0]))
            };
            return count(pairs().map(steps));
        }
        _ => return ablations(id, t),
    };
    Some(Value::Number(number))
}

/// Claims that the paper prints no table for, so that only measured scores have them. P28 to P31 are about
/// one row each; the paper's own tables give other numbers for two of them (see `text`).
fn ablations(id: &str, t: &Scorebook) -> Option<Value> {
    use DataSource::{FixedRoles, MajorityVote, NoReviewer, SingleModel, SingleReviewer};
    let number = match id {
        "P27" => t.t1(L, Alpaca, SingleReviewer)? - t.t1(L, Alpaca, NoReviewer)?,
        "P28" => t.t1(L, Alpaca, Gra)? - t.t1(L, Alpaca, MajorityVote)?,
        "P29" => t.t1(Q, Alpaca, Gra)?,
        "P30" => t.t1(Q, Alpaca, SingleModel)?,
        "P31" => t.t1(Q, Alpaca, FixedRoles)?,
        "P32" => t.t1(Q, Alpaca, SingleModel)? - t.t1(Q, Alpaca, FixedRoles)?,
        _ => return None,
    };
    Some(Value::Number(number))
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
    let covariance = ITERATIONS
        .iter()
        .zip(ranks)
        .map(|(round, rank)| (rank - centre) * (i128::from(*round) - 3));
    Some(covariance.sum::<Ratio>() > Ratio::ZERO)
}

fn seeds_and_sources() -> impl Iterator<Item = (SeedDataset, DataSource)> {
    SeedDataset::ALL.into_iter().flat_map(|s| DataSource::MAIN.map(|d| (s, d)))
}
