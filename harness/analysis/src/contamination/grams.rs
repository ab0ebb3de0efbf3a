//! Runs of words of many texts, looked up by their hashes.

use rayon::prelude::*;

use crate::diversity::lexical::words;

/// All runs of so many words of the owners' texts. A run is named by its place among the distinct ones.
///
/// Two runs are taken for one when their 64-bit hashes are equal. With ten million runs on either side this happens
/// once in 180,000 comparisons of all with all.
pub(super) struct Index {
    length: usize,
    /// Hash of each distinct run, ascending.
    hashes: Vec<u64>,
    /// Where each run's owners begin, and where the last one's end.
    starts: Vec<usize>,
    owners: Vec<u32>,
    /// How many owners there are in all.
    count: usize,
}

impl Index {
    /// Makes the index; an owner is named by its place.
    pub(super) fn of(owners: &[&[String]], length: usize) -> Self {
        let of_owner = |(owner, texts): (usize, &&[String])| {
            // There are fewer owners than bytes, and those are read from files below 4 GiB.
            let owner = u32::try_from(owner).unwrap_or(u32::MAX);
            let mut entries = Vec::new();
            for text in *texts {
                let runs = runs(&words(text), length);
                entries.extend(runs.into_iter().map(|(_, hash)| (hash, owner)));
            }
            entries
        };
        let mut entries: Vec<(u64, u32)> =
            owners.par_iter().enumerate().flat_map_iter(of_owner).collect();
        entries.par_sort_unstable();
        entries.dedup();
        let (mut of_runs, mut starts) = (Vec::new(), Vec::new());
        for (place, (hash, _)) in entries.iter().enumerate() {
            if of_runs.last() != Some(hash) {
                of_runs.push(*hash);
                starts.push(place);
            }
        }
        starts.push(entries.len());
        let count = owners.len();
        let owners = entries.into_iter().map(|(_, owner)| owner).collect();
        Self { length, hashes: of_runs, starts, owners, count }
    }

    /// The runs, by their places.
    pub(super) fn runs(&self) -> std::ops::Range<usize> {
        0..self.hashes.len()
    }

    /// Those that have a run, ascending.
    pub(super) fn owners(&self, run: usize) -> impl ExactSizeIterator<Item = usize> {
        let owners = &self.owners[self.starts[run]..self.starts[run + 1]];
        owners.iter().map(|owner| *owner as usize)
    }

    /// The sum of the weights of each owner's runs.
    pub(super) fn masses(&self, weights: &[f64]) -> Vec<f64> {
        let mut masses = vec![0.0; self.count];
        for (run, weight) in weights.iter().enumerate() {
            for owner in self.owners(run) {
                masses[owner] += weight;
            }
        }
        masses
    }

    /// Calls with each run of the words that is in the index, and its words.
    pub(super) fn look_up(&self, words: &[String], mut with: impl FnMut(usize, &[String])) {
        for (place, hash) in runs(words, self.length) {
            if let Ok(run) = self.hashes.binary_search(&hash) {
                with(run, &words[place..place + self.length]);
            }
        }
    }
}

/// Place and hash of each run of so many words. Runs in which less than half of the words have a letter are left out: all
/// texts that count to thirteen have them.
fn runs(words: &[String], length: usize) -> Vec<(usize, u64)> {
    let has_letter = |word: &&String| word.chars().any(char::is_alphabetic);
    let hashed: Vec<u64> = words.iter().map(|word| of_word(word)).collect();
    let is_text =
        |place: usize| words[place..place + length].iter().filter(has_letter).count() * 2 >= length;
    // Multiplying between the words makes their order count.
    let of_run =
        |run: &[u64]| run.iter().fold(0, |hash: u64, word| mixed(hash.rotate_left(5) ^ word));
    let all = hashed.windows(length).enumerate();
    all.filter(|(place, _)| is_text(*place)).map(|(place, run)| (place, of_run(run))).collect()
}

/// FNV-1a.
fn of_word(word: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(word.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Spreads every bit over all others (the finaliser of `SplitMix64`).
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_know_their_owners() {
        let texts = [vec!["a b c d".to_owned(), "x y".to_owned()], vec!["b C d, e".to_owned()]];
        let owners: Vec<&[String]> = texts.iter().map(Vec::as_slice).collect();
        let index = Index::of(&owners, 3);
        assert_eq!(index.runs(), 0..3);
        let mut found = Vec::new();
        index.look_up(&words("z a b c d e"), |run, words| {
            found.push((words.join(" "), index.owners(run).collect::<Vec<_>>()));
        });
        let expected = [("a b c", vec![0]), ("b c d", vec![0, 1]), ("c d e", vec![1])];
        let expected: Vec<(String, Vec<usize>)> =
            expected.into_iter().map(|(words, owners)| (words.to_owned(), owners)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_order_of_words_counts() {
        let of = |text: &str| runs(&words(text), 3);
        assert_ne!(of("a b c"), of("c b a"));
        assert_ne!(of("a b c"), of("ab b c"));
        assert!(of("a b").is_empty());
    }

    #[test]
    fn counting_is_no_text() {
        let places = |text: &str| {
            let runs = runs(&words(text), 4);
            runs.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!(places("1 2 3 4 5"), [0; 0]);
        assert_eq!(places("one 2 3 four 5 6 7"), [0]);
    }
}
