//! A text taken apart: lines of prose and fenced blocks of code, and prose as sentences.
//!
//! What is prose is decided once, here: a check sees no code unless it asks for the blocks.

/// A text taken apart.
pub(super) struct Blocks<'t> {
    /// The text as it is.
    pub(super) text: &'t str,
    /// Lines outside fences, without their inline code.
    pub(super) prose: Vec<String>,
    /// Fenced blocks in their order; the last one may be open.
    pub(super) code: Vec<Code<'t>>,
    /// Whether the last block has no closing fence.
    pub(super) is_open: bool,
}

/// A fenced block.
pub(super) struct Code<'t> {
    /// The first word after the opening fence, e.g. `python`; may be empty.
    pub(super) language: &'t str,
    /// Its lines, as they are.
    pub(super) lines: Vec<&'t str>,
}

impl<'t> Blocks<'t> {
    /// Takes a text apart. Fences are those of `CommonMark`, and besides such as models write: an opening fence behind
    /// words, and a closing one behind code.
    pub(super) fn of(text: &'t str) -> Self {
        let (mut prose, mut code, mut fence) = (Vec::new(), Vec::new(), None);
        for line in text.lines() {
            match fence {
                None => match opening(line) {
                    Some((before, mark, language)) => {
                        prose.push(without_inline_code(before));
                        code.push(Code { language, lines: Vec::new() });
                        fence = Some(mark);
                    }
                    None => prose.push(without_inline_code(line)),
                },
                Some(mark) => {
                    let closing = line.split_once(mark).map(|(before, _)| before);
                    // Code before a closing fence is a line; a fence alone is none.
                    let line = closing.unwrap_or(line);
                    let is_line = closing.is_none() || !line.trim().is_empty();
                    let block: Option<&mut Code<'t>> = code.last_mut();
                    if let Some(block) = block.filter(|_| is_line) {
                        block.lines.push(line);
                    }
                    fence = fence.filter(|_| closing.is_none());
                }
            }
        }
        Self { text, prose, code, is_open: fence.is_some() }
    }
}

/// What stands before the fence that a line opens, the fence, and the language behind it.
fn opening(line: &str) -> Option<(&str, &'static str, &str)> {
    ["```", "~~~"].into_iter().find_map(|mark| {
        // A line that closes what it opens is inline code.
        let (before, behind) = line.split_once(mark).filter(|(_, more)| !more.contains(mark))?;
        // Words and tildes are as often "about so many" as a fence.
        if mark == "~~~" && !before.trim().is_empty() {
            return None;
        }
        let behind = behind.trim_start_matches(['`', '~']).trim();
        let language = behind.split([' ', '{', ',', ':']).find(|part| !part.is_empty());
        Some((before, mark, language.unwrap_or_default()))
    })
}

/// A line with a space for each piece of inline code.
fn without_inline_code(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    // A mark without a counterpart quotes nothing.
    if pieces.len().is_multiple_of(2) {
        return line.to_owned();
    }
    pieces.into_iter().step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether a list of words with single spaces between them has this one.
pub(super) fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|listed| listed == word)
}

/// Whether half and more of the words begin with small letters, as they do in sentences and not in lists of titles.
pub(super) fn is_running(words: &[&str]) -> bool {
    let small = words.iter().filter(|word| word.starts_with(char::is_lowercase)).count();
    small * 2 >= words.len()
}

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
        // "?!" and "..." are one end, and quotes and brackets behind it belong to the sentence.
        while place < chars.len() && is_terminator(chars[place].1) {
            place += 1;
        }
        while place < chars.len() && CLOSING.contains(&chars[place].1) {
            place += 1;
        }
        let end = chars.get(place).map_or(line.len(), |(at, _)| *at);
        let rest = &line[end..];
        // Scripts without spaces have none behind a full stop either.
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

    /// Text, lines of prose, language and lines of each block, whether the last is open.
    type Case = (&'static str, usize, &'static [(&'static str, usize)], bool);

    #[test]
    fn fences_as_models_write_them() {
        let cases: [Case; 6] = [
            ("a\n```python\nx = 1\n```\nb", 2, &[("python", 1)], false),
            ("Like this: ```python\nx = 1```\nb", 2, &[("python", 1)], false),
            ("  ````json {.numbers}\n{}\n  ````", 0, &[("json", 1)], false),
            ("a ```b``` c", 1, &[], false),
            ("```\nx\n```\n```", 0, &[("", 1), ("", 0)], true),
            ("~~~R\nx ~ y\n~~~", 0, &[("R", 1)], false),
        ];
        for (text, prose, blocks, is_open) in cases {
            let found = Blocks::of(text);
            let lines = found.prose.iter().filter(|line| !line.trim().is_empty()).count();
            let code: Vec<(&str, usize)> =
                found.code.iter().map(|code| (code.language, code.lines.len())).collect();
            assert_eq!((lines, &*code, found.is_open), (prose, blocks, is_open), "{text}");
        }
    }

    #[test]
    fn inline_code_is_no_prose() {
        assert_eq!(without_inline_code("a `b c` d"), "a   d");
        assert_eq!(without_inline_code("it`s"), "it`s");
    }

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
