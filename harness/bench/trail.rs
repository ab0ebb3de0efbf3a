//! The trail of a candidate as data, as the paper's Case 1 tells one: what was drawn, which model was asked what
//! and said what, which rule settled it. `inspect` prints trails, a report embeds them, `view` serves them. And what a run
//! shows of them in the end: a candidate in a few lines of a terminal.

use std::collections::BTreeMap;

use anyhow::Result;
use gra_paper::grid::{fill, fixed};
use gra_synth::candidate::{Candidate, Outcome, ResponseReview};
use gra_synth::committee::Decision;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::RequestId;
use serde::Serialize;

use crate::store::{CallRow, Store};
use crate::trial::stored::StoredTrial;

/// Everything that is known of one candidate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trail {
    /// The recorded facts.
    pub(crate) candidate: Candidate,
    /// The pool items that the generator saw, in drawn order.
    pub(crate) examples: Vec<TrailItem>,
    /// What the committee's scores led to.
    pub(crate) committee_rule: Option<String>,
    /// What the adjudicator's scores led to.
    pub(crate) adjudicator_rule: Option<String>,
    /// What the nearest item of the pool led to.
    pub(crate) nearest_rule: Option<String>,
    /// That item.
    pub(crate) nearest: Option<TrailItem>,
    /// Every call about it, in the order of the method.
    pub(crate) calls: Vec<TrailCall>,
}

/// A seed item or sample that a trail names.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrailItem {
    /// Which.
    pub(crate) id: ItemId,
    /// Its instruction; `None` where it is not on record.
    pub(crate) instruction: Option<String>,
}

/// A call and its raw reply.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrailCall {
    /// Which call.
    #[serde(flatten)]
    pub(crate) id: RequestId,
    /// The model that was asked.
    pub(crate) model: String,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: u32,
    /// Tokens of the reply.
    pub(crate) reply_tokens: u32,
    /// Whether an earlier variant of the experiment had asked the same.
    pub(crate) shared: bool,
    /// First digits of the key that the reply is stored under.
    pub(crate) key: String,
    /// `None` where the store has no such reply any more.
    pub(crate) reply: Option<TrailReply>,
}

/// What came back from a model, or from its engine instead.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrailReply {
    /// Why it ended.
    pub(crate) finish: String,
    /// Reply tokens that are thought, by its share of the characters; 0 without one.
    pub(crate) thought_tokens: u32,
    /// Why the engine could not answer; `text` is then what it said instead.
    pub(crate) failure: Option<String>,
    /// How tokens were drawn.
    pub(crate) temperature: f32,
    /// Likewise: the nucleus mass.
    pub(crate) top_p: f32,
    /// Most new tokens.
    pub(crate) max_tokens: u32,
    /// Seed of the call, as text: it may exceed what a page counts exactly.
    pub(crate) seed: String,
    /// Engine and file that answered.
    pub(crate) fingerprint: String,
    /// The exact user message, where prompts are wanted.
    pub(crate) prompt: Option<String>,
    /// As the model wrote it.
    pub(crate) text: String,
}

/// Reads the trails of a trial.
#[derive(Debug)]
pub(crate) struct TrailReader<'a> {
    store: &'a Store,
    trial: &'a StoredTrial,
    with_prompts: bool,
    /// Instructions that were looked up before: many candidates see the same pool items.
    instructions: BTreeMap<ItemId, Option<String>>,
}

impl<'a> TrailReader<'a> {
    /// Reads from the store. Exact prompts are several times as long as replies.
    pub(crate) const fn new(store: &'a Store, trial: &'a StoredTrial, with_prompts: bool) -> Self {
        Self { store, trial, with_prompts, instructions: BTreeMap::new() }
    }

