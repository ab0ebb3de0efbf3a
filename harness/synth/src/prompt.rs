//! The nine prompts: templates with named places, rendered without surprises (METHOD.md,
//! section 4).
//!
//! A template file has two parts around a line `=== sample ===`. Above it stands the role text:
//! role, goal, criteria and output format, the same for every request, so that an engine can
//! evaluate it once. Below it stands the labelled block about one sample, with places written as
//! `{{instruction}}`. Text that is put into a place is not searched for places again: a model that
//! writes `{{response}}` into an instruction writes just that.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::request::{Prompt, Stage};

/// The line between role text and sample block.
pub const SAMPLE_LINE: &str = "=== sample ===";

/// The template files of a prompt set and the places that each must have.
pub const TEMPLATES: [(&str, &[Stage], &[&str]); 9] = [
    ("1-domain.txt", &[Stage::SeedDomain], &["instruction"]),
    ("2-summary.txt", &[Stage::SeedSummary, Stage::Summary], &["instruction"]),
    ("3-seed-keywords.txt", &[Stage::SeedKeywords], &["instruction"]),
    ("4-keywords.txt", &[Stage::Keywords], &["domain", "examples"]),
    ("5-instruction.txt", &[Stage::Instruction], &["domain", "keywords", "summaries"]),
    ("6-instruction-review.txt", &[Stage::InstructionReview], &["instruction"]),
    ("7-response.txt", &[Stage::Response], &["instruction"]),
    (
        "8-response-review.txt",
        &[Stage::ResponseReview, Stage::ReviewComment],
        &["instruction", "response"],
    ),
    ("9-adjudication.txt", &[Stage::Adjudication], &["reviews", "instruction", "response"]),
];

/// The template that stands in Prompt 7's place where the seed set's response is shown, to be improved (METHOD.md,
/// B4). A set may lack it.
pub const REWRITE_TEMPLATE: (&str, &[&str]) = ("7-rewrite.txt", &["instruction", "old_response"]);

/// A prompt set is not usable: which file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PromptError(String);

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    /// As written, then with the scores of its example in other orders; see [`turns`].
    roles: Vec<Arc<str>>,
    /// Text and places in turn, beginning and ending with text.
    sample: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(&'static str),
}

/// A complete set of templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptSet {
    templates: BTreeMap<Stage, Template>,
}

impl PromptSet {
    /// Reads a set from file contents by file name. Other files are ignored.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn parse(files: &BTreeMap<String, String>) -> Result<Self, PromptError> {
        let mut templates = BTreeMap::new();
        for (file, stages, places) in TEMPLATES {
            let template = Template::read(files, file, places)?;
            for stage in stages {
                templates.insert(*stage, template.clone());
            }
        }
        Ok(Self { templates })
    }

    /// The same set with [`REWRITE_TEMPLATE`] in Prompt 7's place.
    ///
    /// # Errors
    /// When the files lack it, or it is not usable.
    pub fn rewriting(mut self, files: &BTreeMap<String, String>) -> Result<Self, PromptError> {
        let (file, places) = REWRITE_TEMPLATE;
        self.templates.insert(Stage::Response, Template::read(files, file, places)?);
        Ok(self)
    }

    /// The prompt of a stage around an already rendered sample block.
    #[must_use]
    pub fn prompt(&self, stage: Stage, sample: String) -> Prompt {
        self.prompt_in_order(stage, 0, sample)
    }

    /// The same with the scores of Prompt 8's or 9's example moved on by `turn` places, round and round. Another
    /// prompt, and one whose example holds no list of integers, has one order.
    #[must_use]
    pub fn prompt_in_order(&self, stage: Stage, turn: u64, sample: String) -> Prompt {
        let roles = &self.templates[&stage].roles;
        let at = usize::try_from(turn % roles.len() as u64).unwrap_or_default();
        Prompt { role: Arc::clone(&roles[at]), sample }
    }

    /// Whether another set has the same template for a stage.
    #[must_use]
    pub fn asks_alike(&self, other: &Self, stage: Stage) -> bool {
        self.templates[&stage] == other.templates[&stage]
    }

    /// Whether a keyword is one that the stage's own role text shows between quotes, case apart: an example of
    /// the format, which a model may copy.
    pub(crate) fn shows_keyword(&self, stage: Stage, keyword: &str) -> bool {
        let role = self.templates[&stage].roles[0].to_lowercase();
        role.contains(&format!("\"{}\"", keyword.to_lowercase()))
    }

    /// Fills the places of a stage's sample block.
    ///
    /// # Panics
    /// When `values` lacks a place of [`TEMPLATES`]: the stage and its caller disagree.
    #[must_use]
    pub fn sample(&self, stage: Stage, values: &[(&str, &str)]) -> String {
        let value = |place: &str| {
            let found = values.iter().find(|(name, _)| *name == place);
            found.map_or_else(|| panic!("{stage} fills no `{place}`"), |(_, value)| *value)
        };
        // Pieces are joined, not replaced in a text: a value that holds a place stays text.
        let mut text = String::new();
        for piece in &self.templates[&stage].sample {
            text.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Place(place) => value(place),
            });
        }
        text
    }
}

