//! A shape made ready for one vocabulary: literals as tokens, and what each step must reserve.

use gra_synth::shape::{Part, Shape};

use crate::vocabulary::{Token, Vocabulary, count};

/// A shape that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// No parts, or only empty literals.
    #[error("the shape has no parts")]
    Empty,
    /// Nothing says where the text ends.
    #[error("free text must be followed by a literal or be the last part")]
    OpenText,
    /// A choice without options, or with an empty one.
    #[error("a choice needs options, and none may be empty")]
    EmptyChoice,
    /// `min` is above `max`, or a list may hold no items.
    #[error("an integer range or a list is empty")]
    EmptyRange,
    /// A thought stands behind other parts, or was not written out as text
    /// ([`Shape::with_thought_as_text`]).
    #[error("a thought must be the first part, and be written out as text between its tags")]
    Thought,
    /// The vocabulary lacks a piece.
    #[error("the vocabulary cannot spell {0:?}")]
    Unspellable(String),
}

/// Forced text and the tokens that spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForcedText {
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
}

/// The literal that ends a free text.
#[derive(Clone, Debug)]
pub(super) struct Closer {
    pub(super) text: String,
    /// What ends the text when the model writes it: the distinctive beginning of the literal.
    pub(super) opening: String,
    /// Place `k`: what is left to feed when the first `k` bytes of the opening were written by the
    /// model as part of its text.
    remainders: Vec<Vec<Token>>,
}

impl Closer {
    pub(super) fn remainder(&self, written: usize) -> &[Token] {
        self.remainders.get(written).map_or(&[], Vec::as_slice)
    }

    fn cost(&self) -> u32 {
        self.remainders.iter().map(|tokens| count(tokens)).max().unwrap_or(0)
    }
}

/// A quoted list, with its forced texts.
#[derive(Clone, Debug)]
pub(super) struct QuotedList {
    pub(super) max_items: u8,
    pub(super) item_budget: u32,
    /// `["`
    pub(super) open: ForcedText,
    /// `"`
    pub(super) quote: ForcedText,
    /// `, "` after a quote
    pub(super) another: ForcedText,
    /// `]` after a quote
    pub(super) close: ForcedText,
    /// `", "`
    pub(super) quote_another: ForcedText,
    /// `"]`
    pub(super) quote_close: ForcedText,
}

impl QuotedList {
    fn new(
        max_items: u8,
        item_budget: u32,
        run: &impl Fn(&str) -> Result<ForcedText, ShapeError>,
    ) -> Result<Self, ShapeError> {
        Ok(Self {
            max_items,
            item_budget,
            open: run("[\"")?,
            quote: run("\"")?,
            another: run(", \"")?,
            close: run("]")?,
            quote_another: run("\", \"")?,
            quote_close: run("\"]")?,
        })
    }

    /// Most tokens from the end of an item's text to the end of the list.
    pub(super) fn close_cost(&self) -> u32 {
        let by_parts = count(&self.quote.tokens) + count(&self.close.tokens);
        by_parts.max(count(&self.quote_close.tokens))
    }

    /// Most tokens from the end of an item's text to the beginning of the next.
    pub(super) fn another_cost(&self) -> u32 {
        let by_parts = count(&self.quote.tokens) + count(&self.another.tokens);
        by_parts.max(count(&self.quote_another.tokens))
    }
}

/// One of several exact texts.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) options: Vec<String>,
    /// What the options stand for, where they are integers.
    pub(super) values: Option<Vec<u8>>,
    /// The literal that follows, which tells that an option is complete.
    pub(super) after: Option<String>,
    /// Whether nothing follows.
    pub(super) last: bool,
}

impl Choice {
    fn new(part: &Part, after: Option<&str>, last: bool) -> Self {
        let values = match part {
            Part::Integer { min, max } => Some((*min..=*max).collect()),
            _ => None,
        };
        Self { options: options(part), values, after: after.map(str::to_owned), last }
    }

