//! From a stage to its requests, and from replies to facts (paper, sections 3.2 to 3.5).

use std::collections::{BTreeMap, VecDeque};

use super::{Material, Round, RoundOutcome};
use crate::candidate::{Candidate, FailedCall, MalformedReply, Outcome};
use crate::committee::Decision;
use crate::domain::Domain;
use crate::form::Malformed;
use crate::method::Member;
use crate::pool::{Annotation, ItemId};
use crate::prompt::numbered;
use crate::request::{ModelName, Portion, Reply, Request, ScoreReading, Stage};
use crate::step::{Question, Step};

/// One call that is under way: candidate (its place in the round), reviewer's seat, attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    candidate: usize,
    seat: u8,
    attempt: u8,
}

/// A review's scores as they were written, to be continued by its comment.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    attempt: u8,
    text: String,
    tokens: u32,
}

impl Round<'_> {
    /// The calls of the current stage in the order in which they are asked: all at once, or one group
    /// after the other where the answers to one may spare the next.
    ///
    /// Groups go by model in pool order, so that an engine still sees all calls to one model
    /// together; a model that reviews several times does so in as many groups.
    pub(super) fn groups(&self) -> VecDeque<Vec<Task>> {
        let economy = self.economy();
        let in_turn = match self.stage {
            // [R8] After one zero the other reviewers need not be asked.
            Stage::InstructionReview => economy.veto_short_circuit,
            Stage::ResponseReview => economy.bound_pruning,
            _ => false,
        };
        let mut groups: BTreeMap<(usize, usize), Vec<Task>> = BTreeMap::new();
        for task in self.open().into_iter().flat_map(|candidate| self.tasks(candidate)) {
            let turn = if in_turn { self.turn(task) } else { (0, 0) };
            groups.entry(turn).or_default().push(task);
        }
        groups.into_values().collect()
    }

    /// Asks the next group of the current stage that has anything left to ask.
    pub(super) fn ask_next(&mut self) -> Option<Step<RoundOutcome>> {
        while let Some(mut group) = self.later.pop_front() {
            group.retain(|task| self.candidates[task.candidate].outcome.is_none());
            if !group.is_empty() {
                self.asked = group;
                return Some(self.ask());
            }
        }
        None
    }

    /// The current stage's calls about one candidate.
    fn tasks(&self, at: usize) -> Vec<Task> {
        let candidate = &self.candidates[at];
        let is_adjudicated =
            candidate.decision == Some(Decision::Dispute) && candidate.roles.adjudicator.is_some();
        let seats = match self.stage {
            Stage::InstructionReview | Stage::ResponseReview => self.setting.variant.reviews(),
            Stage::ReviewComment => {
                let opening = |(&(_, seat), opening): (&(usize, u8), &Opening)| Task {
                    candidate: at,
                    seat,
                    attempt: opening.attempt,
                };
                let openings = self.openings.range((at, 0)..=(at, u8::MAX)).map(opening);
                return if is_adjudicated { openings.collect() } else { Vec::new() };
            }
            Stage::Adjudication => u8::from(is_adjudicated),
            _ => 1,
        };
        (0..seats).map(|seat| Task { candidate: at, seat, attempt: 0 }).collect()
    }

    /// When a reviewer is asked: models in pool order, and each model's first review before the second.
    fn turn(&self, task: Task) -> (usize, usize) {
        let model = self.candidates[task.candidate].model_of(self.stage, task.seat);
        let place = self.setting.members.iter().position(|member| member.name == *model);
        (self.repeat(task), place.unwrap_or(usize::MAX))
    }

    /// How many earlier seats the same model holds.
    fn repeat(&self, task: Task) -> usize {
        let candidate = &self.candidates[task.candidate];
        let model = candidate.model_of(self.stage, task.seat);
        // Where one model is asked its seat is 0, and none comes before it.
        let earlier = &candidate.roles.reviewers[..usize::from(task.seat)];
        earlier.iter().filter(|other: &&ModelName| *other == model).count()
    }

    pub(super) fn ask(&self) -> Step<RoundOutcome> {
        Step::Ask(self.asked.iter().map(|task| self.request(*task)).collect())
    }

    fn request(&self, task: Task) -> Request {
        let candidate = &self.candidates[task.candidate];
        self.setting.asker.request(Question {
            subject: candidate.id,
            stage: self.stage,
            seat: task.seat,
            attempt: task.attempt,
            repeat: u8::try_from(self.repeat(task)).unwrap_or(u8::MAX),
            member: self.member_of(task),
            portion: self.portion(task),
            score_reading: self.score_reading(),
            sample: self.sample(candidate),
        })
    }

    /// The model that answers a call of the current stage.
    fn member_of(&self, task: Task) -> &Member {
        let model = self.candidates[task.candidate].model_of(self.stage, task.seat);
        self.setting.member(model).expect("the variant was checked against the pool")
    }

    fn portion(&self, task: Task) -> Portion {
        match self.stage {
            _ if self.scores_alone(task) => Portion::Opening,
            Stage::ReviewComment => {
                let opening = &self.openings[&(task.candidate, task.seat)];
                Portion::Rest { opening: opening.text.clone(), tokens: opening.tokens }
            }
            _ => Portion::Whole,
        }
    }

    /// Whether a call of the current stage asks for scores without the comment behind them. A model that
    /// thinks first gives both: its comment would need the thought again.
    fn scores_alone(&self, task: Task) -> bool {
        let is_scored = matches!(self.stage, Stage::ResponseReview | Stage::Adjudication);
        is_scored && self.method().comments_wait() && !self.member_of(task).thinks()
    }

    /// Late comments are no scores: they are the same whichever way those were read.
    fn score_reading(&self) -> ScoreReading {
        match self.stage {
            Stage::ResponseReview | Stage::Adjudication => self.setting.variant.score_reading,
            _ => ScoreReading::Sampled,
        }
    }

    /// The sample block of the current stage's prompt.
    fn sample(&self, candidate: &Candidate) -> String {
        let annotation = |id: &ItemId| self.pool()?.annotation(*id);
        let examples: Vec<&Annotation> = candidate.examples.iter().filter_map(annotation).collect();
        let instruction = candidate.instruction.as_deref().unwrap_or_default();
        let response = candidate.response.as_deref().unwrap_or_default();
        let domain = candidate.domain.map_or("", Domain::name);
        let keywords = candidate.keywords.join(", ");
        let summaries = || numbered(examples.iter().map(|example| &example.summary));
        // Prompt 4 shows keywords and summaries of its examples, never their instructions (paper, section 3.2).
        let shown = || {
            numbered(examples.iter().map(|example| {
                let keywords = example.keywords.join(", ");
                format!("keywords: {keywords}; summary: {}", example.summary)
            }))
        };
        // [R9] The adjudicator reads numbered comments, and neither names nor scores.
        let reviews = || {
            let comments =
                candidate.response_reviews.iter().map(|review| review.comment.as_deref());
            numbered(comments.map(Option::unwrap_or_default))
        };
        let sample =
            |values: &[(&str, &str)]| self.setting.asker.prompts.sample(self.stage, values);
        match self.stage {
            Stage::Keywords => sample(&[("domain", domain), ("examples", &shown())]),
            // [G7] The examples of Prompt 4 again, of which only the summaries are shown.
            Stage::Instruction => {
                sample(&[("domain", domain), ("keywords", &keywords), ("summaries", &summaries())])
            }
            Stage::ResponseReview | Stage::ReviewComment => {
                sample(&[("instruction", instruction), ("response", response)])
            }
            Stage::Adjudication => sample(&[
                ("reviews", &reviews()),
                ("instruction", instruction),
                ("response", response),
            ]),
            // [B4] Prompt 7 has no place for the seed set's response; the template that shows it has.
            Stage::Response => sample(&[
                ("instruction", instruction),
                ("old_response", self.seed_response(candidate)),
            ]),
            _ => sample(&[("instruction", instruction)]),
        }
    }

    /// The response of the seed item that a candidate answers anew; empty for one with a new instruction.
    fn seed_response(&self, candidate: &Candidate) -> &str {
        let (Material::Seeds(items), ItemId::Candidate { number, .. }) =
            (self.material, candidate.id)
        else {
            return "";
        };
        items[number as usize].response.as_deref().unwrap_or_default()
    }

    /// Reads the replies to `asked`; what is left in `asked` is to be tried again.
    pub(super) fn read_all(&mut self, replies: &[Reply]) {
        let (stage, reading) = (self.stage, self.score_reading());
        let mut failed = Vec::new();
        for (task, reply) in std::mem::take(&mut self.asked).into_iter().zip(replies) {
            let Task { candidate: at, seat, attempt } = task;
            if let Some(failure) = reply.failure() {
                let candidate = &mut self.candidates[at];
                candidate.failed.push(FailedCall { stage, seat, attempt, failure });
                // Sorted, so that the facts do not depend on the order in which groups were asked.
                candidate.failed.sort_by_key(|call| (call.stage, call.seat, call.attempt));
                failed.push(at);
                continue;
            }
            let scores_alone = self.scores_alone(task);
            let mut read = self.candidates[at].read(stage, seat, reading, !scores_alone, reply);
            if stage == Stage::Keywords {
                read = read.and_then(|()| self.check_keywords(at));
            }
            let Err(reason) = read else {
                // The adjudicator's comment is never read, so its opening need not be kept.
                if scores_alone && stage == Stage::ResponseReview {
                    let (text, tokens) = (reply.text.clone(), reply.reply_tokens);
                    self.openings.insert((at, seat), Opening { attempt, text, tokens });
                }
                continue;
            };
            let candidate = &mut self.candidates[at];
            candidate.malformed.push(MalformedReply { stage, seat, attempt, reason });
            candidate.malformed.sort_by_key(|reply| (reply.stage, reply.seat, reply.attempt));
            if self.may_retry(task, reason) {
                self.asked.push(Task { attempt: attempt + 1, ..task });
            } else {
                // [R5] One reviewer that stays malformed ends the candidate: a committee of fewer is another one.
                let candidate = &mut self.candidates[at];
                let end = match reason {
                    Malformed::RepeatedKeywords => Outcome::RepeatedKeywords,
                    _ => Outcome::Malformed { stage },
                };
                candidate.outcome = after_last_try(candidate, end);
            }
        }
        // After every reply of the step was read: a zero bit among them has decided.
        for at in failed {
            let candidate = &mut self.candidates[at];
            candidate.outcome = after_last_try(candidate, Outcome::Failed { stage });
        }
        // What has ended is not tried again, e.g. after another seat of it failed.
        let candidates = &self.candidates;
        self.asked.retain(|task| candidates[task.candidate].outcome.is_none());
    }

    /// Whether a call whose reply could not be used is made again. Repeated keywords have tries of their own.
    fn may_retry(&self, task: Task, reason: Malformed) -> bool {
        let method = self.method();
        let is_repeat = |reason| reason == Malformed::RepeatedKeywords;
        let same_kind = self.candidates[task.candidate].malformed.iter().filter(|reply| {
            (reply.stage, reply.seat) == (self.stage, task.seat)
                && is_repeat(reply.reason) == is_repeat(reason)
        });
        let tries = if is_repeat(reason) { method.keyword_retries } else { method.retries };
        // A late comment has no stream of its own to try again with.
        let has_stream = self.stage != Stage::ReviewComment;
        has_stream && reason != Malformed::PromptTooLong && same_kind.count() <= usize::from(tries)
    }
}

/// What becomes of a candidate when a stage stays malformed or a call of it failed.
///
/// A zero bit from another reviewer has decided already. A sample whose summary was lost is a sample all
/// the same; like a seed item without annotation it is not drawn as an example.
fn after_last_try(candidate: &Candidate, end: Outcome) -> Option<Outcome> {
    match end {
        Outcome::Malformed { stage: Stage::InstructionReview }
        | Outcome::Failed { stage: Stage::InstructionReview }
            if candidate.is_vetoed() =>
        {
            Some(Outcome::Vetoed)
        }
        Outcome::Malformed { stage: Stage::Summary }
        | Outcome::Failed { stage: Stage::Summary } => None,
        // What ended it first stands, e.g. another seat that stayed malformed.
        _ => candidate.outcome.or(Some(end)),
    }
}
