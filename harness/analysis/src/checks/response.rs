//! How a response begins, goes on and ends: whether it declines, repeats itself, or breaks off.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use regex::Regex;

use super::prose::{Blocks, is_ended, is_running, lists, sentences};
use crate::diversity::lexical::words;

/// A speaker that cannot or will not do what models are asked for, at the beginning or behind an apology or a remark on
/// what it is. Other deeds (`I cannot believe it`) tell a story.
const DECLINING: &str = concat!(
    r"^(?:(?:(?:i'm|i am|we are) (?:very |so |really )?(?:sorry|afraid)|sorry|(?:i|we) apologi[sz]e|",
    r"(?:my )?apologies|unfortunately|",
    r"(?:as|being) an? (?:ai|artificial|large|language|assistant|gpt|chat)[^.!?]*|",
    r"(?:i'm|i am) (?:just |only )?an? (?:ai|language model|artificial)[^.!?]*|no|hello|hi)\b[^.!?]*?)?",
    r"\b(?:i|we) (?:(?:cannot|can not|can't|am unable to|are unable to|am not able to|won't|will not|",
    r"won't be able to|will not be able to|am not programmed to)",
    r"(?: (?:actually|currently|directly|physically|personally|really))? ",
    r"(?:help|assist|provide|answer|generate|create|write|give|fulfil|fulfill|complete|comply|perform|do|",
    r"produce|respond|tell|translate|summarize|show|access|display|edit|determine|process|understand|draw|",
    r"offer|engage|support|share|discuss|identify|set|make|send|play|browse|open|predict)\b|",
    r"(?:must|have to) decline|",
    r"(?:do not|don't) have (?:the )?(?:access|ability|capability|capabilities)\b)",
);

/// Ways of older models, which speak of the task and of themselves in the third person.
const IMPERSONAL: &str = concat!(
    r"^sorry,? (?:but )?(?:the|this|your) (?:task|request|instruction|input|question)\b|",
    r"^(?:you are|this|the)(?: [a-z]+){0,6} (?:cannot|can't|can not) be ",
    r"(?:generated|completed|done|performed|produced) by (?:the|a|an|this|gpt)[a-z0-9\- ]*(?:model|ai|gpt)|",
    r"^(?:gpt|this (?:ai|language) model|the (?:ai|language|gpt) ?model)[a-z0-9\- ]* ",
    r"(?:is|are) (?:unable|not able) to\b|",
    r"^(?:this|the) (?:task|request|instruction) (?:cannot|can't|can not) be ",
    r"(?:completed|done|performed|fulfilled)\b",
);

static DECLINES: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    // Constants, which the tests use.
    [DECLINING, IMPERSONAL].map(|pattern| Regex::new(pattern).expect("a constant pattern is valid"))
});

/// Whether one of the first two sentences declines; the second one counts behind a short apology only.
pub(super) fn is_refusal(response: &str) -> bool {
    let line = response.trim_start().lines().next().unwrap_or_default();
    let found = sentences(line);
    let plain = |text: &str| {
        let text = text.trim_start_matches(|c: char| !c.is_alphabetic());
        text.to_lowercase().replace('’', "'")
    };
    let declines = |text: &str| DECLINES.iter().any(|pattern| pattern.is_match(text));
    let Some(first) = found.first().map(|first| plain(first)) else { return false };
    // "I'm sorry, but .." may decline a sentence later; a long first sentence is about something.
    let is_apology = first.len() <= 40
        && ["sorry", "apolog", "unfortunately"].iter().any(|word| first.contains(word));
    declines(&first) || is_apology && found.get(1).is_some_and(|second| declines(&plain(second)))
}

/// Words below which shares of n-grams mean little.
const LEAST_REPEATING: usize = 50;
/// Length of the n-grams, and the share of words in repeated ones from which on a text counts.
const N: usize = 8;
const MOST_REPEATED: f64 = 0.5;
/// A run of so many words that stands three times in a row is a loop; shorter ones are refrains, sounds and counting.
const LOOP_WORDS: RangeInclusive<usize> = 4..=60;

/// Whether the prose is caught in a loop (the same 4 to 60 words three times in a row, the degeneration that Holtzman
/// et al. 2020 describe), or half and more of its words lie in 8-grams that came before. Shares of repeated n-grams are
/// a rule of Rae et al. 2021 (Gopher, table A1) for web pages; ours is higher, because recipes, songs and lists in
/// parallel form reach theirs. `None` below 50 words.
pub(super) fn repeats(text: &Blocks<'_>) -> Option<bool> {
    let lines = text.prose.iter().filter(|line| !is_markup(line));
    let words: Vec<String> = lines.flat_map(|line| words(line)).collect();
    let is_long = words.len() >= LEAST_REPEATING;
    is_long.then(|| is_loop(&words) || share_repeated(&words) >= MOST_REPEATED)
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
        // Words in a row that equal those `length` places before them: two whole runs of them are the second and the
        // third time.
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
    spoken.collect::<BTreeSet<_>>().len() >= 3
}

/// The share of words that lie in an n-gram which came before.
fn share_repeated(words: &[String]) -> f64 {
    let mut first: HashMap<&[String], usize> = HashMap::new();
    // Grams overlap, so a word is counted once: `covered` is the word up to which that was done.
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

/// Words that want another one behind them.
const DANGLING: &str = "the a an of and or but to in on at by for with from as is are was were be that which than into \
                        between their its his our your my such because while including";

/// What begins the end of a letter, which needs no full stop.
const SIGN_OFFS: &str = "sincerely regards best kind warm love yours thank thanks cheers respectfully with warmly \
                         signed";

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
    // Names, lists of words and tables have no ends to miss.
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
    // A colon announces, a bracket or a sign closes: both are ends of their own.
    if end.ends_with(|c: char| !c.is_alphanumeric() && c != ',') {
        return Some(false);
    }
    let first = words[0].trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let is_long = words.len() >= LEAST_WORDS && !lists(SIGN_OFFS, &first);
    let last = words[words.len() - 1];
    if is_long && (last.ends_with(',') || lists(DANGLING, last)) {
        return Some(true);
    }
    // Without a word that dangles the full stop may be left out on purpose, as in labels and rows of tags. It is
    // missing where a sentence before it in the line has one, and so have most lines of the text.
    let follows = found.iter().nth_back(1).is_some_and(|before| is_ended(before));
    let is_part = is_long && is_running(&words) && !words.iter().any(|word| word.starts_with('#'));
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
    fn refusals_and_stories() {
        let cases = [
            ("I'm sorry, but I cannot help with that.", true),
            ("As an AI language model, I am unable to write in Klingon. However, ...", true),
            ("Sorry. I can’t assist with this request.", true),
            ("I don't have access to current data, so the price is unknown.", true),
            (
                "Sorry, the task requires a visual output which cannot be generated by the model.",
                true,
            ),
            ("You are requesting an image which cannot be generated by the model.", true),
            ("I cannot believe how fast the summer went.", false),
            ("I'm sorry that your order was late. We will send a new one.", false),
            ("Dear Ms Lee, unfortunately I cannot attend the meeting.", false),
            ("I'm so sorry to hear that. I will do what I can.", false),
            ("Plants cannot provide this.", false),
            ("Sorry for the delay.", false),
            (
                "This is no good instruction because it asks for an action that cannot be completed by a model.",
                false,
            ),
        ];
        for (response, expected) in cases {
            assert_eq!(is_refusal(response), expected, "{response}");
        }
    }

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