    /// The smallest integer among the options that begin with `written`.
    pub(super) fn least(&self, written: &[u8]) -> f64 {
        let values = self.options.iter().zip(self.values.iter().flatten());
        let left = values.filter(|(option, _)| option.as_bytes().starts_with(written));
        left.map(|(_, &value)| f64::from(value)).reduce(f64::min).unwrap_or(0.0)
    }
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub(super) enum PlanStep {
    Force(ForcedText),
    Choose(Choice),
    Write {
        budget: u32,
        close_at_budget: bool,
        /// `false` only for [`Shape::free`]: the text may then be empty.
        visible: bool,
        closer: Option<Closer>,
    },
    List(Box<QuotedList>),
}

/// A compiled shape. The same for every request of one shape on one model.
#[derive(Clone, Debug)]
pub struct CompiledShape {
    pub(super) steps: Vec<PlanStep>,
    /// Place `i`: fewest tokens that are enough for steps `i..`, whatever the model writes.
    pub(super) reserve: Vec<u32>,
    most: u32,
}

impl CompiledShape {
    /// Compiles a shape. `tokenize` is the model's own tokenizer, without special tokens; its
    /// answers are checked, and spelled out where they do not give the text back.
    ///
    /// # Errors
    /// When the shape breaks its own rules or the vocabulary cannot spell its literals.
    pub fn compile(
        shape: &Shape,
        vocabulary: &Vocabulary,
        tokenize: &dyn Fn(&str) -> Vec<Token>,
    ) -> Result<Self, ShapeError> {
        let run = |text: &str| {
            let tokens = vocabulary.exactly(text, tokenize(text));
            let tokens = tokens.ok_or_else(|| ShapeError::Unspellable(text.to_owned()))?;
            Ok(ForcedText { text: text.to_owned(), tokens })
        };
        let parts = simplify(&shape.parts)?;
        let mut steps = Vec::with_capacity(parts.len());
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            let after = match parts.peek() {
                Some(Part::Literal(text)) => Some(text.as_str()),
                _ => None,
            };
            steps.push(match part {
                Part::Literal(text) => PlanStep::Force(run(text)?),
                Part::OneOf(_) | Part::Integer { .. } => {
                    let choice = Choice::new(part, after, parts.peek().is_none());
                    // Options are spelled as they are drawn; here it is only found out whether they can be.
                    for option in &choice.options {
                        run(option)?;
                    }
                    PlanStep::Choose(choice)
                }
                Part::Text { max_tokens, close_at_budget } => {
                    let closer = after.map(|text| closer(text, vocabulary, &run)).transpose()?;
                    // The closer belongs to the text: the model may write part of it.
                    if parts.next().is_some() && closer.is_none() {
                        return Err(ShapeError::OpenText);
                    }
                    PlanStep::Write {
                        budget: *max_tokens,
                        close_at_budget: *close_at_budget,
                        visible: !shape.is_free(),
                        closer,
                    }
                }
                Part::Thought { .. } => return Err(ShapeError::Thought),
                Part::QuotedList { max_items, max_item_tokens } => {
                    PlanStep::List(Box::new(QuotedList::new(*max_items, *max_item_tokens, &run)?))
                }
            });
        }
        if steps.is_empty() {
            return Err(ShapeError::Empty);
        }
        // From the end: each step keeps back what it and all steps behind it need.
        let mut reserve = vec![0; steps.len() + 1];
        for (i, step) in steps.iter().enumerate().rev() {
            reserve[i] = step.least().saturating_add(reserve[i + 1]);
        }
        let most = steps.iter().map(PlanStep::most).fold(0, u32::saturating_add);
        Ok(Self { steps, reserve, most })
    }

    /// Fewest tokens with which a reply of this shape can always be completed.
    #[must_use]
    pub fn least_tokens(&self) -> u32 {
        self.reserve[0]
    }

    /// Most tokens that a reply of this shape can take.
    #[must_use]
    pub const fn most_tokens(&self) -> u32 {
        self.most
    }

    /// Number of steps before the first free text; `None` without a free text, or when it comes first.
    pub(super) fn opening_steps(&self) -> Option<usize> {
        let text = |step: &PlanStep| matches!(step, PlanStep::Write { .. });
        self.steps.iter().position(text).filter(|&at| at > 0)
    }

    /// Most tokens of a reply's opening: of the whole reply where the plan has none.
    #[must_use]
    pub fn most_opening_tokens(&self) -> u32 {
        self.opening_steps().map_or(self.most, |end| {
            self.steps[..end].iter().map(PlanStep::most).fold(0, u32::saturating_add)
        })
    }

    /// The tokens of an opening that was written by this plan. An option that can be spelled in several
    /// ways (`10` as one token or two) is spelled in one; `None` when the text is no opening of this
    /// plan.
    #[must_use]
    pub fn retrace(&self, opening: &str, vocabulary: &Vocabulary) -> Option<Vec<Token>> {
        let mut rest = opening.as_bytes();
        let mut tokens = Vec::new();
        let steps = &self.steps[..self.opening_steps()?];
        for (at, step) in steps.iter().enumerate() {
            match step {
                PlanStep::Force(run) => {
                    rest = rest.strip_prefix(run.text.as_bytes())?;
                    tokens.extend_from_slice(&run.tokens);
                }
                PlanStep::Choose(Choice { options, .. }) => {
                    // Of `1` and `10` the one after which the next literal follows.
                    let next = match steps.get(at + 1) {
                        Some(PlanStep::Force(run)) => run.text.as_bytes(),
                        _ => &[],
                    };
                    let fits = |option: &&String| {
                        let after = rest.strip_prefix(option.as_bytes());
                        after.is_some_and(|after| after.starts_with(next))
                    };
                    let option = options.iter().filter(fits).max_by_key(|o| o.len())?;
                    tokens.extend(vocabulary.spell(option.as_bytes())?);
                    rest = &rest[option.len()..];
                }
                PlanStep::Write { .. } | PlanStep::List(_) => return None,
            }
        }
        rest.is_empty().then_some(tokens)
    }
}