    /// The trail of a candidate.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn read(&mut self, candidate: Candidate) -> Result<Trail> {
        let method = &self.trial.record.settings.method;
        let examples = candidate.examples.iter().map(|&id| self.item(id)).collect::<Result<_>>()?;
        let nearest = candidate.nearest.map(|nearest| self.item(nearest.id)).transpose()?;
        let word = candidate.adjudication.as_ref();
        // Rules are told anew from the recorded scores: what is shown is what decided.
        Ok(Trail {
            examples,
            committee_rule: committee_rule(&candidate, method),
            adjudicator_rule: word.map(|word| adjudicator_rule(word, method)),
            nearest_rule: nearest_rule(&candidate, method),
            nearest,
            calls: self.calls(candidate.id)?,
            candidate,
        })
    }

    /// Every call about a candidate or a seed item, in the order of the method.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn calls(&self, subject: ItemId) -> Result<Vec<TrailCall>> {
        let calls = self.store.calls(self.trial.row, Some(subject))?;
        calls.into_iter().map(|call| self.call(call)).collect()
    }

    fn call(&self, CallRow { fact, key }: CallRow) -> Result<TrailCall> {
        let reply = self.store.completion(&key)?.map(|completion| TrailReply {
            finish: format!("{:?}", completion.reply.finish),
            thought_tokens: completion.reply.thought_tokens(),
            failure: completion.reply.failure().map(|failure| failure.to_string()),
            temperature: completion.settings.sampling.temperature,
            top_p: completion.settings.sampling.top_p,
            max_tokens: completion.settings.max_tokens,
            seed: completion.settings.seed.to_string(),
            fingerprint: completion.fingerprint,
            prompt: self.with_prompts.then_some(completion.prompt),
            text: completion.reply.text,
        });
        Ok(TrailCall {
            id: fact.id,
            model: fact.model.to_string(),
            prompt_tokens: fact.prompt_tokens,
            reply_tokens: fact.reply_tokens,
            shared: fact.shared,
            // Enough to find it by; the whole of it is in the store.
            key: format!("{key:.12}"),
            reply,
        })
    }

    fn item(&mut self, id: ItemId) -> Result<TrailItem> {
        if let Some(instruction) = self.instructions.get(&id) {
            return Ok(TrailItem { id, instruction: instruction.clone() });
        }
        let (store, row) = (self.store, self.trial.row);
        let instruction = match id {
            ItemId::Seed(_) => store.seed_item(row, id)?.map(|seed| seed.instruction),
            ItemId::Candidate { .. } => store.candidate(row, id)?.and_then(|one| one.instruction),
        };
        // Also what is not on record: it is not looked for again.
        self.instructions.insert(id, instruction.clone());
        Ok(TrailItem { id, instruction })
    }
}

/// What the committee's scores led to, with the numbers; `None` for candidates that no committee decided.
fn committee_rule(candidate: &Candidate, method: &Method) -> Option<String> {
    let (tau, delta) = (method.tau, method.delta);
    if let (Some(tally), Some(decision)) = (candidate.tally(), candidate.decision) {
        let rule = match decision {
            Decision::Reject => format!("mu < tau {tau}: rejected"),
            Decision::Accept => format!("mu >= tau {tau} and sigma <= delta {delta}: accepted"),
            Decision::Dispute => format!("mu >= tau {tau} and sigma > delta {delta}: disputed"),
        };
        return Some(format!("mu {:.4}, sigma {:.4}; {rule}", tally.mu(), tally.sigma()));
    }
    // A committee that was not asked to its end: what was missing could not have changed the decision.
    let left = candidate.roles.reviewers.len().checked_sub(candidate.response_reviews.len())?;
    (candidate.decision == Some(Decision::Reject)).then(|| {
        format!("nothing but tens from {left} more could not lift mu to tau {tau}: rejected")
    })
}

fn adjudicator_rule(word: &ResponseReview, method: &Method) -> String {
    let tau = method.tau;
    let (sign, verdict) =
        if word.scores.reach(tau) { (">=", "accepted") } else { ("<", "rejected") };
    format!("s_A {:.4} {sign} tau {tau}: {verdict}", word.scores.mean())
}

/// `None` for candidates that were not compared.
fn nearest_rule(candidate: &Candidate, method: &Method) -> Option<String> {
    let nearest = candidate.nearest?;
    let is_duplicate = candidate.outcome == Some(Outcome::Duplicate);
    // The outcome and not the cosine tells: below the limit a rounded cosine may look like it.
    let (sign, verdict) = if is_duplicate { (">=", "duplicate") } else { ("<", "kept") };
    let limit = method.cosine_limit;
    let cosine = fixed(nearest.cosine, 4);
    Some(format!("{} at cosine {cosine} {sign} {limit}: {verdict}", nearest.id))
}

/// Columns of a terminal that an excerpt fills.
const WIDTH: usize = 80;

/// Lines of a text that an excerpt shows.
const LINES: usize = 4;

