//! The sampler against a plain reference, and the stream of draws.

use gra_llm::sampler::{Allowed, Candidates, DrawStream, Sampler};
use gra_synth::request::Sampling;
use proptest::prelude::*;

const fn sampling(temperature: f32, top_p: f32) -> Sampling {
    Sampling { temperature, top_p }
}

/// Temperature, then top-p, by sorting everything.
fn reference(logits: &[f32], allowed: &[u32], sampling: Sampling, uniform: f64) -> Option<u32> {
    let mut sorted: Vec<(f32, u32)> =
        allowed.iter().map(|token| (logits[*token as usize], *token)).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let max = sorted.first()?.0;
    let weight = |logit: f32| f64::from((logit - max) / sampling.temperature).exp();
    let total: f64 = sorted.iter().map(|(logit, _)| weight(*logit)).sum();
    let mut held = 0.0;
    let mut kept = Vec::new();
    for (logit, token) in sorted {
        kept.push((weight(logit), token));
        held += weight(logit);
        if held >= f64::from(sampling.top_p) * total {
            break;
        }
    }
    let mut walked = 0.0;
    let last = kept.last()?.1;
    let passed = kept.into_iter().find(|(weight, _)| {
        walked += weight;
        uniform * held < walked
    });
    Some(passed.map_or(last, |(_, token)| token))
}

proptest! {
    #[test]
    fn draws_as_a_full_sort_would(
        logits in proptest::collection::vec(-8.0_f32..8.0, 1..2000),
        temperature in 0.05_f32..2.0,
        top_p in 0.05_f32..0.999,
        uniform in 0.0_f64..1.0,
        step in 1_usize..5,
    ) {
        let allowed: Vec<u32> = (0..).take(logits.len()).step_by(step).collect();
        let mut bias = vec![f32::NEG_INFINITY; logits.len()];
        for token in &allowed {
            bias[*token as usize] = 0.0;
        }
        let sampling = sampling(temperature, top_p);
        let expected = reference(&logits, &allowed, sampling, uniform);
        let mut sampler = Sampler::default();
        let listed = Allowed::Only(&allowed).into();
        prop_assert_eq!(sampler.draw(&logits, listed, sampling, uniform), expected);
        let biased = Allowed::Biased { bias: &bias, also: &[] }.into();
        prop_assert_eq!(sampler.draw(&logits, biased, sampling, uniform), expected);
    }
}

#[test]
fn frequencies_are_the_distribution() {
    // Probabilities 0.5, 0.25, 0.125, .. at temperature 1; top-p 0.875 keeps the first three.
    let logits: Vec<f32> = (1..=12).map(|n| -(n as f32) * std::f32::consts::LN_2).collect();
    let bias = vec![0.0; logits.len()];
    let stream = DrawStream::new(42);
    let mut sampler = Sampler::default();
    let mut counts = [0_u32; 12];
    let allowed = Allowed::Biased { bias: &bias, also: &[] }.into();
    for n in 0..70_000 {
        let token = sampler.draw(&logits, allowed, sampling(1.0, 0.87), stream.draw(n, 0));
        counts[token.unwrap() as usize] += 1;
    }
    for (count, share) in counts.iter().zip([4.0, 2.0, 1.0, 0.0]) {
        assert!((f64::from(*count) - 10_000.0 * share).abs() < 400.0, "{counts:?}");
    }
}

#[test]
fn greedy_ties_masks_and_impossible_tokens() {
    let mut sampler = Sampler::default();
    let mut pick = |logits: &[f32], bias: &[f32], also: &[u32], refused: &[u32], temperature| {
        let allowed = Candidates { allowed: Allowed::Biased { bias, also }, refused };
        sampler.draw(logits, allowed, sampling(temperature, 0.9), 0.999)
    };
    let open = [0.0; 4];
    let no = f32::NEG_INFINITY;
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &open, &[], &[], 0.0), Some(1));
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &open, &[], &[1], 0.0), Some(2));
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &[no, no, no, 0.0], &[1], &[], 0.0), Some(1));
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &[no; 4], &[], &[], 0.0), None);
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &[no; 4], &[2], &[2], 0.5), None);
    assert_eq!(pick(&[f32::NAN; 4], &open, &[], &[], 0.5), None);
    assert_eq!(pick(&[f32::NAN, 1.0, f32::NAN, no], &open, &[], &[], 0.5), Some(1));
    assert_eq!(pick(&[1.0, 3.0, 3.0, 2.0], &open, &[], &[], f32::NAN), Some(1));
    assert_eq!(pick(&[], &[], &[], &[], 0.5), None);
    // A list may name tokens that the model does not have.
    let listed = Allowed::Only(&[9, 1]).into();
    assert_eq!(Sampler::default().draw(&[0.0, 1.0], listed, sampling(0.2, 0.9), 0.5), Some(1));
}

#[test]
fn draws_are_uniform_and_differ_by_seed_place_and_retry() {
    let mean = |draw: &dyn Fn(u32) -> f64| (0..10_000).map(draw).sum::<f64>() / 10_000.0;
    for seed in [0, 1, u64::MAX] {
        let stream = DrawStream::new(seed);
        assert!((mean(&|n| stream.draw(n, 0)) - 0.5).abs() < 0.01);
        assert!((mean(&|n| stream.draw(3, n)) - 0.5).abs() < 0.01);
        assert!((0..10_000).all(|n| (0.0..1.0).contains(&stream.draw(n, 0))));
    }
    assert!((mean(&|n| DrawStream::new(u64::from(n)).draw(0, 0)) - 0.5).abs() < 0.01);
    // Pinned: stored replies depend on it.
    let pinned = [(42, 0, 0), (42, 1, 0), (42, 0, 1), (43, 0, 0)]
        .map(|(seed, n, retry)| format!("{:.12}", DrawStream::new(seed).draw(n, retry)));
    assert_eq!(pinned, PINNED);
}

const PINNED: [&str; 4] = ["0.126034869112", "0.458826975841", "0.055812228359", "0.648848002967"];

#[test]
fn the_likeliest_of_a_large_vocabulary_is_found_wherever_it_is() {
    let mut sampler = Sampler::default();
    for at in [0_u32, 15, 16, 17, 151_000, 152_063] {
        let mut logits = vec![0.0; 152_064];
        logits[at as usize] = 30.0;
        let bias = vec![0.0; logits.len()];
        let allowed = Allowed::Biased { bias: &bias, also: &[] }.into();
        assert_eq!(sampler.draw(&logits, allowed, sampling(0.2, 0.9), 0.99), Some(at));
        assert_eq!(sampler.draw(&logits, allowed, sampling(0.0, 0.9), 0.99), Some(at));
    }
}
