//! Numbers as people read them, in reports and on a terminal.

use std::fmt::Display;

use gra_analysis::statistics::inference::{Estimate, Interval};
pub(crate) use gra_paper::grid::count as grouped;
use gra_paper::grid::{fixed, signed};

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
    or_missing(estimate.value, |value| {
        let interval = estimate.interval.map(|Interval { low, high }| {
            format!(" ({} to {})", signed(100.0 * low, 1), signed(100.0 * high, 1))
        });
        format!("{} points{}", signed(100.0 * value, 1), interval.unwrap_or_default())
    })
}

/// A difference of scores: `+0.25 (-0.10 to +0.60)`.
pub(crate) fn difference(estimate: Estimate) -> String {
    or_missing(estimate.value, |value| {
        let interval =
            estimate.interval.map(|i| format!(" ({} to {})", signed(i.low, 2), signed(i.high, 2)));
        format!("{}{}", signed(value, 2), interval.unwrap_or_default())
    })
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
}
