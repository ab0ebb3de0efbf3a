//! How the method's machines ask and are answered: a question becomes a request, with its prompt, the shape of its
//! reply, and how many tokens that may take. How a reply is read is in [`form`](crate::form).

use crate::committee::DIMENSIONS;
use crate::domain::Domain;
use crate::form::{COMMENT, CRITERIA, DATA, INSTRUCTION, ITEM, KEYWORDS, SCORES};
use crate::method::{Member, Method, ReviewForm};
use crate::pool::ItemId;
use crate::prompt::PromptSet;
use crate::request::{Portion, Reply, Request, RequestId, ScoreReading, Stage};
use crate::shape::{Part, Shape};
use crate::similarity::Embedding;
use crate::stream::Stream;
use crate::thought;

/// Tokens that a reply may spend on tags, punctuation and scores beside its free text.
const FRAME_TOKENS: u32 = 96;

/// What a machine wants next.
#[derive(Debug)]
pub enum Step<T> {
    /// Replies to these requests, in this order. Never empty.
    Ask(Vec<Request>),
    /// Embeddings of these texts, in this order. Never empty.
    Embed(Vec<String>),
    /// Nothing: this is the result.
    Done(T),
}

/// What a machine is given for its last [`Step`].
#[derive(Debug)]
pub enum Answers {
    /// Nothing was asked yet.
    Start,
    /// One reply per request.
    Replies(Vec<Reply>),
    /// One embedding per text.
    Embeddings(Vec<Embedding>),
}

/// Turns a question of the method into a request: prompt, shape, sampling and the call's own seed.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Seed of the run; the root of every stream.
    pub run_seed: u64,
    /// The method's parameters.
    pub method: &'a Method,
    /// The prompts in use.
    pub prompts: &'a PromptSet,
}

/// One question to one model.
#[derive(Debug)]
pub struct Question<'a> {
    /// Seed item or candidate.
    pub subject: ItemId,
    /// Step of the method.
    pub stage: Stage,
    /// Reviewer's number from 0; 0 for stages with one model.
    pub seat: u8,
    /// 0 for the first try.
    pub attempt: u8,
    /// How many earlier seats of this stage the same model holds (only a model that reviews
    /// several times has any).
    pub repeat: u8,
    /// The model that is asked.
    pub member: &'a Member,
    /// How much of the reply is asked for.
    pub portion: Portion,
    /// How its scores are read.
    pub score_reading: ScoreReading,
    /// The text of the sample block.
    pub sample: String,
}

impl Asker<'_> {
    /// The request for a question.
    ///
    /// Its seed is drawn from a stream named by subject, stage, model, repeat and attempt (METHOD.md, R11). The
    /// seat is not part of the name: a model that reviews a candidate as second of three in one
    /// variant and alone in another makes the same call in both.
    #[must_use]
    pub fn request(&self, question: Question<'_>) -> Request {
        let name = [
            question.subject.to_string(),
            prompted(question.stage).name().to_owned(),
            question.member.name.to_string(),
            question.repeat.to_string(),
            question.attempt.to_string(),
        ];
        let seed = Stream::named(self.run_seed, &name.each_ref().map(String::as_str)).next_u64();
        self.request_with_seed(question, seed)
    }

    /// The same with a seed from a stream of another name.
    pub(crate) fn request_with_seed(&self, question: Question<'_>, seed: u64) -> Request {
        let Question { subject, stage, seat, attempt, member, .. } = question;
        let prompt_stage = prompted(stage);
        // [R12] The call's own seed also draws the order in which the prompt shows its examples' scores.
        let turn = if self.method.rotate_examples { seed } else { 0 };
        let thought_tokens = member.thought_tokens;
        Request {
            id: RequestId { subject, stage, seat, attempt },
            model: member.name.clone(),
            prompt: self.prompts.prompt_in_order(prompt_stage, turn, question.sample),
            // [G13] A thought stands before the form, with a budget of its own.
            shape: shape(prompt_stage, self.method).behind_thought(thought_tokens),
            portion: question.portion,
            score_reading: question.score_reading,
            sampling: member.sampling,
            max_tokens: max_tokens_with_thought(prompt_stage, self.method, thought_tokens),
            seed,
        }
    }
}

/// The stage whose prompt and stream a call has: a comment that is written late continues its review.
const fn prompted(stage: Stage) -> Stage {
    match stage {
        Stage::ReviewComment => Stage::ResponseReview,
        other => other,
    }
}

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
