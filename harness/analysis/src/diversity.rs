//! How varied a data set is (paper, section 5.3; Figs. 5 and 6, which show a map and give no
//! number).
//!
//! Everything is computed in the encoder's own dimensions or on the text itself, never on a map.
//! Most of these numbers move with the size of a set, so compare sets of equal size: [`subsample`]
//! draws one.
//!
//! # Layout
//!
//! - [`vendi`]: the effective number of distinct texts
//! - [`manifold`]: precision, recall, density and coverage against a reference set
//! - [`clusters`]: how evenly a set lies over clusters that all sets share
//! - [`unit_vectors`]: embeddings of a data set, and exact nearest neighbours among them
//! - [`tsne`]: several sets in one plane
//! - [`lexical`]: distinct n-grams; how well the other texts predict one

pub mod clusters;
pub mod lexical;
pub mod manifold;
pub mod tsne;
pub mod unit_vectors;
pub mod vendi;

use gra_synth::stream::Stream;

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

/// `size` of `n` places without repeats, rising, from the stream of this name; all of them when
/// there are no more.
#[must_use]
pub fn subsample(n: usize, size: usize, run_seed: u64, name: &[&str]) -> Vec<usize> {
    if size >= n {
        return (0..n).collect();
    }
    let mut places = Stream::named(run_seed, &[&["subsample"][..], name].concat()).choose(n, size);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subsample_is_fixed_by_its_name() {
        insta::assert_compact_debug_snapshot!(subsample(100, 6, 42, &["a"]), @"[7, 9, 15, 55, 80, 99]");
        assert_ne!(subsample(100, 6, 42, &["a"]), subsample(100, 6, 42, &["b"]));
        assert_ne!(subsample(100, 6, 42, &["a"]), subsample(100, 6, 43, &["a"]));
        assert_eq!(subsample(3, 5, 42, &[]), [0, 1, 2]);
        assert_eq!(subsample(0, 5, 42, &[]), [0; 0]);
    }
}
