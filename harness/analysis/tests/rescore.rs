//! Rescoring beside the method itself: rounds that scripted models play under one rule, and what they
//! would have been under another, which is then played as well.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

#[path = "../../synth/tests/script/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the method, which use all of it")]
mod script;

use std::collections::BTreeMap;

use gra_analysis::rescore::{
    Embeddings, Fate, Knowledge, NotRecorded, Record, Rescored, Rule, fates, rescore,
};
use gra_synth::candidate::{Candidate, Outcome};
use gra_synth::committee::Thousandths;
use gra_synth::method::{Economy, Method, TargetCut};
use gra_synth::pool::{ItemId, Pool};
use gra_synth::request::{Failure, Finish, Request, Stage};
use gra_synth::stream::Stream;
use gra_synth::variant::{DisputeRule, Reviewers, Variant};
use proptest::prelude::*;
use script::{embedding, method, play_on, pool, usual, variant};

/// What a moody model says: vetoes, disputes, twins, malformed replies and failed calls, decided by the call's seed.
fn moody(request: &Request, seed: u64) -> (String, Finish) {
    let mut mood = Stream::named(request.seed ^ seed, &["mood"]);
    if mood.below(30) == 0 {
        return ("Where were we?".into(), Finish::Length);
    }
    if mood.below(60) == 0 {
        return (String::new(), Finish::PromptTooLong { tokens: 99, context: Some(64) });
    }
    if mood.below(60) == 0 {
        return ("broken".into(), Finish::Failed { failure: Failure::Status(500) });
    }
    let text = match request.id.stage {
        Stage::Instruction => {
            let of = if mood.below(8) == 0 { "seed" } else { "Instruction" };
            format!("<boi>{of} {}<eoi>", 6 + mood.below(50))
        }
        Stage::InstructionReview if mood.below(10) == 0 => "<bos>[1,0,1]<eos>".into(),
        Stage::ResponseReview | Stage::Adjudication => {
            let low = 6 * usize::from(mood.below(4) == 0);
            let scores: Vec<String> =
                (0..6).map(|_| 10_usize.saturating_sub(mood.below(4 + low)).to_string()).collect();
            format!("<bos>[{}]<eos><boc>{}<eoc>", scores.join(","), mood.below(99))
        }
        _ => usual(request),
    };
    (text, Finish::Stop)
}

fn economy(bits: u8) -> Economy {
    Economy {
        early_duplicates: bits & 1 > 0,
        veto_short_circuit: bits & 2 > 0,
        bound_pruning: bits & 4 > 0,
        lazy_comments: bits & 8 > 0,
    }
}

/// A trial of a few rounds.
fn trial(rounds: u32, variant: &Variant, method: &Method, seed: u64) -> Vec<Candidate> {
    let mut pool: Pool = pool();
    let mut candidates = Vec::new();
    for round in 1..=rounds {
        let say = |request: &Request| moody(request, seed);
        let outcome = play_on(&pool, round, variant, method, say).outcome;
        candidates.extend(outcome.candidates);
        pool.extend(outcome.samples);
    }
    candidates
}

fn embeddings(candidates: &[Candidate]) -> Embeddings {
    let instruction = |c: &Candidate| Some((c.id, embedding(c.instruction.as_deref()?)));
    Embeddings {
        seeds: pool().items().iter().map(|item| (item.id, item.embedding.clone())).collect(),
        instructions: candidates.iter().filter_map(instruction).collect(),
    }
}

fn thousandths(value: f64) -> Thousandths {
    Thousandths::try_from(value).unwrap()
}

fn at(rule: Rule, base: &Method, of: &Variant) -> (Method, Variant) {
    let Rule { tau, delta, reviewers, dispute, cosine_limit } = rule;
    let committee = match of.reviewers {
        Reviewers::Committee(_) => Reviewers::Committee(reviewers),
        _ => of.reviewers.clone(),
    };
    let method = Method { tau, delta, cosine_limit, ..base.clone() };
    (method, Variant { reviewers: committee, dispute, ..of.clone() })
}

fn reviewed() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "gra",
        "single-reviewer",
        "majority-vote",
        "accept-disputes",
        "single-model",
        "fixed-roles",
    ])
}

fn rules() -> impl Strategy<Value = Rule> {
    let dispute = vec![DisputeRule::Adjudicator, DisputeRule::MajorityVote, DisputeRule::Accept];
    (12_u32..20, 0_u32..6, 1_u8..=3, prop::sample::select(dispute), any::<bool>()).prop_map(
        |(tau, delta, reviewers, dispute, lax)| Rule {
            tau: thousandths(f64::from(tau) / 2.0),
            delta: thousandths(f64::from(delta) / 2.0),
            reviewers,
            dispute,
            cosine_limit: if lax { 1.01 } else { 0.9 },
        },
    )
}

