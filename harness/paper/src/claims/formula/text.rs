//! Claims that the paper's cases, figures and other claims decide.

use super::super::scorebook::mean;
use super::super::value::Value;
use super::{Alpaca, Gra, L};
use crate::Reference;
use crate::exact::{self, Ratio};

/// How many dimensions Prompts 8 and 9 ask scores for.
const DIMENSIONS: i128 = 6;

pub(super) fn value(id: &str, paper: &Reference) -> Option<Value> {
    let number = match id {
        "P28" => paper.main(L, Alpaca, Gra)?.average - printed(paper, "claims/P28")?,
        "P32" => printed(paper, "claims/P30")? - printed(paper, "claims/P31")?,
        "P33" => mean(case_1(paper).map(|mean| mean.map(Some)).unwrap_or_default())?,
        "P34" | "A19" => {
            let scores = paper.cases().iter().find(|line| line.role == "adjudicator")?;
            let sum: i128 = scores.scores.iter().sum();
            let over = if id == "P34" { scores.scores.len() as i128 } else { DIMENSIONS };
            Ratio::new(sum, over)
        }
        "P35" => return Some(Value::Real(exact::to_f64(variance(paper)?).sqrt())),
        "P36" => variance(paper)?,
        "P37" => return Some(Value::Truth(variance(paper)? > Ratio::new(9, 4))),
        "P38" => {
            let passes = |mean: &&Ratio| **mean >= Ratio::from(8);
            return Some(Value::count(case_1(paper)?.iter().filter(passes).count()));
        }
        "P40" => return Some(Value::Truth(is_mean(Ratio::new(82, 10), 18))),
        "P41" => return Some(Value::Truth(is_mean(Ratio::new(81, 10), 6))),
        "P48" => {
            printed(paper, "figure7/judge/above-8")? + printed(paper, "figure7/judge/at-most-8")?
        }
        "P49" => printed(paper, "figure8/gra/ifd")? - printed(paper, "figure8/distill-72b/ifd")?,
        "P50" => {
            let gra = printed(paper, "figure8/gra/ifd")?;
            let above = printed(paper, "figure8/gra-less-vanilla/difference")?;
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

/// The means of Case 1's three reviewers.
fn case_1(paper: &Reference) -> Option<[Ratio; 3]> {
    let lines = paper.cases().iter().filter(|line| line.case == 1 && line.role == "reviewer");
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
    (scores..=10 * scores).any(|sum| exact::round(Ratio::new(sum, scores), 1) == printed)
}
