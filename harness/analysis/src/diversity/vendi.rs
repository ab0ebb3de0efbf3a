//! The Vendi score: the effective number of distinct items (Friedman and Dieng, "The Vendi Score: A
//! Diversity Evaluation Metric for Machine Learning", TMLR 2023).
//!
//! It is the exponential of the Shannon entropy (q = 1) of the eigenvalues of K / n, where K holds
//! the cosines of all pairs. The second-moment matrix of the vectors has the same non-zero
//! eigenvalues and only dim x dim entries, so 50,000 texts take no 50,000 x 50,000 matrix.

use crate::diversity::spectrum::{eigen, second_moment};
use crate::diversity::unit_vectors::{Undefined, UnitVectors};

/// The score, between 1 (all the same) and the smaller of n and the dimension (all orthogonal).
///
/// # Errors
/// Without rows.
pub fn vendi(rows: UnitVectors) -> Result<f64, Undefined> {
    let rows = rows.at_least(1)?;
    let Some((eigenvalues, _)) = eigen(&second_moment(rows)) else {
        unreachable!("unit vectors have finite moments, whose decomposition ends");
    };
    // Rounding leaves tiny values of either sign where the true one is 0.
    // The spectrum sums to 1: its entropy is that of the shares of as many distinct items.
    let entropy: f64 =
        eigenvalues.iter().filter(|value| **value > 0.0).map(|value| -value * value.ln()).sum();
    Ok(entropy.exp())
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::diversity::unit_vectors::by_hand::clustered;

    fn check(values: &[f32], count: usize, expected: f64) {
        let score = vendi(UnitVectors::new(values, count).unwrap()).unwrap();
        assert!((score - expected).abs() < 1e-6, "{score}, not {expected}");
    }

    #[test]
    fn the_number_of_distinct_items() {
        check(&[0.6, 0.8], 1, 1.0);
        check(&[0.6, 0.8].repeat(9), 9, 1.0);
        check(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 3.0);
        // Two directions with shares 3/4 and 1/4.
        let entropy: f64 = -(0.75_f64 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        check(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 4, entropy.exp());
    }

    #[test]
    fn agrees_with_the_reference() {
        // Python's vendi-score 0.0.3 (score_dual on the same values in float64); see
        // scripts/diversity-reference.py.
        check(&clustered(9, 200, 24, 9), 200, 11.966_790_599_313_027);
        check(&clustered(10, 10, 24, 9), 10, 7.790_890_728_012_821);
    }

    #[test]
    fn threads_do_not_change_it() {
        let values = clustered(9, 3000, 24, 9);
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| vendi(UnitVectors::new(&values, 3000).unwrap()).unwrap())
        };
        assert_eq!(on(1).to_bits(), on(3).to_bits());
    }

    #[test]
    fn nothing_has_no_score() {
        let nothing = UnitVectors::new(&[], 0).unwrap();
        assert_eq!(vendi(nothing), Err(Undefined::TooFew { n: 0, needed: 1 }));
    }
}
