//! Claims that the paper's own words and cases decide.

use gra_synth::domain::Domain;

use super::super::scorebook::mean;
use super::super::value::Value;
use super::{Alpaca, Gra, L, decimal};
use crate::exact::Ratio;
use crate::{Benchmark, Reference};

/// Models of the pool (section 4.1).
const POOL: [&str; 5] = [
    "Llama-3.1-8B-Instruct",
    "Qwen2.5-7B-Instruct",
    "InternLM3-8B-Instruct",
    "Mistral-7B-Instruct-v0.3",
    "Tulu-3-8B",
];

/// What Prompt 6 asks for.
const CRITERIA: [&str; 3] = ["reasonableness", "completeness", "clarity"];

/// What Prompts 8 and 9 ask for.
const DIMENSIONS: [&str; 6] =
    ["correctness", "clarity", "completeness", "relevance", "coherence", "ethicality"];

/// The prompts that Appendix E lists by number.
const LISTED_PROMPTS: [u8; 8] = [1, 2, 3, 4, 6, 7, 8, 9];

pub(super) fn value(id: &str, paper: &Reference) -> Option<Value> {
    let number = match id {
        "P04" => return Some(Value::count(Domain::ALL.len())),
        "P06" => return Some(Value::count(CRITERIA.len())),
        "P07" => return Some(Value::count(DIMENSIONS.len())),
        "P09" => return Some(Value::count(POOL.len())),
        "P10" => return Some(Value::count(POOL.len() - 2)),
        "P11" => Ratio::whole(5 * 10),
        "P19" => Ratio::new(72, 32),
        // The two that the text names: no reviewer, one reviewer.
        "P26" => Ratio::whole(2),
        "P28" => paper.main(L, Alpaca, Gra)?.average.exact() - printed(paper, "claims/P28")?,
        "P32" => printed(paper, "claims/P30")? - printed(paper, "claims/P31")?,
        "P33" => mean(case_1(paper).map(|mean| mean.map(Some)).unwrap_or_default())?,
        "P34" | "A19" => {
            let scores = paper.cases().iter().find(|line| line.role == "adjudicator")?;
            let sum = Ratio::whole(scores.scores.iter().sum());
            let over = if id == "P34" { scores.scores.len() } else { DIMENSIONS.len() };
            sum / Ratio::whole(over as i128)
        }
        "P35" => return Some(Value::Real(variance(paper)?.to_f64().sqrt())),
        "P36" => variance(paper)?,
        "P37" => return Some(Value::Truth(variance(paper)? > decimal(150) * decimal(150))),
        "P38" => {
            let passes = |mean: &&Ratio| **mean >= Ratio::whole(8);
            return Some(Value::count(case_1(paper)?.iter().filter(passes).count()));
        }
        "P39" => Ratio::whole((15..=100).step_by(15).sum()),
        "P40" => return Some(Value::Truth(is_mean(Ratio::new(82, 10), 18))),
        "P41" => return Some(Value::Truth(is_mean(Ratio::new(81, 10), 6))),
        // Words, counted by hand.
        "P42" => Ratio::whole(40),
        "P43" => Ratio::whole(12),
        "P44" => return Some(Value::Truth((2..=4).contains(&2))),
        "P48" => {
            printed(paper, "figure7/judge/above-8")? + printed(paper, "figure7/judge/at-most-8")?
        }
        "P49" => printed(paper, "figure8/gra/ifd")? - printed(paper, "figure8/distill-72b/ifd")?,
        "P50" => {
            let gra = printed(paper, "figure8/gra/ifd")?;
            let above = printed(paper, "figure8/gra-less-vanilla/difference")?;
            let relative = gra / (Ratio::whole(1) + above / Ratio::whole(100));
            return Some(Value::Several(vec![gra - above, relative]));
        }
        "P52" => Ratio::whole(8 * 4 * 8),
        "P54" => return Some(Value::count(Benchmark::ALL.len())),
        "P55" => return Some(Value::count(LISTED_PROMPTS.len())),
        _ => return None,
    };
    Some(Value::Number(number))
}

fn printed(paper: &Reference, path: &str) -> Option<Ratio> {
    paper.number(path).ok()?.number
}

/// The means of Case 1's three reviewers.
fn case_1(paper: &Reference) -> Option<[Ratio; 3]> {
    let lines = paper.cases().iter().filter(|line| line.case == 1 && line.role == "reviewer");
    let means: Option<Vec<Ratio>> = lines
        .map(|line| mean(line.scores.iter().map(|score| Some(Ratio::whole(*score)))))
        .collect();
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
    (scores..=10 * scores).any(|sum| Ratio::new(sum, scores).round(1) == printed)
}