fn several_waves(bits: u8) -> Method {
    let cut = if bits.count_ones().is_multiple_of(2) { TargetCut::Mu } else { TargetCut::Number };
    Method { target: 12, cap: 48, wave: 12, cut, economy: economy(bits), ..method() }
}

fn passed(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Accepted | Outcome::Surplus))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_recorded_rule_gives_the_recorded_outcomes(
        name in reviewed(), seed in any::<u64>(), bits in 0_u8..16, embedded in any::<bool>(),
    ) {
        let (variant, method) = (variant(name), several_waves(bits));
        let candidates = trial(3, &variant, &method, seed);
        let embeddings = embeddings(&candidates);
        let record = Record {
            candidates: &candidates,
            method: &method,
            variant: &variant,
            embeddings: embedded.then_some(&embeddings),
            judge: &BTreeMap::new(),
        };
        let fates = fates(&record, Rule::recorded(&method, &variant)).unwrap();
        for candidate in &candidates {
            prop_assert_eq!(fates[&candidate.id], Fate::Known(candidate.outcome.unwrap()));
        }
        let Rescored { recorded, .. } = rescore(&record, &[]).unwrap();
        prop_assert_eq!(recorded.knowledge, Knowledge::Exact);
        prop_assert_eq!(recorded.unknown, 0);
        let decided = candidates.iter().filter(|candidate| candidate.decision.is_some()).count();
        prop_assert_eq!(recorded.decided, decided as u64);
    }

    #[test]
    fn another_rule_in_round_1_gives_what_a_run_under_it_records(
        name in reviewed(), seed in any::<u64>(), bits in 0_u8..16, rule in rules(),
    ) {
        let (ran, base) = (variant(name), several_waves(bits));
        let rule = Rule { reviewers: rule.reviewers.min(ran.reviews()), ..rule };
        let candidates = trial(1, &ran, &base, seed);
        let embeddings = embeddings(&candidates);
        let record = Record {
            candidates: &candidates,
            method: &base,
            variant: &ran,
            embeddings: Some(&embeddings),
            judge: &BTreeMap::new(),
        };
        let fates = fates(&record, rule).unwrap();
        let (method, other) = at(rule, &Method { economy: Economy::OFF, ..base.clone() }, &ran);
        let played = trial(1, &other, &method, seed);
        let unknown = fates.values().any(|fate| matches!(fate, Fate::Unknown(_)));
        // One of the two may have drawn more waves.
        for candidate in played {
            let Some(fate) = fates.get(&candidate.id) else { continue };
            let Fate::Known(told) = *fate else { continue };
            let duplicates = told == Outcome::Duplicate || candidate.outcome == Some(Outcome::Duplicate);
            if unknown && duplicates {
                continue; // Of a candidate whose fate is unknown, perhaps.
            }
            let id = candidate.id;
            prop_assert_eq!(passed(Some(told)), passed(candidate.outcome), "{}: {:?}", id, told);
            if !unknown && passed(Some(told)) {
                prop_assert_eq!(Some(told), candidate.outcome, "{}: what is surplus", id);
            }
        }
    }

    #[test]
    fn stricter_thresholds_accept_no_more(seed in any::<u64>(), bits in 0_u8..16, rule in rules()) {
        // Votes accept, so that nothing but tau and delta changes; nothing is a duplicate.
        let rule = Rule { dispute: DisputeRule::MajorityVote, cosine_limit: 1.01, ..rule };
        let (variant, base) = (variant("majority-vote"), several_waves(bits));
        let candidates = trial(1, &variant, &base, seed);
        let embeddings = embeddings(&candidates);
        let record = Record {
            candidates: &candidates,
            method: &base,
            variant: &variant,
            embeddings: Some(&embeddings),
            judge: &BTreeMap::new(),
        };
        let higher = Rule { tau: thousandths(f64::from(rule.tau) + 0.5), ..rule };
        let cells = rescore(&record, &[rule, higher]).unwrap().cells;
        prop_assert!(cells[1].accepted <= cells[0].accepted);
        prop_assert!(cells[1].accepted + cells[1].unknown <= cells[0].accepted + cells[0].unknown);
    }
}

