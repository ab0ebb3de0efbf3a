//! Round 0: every seed item gets a domain, a summary and keywords (paper, section 3 and appendix A; METHOD.md,
//! S1-S4).

use serde::{Deserialize, Serialize};

use crate::candidate::{FailedCall, MalformedReply};
use crate::domain::Domain;
use crate::form::{self, Malformed};
use crate::method::Member;
use crate::pool::{Annotation, ItemId, Pool, PoolItem, SeedItem};
use crate::prompt::PromptSet;
use crate::request::{Embedding, ModelName, Portion, Reply, Request, ScoreReading, Stage};
use crate::step::{Answers, Asker, Question, Step};
use crate::stream::Stream;

const STAGES: [Stage; 3] = [Stage::SeedDomain, Stage::SeedSummary, Stage::SeedKeywords];

/// The record of one seed item's annotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnotatedSeed {
    /// The item.
    pub id: ItemId,
    /// The model that annotated it; `None` when the seed set brought its annotation along, or no model was asked.
    pub annotator: Option<ModelName>,
    /// `None` when a field stayed malformed or its call failed (the item is left out of sampling), or
    /// no model was asked.
    pub annotation: Option<Annotation>,
    /// Every reply that could not be read.
    pub malformed: Vec<MalformedReply>,
    /// Whether its instruction is longer than the encoder reads at once; candidates are then compared with
    /// it in windows (METHOD.md, D1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// Every call that the engine could not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCall>,
}

/// The annotated seed set.
#[derive(Debug)]
pub struct Annotated {
    /// One record per seed item, in order.
    pub seeds: Vec<AnnotatedSeed>,
    /// D(0).
    pub pool: Pool,
}

/// A seed set as it came: the record of a trial that needs no annotation.
#[must_use]
pub fn as_brought(items: &[SeedItem]) -> Vec<AnnotatedSeed> {
    let record = |item: &SeedItem| AnnotatedSeed {
        id: item.id(),
        annotator: None,
        annotation: item.annotation.clone(),
        malformed: Vec::new(),
        long: false,
        failed: Vec::new(),
    };
    items.iter().map(record).collect()
}

/// An item's annotation, as its fields come in.
#[derive(Debug, Default)]
struct Fields {
    domain: Option<Domain>,
    summary: Option<String>,
    keywords: Option<Vec<String>>,
}

/// The machine that annotates a seed set: one question round for all items and fields, retries for
/// malformed replies, one embedding step.
#[derive(Debug)]
pub struct Annotate<'a> {
    asker: Asker<'a>,
    members: &'a [Member],
    items: &'a [SeedItem],
    /// One per item, as far as it is known.
    seeds: Vec<AnnotatedSeed>,
    fields: Vec<Fields>,
    /// Item, stage and attempt of the calls under way.
    asked: Vec<(usize, Stage, u8)>,
}

impl<'a> Annotate<'a> {
    /// A machine for these items.
    ///
    /// Annotators rotate: each block of as many items as the pool has models is dealt to all models
    /// in a drawn order, so shares are equal and a longer seed set leaves its beginning unchanged.
    #[must_use]
    pub fn new(asker: Asker<'a>, members: &'a [Member], items: &'a [SeedItem]) -> Self {
        let mut seeds = as_brought(items);
        let open = (0..items.len()).filter(|&at| items[at].annotation.is_none());
        let mut order = Vec::new();
        for (place, at) in open.enumerate() {
            // [S1] Blocks of pool size, each dealt in an order of its own.
            let block = place / members.len();
            if place % members.len() == 0 {
                let name = ["annotators", &block.to_string()];
                order = Stream::named(asker.run_seed, &name).choose(members.len(), members.len());
            }
            seeds[at].annotator = Some(members[order[place % members.len()]].name.clone());
        }
        let fields = items.iter().map(|_| Fields::default()).collect();
        Self { asker, members, items, seeds, fields, asked: Vec::new() }
    }

