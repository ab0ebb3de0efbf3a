//! How finely a rater tells samples apart (the "finer granularity" of the paper's section 5.4).
//!
//! The mean of three reviewers has three times the steps of one judge's, so it resolves more even if no
//! reviewer does; compare a judge with single reviewers too ([`crate::reviewers::committee`]). Entropy is the
//! plug-in estimate: on n rows over k values it is too low by about (k - 1) / (2 n ln 2) bits (Miller
//! 1955), so compare raters on the same rows. It has no interval.

use crate::statistics::levels::{Levels, NotFinite};

/// Resolution of some scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolution {
    /// How many scores.
    pub n: u64,
    /// How many different ones.
    pub distinct: usize,
    /// Entropy in bits: 0 when all are equal, at most log2 of `distinct`. `None` for n = 0.
    pub entropy: Option<f64>,
    /// Share of the commonest score, in (0, 1]. `None` for n = 0.
    pub commonest: Option<f64>,
}

impl Resolution {
    /// Resolution of these scores.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(scores: &[f64]) -> Result<Self, NotFinite> {
        let levels = Levels::of(scores)?;
        Ok(Self::of_counts(&levels.counts(&vec![1; scores.len()])))
    }

    /// Resolution where each score came up this often; scores that never came up may be among them.
    #[must_use]
    pub fn of_counts(counts: &[u64]) -> Self {
        let n: u64 = counts.iter().sum();
        let distinct = counts.iter().filter(|&&count| count > 0).count();
        // Levels that never came up have no share, and 0 log 0 is 0.
        let share = |count: u64| count as f64 / n as f64;
        // 0 - sum: a sum of nothing but zeros would make -0.
        let entropy = || {
            let seen = counts.iter().filter(|&&count| count > 0);
            0.0 - seen.map(|&count| share(count) * share(count).log2()).sum::<f64>()
        };
        Self {
            n,
            distinct,
            entropy: (n > 0).then(entropy),
            commonest: (n > 0).then(|| share(counts.iter().copied().max().unwrap_or(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scores: &[f64], distinct: usize, entropy: Option<f64>, commonest: Option<f64>) {
        let n = scores.len() as u64;
        let expected = Resolution { n, distinct, entropy, commonest };
        assert_eq!(Resolution::of(scores), Ok(expected), "{scores:?}");
    }

    #[test]
    fn entropy_counts_in_bits() {
        check(&[], 0, None, None);
        check(&[8.0], 1, Some(0.0), Some(1.0));
        check(&[8.0; 5], 1, Some(0.0), Some(1.0));
        check(&[1.0, 2.0, 3.0, 4.0], 4, Some(2.0), Some(0.25));
        check(&[9.0, 9.0, 8.0, 7.0], 3, Some(1.5), Some(0.5));
        assert_eq!(Resolution::of_counts(&[0, 2, 0, 2]).entropy, Some(1.0));
        assert_eq!(Resolution::of(&[f64::INFINITY]), Err(NotFinite { row: 0 }));
    }
}
