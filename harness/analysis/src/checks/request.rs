//! Forms that an instruction plainly asks for, and whether the response has them.

use std::sync::LazyLock;

use regex::Regex;

use super::prose::{Blocks, is_ended, most_sentences, sentences};
use super::syntax::{holds_json, is_json};

/// Number words up to ten, by their value less one.
const NUMBERS: [&str; 10] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const NUMBER: &str = r"\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|a single";

/// What is counted otherwise than by items of a list.
const UNITS: &str = concat!(
    r"words?|sentences?|paragraphs?|lines?|letters?|characters?|minutes?|hours?|days?|weeks?|months?|years?|",
    r"pages?|digits?|percent|stanzas?|verses?|syllables?|points?|stars?|dollars?|columns?|rows?|people|",
    r"persons?|th|dimensional",
);

/// Words of an instruction that is still about one thing.
const MOST_WORDS: usize = 40;

/// Patterns by name, each made of its parts when it is first used.
macro_rules! patterns {
    ($($name:ident = $($part:literal)+;)+) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| {
            let pattern = concat!($($part),+).replace("NUMBER", NUMBER).replace("UNITS", UNITS);
            Regex::new(&pattern).expect("a constant pattern is valid, and the tests use each")
        });)+
    };
}

patterns! {
    JSON =
        r"\b(?:in|as|into|to) (?:an? )?(?:valid )?json(?: data)? (?:format|object|array)\b|"
        r"\b(?:in|as|into|to) (?:valid )?json(?:[.,;:!?)]|$)";
    // JSON is then what a program deals with, and not what is asked for.
    ABOUT_CODE =
        r"\b(?:functions?|programs?|scripts?|code|apis?|endpoints?|class|parse|method|application|app|server|"
        r"python|javascript|java|query|how|library|database|algorithm|returns)\b";
    // At the beginning alone: further down a number may be about anything.
    ITEMS =
        r"^(?:please )?(?:list|name|give|provide|suggest|generate|identify|brainstorm|come up with|propose|"
        r"compile|enumerate|state|recommend|(?:make|create|write|generate|compile|provide|give)(?: me)? a list of)"
        r"(?: me| us)?(?: out)?(?: the)?(?: top)? (NUMBER) ([a-z]+)";
    UNIT = r"^(?:UNITS)$";
    // A second number leaves open which of the two is counted.
    ANY_NUMBER = r"\b(?:NUMBER|both|each|pairs?|or more|at least|up to|categories)\b";
    SENTENCES =
        r"\b(?:in|using|into|write) "
        r"(at most |no more than |up to |fewer than |less than |under |at least |more than )?"
        r"(?:exactly |only |just )?(NUMBER) (?:or (?:less|fewer|more) )?(?:[a-z]+ )?sentences?\b"
        r"(?: or (?:less|fewer|more)| (?:at most|max|maximum)\b)?";
    ONE_WORD =
        r"\b(?:in|with|using|respond with|answer with) (?:only |just |exactly )?(?:one|a single) word\b|"
        r"\b(?:one|single)-word (?:answer|response|reply|description)\b";
    ONE_LETTER =
        r"\b(?:answer|respond|reply) (?:with|using) (?:only |just )?(?:the |a )?(?:single )?(?:correct )?letter\b";
    // Things that have lists of their own.
    PARTED =
        r"^(?: [a-z\-]+){0,2} ?\b(?:recipes?|plans?|programs?|poems?|stories|songs?|dialogues?|conversations?|"
        r"outlines?|quizzes|games?|schedules?|lists?|sets?|essays?|menus?|routines?)\b";
    // Where a list begins, and its items without numbers.
    FIRST = r"^\s*1[.)]";
    BULLET = r"^\s*[-*•] +\S";
}

