//! What a comparison shows, in words: which differences from the first data set can be told from chance
//! at this n, and which cannot.
//!
//! A difference is *distinguishable* when its p-value, corrected for all differences of the comparison,
//! is at most 0.05. Of one that is not, the words give the interval: it says how large a difference the
//! data leaves open. They never call two data sets equal.

use std::fmt::Write as _;

use super::Contrast;
use crate::statistics::bootstrap::Estimate;

/// Level of the tests.
const LEVEL: f64 = 0.05;

/// A paragraph per data set, in the order in which they were compared; empty without a second one.
#[must_use]
pub fn in_words(reference: &str, contrasts: &[Contrast]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for contrast in contrasts {
        if !names.contains(&contrast.data_set.as_str()) {
            names.push(&contrast.data_set);
        }
    }
    let mut text = String::new();
    for name in names {
        let of_set: Vec<&Contrast> =
            contrasts.iter().filter(|contrast| contrast.data_set == name).collect();
        let _ = writeln!(text, "{}", paragraph(name, reference, &of_set));
    }
    text
}

fn paragraph(name: &str, reference: &str, contrasts: &[&Contrast]) -> String {
    let measured = contrasts.iter().filter(|contrast| contrast.difference.value.is_some());
    // A difference without a p-value cannot be told from chance either.
    let (clear, unclear): (Vec<&Contrast>, Vec<&Contrast>) =
        measured.copied().partition(|contrast| contrast.p.is_some_and(|p| p <= LEVEL));
    let listed = |contrasts: &[&Contrast]| {
        let shown: Vec<String> = contrasts.iter().map(|contrast| shown(contrast)).collect();
        shown.join("; ")
    };
    let mut text = format!("{name} against {reference}: ");
    match (clear.as_slice(), unclear.as_slice()) {
        ([], []) => text.push_str("nothing was measured of both."),
        (clear, []) => {
            let _ = write!(text, "distinguishable in {}.", listed(clear));
        }
        ([], unclear) => {
            let _ = write!(text, "not distinguishable at this n in {}.", listed(unclear));
        }
        (clear, unclear) => {
            let (clear, unclear) = (listed(clear), listed(unclear));
            let _ = write!(
                text,
                "distinguishable in {clear}. Not distinguishable at this n in {unclear}."
            );
        }
    }
    text
}

/// `mu higher by 0.31 [0.12, 0.50], n 40`.
fn shown(contrast: &Contrast) -> String {
    let Estimate { n, value, interval } = contrast.difference;
    let value = value.unwrap_or_default();
    let direction = if value < 0.0 { "lower" } else { "higher" };
    let of = if contrast.is_paired { "seed items" } else { "origins" };
    let interval = interval.map_or_else(
        || "no interval".to_owned(),
        |interval| format!("[{}, {}]", signed(interval.low), signed(interval.high)),
    );
    let by = signed(value.abs()).trim_start_matches('+').to_owned();
    format!("{} {direction} by {by} {interval} ({n} {of})", contrast.measure)
}

fn signed(value: f64) -> String {
    let decimals = if value.abs() < 1.0 { 3 } else { 1 };
    format!("{value:+.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::bootstrap::Interval;

    fn contrast(measure: &'static str, value: Option<f64>, p: Option<f64>) -> Contrast {
        let interval = value.map(|value| Interval { low: value - 0.25, high: value + 0.25 });
        let difference = Estimate { n: 40, value, interval };
        Contrast { measure, data_set: "b".to_owned(), difference, p, is_paired: true }
    }

    #[test]
    fn what_can_and_what_cannot_be_told_from_chance() {
        let all = [
            contrast("mu", Some(0.5), Some(0.01)),
            contrast("loss-ratio", Some(-0.1), Some(0.4)),
            contrast("judge's score", None, None),
        ];
        insta::assert_snapshot!(in_words("a", &all), @"b against a: distinguishable in mu higher by 0.500 [+0.250, +0.750] (40 seed items). Not distinguishable at this n in loss-ratio lower by 0.100 [-0.350, +0.150] (40 seed items).");
        insta::assert_snapshot!(in_words("a", &all[2..]), @"b against a: nothing was measured of both.");
        assert_eq!(in_words("a", &[]), "");
    }
}
