//! Committees whose leniency, taste and agreement are known because they were written by hand.

use gra_synth::candidate::{FailedCall, MalformedReply};
use gra_synth::committee::Decision;
use gra_synth::form::Malformed;
use gra_synth::request::{Failure, Stage};

use super::*;
use crate::trial::Funnel;
use crate::trial::tests::{accepted, calls, every_outcome, id, rejected, review, scored, vetoed};

const MODELS: [(&str, &str); 5] = [
    ("internlm", "internlm"),
    ("llama", "llama"),
    ("mistral", "mistral"),
    ("qwen", "qwen"),
    ("tulu", "llama"),
];
fn families() -> BTreeMap<ModelName, String> {
    MODELS.map(|(model, family)| (ModelName::new(model), family.to_owned())).into()
}

fn committee(candidates: &[Candidate]) -> Committee {
    Committee::of(candidates, &families()).unwrap()
}

fn reviewer(committee: &Committee, model: &str) -> Reviewer {
    committee.reviewers[&ModelName::new(model)]
}

fn exactly(estimate: Estimate, expected: f64) -> bool {
    // Values that do not vary beyond rounding have no interval, or one of no width.
    let is_narrow = estimate.interval.is_none_or(|found| found.high - found.low < 1e-6);
    is_narrow && estimate.value.is_some_and(|value| (value - expected).abs() < 1e-9)
}

/// A candidate of its own seed item that these models review, in whole scores.
fn reviewed(number: u32, writer: &str, scores: &[(&str, u8)]) -> Candidate {
    let mut candidate = scored(number, [0; 3], Decision::Accept);
    candidate.examples = vec![ItemId::Seed(number)];
    candidate.roles.generator = ModelName::new(writer);
    candidate.roles.reviewers = scores.iter().map(|(model, _)| ModelName::new(model)).collect();
    let reviews = (0..).zip(scores);
    candidate.response_reviews =
        reviews.map(|(seat, (model, score))| review(seat, model, [*score; 6])).collect();
    candidate
}

#[test]
fn thinned_committees_are_counted() {
    let found = committee(&every_outcome());
    // 0 has one response review of three; 3 to 8 have all.
    assert_eq!(found.responses.coverage, Coverage { whole: 6, part: 1 });
    // All but 1 and 9, which never got that far.
    assert_eq!(found.instructions.coverage, Coverage { whole: 8, part: 0 });
    // 4 was overturned, 6 not; 5 was voted out.
    assert_eq!(found.overturned, Proportion { yes: 1, no: 1 });
    let mut thinned = vetoed(0);
    thinned.instruction_reviews.truncate(2);
    let found = committee(&[thinned, vetoed(1), accepted(2)]).instructions;
    assert_eq!(found.coverage, Coverage { whole: 2, part: 1 });
    let complete = found.criteria[1];
    assert_eq!(
        (complete.name, complete.ones.value),
        ("complete", Some((0.5 + 2.0 / 3.0 + 1.0) / 3.0))
    );
    // Of the pairs of the three candidates 0 of 1, 1 of 3 and 3 of 3 agree.
    assert_eq!(complete.agreement.value, Some((0.0 + 1.0 / 3.0 + 1.0) / 3.0));
    // Whole committees: agreement 2/3, ones 5/6, chance 26/36.
    assert!(
        (complete.fleiss.value.unwrap() - (2.0 / 3.0 - 26.0 / 36.0) / (10.0 / 36.0)).abs() < 1e-12
    );
}

#[test]
fn the_mean_scale_has_the_funnels_mu_and_sigma() {
    let candidates = every_outcome();
    let (found, funnel) = (committee(&candidates), Funnel::of(&candidates));
    let mean = found.responses.scales[6];
    assert_eq!(mean.name, "mean");
    let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-12;
    assert!(close(mean.mean.value, funnel.scores_reviewed.mu));
    assert!(close(mean.spread.value, funnel.scores_reviewed.sigma));
}

#[test]
fn a_constant_offset_is_leniency_and_costs_agreement() {
    let candidates: Vec<Candidate> = (0..30)
        .map(|number| {
            let score = 4 + u8::try_from(number % 4).unwrap();
            reviewed(
                number,
                "llama",
                &[("qwen", score), ("internlm", score + 2), ("mistral", score)],
            )
        })
        .collect();
    let found = committee(&candidates);
    assert!(exactly(reviewer(&found, "internlm").leniency, 2.0));
    assert!(exactly(reviewer(&found, "qwen").leniency, -1.0));
    assert_eq!(reviewer(&found, "qwen").leniency.n, 30);
    assert_eq!(reviewer(&found, "qwen").resolution.distinct, 4);
    let scale = found.responses.scales[0];
    assert!(exactly(scale.spread, 8.0_f64.sqrt() / 3.0));
    assert!(scale.alpha.value.unwrap() < 0.7 && scale.icc.value.unwrap() < 0.7);
    // Every family wrote the same thing, or nothing: no own-family candidate to compare with.
    assert_eq!(found.self_preference, Estimate { n: 0, value: None, interval: None });
}

