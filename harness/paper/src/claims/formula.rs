//! The formulas of `claims.csv`, and the scores that they are computed from. **The text of a formula is the key of its
//! code**: `mean_s T1(L,s,gra)` stands in the file and, letter by letter, before the code that computes it, so neither
//! changes without the other. A text without code has no value, and a test holds that every formula of the file has one.
//!
//! A formula takes rows of scores, so one formula serves the paper's tables and measured scores (paper, sections 4.2,
//! 4.3, 5.1 and 5.3). It gives `None` where a row is missing. A claim that would need constants alone has no formula: its
//! line says `stated, nothing to compute`. Formulas that only what the paper prints can decide are in `printed`.

mod printed;

use std::collections::BTreeMap;

use super::Value;
use crate::exact::{self, Ratio};
use crate::{
    BaseModel, Benchmark, Claim, DataSource, ITERATIONS, PrintedScores, Reference, SeedDataset,
};

use BaseModel::{Llama as L, Qwen as Q};
use DataSource::{Distill32b as D32, Distill72b as D72, Gra, Vanilla};
use SeedDataset::{Alpaca, Condor, WizardLm};

/// The base models in the order in which formulas with several results give them.
const BASES: [BaseModel; 2] = [L, Q];

/// A model's scores, per cent; what is missing is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// One score per benchmark, in the order of [`Benchmark::ALL`].
    pub(super) columns: [Option<Ratio>; 10],
    /// The average of the ten: as printed, or the mean of what was measured.
    pub(super) average: Option<Ratio>,
}

impl Row {
    /// A row whose average is the mean of its columns; without an average while a column is missing.
    pub(super) fn from_columns(columns: &[Option<Ratio>; 10]) -> Self {
        Self { columns: *columns, average: mean(*columns) }
    }
}

/// The rows of Tables 1 to 3.
#[derive(Clone, Debug, Default)]
pub(super) struct Scorebook {
    /// Table 1, and variants of GRA.
    pub(super) main: BTreeMap<(BaseModel, SeedDataset, DataSource), Row>,
    /// Table 2.
    pub(super) seed_data: BTreeMap<(BaseModel, SeedDataset, DataSource), Ratio>,
    /// Table 3.
    pub(super) iterations: BTreeMap<(BaseModel, SeedDataset, u8), Row>,
}

impl From<&Reference> for Scorebook {
    fn from(paper: &Reference) -> Self {
        let row = |scores: &PrintedScores| Row {
            columns: scores.columns.map(Some),
            average: Some(scores.average),
        };
        // Printed averages stay beside printed columns: where they disagree, T1 and M1 give different numbers.
        Self {
            main: paper.main.iter().map(|(key, scores)| (*key, row(scores))).collect(),
            seed_data: paper.seed_data.clone(),
            iterations: paper.iterations.iter().map(|(key, it)| (*key, row(&it.scores))).collect(),
        }
    }
}

/// The symbols that formulas of `claims.csv` use: b a base model, s a seed set, d a source of data, c a column.
impl Scorebook {
    /// T1: an average of Table 1.
    fn t1(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        self.main.get(&(b, s, d))?.average
    }

    /// T1 with a column named.
    fn cell1(&self, row: (BaseModel, SeedDataset, DataSource), c: Benchmark) -> Option<Ratio> {
        self.main.get(&row)?.columns[c as usize]
    }

    /// M1: the mean of ten columns of Table 1.
    fn m1(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        mean(self.main.get(&(b, s, d))?.columns)
    }

    /// T2: an average of Table 2.
    fn t2(&self, b: BaseModel, s: SeedDataset, d: DataSource) -> Option<Ratio> {
        self.seed_data.get(&(b, s, d)).copied()
    }

    /// T3: an average of Table 3.
    fn t3(&self, b: BaseModel, s: SeedDataset, round: u8) -> Option<Ratio> {
        self.iterations.get(&(b, s, round))?.average
    }

