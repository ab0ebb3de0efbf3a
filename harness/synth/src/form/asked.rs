//! What is asked for: the shape of each stage's reply, and how many tokens it may take.

use super::{COMMENT, CRITERIA, DATA, INSTRUCTION, ITEM, KEYWORDS, SCORES};
use crate::committee::DIMENSIONS;
use crate::domain::Domain;
use crate::method::{Method, ReviewForm};
use crate::request::Stage;
use crate::shape::{Part, Shape};
use crate::thought;

/// Tokens that a reply may spend on tags, punctuation and scores beside its free text.
const FRAME_TOKENS: u32 = 96;

/// The shape of a stage's reply.
#[must_use]
pub fn shape(stage: Stage, method: &Method) -> Shape {
    // The paper names no constraint on replies: without one they are read as they come.
    if !method.constrained {
        return Shape::free();
    }
    let limits = &method.limits;
    let literal = |text: &str| Part::Literal(text.to_owned());
    let framed = |before: &str, within: Vec<Part>, after: &str| {
        let mut parts = vec![literal(before)];
        parts.extend(within);
        parts.push(literal(after));
        parts
    };
    let domain = || Part::OneOf(Domain::ALL.map(|d| d.name().to_owned()).to_vec());
    // [G4] One to three keywords.
    let keywords = || Part::QuotedList { max_items: 3, max_item_tokens: limits.keyword };
    let text = |max_tokens, close_at_budget| Part::Text { max_tokens, close_at_budget };
    let parts = match stage {
        Stage::SeedDomain => {
            framed(&format!("{}\"domain\": \"", DATA.0), vec![domain()], &format!("\"{}", DATA.1))
        }
        Stage::SeedSummary | Stage::Summary => framed(
            &format!("{}\"summary\": \"", DATA.0),
            vec![text(limits.summary, true)],
            &format!("\"{}", DATA.1),
        ),
        Stage::SeedKeywords => {
            framed(&format!("{}\"keywords\": ", KEYWORDS.0), vec![keywords()], KEYWORDS.1)
        }
        Stage::Keywords => framed(
            &format!("{}\"domain\": \"", ITEM.0),
            vec![domain(), literal("\", \"keywords\": "), keywords()],
            ITEM.1,
        ),
        Stage::Instruction => framed(
            INSTRUCTION.0,
            vec![text(limits.instruction, method.close_long_texts)],
            INSTRUCTION.1,
        ),
        Stage::InstructionReview => {
            score_list(&CRITERIA, &Part::Integer { min: 0, max: 1 }, method.review_form)
        }
        Stage::Response => vec![text(limits.response, method.close_long_texts)],
        Stage::ResponseReview | Stage::ReviewComment | Stage::Adjudication => {
            // [R2] 1 to 10 are asked for, though 0 is read too.
            let score = Part::Integer { min: 1, max: 10 };
            let scores = score_list(&DIMENSIONS, &score, method.review_form);
            let comment = framed(COMMENT.0, vec![text(limits.comment, true)], COMMENT.1);
            let (first, second) = match method.review_form {
                ReviewForm::ScoresFirst | ReviewForm::Named => (scores, comment),
                ReviewForm::CommentFirst => (comment, scores),
            };
            joined([first, vec![literal("\n")], second])
        }
    };
    Shape { parts }
}

/// `<bos>[8,7,9]<eos>`, or with the name of each criterion before its number.
fn score_list(criteria: &[&str], score: &Part, form: ReviewForm) -> Vec<Part> {
    let mut parts = vec![Part::Literal(format!("{}[", SCORES.0))];
    for (place, criterion) in criteria.iter().enumerate() {
        let before = match (form, place) {
            (ReviewForm::Named, 0) => format!("{criterion}: "),
            (ReviewForm::Named, _) => format!(", {criterion}: "),
            (_, 0) => String::new(),
            (_, _) => ",".to_owned(),
        };
        parts.extend([Part::Literal(before), score.clone()]);
    }
    parts.push(Part::Literal(format!("]{}", SCORES.1)));
    joined([parts])
}

/// One list of parts, in which no literal is empty and no two stand side by side.
fn joined(lists: impl IntoIterator<Item = Vec<Part>>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for part in lists.into_iter().flatten() {
        match (parts.last_mut(), part) {
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, Part::Literal(text)) if text.is_empty() => {}
            (_, part) => parts.push(part),
        }
    }
    parts
}

/// Most new tokens of a reply that may begin with a thought of so many: the answer's, the thought's and
/// those of its tags.
#[must_use]
pub const fn max_tokens_with_thought(stage: Stage, method: &Method, thought_tokens: u32) -> u32 {
    let answer = max_tokens(stage, method);
    if thought_tokens == 0 {
        return answer;
    }
    answer.saturating_add(thought_tokens).saturating_add(thought::FRAME_TOKENS)
}

/// Most new tokens of a stage's answer. An answer that is held to no shape may take as many as a
/// response: a model that writes around the format should be read, not cut off.
#[must_use]
pub const fn max_tokens(stage: Stage, method: &Method) -> u32 {
    let limits = &method.limits;
    if !method.constrained {
        return limits.response;
    }
    match stage {
        Stage::SeedDomain | Stage::InstructionReview => FRAME_TOKENS,
        Stage::SeedSummary | Stage::Summary => limits.summary.saturating_add(FRAME_TOKENS),
        Stage::SeedKeywords | Stage::Keywords => {
            limits.keyword.saturating_mul(3).saturating_add(FRAME_TOKENS)
        }
        Stage::Instruction => limits.instruction.saturating_add(FRAME_TOKENS),
        Stage::Response => limits.response,
        Stage::ResponseReview | Stage::ReviewComment | Stage::Adjudication => {
            limits.comment.saturating_add(FRAME_TOKENS)
        }
    }
}
