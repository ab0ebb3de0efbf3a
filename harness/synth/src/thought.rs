//! Thoughts: what a reasoning model writes for itself before it answers (METHOD.md, G13).
//!
//! A thought stands between a pair of [`TAGS`]. It is no part of the answer: samples, scores and lengths are
//! read from what is left without it. The raw reply keeps it for `inspect`.
//!
//! Where thoughts are found:
//! - between an opening and a closing tag, anywhere in the text;
//! - before a closing tag that nothing opened: the chat template had opened the thought;
//! - behind an opening tag at the beginning of a line that nothing closes. Such a thought is unfinished, and no
//!   answer follows it.
//!
//! A text may speak of these tags: one right behind a quotation mark or a backtick is quoted, and a single one in
//! the middle of a line is a word among others.

use std::borrow::Cow;

/// The tags that open and close a thought in the replies and chat templates of known model families: Qwen,
/// `DeepSeek`, `SmolLM`, Granite and Phi write the first pair, EXAONE `<thought>`, Magistral `[THINK]`,
/// Seed-OSS `<seed:think>`, `MiniMax` `<mm:think>`, Gemma 4 a channel, Kimi, Command A, Apertus and `OpenThinker` the
/// others.
pub const TAGS: [(&str, &str); 11] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<|channel>", "<channel|>"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
];

/// gpt-oss's channel of thoughts.
const ANALYSIS: &str = "<|channel|>analysis<|message|>";

/// Apriel's chat template opens a thought with this sentence, and the model closes it with these words.
const APRIEL: (&str, &str) = ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]");

/// What marks a thought only where a reply begins with the first and the second follows: gpt-oss's channels as servers
/// give them (whole; without the last header; without special tokens, with or without the channel's name), Solar's,
/// Apriel's words behind whatever was written before, Granite 3.2's sentences, and the tags of many fine-tunes.
const LEADS: [(&str, &str); 8] = [
    (ANALYSIS, "<|channel|>final<|message|>"),
    (ANALYSIS, "<|end|>"),
    ("<|channel|>final", "<|message|>"),
    ("", "assistantfinal"),
    ("<|think|>", "<|content|>"),
    ("", APRIEL.1),
    ("Here is my thought process:", "Here is my response:"),
    ("<reasoning>", "</reasoning>"),
];

/// What stands around a whole answer behind a thought, or behind it alone: Hunyuan, ERNIE, Command A, `OpenThinker` and
/// Apriel write it so.
const ENVELOPES: [(&str, &str); 6] = [
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<output>", "</output>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("", "[END FINAL RESPONSE]"),
];

/// Tokens that a thought's tags and the line breaks around them may take, beside its budget.
pub(crate) const FRAME_TOKENS: u32 = 16;

/// A text with its thoughts taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted<'a> {
    /// What is left.
    pub answer: Cow<'a, str>,
    /// Characters of the thoughts, tags included. 0: there was none.
    pub thought: usize,
    /// Whether the last thought was never closed.
    pub unfinished: bool,
}

/// Takes the thoughts out of a text. What is left of a text with a thought is trimmed.
#[must_use]
pub fn part(text: &str) -> Parted<'_> {
    let (mut answer, mut unfinished, mut found) = (String::new(), false, false);
    // Text up to `kept` is in the answer or was thought; tags are looked for from `from` on.
    let (mut kept, mut from) = (0, 0);
    if let Some(end) = leading_thought(text) {
        (found, kept, from) = (true, end, end);
    } else if text.trim_start().starts_with(ANALYSIS) {
        (found, kept, from, unfinished) = (true, text.len(), text.len(), true);
    }
    while let Some(tag) = first_tag(text, from) {
        let close = TAGS[tag.pair].1;
        let end = text[tag.end..].find(close).map(|at| tag.end + at + close.len());
        match end {
            // A word of a sentence about tags.
            _ if tag.closes && tag.is_among_words(text) => {
                from = tag.end;
                continue;
            }
            // Nothing opened it: all that was written before it is thought.
            _ if tag.closes => {
                answer.clear();
                kept = tag.end;
            }
            Some(end) => {
                answer.push_str(&text[kept..tag.start]);
                kept = end;
            }
            // An opening tag within a line that nothing closes is spoken of, not used.
            None if tag.is_in_a_line(text) => {
                from = tag.end;
                continue;
            }
            None => {
                answer.push_str(&text[kept..tag.start]);
                (kept, unfinished) = (text.len(), true);
            }
        }
        (found, from) = (true, kept);
    }
    if !found {
        return Parted { answer: Cow::Borrowed(text), thought: 0, unfinished };
    }
    answer.push_str(&text[kept..]);
    let thought = text.chars().count() - answer.chars().count();
    Parted { answer: Cow::Owned(unwrapped(answer.trim()).to_owned()), thought, unfinished }
}

