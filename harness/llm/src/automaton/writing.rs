//! Free text: drawn until its closer begins, the model ends it or its budget is spent. The items of a quoted list are
//! such texts; after each, another one or the end.

use gra_synth::request::Finish;

use super::compiled_shape::{ForcedText, PlanStep, QuotedList};
use super::{Automaton, DrawInput, Now};
use crate::sampler::{Allowed, Candidates};
use crate::vocabulary::{
    Token, TokenKind, Vocabulary, continues_utf8, count, must_be_escaped, valid_utf8_len,
};

/// Blank tokens that a text may begin with. A model that begins with line breaks is let; one that
/// writes nothing else must not use up its budget on them.
const MAX_BLANK_START: u32 = 8;

/// A text in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    /// Byte of the reply at which it begins.
    start: usize,
    used: u32,
    budget: u32,
    /// Whether it must hold more than white space.
    visible: bool,
    /// Items before it, where it is one of a list's.
    items: u8,
}

/// How a token goes on with a text.
enum TokenEffect {
    /// The reply would become wrong.
    Refused,
    /// The text goes on.
    On,
    /// The budget is spent; the token still belongs to the text.
    Spent,
    /// The text ends at byte `at`; `rest` is what the token holds after the closer's beginning.
    Closed { at: usize, rest: Vec<u8> },
}

/// How a text ended, for what follows it.
struct Ended {
    /// Tokens to feed that belong to the text.
    feed: Vec<Token>,
    /// First bytes of the closer that were fed as text.
    written: usize,
    /// What the model wrote after the closer's beginning; not fed.
    rest: Vec<u8>,
    /// Whether an end token ended it.
    by_end: bool,
}

impl Automaton {
    /// A text that begins here, with as much of its budget as the token limit leaves.
    pub(super) fn writing(&self, budget: u32, visible: bool, items: u8) -> Writing {
        // What closes this text and what all later steps need is not for the text.
        let kept = self.plan.steps[self.at].closing_cost() + self.plan.reserve[self.at + 1];
        let left = self.draws.max_tokens.saturating_sub(self.used).saturating_sub(kept);
        // The plan reserved one token for every text.
        let budget = budget.min(left).max(1);
        Writing { start: self.reply.len(), used: 0, budget, visible, items }
    }

    /// Draws the next token of a text: of the plan's current step, or of an item of a list.
    pub(super) fn write(
        &mut self,
        step: &PlanStep,
        text: Writing,
        input: &mut DrawInput<'_>,
    ) -> Vec<Token> {
        let vocabulary = input.vocabulary;
        let quoted = matches!(step, PlanStep::List(_));
        // A character that was begun is completed first.
        let midway = self.midway(vocabulary, quoted);
        if !midway.is_empty()
            && let Some(feed) = self.try_tokens(step, text, Allowed::Only(&midway), input)
        {
            return feed;
        }
        // A character that nothing completes is dropped.
        self.cut_unfinished_character();
        // A text must not end before it holds more than white space.
        let may_end = !text.visible || self.has_visible(text.start, self.reply.len());
        let bias = if quoted { vocabulary.quoted_bias() } else { vocabulary.text_bias() };
        let also = if may_end { vocabulary.ends() } else { &[] };
        let allowed = Allowed::Biased { bias, also };
        self.try_tokens(step, text, allowed, input).unwrap_or_else(|| self.give_up())
    }

    /// The tokens that go on with the unfinished character at the reply's end; none if there is
    /// none.
    fn midway(&self, vocabulary: &Vocabulary, quoted: bool) -> Vec<Token> {
        let pending = &self.reply[valid_utf8_len(&self.reply)..];
        if pending.is_empty() {
            return Vec::new();
        }
        let fits = |token: &Token| {
            let piece = vocabulary.piece(*token);
            continues_utf8(pending, piece) && !(quoted && must_be_escaped(piece))
        };
        vocabulary.midway().iter().copied().filter(fits).collect()
    }

