//! Numbers as people read them, in reports and on a terminal, and as they type the values of an axis, on the command
//! line or in an experiment file: one, a list, or a range.

use std::fmt::Display;
use std::str::FromStr;

use gra_analysis::statistics::inference::{Estimate, Interval};
pub(crate) use gra_paper::grid::count as grouped;
use gra_paper::grid::{fixed, signed};
use gra_synth::committee::Thousandths;
use schemars::JsonSchema;
use serde::Deserialize;

/// What stands for a number that does not exist.
pub(crate) const MISSING: &str = "\u{2013}";

/// A number in a form, or what stands for none.
pub(crate) fn or_missing<T>(value: Option<T>, form: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| MISSING.to_owned(), form)
}

/// A text in a table's cell, or a dash.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A count of things with their plural: `1 run seed`, `3 run seeds`.
pub(crate) fn several<N: Copy + Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    format!("{count} {what}{}", if count == N::from(1) { "" } else { "s" })
}

/// A number of parameters: `134.5M`, `7.6B`.
pub(crate) fn parameters(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let count = count as f64;
    if count >= 1e9 { format!("{:.1}B", count / 1e9) } else { format!("{:.1}M", count / 1e6) }
}

/// A measure of any size: three decimals below ten, and fewer above.
pub(crate) fn measure(value: f64) -> String {
    // As many digits as a reader compares, whatever the unit.
    match value.abs() {
        small if small < 10.0 => fixed(value, 3),
        middle if middle < 1000.0 => fixed(value, 1),
        _ => fixed(value, 0),
    }
}

/// A share of one: `12.5%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// A p-value.
pub(crate) fn p_value(p: f64) -> String {
    format!("{p:.3}")
}

/// A share with its interval: `50.0% (95% interval 31.0% to 69.0%)`.
pub(crate) fn share(estimate: Estimate) -> Option<String> {
    let value = percent(estimate.value?);
    Some(match estimate.interval {
        Some(Interval { low, high }) => {
            format!("{value} (95% interval {} to {})", percent(low), percent(high))
        }
        None => format!("{value} (too few for an interval)"),
    })
}

/// A difference of shares in points of a hundred: `+12.5 points (+4.2 to +20.8)`.
pub(crate) fn points(estimate: Estimate) -> String {
    with_interval(estimate, " points", |share| signed(100.0 * share, 1))
}

/// A difference of scores: `+0.25 (-0.10 to +0.60)`.
pub(crate) fn difference(estimate: Estimate) -> String {
    with_interval(estimate, "", |score| signed(score, 2))
}

/// An estimate in a form and with a unit; the interval behind it has no unit of its own.
fn with_interval(estimate: Estimate, unit: &str, form: impl Fn(f64) -> String) -> String {
    or_missing(estimate.value, |value| {
        let interval = estimate.interval.map(|i| format!(" ({} to {})", form(i.low), form(i.high)));
        format!("{}{unit}{}", form(value), interval.unwrap_or_default())
    })
}

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
    // Where no step meets the upper end, the last value lies below it.
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

    #[test]
    fn numbers_are_grouped_and_intervals_told() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (count, text) in cases {
            assert_eq!(grouped(count), text);
        }
        let of = |value, interval: Option<(f64, f64)>| Estimate {
            n: 9,
            value,
            interval: interval.map(|(low, high)| Interval { low, high }),
        };
        assert_eq!(share(of(None, None)), None);
        let told = share(of(Some(0.5), Some((0.25, 0.75))));
        assert_eq!(told.as_deref(), Some("50.0% (95% interval 25.0% to 75.0%)"));
        assert_eq!(points(of(Some(-0.125), Some((-0.25, 0.0)))), "-12.5 points (-25.0 to 0.0)");
        assert_eq!(points(of(None, None)), "\u{2013}");
        assert_eq!(difference(of(Some(0.25), Some((-0.1, 0.6)))), "+0.25 (-0.10 to +0.60)");
    }

    #[test]
    fn sizes_have_few_digits() {
        assert_eq!([134_515_008, 7_615_616_512].map(parameters), ["134.5M", "7.6B"]);
        assert_eq!([4.3153, -72.46, 1200.4].map(measure), ["4.315", "-72.5", "1200"]);
    }

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
