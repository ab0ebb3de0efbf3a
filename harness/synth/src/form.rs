//! How each stage's reply is read (METHOD.md, section 4 and G4, G9, G10, R2, R3). The shape that is asked for is in
//! [`step`](crate::step).
//!
//! One tag pair per prompt is sent. Reading accepts every variant that the paper prints, because
//! models copy examples and old outputs should stay readable. Nothing is repaired: what does not
//! read is [`Malformed`], with a reason.
//!
//! Thoughts are taken out first ([`crate::thought`]). Of several answers in what is left the last complete
//! one counts: a model that corrects itself does so at the end.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::committee::Scores;
use crate::domain::Domain;
use crate::request::{Finish, Reply, Request, ScoreReading, Stage};
use crate::thought;

/// Most keywords of a set.
pub const MAX_KEYWORDS: usize = 3;

/// What an instruction is checked for, in the order of Prompt 6 (section 3.3).
pub const CRITERIA: [&str; 3] = ["reasonable", "complete", "clear"];

pub(crate) const DATA: (&str, &str) = ("<bod>", "<eod>");
pub(crate) const ITEM: (&str, &str) = ("<boa>", "<eoa>");
/// The closing tag that the paper's Prompt 4 prints.
const ITEM_AS_PRINTED: (&str, &str) = ("<boa>", "<eo>");
pub(crate) const KEYWORDS: (&str, &str) = ("<bok>", "<eok>");
pub(crate) const INSTRUCTION: (&str, &str) = ("<boi>", "<eoi>");
pub(crate) const SCORES: (&str, &str) = ("<bos>", "<eos>");
pub(crate) const COMMENT: (&str, &str) = ("<boc>", "<eoc>");

/// Why a reply could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// It met its token limit.
    CutOff,
    /// It ended within a thought: the thought's budget was spent, or the model stopped there.
    UnfinishedThought,
    /// The prompt did not fit the model's context. Never retried.
    PromptTooLong,
    /// The expected tags are not there.
    NoTags,
    /// The tags are there and the field between them is not.
    NoField,
    /// A text is empty, or has neither letter nor digit where it must have one.
    Empty,
    /// Keywords that the prompt itself shows as its example.
    CopiedExample,
    /// A keyword set that one of the examples has (METHOD.md, G6).
    RepeatedKeywords,
    /// The domain is none of the seven.
    UnknownDomain,
    /// More than three keywords.
    TooManyKeywords,
    /// Not three bits.
    NotThreeBits,
    /// Not six integers from 0 to 10.
    NotSixScores,
    /// Expected scores were asked for, and the engine gave none beside the reply.
    NoExpectedScores,
    /// The call failed, so there is nothing to read. Never recorded: see [`Reply::failure`].
    NoReply,
}

/// The name that serde gives it, in tables and files.
impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The reply without its thoughts, when it came to its end.
fn finished(reply: &Reply) -> Result<Cow<'_, str>, Malformed> {
    let parted = thought::part(&reply.text);
    match reply.finish {
        Finish::PromptTooLong { .. } => Err(Malformed::PromptTooLong),
        Finish::Failed { .. } => Err(Malformed::NoReply),
        // Before the token limit: what cut the reply off was the thought, and retrying needs another remedy.
        _ if parted.unfinished => Err(Malformed::UnfinishedThought),
        Finish::Length => Err(Malformed::CutOff),
        Finish::Stop => Ok(parted.answer),
    }
}

/// The same for a reply whose answer stands between tags. A reply that begins with its tag keeps it: a
/// closing tag of a thought that nothing opened is then within the answer, where [`without_thought`] finds it.
fn tagged<'a>(reply: &'a Reply, tags: &[(&str, &str)]) -> Result<Cow<'a, str>, Malformed> {
    let answer = finished(reply)?;
    let begun = tags.iter().find(|(open, _)| reply.text.trim_start().starts_with(open));
    match begun {
        Some((open, _)) if !answer.contains(open) => Ok(Cow::Borrowed(&reply.text)),
        _ => Ok(answer),
    }
}

