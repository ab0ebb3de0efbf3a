//! Exact fractions and the rounding of printed numbers.
//!
//! Printed values are compared as fractions: a mean of ten numbers of two decimals can end in a five, and
//! binary floating point would round some of them the other way. Not a general library: numerators and
//! denominators are `i128`, which sums and means of table cells stay far below.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: i128,
    /// Above 0.
    denominator: i128,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// `numerator / denominator`.
    ///
    /// # Panics
    /// When the denominator is 0.
    #[must_use]
    pub const fn new(numerator: i128, denominator: i128) -> Self {
        assert!(denominator != 0, "a fraction has a denominator");
        let common = divisor(numerator.abs(), denominator.abs());
        let sign = denominator.signum();
        Self { numerator: sign * numerator / common, denominator: sign * denominator / common }
    }

    /// A whole number.
    #[must_use]
    pub const fn whole(value: i128) -> Self {
        Self { numerator: value, denominator: 1 }
    }

    /// Reads `-12.34`: a sign, digits, at most nine decimals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
            None => (1, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_short = whole.len() <= 18 && decimals.len() <= 9;
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) || !is_short {
            return None;
        }
        if digits.contains('.') && decimals.is_empty() {
            return None;
        }
        let value: i128 = format!("{whole}{decimals}").parse().ok()?;
        Some(Self::new(sign * value, power(decimals.len())))
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self { numerator: self.numerator.abs(), ..self }
    }

    /// Rounded to so many decimals, a half away from zero, as people round.
    #[must_use]
    pub const fn round(self, decimals: usize) -> Self {
        let scale = power(decimals);
        let twice = 2 * self.numerator.abs() * scale + self.denominator;
        let rounded = twice.div_euclid(2 * self.denominator);
        Self::new(self.numerator.signum() * rounded, scale)
    }

    /// Rounded up to so many decimals.
    #[must_use]
    pub const fn ceil(self, decimals: usize) -> Self {
        let scale = power(decimals);
        Self::new(-(-self.numerator * scale).div_euclid(self.denominator), scale)
    }

    /// The whole number at or below it.
    #[must_use]
    pub const fn floor(self) -> i128 {
        self.numerator.div_euclid(self.denominator)
    }

    /// The nearest floating-point number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "table cells are far below 2^53")]
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// With so many decimals, rounded: `51.40`.
    #[must_use]
    pub fn fixed(self, decimals: usize) -> String {
        let scale = power(decimals);
        let rounded = self.round(decimals);
        let scaled = (rounded * Self::whole(scale)).numerator;
        let sign = if scaled < 0 { "-" } else { "" };
        let (whole, rest) = (scaled.abs() / scale, scaled.abs() % scale);
        if decimals == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{rest:0decimals$}")
        }
    }
}

/// To at most four decimals, without trailing zeros.
impl fmt::Display for Ratio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.fixed(4);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

const fn divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { divisor(b, a % b) }
}

const fn power(decimals: usize) -> i128 {
    let mut scale = 1;
    let mut at = 0;
    while at < decimals {
        scale *= 10;
        at += 1;
    }
    scale
}

impl Add for Ratio {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let numerator = self.numerator * other.denominator + other.numerator * self.denominator;
        Self::new(numerator, self.denominator * other.denominator)
    }
}

impl Neg for Ratio {
    type Output = Self;
    fn neg(self) -> Self {
        Self { numerator: -self.numerator, ..self }
    }
}

impl Sub for Ratio {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Ratio {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(self.numerator * other.numerator, self.denominator * other.denominator)
    }
}

/// As [`Ratio::new`], panics for a divisor of 0.
impl Div for Ratio {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::new(self.numerator * other.denominator, self.denominator * other.numerator)
    }
}

impl std::iter::Sum for Ratio {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.numerator * other.denominator).cmp(&(other.numerator * self.denominator))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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
            assert_eq!(Ratio::parse(value).unwrap().fixed(decimals), expected, "{value}");
        }
    }

    #[test]
    fn shown_to_four_decimals() {
        for (numerator, denominator, expected) in
            [(1, 3, "0.3333"), (-2, 3, "-0.6667"), (450, 100, "4.5"), (100, 1, "100"), (0, 7, "0")]
        {
            assert_eq!(Ratio::new(numerator, denominator).to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", ".", "5.", ".5", "-", "1e3", "nan", "1.2.3", "0.1234567890", "--1", "½"] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
    }

    #[test]
    fn up_and_down() {
        let value = Ratio::new(5_012_001, 100_000);
        assert_eq!((value.ceil(2).fixed(2), value.floor()), ("50.13".to_owned(), 50));
        assert_eq!(Ratio::new(-7, 2).ceil(0), Ratio::whole(-3));
        assert_eq!(Ratio::new(-7, 2).floor(), -4);
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_itself(a in -9999_i128..9999, b in 1_i128..999, c in -9999_i128..9999) {
            let (x, y) = (Ratio::new(a, b), Ratio::new(c, 100));
            prop_assert_eq!(x + y - y, x);
            prop_assert_eq!((x - y).abs(), (y - x).abs());
            prop_assert_eq!(x < y, (x - y).to_f64() < 0.0);
            if c != 0 {
                prop_assert_eq!(x * y / y, x);
            }
            let rounded = x.round(2);
            prop_assert!((rounded - x).abs() <= Ratio::new(1, 200));
            prop_assert!(x.ceil(2) >= x && x.ceil(2) - x < Ratio::new(1, 100));
        }

        #[test]
        fn what_is_written_is_read(hundredths in -999_999_i128..999_999) {
            let value = Ratio::new(hundredths, 100);
            prop_assert_eq!(Ratio::parse(&value.fixed(2)), Some(value));
        }
    }
}
