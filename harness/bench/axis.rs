//! The values of an axis as typed, on the command line or in an experiment file: one, a list, or a
//! range.

use std::str::FromStr;

use gra_synth::committee::Thousandths;
use schemars::JsonSchema;
use serde::Deserialize;

/// Most values of an axis.
const MOST: u32 = 10_000;

/// Decimals with at most three places, rising and distinct.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Values(pub Vec<Thousandths>);

/// Numbers of reviewers, rising and distinct.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Seats(pub Vec<u8>);

impl FromStr for Values {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part =
            |part: &str| if part.contains(':') { range(part) } else { Ok(vec![number(part)?]) };
        values(text, part).map(Self)
    }
}

impl FromStr for Seats {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unread = |_| format!("`{text}` is no range; write FROM..TO, e.g. 1..3");
        let seats = |part: &str| part.trim().parse::<u8>().map_err(unread);
        let part = |part: &str| {
            let Some((from, to)) = part.split_once("..") else { return Ok(vec![seats(part)?]) };
            let (from, to) = (seats(from)?, seats(to)?);
            if from > to { Err(falls(text)) } else { Ok((from..=to).collect()) }
        };
        values(text, part).map(Self)
    }
}

/// The values of a list's parts, rising and distinct.
fn values<T: Ord>(
    text: &str,
    part: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Vec<T>, String> {
    let parts: Vec<Vec<T>> = text.split(',').map(part).collect::<Result<_, _>>()?;
    let mut values: Vec<T> = parts.into_iter().flatten().collect();
    // Parts may overlap: each value is one line of a table.
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn number(text: &str) -> Result<Thousandths, String> {
    let value: f64 = text.trim().parse().map_err(|_| format!("`{text}` is no number"))?;
    Thousandths::try_from(value).map_err(|error| error.to_string())
}

/// From, to and step, both ends included where the steps meet the upper one.
fn range(text: &str) -> Result<Vec<Thousandths>, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [from, to, step] = parts.as_slice() else {
        return Err(format!("`{text}` is no range; write FROM:TO:STEP, e.g. 7:9:0.5"));
    };
    // Steps are taken in thousandths: in binary fractions they would miss the upper end.
    let (from, to, step) = (number(from)?, number(to)?, number(step)?);
    let (from, to, step) = (from.thousandths(), to.thousandths(), step.thousandths());
    if step == 0 {
        return Err(format!("`{text}` has a step of 0 and never arrives"));
    }
    if from > to {
        return Err(falls(text));
    }
    if (to - from) / step >= MOST {
        return Err(format!("`{text}` has more than {MOST} values; take a larger step"));
    }
    let value = |value| Thousandths::try_from(f64::from(value) / 1000.0);
    let values = (from..=to).step_by(step as usize).map(value).collect::<Result<_, _>>();
    values.map_err(|error| error.to_string())
}

/// From more to less.
fn falls(text: &str) -> String {
    format!("`{text}` goes down; write the smaller number first")
}

impl TryFrom<String> for Values {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Seats {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> String {
        match text.parse::<Values>() {
            Ok(Values(values)) => {
                values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error,
        }
    }

    fn seats(text: &str) -> String {
        match text.parse::<Seats>() {
            Ok(Seats(seats)) => format!("{seats:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn numbers_lists_and_ranges() {
        let cases = [
            ("8", "8"),
            ("8.5,7, 8,7", "7 8 8.5"),
            ("7:9:0.5", "7 7.5 8 8.5 9"),
            // The upper end is left out where no step meets it.
            ("7:8:0.3", "7 7.3 7.6 7.9"),
            ("0.85:0.95:0.05", "0.85 0.9 0.95"),
            ("8:8:1", "8"),
            ("7:8:0.5,9", "7 7.5 8 9"),
            ("7:9", "`7:9` is no range; write FROM:TO:STEP, e.g. 7:9:0.5"),
            ("7:9:0", "`7:9:0` has a step of 0 and never arrives"),
            ("9:7:0.5", "`9:7:0.5` goes down; write the smaller number first"),
            ("0:1000:0.001", "`0:1000:0.001` has more than 10000 values; take a larger step"),
            ("eight", "`eight` is no number"),
            ("", "`` is no number"),
            ("nan", "NaN must lie between 0 and 1000 and have at most three decimal places"),
            ("-1", "-1 must lie between 0 and 1000 and have at most three decimal places"),
            ("8.0001", "8.0001 must lie between 0 and 1000 and have at most three decimal places"),
        ];
        for (text, expected) in cases {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn seats_are_counted() {
        let cases = [
            ("2", "[2]"),
            ("1..3", "[1, 2, 3]"),
            ("3,1", "[1, 3]"),
            ("3..1", "`3..1` goes down; write the smaller number first"),
            ("1:3", "`1:3` is no range; write FROM..TO, e.g. 1..3"),
            ("300", "`300` is no range; write FROM..TO, e.g. 1..3"),
        ];
        for (text, expected) in cases {
            assert_eq!(seats(text), expected, "{text}");
        }
    }
}
