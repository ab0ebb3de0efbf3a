//! One round: from the pool D(t-1) to the samples that it adds (paper, section 3; METHOD.md,
//! section 2).
//!
//! A round works in waves. A wave draws candidates and takes all of them through one stage at a
//! time: keywords, instruction, instruction review, response, response review, adjudication,
//! deduplication, summary. This file draws, and it alone knows that order; [`asking`] turns a stage
//! into requests and reads the replies, [`deciding`] applies the rules. Waves follow until the target is met or
//! the cap is reached; the pool stays frozen meanwhile, so a round does not depend on the order in
//! which candidates finish.
//!
//! A round over the seed set's own instructions ([`Round::over_seed_set`]) is shorter at both ends: there
//! is no instruction to write, and nothing joins a pool, so nothing is deduplicated or summarised
//! (METHOD.md, B1 and B4).

mod asking;
mod deciding;

use std::collections::{BTreeMap, VecDeque};

use crate::candidate::{Candidate, Outcome};
use crate::domain::Domain;
use crate::method::{Economy, Member, Method};
use crate::pool::{ItemId, Pool, PoolItem, SeedItem};
use crate::request::{ModelName, Stage};
use crate::roles::{Experience, RoleDraw};
use crate::similarity::Embedding;
use crate::step::{Answers, Asker, Step};
use crate::stream::Stream;
use crate::variant::Variant;
use asking::{Opening, Task};

/// What a round needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Run seed, method and prompts.
    pub asker: Asker<'a>,
    /// What this trial does differently; has passed [`Variant::check`].
    pub variant: &'a Variant,
    /// The model pool.
    pub members: &'a [Member],
    /// Models that serve where the variant names them; no role is drawn for them.
    pub teachers: &'a [Member],
}

impl Setting<'_> {
    /// The member or teacher of this name.
    fn member(&self, name: &ModelName) -> Option<&Member> {
        self.members.iter().chain(self.teachers).find(|member| member.name == *name)
    }
}

/// What a round made.
#[derive(Debug)]
pub struct RoundOutcome {
    /// Every candidate, by number.
    pub candidates: Vec<Candidate>,
    /// The samples, ready to join the pool, by number; none of a round over the seed set.
    pub samples: Vec<PoolItem>,
}

/// No domain of the pool has enough items for a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain has {needed} annotated items to draw examples from")]
pub struct NoExamples {
    /// The least number of examples of a generation.
    pub needed: u32,
}

/// What candidates are made from.
#[derive(Clone, Copy, Debug)]
enum Material<'a> {
    /// Examples of a pool.
    Pool(&'a Pool),
    /// The seed set's instructions, one candidate each.
    Seeds(&'a [SeedItem]),
}

/// The state machine of one round.
#[derive(Debug)]
pub struct Round<'a> {
    setting: Setting<'a>,
    material: Material<'a>,
    number: u32,
    /// See [`domain_weights`]; empty over the seed set.
    domain_weights: Vec<usize>,
    /// Samples that it adds at most.
    room: usize,
    candidates: Vec<Candidate>,
    /// What earlier rounds and waves have taught about the models.
    experience: Experience,
    wave: u32,
    wave_start: usize,
    stage: Stage,
    /// Calls that were asked and not answered yet.
    asked: Vec<Task>,
    /// Calls of the stage that may not be needed any more once `asked` is answered.
    later: VecDeque<Vec<Task>>,
    /// Reviews of this wave that have no comment yet, by candidate (its place) and seat.
    openings: BTreeMap<(usize, u8), Opening>,
    /// Embeddings of this wave's instructions, when they were asked for early.
    screened: BTreeMap<ItemId, Embedding>,
    /// Embeddings of this round's samples.
    kept: BTreeMap<ItemId, Embedding>,
}

impl<'a> Round<'a> {
    /// Round `number` (from 1) over a frozen pool.
    ///
    /// # Errors
    /// When no domain has enough items for a generation.
    pub fn new(setting: Setting<'a>, pool: &'a Pool, number: u32) -> Result<Self, NoExamples> {
        let needed = setting.asker.method.min_examples;
        let domain_weights = domain_weights(pool, needed);
        if domain_weights.iter().all(|&weight| weight == 0) {
            return Err(NoExamples { needed });
        }
        Ok(Self { domain_weights, ..Self::unstarted(setting, Material::Pool(pool), number) })
    }