/// Whether a form that the instruction asks for is not there: JSON, a list of so many items, so many sentences, one
/// word, one letter. `None` where it asks for none of them in words that have one reading.
pub(super) fn is_unmet(instruction: &str, response: &Blocks<'_>) -> Option<bool> {
    let asked = instruction.to_lowercase();
    let checks = [
        json(&asked, response),
        items(&asked, response),
        sentence_count(&asked, response),
        one_word(&asked, response),
        one_letter(&asked, response),
    ];
    checks.into_iter().flatten().reduce(|some, other| some || other)
}

fn json(asked: &str, response: &Blocks<'_>) -> Option<bool> {
    // One that holds an object is about it, and long ones mention JSON on their way.
    let is_about = asked.contains('{') || asked.split_whitespace().count() > MOST_WORDS;
    if !JSON.is_match(asked) || ABOUT_CODE.is_match(asked) || is_about {
        return None;
    }
    let is_block = response.code.iter().any(|code| is_json(&code.lines.join("\n")));
    Some(!(is_block || holds_json(response.text)))
}

/// A list of so many items, where the first sentence asks for it and names no other number.
fn items(asked: &str, response: &Blocks<'_>) -> Option<bool> {
    let first = sentences(asked.lines().next()?).first().copied()?;
    let found = ITEMS.captures(first)?;
    let n = value(&found[1]).filter(|n| *n >= 2)?;
    let behind = &first[found.get(1)?.end()..];
    // "10 minute exercises" and "five tips of two words each" count something else; a fence may hold a list of its own.
    let is_unit = UNIT.is_match(&found[2]);
    if is_unit
        || behind.starts_with('-')
        || ANY_NUMBER.is_match(behind)
        || !response.code.is_empty()
    {
        return None;
    }
    // Several lists are parts of each thing that was asked for.
    let lists = response.prose.iter().filter(|line| FIRST.is_match(line)).count();
    if lists > 1 || PARTED.is_match(behind) {
        return None;
    }
    let listed = numbered(response.text).or_else(|| bulleted(response))?;
    Some(listed != n)
}

/// How far the text counts: `1. .. 2. .. 3. ..`, in lines or in one; `None` below two.
fn numbered(text: &str) -> Option<usize> {
    let (mut rest, mut last) = (text, 0_usize);
    loop {
        let marks = [format!("{}.", last + 1), format!("{})", last + 1)];
        let Some(at) = marks.iter().filter_map(|mark| begins_word(rest, mark)).min() else {
            // A single number may be anything.
            return (last >= 2).then_some(last);
        };
        rest = &rest[at..];
        last += 1;
    }
}

/// Behind the first place where a mark begins a word and no digit follows, as one does in `1.5`.
fn begins_word(text: &str, mark: &str) -> Option<usize> {
    let begins = |at: usize| text[..at].chars().next_back().is_none_or(char::is_whitespace);
    let mut places = text.match_indices(mark).map(|(at, _)| (at, at + mark.len()));
    let place = places
        .find(|(at, end)| begins(*at) && !text[*end..].starts_with(|c: char| c.is_ascii_digit()));
    place.map(|(_, end)| end)
}

/// Bullets that are indented as the first one is; `None` below two.
fn bulleted(response: &Blocks<'_>) -> Option<usize> {
    let indent = |line: &&String| line.len() - line.trim_start().len();
    let bullets = || response.prose.iter().filter(|line| BULLET.is_match(line));
    // Deeper bullets are details of an item.
    let first = bullets().next().map(|line| indent(&line))?;
    let count = bullets().filter(|line| indent(line) == first).count();
    (count >= 2).then_some(count)
}

