//! Whether the last sentence of a response has its end.

use super::blocks::Blocks;
use super::sentences::{is_ended, sentences};

/// Words that want another one behind them.
const DANGLING: [&str; 36] = [
    "the",
    "a",
    "an",
    "of",
    "and",
    "or",
    "but",
    "to",
    "in",
    "on",
    "at",
    "by",
    "for",
    "with",
    "from",
    "as",
    "is",
    "are",
    "was",
    "were",
    "be",
    "that",
    "which",
    "than",
    "into",
    "between",
    "their",
    "its",
    "his",
    "our",
    "your",
    "my",
    "such",
    "because",
    "while",
    "including",
];

/// What begins the end of a letter, which needs no full stop.
const SIGN_OFFS: [&str; 14] = [
    "sincerely",
    "regards",
    "best",
    "kind",
    "warm",
    "love",
    "yours",
    "thank",
    "thanks",
    "cheers",
    "respectfully",
    "with",
    "warmly",
    "signed",
];

/// Words below which a line with a dangling end may be a title or the line of a poem.
const LEAST_WORDS: usize = 4;

/// Whether the end is missing, because the text was cut off or a full stop was forgotten: an open code fence; or a last
/// line whose last sentence, after others, has none; or one that ends in a comma or in a word that wants another one.
/// Ends of lists, tables, formulas and code are ends. `None` for texts without any sentence, such as a name, a list of
/// words or a table.
pub(super) fn is_unended(text: &Blocks<'_>) -> Option<bool> {
    if text.is_open {
        return Some(true);
    }
    let has_sentence = text.prose.iter().any(|line| {
        sentences(line).first().is_some_and(|sentence| {
            is_ended(sentence) && sentence.split_whitespace().count() >= LEAST_WORDS
        })
    });
    if !has_sentence {
        return None;
    }
    let last = text.text.trim_end().lines().next_back().unwrap_or_default().trim();
    // A block's end, or what stands behind it in its line, is no prose.
    if !text.prose.iter().any(|line| line.trim() == last) || !is_prose(last) {
        return Some(false);
    }
    let found = sentences(last);
    let Some(end) = found.last().filter(|end| !is_ended(end)) else { return Some(false) };
    let words: Vec<&str> = end.split_whitespace().collect();
    if end.ends_with(|c: char| !c.is_alphanumeric() && c != ',') {
        return Some(false);
    }
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let (first, last) = (plain(words[0]), words[words.len() - 1]);
    let dangles = last.ends_with(',') || DANGLING.contains(&last);
    if dangles && words.len() >= LEAST_WORDS && !SIGN_OFFS.contains(&first.as_str()) {
        return Some(true);
    }
    let follows = found.len() >= 2 && is_ended(found[found.len() - 2]);
    let is_part = is_running(&words) && !SIGN_OFFS.contains(&first.as_str());
    let (ended, others) = ended_lines(&text.prose);
    Some(follows && is_part && ended * 2 >= others)
}

/// How many of the long lines before the last one end as sentences do, and how many there are. Lists often go without
/// full stops from first to last.
fn ended_lines(prose: &[String]) -> (usize, usize) {
    let is_long = |line: &&String| line.split_whitespace().count() >= 2 * LEAST_WORDS;
    let lines = prose.iter().filter(|line| !line.trim().is_empty()).rev().skip(1).filter(is_long);
    lines.fold((0, 0), |(ended, all), line| (ended + usize::from(is_ended(line)), all + 1))
}

/// Whether the words are part of a sentence: more than a name or a label, not a row of tags.
fn is_running(words: &[&str]) -> bool {
    let small = words.iter().filter(|word| word.starts_with(char::is_lowercase)).count();
    words.len() >= LEAST_WORDS
        && small * 2 >= words.len()
        && !words.iter().any(|word| word.starts_with('#'))
}

/// Whether a line is prose or a list's item: not a table's row, a heading, a formula, an address, a line of code.
fn is_prose(line: &str) -> bool {
    let ends = ["|", "$", "\\]", "\\)", "}", ";", ">", ")", "]"];
    !(line.starts_with(['|', '#', '<', '{', '}', '$', '\\', '>'])
        || ends.iter().any(|end| line.ends_with(end))
        || line.contains("://")
        || line.contains(" = "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_breaks() {
        let cases = [
            ("Paris", None),
            ("red, green, blue", None),
            ("It rains a lot in Bergen. Take an umbrella.", Some(false)),
            ("It rains a lot in Bergen. You should take an", Some(true)),
            ("It rains a lot in Bergen. You should always take a large umbrella with", Some(true)),
            ("It rains a lot in Bergen. The best thing to do there is to walk around", Some(true)),
            ("Here is what you need today.\n\n- an umbrella\n- a coat", Some(false)),
            (
                "Here is what you need today.\n\n- an umbrella\n- a coat that is made for the",
                Some(true),
            ),
            ("Thank you for your time today.\n\nSincerely,\nAda Byron", Some(false)),
            ("Thank you for your time today. Sincerely, Ada Byron", Some(false)),
            ("This is how it is done.\n\n```\nx = 1\n```", Some(false)),
            ("This is how it is done.\n\n```\nx = 1", Some(true)),
            ("The sum of both is computed first. $$a + b = c$$", Some(false)),
            ("Follow us today for more of it. #bergen #rain #umbrella #norway", Some(false)),
        ];
        for (text, expected) in cases {
            assert_eq!(is_unended(&Blocks::of(text)), expected, "{text}");
        }
    }
}