    /// The round over a seed set: candidate i answers its i-th item. Every item is taken, whatever target
    /// and cap say. Its number is 0, so that its candidates pair with none of another round.
    #[must_use]
    pub fn over_seed_set(setting: Setting<'a>, items: &'a [SeedItem]) -> Self {
        Self::unstarted(setting, Material::Seeds(items), 0)
    }

    fn unstarted(setting: Setting<'a>, material: Material<'a>, number: u32) -> Self {
        Self {
            setting,
            material,
            number,
            domain_weights: Vec::new(),
            room: setting.asker.method.room_after(0),
            candidates: Vec::new(),
            experience: Experience::default(),
            wave: 0,
            wave_start: 0,
            stage: Stage::Keywords,
            asked: Vec::new(),
            later: VecDeque::new(),
            openings: BTreeMap::new(),
            screened: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    /// The same round after others of its trial: adaptive roles learn from their candidates, and their samples count
    /// where a trial ends with a number of them.
    #[must_use]
    pub fn after(mut self, earlier: &[Candidate]) -> Self {
        self.experience.learn_all(earlier, self.method().tau);
        let samples = earlier.iter().filter(|candidate| candidate.is_sample()).count();
        self.room = self.method().room_after(samples);
        self
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
                if !self.asked.is_empty() {
                    // [G9] Malformed replies are tried again before anything is decided on the others.
                    return self.ask();
                }
                self.spare_reviewers();
                self.ask_next().unwrap_or_else(|| self.after_stage())
            }
            // Embeddings are asked for twice: early, once instructions are written, and at deduplication.
            Answers::Embeddings(embeddings) if self.stage == Stage::Instruction => {
                self.screen(embeddings);
                self.enter(self.after_instruction())
            }
            Answers::Embeddings(embeddings) => {
                self.deduplicate(embeddings);
                self.enter(Stage::Summary)
            }
        }
    }

