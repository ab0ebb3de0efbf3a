//! One round: from the pool D(t-1) to the samples that it adds (paper, section 3; METHOD.md,
//! section 2).
//!
//! A round works in waves. A wave draws candidates and takes all of them through one stage at a
//! time: keywords, instruction, instruction review, response, response review, adjudication,
//! deduplication, summary. This file alone knows that order. Waves follow until the target is met
//! or the cap is reached; the pool stays frozen meanwhile, so a round does not depend on the order
//! in which candidates finish.

use std::collections::BTreeMap;

use crate::candidate::{Candidate, MalformedReply, Outcome};
use crate::committee::{Decision, Scores, majority_reaches};
use crate::dedup::{Contender, dedup};
use crate::domain::Domain;
use crate::form::Malformed;
use crate::method::{Member, Method};
use crate::pool::{Annotation, ItemId, Pool, PoolItem};
use crate::prompt::numbered;
use crate::request::{Embedding, Reply, Request, Stage};
use crate::roles::Roles;
use crate::step::{Answers, Asker, Question, Step};
use crate::stream::Stream;
use crate::variant::{DisputeRule, Variant};

/// What a round needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Run seed, method and prompts.
    pub asker: Asker<'a>,
    /// What this trial does differently; has passed [`Variant::check`].
    pub variant: &'a Variant,
    /// The model pool.
    pub members: &'a [Member],
}

/// What a round made.
#[derive(Debug)]
pub struct RoundOutcome {
    /// Every candidate, by number.
    pub candidates: Vec<Candidate>,
    /// The samples, ready to join the pool, by number.
    pub samples: Vec<PoolItem>,
}

/// The round cannot draw anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain has {needed} annotated items to draw examples from")]
pub struct NoExamples {
    /// The least number of examples of a generation.
    pub needed: u32,
}

/// One call that is under way: candidate (its place in the round), reviewer's seat, attempt.
#[derive(Clone, Copy, Debug)]
struct Task {
    candidate: usize,
    seat: u8,
    attempt: u8,
}

/// The machine.
#[derive(Debug)]
pub struct Round<'a> {
    setting: Setting<'a>,
    pool: &'a Pool,
    number: u32,
    /// Weight of each domain that has enough items, in the order of [`Domain::ALL`].
    domain_weights: Vec<usize>,
    candidates: Vec<Candidate>,
    wave: u32,
    wave_start: usize,
    stage: Stage,
    asked: Vec<Task>,
    embeddings: BTreeMap<ItemId, Embedding>,
}

impl<'a> Round<'a> {
    /// Round `number` (from 1) over a frozen pool.
    ///
    /// # Errors
    /// When no domain has enough items for a generation.
    pub fn new(setting: Setting<'a>, pool: &'a Pool, number: u32) -> Result<Self, NoExamples> {
        let needed = setting.asker.method.min_examples;
        let enough = |domain| pool.of_domain(domain).len() >= needed as usize;
        let weight = |domain| if enough(domain) { pool.seed_share(domain) } else { 0 };
        let domain_weights: Vec<usize> = Domain::ALL.map(weight).to_vec();
        if domain_weights.iter().all(|&weight| weight == 0) {
            return Err(NoExamples { needed });
        }
        Ok(Self {
            setting,
            pool,
            number,
            domain_weights,
            candidates: Vec::new(),
            wave: 0,
            wave_start: 0,
            stage: Stage::Keywords,
            asked: Vec::new(),
            embeddings: BTreeMap::new(),
        })
    }

    /// The candidates so far; those of the wave under way have no outcome yet.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Takes the answers to the last step and says what comes next.
    ///
    /// # Panics
    /// When the answers are not of the kind and number that were asked for.
    pub fn advance(&mut self, answers: Answers) -> Step<RoundOutcome> {
        match answers {
            Answers::Start => self.begin_wave(),
            Answers::Replies(replies) => {
                assert_eq!(replies.len(), self.asked.len(), "one reply per request");
                self.read_all(&replies);
                if self.asked.is_empty() { self.after(self.stage) } else { self.ask() }
            }
            Answers::Embeddings(embeddings) => self.deduplicate(embeddings),
        }
    }