    /// Draws among the allowed tokens until one does not make the reply wrong. `None` when all do.
    fn try_tokens(
        &mut self,
        step: &PlanStep,
        text: Writing,
        allowed: Allowed<'_>,
        input: &mut DrawInput<'_>,
    ) -> Option<Vec<Token>> {
        let (opening, vocabulary) = (step.closer_opening(), input.vocabulary);
        let mut refused = Vec::new();
        loop {
            // Each further try is a draw of its own.
            let uniform = self.stream.draw(self.used, count(&refused));
            let sampling = self.draws.sampling;
            let candidates = Candidates { allowed, refused: &refused };
            let token = input.sampler.draw(input.logits, candidates, sampling, uniform)?;
            if vocabulary.kind(token) == TokenKind::End {
                // The model ended the reply in the middle of the closer: it is completed all the same.
                let written = self.take_back_beginning(text.start, opening);
                let ended = Ended { feed: Vec::new(), written, rest: Vec::new(), by_end: true };
                return Some(self.ended(step, text.items, ended));
            }
            let piece = vocabulary.piece(token);
            let before = self.reply.len();
            match self.judge(text, opening, piece) {
                TokenEffect::Refused => {}
                TokenEffect::On => {
                    self.used = self.used.saturating_add(1);
                    self.now = Now::Writing(Writing { used: text.used + 1, ..text });
                    return Some(vec![token]);
                }
                TokenEffect::Spent => {
                    self.used = self.used.saturating_add(1);
                    return Some(self.budget_spent(step, text, token));
                }
                TokenEffect::Closed { at, rest } => {
                    // Of a token that runs over the border only the text is fed.
                    let tail = self.reply.get(before..at).unwrap_or_default();
                    if let Some(feed) = vocabulary.spell(tail)
                        && count(&feed) <= text.budget - text.used
                    {
                        self.reply.truncate(at);
                        self.used = self.used.saturating_add(count(&feed));
                        let written = before.saturating_sub(at);
                        let ended = Ended { feed, written, rest, by_end: false };
                        return Some(self.ended(step, text.items, ended));
                    }
                }
            }
            // Taken back, and drawn again without it.
            self.reply.truncate(before);
            refused.push(token);
        }
    }

    /// Appends a piece to the reply and says what that means for the text.
    fn judge(&mut self, text: Writing, opening: &str, piece: &[u8]) -> TokenEffect {
        // The closer may have begun in an earlier token.
        let overlap = opening.len().saturating_sub(1);
        let from = self.reply.len().saturating_sub(overlap).max(text.start);
        self.reply.extend_from_slice(piece);
        if let Some(found) = find(&self.reply[from..], opening.as_bytes()) {
            let at = from + found;
            if text.visible && !self.has_visible(text.start, at) {
                return TokenEffect::Refused;
            }
            let rest = self.reply[at + opening.len()..].to_vec();
            return TokenEffect::Closed { at, rest };
        }
        // What would spend the budget on white space, or begins with too much of it, is refused.
        let last = text.used + 1 >= text.budget;
        if (last || text.used >= MAX_BLANK_START)
            && text.visible
            && !self.has_visible(text.start, self.reply.len())
        {
            return TokenEffect::Refused;
        }
        if last { TokenEffect::Spent } else { TokenEffect::On }
    }

    /// The budget is spent with this token.
    fn budget_spent(&mut self, step: &PlanStep, text: Writing, token: Token) -> Vec<Token> {
        self.cut_unfinished_character();
        if let PlanStep::Write { close_at_budget: false, .. } = step {
            self.finish = Some(Finish::Length);
            return vec![token];
        }
        let written = self.take_back_beginning(text.start, step.closer_opening());
        let ended = Ended { feed: vec![token], written, rest: Vec::new(), by_end: false };
        self.ended(step, text.items, ended)
    }

    /// Goes on after a text, behind so many items of its list.
    fn ended(&mut self, step: &PlanStep, items: u8, ended: Ended) -> Vec<Token> {
        if let PlanStep::List(list) = step {
            return self.item_ended(list, items, ended);
        }
        let mut feed = ended.feed;
        if let PlanStep::Write { closer: Some(closer), .. } = step {
            // What the model wrote of it was fed, and taken out of the reply: the whole closer follows there.
            let tokens = closer.remainder(ended.written);
            self.reply.extend_from_slice(closer.text.as_bytes());
            self.used = self.used.saturating_add(count(tokens));
            feed.extend_from_slice(tokens);
        }
        self.enter(self.at + 1, &mut feed);
        feed
    }