/// Where a thought ends that a text begins with in one of [`LEADS`].
fn leading_thought(text: &str) -> Option<usize> {
    let begun = text.trim_start();
    LEADS.into_iter().find_map(|(open, close)| {
        let at = begun.strip_prefix(open)?.find(close)?;
        Some(text.len() - begun.len() + open.len() + at + close.len())
    })
}

/// An answer without the pair of [`ENVELOPES`] around it.
fn unwrapped(answer: &str) -> &str {
    let within = ENVELOPES.into_iter().find_map(|(open, close)| {
        let within = answer.strip_prefix(open)?.strip_suffix(close)?;
        (open.is_empty() || !within.contains(open)).then_some(within)
    });
    within.map_or(answer, str::trim)
}

/// A thought that a server told apart from the reply's text, and the text: as one text with tags.
#[must_use]
pub fn joined(thought: &str, text: &str) -> String {
    let (open, close) = TAGS[0];
    // Some servers send an empty thought where there was none.
    if thought.trim().is_empty() {
        return text.to_owned();
    }
    let thought = thought.trim();
    if text.trim().is_empty() {
        // The server saw no end of it.
        return format!("{open}\n{thought}");
    }
    format!("{open}\n{thought}\n{close}\n\n{text}")
}

/// The pair of [`TAGS`] whose opening tag a text leaves open, e.g. a chat template's text before the reply.
#[must_use]
pub fn left_open(text: &str) -> Option<(&'static str, &'static str)> {
    TAGS.into_iter()
        .chain([APRIEL])
        .find(|(open, close)| text.rfind(open).is_some_and(|at| !text[at..].contains(close)))
}

/// A tag in a text.
struct Tag {
    pair: usize,
    closes: bool,
    start: usize,
    end: usize,
}

impl Tag {
    /// Whether something stands before it in its line.
    fn is_in_a_line(&self, text: &str) -> bool {
        let line = text[..self.start].rsplit('\n').next().unwrap_or_default();
        !line.trim().is_empty()
    }

    /// Whether a blank and more text follow it in a line that it does not begin.
    fn is_among_words(&self, text: &str) -> bool {
        let rest = text[self.end..].split('\n').next().unwrap_or_default();
        self.is_in_a_line(text) && rest.starts_with(' ') && !rest.trim().is_empty()
    }
}

