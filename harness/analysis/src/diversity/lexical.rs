//! How varied the words of a set are: distinct n-grams (Li et al., "A Diversity-Promoting Objective Function for Neural
//! Conversation Models", NAACL 2016, section 5.3), and self-BLEU, how well the other texts of a set predict each text (Zhu
//! et al., "Texygen", SIGIR 2018).
//!
//! Self-BLEU is BLEU-4 (Papineni et al., ACL 2002) of every text with all others as references, averaged; the higher,
//! the more alike. A precision of zero is smoothed to 0.1 over its number of sequences (Chen and Cherry, WMT 2014,
//! method 1; `method1` of Python's nltk with its default epsilon). A text without words has no BLEU: it is left out, as
//! a reference too.
//!
//! # Words
//!
//! A word is a longest run of alphabetic or numeric characters (Unicode) in lower case; combining
//! accents (U+0300 to U+036F) belong to the word before them. Scripts written without spaces have
//! no such runs: each ideograph or kana is a word. Punctuation and symbols separate words and are
//! none themselves, so code and formulas count by their names and numbers.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::Undefined;

/// The longest sequences that are counted.
pub const LONGEST: usize = 4;

/// The words of a text, in order.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        // Decomposed accents are no letters, and would split the words that they stand in.
        let joins = character.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&character);
        let alone = stands_alone(character);
        if (!joins || alone) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(character.to_string());
        } else if joins {
            word.extend(character.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Hiragana, katakana, and Han with its extensions.
fn stands_alone(character: char) -> bool {
    character.is_alphanumeric()
        && matches!(character,
            '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Texts as sequences of word numbers: equal words, equal numbers.
#[derive(Clone, Debug)]
pub struct Words {
    texts: Vec<Vec<u32>>,
}

impl Words {
    /// Reads the words of every text.
    #[must_use]
    pub fn read(texts: &[&str]) -> Self {
        let read: Vec<Vec<String>> = texts.par_iter().map(|text| words(text)).collect();
        let mut numbers = BTreeMap::new();
        let texts = read.into_iter().map(|words| {
            let number_of = |word| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX - 1);
                *numbers.entry(word).or_insert(next)
            };
            words.into_iter().map(number_of).collect()
        });
        Self { texts: texts.collect() }
    }

    /// Distinct and all sequences of `n` words, n from 1 to [`LONGEST`]; sequences do not cross
    /// texts.
    ///
    /// # Panics
    /// For another n.
    #[must_use]
    pub fn distinct(&self, n: usize) -> NgramCounts {
        assert!((1..=LONGEST).contains(&n), "sequences of 1 to {LONGEST} words");
        let mut grams: Vec<Gram> =
            self.texts.iter().flat_map(|text| text.windows(n)).map(gram).collect();
        let all = grams.len();
        // Sorting finds the distinct ones without a hash map of all sequences.
        grams.par_sort_unstable();
        grams.dedup();
        NgramCounts { distinct: grams.len(), all }
    }
}

/// A sequence of at most [`LONGEST`] words, at full length.
type Gram = [u32; LONGEST];

/// A sequence at full length; no word has the number that fills it up.
fn gram(words: &[u32]) -> Gram {
    let mut gram = [u32::MAX; LONGEST];
    gram[..words.len()].copy_from_slice(words);
    gram
}

/// Sequences of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NgramCounts {
    /// How many different ones there are.
    pub distinct: usize,
    /// How many there are.
    pub all: usize,
}

impl NgramCounts {
    /// Distinct-n, in (0, 1]; `None` where no text is long enough. It falls as texts become more or
    /// longer: compare sets of equal size, and look at the lengths.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.all > 0).then(|| self.distinct as f64 / self.all as f64)
    }
}

/// Most texts that self-BLEU is computed on: draw them with [`super::subsample`]. It rises with their
/// number.
pub const MOST_TEXTS: usize = 1000;

/// Stands in for zero matches.
const EPSILON: f64 = 0.1;

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
            // Clipped: a sequence matches at most as often as it stands in one other text.
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
            let matches = if *matches == 0 { EPSILON } else { *matches as f64 };
            matches / *all as f64
        };
        let mean_log = precisions.iter().map(|p| smoothed(p).ln()).sum::<f64>() / LONGEST as f64;
        // The geometric mean of the four precisions, times the penalty for short texts.
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
        match above {
            Some(above) if below.is_none_or(|below| above - length < length - below) => {
                (1.0 - *above as f64 / length as f64).exp()
            }
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_scripts() {
        let check = |text, expected: &[&str]| assert_eq!(words(text), expected, "{text}");
        check("It's 3.5 km, \"Ärger\"!", &["it", "s", "3", "5", "km", "ärger"]);
        check(" -- ", &[]);
        check("The cat's 2 hats, 3.5 m!", &["the", "cat", "s", "2", "hats", "3", "5", "m"]);
        check("ÉCOLE E\u{301}cole Straße", &["école", "e\u{301}cole", "straße"]);
        check("機械学習 is カナ2", &["機", "械", "学", "習", "is", "カ", "ナ", "2"]);
        check("x_1 = f(x);", &["x", "1", "f", "x"]);
        check(" \n--\u{1f600}", &[]);
        check("", &[]);
    }

    #[test]
    fn distinct_sequences() {
        let words = Words::read(&["a b a b", "A b c", "", "c"]);
        let found = [1, 2, 3, 4].map(|n| words.distinct(n));
        let expected = [(3, 8), (3, 5), (3, 3), (1, 1)];
        assert_eq!(found.map(|found| (found.distinct, found.all)), expected);
        assert_eq!(found[0].share(), Some(0.375));
        assert_eq!(Words::read(&["", "a"]).distinct(2).share(), None);
        assert_eq!(Words::read(&[]).distinct(1).share(), None);
    }

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
