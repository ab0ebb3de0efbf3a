//! The expected value of an integer, beside the one that is drawn (`score_reading = "expected"`).
//!
//! Probabilities are the model's own over the tokens that may stand here: temperature 1, no top-p. A
//! token after which several values are left (`1`, of `1` and `10`) leaves its share open until the
//! model has been seen behind it. Where the reply goes on that way its next logits tell; else the token is
//! fed as a probe, and taken back.

use gra_synth::committee::Thousandths;

use super::Scene;
use super::choice::{Continuations, rests};
use super::plan::Choice;
use crate::vocabulary::Token;

/// A share below this is not probed: it counts as the smallest of its values, which moves an expected score
/// by less than the half thousandth that it is rounded by.
const NEGLIGIBLE: f64 = 5e-5;

/// An expected value in the making.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    /// Sum of the values that are told apart, each times its probability.
    mean: f64,
    open: Vec<Open>,
}

/// A beginning after which several values are left.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) written: Vec<u8>,
    /// What spells it.
    pub(super) tokens: Vec<Token>,
    probability: f64,
}

impl Expectation {
    /// Nothing is known of the value.
    pub(super) fn begin() -> Self {
        let all = Open { written: Vec::new(), tokens: Vec::new(), probability: 1.0 };
        Self { mean: 0.0, open: vec![all] }
    }

    /// An open beginning other than the one that is seen next anyway.
    pub(super) fn open_beside(&self, ahead: &[u8]) -> Option<&Open> {
        self.open.iter().find(|open| open.written != ahead)
    }

    /// Shares an open beginning's probability out by the logits behind it.
    pub(super) fn weigh(
        &mut self,
        written: &[u8],
        next: &Continuations,
        choice: &Choice,
        scene: &Scene<'_>,
    ) {
        let Some(place) = self.open.iter().position(|open| open.written == written) else { return };
        let before = self.open.swap_remove(place);
        for (token, share) in probabilities(scene.logits, &next.tokens) {
            let probability = before.probability * share;
            let mut written = before.written.clone();
            if !next.stops.contains(&token) {
                written.extend_from_slice(scene.vocabulary.piece(token));
            }
            let told_apart = next.stops.contains(&token)
                || rests(&choice.options, &written).len() == 1
                || Continuations::of(choice, &written, scene.vocabulary).complete
                || probability < NEGLIGIBLE;
            if told_apart {
                self.mean += probability * choice.least(&written);
            } else {
                let tokens = [before.tokens.as_slice(), &[token]].concat();
                self.open.push(Open { written, tokens, probability });
            }
        }
    }

    /// The value, rounded to thousandths.
    pub(super) fn value(&self) -> Thousandths {
        let rounded = (self.mean * 1000.0).round() / 1000.0;
        Thousandths::try_from(rounded).unwrap_or(Thousandths::whole(0))
    }
}

/// The probabilities of some tokens among themselves; none when all are impossible.
fn probabilities(logits: &[f32], tokens: &[Token]) -> Vec<(Token, f64)> {
    let logit = |token: &Token| logits.get(*token as usize).copied().unwrap_or(f32::NAN);
    // `max` passes over NaN.
    let max = tokens.iter().map(logit).fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return Vec::new();
    }
    let weight = |token: &Token| {
        let weight = f64::from(logit(token) - max).exp();
        (*token, if weight.is_nan() { 0.0 } else { weight })
    };
    let weights: Vec<(Token, f64)> = tokens.iter().map(weight).collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.into_iter().map(|(token, weight)| (token, weight / total)).collect()
}
