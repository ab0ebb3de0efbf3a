//! Claims that the paper's cases, figures and other claims decide.

use super::super::scorebook::mean;
use super::super::value::Value;
use super::{Alpaca, Gra, L};
use crate::Reference;
use crate::exact::{self, Ratio};

/// How many dimensions Prompts 8 and 9 ask scores for.
const DIMENSIONS: i128 = 6;

pub(super) fn value(text: &str, paper: &Reference) -> Option<Value> {
    let number = match text {
        "T1(L,alpaca,gra) - 0.73" => {
            paper.main(L, Alpaca, Gra)?.average - printed(paper, "claims/P28")?
        }
        "52.07 - 48.59" => printed(paper, "claims/P30")? - printed(paper, "claims/P31")?,
        "59.52 - max(52.07, 48.59)" => {
            let best = printed(paper, "claims/P30")?.max(printed(paper, "claims/P31")?);
            printed(paper, "claims/P29")? - best
        }
        "mean_i m_i, where m_i is reviewer i's mean" => {
            mean(case_1(paper).map(|mean| mean.map(Some)).unwrap_or_default())?
        }
        "mean of the seven printed scores" => {
            let scores = adjudicated(paper)?;
            mean(scores.iter().map(|score| Some(Ratio::from(*score))))?
        }
        // Seven numbers are printed where Prompt 9 asks for six: over six their sum gives the printed mean.
        "(4 + 2 + 5 + 5 + 5 + 1 + 5) / 6" => {
            Ratio::new(adjudicated(paper)?.iter().sum(), DIMENSIONS)
        }
        "sqrt(mean_i (m_i - mu)^2)" => {
            return Some(Value::Real(exact::to_f64(variance(paper)?).sqrt()));
        }
        "mean_i (m_i - mu)^2" => variance(paper)?,
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
        "87.3 + 12.7" => {
            printed(paper, "figure7/judge/above-8")? + printed(paper, "figure7/judge/at-most-8")?
        }
        "75.82 - 75.49" => {
            printed(paper, "figure8/gra/ifd")? - printed(paper, "figure8/distill-72b/ifd")?
        }
        "75.82 - 14.58 and 75.82 / 1.1458" => {
            let gra = printed(paper, "figure8/gra/ifd")?;
            let above = printed(paper, "figure8/gra-less-vanilla/difference")?;
            // "Above" may be points or per cent: both readings are given.
            let relative = gra / (above / 100 + 1);
            return Some(Value::Several(vec![gra - above, relative]));
        }
        _ => return None,
    };
    Some(Value::Number(number))
}

/// The printed number of this name.
fn printed(paper: &Reference, path: &str) -> Option<Ratio> {
    paper.number(path).ok()?.number
}

/// The scores that the adjudicator gives in a printed case.
fn adjudicated(paper: &Reference) -> Option<&[i128]> {
    Some(&paper.cases().iter().find(|line| line.role == "adjudicator")?.scores)
}

/// The means of Case 1's three reviewers.
fn case_1(paper: &Reference) -> Option<[Ratio; 3]> {
    let lines = paper.cases().iter().filter(|line| line.case == 1 && line.role == "reviewer");
    // A list of another length than six has a mean all the same, as it has in the paper.
    let means: Option<Vec<Ratio>> =
        lines.map(|line| mean(line.scores.iter().map(|score| Some(Ratio::from(*score))))).collect();
    means?.try_into().ok()
}

/// The population variance of those means: the square of sigma.
fn variance(paper: &Reference) -> Option<Ratio> {
    let means = case_1(paper)?;
    let centre = mean(means.map(Some))?;
    mean(means.map(|m| Some((m - centre) * (m - centre))))
}

/// Whether a number of one decimal can be the mean of so many scores from 1 to 10.
fn is_mean(printed: Ratio, scores: i128) -> bool {
    // Sums of whole numbers from 1 to 10.
    (scores..=10 * scores).any(|sum| exact::round(Ratio::new(sum, scores), 1) == printed)
}