/// The first tag from a place on that is not quoted.
fn first_tag(text: &str, from: usize) -> Option<Tag> {
    let tags = (0..)
        .zip(TAGS)
        .flat_map(|(pair, (open, close))| [(pair, open, false), (pair, close, true)]);
    tags.filter_map(|(pair, tag, closes)| {
        let quoted = |at: usize| text[..at].ends_with(['`', '"', '\'', '\u{201c}', '\u{2018}']);
        let mut places = text[from..].match_indices(tag).map(|(at, _)| from + at);
        let start = places.find(|&at| !quoted(at))?;
        Some(Tag { pair, closes, start, end: start + tag.len() })
    })
    .min_by_key(|tag| tag.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_taken_out_wherever_they_stand() {
        let cases = [
            ("Four.", "Four.", false),
            ("<think>\n2 + 2\n</think>\n\nFour.", "Four.", false),
            ("<think></think>Four.", "Four.", false),
            ("2 + 2, so four.\n</think>\n\nFour.", "Four.", false),
            ("<think>a</think>Four.<think>b</think>", "Four.", false),
            ("Well. <thinking>2 + 2</thinking> Four.", "Well.  Four.", false),
            ("[THINK]2 + 2[/THINK]Four.", "Four.", false),
            // A thought that speaks of its own end goes on to the last one.
            ("<think>first </think> then </think>Four.", "Four.", false),
            ("2 + 2</think>Four.", "Four.", false),
            ("<think>2 + 2", "", true),
            ("Four.\n<think>or five", "Four.", true),
            ("Say what <think> and </think> mean.", "Say what  mean.", false),
            ("What does <think> mean?", "What does <think> mean?", false),
            ("It ends at </think> and not before.", "It ends at </think> and not before.", false),
            ("<think>a </thinking> b</think>Four.", "Four.", false),
            (
                "Write `<think>` and `</think>` around it.",
                "Write `<think>` and `</think>` around it.",
                false,
            ),
            ("</think>", "", false),
            (
                "<|channel|>analysis<|message|>2 + 2<|end|><|start|>assistant<|channel|>final<|message|>Four.",
                "Four.",
                false,
            ),
            ("<|channel|>final<|message|>Four.", "Four.", false),
            ("<|channel|>analysis<|message|>2 + 2", "", true),
            ("<|channel|>analysis<|message|>2 + 2<|end|>Four.", "Four.", false),
            ("Four.<|end|>", "Four.<|end|>", false),
            ("<|think|>2 + 2<|end|><|begin|>assistant<|content|>Four.", "Four.", false),
            ("2 + 2\n[BEGIN FINAL RESPONSE]\nFour.\n[END FINAL RESPONSE]", "Four.", false),
            ("Here are my reasoning steps: 2 + 2.", "Here are my reasoning steps: 2 + 2.", false),
            ("analysis2 + 2. Easy.assistantfinalFour.", "Four.", false),
            ("We add 2 + 2. Easy.assistantfinalFour.", "Four.", false),
            ("analysis of sums is old.", "analysis of sums is old.", false),
            ("<|channel>thought\n2 + 2<channel|>Four.", "Four.", false),
            ("<|channel>\n2 + 2\n<channel|>\nFour.", "Four.", false),
            ("◁think▷2 + 2◁/think▷Four.", "Four.", false),
            (
                "<|START_THINKING|>2 + 2<|END_THINKING|><|START_RESPONSE|>Four.<|END_RESPONSE|>",
                "Four.",
                false,
            ),
            ("<think>\n2 + 2\n</think>\n<answer>\nFour.\n</answer>", "Four.", false),
            ("<answer>Four.</answer>", "<answer>Four.</answer>", false),
            (
                "<think>a</think><answer>2</answer> or <answer>4</answer>",
                "<answer>2</answer> or <answer>4</answer>",
                false,
            ),
            ("<reasoning>\n2 + 2\n</reasoning>\n<answer>\nFour.\n</answer>", "Four.", false),
            (
                "An XML file: <reasoning>why</reasoning>",
                "An XML file: <reasoning>why</reasoning>",
                false,
            ),
            ("Here is my thought process:\n2 + 2\n\nHere is my response:\nFour.", "Four.", false),
        ];
        for (text, answer, unfinished) in cases {
            let parted = part(text);
            assert_eq!((&*parted.answer, parted.unfinished), (answer, unfinished), "{text}");
            assert_eq!(parted.thought > 0, text != answer, "{text}");
            assert_eq!(
                part(&parted.answer).answer,
                parted.answer,
                "parting again changes nothing: {text}"
            );
        }
    }

    #[test]
    fn a_thought_told_apart_is_read_like_one_in_the_text() {
        assert_eq!(joined("", "Four."), "Four.");
        assert_eq!(part(&joined("2 + 2", "Four.")).answer, "Four.");
        assert_eq!(part(&joined("it ends with </think> here", "Four.")).answer, "Four.");
        let cut = joined("2 + 2", " ");
        assert_eq!((part(&cut).answer, part(&cut).unfinished), (Cow::from(""), true));
    }

    #[test]
    fn a_prompt_may_leave_a_thought_open() {
        assert_eq!(left_open("<|im_start|>assistant\n<think>\n"), Some(TAGS[0]));
        assert_eq!(left_open("assistant\n<think>\n\n</think>\n\n"), None);
        assert_eq!(left_open("assistant\n"), None);
        assert_eq!(left_open("[/INST][THINK]"), Some(TAGS[3]));
        assert_eq!(left_open("<|begin_assistant|>\nHere are my reasoning steps:\n"), Some(APRIEL));
    }
}
