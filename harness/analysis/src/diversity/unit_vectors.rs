//! The embeddings of a data set, checked once: what diversity and the map are computed from.
//!
//! Rows are unit vectors, so the Euclidean distance of two is sqrt(2 - 2 cosine) and falls as their
//! cosine grows. Distances are compared as cosines, exactly (`gra_synth::similarity`).

use std::ops::Deref;

use gra_synth::similarity::{Vectors, cosine};

/// How far a length may lie from 1. An encoder that normalises in `f32` stays within 1e-6.
const TOLERANCE: f64 = 1e-3;

/// Why a number does not exist.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undefined {
    /// Too little data.
    #[error("it takes {needed} or more, and there are {n}")]
    TooFew {
        /// How many there are.
        n: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Nothing distinguishes the data.
    #[error("all of them are the same")]
    Identical,
    /// A row is zero, not finite, or was not normalised.
    #[error("embedding {row} has length {length}; it should be 1")]
    NotUnit {
        /// Which, from 0.
        row: usize,
        /// Its Euclidean length; infinite when a value is not finite.
        length: f64,
    },
    /// Two sets do not live in the same space.
    #[error("embeddings of {one} and of {other} dimensions cannot be compared")]
    Dimensions {
        /// Of one set.
        one: usize,
        /// Of another.
        other: usize,
    },
}

/// Rows of unit length, 384 values each for all-MiniLM-L6-v2.
#[derive(Clone, Copy, Debug)]
pub struct UnitVectors<'a>(Vectors<'a>);

impl<'a> UnitVectors<'a> {
    /// `count` rows that share the values evenly.
    ///
    /// # Errors
    /// When a row is not of unit length.
    ///
    /// # Panics
    /// When the rows cannot be of one length.
    pub fn new(values: &'a [f32], count: usize) -> Result<Self, Undefined> {
        let rows = Vectors::new(values, count);
        for row in 0..count {
            let length = cosine(rows.row(row), rows.row(row)).sqrt();
            // An overflow gives an infinite length, and is reported as such.
            let length = if length.is_nan() { f64::INFINITY } else { length };
            if (length - 1.0).abs() > TOLERANCE {
                return Err(Undefined::NotUnit { row, length });
            }
        }
        Ok(Self(rows))
    }

    /// The rows, when there are at least so many.
    pub(crate) fn at_least(self, needed: usize) -> Result<Self, Undefined> {
        let n = self.len();
        if n < needed { Err(Undefined::TooFew { n, needed }) } else { Ok(self) }
    }

    /// Several sets as one, in order.
    pub(crate) fn joined(sets: &[Self]) -> Result<Vec<f32>, Undefined> {
        for pair in sets.windows(2) {
            pair[0].comparable(&pair[1])?;
        }
        Ok(sets.iter().flat_map(|set| set.values()).copied().collect())
    }

    /// Whether two sets live in the same space.
    pub(crate) fn comparable(&self, other: &Self) -> Result<(), Undefined> {
        let (one, other) = (self.dim(), other.dim());
        if one == other { Ok(()) } else { Err(Undefined::Dimensions { one, other }) }
    }
}

impl<'a> Deref for UnitVectors<'a> {
    type Target = Vectors<'a>;

    fn deref(&self) -> &Vectors<'a> {
        &self.0
    }
}

#[cfg(test)]
pub(crate) mod by_hand {
    /// `count` unit vectors around `centres` directions, row by row. Numbers come from Knuth's
    /// linear congruential generator, which `scripts/diversity-reference.py` has too.
    pub(crate) fn clustered(seed: u64, count: usize, dim: usize, centres: usize) -> Vec<f32> {
        let mut state = seed;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let share = (state >> 40) as f64 / f64::from(1 << 23);
            share - 1.0
        };
        let middles: Vec<f64> = (0..centres * dim).map(|_| uniform()).collect();
        let mut values = Vec::with_capacity(count * dim);
        for at in 0..count {
            let middle = &middles[at % centres * dim..][..dim];
            values.extend(unit(&middle.iter().map(|x| x + 0.5 * uniform()).collect::<Vec<f64>>()));
        }
        values
    }

    /// The direction of a vector.
    pub(crate) fn unit(vector: &[f64]) -> Vec<f32> {
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "test vectors")]
        let narrow = |x: &f64| (x / length) as f32;
        vector.iter().map(narrow).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_unit_vector_is_named() {
        let check = |values: &[f32], count| UnitVectors::new(values, count).map(|rows| rows.len());
        assert_eq!(check(&[0.6, 0.8, 1.0, 0.0], 2), Ok(2));
        assert_eq!(check(&[], 0), Ok(0));
        assert_eq!(
            check(&[0.6, 0.8, 0.0, 0.0], 2),
            Err(Undefined::NotUnit { row: 1, length: 0.0 })
        );
        assert_eq!(check(&[3.0, 4.0], 1), Err(Undefined::NotUnit { row: 0, length: 5.0 }));
        let infinite = Err(Undefined::NotUnit { row: 0, length: f64::INFINITY });
        assert_eq!(check(&[f32::NAN, 1.0], 1), infinite);
        assert_eq!(check(&[f32::INFINITY, 1.0], 1), infinite);
        assert_eq!(check(&[], 3), Err(Undefined::NotUnit { row: 0, length: 0.0 }));
    }

    #[test]
    fn sets_of_two_encoders_are_not_joined() {
        let flat = UnitVectors::new(&[0.6, 0.8], 1).unwrap();
        let deep = UnitVectors::new(&[0.0, 0.6, 0.8], 1).unwrap();
        assert_eq!(
            UnitVectors::joined(&[flat, flat, deep]),
            Err(Undefined::Dimensions { one: 2, other: 3 })
        );
        assert_eq!(UnitVectors::joined(&[flat, flat]).unwrap(), [0.6, 0.8, 0.6, 0.8]);
    }
}
