//! Self-BLEU: how well the other texts of a set predict each text; the higher, the more alike (Zhu
//! et al., "Texygen", SIGIR 2018).
//!
//! BLEU-4 (Papineni et al., ACL 2002) of every text with all others as references, over the words
//! of [`super::lexical`], averaged. A precision of zero is smoothed to 0.1 over its number of
//! sequences (Chen and Cherry, WMT 2014, method 1; `method1` of Python's nltk with its default
//! epsilon). A text without words has no BLEU: it is left out, as a reference too.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::lexical::{LONGEST, Words, gram};
use super::number;
use crate::diversity::unit_vectors::Undefined;

/// Most texts that it is computed on: draw them with [`super::subsample`]. It rises with their
/// number.
pub const AT_MOST: usize = 1000;

/// Stands in for zero matches.
const EPSILON: f64 = 0.1;

/// A sequence, at full length (see [`gram`]).
type Gram = [u32; LONGEST];

/// BLEU of every text that has words against the others that have, in [0, 1].
///
/// # Errors
/// When fewer than two texts have words.
pub fn self_bleu(words: &Words) -> Result<Vec<f64>, Undefined> {
    let texts: Vec<&[u32]> =
        words.texts.iter().map(Vec::as_slice).filter(|text| !text.is_empty()).collect();
    if texts.len() < 2 {
        return Err(Undefined::TooFew { n: texts.len(), needed: 2 });
    }
    let counts: Vec<[BTreeMap<Gram, usize>; LONGEST]> =
        texts.par_iter().map(|text| count(text)).collect();
    let most: Vec<BTreeMap<Gram, Most>> =
        (0..LONGEST).into_par_iter().map(|n| most(&counts, n)).collect();
    let lengths = Lengths::of(&texts);
    let bleu = |(at, counts): (usize, &[BTreeMap<Gram, usize>; LONGEST])| {
        let precisions = counts.iter().zip(&most).map(|(counts, most)| {
            let matches: usize =
                counts.iter().map(|(gram, count)| most[gram].elsewhere(at).min(*count)).sum();
            // A text with fewer words than a sequence has is taken to have one that does not match.
            // Method 1 of Chen and Cherry takes at least one sequence of each length.
            let all = counts.values().sum::<usize>().max(1);
            (matches, all)
        });
        let precisions: Vec<(usize, usize)> = precisions.collect();
        // Without a shared word BLEU is 0 by definition; smoothing would make it small instead.
        if precisions[0].0 == 0 {
            return 0.0;
        }
        let smoothed = |(matches, all): &(usize, usize)| {
            let matches = if *matches == 0 { EPSILON } else { number(*matches) };
            matches / number(*all)
        };
        let mean_log = precisions.iter().map(|p| smoothed(p).ln()).sum::<f64>() / number(LONGEST);
        lengths.brevity(texts[at].len()) * mean_log.exp()
    };
    Ok(counts.par_iter().enumerate().map(bleu).collect())
}

/// How often each sequence of n words occurs, for n = 1 to [`LONGEST`].
fn count(text: &[u32]) -> [BTreeMap<Gram, usize>; LONGEST] {
    std::array::from_fn(|n| {
        let mut counts = BTreeMap::new();
        for words in text.windows(n + 1) {
            *counts.entry(gram(words)).or_insert(0) += 1;
        }
        counts
    })
}

/// Where a sequence occurs most often, and how often at most in any other text.
#[derive(Clone, Copy, Default)]
struct Most {
    text: usize,
    count: usize,
    second: usize,
}

impl Most {
    /// The largest count in the texts other than this one.
    fn elsewhere(&self, text: usize) -> usize {
        if self.text == text { self.second } else { self.count }
    }
}

fn most(counts: &[[BTreeMap<Gram, usize>; LONGEST]], n: usize) -> BTreeMap<Gram, Most> {
    let mut most: BTreeMap<Gram, Most> = BTreeMap::new();
    for (text, counts) in counts.iter().enumerate() {
        for (gram, &count) in &counts[n] {
            let so_far = most.entry(*gram).or_default();
            *so_far = if count > so_far.count {
                Most { text, count, second: so_far.count }
            } else {
                Most { second: so_far.second.max(count), ..*so_far }
            };
        }
    }
    most
}

/// Lengths of all texts in words.
struct Lengths {
    every: BTreeSet<usize>,
    /// Lengths that more than one text has.
    shared: BTreeSet<usize>,
}

impl Lengths {
    fn of(texts: &[&[u32]]) -> Self {
        let (mut every, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for text in texts {
            if !every.insert(text.len()) {
                shared.insert(text.len());
            }
        }
        Self { every, shared }
    }

    /// BLEU's penalty for a text that is shorter than the reference closest to it in length; the
    /// shorter reference where two are as close.
    fn brevity(&self, length: usize) -> f64 {
        if self.shared.contains(&length) {
            return 1.0;
        }
        let below = self.every.range(..length).next_back();
        let above = self.every.range(length + 1..).next();
        match (below, above) {
            (Some(below), Some(above)) if above - length < length - below => {
                penalty(length, *above)
            }
            (None, Some(above)) => penalty(length, *above),
            _ => 1.0,
        }
    }
}

fn penalty(length: usize, reference: usize) -> f64 {
    (1.0 - number(reference) / number(length)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], expected: &[f64]) {
        let found = self_bleu(&Words::read(texts)).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found:?}, not {expected:?}");
        }
    }

    #[test]
    fn agrees_with_the_reference() {
        // Python's nltk 3.10.4, sentence_bleu with SmoothingFunction().method1; see
        // scripts/diversity-reference.py.
        check(
            &[
                "Write a short story about a lost dog",
                "Write a short poem about a lost cat and a lost dog",
                "Explain how to sort a list of numbers",
                "Explain how to sort a list of words, and how to sort numbers",
                "Translate it",
                "Bonjour",
            ],
            &[
                0.281_170_662_595_174_54,
                0.164_021_203_625_555_7,
                0.869_441_743_889_982_9,
                0.500_871_842_892_098_1,
                0.0,
                0.0,
            ],
        );
    }

    #[test]
    fn copies_predict_each_other() {
        check(&["the same five words here"; 3], &[1.0; 3]);
        check(&["nothing in common", "at all"], &[0.0, 0.0]);
    }

    #[test]
    fn texts_without_words_are_left_out() {
        check(&["", "the same five words here", "--", "the same five words here"], &[1.0, 1.0]);
        let too_few = |texts: &[&str], n| {
            assert_eq!(self_bleu(&Words::read(texts)), Err(Undefined::TooFew { n, needed: 2 }));
        };
        too_few(&["", "one"], 1);
        too_few(&[], 0);
    }
}