/// Text that stood between tags, without thoughts.
fn without_thought(text: &str) -> Result<String, Malformed> {
    let parted = thought::part(text);
    if parted.unfinished {
        return Err(Malformed::UnfinishedThought);
    }
    Ok(parted.answer.trim().to_owned())
}

/// The trimmed text between the last opening tag that a closing one follows, and that one.
fn between<'a>(text: &'a str, (open, close): (&str, &str)) -> Result<&'a str, Malformed> {
    let mut pairs = text.rmatch_indices(open).filter_map(|(at, _)| {
        let (body, _) = text[at + open.len()..].split_once(close)?;
        Some(body.trim())
    });
    pairs.next().ok_or(Malformed::NoTags)
}

/// Reads what follows an opening tag, where a closing one comes later: of the last one that can be read.
/// Unlike [`between`] it does not end at the closing tag: quoted text may hold one. Text that does not have
/// the form at all is passed over for an earlier answer, one that breaks a rule is not.
fn last_opened<T>(
    text: &str,
    tags: &[(&str, &str)],
    read: impl Fn(&str) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    // [G10] The paper prints several pairs of tags for one prompt; the last answer in any of them counts.
    let mut answers = Vec::new();
    for (open, close) in tags {
        let behind = text.match_indices(open).map(|(at, _)| (at, &text[at + open.len()..]));
        answers.extend(behind.filter(|(_, after)| after.contains(close)));
    }
    answers.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut reason = Malformed::NoTags;
    for (_, answer) in answers {
        match read(answer) {
            Err(Malformed::NoField) => reason = Malformed::NoField,
            decided => return decided,
        }
    }
    Err(reason)
}

/// A review without its comments, which may quote scores.
fn without_comments(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(COMMENT.0) {
        let Some((_, behind)) = after.split_once(COMMENT.1) else { break };
        kept.push_str(before);
        rest = behind;
    }
    kept + rest
}

/// What follows `"name":`.
fn field<'a>(body: &'a str, name: &str) -> Result<&'a str, Malformed> {
    let (_, after) = body.split_once(&format!("\"{name}\"")).ok_or(Malformed::NoField)?;
    let after = after.trim_start().strip_prefix(':').ok_or(Malformed::NoField)?;
    Ok(after.trim_start())
}

/// A quoted string that the text begins with, and what follows it.
fn quoted(text: &str) -> Result<(&str, &str), Malformed> {
    let after = text.strip_prefix('"').ok_or(Malformed::NoField)?;
    let (inside, rest) = after.split_once('"').ok_or(Malformed::NoField)?;
    Ok((inside.trim(), rest))
}

/// The elements of a `[..]` list, split at commas, each without the criterion's name before it.
fn list(text: &str) -> Option<Vec<&str>> {
    let (_, after) = text.split_once('[')?;
    let (inside, _) = after.split_once(']')?;
    Some(inside.split(',').map(after_name).collect())
}

/// `8` of `correctness: 8`, and of `8`.
fn after_name(element: &str) -> &str {
    element.rsplit_once(':').map_or(element, |(_, value)| value).trim()
}

fn not_empty(text: &str) -> Result<String, Malformed> {
    let text = text.trim();
    if text.is_empty() { Err(Malformed::Empty) } else { Ok(text.to_owned()) }
}

/// A text with a letter or digit: `...` is no keyword and no instruction.
fn worded(text: &str) -> Result<String, Malformed> {
    let text = not_empty(text)?;
    if text.contains(char::is_alphanumeric) { Ok(text) } else { Err(Malformed::Empty) }
}

