//! Values as places on the ordered scale of their distinct values.
//!
//! Committee means have steps of 1/18 and a judge's of 1/6, so 51,000 scores take at most 181 values.

use crate::distinct::Distinct;

/// A value is no number, or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value {row} is not a finite number")]
pub struct NotFinite {
    /// Its place among the values, from 0.
    pub row: usize,
}

/// The distinct values of some rows, and where each row lies among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels(Distinct<f64>);

impl Levels {
    /// Finds the distinct values. 0 and -0 are one value.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn of(rows: &[f64]) -> Result<Self, NotFinite> {
        if let Some(row) = rows.iter().position(|value| !value.is_finite()) {
            return Err(NotFinite { row });
        }
        // Adding 0 makes -0 a 0.
        let rows: Vec<f64> = rows.iter().map(|value| value + 0.0).collect();
        Ok(Self(Distinct::by(&rows, f64::total_cmp)))
    }

    /// The distinct values, rising.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0.kinds
    }

    /// Each row's place among the values.
    #[must_use]
    pub fn of_row(&self) -> &[usize] {
        &self.0.of_row
    }

    /// Summed weights of the rows at each value.
    #[must_use]
    pub fn counts(&self, weights: &[u32]) -> Vec<u64> {
        self.0.counts(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_level() {
        let levels = Levels::of(&[8.5, -0.0, 8.0, 0.0, 8.5]).unwrap();
        assert_eq!(levels.values(), [0.0, 8.0, 8.5]);
        assert_eq!(levels.of_row(), [2, 0, 1, 0, 2]);
        assert_eq!(levels.counts(&[1, 2, 0, 1, 3]), [3, 0, 4]);
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert_eq!(Levels::of(&[1.0, f64::NAN]), Err(NotFinite { row: 1 }));
        assert_eq!(Levels::of(&[f64::NEG_INFINITY]), Err(NotFinite { row: 0 }));
        assert!(Levels::of(&[]).unwrap().values().is_empty());
    }
}