/// Every committee of three, per writer. Models differ in strictness, writers in quality, and a model
/// adds `favour` for its own family.
fn tastes(favour: u8) -> Vec<Candidate> {
    let strictness = |model| match model {
        "qwen" => 0,
        "mistral" => 3,
        _ => 1,
    };
    let mut candidates = Vec::new();
    for (writer, family) in MODELS {
        for left_out in MODELS.iter().filter(|model| model.0 != writer) {
            let quality = if family == "llama" { 4 } else { 2 };
            let score = |(model, own): &(&'static str, &str)| {
                let liking = if *own == family { favour } else { 0 };
                (*model, quality + strictness(*model) + liking)
            };
            let sits = |model: &&(&str, &str)| model.0 != writer && model.0 != left_out.0;
            let scores: Vec<_> = MODELS.iter().filter(sits).map(score).collect();
            let number = u32::try_from(candidates.len()).unwrap();
            candidates.push(reviewed(number, writer, &scores));
        }
    }
    // Three times each, so that no pair hangs on one candidate.
    (0..3).flat_map(|_| candidates.clone()).enumerate().map(renumbered).collect()
}

fn renumbered((number, mut candidate): (usize, Candidate)) -> Candidate {
    let number = u32::try_from(number).unwrap();
    candidate.id = id(number);
    candidate.examples = vec![ItemId::Seed(number)];
    candidate
}

#[test]
fn self_preference_is_neither_strictness_nor_quality() {
    for favour in [0, 2] {
        let found = committee(&tastes(favour));
        assert!(exactly(found.self_preference, f64::from(favour)), "{:?}", found.self_preference);
        assert!(exactly(reviewer(&found, "tulu").self_preference, f64::from(favour)));
        assert_eq!(reviewer(&found, "qwen").self_preference.value, None);
    }
}

#[test]
fn families_must_be_known() {
    let mut families = families();
    families.remove(&ModelName::new("mistral"));
    let model = ModelName::new("mistral");
    let found = Committee::of(&every_outcome(), &families);
    assert_eq!(found, Err(UnknownFamily { model }));
}

#[test]
fn nothing_reviewed_has_no_numbers() {
    let found = committee(&[]);
    let empty = |estimate: Estimate| estimate == Estimate { n: 0, value: None, interval: None };
    assert!(found.instructions.criteria.iter().all(|c| empty(c.ac1) && empty(c.fleiss)));
    assert!(found.responses.scales.iter().all(|s| empty(s.alpha) && empty(s.icc) && empty(s.mean)));
    assert!(found.reviewers.is_empty() && found.overturned.value().is_none());
    // A sole reviewer agrees with nobody, and judges all the same.
    let alone: Vec<Candidate> =
        (0..4).map(|number| reviewed(number, "llama", &[("llama", 8)])).collect();
    let found = committee(&alone);
    let scale = found.responses.scales[6];
    assert_eq!((scale.mean.value, scale.spread.value, scale.icc.value), (Some(8.0), None, None));
    assert_eq!(reviewer(&found, "llama").leniency.value, None);
    assert_eq!(reviewer(&found, "llama").resolution.n, 4);
}

#[test]
fn equal_scores_have_no_agreement_to_measure() {
    let candidates: Vec<Candidate> =
        (0..5).map(|number| scored(number, [8; 3], Decision::Accept)).collect();
    let scale = committee(&candidates).responses.scales[0];
    assert_eq!((scale.alpha.value, scale.icc.value, scale.spread.value), (None, None, Some(0.0)));
}

#[test]
fn malformed_replies_are_a_share_of_their_calls() {
    let mut candidate = rejected(0);
    let reason = Malformed::NoTags;
    candidate.malformed =
        vec![MalformedReply { stage: Stage::ResponseReview, seat: 1, attempt: 0, reason }];
    let mut asked = calls(Stage::ResponseReview, 3, false);
    asked.extend(calls(Stage::Keywords, 1, false));
    let mut again = asked[1].clone();
    again.id.attempt = 1;
    asked.push(again);
    // A failed call has no reply that could be malformed.
    let mut lost = asked[2].clone();
    lost.id.attempt = 1;
    let (stage, failure) = (Stage::ResponseReview, Failure::TimedOut);
    candidate.failed = vec![FailedCall { stage, seat: 2, attempt: 1, failure }];
    asked.push(lost);
    let mut seed = asked[3].clone();
    seed.id.subject = ItemId::Seed(0);
    asked.push(seed);
    let llama = ModelName::new("llama");
    let expected = [
        ((Stage::Keywords, llama.clone()), Proportion { yes: 0, no: 1 }),
        ((Stage::ResponseReview, llama), Proportion { yes: 1, no: 3 }),
    ];
    assert_eq!(malformed_rates(&[candidate], &asked), expected.into());
}