    /// T3 of all rounds.
    fn rounds(&self, b: BaseModel, s: SeedDataset) -> Option<Vec<Ratio>> {
        ITERATIONS.into_iter().map(|round| self.t3(b, s, round)).collect()
    }

    /// M3: the mean of ten columns of Table 3.
    fn m3(&self, b: BaseModel, s: SeedDataset, round: u8) -> Option<Ratio> {
        mean(self.iterations.get(&(b, s, round))?.columns)
    }

    /// `mean_s (T1(b, s, of) - T1(b, s, less))`.
    fn gap(&self, b: BaseModel, of: DataSource, less: DataSource) -> Option<Ratio> {
        over_seeds(|s| Some(self.t1(b, s, of)? - self.t1(b, s, less)?))
    }

    /// The same for every column c: `mean_s (T1(b, s, of, c) - T1(b, s, less, c))`.
    fn gaps(&self, b: BaseModel, of: DataSource, less: DataSource) -> [Option<Ratio>; 10] {
        let gap = |s, c| Some(self.cell1((b, s, of), c)? - self.cell1((b, s, less), c)?);
        Benchmark::ALL.map(|c| over_seeds(|s| gap(s, c)))
    }
}

/// The code of a formula over scores of trained models.
type Formula = fn(&Scorebook) -> Option<Value>;

/// What a claim's formula gives for the printed tables.
pub(super) fn value(claim: &Claim, book: &Scorebook, paper: &Reference) -> Option<Value> {
    match of_models(&claim.formula) {
        Some(formula) => formula(book),
        None => printed::value(&claim.formula, book, paper),
    }
}

/// What a claim's formula gives for measured scores; `None` also where the claim is not about models.
pub(super) fn measured(claim: &Claim, book: &Scorebook) -> Option<Value> {
    for_scores(claim)?(book)
}

/// Whether models' scores decide the claim.
pub(super) fn is_about_models(claim: &Claim) -> bool {
    for_scores(claim).is_some()
}

fn for_scores(claim: &Claim) -> Option<Formula> {
    // By the id first: formulas of these claims are about numbers of the running text.
    ablation(&claim.id).or_else(|| of_models(&claim.formula))
}

/// Columns whose items offer a choice of answers.
const CHOICES: [Benchmark; 4] =
    [Benchmark::HellaSwag, Benchmark::ArcC, Benchmark::Bbh, Benchmark::Mmlu];

// Formulas that are too long for a line of code, by their claims.
const A13: &str = "sum_{c in hellaswag, arc_c, bbh, mmlu} mean_s (T1(Q,s,gra,c) - T1(Q,s,72b,c)) / \
    10";

/// The code of a formula over scores of trained models; `None` where the text is another formula.
fn of_models(text: &str) -> Option<Formula> {
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
            let lead = |s, d| Some(t.t1(Q, s, d)? - t.t1(L, s, d)?);
            let leads = SeedDataset::ALL.map(|s| DataSource::MAIN.map(|d| lead(s, d)));
            number(leads.into_iter().flatten().collect::<Option<Vec<_>>>()?.into_iter().min())
        },
        "mean_{b,s} (T1(b,s,72b) - T1(b,s,32b))" => {
            |t| number(mean(pairs().map(|(b, s)| Some(t.t1(b, s, D72)? - t.t1(b, s, D32)?))))
        }
        "#{b,c: mean_s (T1(b,s,gra,c) - T1(b,s,vanilla,c)) > 0}" => |t| {
            let gains = BASES.into_iter().flat_map(|b| t.gaps(b, Gra, Vanilla));
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
        "mean_s (T1(Q,s,gra,c) - T1(Q,s,72b,c)), by c" => |t| several(t.gaps(Q, Gra, D72)),
        A13 => |t| {
            // Four of the ten columns: their mean, times four, over ten.
            let all = t.gaps(Q, Gra, D72);
            number(mean(CHOICES.map(|column| all[column as usize])).map(|mean| mean * 4 / 10))
        },
        "mean_s (T1(L,s,gra,c) - T1(L,s,72b,c)), by c" => |t| several(t.gaps(L, Gra, D72)),
        "100 (mean_s T1(b,s,gra) / mean_s T1(b,s,vanilla) - 1)" => |t| {
            let of = |b, d| over_seeds(|s| t.t1(b, s, d));
            several(BASES.map(|b| {
                // Models that score nothing have no gain in per cent.
                let vanilla = of(b, Vanilla).filter(|vanilla| *vanilla != Ratio::ZERO)?;
                Some((of(b, Gra)? / vanilla - Ratio::ONE) * 100)
            }))
        },
        "#{b,s: T3(b,s,t+1) > T3(b,s,t) for t = 1..4}" => |t| {
            let rises = |(b, s)| Some(t.rounds(b, s)?.windows(2).all(|pair| pair[1] > pair[0]));
            count(pairs().map(rises))
        },
        _ => return None,
    };
    Some(formula)
}

