//! Whether a text repeats itself.

use std::collections::HashMap;

use super::blocks::Blocks;
use crate::diversity::lexical::words;

/// Words below which shares of n-grams mean little.
const LEAST_WORDS: usize = 50;
/// Length of the n-grams, and the share of words in repeated ones from which on a text counts.
const N: usize = 8;
const MOST_REPEATED: f64 = 0.5;
/// A run of so many words that stands three times in a row is a loop; shorter ones are refrains, sounds and counting.
const LOOP_WORDS: std::ops::RangeInclusive<usize> = 4..=60;

/// Whether the prose is caught in a loop (the same 4 to 60 words three times in a row, the degeneration that Holtzman
/// et al. 2020 describe), or half and more of its words lie in 8-grams that came before. Shares of repeated n-grams are
/// a rule of Rae et al. 2021 (Gopher, table A1) for web pages; ours is higher, because recipes, songs and lists in
/// parallel form reach theirs. `None` below 50 words.
pub(super) fn repeats(text: &Blocks<'_>) -> Option<bool> {
    let lines = text.prose.iter().filter(|line| !is_markup(line));
    let words: Vec<String> = lines.flat_map(|line| words(line)).collect();
    if words.len() < LEAST_WORDS {
        return None;
    }
    Some(is_loop(&words) || share_repeated(&words) >= MOST_REPEATED)
}

/// Whether a line is a table's row or markup, which repeat by their nature.
fn is_markup(line: &str) -> bool {
    line.trim_start().starts_with(['|', '<', '\\', '+'])
        || line.trim_end().ends_with(['>', '{', '}', ';'])
}

/// Whether some run of words stands three times in a row. One that holds less than three different words is none:
/// `A A G G A` are notes.
fn is_loop(words: &[String]) -> bool {
    LOOP_WORDS.into_iter().any(|length| {
        // Words in a row that equal those `length` places before them.
        let mut equal = 0;
        (length..words.len()).any(|at| {
            equal = if words[at] == words[at - length] { equal + 1 } else { 0 };
            equal >= 2 * length && is_varied(&words[at + 1 - length..=at])
        })
    })
}

fn is_varied(words: &[String]) -> bool {
    let spoken =
        words.iter().filter(|word| word.chars().any(char::is_alphabetic) && word.len() > 1);
    let mut different: Vec<&String> = spoken.collect();
    different.sort_unstable();
    different.dedup();
    different.len() >= 3
}

/// The share of words that lie in an n-gram which came before.
fn share_repeated(words: &[String]) -> f64 {
    let mut first: HashMap<&[String], usize> = HashMap::new();
    // Up to which word it is covered already.
    let (mut covered, mut repeated) = (0, 0);
    for (place, gram) in words.windows(N).enumerate() {
        let earlier = *first.entry(gram).or_insert(place);
        if earlier == place {
            continue;
        }
        repeated += place + N - covered.max(place);
        covered = place + N;
    }
    repeated as f64 / words.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<bool> {
        repeats(&Blocks::of(text))
    }

    #[test]
    fn loops_and_lists() {
        let filler: Vec<String> = (0..60).map(|n| format!("word{n}")).collect();
        let filler = filler.join(" ");
        assert_eq!(of("The cat sat. The cat sat."), None, "too short");
        assert_eq!(of(&filler), Some(false));
        let sentence = "The cat is on the mat again. ";
        assert_eq!(of(&format!("{filler}. {}", sentence.repeat(2))), Some(false));
        assert_eq!(of(&format!("{filler}. {}", sentence.repeat(3))), Some(true));
        assert_eq!(of(&format!("{filler}. {}", "A A G A ".repeat(5))), Some(false), "notes");
        assert_eq!(of(&"and then it goes on and on like this forever more ".repeat(8)), Some(true));
        assert_eq!(of(&"<td>one cell of many more</td>\n".repeat(20)), None, "markup");
    }

    #[test]
    fn the_share_counts_each_word_once() {
        let words: Vec<String> = "a b c d e f g h i j".split(' ').map(str::to_owned).collect();
        let twice = [words.clone(), words.clone()].concat();
        assert!((share_repeated(&twice) - 0.5).abs() < 1e-12);
        assert!(share_repeated(&words) < 1e-12);
    }
}
