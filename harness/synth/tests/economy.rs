//! Savings change what is asked and never what is made.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "these are tests")]

mod script;

use gra_synth::candidate::Candidate;
use gra_synth::method::{Economy, Method};
use gra_synth::pool::ItemId;
use gra_synth::request::{Finish, Portion, Request, Stage};
use gra_synth::stream::Stream;
use proptest::prelude::*;
use script::{Played, as_whole, method, play, trails, usual, variant};

/// What a moody model says: everything that can go right or wrong, decided by the call's seed.
fn moody(request: &Request) -> (String, Finish) {
    let mut mood = Stream::named(request.seed, &["mood"]);
    if mood.below(25) == 0 {
        return ("Where were we?".into(), Finish::Length);
    }
    let text = match request.id.stage {
        Stage::Instruction => {
            // Few numbers, so that there are twins of the seed set, of earlier samples and in the wave.
            let of = if mood.below(4) == 0 { "seed" } else { "Instruction" };
            let range = 6 + 30 * mood.below(2);
            format!("<boi>{of} {}<eoi>", mood.below(range))
        }
        Stage::InstructionReview if mood.below(8) == 0 => "<bos>[1,0,1]<eos>".into(),
        Stage::ResponseReview | Stage::Adjudication => {
            let low = 10 * usize::from(mood.below(3) == 0);
            let scores: Vec<String> =
                (0..6).map(|_| 10_usize.saturating_sub(mood.below(4 + low)).to_string()).collect();
            format!("<bos>[{}]<eos><boc>{}<eoc>", scores.join(","), mood.below(99))
        }
        _ => usual(request),
    };
    (text, Finish::Stop)
}

fn several_waves(economy: Economy) -> Method {
    Method { target: 12, cap: 60, wave: 10, economy, ..method() }
}

/// A sample as it is published: without who else was asked, and what nobody read.
fn published(played: &Played) -> Vec<Candidate> {
    let samples = played.outcome.candidates.iter().filter(|candidate| candidate.is_sample());
    samples
        .cloned()
        .map(|mut sample| {
            for review in sample.response_reviews.iter_mut().chain(&mut sample.adjudication) {
                review.comment = None;
            }
            sample
        })
        .collect()
}

/// What determines a reply, to tell calls apart.
fn call(request: &Request) -> String {
    let whole = as_whole(request);
    format!("{} {} {} {}", whole.id, whole.model, whole.seed, whole.prompt.text())
}

fn combination(bits: u8) -> Economy {
    Economy {
        early_duplicates: bits & 1 > 0,
        veto_short_circuit: bits & 2 > 0,
        bound_pruning: bits & 4 > 0,
        lazy_comments: bits & 8 > 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_savings_publish_the_same_samples_from_fewer_calls(
        name in prop::sample::select(vec![
            "gra", "no-reviewer", "single-reviewer", "majority-vote", "accept-disputes",
            "single-model", "fixed-roles", "adaptive", "refined",
        ]),
        seed in any::<u64>(),
        bits in 1_u8..16,
    ) {
        let say = |request: &Request| {
            let seed = request.seed ^ seed;
            moody(&Request { seed, ..request.clone() })
        };
        let variant = variant(name);
        let full = play(&variant, &several_waves(Economy::OFF), say);
        let thin = play(&variant, &several_waves(combination(bits)), say);
        prop_assert!(published(&full) == published(&thin), "other samples");
        prop_assert!(full.outcome.samples == thin.outcome.samples, "another pool");
        prop_assert_eq!(full.outcome.candidates.len(), thin.outcome.candidates.len());

        let asked: std::collections::BTreeSet<String> = full.requests.iter().map(call).collect();
        let first: Vec<String> =
            thin.requests.iter().filter(|r| r.id.stage != Stage::ReviewComment).map(call).collect();
        prop_assert!(first.iter().all(|call| asked.contains(call)), "savings ask nothing new");
    }
}

#[test]
fn each_saving_leaves_out_what_it_is_named_for() {
    let number = |request: &Request| {
        let ItemId::Candidate { number, .. } = request.id.subject else { panic!("a candidate") };
        number
    };
    let say = |request: &Request| {
        let text = match (number(request), request.id.stage) {
            // 0 copies a seed item; 1 is vetoed by whoever is asked first; 2 cannot reach tau after
            // the first review; 3 is disputed; 4 has a twin in its wave, 5.
            (0, Stage::Instruction) => "<boi>seed 3<eoi>".into(),
            (1, Stage::InstructionReview) => "<bos>[0,1,1]<eos>".into(),
            (2, Stage::ResponseReview) => "<bos>[3,3,3,3,3,3]<eos><boc>Poor.<eoc>".into(),
            (3, Stage::ResponseReview) if request.id.seat == 0 => {
                "<bos>[5,5,5,5,5,5]<eos><boc>Doubtful.<eoc>".into()
            }
            (3, Stage::ResponseReview) => "<bos>[10,10,10,10,10,10]<eos><boc>Superb.<eoc>".into(),
            (4, Stage::Instruction) => "<boi>Instruction 5<eoi>".into(),
            _ => usual(request),
        };
        (text, Finish::Stop)
    };
    let played = play(&variant("gra"), &Method { economy: Economy::ON, ..method() }, say);
    let mut text = trails(&played.outcome.candidates);
    for stage in Stage::ALL {
        let calls: Vec<&Request> =
            played.requests.iter().filter(|request| request.id.stage == stage).collect();
        let of: Vec<String> = calls.iter().map(|request| number(request).to_string()).collect();
        if !calls.is_empty() {
            text += &format!("\n{stage}: {}", of.join(" "));
        }
    }
    insta::assert_snapshot!(text);

    let adjudication = |request: &&Request| request.id.stage == Stage::Adjudication;
    let asked = played.requests.iter().find(adjudication).unwrap();
    assert!(asked.prompt.sample.contains("1. Doubtful.\n2. Superb.\n3. Superb."));
    assert_eq!(asked.portion, Portion::Opening, "nobody reads what an adjudicator would add");
    let openings = played.requests.iter().filter(|r| r.portion == Portion::Opening).count();
    let rests =
        played.requests.iter().filter(|r| matches!(r.portion, Portion::Rest { .. })).count();
    assert_eq!((openings, rests), (17, 3));
}

#[test]
fn free_replies_are_reviewed_whole() {
    let method = Method { economy: Economy::ON, constrained: false, ..method() };
    let played = play(&variant("gra"), &method, |request| (usual(request), Finish::Stop));
    assert!(played.requests.iter().all(|request| request.portion == Portion::Whole));
}
