//! Decisions over whole rounds, played with scripted models.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

mod script;

use gra_synth::candidate::Outcome::{self, Rejected};
use gra_synth::committee::Decision;
use gra_synth::method::{Economy, Method, TargetCut};
use gra_synth::pool::ItemId;
use gra_synth::request::{Finish, Request, ScoreReading, Stage};
use script::{method, play, prompts, seed_items, trails, usual, variant};

fn number(request: &Request) -> u32 {
    let ItemId::Candidate { number, .. } = request.id.subject else { panic!("a candidate") };
    number
}

/// Eight candidates with a fate each; every other reply is the usual one.
fn eventful(request: &Request) -> (String, Finish) {
    let id = &request.id;
    let text = match (number(request), id.stage) {
        // 0: one zero bit from the last reviewer.
        (0, Stage::InstructionReview) if id.seat == 2 => "<bos>[1,0,1]<eos>".into(),
        // 1: all reviewers just below tau.
        (1, Stage::ResponseReview) => "<bos>[8,8,8,8,8,7]<eos><boc>Near.<eoc>".into(),
        // 2: Case 1's scores, settled against it.
        (2, Stage::ResponseReview) => {
            let scores = ["9,10,10,10,10,10", "9,9,10,10,10,10", "6,4,5,4,5,3"];
            format!("<bos>[{}]<eos><boc>Case 1.<eoc>", scores[usize::from(id.seat)])
        }
        (2, Stage::Adjudication) => "<bos>[4,2,5,5,5,1]<eos><boc>Wrong.<eoc>".into(),
        // 3: Case 2: mu 8.2 and sigma 1.6, settled for it at about 8.1.
        (3, Stage::ResponseReview) => {
            let scores = ["10,9,9,10,10,9", "9,9,9,9,9,10", "6,6,6,6,6,6"];
            format!("<bos>[{}]<eos><boc>Case 2.<eoc>", scores[usize::from(id.seat)])
        }
        (3, Stage::Adjudication) => "<bos>[8,8,8,8,8,9]<eos><boc>Sound.<eoc>".into(),
        // 4: no tags twice, then well.
        (4, Stage::Instruction) if id.attempt < 2 => "Instruction 4".into(),
        // 5: one reviewer never gives six scores.
        (5, Stage::ResponseReview) if id.seat == 1 => "<bos>[9,9,9]<eos><boc>x<eoc>".into(),
        // 6: a twin of candidate 7 with lower scores.
        (6, Stage::Instruction) => "<boi>Another instruction 7<eoi>".into(),
        (6, Stage::ResponseReview) => "<bos>[9,9,9,9,9,8]<eos><boc>Fine.<eoc>".into(),
        _ => usual(request),
    };
    (text, Finish::Stop)
}

#[test]
fn every_variant_over_one_scripted_round() {
    for name in [
        "gra",
        "no-reviewer",
        "single-reviewer",
        "majority-vote",
        "accept-disputes",
        "expected-scores",
        "single-model",
        "fixed-roles",
        "large-reviewer",
        "distilled",
        "refined",
        "answer-only",
    ] {
        let played = play(&variant(name), &method(), eventful);
        let calls = played.requests.len();
        let trails = trails(&played.outcome.candidates);
        insta::assert_snapshot!(name, format!("{trails}\n{calls} calls"));
    }
}

#[test]
fn long_instructions_are_no_duplicates_by_their_beginnings() {
    let say = |request: &Request| {
        let text = match (number(request), request.id.stage) {
            (0, _) => usual(request),
            (7, Stage::Instruction) => "<boi>Long instruction 6<eoi>".to_owned(),
            (number, Stage::Instruction) => format!("<boi>Long instruction {number}<eoi>"),
            _ => usual(request),
        };
        (text, Finish::Stop)
    };
    for economy in [Economy::OFF, Economy::ON] {
        let played = play(&variant("gra"), &Method { economy, ..method() }, say);
        let candidates = &played.outcome.candidates;
        let ends: Vec<(bool, Option<Outcome>)> =
            candidates.iter().map(|candidate| (candidate.long, candidate.outcome)).collect();
        let mut expected = vec![(true, Some(Outcome::Accepted)); 8];
        expected[0].0 = false;
        expected[7].1 = Some(Outcome::Duplicate);
        assert_eq!(ends, expected);
        let twin = candidates[7].nearest.unwrap();
        assert_eq!((twin.id, twin.cosine.to_bits()), (candidates[6].id, 1.0_f64.to_bits()));
    }
}

#[test]
fn expected_scores_are_asked_of_those_who_score_alone() {
    let lazy = Method { economy: Economy::ON, ..method() };
    for method in [method(), lazy] {
        let played = play(&variant("expected-scores"), &method, eventful);
        for request in &played.requests {
            let scores = matches!(request.id.stage, Stage::ResponseReview | Stage::Adjudication);
            assert_eq!(request.score_reading == ScoreReading::Expected, scores, "{}", request.id);
        }
        // 3: 8.2 and 1.6 in whole scores; a quarter less is below tau.
        let third = &played.outcome.candidates[3];
        assert_eq!((third.decision, third.outcome), (Some(Decision::Reject), Some(Rejected)));
        let written = serde_json::to_string(&third.response_reviews[0].scores).unwrap();
        assert_eq!(written, "[9.75,8.75,8.75,9.75,9.75,8.75]");
    }
}