fn sentence_count(asked: &str, response: &Blocks<'_>) -> Option<bool> {
    // An instruction of several parts may ask for it in one of them.
    let task = asked.split("\n\n").next()?;
    let is_long = sentences(task).len() > 2 || task.split_whitespace().count() > MOST_WORDS;
    if is_long || SENTENCES.find_iter(task).count() != 1 {
        return None;
    }
    let found = SENTENCES.captures(task)?;
    let n = value(&found[2])?;
    let whole = found.get(0)?.as_str();
    let lines = || response.prose.iter().filter(|line| !line.trim().is_empty());
    // Titles, announcements and lists without full stops are counted one way or the other.
    if !response.code.is_empty() || !lines().all(|line| is_ended(line)) {
        return None;
    }
    let least: usize = lines().map(|line| sentences(line).len()).sum();
    let most: usize = lines().map(|line| most_sentences(line)).sum();
    let at_most = ["at most", "no more", "up to", "or less", "or fewer", "max"];
    let is = |marks: &[&str]| marks.iter().any(|mark| whole.contains(mark));
    // The response may be counted as anything from least to most: only what no count meets is unmet.
    Some(match () {
        () if is(&at_most) => least > n,
        () if is(&["fewer than", "less than", "under"]) => least >= n,
        () if is(&["at least", "or more"]) => most < n,
        () if is(&["more than"]) => most <= n,
        () => !(least..=most).contains(&n),
    })
}

fn one_word(asked: &str, response: &Blocks<'_>) -> Option<bool> {
    ONE_WORD.is_match(asked).then(|| response.text.split_whitespace().count() != 1)
}

fn one_letter(asked: &str, response: &Blocks<'_>) -> Option<bool> {
    let letters = response.text.chars().filter(|c| c.is_alphanumeric()).count();
    ONE_LETTER.is_match(asked).then_some(letters != 1)
}

/// The value of a number in digits or words.
fn value(text: &str) -> Option<usize> {
    if text == "a single" {
        return Some(1);
    }
    let word = NUMBERS.iter().position(|word| *word == text).map(|place| place + 1);
    word.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instruction: &str, response: &str) -> Option<bool> {
        is_unmet(instruction, &Blocks::of(response))
    }

    #[test]
    fn forms_that_are_asked_for() {
        let cases = [
            ("Describe the sea.", "Blue.", None),
            ("Give the address as JSON.", "{\"street\": \"Main\"}", Some(false)),
            ("Give the address in JSON format.", "Street: Main", Some(true)),
            ("Write a function that returns the address as JSON.", "def f(): ...", None),
            ("List three fruits.", "1. Apple\n2. Pear\n3. Plum", Some(false)),
            ("List three fruits.", "1. Apple 2. Pear", Some(true)),
            ("List three fruits.", "1)Apple; 2)Pear; 3)Plum", Some(false)),
            ("List two meal plans.", "1. Oats\n2. Rice\n3. Soup", None),
            ("List two ways.", "First:\n1. A\n2. B\n3. C\nSecond:\n1. D\n2. E", None),
            ("In a JSON data file there are nouns. Name one.", "Earth", None),
            ("Explain rain in two sentences or less.", "Water falls.", Some(false)),
            ("Name 4 rivers in Asia.", "- Ob\n- Lena\n- Amur\n- Indus\n- Mekong", Some(true)),
            ("Name 4 rivers in Asia.", "The Ob, the Lena and others", None),
            ("Give five tips of two words each.", "1. Go on\n2. Sit up", None),
            ("Write a list of 10 minute exercises.", "1. Run\n2. Jump", None),
            ("Explain rain in two sentences.", "Water rises. It falls.", Some(false)),
            ("Explain rain in two sentences.", "Water rises. It cools. It falls.", Some(true)),
            ("Explain rain in two or three sentences.", "Water rises.", None),
            ("Explain rain in at most two sentences.", "Water falls.", Some(false)),
            ("Describe the sea in one word.", "Blue.", Some(false)),
            ("Describe the sea in one word.", "It is blue.", Some(true)),
            ("Which is right? Answer with the letter.", "(B)", Some(false)),
            ("Which is right? Answer with the letter only.", "B, the sea", Some(true)),
        ];
        for (instruction, response, expected) in cases {
            assert_eq!(of(instruction, response), expected, "{instruction} {response}");
        }
    }
}