#[test]
fn what_was_never_asked_is_unknown_and_says_why() {
    let number = |request: &Request| match request.id.subject {
        ItemId::Candidate { number, .. } => number,
        ItemId::Seed(_) => 0,
    };
    let say = |request: &Request| {
        let text = match (number(request), request.id.stage, request.id.seat) {
            // 0: broken off below tau 8 by whoever is asked first. 1: no dispute at delta 1.5.
            (0, Stage::ResponseReview, _) => "<bos>[3,3,3,3,3,3]<eos><boc>x<eoc>",
            (1, Stage::ResponseReview, 0) => "<bos>[7,7,7,7,7,7]<eos><boc>x<eoc>",
            // 2: vetoed by the last seat, so it has no response. 3: an early duplicate of a seed.
            (2, Stage::InstructionReview, 2) => "<bos>[0,1,1]<eos>",
            (3, Stage::Instruction, _) => "<boi>seed 1<eoi>",
            // 4: disputed, and the adjudicator read three comments.
            (4, Stage::ResponseReview, 0) => "<bos>[5,5,5,5,5,5]<eos><boc>x<eoc>",
            (4, Stage::ResponseReview, _) => "<bos>[10,10,10,10,10,10]<eos><boc>x<eoc>",
            _ => return (usual(request), Finish::Stop),
        };
        (text.to_owned(), Finish::Stop)
    };
    let (gra, method) = (variant("gra"), Method { economy: Economy::ON, cap: 5, ..method() });
    let candidates = play_on(&pool(), 1, &gra, &method, say).outcome.candidates;
    let mut embeddings = embeddings(&candidates);
    embeddings.instructions.remove(&ItemId::Candidate { round: 1, number: 1 });
    let record = Record {
        candidates: &candidates,
        method: &method,
        variant: &gra,
        embeddings: Some(&embeddings),
        judge: &BTreeMap::new(),
    };
    let own = Rule::recorded(&method, &gra);
    let fate =
        |number, rule| fates(&record, rule).unwrap()[&ItemId::Candidate { round: 1, number }];
    let cases = [
        (0, Rule { tau: thousandths(7.7), ..own }, Fate::Known(Outcome::Rejected)),
        (0, Rule { tau: thousandths(2.0), ..own }, Fate::Unknown(NotRecorded::Reviews)),
        (1, Rule { delta: thousandths(0.5), ..own }, Fate::Unknown(NotRecorded::Adjudication)),
        (1, own, Fate::Unknown(NotRecorded::Embedding)),
        (2, own, Fate::Known(Outcome::Vetoed)),
        (2, Rule { reviewers: 2, ..own }, Fate::Unknown(NotRecorded::Response)),
        (3, own, Fate::Known(Outcome::Duplicate)),
        (3, Rule { cosine_limit: 1.01, ..own }, Fate::Unknown(NotRecorded::Reviews)),
        (4, own, Fate::Known(Outcome::Accepted)),
        (4, Rule { tau: thousandths(8.1), ..own }, Fate::Known(Outcome::AdjudicatedOut)),
        (4, Rule { delta: thousandths(3.0), ..own }, Fate::Known(Outcome::Accepted)),
        (
            4,
            Rule { reviewers: 2, tau: thousandths(7.0), ..own },
            Fate::Unknown(NotRecorded::Adjudication),
        ),
        (4, Rule { reviewers: 1, ..own }, Fate::Known(Outcome::Rejected)),
    ];
    for (number, rule, expected) in cases {
        assert_eq!(fate(number, rule), expected, "{number} under {rule:?}");
    }
}

#[test]
fn later_rounds_are_approximate_once_an_earlier_one_would_have_added_other_samples() {
    let (gra, method) = (variant("gra"), several_waves(0));
    let candidates = trial(3, &gra, &method, 10);
    let embeddings = embeddings(&candidates);
    let first = candidates.iter().filter(|c| matches!(c.id, ItemId::Candidate { round: 1, .. }));
    let first: Vec<Candidate> = first.cloned().collect();
    let own = Rule::recorded(&method, &gra);
    // Nothing lies between 8 and this tau.
    let same = Rule { tau: thousandths(8.001), ..own };
    let higher = Rule { tau: thousandths(9.0), ..own };
    let knowledge = |candidates: &[Candidate], rule| {
        let record = Record {
            candidates,
            method: &method,
            variant: &gra,
            embeddings: Some(&embeddings),
            judge: &BTreeMap::new(),
        };
        rescore(&record, &[rule]).unwrap().cells[0].knowledge
    };
    assert_eq!(knowledge(&candidates, higher), Knowledge::LaterRounds);
    assert_eq!(knowledge(&first, higher), Knowledge::Exact);
    assert_eq!(knowledge(&candidates, same), Knowledge::Exact);
}
