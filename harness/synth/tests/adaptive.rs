//! Roles that learn, played with scripted models.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

#[allow(dead_code, reason = "shared with tests that use all of it")]
mod script;

use std::collections::BTreeMap;

use gra_synth::candidate::Candidate;
use gra_synth::committee::Thousandths;
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::request::{Finish, ModelName, Request, Stage};
use gra_synth::roles::{Agreement, Count, Experience};
use gra_synth::stream::Stream;
use proptest::prelude::*;
use script::{method, play, play_on, pool, usual, variant};

/// Waves of twenty, none of whose instructions is anybody's twin.
fn long(cap: u32) -> Method {
    Method { target: cap, cap, wave: 20, cosine_limit: 1.01, ..method() }
}

fn scores(score: u8) -> String {
    format!("<bos>[{score},{score},{score},{score},{score},{score}]<eos><boc>x<eoc>")
}

/// Tulu writes what nobody likes; everyone judges well.
fn one_bad_generator(request: &Request) -> (String, Finish) {
    let text = match request.id.stage {
        Stage::Response => format!("Response by {}", request.model),
        Stage::ResponseReview if request.prompt.sample.contains("by tulu") => scores(3),
        _ => usual(request),
    };
    (text, Finish::Stop)
}

fn generated_by(candidates: &[Candidate], model: &str) -> usize {
    candidates.iter().filter(|c| c.roles.generator.as_str() == model).count()
}

#[test]
fn a_generator_that_fails_writes_less_and_less_and_more_is_accepted() {
    let adaptive = play(&variant("adaptive"), &long(300), one_bad_generator).outcome.candidates;
    let random = play(&variant("gra"), &long(300), one_bad_generator).outcome.candidates;
    let accepted = |candidates: &[Candidate]| candidates.iter().filter(|c| c.is_sample()).count();
    let thirds: Vec<usize> =
        adaptive.chunks(100).map(|third| generated_by(third, "tulu")).collect();
    assert!(thirds.is_sorted_by(|a, b| a >= b) && thirds[2] <= 3, "{thirds:?}");
    assert!(generated_by(&random, "tulu") > 45, "a fifth of 300, more or less");
    assert!(accepted(&adaptive) > accepted(&random) + 30);
}

/// Half of what is written is bad. Qwen likes everything; the others tell good from bad.
fn one_rubber_stamp(request: &Request) -> (String, Finish) {
    let bad =
        request.prompt.sample.contains("by tulu") || request.prompt.sample.contains("by llama");
    let text = match request.id.stage {
        Stage::Response => format!("Response by {}", request.model),
        Stage::ResponseReview if request.model.as_str() == "qwen" => scores(10),
        Stage::ResponseReview if bad => scores(3),
        _ => usual(request),
    };
    (text, Finish::Stop)
}

#[test]
fn whoever_agrees_with_everything_reviews_less() {
    let candidates = play(&variant("adaptive"), &long(600), one_rubber_stamp).outcome.candidates;
    let mut reviewed: BTreeMap<&str, usize> = BTreeMap::new();
    for reviewer in candidates[300..].iter().flat_map(|candidate| &candidate.roles.reviewers) {
        *reviewed.entry(reviewer.as_str()).or_default() += 1;
    }
    let stamp = reviewed["qwen"];
    let honest = ["internlm", "mistral"].map(|model| reviewed[model]);
    assert!(honest.iter().all(|&reviews| reviews > 2 * stamp), "{reviewed:?}");
}