impl PlanStep {
    fn least(&self) -> u32 {
        match self {
            Self::Force(run) => count(&run.tokens),
            Self::Choose(choice) => longest(&choice.options),
            Self::Write { visible, closer, .. } => {
                u32::from(*visible) + closer.as_ref().map_or(0, Closer::cost)
            }
            Self::List(list) => count(&list.open.tokens) + 1 + list.close_cost(),
        }
    }

    fn most(&self) -> u32 {
        match self {
            Self::Force(_) | Self::Choose(_) => self.least(),
            Self::Write { budget, closer, .. } => {
                budget.max(&1).saturating_add(closer.as_ref().map_or(0, Closer::cost))
            }
            Self::List(list) => {
                let item = list.item_budget.max(1).saturating_add(list.another_cost());
                item.saturating_mul(u32::from(list.max_items)).saturating_add(self.least())
            }
        }
    }

    /// What ends a text of this step when the model writes it; empty where only an end token does.
    pub(super) fn closer_opening(&self) -> &str {
        match self {
            Self::Write { closer: Some(closer), .. } => &closer.opening,
            Self::List(_) => "\"",
            _ => "",
        }
    }

    /// Tokens to keep back for the end of a text.
    pub(super) fn closing_cost(&self) -> u32 {
        match self {
            Self::Write { closer: Some(closer), .. } => closer.cost(),
            Self::List(list) => list.close_cost(),
            _ => 0,
        }
    }
}

/// Joins neighbouring literals and turns one-way choices into literals.
pub(crate) fn simplify(parts: &[Part]) -> Result<Vec<Part>, ShapeError> {
    let mut simple: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        // A range of one value is that value.
        let part = match part {
            Part::Literal(text) if text.is_empty() => continue,
            Part::Integer { min, max } if min > max => return Err(ShapeError::EmptyRange),
            Part::QuotedList { max_items: 0, .. } => return Err(ShapeError::EmptyRange),
            Part::Integer { min, max } if min == max => Part::Literal(min.to_string()),
            other => other.clone(),
        };
        let part = match part {
            Part::OneOf(options) if options.is_empty() || options.iter().any(String::is_empty) => {
                return Err(ShapeError::EmptyChoice);
            }
            Part::OneOf(mut options) if options.len() == 1 => Part::Literal(options.remove(0)),
            other => other,
        };
        match (simple.last_mut(), part) {
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => simple.push(part),
        }
    }
    Ok(simple)
}

/// The texts of a choice.
pub(crate) fn options(part: &Part) -> Vec<String> {
    match part {
        Part::OneOf(options) => options.clone(),
        Part::Integer { min, max } => (*min..=*max).map(|value| value.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn closer(
    text: &str,
    vocabulary: &Vocabulary,
    run: &impl Fn(&str) -> Result<ForcedText, ShapeError>,
) -> Result<Closer, ShapeError> {
    let opening = opening(text);
    let skipped = text.find(opening).unwrap_or(0);
    // Nothing of it written yet: the whole literal.
    let mut remainders = vec![run(text)?.tokens];
    for written in 1..opening.len() {
        let from = skipped + written;
        let tokens = match text.get(from..) {
            Some(rest) => Some(run(rest)?.tokens),
            // Inside a character: the model began it, its other bytes follow.
            None => vocabulary.spell(&text.as_bytes()[from..]),
        };
        remainders.push(tokens.ok_or_else(|| ShapeError::Unspellable(text.to_owned()))?);
    }
    Ok(Closer { text: text.to_owned(), opening: opening.to_owned(), remainders })
}

/// The part of a closing literal at which a text ends.
///
/// A tag (`<eoi>`) or a quote counts however much white space the model puts before it. Any other
/// literal counts up to the end of its first line that is not blank, white space included: without
/// it, words like `Score` would end a text that only mentions them.
pub(crate) fn opening(closer: &str) -> &str {
    let bare = closer.trim_start();
    if bare.starts_with('"') {
        return &bare[..1];
    }
    if bare.starts_with('<')
        && let Some(end) = bare.find('>')
    {
        return &bare[..=end];
    }
    let blank = closer.len() - bare.len();
    let line = bare.find('\n').map_or(closer.len(), |end| blank + end);
    &closer[..line]
}

fn longest(options: &[String]) -> u32 {
    // Every token of a choice adds at least one byte.
    options.iter().map(|o| u32::try_from(o.len()).unwrap_or(u32::MAX)).max().unwrap_or(0)
}