#[test]
fn the_adjudicator_of_case_1_as_printed_is_malformed() {
    let played = play(&variant("gra"), &method(), |request| match request.id.stage {
        Stage::Adjudication if number(request) == 2 => {
            ("<bos>[4,2,5,5,5,1,5]<eos><boc>Seven.<eoc>".into(), Finish::Stop)
        }
        _ => eventful(request),
    });
    let outcome = played.outcome.candidates[2].outcome;
    assert_eq!(outcome, Some(Outcome::Malformed { stage: Stage::Adjudication }));
}

#[test]
fn keywords_of_an_example_end_a_candidate_before_any_review() {
    let played = play(&variant("gra"), &method(), |request| match request.id.stage {
        Stage::Keywords => {
            // The prompt shows the examples; copying the first set is caught, case apart.
            let shown = request.prompt.sample.split("keywords: ").nth(1).unwrap();
            let copied = shown.split(';').next().unwrap().to_uppercase();
            let text = format!(r#"<boa>"domain": "Math", "keywords": ["{copied}"]<eoa>"#);
            (text, Finish::Stop)
        }
        _ => eventful(request),
    });
    assert!(played.outcome.candidates.iter().all(|c| c.outcome == Some(Outcome::RepeatedKeywords)));
    assert!(played.requests.iter().all(|request| request.id.stage == Stage::Keywords));
}

#[test]
fn repeated_keywords_have_a_try_of_their_own_beside_those_of_malformed_replies() {
    // First the set of an example, then nothing that can be read, then a new set.
    let say = |request: &Request| match (request.id.stage, request.id.attempt) {
        (Stage::Keywords, 0) => {
            let shown = request.prompt.sample.split("keywords: ").nth(1).unwrap();
            let copied = shown.split(';').next().unwrap();
            (format!(r#"<boa>"domain": "Math", "keywords": ["{copied}"]<eoa>"#), Finish::Stop)
        }
        (Stage::Keywords, 1 | 2) => ("Sure!".to_owned(), Finish::Stop),
        _ => (usual(request), Finish::Stop),
    };
    let reasons = |method: &Method| {
        let played = play(&variant("gra"), method, say);
        let first = &played.outcome.candidates[0];
        let reasons: Vec<String> =
            first.malformed.iter().map(|reply| reply.reason.to_string()).collect();
        (reasons.join(" "), first.outcome.map(Outcome::name))
    };
    let accepted = ("repeated-keywords no-tags no-tags".to_owned(), Some("accepted"));
    assert_eq!(reasons(&method()), accepted);
    let never = Method { keyword_retries: 0, ..method() };
    assert_eq!(reasons(&never), ("repeated-keywords".to_owned(), Some("repeated-keywords")));
    let one = Method { retries: 1, ..method() };
    let malformed = ("repeated-keywords no-tags no-tags".to_owned(), Some("malformed"));
    assert_eq!(reasons(&one), malformed);
}

#[test]
fn a_seed_set_is_answered_whole_and_no_further() {
    // Neither target nor cap counts, waves only chunk, and no stage of instructions or pools is asked.
    let method = Method { target: 1, cap: 2, wave: 3, ..method() };
    let played = play(&variant("refined"), &method, |request| (usual(request), Finish::Stop));
    let items = seed_items();
    let candidates = &played.outcome.candidates;
    assert_eq!(candidates.len(), items.len());
    for (candidate, item) in candidates.iter().zip(&items) {
        assert_eq!(candidate.outcome, Some(Outcome::Accepted));
        assert_eq!(candidate.instruction.as_ref(), Some(&item.instruction));
        assert_eq!(candidate.examples, [item.id()]);
        assert_eq!(candidate.domain.is_some(), item.annotation.is_some());
        assert_eq!((&candidate.nearest, &candidate.summary), (&None, &None));
    }
    assert!(candidates.iter().map(|candidate| candidate.wave).eq([0, 0, 0, 1, 1, 1, 2, 2]));
    assert!(played.outcome.samples.is_empty(), "nothing joins a pool");
    let asked: std::collections::BTreeSet<Stage> =
        played.requests.iter().map(|request| request.id.stage).collect();
    assert!(asked.into_iter().eq([
        Stage::InstructionReview,
        Stage::Response,
        Stage::ResponseReview
    ]));
}

#[test]
fn a_rewriting_generator_alone_sees_the_old_response() {
    let play = |name| play(&variant(name), &method(), |request| (usual(request), Finish::Stop));
    let (hidden, shown) = (play("refined"), play("rewritten"));
    assert_eq!(hidden.requests.len(), shown.requests.len());
    for (old, new) in hidden.requests.iter().zip(&shown.requests) {
        assert_eq!((&old.id, &old.model, old.seed), (&new.id, &new.model, new.seed), "paired");
        let sees = |request: &Request| request.prompt.sample.contains("The record's own answer.");
        assert!(!sees(old), "{}", old.id);
        assert_eq!(sees(new), new.id.stage == Stage::Response, "{}", new.id);
    }
    let set = prompts().rewriting(&std::collections::BTreeMap::new());
    assert!(set.unwrap_err().to_string().starts_with("the prompt set has no `7-rewrite.txt`"));
}

#[test]
fn retries_use_fresh_seeds_and_a_long_prompt_is_not_retried() {
    let played = play(&variant("gra"), &method(), |request| match request.id.stage {
        Stage::Response if number(request) == 0 => ("cut".into(), Finish::Length),
        Stage::Response if number(request) == 1 => {
            (String::new(), Finish::PromptTooLong { tokens: 99, context: Some(64) })
        }
        _ => (usual(request), Finish::Stop),
    });
    let asked = |n: u32| {
        let of = |r: &&Request| r.id.stage == Stage::Response && number(r) == n;
        played.requests.iter().filter(of).map(|r| r.seed).collect::<Vec<_>>()
    };
    let mut seeds = asked(0);
    assert_eq!(seeds.len(), 3);
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 3, "every attempt has its own stream");
    assert_eq!(asked(1).len(), 1);
    for place in [0, 1] {
        let outcome = played.outcome.candidates[place].outcome;
        assert_eq!(outcome, Some(Outcome::Malformed { stage: Stage::Response }));
    }
}

#[test]
fn waves_follow_until_the_target_and_the_last_one_is_cut_by_mu_or_by_number() {
    // In the last wave, 4 to 7, the first scores lowest.
    for (cut, kept) in [(TargetCut::Mu, 5), (TargetCut::Number, 4)] {
        let method = Method { target: 5, cap: 100, wave: 4, cut, ..method() };
        let played = play(&variant("gra"), &method, |request| {
            let low = 9 - u32::from(number(request).is_multiple_of(4));
            let text = match request.id.stage {
                Stage::ResponseReview => format!("<bos>[9,9,9,9,9,{low}]<eos><boc>x<eoc>"),
                _ => usual(request),
            };
            (text, Finish::Stop)
        });
        let mut expected = [Outcome::Accepted; 8];
        expected[4..].fill(Outcome::Surplus);
        expected[kept] = Outcome::Accepted;
        let outcomes = played.outcome.candidates.iter().map(|c| c.outcome.unwrap());
        assert!(outcomes.clone().eq(expected), "{cut:?}: {:?}", outcomes.collect::<Vec<_>>());
        assert_eq!(played.outcome.samples.len(), 5);
        let summaries = played.requests.iter().filter(|r| r.id.stage == Stage::Summary).count();
        assert_eq!(summaries, 5, "surplus is not summarised");
    }
}

#[test]
fn a_round_gives_up_at_its_cap() {
    let method = Method { target: 50, cap: 10, wave: 4, ..method() };
    let played = play(&variant("gra"), &method, |request| match request.id.stage {
        Stage::InstructionReview => ("<bos>[0,0,0]<eos>".into(), Finish::Stop),
        _ => (usual(request), Finish::Stop),
    });
    assert_eq!(played.outcome.candidates.len(), 10);
    assert!(played.outcome.samples.is_empty());
}

#[test]
fn variants_ask_the_same_where_the_method_lets_them() {
    let seeds = |name: &str| -> Vec<(String, u64)> {
        let played = play(&variant(name), &method(), |r| (usual(r), Finish::Stop));
        played.requests.iter().map(|r| (format!("{} {}", r.id, r.model), r.seed)).collect()
    };
    let full = seeds("gra");
    let no_reviewer = seeds("no-reviewer");
    assert!(no_reviewer.iter().all(|call| full.contains(call)), "a subset of full GRA's calls");
    assert_eq!(full, seeds("majority-vote"), "no dispute, no difference");
    // A reviewer's call does not depend on the seat it holds.
    let by_llama = |calls: &[(String, u64)]| -> Vec<u64> {
        let review =
            |call: &&(String, u64)| call.0.contains("response-review") && call.0.ends_with("llama");
        calls.iter().filter(review).map(|call| call.1).collect()
    };
    let alone = by_llama(&seeds("single-reviewer"));
    assert!(by_llama(&full).iter().all(|seed| alone.contains(seed)));
}

#[test]
fn the_same_seed_gives_the_same_facts() {
    let facts = || {
        let played = play(&variant("gra"), &method(), eventful);
        serde_json::to_string(&played.outcome.candidates).unwrap()
    };
    assert_eq!(facts(), facts());
}

#[test]
fn facts_survive_a_round_trip_through_json() {
    let played = play(&variant("gra"), &method(), eventful);
    let json = serde_json::to_string(&played.outcome.candidates).unwrap();
    let back: Vec<gra_synth::candidate::Candidate> = serde_json::from_str(&json).unwrap();
    assert_eq!(back, played.outcome.candidates);
}
