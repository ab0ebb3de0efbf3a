//! What a comparison shows, in words.
//!
//! Of every measure one of four things is said: that the data sets *differ* (the p-value, corrected for all
//! differences of the comparison, is at most 0.05), that they are *alike* within the margin that the experiment
//! states, that they *cannot be told apart*, and how many samples could, or that there is no test. Without a margin
//! no two data sets are alike.

use std::fmt::Write as _;

use super::contrast::{Contrast, DifferenceVerdict, Sizes};
use crate::grid::{self, count};
use crate::statistics::inference::{CONFIDENCE, Inference, Interval};

/// More samples than anybody would make to settle a question.
const MOST: u64 = 1_000_000;

/// A paragraph per data set, in the order in which they were compared; empty without a second one.
#[must_use]
pub fn in_words(reference: &str, contrasts: &[Contrast]) -> String {
    // Contrasts come measure by measure: the first measure names all data sets.
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
    // In the order in which the verdicts are read.
    let mut found: [(&str, Vec<String>); 4] = [
        ("differs in", Vec::new()),
        ("is alike in", Vec::new()),
        ("cannot be told apart in", Vec::new()),
        ("is not tested (fewer than 12 a side, or nothing varies) in", Vec::new()),
    ];
    for contrast in contrasts {
        let Some((verdict, headline)) = contrast.verdict().zip(contrast.headline()) else {
            continue;
        };
        let shown = shown(contrast, headline);
        let (place, shown) = match verdict {
            DifferenceVerdict::Differs => (0, shown),
            DifferenceVerdict::Alike => {
                (1, format!("{shown}, within {}", contrast.margin.unwrap_or_default()))
            }
            DifferenceVerdict::Unknown { needed } => (2, shown + &to_tell(needed)),
            DifferenceVerdict::Untested => (3, shown),
        };
        found[place].1.push(shown);
    }
    let found: Vec<String> = found
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| format!("{what} {}", list.join("; ")))
        .collect();
    if found.is_empty() {
        return format!("{name} against {reference}: nothing was measured of both.");
    }
    format!("{name} against {reference}: {}.", found.join(". It "))
}

/// `mu, higher by 0.31 [+0.12, +0.50] (n 40 and 38, 20 in both)`, and what of it is due to selection.
fn shown(contrast: &Contrast, headline: Inference) -> String {
    let Contrast { measure, n: Sizes { first, other, both }, .. } = contrast;
    let by = headline.value.abs();
    let by = format!("{by:.*}", decimals(by));
    let found = match headline.value {
        less if less < 0.0 => format!("lower by {by}"),
        more if more > 0.0 => format!("higher by {by}"),
        _ => "equal".to_owned(),
    };
    let interval = interval(headline);
    match contrast.selection {
        // Where the same items are tested, what is left of the difference is who was selected.
        Some(selection) if Some(headline) == contrast.same_items => format!(
            "{measure} of the {both} items in both, {found}{interval}, and by selection {}{} \
             (n {other} against {first})",
            signed(selection.value),
            self::interval(selection),
        ),
        _ => {
            let shared = if *both > 0 { format!(", {both} in both") } else { String::new() };
            format!("{measure}, {found}{interval} (n {other} against {first}{shared})")
        }
    }
}

/// What it would take to tell.
fn to_tell(needed: u64) -> String {
    let (about, n) = if needed > MOST { ("more than", MOST) } else { ("about", needed) };
    format!("; {about} {} a side would tell", count(n))
}

fn interval(of: Inference) -> String {
    let shown = |ends: Interval| format!(" [{}, {}]", signed(ends.low), signed(ends.high));
    of.interval(CONFIDENCE).map(shown).unwrap_or_default()
}

/// Ratios and scores need three decimals, counts of words one.
fn decimals(value: f64) -> usize {
    if value.abs() < 1.0 { 3 } else { 1 }
}

fn signed(value: f64) -> String {
    grid::signed(value, decimals(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::dependence::Dependence;

    /// A mean of 40 values that alternate around it, each alone; their standard error is `spread` / 6.24.
    fn inference(mean: f64, spread: f64) -> Option<Inference> {
        let value = |row: i32| Some(mean + if row % 2 == 0 { spread } else { -spread });
        let values: Vec<Option<f64>> = (0..40).map(value).collect();
        Inference::of_mean(&values, &Dependence::independent(40))
    }

    fn contrast(measure: &'static str, difference: Option<Inference>) -> Contrast {
        Contrast {
            measure,
            data_set: "b".to_owned(),
            n: Sizes { first: 40, other: 48, both: 0 },
            difference,
            same_items: None,
            selection: None,
            p: difference.and_then(|difference| difference.p()),
            margin: None,
        }
    }

    #[test]
    fn three_verdicts() {
        let alike = Contrast { margin: Some(0.5), ..contrast("loss-ratio", inference(-0.1, 1.0)) };
        let selected = Contrast {
            n: Sizes { first: 40, other: 20, both: 20 },
            same_items: inference(0.02, 0.5),
            selection: inference(1.5, 0.5),
            p: Some(0.8),
            ..contrast("judge's score", inference(1.52, 1.0))
        };
        let all = [contrast("mu", inference(0.5, 1.0)), alike, selected, contrast("words", None)];
        insta::assert_snapshot!(in_words("a", &all), @"
        b against a: differs in mu, higher by 0.500 [+0.176, +0.824] (n 48 against 40). It is alike in loss-ratio, lower by 0.100 [-0.424, +0.224] (n 48 against 40), within 0.5. It cannot be told apart in judge's score of the 20 items in both, higher by 0.020 [-0.142, +0.182], and by selection +1.5 [+1.3, +1.7] (n 20 against 40); about 5,294 a side would tell.
        ");
        insta::assert_snapshot!(in_words("a", &all[3..]), @"b against a: nothing was measured of both.");
        assert_eq!(in_words("a", &[]), "");
    }

    #[test]
    fn a_larger_margin_takes_fewer_samples() {
        let needed = |margin| {
            let contrast = Contrast { margin, ..contrast("mu", inference(0.2, 1.0)) };
            let Some(DifferenceVerdict::Unknown { needed }) = contrast.verdict() else {
                panic!("{:?}", contrast.verdict())
            };
            needed
        };
        // 2.023 + 0.851 standard errors of 0.160 at 40.
        assert_eq!((needed(None), needed(Some(0.1))), (212, 847));
    }
}