    fn method(&self) -> &'a Method {
        self.setting.asker.method
    }

    fn accepted(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.is_sample()).count()
    }

    /// The places of the wave's candidates that are still in the running.
    fn open(&self) -> Vec<usize> {
        let open = |at: &usize| self.candidates[*at].outcome.is_none();
        (self.wave_start..self.candidates.len()).filter(open).collect()
    }

    // --- Waves -----------------------------------------------------------------------------

    fn begin_wave(&mut self) -> Step<RoundOutcome> {
        let method = self.method();
        let drawn = self.candidates.len();
        let left = (method.cap as usize).saturating_sub(drawn);
        if left == 0 || self.accepted() >= method.target as usize {
            return Step::Done(self.finish());
        }
        self.wave_start = drawn;
        for _ in 0..left.min(method.wave as usize) {
            let candidate = self.draw();
            self.candidates.push(candidate);
        }
        self.stage = Stage::Keywords;
        self.start_stage().unwrap_or_else(|| self.end_wave())
    }

    /// Draws domain, examples and roles of the next candidate, each from its own stream.
    fn draw(&self) -> Candidate {
        let Setting { asker, variant, members } = self.setting;
        let method = self.method();
        let number = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX);
        let id = ItemId::Candidate { round: self.number, number };
        let name = id.to_string();
        let stream = |purpose| Stream::named(asker.run_seed, &[&name, purpose]);

        let domain = stream("domain").weighted(&self.domain_weights);
        let domain = Domain::ALL[domain.unwrap_or_default()];
        let items = self.pool.of_domain(domain);
        let mut draw = stream("examples");
        let span = (method.max_examples - method.min_examples + 1) as usize;
        let count = method.min_examples as usize + draw.below(span);
        let chosen = draw.choose(items.len(), count);
        let examples = chosen.into_iter().map(|at| self.pool.items()[items[at]].id).collect();
        let roles = Roles::assign(asker.run_seed, id, variant, members);
        Candidate::drawn(id, self.wave, domain, examples, roles)
    }

    fn end_wave(&mut self) -> Step<RoundOutcome> {
        for at in self.open() {
            self.candidates[at].outcome = Some(Outcome::Accepted);
        }
        let candidates = &self.candidates;
        let is_sample = |id: &ItemId| match id {
            ItemId::Candidate { number, .. } => candidates[*number as usize].is_sample(),
            ItemId::Seed(_) => false,
        };
        self.embeddings.retain(|id, _| is_sample(id));
        self.wave += 1;
        self.begin_wave()
    }

    fn finish(&mut self) -> RoundOutcome {
        let candidates = std::mem::take(&mut self.candidates);
        let mut embeddings = std::mem::take(&mut self.embeddings);
        let samples = candidates.iter().filter(|candidate| candidate.is_sample());
        let samples = samples
            .filter_map(|sample| {
                Some(PoolItem {
                    id: sample.id,
                    annotation: sample.annotation(),
                    embedding: embeddings.remove(&sample.id)?,
                })
            })
            .collect();
        RoundOutcome { candidates, samples }
    }

    // --- Stages ----------------------------------------------------------------------------

    /// Does what a finished stage calls for and starts the next one that has anything to ask.
    fn after(&mut self, stage: Stage) -> Step<RoundOutcome> {
        let reviewed = self.setting.variant.reviews() > 0;
        let mut finished = stage;
        loop {
            self.stage = match finished {
                Stage::Keywords => {
                    self.drop_repeated_keywords();
                    Stage::Instruction
                }
                Stage::Instruction if reviewed => Stage::InstructionReview,
                Stage::Instruction => Stage::Response,
                Stage::InstructionReview => {
                    self.drop_vetoed();
                    Stage::Response
                }
                Stage::Response if reviewed => Stage::ResponseReview,
                Stage::Response => return self.embed(),
                Stage::ResponseReview => {
                    self.decide();
                    Stage::Adjudication
                }
                Stage::Adjudication => {
                    self.settle();
                    return self.embed();
                }
                Stage::Summary => return self.end_wave(),
                Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords => {
                    unreachable!("a round does not annotate seed items")
                }
            };
            if let Some(step) = self.start_stage() {
                return step;
            }
            finished = self.stage;
        }
    }

    /// Asks the current stage's questions about every open candidate; `None` when it has none.
    fn start_stage(&mut self) -> Option<Step<RoundOutcome>> {
        let stage = self.stage;
        self.asked = self
            .open()
            .into_iter()
            .flat_map(|candidate| {
                let seats = self.seats(candidate, stage);
                (0..seats).map(move |seat| Task { candidate, seat, attempt: 0 })
            })
            .collect();
        (!self.asked.is_empty()).then(|| self.ask())
    }

    fn seats(&self, at: usize, stage: Stage) -> u8 {
        let candidate = &self.candidates[at];
        match stage {
            Stage::InstructionReview | Stage::ResponseReview => self.setting.variant.reviews(),
            Stage::Adjudication => u8::from(
                candidate.decision == Some(Decision::Dispute)
                    && candidate.roles.adjudicator.is_some(),
            ),
            _ => 1,
        }
    }

    fn ask(&self) -> Step<RoundOutcome> {
        Step::Ask(self.asked.iter().map(|task| self.request(*task)).collect())
    }

    fn request(&self, task: Task) -> Request {
        let candidate = &self.candidates[task.candidate];
        let model = candidate.speaker(self.stage, task.seat);
        let earlier = match self.stage {
            Stage::InstructionReview | Stage::ResponseReview => {
                &candidate.roles.reviewers[..usize::from(task.seat)]
            }
            _ => &[],
        };
        let repeat = earlier.iter().filter(|other| *other == model).count();
        let member = self.setting.members.iter().find(|member| member.name == *model);
        self.setting.asker.request(Question {
            subject: candidate.id,
            stage: self.stage,
            seat: task.seat,
            attempt: task.attempt,
            repeat: u8::try_from(repeat).unwrap_or(u8::MAX),
            member: member.expect("roles are drawn from the pool"),
            sample: self.sample(candidate),
        })
    }

    /// The sample block of the current stage's prompt.
    fn sample(&self, candidate: &Candidate) -> String {
        let examples: Vec<&Annotation> =
            candidate.examples.iter().filter_map(|id| self.pool.annotation(*id)).collect();
        let instruction = candidate.instruction.as_deref().unwrap_or_default();
        let response = candidate.response.as_deref().unwrap_or_default();
        let domain = candidate.domain.name();
        let keywords = candidate.keywords.join(", ");
        let summaries = || numbered(examples.iter().map(|example| &example.summary));
        let shown = || {
            numbered(examples.iter().map(|example| {
                let keywords = example.keywords.join(", ");
                format!("keywords: {keywords}; summary: {}", example.summary)
            }))
        };
        let reviews = || numbered(candidate.response_reviews.iter().map(|review| &review.comment));
        let sample =
            |values: &[(&str, &str)]| self.setting.asker.prompts.sample(self.stage, values);
        match self.stage {
            Stage::Keywords => sample(&[("domain", domain), ("examples", &shown())]),
            Stage::Instruction => {
                sample(&[("domain", domain), ("keywords", &keywords), ("summaries", &summaries())])
            }
            Stage::ResponseReview => {
                sample(&[("instruction", instruction), ("response", response)])
            }
            Stage::Adjudication => sample(&[
                ("reviews", &reviews()),
                ("instruction", instruction),
                ("response", response),
            ]),
            _ => sample(&[("instruction", instruction)]),
        }
    }

    // --- Reading replies -------------------------------------------------------------------

    /// Reads the replies to `asked`; what is left in `asked` is to be tried again.
    fn read_all(&mut self, replies: &[Reply]) {
        let retries = self.method().retries;
        for (task, reply) in std::mem::take(&mut self.asked).into_iter().zip(replies) {
            let stage = self.stage;
            let candidate = &mut self.candidates[task.candidate];
            let Err(reason) = candidate.read(stage, task.seat, reply) else { continue };
            let Task { seat, attempt, .. } = task;
            candidate.malformed.push(MalformedReply { stage, seat, attempt, reason });
            if attempt == retries || reason == Malformed::PromptTooLong {
                candidate.outcome = after_last_try(candidate, stage);
            } else {
                self.asked.push(Task { attempt: attempt + 1, ..task });
            }
        }
        let candidates = &self.candidates;
        self.asked.retain(|task| candidates[task.candidate].outcome.is_none());
    }

    // --- Decisions -------------------------------------------------------------------------

    fn drop_repeated_keywords(&mut self) {
        for at in self.open() {
            let own = folded(&self.candidates[at].keywords);
            let repeats = self.candidates[at].examples.iter().any(|id| {
                self.pool.annotation(*id).is_some_and(|example| folded(&example.keywords) == own)
            });
            if repeats {
                self.candidates[at].outcome = Some(Outcome::RepeatedKeywords);
            }
        }
    }

    fn drop_vetoed(&mut self) {
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            if candidate.is_vetoed() {
                candidate.outcome = Some(Outcome::Vetoed);
            }
        }
    }

    fn decide(&mut self) {
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
                (Decision::Dispute, DisputeRule::MajorityVote) => {
                    (!majority_reaches(&scores, tau)).then_some(Outcome::VotedOut)
                }
                (Decision::Dispute, DisputeRule::Adjudicator | DisputeRule::Accept)
                | (Decision::Accept, _) => None,
            };
        }
    }

    fn settle(&mut self) {
        let tau = self.method().tau;
        for at in self.open() {
            let candidate = &mut self.candidates[at];
            if candidate.adjudication.as_ref().is_some_and(|word| !word.scores.reach(tau)) {
                candidate.outcome = Some(Outcome::AdjudicatedOut);
            }
        }
    }

    // --- Deduplication ---------------------------------------------------------------------

    fn embed(&mut self) -> Step<RoundOutcome> {
        let instruction = |at: usize| self.candidates[at].instruction.clone();
        let texts: Vec<String> = self.open().into_iter().filter_map(instruction).collect();
        if texts.is_empty() { self.end_wave() } else { Step::Embed(texts) }
    }

    fn deduplicate(&mut self, embeddings: Vec<Embedding>) -> Step<RoundOutcome> {
        let open = self.open();
        assert_eq!(open.len(), embeddings.len(), "one embedding per text");
        let contenders: Vec<Contender> = open
            .iter()
            .zip(embeddings)
            .map(|(&at, embedding)| {
                let candidate = &self.candidates[at];
                let score = candidate.tally().map_or(0, |tally| tally.sum);
                Contender { id: candidate.id, score, embedding }
            })
            .collect();
        let of_pool = self.pool.items().iter().map(|item| (item.id, &item.embedding));
        let target = of_pool.chain(self.embeddings.iter().map(|(id, e)| (*id, e)));
        let verdicts = dedup(&target, &contenders, self.method().cosine_limit);

        let mut room = (self.method().target as usize).saturating_sub(self.accepted());
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
        self.embeddings.extend(contenders.into_iter().map(|c| (c.id, c.embedding)));
        self.stage = Stage::Summary;
        self.start_stage().unwrap_or_else(|| self.end_wave())
    }
}

/// What becomes of a candidate when a stage stays malformed.
///
/// A zero bit from another reviewer has decided already. A sample whose summary failed is a sample
/// all the same; like a seed item without annotation it is not drawn as an example.
fn after_last_try(candidate: &Candidate, stage: Stage) -> Option<Outcome> {
    match stage {
        Stage::InstructionReview if candidate.is_vetoed() => Some(Outcome::Vetoed),
        Stage::Summary => None,
        _ => Some(Outcome::Malformed { stage }),
    }
}

/// Keywords as a set, case apart.
fn folded(keywords: &[String]) -> Vec<String> {
    let mut folded: Vec<String> = keywords.iter().map(|keyword| keyword.to_lowercase()).collect();
    folded.sort();
    folded
}