/// What is computed of measured scores for claims whose rows the paper prints in no table, by the id of the claim.
/// Their formulas in the file, where there are any, are about numbers of the running text.
fn ablation(id: &str) -> Option<Formula> {
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

/// Whether scores and rounds are positively rank-correlated. The sign is that of the covariance of ranks.
fn rises(t: &Scorebook, b: BaseModel, s: SeedDataset) -> Option<bool> {
    let scores = t.rounds(b, s)?;
    let rank = |of: &Ratio| {
        let below = scores.iter().filter(|score| *score < of).count();
        let equal = scores.iter().filter(|score| *score == of).count();
        // Twice the mean rank, so that ties stay whole.
        Ratio::from(2 * below as i128 + equal as i128 + 1)
    };
    let ranks: Vec<Ratio> = scores.iter().map(rank).collect();
    let centre = exact::mean(ranks.iter().copied())?;
    // Rounds are 1 to 5, so their mean is 3; only the sign counts, so nothing is divided.
    let rounds = ITERATIONS.map(|round| i128::from(round) - 3);
    let products = rounds.into_iter().zip(ranks).map(|(round, rank)| (rank - centre) * round);
    Some(products.sum::<Ratio>() > Ratio::ZERO)
}

fn number(number: Option<Ratio>) -> Option<Value> {
    number.map(Value::Number)
}

fn counts<const N: usize>(counts: [usize; N]) -> Option<Value> {
    several(counts.map(|n| Some(Ratio::from(n as i128))))
}

/// `#{...}`: how many cases are true; `None` when one is unknown.
fn count(cases: impl IntoIterator<Item = Option<bool>>) -> Option<Value> {
    let known: Vec<bool> = cases.into_iter().collect::<Option<_>>()?;
    Some(Value::count(known.into_iter().filter(|is_so| *is_so).count()))
}

fn several(numbers: impl IntoIterator<Item = Option<Ratio>>) -> Option<Value> {
    numbers.into_iter().collect::<Option<_>>().map(Value::Several)
}

/// The mean; `None` where a number is missing or there are no numbers.
fn mean(numbers: impl IntoIterator<Item = Option<Ratio>>) -> Option<Ratio> {
    exact::mean(numbers.into_iter().collect::<Option<Vec<_>>>()?)
}

/// `mean_s`: the mean over the three seed sets.
fn over_seeds(of: impl Fn(SeedDataset) -> Option<Ratio>) -> Option<Ratio> {
    mean(SeedDataset::ALL.map(of))
}

/// Base models and seed sets, in the formulas' order.
fn pairs() -> impl Iterator<Item = (BaseModel, SeedDataset)> + Clone {
    BASES.into_iter().flat_map(|base| SeedDataset::ALL.map(|seed| (base, seed)))
}
