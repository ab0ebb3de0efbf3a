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
            if draw < weight {
                true
            } else {
                draw -= weight;
                false
            }
        })
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
