//! Shares with Wilson's score interval (Wilson 1927).
//!
//! The interval takes the cases as independent, stays inside [0, 1] and has a width at 0 and at 1, where nothing
//! varies. Cases that share a cause need another one.

/// 0.975 quantile of the normal distribution: the z of a 95% interval.
pub const Z: f64 = 1.959_963_984_540_054;

/// An interval in the unit of the number that it is about; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A share as counts: how many cases are of a kind, and how many are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proportion {
    /// Cases of the kind.
    pub yes: u64,
    /// Cases of another kind.
    pub no: u64,
}

impl Proportion {
    /// Counts cases; `true` is of the kind.
    #[must_use]
    pub fn from_cases(cases: impl IntoIterator<Item = bool>) -> Self {
        let mut proportion = Self::default();
        for yes in cases {
            proportion.count(yes);
        }
        proportion
    }

    /// Counts one more case.
    pub const fn count(&mut self, yes: bool) {
        if yes {
            self.yes += 1;
        } else {
            self.no += 1;
        }
    }

    /// The number of cases.
    #[must_use]
    pub const fn n(self) -> u64 {
        self.yes + self.no
    }

    /// The share, in [0, 1]; `None` without cases.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn value(self) -> Option<f64> {
        (self.n() > 0).then(|| self.yes as f64 / self.n() as f64)
    }

    /// Wilson's 95% interval, within [0, 1]; `None` without cases.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^53")]
    pub fn wilson(self) -> Option<Interval> {
        let (share, n) = (self.value()?, self.n() as f64);
        // Wilson's centre is the share pulled towards a half, by as much as n is small.
        let squared = Z * Z / n;
        let centre = (share + squared / 2.0) / (1.0 + squared);
        let half = (share * (1.0 - share) * squared + squared * squared / 4.0).sqrt();
        let half = half / (1.0 + squared);
        // At 0 and at all the near end is exact; rounding would leave it.
        let low = if self.yes == 0 { 0.0 } else { centre - half };
        let high = if self.no == 0 { 1.0 } else { centre + half };
        Some(Interval { low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_statsmodels() {
        // scripts/statistics-reference.py: statsmodels 0.15.0, proportion_confint(method="wilson").
        let cases = [
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (5, 5, 0.236_593_090_512_563_94, 0.763_406_909_487_436_1),
            (873, 127, 0.850_925_247_428_214_3, 0.892_219_990_741_561_6),
            (10, 0, 0.722_467_200_137_110_7, 1.0),
            (1, 0, 0.206_549_314_377_237_45, 1.0),
        ];
        for (yes, no, low, high) in cases {
            let found = Proportion { yes, no }.wilson().unwrap();
            let close = (found.low - low).abs() < 1e-14 && (found.high - high).abs() < 1e-14;
            assert!(close, "{yes} to {no}: {found:?}");
        }
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!((Proportion::default().value(), Proportion::default().wilson()), (None, None));
        assert_eq!(Proportion::from_cases([true, false, true]), Proportion { yes: 2, no: 1 });
    }
}
