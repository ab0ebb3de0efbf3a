//! What a formula gives, and whether it is what was printed.

use std::fmt;

use crate::ClaimVerdict;
use crate::exact::{self, Ratio};

/// What a formula gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An exact number; counts are whole ones.
    Number(Ratio),
    /// A number with a root in it.
    Real(f64),
    /// Whether something is so.
    Truth(bool),
    /// Several numbers.
    Several(Vec<Ratio>),
}

impl Value {
    /// A whole number.
    pub(super) fn count(n: usize) -> Self {
        Self::Number(Ratio::from(n as i128))
    }

    /// The value as a fraction, where it is a single number.
    fn rounded(&self) -> Option<Ratio> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Real(number) => exact::parse(&format!("{number:.9}")),
            Self::Truth(_) | Self::Several(_) => None,
        }
    }
}

/// To four decimals, without trailing zeros; several with spaces between them.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Number(number) => exact::shown(*number),
            Self::Real(number) => {
                let text = format!("{number:.4}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Self::Truth(truth) => truth.to_string(),
            Self::Several(numbers) => {
                let texts: Vec<String> = numbers.iter().copied().map(exact::shown).collect();
                texts.join(" ")
            }
        };
        out.pad(&text)
    }
}

/// Compares what was printed with what a formula gives. A number is met when the value rounds to it, at
/// its own number of decimals; `>0`, `>=1`, `<30`, `<=30` and `not 90` are bounds; `true` is a truth.
/// `None` where the two cannot be compared by a rule: words, or one number against several.
#[must_use]
pub fn judge(printed: &str, value: &Value) -> Option<ClaimVerdict> {
    let met = |is_met: bool| if is_met { ClaimVerdict::Holds } else { ClaimVerdict::Contradicted };
    match value {
        Value::Truth(truth) => printed.parse().ok().map(|claimed: bool| met(claimed == *truth)),
        Value::Several(numbers) => {
            // One number per base model, column or round; another count means another question.
            let claimed: Vec<&str> = printed.split(' ').collect();
            let is_met = |(text, number): (&&str, &Ratio)| meets(text, *number);
            let each: Option<Vec<bool>> = claimed.iter().zip(numbers).map(is_met).collect();
            let each = each.filter(|_| claimed.len() == numbers.len())?;
            Some(met(each.into_iter().all(|is_met| is_met)))
        }
        Value::Number(_) | Value::Real(_) => {
            let number = value.rounded()?;
            if let Some(is_met) = within(printed, number) {
                return Some(met(is_met));
            }
            let claimed = exact::parse(printed)?;
            if meets(printed, number)? {
                return Some(ClaimVerdict::Holds);
            }
            Some(ClaimVerdict::Off(exact::distance(exact::round(number, 4), claimed)))
        }
    }
}

/// [`judge`] of a measured value with its interval, where it has one: met where the whole interval meets what was
/// printed, missed where none of it does, and otherwise not to be told.
#[must_use]
pub fn judge_measured(
    printed: &str,
    value: &Value,
    interval: Option<(Ratio, Ratio)>,
) -> Option<ClaimVerdict> {
    let verdict = judge(printed, value)?;
    let Some((low, high)) = interval else { return Some(verdict) };
    let is_met = |number| within(printed, number).or_else(|| meets(printed, number));
    let ends = (is_met(low)?, is_met(high)?);
    // What a printed number or bound allows has no gaps, but for `not 90`, whose gap may lie between the ends.
    let holds_number = |text: &str| exact::parse(text).is_some_and(|n| low <= n && n <= high);
    Some(match printed.strip_prefix("not ") {
        Some(gap) if holds_number(gap) => ClaimVerdict::CannotTell,
        None if ends == (true, true) => ClaimVerdict::Holds,
        None if ends.0 || ends.1 || holds_number(printed) => ClaimVerdict::CannotTell,
        _ => verdict,
    })
}

