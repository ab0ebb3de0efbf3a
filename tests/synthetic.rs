//! A store that a test has written: trials of any size, with texts of its choice and no model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gra_analysis::trial::CallFact;
use gra_bench::store::{CallRow, ChunkCost, Store};
use gra_bench::trial::{ModelDescription, TrialId, TrialRecord, TrialSettings};
use gra_llm::key::CompletionKey;
use gra_synth::annotate::as_brought;
use gra_synth::candidate::{
    Candidate, InstructionReview, Neighbour, Outcome, ResponseReview, Roles,
};
use gra_synth::committee::{Decision, Scores};
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::pool::{ItemId, SeedItem};
use gra_synth::request::{
    Finish, ModelName, Portion, Prompt, Reply, Request, RequestId, Sampling, ScoreReading, Stage,
};
use gra_synth::shape::Shape;
use gra_synth::variant::{Reviewers, Variant};

const MEMBERS: [&str; 5] = ["llama", "qwen", "internlm", "mistral", "tulu"];

/// Texts of a candidate by its number.
pub(crate) type Texts = fn(u32) -> (String, String);

/// A trial that is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Synthetic {
    pub(crate) experiment: &'static str,
    pub(crate) variant: &'static str,
    pub(crate) seed: u64,
    pub(crate) candidates: u32,
    pub(crate) finished: bool,
    pub(crate) texts: Texts,
}

/// The id of a candidate.
fn id(number: u32) -> ItemId {
    ItemId::Candidate { round: 1, number }
}

/// A number that looks drawn, from 0 to below `most`.
fn drawn(number: u32, salt: u32, most: u32) -> u32 {
    let mixed = (u64::from(number) * 0x9E37_79B9 + u64::from(salt) * 0x85EB_CA6B) ^ 0x5bd1_e995;
    u32::try_from((mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 33) % u64::from(most)).unwrap()
}

/// A candidate reviewed by three; every outcome comes up.
fn candidate(number: u32, committee: bool, (instruction, response): (String, String)) -> Candidate {
    let member = |seat: u32| ModelName::new(MEMBERS[((number + seat) % 5) as usize]);
    let reviewers: Vec<ModelName> = if committee { (1..4).map(member).collect() } else { vec![] };
    let roles = Roles {
        generator: member(0),
        reviewers: reviewers.clone(),
        adjudicator: committee.then(|| member(4)),
        summariser: member(2),
    };
    let domain = Domain::ALL[drawn(number, 1, 7) as usize];
    let examples = vec![ItemId::Seed(drawn(number, 2, 200)), ItemId::Seed(drawn(number, 3, 200))];
    let mut candidate = Candidate::drawn(id(number), 0, Some(domain), examples, roles);
    candidate.keywords = vec![format!("keyword {number}"), "tides".to_owned()];
    candidate.emitted_domain = Some(domain.name().to_owned());
    candidate.instruction = Some(instruction);
    let vetoed = committee && drawn(number, 4, 9) == 0;
    for (seat, reviewer) in (0..).zip(&reviewers) {
        let bits = [true, !(vetoed && seat == 1), true];
        let reviewer = reviewer.clone();
        candidate.instruction_reviews.push(InstructionReview { seat, reviewer, bits });
    }
    if vetoed {
        candidate.outcome = Some(Outcome::Vetoed);
        return candidate;
    }
    candidate.response = Some(response);
    // One in six disputes: two give ten, one half of it. One in six is rejected.
    let kind = drawn(number, 5, 6);
    for (seat, reviewer) in (0..).zip(reviewers) {
        let score = |place: u32| {
            let base = match (kind, seat) {
                (0, 2) | (1, _) => 4,
                (0, _) => 10,
                _ => 8,
            };
            u8::try_from((base + drawn(number, 7 + place + u32::from(seat), 3)).min(10)).unwrap()
        };
        let scores =
            Scores::whole(std::array::from_fn(|place| score(u32::try_from(place).unwrap())));
        let comment = Some(format!("Review {seat} of candidate {number}."));
        candidate.response_reviews.push(ResponseReview { seat, reviewer, scores, comment });
    }
    let method = Method::default();
    candidate.decision = candidate.tally().map(|tally| tally.decide(method.tau, method.delta));
    let nearest = Neighbour { id: ItemId::Seed(drawn(number, 30, 200)), cosine: 0.5 };
    candidate.nearest = Some(nearest);
    candidate.outcome = Some(match candidate.decision {
        Some(Decision::Reject) => Outcome::Rejected,
        Some(Decision::Dispute) => {
            let scores = Scores::whole([if drawn(number, 31, 2) == 0 { 9 } else { 5 }; 6]);
            let reviewer = candidate.roles.adjudicator.clone().unwrap();
            let comment = Some("The adjudicator's word.".to_owned());
            candidate.adjudication = Some(ResponseReview { seat: 0, reviewer, scores, comment });
            if scores.reach(method.tau) { Outcome::Accepted } else { Outcome::AdjudicatedOut }
        }
        _ if drawn(number, 32, 20) == 0 => {
            candidate.nearest = Some(Neighbour { cosine: 0.95, ..nearest });
            Outcome::Duplicate
        }
        _ => Outcome::Accepted,
    });
    if candidate.is_sample() {
        candidate.summary = Some(format!("A summary of {number}."));
    }
    candidate
}

