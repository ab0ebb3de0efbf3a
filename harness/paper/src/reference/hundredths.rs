//! A number of two decimals, as tables print it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::exact::Ratio;

/// A printed number, in hundredths: 51.4 is 5140. Two are equal when they print alike.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Hundredths(pub i64);

/// Text that is no number of at most two decimals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of at most two decimals")]
pub struct NotHundredths(String);

impl Hundredths {
    /// As a fraction.
    #[must_use]
    pub const fn exact(self) -> Ratio {
        Ratio::new(self.0 as i128, 100)
    }
}

impl FromStr for Hundredths {
    type Err = NotHundredths;

    fn from_str(text: &str) -> Result<Self, NotHundredths> {
        let hundredths = Ratio::parse(text).map(|value| value * Ratio::whole(100));
        let whole = hundredths.filter(|value| *value == Ratio::whole(value.floor()));
        let number = whole.and_then(|value| i64::try_from(value.floor()).ok());
        number.map(Self).ok_or_else(|| NotHundredths(text.to_owned()))
    }
}

impl TryFrom<String> for Hundredths {
    type Error = NotHundredths;

    fn try_from(text: String) -> Result<Self, NotHundredths> {
        text.parse()
    }
}

impl From<Hundredths> for String {
    fn from(value: Hundredths) -> Self {
        value.to_string()
    }
}

impl fmt::Display for Hundredths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.exact().fixed(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_decimals_and_no_more() {
        for (text, hundredths, shown) in [
            ("60.36", 6036, "60.36"),
            ("45.5", 4550, "45.50"),
            ("-0.04", -4, "-0.04"),
            ("8", 800, "8.00"),
        ] {
            assert_eq!(text.parse(), Ok(Hundredths(hundredths)));
            assert_eq!(Hundredths(hundredths).to_string(), shown);
        }
        for bad in ["", "51.401", "-", "1e2", "99999999999999999999"] {
            assert!(bad.parse::<Hundredths>().is_err(), "{bad}");
        }
    }
}
