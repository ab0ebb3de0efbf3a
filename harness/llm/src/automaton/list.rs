//! A quoted list: after each item, another one or the end.

use std::sync::Arc;

use super::compiled_shape::{ForcedText, ListTexts, PlanStep};
use super::writing::Ended;
use super::{Automaton, DrawInput, Now};
use crate::sampler::Allowed;
use crate::vocabulary::Token;

impl Automaton {
    /// An item's text has ended: goes on as the model's last token said, or asks it.
    pub(super) fn item_ended(&mut self, ended: Ended, items: u8) -> Vec<Token> {
        let plan = Arc::clone(&self.plan);
        let Some(PlanStep::List { runs, .. }) = plan.steps.get(self.at) else {
            return self.give_up();
        };
        let items = items.saturating_add(1);
        let mut feed = ended.feed;
        // A token such as `",` or `"]` has already said how the list goes on.
        let next = ended.rest.trim_ascii_start().first();
        if ended.by_end || next == Some(&b']') || !self.may_add(items, runs) {
            self.close_list(&runs.quote_close, &mut feed);
        } else if next == Some(&b',') {
            self.add_item(&runs.quote_another, items, &mut feed);
        } else {
            self.force(&runs.quote, &mut feed);
            self.now = Now::Deciding { items };
        }
        feed
    }

    /// Draws between a comma and the closing bracket, after an item's closing quote.
    pub(super) fn decide(&mut self, items: u8, input: &mut DrawInput<'_>) -> Vec<Token> {
        let plan = Arc::clone(&self.plan);
        let Some(PlanStep::List { runs, .. }) = plan.steps.get(self.at) else {
            return self.give_up();
        };
        let vocabulary = input.vocabulary;
        let commas = vocabulary.starting_with(b",");
        // Everything that begins with a comma or a bracket; what else such tokens hold is not fed.
        let mut tokens = commas.to_vec();
        tokens.extend_from_slice(vocabulary.starting_with(b"]"));
        tokens.extend_from_slice(vocabulary.ends());
        let uniform = self.stream.draw(self.used, 0);
        let allowed = Allowed::Only(&tokens).into();
        let drawn = input.sampler.draw(input.logits, allowed, self.draws.sampling, uniform);
        let mut feed = Vec::new();
        if drawn.is_some_and(|token| vocabulary.piece(token).starts_with(b",")) {
            self.add_item(&runs.another, items, &mut feed);
        } else {
            self.close_list(&runs.close, &mut feed);
        }
        feed
    }

    fn close_list(&mut self, run: &ForcedText, feed: &mut Vec<Token>) {
        self.force(run, feed);
        self.enter(self.at + 1, feed);
    }

    fn add_item(&mut self, run: &ForcedText, items: u8, feed: &mut Vec<Token>) {
        self.force(run, feed);
        let budget = match &self.plan.steps[self.at] {
            PlanStep::List { item_budget, .. } => *item_budget,
            _ => 1,
        };
        let text = self.writing(budget, true);
        self.now = Now::Writing { text, items };
    }

    /// Whether the list may hold another item, and the token limit leaves room for it.
    fn may_add(&self, items: u8, runs: &ListTexts) -> bool {
        let PlanStep::List { max_items, .. } = &self.plan.steps[self.at] else { return false };
        // An item takes a token at least, and the list must still be closed behind it.
        let needed = runs.another_cost() + 1 + runs.close_cost() + self.plan.reserve[self.at + 1];
        items < *max_items && self.used.saturating_add(needed) <= self.draws.max_tokens
    }
}