    /// When the text ends with the beginning of its closer (`</com`), takes that out of the text:
    /// the closer is completed instead of written behind it. Gives the bytes taken out.
    fn take_back_beginning(&mut self, start: usize, opening: &str) -> usize {
        self.cut_unfinished_character();
        let longest = opening.len().saturating_sub(1).min(self.reply.len() - start);
        let found = (1..=longest).rev().find(|n| {
            let at = self.reply.len() - n;
            self.reply[at..] == opening.as_bytes()[..*n] && self.has_visible(start, at)
        });
        let taken = found.unwrap_or(0);
        self.reply.truncate(self.reply.len() - taken);
        taken
    }

    /// An item's text has ended: goes on as the model's last token said, or asks it.
    fn item_ended(&mut self, list: &QuotedList, items: u8, ended: Ended) -> Vec<Token> {
        let items = items.saturating_add(1);
        let mut feed = ended.feed;
        // A token such as `",` or `"]` has already said how the list goes on.
        let next = ended.rest.trim_ascii_start().first();
        if ended.by_end || next == Some(&b']') || !self.may_add(list, items) {
            self.close_list(&list.quote_close, &mut feed);
        } else if next == Some(&b',') {
            self.begin_item(list, &list.quote_another, items, &mut feed);
        } else {
            self.force(&list.quote, &mut feed);
            self.now = Now::Deciding { items };
        }
        feed
    }

    /// Draws between a comma and the closing bracket, after an item's closing quote.
    pub(super) fn decide(
        &mut self,
        list: &QuotedList,
        items: u8,
        input: &mut DrawInput<'_>,
    ) -> Vec<Token> {
        let vocabulary = input.vocabulary;
        // Everything that begins with a comma or a bracket; what else such tokens hold is not fed.
        let mut tokens = vocabulary.starting_with(b",").to_vec();
        tokens.extend_from_slice(vocabulary.starting_with(b"]"));
        tokens.extend_from_slice(vocabulary.ends());
        let uniform = self.stream.draw(self.used, 0);
        let allowed = Allowed::Only(&tokens).into();
        let drawn = input.sampler.draw(input.logits, allowed, self.draws.sampling, uniform);
        let mut feed = Vec::new();
        if drawn.is_some_and(|token| vocabulary.piece(token).starts_with(b",")) {
            self.begin_item(list, &list.another, items, &mut feed);
        } else {
            self.close_list(&list.close, &mut feed);
        }
        feed
    }

    fn close_list(&mut self, run: &ForcedText, feed: &mut Vec<Token>) {
        self.force(run, feed);
        self.enter(self.at + 1, feed);
    }

    /// Begins an item behind so many others.
    pub(super) fn begin_item(
        &mut self,
        list: &QuotedList,
        run: &ForcedText,
        items: u8,
        feed: &mut Vec<Token>,
    ) {
        self.force(run, feed);
        self.now = Now::Writing(self.writing(list.item_budget, true, items));
    }

    /// Whether the list may hold another item, and the token limit leaves room for it.
    fn may_add(&self, list: &QuotedList, items: u8) -> bool {
        // An item takes a token at least, and the list must still be closed behind it.
        let needed = list.another_cost() + 1 + list.close_cost() + self.plan.reserve[self.at + 1];
        items < list.max_items && self.used.saturating_add(needed) <= self.draws.max_tokens
    }

    /// Whether the complete characters of this stretch of the reply are more than white space.
    fn has_visible(&self, start: usize, end: usize) -> bool {
        let stretch = &self.reply[start..end];
        let complete = &stretch[..valid_utf8_len(stretch)];
        std::str::from_utf8(complete).is_ok_and(|text| !text.trim().is_empty())
    }
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    if pattern.is_empty() {
        return None;
    }
    text.windows(pattern.len()).position(|window| window == pattern)
}
