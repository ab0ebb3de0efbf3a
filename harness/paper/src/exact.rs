//! Exact fractions of `num-rational`, read and rounded as printed numbers are.
//!
//! Printed values are compared as fractions: a mean of ten numbers of two decimals can end in a five, and
//! binary floating point would round some of them the other way. `i128` is far above what sums and means of
//! table cells need. A fraction's `Display` is `257/5`: text for people is from [`fixed`] or [`shown`].

/// A fraction in lowest terms; dividing by 0 panics.
pub type Ratio = num_rational::Ratio<i128>;

/// Reads `-12.34`: a sign, digits, at most nine decimals.
#[must_use]
pub fn parse(text: &str) -> Option<Ratio> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    // 27 digits at most, far below the 38 of an i128, so that sums of fractions cannot overflow.
    if !is_number(whole, 18) || !is_number(decimals, 9) {
        return None;
    }
    let value: i128 = format!("{whole}{decimals}").parse().ok()?;
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Some(Ratio::new(sign * value, 10_i128.pow(u32::try_from(decimals.len()).ok()?)))
}

/// Rounded to so many decimals, a half away from zero, as people round.
#[must_use]
pub fn round(value: Ratio, decimals: u32) -> Ratio {
    let scale = 10_i128.pow(decimals);
    (value * scale).round() / scale
}

/// Rounded up to so many decimals.
#[must_use]
pub fn ceil(value: Ratio, decimals: u32) -> Ratio {
    let scale = 10_i128.pow(decimals);
    (value * scale).ceil() / scale
}

/// The mean; `None` of no numbers.
pub fn mean(values: impl IntoIterator<Item = Ratio>) -> Option<Ratio> {
    let (sum, n) =
        values.into_iter().fold((Ratio::ZERO, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n)
}

/// How far apart two numbers are.
#[must_use]
pub fn distance(a: Ratio, b: Ratio) -> Ratio {
    (a - b).max(b - a)
}

/// The nearest floating-point number.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "table cells are far below 2^53")]
pub fn to_f64(value: Ratio) -> f64 {
    *value.numer() as f64 / *value.denom() as f64
}

/// With so many decimals, rounded: `51.40`.
#[must_use]
pub fn fixed(value: Ratio, decimals: u32) -> String {
    let scale = 10_i128.pow(decimals);
    let scaled = (value * scale).round().to_integer();
    let sign = if scaled < 0 { "-" } else { "" };
    // The sign stands apart: -0.04 has a whole part of 0, which has none.
    let (whole, rest) = (scaled.abs() / scale, scaled.abs() % scale);
    match decimals {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:0width$}", width = decimals as usize),
    }
}

/// With at most four decimals, without trailing zeros.
#[must_use]
pub fn shown(value: Ratio) -> String {
    fixed(value, 4).trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        let cases = [
            ("55.525", 2, "55.53"),
            ("-55.525", 2, "-55.53"),
            ("0.005", 2, "0.01"),
            ("0.0049", 2, "0.00"),
            ("-0.004", 2, "0.00"),
            ("8", 0, "8"),
            ("7.5", 0, "8"),
            ("17.2", 2, "17.20"),
        ];
        for (value, decimals, expected) in cases {
            assert_eq!(fixed(parse(value).unwrap(), decimals), expected, "{value}");
        }
    }

    #[test]
    fn shown_to_four_decimals() {
        for (numerator, denominator, expected) in
            [(1, 3, "0.3333"), (-2, 3, "-0.6667"), (450, 100, "4.5"), (100, 1, "100"), (0, 7, "0")]
        {
            assert_eq!(shown(Ratio::new(numerator, denominator)), expected);
        }
    }

    #[test]
    fn text_that_is_not_a_number_is_refused() {
        for text in ["", ".", "5.", ".5", "-", "1e3", "nan", "1.2.3", "0.1234567890", "--1", "½"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn up_to_a_decimal() {
        assert_eq!(fixed(ceil(Ratio::new(5_012_001, 100_000), 2), 2), "50.13");
        assert_eq!(ceil(Ratio::new(-7, 2), 0), Ratio::from(-3));
    }

    proptest! {
        #[test]
        fn rounding_moves_by_half_a_unit_at_most(a in -9999_i128..9999, b in 1_i128..999) {
            let value = Ratio::new(a, b);
            prop_assert!(distance(round(value, 2), value) <= Ratio::new(1, 200));
            let up = ceil(value, 2);
            prop_assert!(up >= value && up - value < Ratio::new(1, 100));
        }

        #[test]
        fn written_numbers_are_read_back(hundredths in -999_999_i128..999_999) {
            let value = Ratio::new(hundredths, 100);
            prop_assert_eq!(parse(&fixed(value, 2)), Some(value));
        }
    }
}