#[test]
fn what_is_learnt_follows_from_the_facts() {
    let tau = Thousandths::whole(8);
    let say = |request: &Request| {
        let text = match request.id.stage {
            // Fixed roles: llama writes, qwen, internlm and mistral review. Mistral stands alone in both
            // stages of the first two candidates.
            Stage::InstructionReview if number(request) == 0 && request.id.seat == 2 => {
                "<bos>[1,0,1]<eos>".to_owned()
            }
            Stage::ResponseReview if number(request) == 1 && request.id.seat == 2 => scores(2),
            Stage::ResponseReview if number(request) == 2 => scores(5),
            Stage::ResponseReview if number(request) == 3 && request.id.seat == 0 => "?".to_owned(),
            _ => usual(request),
        };
        (text, Finish::Stop)
    };
    let method = Method { cap: 4, ..long(4) };
    let candidates = play(&variant("fixed-roles"), &method, say).outcome.candidates;
    let mut experience = Experience::default();
    experience.learn_all(&candidates, tau);
    let domains = Domain::ALL.map(Some);
    let llama = ModelName::new("llama");
    let of_llama: Vec<Count> =
        domains.iter().map(|domain| experience.generated(&llama, *domain)).collect();
    assert_eq!(of_llama.iter().map(|count| (count.yes, count.no)).fold((0, 0), add), (0, 4));
    let judged = |model: &str| experience.judged(&ModelName::new(model));
    let agreement = |passing: (u32, u32), failing: (u32, u32)| Agreement {
        passing: Count { yes: passing.0, no: passing.1 },
        failing: Count { yes: failing.0, no: failing.1 },
    };
    // Instructions: 0 is vetoed by mistral, so to the others the rest fails; 1 to 3 pass. Responses: 1 is
    // failed by mistral (to the others the rest's mean is 5.5), 2 by all; of 3 qwen has nothing to say,
    // which leaves a rest to qwen alone.
    assert_eq!(judged("qwen"), agreement((3, 1), (1, 2)));
    assert_eq!(judged("internlm"), agreement((3, 0), (1, 2)));
    assert_eq!(judged("mistral"), agreement((3, 2), (1, 0)));
    assert_eq!(judged("tulu"), Agreement::default());
}

fn add(sum: (u32, u32), count: (u32, u32)) -> (u32, u32) {
    (sum.0 + count.0, sum.1 + count.1)
}

fn number(request: &Request) -> u32 {
    let gra_synth::pool::ItemId::Candidate { number, .. } = request.id.subject else {
        panic!("a candidate")
    };
    number
}

#[test]
fn a_round_learns_from_the_rounds_before_it_and_inspect_sees_the_same() {
    let (method, variant) = (long(40), variant("adaptive"));
    let tau = method.tau;
    let first = play(&variant, &method, one_bad_generator).outcome.candidates;
    let early = Experience::before(&first[0], &first, tau);
    assert_eq!(early, Experience::default());
    let of_first_wave = Experience::before(&first[20], &first, tau);
    let mut by_hand = Experience::default();
    by_hand.learn_all(&first[..20], tau);
    assert_eq!(of_first_wave, by_hand);
    assert_eq!(Experience::before(&first[39], &first, tau), by_hand, "a wave is drawn together");
    // A second round without the first's facts draws as if nothing were known.
    let second = play_on(&pool(), 2, &variant, &method, one_bad_generator).outcome.candidates;
    let mut both = first;
    both.extend(second);
    let last = both.last().unwrap();
    assert_ne!(Experience::before(last, &both, tau), by_hand);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn equal_facts_give_equal_roles_in_any_order(
        seed in any::<u64>(),
        rotation in 0_usize..20,
    ) {
        let say = |request: &Request| {
            let mut mood = Stream::named(request.seed ^ seed, &["mood"]);
            let text = match request.id.stage {
                Stage::InstructionReview if mood.below(6) == 0 => "<bos>[1,1,0]<eos>".to_owned(),
                Stage::ResponseReview => scores(if mood.below(3) == 0 { 4 } else { 9 }),
                _ => usual(request),
            };
            (text, Finish::Stop)
        };
        let roles = || {
            let played = play(&variant("adaptive"), &long(60), say);
            played.outcome.candidates
        };
        let (once, again) = (roles(), roles());
        prop_assert!(once == again);
        let mut turned = once.clone();
        turned.rotate_left(rotation);
        let tau = Thousandths::whole(8);
        prop_assert_eq!(
            Experience::before(&once[59], &once, tau),
            Experience::before(&once[59], &turned, tau)
        );
    }
}
