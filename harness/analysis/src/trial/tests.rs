//! A small trial that all tests use: one candidate per way to end, written by hand. Below, the tests of what is counted
//! of a trial.

use gra_synth::candidate::{
    FailedCall, InstructionReview, MalformedReply, Neighbour, ResponseReview, Roles,
};
use gra_synth::committee::Scores;
use gra_synth::domain::Domain;
use gra_synth::form::Malformed;
use gra_synth::request::Failure;

use super::*;
use crate::statistics::dependence::Dependence;

pub(crate) fn id(number: u32) -> ItemId {
    ItemId::Candidate { round: 1, number }
}

fn model(name: &str) -> ModelName {
    ModelName::new(name)
}

/// Drawn, with keywords, instruction and response.
pub(crate) fn written(number: u32) -> Candidate {
    let roles = Roles {
        generator: model("llama"),
        reviewers: ["qwen", "internlm", "mistral"].map(model).to_vec(),
        adjudicator: Some(model("tulu")),
        summariser: model("qwen"),
    };
    let examples = vec![ItemId::Seed(3 + number / 2), ItemId::Seed(100 + number % 13)];
    let mut candidate = Candidate::drawn(id(number), 0, Some(Domain::Math), examples, roles);
    candidate.keywords = vec!["prime".into(), "sum, of digits".into()];
    candidate.emitted_domain = Some("Math".into());
    candidate.instruction = Some(format!("Find \"prime\" number {number}."));
    candidate.response = Some("Two lines,\nand a comma.".into());
    candidate
}

/// Three equal bits from each reviewer, but for one zero if it is vetoed.
fn checked(mut candidate: Candidate, vetoed: bool) -> Candidate {
    let reviewers = candidate.roles.reviewers.clone();
    for (seat, reviewer) in (0..).zip(reviewers) {
        let bits = [true, !(vetoed && seat == 1), true];
        candidate.instruction_reviews.push(InstructionReview { seat, reviewer, bits });
    }
    candidate
}

pub(crate) fn review(seat: u8, reviewer: &str, scores: [u8; 6]) -> ResponseReview {
    let comment = Some(format!("seat {seat}"));
    ResponseReview { seat, reviewer: model(reviewer), scores: Scores::whole(scores), comment }
}

/// Passed the instruction review; each reviewer gives six times one score.
pub(crate) fn scored(number: u32, scores: [u8; 3], decision: Decision) -> Candidate {
    let mut candidate = checked(written(number), false);
    let reviewers = ["qwen", "internlm", "mistral"];
    for ((seat, reviewer), score) in (0..).zip(reviewers).zip(scores) {
        candidate.response_reviews.push(review(seat, reviewer, [score; 6]));
    }
    candidate.decision = Some(decision);
    candidate
}

fn ended(mut candidate: Candidate, outcome: Outcome) -> Candidate {
    candidate.outcome = Some(outcome);
    candidate
}

/// An accepted candidate.
pub(crate) fn accepted(number: u32) -> Candidate {
    let mut candidate = scored(number, [9, 9, 8], Decision::Accept);
    candidate.nearest = Some(Neighbour { id: ItemId::Seed(11), cosine: 0.25 });
    candidate.summary = Some("Finds a prime.".into());
    ended(candidate, Outcome::Accepted)
}

/// A candidate whose second reviewer gave a zero.
pub(crate) fn vetoed(number: u32) -> Candidate {
    let mut candidate = checked(written(number), true);
    candidate.response = None;
    ended(candidate, Outcome::Vetoed)
}

/// A candidate whose response the engine could not give.
pub(crate) fn failed(number: u32) -> Candidate {
    let mut candidate = checked(written(number), false);
    candidate.response = None;
    let (stage, failure) = (Stage::Response, Failure::Status(500));
    candidate.failed.push(FailedCall { stage, seat: 0, attempt: 0, failure });
    ended(candidate, Outcome::Failed { stage })
}

/// A rejected candidate.
pub(crate) fn rejected(number: u32) -> Candidate {
    ended(scored(number, [7, 8, 6], Decision::Reject), Outcome::Rejected)
}

fn adjudicated(number: u32, score: u8, outcome: Outcome) -> Candidate {
    let mut candidate = scored(number, [10, 10, 5], Decision::Dispute);
    candidate.adjudication = Some(review(0, "tulu", [score; 6]));
    ended(candidate, outcome)
}