/// The domain of Prompt 1.
///
/// # Errors
/// When tags, field or a known domain are missing.
pub fn read_domain(reply: &Reply) -> Result<Domain, Malformed> {
    let tags = [DATA, ITEM];
    last_opened(&tagged(reply, &tags)?, &tags, |body| {
        let (domain, _) = quoted(field(body, "domain")?)?;
        // [S4] Synonyms are folded; what is none of the seven is asked for again.
        Domain::parse(domain).ok_or(Malformed::UnknownDomain)
    })
}

/// The summary of Prompt 2: up to the quote before the closing tag, so that it may quote.
///
/// # Errors
/// When tags or field are missing, or it is empty.
pub fn read_summary(reply: &Reply) -> Result<String, Malformed> {
    last_opened(&tagged(reply, &[DATA])?, &[DATA], |body| {
        let value = field(body, "summary")?.strip_prefix('"').ok_or(Malformed::NoField)?;
        // A quote ends the summary only where the closing tag follows, perhaps behind the brace of a JSON object.
        let closes = |(place, _): &(usize, &str)| {
            let after = value[place + 1..].trim_start();
            after.strip_prefix('}').unwrap_or(after).trim_start().starts_with(DATA.1)
        };
        let (end, _) = value.match_indices('"').find(closes).ok_or(Malformed::NoField)?;
        worded(&without_thought(&value[..end])?)
    })
}

/// The keywords of Prompt 3.
///
/// # Errors
/// When tags or list are missing, or the list is no set of one to three keywords.
pub fn read_seed_keywords(reply: &Reply) -> Result<Vec<String>, Malformed> {
    last_opened(&tagged(reply, &[KEYWORDS])?, &[KEYWORDS], |body| {
        keyword_set(field(body, "keywords")?)
    })
}

/// The domain as written, and the keywords, of Prompt 4.
///
/// # Errors
/// When tags, fields or list are missing, or the list is no set of one to three keywords.
pub fn read_keywords(reply: &Reply) -> Result<(String, Vec<String>), Malformed> {
    let tags = [ITEM, ITEM_AS_PRINTED];
    last_opened(&tagged(reply, &tags)?, &tags, |body| {
        let (domain, _) = quoted(field(body, "domain")?)?;
        Ok((domain.to_owned(), keyword_set(field(body, "keywords")?)?))
    })
}

/// A `["..", ".."]` list of one to three keywords as a set: repeats, case apart, count once.
fn keyword_set(text: &str) -> Result<Vec<String>, Malformed> {
    let mut rest = text.strip_prefix('[').ok_or(Malformed::NoField)?.trim_start();
    if rest.starts_with(']') {
        return Err(Malformed::Empty);
    }
    let mut keywords: Vec<String> = Vec::new();
    loop {
        let (keyword, after) = quoted(rest)?;
        let keyword = worded(keyword)?;
        // [G4] A repeated keyword is no error; the set counts.
        if !keywords.iter().any(|known| known.to_lowercase() == keyword.to_lowercase()) {
            keywords.push(keyword);
        }
        let after = after.trim_start();
        if after.starts_with(']') {
            break;
        }
        rest = after.strip_prefix(',').ok_or(Malformed::NoField)?.trim_start();
    }
    if keywords.len() > MAX_KEYWORDS { Err(Malformed::TooManyKeywords) } else { Ok(keywords) }
}

/// Keywords in lower case and sorted, so that equal sets are equal lists.
pub(crate) fn folded(keywords: &[String]) -> Vec<String> {
    let mut folded: Vec<String> = keywords.iter().map(|keyword| keyword.to_lowercase()).collect();
    folded.sort();
    folded
}

/// The instruction of Prompt 5. A model that knows its tags from XML closes it with `</boi>` or `</eoi>` first: that
/// ends the instruction too (METHOD.md, G10).
///
/// # Errors
/// When tags are missing, or it is empty or cut off.
pub fn read_instruction(reply: &Reply) -> Result<String, Malformed> {
    let text = tagged(reply, &[INSTRUCTION])?;
    let inside = between(&text, INSTRUCTION)?;
    let inside =
        ["</boi>", "</eoi>"].iter().find_map(|tag| inside.strip_suffix(tag)).unwrap_or(inside);
    worded(&without_thought(inside)?)
}

