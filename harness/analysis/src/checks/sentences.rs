//! Prose as sentences.

/// Words that end in a full stop and end no sentence, in small letters.
const ABBREVIATIONS: [&str; 35] = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "mt", "vs", "e.g", "i.e", "eg", "ie", "etc",
    "no", "fig", "eq", "vol", "pp", "inc", "ltd", "co", "corp", "dept", "est", "approx", "a.m",
    "p.m", "u.s", "u.k", "ph.d", "cf", "al", "v",
];

/// Closing marks that belong to the sentence before them.
const CLOSING: [char; 9] = ['"', '\'', '”', '’', ')', ']', '*', '_', '»'];

/// The sentences of a line, each with its end; the last one may have none.
pub(super) fn sentences(line: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let chars: Vec<(usize, char)> = line.char_indices().collect();
    let mut place = 0;
    while place < chars.len() {
        if !is_terminator(chars[place].1) {
            place += 1;
            continue;
        }
        let terminator = place;
        while place < chars.len() && is_terminator(chars[place].1) {
            place += 1;
        }
        while place < chars.len() && CLOSING.contains(&chars[place].1) {
            place += 1;
        }
        let end = chars.get(place).map_or(line.len(), |(at, _)| *at);
        let rest = &line[end..];
        let is_wide = matches!(chars[terminator].1, '。' | '！' | '？');
        let continues = !is_wide
            && (!rest.is_empty() && !rest.starts_with(char::is_whitespace)
                || rest.trim_start().starts_with(|c: char| c.is_lowercase())
                || place == terminator + 1
                    && chars[terminator].1 == '.'
                    && ends_in_abbreviation(&line[start..chars[terminator].0])
                    && !rest.is_empty());
        if !continues {
            push(&mut found, &line[start..end]);
            start = end;
        }
    }
    push(&mut found, &line[start..]);
    found
}

/// The most sentences that a reader may count in a line: every full stop before white space is taken for an end, that of
/// `Vitamin C.` or `etc.` too, which [`sentences`] does not.
pub(super) fn most_sentences(line: &str) -> usize {
    let word_ends = line.split_whitespace().map(|word| word.trim_end_matches(CLOSING));
    let ends = word_ends.filter(|word| word.ends_with(is_terminator)).count();
    ends.max(sentences(line).len())
}

fn push<'t>(found: &mut Vec<&'t str>, sentence: &'t str) {
    let sentence = sentence.trim();
    if sentence.chars().any(char::is_alphanumeric) {
        found.push(sentence);
    }
}

/// Whether a sentence has its end.
pub(super) fn is_ended(sentence: &str) -> bool {
    let sentence = sentence.trim_end().trim_end_matches(CLOSING).trim_end();
    sentence.ends_with(|c| is_terminator(c) || c == '…')
}

const fn is_terminator(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '。' | '！' | '？')
}

/// Whether what stands before a full stop is an abbreviation, an initial or the number of a list's item.
fn ends_in_abbreviation(before: &str) -> bool {
    let before = before.trim_start();
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let mut chars = word.chars();
    let is_initial = chars.next().is_some_and(char::is_uppercase) && chars.next().is_none();
    let is_number = word == before && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    is_initial || is_number || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_end_them() {
        let cases: [(&str, &[&str]); 9] = [
            ("One. Two! Three?", &["One.", "Two!", "Three?"]),
            ("Dr. Smith met J. Doe. They spoke.", &["Dr. Smith met J. Doe.", "They spoke."]),
            ("It costs 3.50 euros, e.g. in Rome.", &["It costs 3.50 euros, e.g. in Rome."]),
            ("He said \"Stop!\" She did.", &["He said \"Stop!\"", "She did."]),
            ("1. Take a pan. 2. Heat it.", &["1. Take a pan.", "2. Heat it."]),
            ("Wait... what?", &["Wait... what?"]),
            ("No end", &["No end"]),
            ("我来。你去。", &["我来。", "你去。"]),
            ("Use index.html. Then run it", &["Use index.html.", "Then run it"]),
        ];
        for (line, expected) in cases {
            assert_eq!(sentences(line), expected, "{line}");
        }
    }

    #[test]
    fn a_doubtful_end_counts_among_the_most() {
        let line = "It has vitamin C. Eat it.";
        assert_eq!((sentences(line).len(), most_sentences(line)), (1, 2));
        assert_eq!(most_sentences("He said \"Stop!\" Then he left"), 2);
    }

    #[test]
    fn quotes_do_not_hide_an_end() {
        assert!(is_ended("He said \"Stop!\"") && is_ended("(It is.)") && is_ended("Well…"));
        assert!(!is_ended("He said") && !is_ended("for example:"));
    }
}
