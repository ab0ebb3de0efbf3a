//! Named random streams.
//!
//! Every draw of the method comes from a stream whose name says what is drawn: run seed, round,
//! subject, purpose, attempt. Variant, schedule and the order in which replies arrive are not part
//! of any name, so two variants draw the same wherever the method lets them (common random
//! numbers), and a resumed run draws what the interrupted one drew.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of draws, fixed by its name.
#[derive(Debug)]
pub struct Stream(ChaCha12Rng);

impl Stream {
    /// The stream of this name under a run seed. The fields of a name are length-prefixed before
    /// hashing, so `["ab", "c"]` and `["a", "bc"]` are different streams.
    #[must_use]
    pub fn named(run_seed: u64, name: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"gra-bench stream 1");
        hash.update(run_seed.to_le_bytes());
        for field in name {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field.as_bytes());
        }
        Self(ChaCha12Rng::from_seed(hash.finalize().into()))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform integer below `n`, without bias: draws that fall in the incomplete last block are
    /// redrawn.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a draw from nothing");
        // The largest multiple of n that fits: below it every remainder is equally likely.
        let n = n as u64;
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.next_u64();
            if draw < limit {
                return usize::try_from(draw % n).unwrap_or_default();
            }
        }
    }

    /// An index drawn with the given integer weights; `None` when they sum to 0.
    pub fn weighted(&mut self, weights: &[usize]) -> Option<usize> {
        let total: usize = weights.iter().sum();
        if total == 0 {
            return None;
        }
        let mut draw = self.below(total);
        weights.iter().position(|&weight| {
            let is_here = draw < weight;
            draw = draw.saturating_sub(weight);
            is_here
        })
    }

    /// A draw from Beta(a, b) in units of 2^-64, for whole `a` and `b` of at least 1: the a-th smallest of
    /// a + b - 1 uniform numbers (Devroye 1986, section I.4.3).
    ///
    /// The numbers themselves are never drawn. How many of n have 0 as their next binary digit is the
    /// number of ones among n random bits, and the a-th smallest is among these or among the others: digit
    /// by digit, until it stands alone. Integers only, so every machine draws the same; some 2n bits.
    ///
    /// # Panics
    /// When `a` or `b` is 0.
    pub(crate) fn beta(&mut self, a: u32, b: u32) -> u64 {
        assert!(a > 0 && b > 0, "a Beta distribution needs two numbers above 0");
        let (mut place, mut among) = (u64::from(a), u64::from(a) + u64::from(b) - 1);
        let mut value = 0;
        for digit in (0..u64::BITS).rev() {
            // Alone: its other digits are independent of all that was drawn, so they are random bits.
            if among == 1 {
                let below = if digit == 63 { u64::MAX } else { (1 << (digit + 1)) - 1 };
                return value | (self.next_u64() & below);
            }
            // How many have 0 here is binomial, as the number of ones among so many random bits is.
            let zeros = self.ones(among);
            if place <= zeros {
                among = zeros;
            } else {
                value |= 1 << digit;
                place -= zeros;
                among -= zeros;
            }
        }
        value
    }

    /// How many of `n` random bits are ones.
    fn ones(&mut self, n: u64) -> u64 {
        let whole: u64 = (0..n / 64).map(|_| u64::from(self.next_u64().count_ones())).sum();
        let left = n % 64;
        if left == 0 {
            return whole;
        }
        whole + u64::from((self.next_u64() >> (64 - left)).count_ones())
    }

    /// `k` distinct indices below `n`, in the order in which they were drawn (partial
    /// Fisher-Yates); all of them, shuffled, when `k >= n`.
    pub fn choose(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..n).collect();
        let k = k.min(n);
        for i in 0..k {
            let j = i + self.below(n - i);
            indices.swap(i, j);
        }
        indices.truncate(k);
        indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fixes_the_stream() {
        let draw = |seed, name: &[&str]| Stream::named(seed, name).next_u64();
        assert_eq!(draw(42, &["r1", "roles"]), draw(42, &["r1", "roles"]));
        assert_ne!(draw(42, &["r1", "roles"]), draw(43, &["r1", "roles"]));
        assert_ne!(draw(42, &["ab", "c"]), draw(42, &["a", "bc"]));
    }

    #[test]
    fn draws_are_pinned_across_releases() {
        let mut stream = Stream::named(42, &["pinned"]);
        let draws: Vec<usize> = (0..8).map(|_| stream.below(100)).collect();
        insta::assert_compact_debug_snapshot!(draws, @"[55, 27, 4, 64, 19, 80, 44, 10]");
        insta::assert_compact_debug_snapshot!(stream.choose(7, 4), @"[3, 1, 5, 4]");
    }

    #[test]
    fn beta_draws_have_their_moments_and_are_pinned() {
        const N: u32 = 4000;
        for (a, b) in [(1_u32, 1_u32), (1, 3), (5, 2), (40, 90), (3000, 1000)] {
            let mut stream = Stream::named(42, &["beta", &a.to_string(), &b.to_string()]);
            #[expect(clippy::cast_precision_loss, reason = "a test of moments")]
            let draws: Vec<f64> =
                (0..N).map(|_| stream.beta(a, b) as f64 / 2_f64.powi(64)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(N);
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(N);
            let (a, b) = (f64::from(a), f64::from(b));
            let (true_mean, sum) = (a / (a + b), a + b);
            let true_variance = a * b / (sum * sum * (sum + 1.0));
            let error = (true_variance / f64::from(N)).sqrt();
            assert!((mean - true_mean).abs() < 4.0 * error, "Beta({a}, {b}): mean {mean}");
            let ratio = variance / true_variance;
            assert!((0.85..1.15).contains(&ratio), "Beta({a}, {b}): variance ratio {ratio}");
        }
        let mut stream = Stream::named(42, &["beta"]);
        let draws: Vec<u64> = (0..4).map(|_| stream.beta(3, 2) >> 48).collect();
        insta::assert_compact_debug_snapshot!(draws, @"[39880, 53761, 59436, 62834]");
    }

    #[test]
    fn beta_draws_follow_their_distribution() {
        // Beta(1, 1) is uniform, and Beta(2, 1) has the distribution function x^2.
        let mut stream = Stream::named(7, &["distribution"]);
        #[expect(clippy::cast_precision_loss, reason = "a test of quantiles")]
        let mut share_below = |a, x: f64| {
            let draws = (0..4000).map(|_| stream.beta(a, 1) as f64 / 2_f64.powi(64));
            draws.filter(|&draw| draw < x).count() as f64 / 4000.0
        };
        for x in [0.1, 0.3, 0.5, 0.9] {
            assert!((share_below(1, x) - x).abs() < 0.03, "{x}");
            assert!((share_below(2, x) - x * x).abs() < 0.03, "{x}");
        }
    }

    #[test]
    fn weights_of_zero_are_never_drawn() {
        let mut stream = Stream::named(7, &["weights"]);
        let mut counts = [0; 3];
        for _ in 0..3000 {
            counts[stream.weighted(&[1, 0, 2]).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((800..1200).contains(&counts[0]), "{counts:?}");
        assert_eq!(stream.weighted(&[0, 0]), None);
    }
}