/// Calls of a candidate with what was asked and answered.
fn calls(candidate: &Candidate) -> Vec<(Request, Reply)> {
    let roles = &candidate.roles;
    let texts = [candidate.instruction.as_deref(), candidate.response.as_deref()];
    let mut calls = vec![
        (Stage::Keywords, 0, &roles.generator, "<bok>keywords<eok>".to_owned()),
        (Stage::Instruction, 0, &roles.generator, texts[0].unwrap_or_default().to_owned()),
    ];
    for review in &candidate.instruction_reviews {
        let bits = format!("<bos>{:?}<eos>", review.bits.map(u8::from));
        calls.push((Stage::InstructionReview, review.seat, &review.reviewer, bits));
    }
    if let Some(response) = texts[1] {
        calls.push((Stage::Response, 0, &roles.generator, response.to_owned()));
    }
    let reviews = candidate.response_reviews.iter().map(|review| (Stage::ResponseReview, review));
    let word = candidate.adjudication.iter().map(|review| (Stage::Adjudication, review));
    for (stage, review) in reviews.chain(word) {
        let comment = review.comment.as_deref().unwrap_or_default();
        let text = format!("<bos>{:?}<eos><boc>{comment}<eoc>", review.scores.values());
        calls.push((stage, review.seat, &review.reviewer, text));
    }
    let ask = |(stage, seat, model, text): (Stage, u8, &ModelName, String)| {
        let request = Request {
            id: RequestId { subject: candidate.id, stage, seat, attempt: 0 },
            model: model.clone(),
            prompt: Prompt {
                role: Arc::from(format!("You do the {stage}. ").repeat(20).as_str()),
                sample: format!("About candidate {}.", candidate.id),
            },
            shape: Shape::free(),
            portion: Portion::Whole,
            score_reading: ScoreReading::Sampled,
            sampling: Sampling::default(),
            max_tokens: 4096,
            seed: 42,
        };
        let reply = Reply {
            text,
            finish: Finish::Stop,
            prompt_tokens: 400,
            reply_tokens: 100,
            expected: Vec::new(),
        };
        (request, reply)
    };
    calls.into_iter().map(ask).collect()
}

/// The record of a trial under run seed 42 that no run has made.
pub(crate) fn record(experiment: &str, variant: Variant, encoder: &str) -> TrialRecord {
    TrialRecord {
        id: TrialId { experiment: experiment.into(), variant: variant.name.clone(), seed: 42 },
        settings: TrialSettings {
            experiment: experiment.into(),
            variant,
            method: Method::default(),
            sampling: BTreeMap::new(),
            models: BTreeMap::new(),
            encoder: encoder.into(),
            seed_set: "seeds.jsonl".into(),
            seed_set_sha256: "0".repeat(64),
            seed_items: 200,
            prompts_sha256: "0".repeat(64),
            chunk: 64,
        },
        models: Vec::new(),
        demonstration: false,
    }
}

/// A model's description in a record.
pub(crate) fn description(name: &str, parameters: Option<u64>) -> ModelDescription {
    let (name, source) = (ModelName::new(name), format!("{name}.gguf"));
    ModelDescription { name, source, licence: None, parameters }
}

/// A seed item without annotation.
pub(crate) fn seed_item(number: u32, instruction: String) -> SeedItem {
    SeedItem { number, instruction, input_at: None, response: None, annotation: None }
}

impl Synthetic {
    /// Writes the trial into the store, which is made where it is missing.
    pub(crate) fn write(self, path: &Path) {
        let mut store = Store::open(path).unwrap();
        let reviewed = self.variant != "no-reviewer";
        let reviewers = if reviewed { Reviewers::Committee(3) } else { Reviewers::None };
        let variant = Variant { reviewers, ..Variant::gra(self.variant) };
        let mut record = record(self.experiment, variant, "none");
        record.id.seed = self.seed;
        record.models = MEMBERS.map(|name| description(name, Some(7_000_000_000))).to_vec();
        let row = store.begin_trial(&record).unwrap();
        let seed = |number| seed_item(number, format!("Seed instruction {number}."));
        let seeds: Vec<SeedItem> = (0..200).map(seed).collect();
        store.record_seeds(row, &seeds, &as_brought(&seeds)).unwrap();
        let candidates: Vec<Candidate> = (0..self.candidates)
            .map(|number| candidate(number, reviewed, (self.texts)(number)))
            .collect();
        for some in candidates.chunks(500) {
            record_candidates(&mut store, row, some);
        }
        if self.finished {
            store.finish_trial(row).unwrap();
        }
    }
}

/// Candidates, their calls and the replies to them.
fn record_candidates(store: &mut Store, row: i64, candidates: &[Candidate]) {
    store.record_round(row, 1, candidates).unwrap();
    let asked: Vec<(Request, Reply)> = candidates.iter().flat_map(calls).collect();
    let key = |request: &Request| {
        let CompletionKey(mut key) = CompletionKey::new("a fingerprint", request);
        // The trial is no part of a key; tests want replies of their own per trial and call.
        key[0] = row.to_le_bytes()[0];
        key[1] = request.id.seat;
        CompletionKey(key)
    };
    let calls: Vec<CallRow> = asked
        .iter()
        .map(|(request, reply)| {
            let fact = CallFact {
                id: request.id.clone(),
                model: request.model.clone(),
                shared: false,
                prompt_tokens: reply.prompt_tokens,
                reply_tokens: reply.reply_tokens,
            };
            CallRow { fact, key: key(request) }
        })
        .collect();
    store.record_calls(row, &calls).unwrap();
    let keys = calls.iter().map(|call| call.key).collect();
    let planned = [((ModelName::new("llama"), Stage::Response), keys)];
    let chunk = store.plan_chunks("test", &[], &planned).unwrap().remove(0);
    let cost = ChunkCost { seconds: 1.0, slots: 4, crashes: 0 };
    let answered: Vec<(&Request, Reply)> =
        asked.iter().map(|(request, reply)| (request, reply.clone())).collect();
    store.finish_chunk(&chunk, "a fingerprint", cost, &answered).unwrap();
}