/// A candidate that was accepted and one that was not, the first of each in the order of the method, in a few lines each:
/// texts, who scored them how, and why it ended as it did. Of what was not accepted, one whose response was reviewed
/// tells more than one that ended before.
pub(crate) fn excerpts(candidates: &[Candidate], method: &Method) -> impl Iterator<Item = String> {
    let ended = |candidate: &&Candidate| {
        use Outcome::{AdjudicatedOut, Malformed, Rejected, Vetoed, VotedOut};
        match candidate.outcome {
            Some(Rejected | AdjudicatedOut | VotedOut) => Some(0),
            Some(Vetoed) => Some(1),
            Some(Malformed { .. }) if candidate.instruction.is_some() => Some(2),
            _ => None,
        }
    };
    let accepted = candidates.iter().find(|candidate| candidate.is_sample());
    let others = candidates.iter().filter(|candidate| ended(candidate).is_some());
    // The first of the lowest rank.
    accepted.into_iter().chain(others.min_by_key(ended)).map(|one| excerpt(one, method))
}

fn excerpt(candidate: &Candidate, method: &Method) -> String {
    let Candidate { id, roles, .. } = candidate;
    let outcome = candidate.outcome.map_or("under way", Outcome::name);
    let domain = candidate.domain.map_or_else(String::new, |domain| format!(", {domain}"));
    let mut lines = vec![format!("{outcome}: {id}{domain}, by {}", roles.generator)];
    lines.extend(filled(candidate.instruction.as_deref().unwrap_or_default(), "  | "));
    lines.extend(filled(candidate.response.as_deref().unwrap_or_default(), "  > "));
    lines.extend(filled(&reason(candidate, method), "  "));
    lines.join("\n")
}

/// Who scored it how, and the rule that ended it or let it pass.
fn reason(candidate: &Candidate, method: &Method) -> String {
    let mut said: Vec<String> = Vec::new();
    if candidate.outcome == Some(Outcome::Vetoed) {
        let zeros = candidate.instruction_reviews.iter().filter(|r| r.bits.contains(&false));
        let zeros: Vec<&str> = zeros.map(|review| review.reviewer.as_str()).collect();
        said.push(format!(
            "{} found the instruction not reasonable, complete and clear",
            zeros.join(", ")
        ));
    }
    let scored = candidate.response_reviews.iter();
    let scored = scored.map(|review| format!("{} {:.2}", review.reviewer, review.scores.mean()));
    let scored: Vec<String> = scored.collect();
    if !scored.is_empty() {
        said.push(scored.join(", "));
    }
    said.extend(committee_rule(candidate, method));
    said.extend(
        candidate.adjudication.as_ref().map(|word| {
            format!("adjudicator {}: {}", word.reviewer, adjudicator_rule(word, method))
        }),
    );
    if let Some(Outcome::Malformed { stage }) = candidate.outcome {
        said.push(format!("no readable reply of the stage {stage}"));
    }
    said.join("; ")
}

/// A text of any length in lines of the terminal's width, the last of them cut with `..`; none for an empty text.
fn filled(text: &str, margin: &str) -> Vec<String> {
    let room = WIDTH - margin.len();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut broken = String::new();
    fill(&mut broken, &words.join(" "), room, 0);
    // A word that is longer than a line is cut like a text that is longer than its lines.
    let mut lines: Vec<String> =
        broken.lines().take(LINES).map(|line| line.chars().take(room).collect()).collect();
    if let Some(last) = lines.last_mut().filter(|_| broken.lines().nth(LINES).is_some()) {
        *last = last.chars().take(room - 3).chain(" ..".chars()).collect();
    }
    lines.into_iter().map(|line| format!("{margin}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fills_its_lines_and_says_where_it_is_cut() {
        assert_eq!(filled("", "| "), Vec::<String>::new());
        assert_eq!(filled("one\n  two\tthree", "| "), ["| one two three"]);
        let long = filled(&"lengthy ".repeat(80), "  | ");
        assert_eq!(long.len(), LINES);
        assert!(long.iter().all(|line| line.chars().count() <= WIDTH), "{long:?}");
        assert!(long[LINES - 1].ends_with("lengthy .."), "{long:?}");
        let one_word = filled(&"x".repeat(200), "  > ");
        assert_eq!(one_word, [format!("  > {}", "x".repeat(WIDTH - 4))]);
    }
}