/// Whether a number rounds to a printed one; `None` when that is no number.
fn meets(printed: &str, number: Ratio) -> Option<bool> {
    let claimed = exact::parse(printed)?;
    // At the printed number of decimals: 8.83 is met by 8.8267, and 9 by 9.4.
    let decimals = printed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    Some(exact::round(number, u32::try_from(decimals).ok()?) == claimed)
}

/// Whether a number is within a bound; `None` when nothing of the kind was printed.
fn within(printed: &str, number: Ratio) -> Option<bool> {
    // Two-letter signs before those that begin alike.
    let sign = ["not ", ">=", "<=", ">", "<"].into_iter().find(|sign| printed.starts_with(sign))?;
    let bound = exact::parse(&printed[sign.len()..])?;
    Some(match sign {
        "not " => number != bound,
        ">=" => number >= bound,
        "<=" => number <= bound,
        ">" => number > bound,
        _ => number < bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(exact::parse(text).unwrap())
    }

    #[test]
    fn verdicts_by_rule() {
        let several = |texts: [&str; 2]| {
            Value::Several(texts.map(|text| exact::parse(text).unwrap()).to_vec())
        };
        let cases = [
            ("0.59", number("0.5949"), "holds"),
            ("0.59", number("0.595"), "off by 0.005"),
            ("8.83", number("8.826666667"), "holds"),
            ("9", number("9.6667"), "off by 0.6667"),
            ("9", number("9.4"), "holds"),
            ("51", number("50"), "off by 1"),
            (">0", number("0"), "contradicted"),
            (">=0", number("0"), "holds"),
            ("<30", number("40"), "contradicted"),
            ("<=30", number("30"), "holds"),
            ("not 90", number("315"), "holds"),
            ("true", Value::Truth(false), "contradicted"),
            ("2.4758", Value::Real(2.475_836_8), "holds"),
            ("6.18 9", several(["6.18", "9.0033"]), "holds"),
            ("6.18 9", several(["6.18", "9.5"]), "contradicted"),
        ];
        for (printed, value, verdict) in cases {
            assert_eq!(judge(printed, &value).unwrap().to_string(), verdict, "{printed} {value}");
        }
        for (printed, value) in
            [("about 0", number("1")), ("14.58", several(["1", "2"])), ("", number("1"))]
        {
            assert_eq!(judge(printed, &value), None, "{printed}");
        }
    }

    #[test]
    fn intervals_decide_measured_verdicts() {
        let cases = [
            (">0", "0.5", ("0.1", "0.9"), "holds"),
            (">0", "0.5", ("-0.1", "1.1"), "cannot tell"),
            (">0", "-0.5", ("-0.9", "-0.1"), "contradicted"),
            ("<=0.01", "0.5", ("0.2", "0.8"), "contradicted"),
            ("14.58", "12.5", ("5", "20"), "cannot tell"),
            ("14.58", "12.5", ("11", "14"), "off by 2.08"),
            ("14.58", "14.581", ("14.576", "14.584"), "holds"),
            ("not 90", "91", ("80", "99"), "cannot tell"),
            ("not 90", "95", ("94", "96"), "holds"),
        ];
        for (printed, value, (low, high), verdict) in cases {
            let interval = exact::parse(low).zip(exact::parse(high));
            let found = judge_measured(printed, &number(value), interval);
            assert_eq!(found.unwrap().to_string(), verdict, "{printed} {value} [{low}, {high}]");
        }
        assert_eq!(judge_measured(">0", &number("1"), None), Some(ClaimVerdict::Holds));
    }

    #[test]
    fn shown_as_the_files_show_them() {
        assert_eq!(Value::Real(2.5).to_string(), "2.5");
        assert_eq!(Value::Real(0.670_47).to_string(), "0.6705");
        assert_eq!(Value::Several(vec![Ratio::ONE, Ratio::new(1, 3)]).to_string(), "1 0.3333");
    }
}