/// The response of Prompt 7: the whole reply without its thoughts.
///
/// # Errors
/// When it is empty or cut off.
pub fn read_response(reply: &Reply) -> Result<String, Malformed> {
    not_empty(&finished(reply)?)
}

/// The three bits of Prompt 6.
///
/// # Errors
/// When tags are missing or the list is anything but three bits.
pub fn read_bits(reply: &Reply) -> Result<[bool; 3], Malformed> {
    let text = tagged(reply, &[SCORES])?;
    let elements = list(between(&text, SCORES)?).ok_or(Malformed::NotThreeBits)?;
    let bit = |element| Some(integer(element).filter(|&bit| bit <= 1)? == 1);
    let bits: Option<Vec<bool>> = elements.into_iter().map(bit).collect();
    bits.and_then(|bits| bits.try_into().ok()).ok_or(Malformed::NotThreeBits)
}

/// The comment of Prompts 8 and 9; may be empty.
///
/// # Errors
/// When its tags are missing.
pub fn read_comment(reply: &Reply) -> Result<String, Malformed> {
    without_thought(between(&tagged(reply, &[SCORES])?, COMMENT)?)
}

/// The six scores of Prompts 8 and 9, whatever follows them: a review's opening has no comment yet. Six exactly:
/// a seventh would change the mean, as it does in the paper's Case 1.
///
/// # Errors
/// When tags are missing or the list is anything but six integers from 0 to 10; when expected scores are
/// wanted and there are none.
pub fn read_scores(reply: &Reply, reading: ScoreReading) -> Result<Scores, Malformed> {
    // A comment may quote a list of scores, and stands before the scores in one form.
    let text = without_comments(&tagged(reply, &[SCORES])?);
    let elements = list(between(&text, SCORES)?).ok_or(Malformed::NotSixScores)?;
    let score = |element| integer(element).filter(|&score| score <= 10);
    let scores: Option<Vec<u8>> = elements.into_iter().map(score).collect();
    // [R3] Exactly six, also where expected scores are wanted: those belong to the numbers that were written.
    let scores = scores.and_then(|scores| scores.try_into().ok()).ok_or(Malformed::NotSixScores)?;
    match reading {
        ScoreReading::Sampled => Ok(Scores::whole(scores)),
        ScoreReading::Expected => {
            Scores::expected(&reply.expected).ok_or(Malformed::NoExpectedScores)
        }
    }
}

/// Whether a reply reads as what its request asked for, whatever it says. With `scores_alone` no comment is
/// read behind a review's scores.
///
/// # Errors
/// What is wrong with the reply.
pub fn check(request: &Request, reply: &Reply, scores_alone: bool) -> Result<(), Malformed> {
    match request.id.stage {
        Stage::SeedDomain => read_domain(reply).map(drop),
        Stage::SeedSummary | Stage::Summary => read_summary(reply).map(drop),
        Stage::SeedKeywords => read_seed_keywords(reply).map(drop),
        Stage::Keywords => read_keywords(reply).map(drop),
        Stage::Instruction => read_instruction(reply).map(drop),
        Stage::InstructionReview => read_bits(reply).map(drop),
        Stage::Response => read_response(reply).map(drop),
        Stage::ResponseReview | Stage::Adjudication | Stage::ReviewComment => {
            read_scores(reply, request.score_reading)?;
            let has_comment = !scores_alone || request.id.stage == Stage::ReviewComment;
            if has_comment { read_comment(reply).map(drop) } else { Ok(()) }
        }
    }
}

/// A small non-negative integer; an integral decimal such as `8.0` counts.
fn integer(text: &str) -> Option<u8> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let zeros = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    let digits = !whole.is_empty() && whole.bytes().all(|digit| digit.is_ascii_digit());
    if zeros && digits { whole.parse().ok() } else { None }
}