/// Every outcome under a full committee, from r1-00000 on; the last one is undecided.
pub(crate) fn every_outcome() -> Vec<Candidate> {
    let mut malformed = checked(written(0), false);
    malformed.response_reviews.push(review(0, "qwen", [9; 6]));
    for attempt in 0..3 {
        let reason = Malformed::NotSixScores;
        let stage = Stage::ResponseReview;
        malformed.malformed.push(MalformedReply { stage, seat: 2, attempt, reason });
    }
    let mut repeated = written(1);
    repeated.instruction = None;
    repeated.response = None;
    let mut vetoed = vetoed(2);
    vetoed.emitted_domain = Some("Cooking".into());
    let mut duplicate = adjudicated(6, 9, Outcome::Duplicate);
    duplicate.nearest = Some(Neighbour { id: ItemId::Seed(3), cosine: 0.9375 });
    // One of three means reaches 8, and mu is 8 exactly: no majority.
    let mut voted_out = scored(5, [10, 8, 6], Decision::Dispute);
    voted_out.response_reviews[1] = review(1, "internlm", [8, 8, 8, 8, 8, 7]);
    voted_out.response_reviews[2] = review(2, "mistral", [6, 6, 6, 6, 6, 7]);
    let mut surplus = scored(7, [8, 8, 8], Decision::Accept);
    surplus.nearest = Some(Neighbour { id: id(8), cosine: 0.5 });
    let mut retried = accepted(8);
    let reason = Malformed::NoTags;
    retried.malformed.push(MalformedReply { stage: Stage::Keywords, seat: 0, attempt: 0, reason });
    let mut untouched = written(9);
    untouched.keywords.clear();
    untouched.emitted_domain = None;
    untouched.instruction = None;
    untouched.response = None;
    vec![
        ended(malformed, Outcome::Malformed { stage: Stage::ResponseReview }),
        ended(repeated, Outcome::RepeatedKeywords),
        ended(vetoed, Outcome::Vetoed),
        rejected(3),
        adjudicated(4, 7, Outcome::AdjudicatedOut),
        ended(voted_out, Outcome::VotedOut),
        duplicate,
        ended(surplus, Outcome::Surplus),
        retried,
        untouched,
    ]
}

/// Calls of one stage, alike but for the seat.
pub(crate) fn calls(stage: Stage, count: u8, shared: bool) -> Vec<CallFact> {
    let call = |seat| CallFact {
        id: RequestId { subject: id(0), stage, seat, attempt: 0 },
        model: model("llama"),
        prompt_tokens: 400,
        reply_tokens: 25,
        shared,
    };
    (0..count).map(call).collect()
}

/// A trial of this variant.
pub(crate) fn trial(variant: &str, candidates: Vec<Candidate>, calls: Vec<CallFact>) -> TrialFacts {
    TrialFacts { variant: variant.to_owned(), candidates, calls }
}

#[test]
fn candidates_depend_on_what_they_were_shown() {
    let candidate = |round, number, examples: &[ItemId]| {
        let mut candidate = written(number);
        candidate.id = ItemId::Candidate { round, number };
        candidate.examples = examples.to_vec();
        candidate
    };
    let first = candidate(1, 7, &[ItemId::Seed(4), ItemId::Seed(5)]);
    let child = candidate(2, 1, &[first.id, ItemId::Seed(9)]);
    let grandchild = candidate(3, 0, &[child.id]);
    let related = |one: &Candidate, other: &Candidate| {
        !Dependence::by_items([lineage(one), lineage(other)]).is_independent()
    };
    assert!(related(&first, &child) && related(&child, &grandchild));
    assert!(!related(&first, &grandchild), "the pool of round 2 is given");
    assert!(!related(&first, &candidate(1, 8, &[ItemId::Seed(3)])));
}

#[test]
fn each_saving_is_counted_once() {
    let mut early = written(0);
    early.response = None;
    early.outcome = Some(Outcome::Duplicate);
    let mut alone = early.clone();
    alone.id = id(1);
    alone.roles.reviewers.clear();
    let mut vetoed = vetoed(2);
    vetoed.instruction_reviews.truncate(1);
    // Asked twice and given up on: a seat all the same.
    for attempt in 0..2 {
        let (stage, reason) = (Stage::InstructionReview, Malformed::NoTags);
        vetoed.malformed.push(MalformedReply { stage, seat: 1, attempt, reason });
    }
    let mut hopeless = rejected(3);
    hopeless.response_reviews.truncate(2);
    hopeless.response_reviews[0].comment = None;
    let expected = Savings {
        early_duplicates: 2,
        after_early_duplicates: 4,
        after_veto: 1,
        after_bound: 1,
        comments: 1,
    };
    assert_eq!(Savings::of(&[early, alone, vetoed, hopeless, accepted(4)]), expected);
    assert!(Savings::of(&[accepted(4), rejected(5)]).is_none());
}