    /// Takes the answers to the last step and says what comes next.
    ///
    /// # Panics
    /// When the answers are not of the kind that was asked for.
    pub fn advance(&mut self, answers: Answers) -> Step<Annotated> {
        match answers {
            Answers::Start => {
                // All three fields at once: each is made from the instruction alone, so none waits for another.
                self.asked = (0..self.items.len())
                    .filter(|&at| self.seeds[at].annotator.is_some())
                    .flat_map(|at| STAGES.map(|stage| (at, stage, 0)))
                    .collect();
                self.ask_or_embed()
            }
            Answers::Replies(replies) => {
                assert_eq!(replies.len(), self.asked.len(), "one reply per request");
                let asked = std::mem::take(&mut self.asked);
                for ((at, stage, attempt), reply) in asked.into_iter().zip(&replies) {
                    let seed = &mut self.seeds[at];
                    if let Some(failure) = reply.failure() {
                        seed.failed.push(FailedCall { stage, seat: 0, attempt, failure });
                        continue;
                    }
                    let read = self.fields[at].read(stage, reply, self.asker.prompts);
                    let Err(reason) = read else { continue };
                    seed.malformed.push(MalformedReply { stage, seat: 0, attempt, reason });
                    if attempt < self.asker.method.retries && reason != Malformed::PromptTooLong {
                        self.asked.push((at, stage, attempt + 1));
                    }
                }
                // An item that lacks one field for good needs no other.
                let seeds = &self.seeds;
                self.asked.retain(|(at, ..)| seeds[*at].failed.is_empty());
                self.ask_or_embed()
            }
            Answers::Embeddings(embeddings) => self.finish(embeddings),
        }
    }

    fn ask_or_embed(&self) -> Step<Annotated> {
        if !self.asked.is_empty() {
            return Step::Ask(self.asked.iter().map(|task| self.request(*task)).collect());
        }
        if self.items.is_empty() {
            return Step::Done(Annotated { seeds: Vec::new(), pool: Pool::default() });
        }
        // Items without annotation too: no candidate may copy them.
        Step::Embed(self.items.iter().map(|item| item.instruction.clone()).collect())
    }

    fn request(&self, (at, stage, attempt): (usize, Stage, u8)) -> Request {
        let item = &self.items[at];
        let annotator = self.seeds[at].annotator.as_ref();
        let member = self.members.iter().find(|member| Some(&member.name) == annotator);
        let values = [("instruction", item.instruction.as_str())];
        self.asker.request(Question {
            subject: item.id(),
            stage,
            seat: 0,
            attempt,
            repeat: 0,
            member: member.expect("an item that is asked about has an annotator of the pool"),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sample: self.asker.prompts.sample(stage, &values),
        })
    }

    fn finish(&mut self, embeddings: Vec<Embedding>) -> Step<Annotated> {
        let mut seeds = std::mem::take(&mut self.seeds);
        assert_eq!(embeddings.len(), seeds.len(), "one embedding per text");
        let fields = std::mem::take(&mut self.fields);
        let mut items = Vec::with_capacity(seeds.len());
        for ((seed, fields), embedding) in seeds.iter_mut().zip(fields).zip(embeddings) {
            seed.long = embedding.is_long();
            // What the seed set brought along stands.
            seed.annotation = seed.annotation.take().or_else(|| fields.annotation());
            items.push(PoolItem { id: seed.id, annotation: seed.annotation.clone(), embedding });
        }
        Step::Done(Annotated { seeds, pool: Pool::from_seed(items) })
    }
}

impl Fields {
    /// `None` while one of them is missing.
    fn annotation(self) -> Option<Annotation> {
        Some(Annotation { domain: self.domain?, keywords: self.keywords?, summary: self.summary? })
    }

    fn read(&mut self, stage: Stage, reply: &Reply, prompts: &PromptSet) -> Result<(), Malformed> {
        match stage {
            Stage::SeedDomain => self.domain = Some(form::read_domain(reply)?),
            Stage::SeedSummary => self.summary = Some(form::read_summary(reply)?),
            _ => {
                let keywords = form::read_seed_keywords(reply)?;
                // A small model may copy the prompt's own example; that says nothing about this instruction.
                if keywords.iter().any(|keyword| prompts.shows_keyword(stage, keyword)) {
                    return Err(Malformed::CopiedExample);
                }
                self.keywords = Some(keywords);
            }
        }
        Ok(())
    }
}
