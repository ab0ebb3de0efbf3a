//! The rules that end a candidate or let it pass (paper, sections 3.3 to 3.5).

use super::{Round, RoundOutcome};
use crate::candidate::{Neighbour, Outcome};
use crate::committee::{Decision, Scores, majority_reaches};
use crate::dedup::{Contender, dedup, nearest};
use crate::form::{Malformed, folded};
use crate::method::{Method, TargetCut};
use crate::pool::{ItemId, Pool};
use crate::request::Stage;
use crate::similarity::Embedding;
use crate::step::Step;
use crate::variant::DisputeRule;

impl Round<'_> {
    /// Whether a candidate's new keywords are new: neither the prompt's own example nor the set of one of the
    /// candidate's examples (METHOD.md, G6).
    pub(super) fn check_keywords(&self, at: usize) -> Result<(), Malformed> {
        let candidate = &self.candidates[at];
        let prompts = self.setting.asker.prompts;
        if candidate.keywords.iter().any(|word| prompts.shows_keyword(Stage::Keywords, word)) {
            return Err(Malformed::CopiedExample);
        }
        // Compared as sets, case apart: another order of the same keywords is no new set.
        let own = folded(&candidate.keywords);
        let repeats = candidate.examples.iter().any(|id| {
            let example = self.pool().and_then(|pool| pool.annotation(*id));
            example.is_some_and(|example| folded(&example.keywords) == own)
        });
        if repeats { Err(Malformed::RepeatedKeywords) } else { Ok(()) }
    }

    /// Ends the candidates that are decided before every reviewer was asked.
    pub(super) fn spare_reviewers(&mut self) {
        let economy = self.economy();
        match self.stage {
            Stage::InstructionReview if economy.veto_short_circuit => self.drop_vetoed(),
            Stage::ResponseReview if economy.bound_pruning => self.drop_hopeless(),
            _ => {}
        }
    }

    /// One zero from any reviewer ends a candidate (paper, section 3.3).
    pub(super) fn drop_vetoed(&mut self) {
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            if candidate.is_vetoed() {
                candidate.outcome = Some(Outcome::Vetoed);
            }
        }
    }

    /// Rejects what cannot reach tau any more, even if every reviewer left gave only tens.
    fn drop_hopeless(&mut self) {
        let tau = self.method().tau;
        let seats = u32::from(self.setting.variant.reviews());
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            let Some(tally) = candidate.tally_so_far() else { continue };
            let left = seats.saturating_sub(tally.reviewers);
            if left > 0 && tally.cannot_reach(left, tau) {
                candidate.decision = Some(Decision::Reject);
                candidate.outcome = Some(Outcome::Rejected);
            }
        }
    }

    /// Compares mu with tau and sigma with delta (paper, section 3.3); what is accepted or disputed stays open.
    pub(super) fn decide(&mut self) {
        let Method { tau, delta, .. } = *self.method();
        let rule = self.setting.variant.dispute;
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            let Some(tally) = candidate.tally() else { continue };
            let decision = tally.decide(tau, delta);
            candidate.decision = Some(decision);
            let scores: Vec<Scores> =
                candidate.response_reviews.iter().map(|review| review.scores).collect();
            candidate.outcome = match (decision, rule) {
                (Decision::Reject, _) => Some(Outcome::Rejected),
                // [V4] The vote stands in for the adjudicator.
                (Decision::Dispute, DisputeRule::MajorityVote) => {
                    (!majority_reaches(&scores, tau)).then_some(Outcome::VotedOut)
                }
                (Decision::Dispute, DisputeRule::Adjudicator | DisputeRule::Accept)
                | (Decision::Accept, _) => None,
            };
        }
    }

    /// Ends what its adjudicator scored below tau (paper, section 3.4).
    pub(super) fn settle(&mut self) {
        let tau = self.method().tau;
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            if candidate.adjudication.as_ref().is_some_and(|word| !word.scores.reach(tau)) {
                candidate.outcome = Some(Outcome::AdjudicatedOut);
            }
        }
    }

    /// Asks for the embeddings of the open instructions; `None` when there are none.
    pub(super) fn embed(&self) -> Option<Step<RoundOutcome>> {
        let instruction = |at: usize| self.candidates[at].instruction.clone();
        let texts: Vec<String> = self.open().into_iter().filter_map(instruction).collect();
        (!texts.is_empty()).then_some(Step::Embed(texts))
    }

    /// Ends the candidates that are too close to the pool or to a sample of an earlier wave: these stay
    /// whatever else this wave brings.
    pub(super) fn screen(&mut self, embeddings: Vec<Embedding>) {
        let limit = self.method().cosine_limit;
        let open = self.open();
        assert_eq!(open.len(), embeddings.len(), "one embedding per text");
        let nearest = nearest(&embeddings, self.target());
        for ((at, embedding), near) in open.into_iter().zip(embeddings).zip(nearest) {
            let candidate = &mut self.candidates[at];
            candidate.long = embedding.is_long();
            if let Some(near) = near.filter(|near: &Neighbour| near.cosine >= limit) {
                candidate.nearest = Some(near);
                candidate.outcome = Some(Outcome::Duplicate);
            } else {
                self.screened.insert(candidate.id, embedding);
            }
        }
    }

    /// Deduplicates what has passed review, with the embeddings that are known or after asking for them.
    pub(super) fn compare(&mut self) -> Step<RoundOutcome> {
        let known = |at: &usize| self.screened.get(&self.candidates[*at].id).cloned();
        let open = self.open();
        let embeddings: Option<Vec<Embedding>> = open.iter().map(known).collect();
        match embeddings {
            Some(embeddings) => {
                self.deduplicate(embeddings);
                self.enter(Stage::Summary)
            }
            None => self.embed().unwrap_or_else(|| self.end_wave()),
        }
    }

    /// What a candidate is compared with: the pool, and this round's samples of earlier waves.
    fn target(&self) -> impl Iterator<Item = (ItemId, &Embedding)> {
        let items = self.pool().map(Pool::items).unwrap_or_default();
        let of_pool = items.iter().map(|item| (item.id, &item.embedding));
        of_pool.chain(self.kept.iter().map(|(id, embedding)| (*id, embedding)))
    }

    /// Keeps of the open candidates those that are no near-duplicates, and of these as many as the round needs
    /// (paper, section 3.5; METHOD.md, D2, D3 and I1).
    pub(super) fn deduplicate(&mut self, embeddings: Vec<Embedding>) {
        let open = self.open();
        assert_eq!(open.len(), embeddings.len(), "one embedding per text");
        let contenders: Vec<Contender> = open
            .iter()
            .zip(embeddings)
            .map(|(&at, embedding)| {
                let candidate = &self.candidates[at];
                // [R10] mu sorts, also of a settled dispute. Without reviewers all are equal, and numbers sort.
                let score = candidate.tally().map_or(0, |tally| tally.sum);
                Contender { id: candidate.id, score, embedding }
            })
            .collect();
        for (at, contender) in open.into_iter().zip(&contenders) {
            self.candidates[at].long = contender.embedding.is_long();
        }
        let mut verdicts = dedup(self.target(), &contenders, self.method().cosine_limit);

        // [I1] The walk goes by falling mu, so what finds no room is the worst of the last wave, or the latest.
        // Which of two twins is kept was settled by mu either way.
        if self.method().cut == TargetCut::Number {
            verdicts.sort_by_key(|verdict| verdict.id);
        }
        let mut room = self.room.saturating_sub(self.accepted());
        for verdict in verdicts {
            let ItemId::Candidate { number, .. } = verdict.id else { continue };
            let candidate = &mut self.candidates[number as usize];
            candidate.nearest = verdict.nearest;
            if !verdict.kept {
                candidate.outcome = Some(Outcome::Duplicate);
            } else if room == 0 {
                candidate.outcome = Some(Outcome::Surplus);
            } else {
                room -= 1;
            }
        }
        // Of all contenders: `end_wave` takes out those that became no sample.
        self.kept.extend(contenders.into_iter().map(|c| (c.id, c.embedding)));
    }
}