impl Template {
    fn read(
        files: &BTreeMap<String, String>,
        file: &str,
        places: &'static [&'static str],
    ) -> Result<Self, PromptError> {
        let Some(text) = files.get(file) else {
            let hint = "experiments/prompts has it";
            return Err(PromptError(format!("the prompt set has no `{file}`\n  hint: {hint}")));
        };
        let text = text.replace("\r\n", "\n");
        let lines: Vec<&str> = text.lines().collect();
        let borders: Vec<usize> =
            (0..lines.len()).filter(|&at| lines[at].trim() == SAMPLE_LINE).collect();
        let [border] = borders.as_slice() else {
            return Err(PromptError(format!(
                "`{file}` must have exactly one line `{SAMPLE_LINE}`, and has {}",
                borders.len()
            )));
        };
        // [G8] One user message: the role text, a blank line, the sample block.
        let role = lines[..*border].join("\n").trim_end().to_owned() + "\n\n";
        // It has no place of its own: the same text for every request.
        split_at_places(file, &role, 1, &[])?;
        let block = lines[border + 1..].join("\n");
        let sample = split_at_places(file, block.trim(), border + 2, places)?;
        if let Some(place) = places.iter().find(|p| !sample.contains(&Piece::Place(p))) {
            let lacks = format!("has no place `{{{{{place}}}}}` in its sample block");
            return Err(PromptError(format!("`{file}` {lacks}")));
        }
        // [R12] Only Prompts 8 and 9 show a response, and with it examples of six scores.
        let shows_scores = places.contains(&"response");
        let roles = if shows_scores { turns(&role) } else { vec![role] };
        Ok(Self { roles: roles.into_iter().map(Arc::from).collect(), sample })
    }
}

/// A role text with every list of integers, `[8,4,6]`, as it stands and turned by one, two .. places.
fn turns(role: &str) -> Vec<String> {
    let mut lists: Vec<(Range<usize>, Vec<&str>)> = Vec::new();
    for (open, _) in role.match_indices('[') {
        let Some(length) = role[open..].find(']') else { break };
        let inside = open + 1..open + length;
        let numbers: Vec<&str> = role[inside.clone()].split(',').map(str::trim).collect();
        if numbers.iter().all(|number| number.parse::<u8>().is_ok()) {
            lists.push((inside, numbers));
        }
    }
    let orders = lists.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(1);
    let turned = |turn: usize| {
        let mut text = role.to_owned();
        // From the end, so that earlier ranges stay where they are.
        for (inside, numbers) in lists.iter().rev() {
            let mut numbers = numbers.clone();
            let places = turn % numbers.len();
            numbers.rotate_left(places);
            text.replace_range(inside.clone(), &numbers.join(","));
        }
        text
    };
    (0..orders).map(turned).collect()
}

/// Cuts a text, which begins at a line of its file, at its places.
fn split_at_places(
    file: &str,
    text: &str,
    first_line: usize,
    places: &'static [&'static str],
) -> Result<Vec<Piece>, PromptError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{")
        && let Some((name, after)) = inside.split_once("}}")
    {
        let Some(place) = places.iter().find(|known| **known == name.trim()) else {
            let above = &text[..text.len() - inside.len()];
            let (line, place) = (first_line + above.matches('\n').count(), name.trim());
            let known = if places.is_empty() { "none".to_owned() } else { places.join(", ") };
            return Err(PromptError(format!(
                "`{file}` line {line}: `{{{{{place}}}}}` is no place of this prompt here; known: {known}"
            )));
        };
        pieces.extend([Piece::Text(before.to_owned()), Piece::Place(place)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// Numbered lines, as prompts list keywords, summaries and comments.
#[must_use]
pub fn numbered<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let lines: Vec<String> =
        (1..).zip(texts).map(|(n, text)| format!("{n}. {}", text.as_ref())).collect();
    lines.join("\n")
}