    fn method(&self) -> &'a Method {
        self.setting.asker.method
    }

    fn economy(&self) -> Economy {
        self.setting.variant.economy(self.method())
    }

    /// The pool that is drawn from and compared with; none over the seed set.
    const fn pool(&self) -> Option<&'a Pool> {
        match self.material {
            Material::Pool(pool) => Some(pool),
            Material::Seeds(_) => None,
        }
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
        let (most, met) = match self.material {
            // [I1] A round ends at its target, or gives up at its cap.
            Material::Pool(_) => (method.cap as usize, self.accepted() >= self.room),
            Material::Seeds(items) => (items.len(), false),
        };
        let left = most.saturating_sub(drawn);
        if left == 0 || met {
            return Step::Done(self.finish());
        }
        self.wave_start = drawn;
        for _ in 0..left.min(method.wave as usize) {
            let candidate = self.draw();
            self.candidates.push(candidate);
        }
        match self.material {
            Material::Pool(_) => self.enter(Stage::Keywords),
            Material::Seeds(_) => self.enter(self.after_instruction()),
        }
    }

    /// The next candidate, as it is drawn.
    fn draw(&self) -> Candidate {
        let at = self.candidates.len();
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        let id = ItemId::Candidate { round: self.number, number };
        let (domain, examples, instruction) = match self.material {
            Material::Pool(pool) => {
                let (domain, examples) = self.draw_examples(pool, id);
                (Some(domain), examples, None)
            }
            // [B1, B4] Candidate i answers the seed set's i-th item; nothing is drawn but the roles.
            Material::Seeds(items) => {
                let item = &items[at];
                let domain = item.annotation.as_ref().map(|annotation| annotation.domain);
                (domain, vec![item.id()], Some(item.instruction.clone()))
            }
        };
        let Setting { asker, variant, members, .. } = self.setting;
        let (run_seed, experience) = (asker.run_seed, &self.experience);
        let draw = RoleDraw { run_seed, candidate: id, domain, experience, variant, members };
        let drawn = Candidate::drawn(id, self.wave, domain, examples, draw.assign());
        Candidate { instruction, ..drawn }
    }

    /// Draws domain and examples, each from its own stream.
    fn draw_examples(&self, pool: &Pool, id: ItemId) -> (Domain, Vec<ItemId>) {
        let (asker, method, name) = (self.setting.asker, self.method(), id.to_string());
        let stream = |purpose| Stream::named(asker.run_seed, &[&name, purpose]);

        let domain = stream("domain").weighted(&self.domain_weights);
        // `Round::new` has refused a pool in which all weights are 0, so a domain is always drawn.
        let domain = Domain::ALL[domain.unwrap_or_default()];
        let items = pool.of_domain(domain);
        let mut draw = stream("examples");
        // [G1] 2 to 4 examples, each number equally likely; [G12] of a small domain all that there are.
        let span = (method.max_examples - method.min_examples + 1) as usize;
        let count = method.min_examples as usize + draw.below(span);
        let chosen = draw.choose(items.len(), count);
        let examples = chosen.into_iter().map(|at| pool.items()[items[at]].id).collect();
        (domain, examples)
    }

    fn end_wave(&mut self) -> Step<RoundOutcome> {
        // What no rule has ended is a sample.
        for at in self.open() {
            self.candidates[at].outcome = Some(Outcome::Accepted);
        }
        let tau = self.method().tau;
        // Roles of the next wave may depend on this one's facts, never on those of a wave under way.
        self.experience.learn_all(&self.candidates[self.wave_start..], tau);
        let candidates = &self.candidates;
        let is_sample = |id: &ItemId| match id {
            ItemId::Candidate { number, .. } => candidates[*number as usize].is_sample(),
            ItemId::Seed(_) => false,
        };
        // Later waves are compared with samples only, not with what was close to one or surplus.
        self.kept.retain(|id, _| is_sample(id));
        self.screened.clear();
        self.openings.clear();
        self.wave += 1;
        self.begin_wave()
    }

    fn finish(&mut self) -> RoundOutcome {
        let candidates = std::mem::take(&mut self.candidates);
        let mut embeddings = std::mem::take(&mut self.kept);
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

    // --- The order of the stages -----------------------------------------------------------

    /// Asks a stage's questions; goes on to the next one when it has none.
    fn enter(&mut self, stage: Stage) -> Step<RoundOutcome> {
        self.stage = stage;
        self.later = self.groups();
        self.ask_next().unwrap_or_else(|| self.after_stage())
    }

    /// Does what the finished stage calls for.
    fn after_stage(&mut self) -> Step<RoundOutcome> {
        match self.stage {
            Stage::Keywords => self.enter(Stage::Instruction),
            // A duplicate of the frozen pool ends whatever its reviews say, so it is found before them.
            Stage::Instruction if self.economy().early_duplicates => {
                self.embed().unwrap_or_else(|| self.enter(self.after_instruction()))
            }
            Stage::Instruction => self.enter(self.after_instruction()),
            Stage::InstructionReview => {
                self.drop_vetoed();
                // [R7] A response is written only to an instruction that passed review.
                self.enter(Stage::Response)
            }
            Stage::Response if self.setting.variant.reviews() > 0 => {
                self.enter(Stage::ResponseReview)
            }
            // Comments that were put off are asked for once it is known which responses are disputed: the
            // adjudicator reads them (paper, section 3.4).
            Stage::ResponseReview => {
                self.decide();
                self.enter(Stage::ReviewComment)
            }
            Stage::ReviewComment => self.enter(Stage::Adjudication),
            Stage::Response | Stage::Adjudication => {
                self.settle();
                match self.material {
                    Material::Pool(_) => self.compare(),
                    // [B4] Nothing joins a pool, so nothing is deduplicated or summarised.
                    Material::Seeds(_) => self.end_wave(),
                }
            }
            Stage::Summary => self.end_wave(),
            Stage::SeedDomain | Stage::SeedSummary | Stage::SeedKeywords => {
                unreachable!("a round does not annotate seed items")
            }
        }
    }

    /// The stage behind the instruction, or the first one where the seed set has it.
    fn after_instruction(&self) -> Stage {
        // [V1] A variant without reviewers goes on to the response.
        if self.setting.variant.reviews() > 0 { Stage::InstructionReview } else { Stage::Response }
    }
}

/// How many seed items each domain has, in the order of [`Domain::ALL`]: its weight in the draw of domains. A
/// domain with too few items for a generation has none.
fn domain_weights(pool: &Pool, min_examples: u32) -> Vec<usize> {
    let weight = |domain| {
        // [G12] Samples of earlier rounds count as items. [G3] They do not count as weight, so that no round
        // drifts towards the domains that were easy in the last one.
        let is_drawn = pool.of_domain(domain).len() >= min_examples as usize;
        if is_drawn { pool.seed_share(domain) } else { 0 }
    };
    Domain::ALL.map(weight).to_vec()
}
