//! Distinct n-grams: how many of a set's word sequences are different (Li et al., "A
//! Diversity-Promoting Objective Function for Neural Conversation Models", NAACL 2016, section
//! 5.3).
//!
//! # Words
//!
//! A word is a longest run of alphabetic or numeric characters (Unicode) in lower case; combining
//! accents (U+0300 to U+036F) belong to the word before them. Scripts written without spaces have
//! no such runs: each ideograph or kana is a word. Punctuation and symbols separate words and are
//! none themselves, so code and formulas count by their names and numbers.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::number;

/// The longest sequences that are counted.
pub const LONGEST: usize = 4;

/// The words of a text, in order.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
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
    pub(super) texts: Vec<Vec<u32>>,
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
        let mut grams: Vec<[u32; LONGEST]> =
            self.texts.iter().flat_map(|text| text.windows(n)).map(gram).collect();
        let all = grams.len();
        // Sorting finds the distinct ones without a hash map of all sequences.
        grams.par_sort_unstable();
        grams.dedup();
        NgramCounts { distinct: grams.len(), all }
    }
}

/// A sequence of at most [`LONGEST`] words at full length; no word has the number that fills it up.
pub(super) fn gram(words: &[u32]) -> [u32; LONGEST] {
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
        (self.all > 0).then(|| number(self.distinct) / number(self.all))
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
}
