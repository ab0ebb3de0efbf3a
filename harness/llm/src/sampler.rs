//! Drawing one token from logits: temperature, then top-p, from a named stream.
//!
//! Own code instead of llama.cpp's samplers, because a reply must depend on its seed and nothing
//! else, because masks differ from token to token, and because sorting a whole vocabulary for
//! each token costs more than the small models' last layer.

use std::cmp::Ordering;

use gra_synth::request::Sampling;

use crate::vocabulary::Token;

/// Tokens whose probability is below e^-30 of the likeliest one's are not looked at: a whole
/// vocabulary of them holds less than 2e-8 of the mass.
const WINDOW: f32 = 30.0;

/// Tokens that a first partial sort puts in order; nearly every nucleus is smaller.
const FIRST_SORT: usize = 256;

/// The draws of one request.
///
/// Counter-based: the draw for the token at place `n` of a reply, at its `retry`-th try (see
/// [`crate::automaton`]), is a hash of (seed, n, retry), so that no draw depends on how many were
/// made before, or on any other request. The hash is two rounds of the `SplitMix64` finaliser
/// (Steele, Lea, Flood 2014), which passes `BigCrush` on counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawStream {
    seed: u64,
}

impl DrawStream {
    /// The stream of a request's seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A number in [0, 1), uniform on multiples of 2^-53.
    #[must_use]
    pub fn draw(self, n: u32, retry: u32) -> f64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let counter = (u64::from(n) << 32) | u64::from(retry);
        // The seed is mixed before and after the counter goes in, so that neighbouring seeds and neighbouring
        // counters share nothing.
        let keyed = mix(self.seed.wrapping_add(GOLDEN));
        let bits = mix(mix(keyed ^ counter.wrapping_mul(GOLDEN)).wrapping_add(keyed));
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit the mantissa")]
        // The upper 53 bits: the lower ones of such hashes are weaker.
        let whole = (bits >> 11) as f64;
        whole * f64::EPSILON / 2.0
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Which tokens may be drawn.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'a> {
    /// These, in any order, without repeats.
    Only(&'a [Token]),
    /// Those with a bias of 0, and `also`.
    Biased {
        /// Per token 0 or minus infinity.
        bias: &'a [f32],
        /// Tokens allowed although their bias forbids them (end tokens).
        also: &'a [Token],
    },
}

impl<'a> Allowed<'a> {
    /// Tokens that are listed, and the biases of the whole vocabulary; none where a list is all.
    const fn listed_and_biased(self) -> (&'a [Token], &'a [f32]) {
        match self {
            Self::Only(tokens) => (tokens, &[]),
            Self::Biased { bias, also } => (also, bias),
        }
    }
}

/// The tokens that a draw is among.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// Those that may be drawn.
    pub allowed: Allowed<'a>,
    /// Those of them that were drawn before and cannot be taken.
    pub refused: &'a [Token],
}

impl<'a> From<Allowed<'a>> for Candidates<'a> {
    fn from(allowed: Allowed<'a>) -> Self {
        Self { allowed, refused: &[] }
    }
}

/// Draws tokens; keeps its buffers from one token to the next.
#[derive(Debug, Default)]
pub struct Sampler {
    /// (weight, token) of the tokens within the window.
    near: Vec<(f64, Token)>,
}

impl Sampler {
    /// Draws a token with `uniform` in [0, 1).
    ///
    /// `logits` has one entry per token of the vocabulary; NaN counts as impossible. Refused tokens are
    /// impossible too. A temperature of 0 or less takes the likeliest token. Equal
    /// logits rank by token number. `None` when no token is possible.
    pub fn draw(
        &mut self,
        logits: &[f32],
        candidates: Candidates<'_>,
        sampling: Sampling,
        uniform: f64,
    ) -> Option<Token> {
        let (best, max) = likeliest(logits, candidates)?;
        // A NaN temperature is as good as none.
        if sampling.temperature.is_nan() || sampling.temperature <= 0.0 {
            return Some(best);
        }
        self.weigh(logits, candidates, max, sampling.temperature);
        let total: f64 = self.near.iter().map(|(weight, _)| weight).sum();
        if sampling.top_p.is_nan() || sampling.top_p >= 1.0 {
            // No nucleus: the window alone.
            return pick(&self.near, uniform * total).or(Some(best));
        }
        let nucleus = self.nucleus(f64::from(sampling.top_p).max(0.0) * total);
        let kept = &self.near[..nucleus];
        let mass: f64 = kept.iter().map(|(weight, _)| weight).sum();
        pick(kept, uniform * mass).or(Some(best))
    }

    /// Collects the tokens within the window with their unnormalised probabilities.
    fn weigh(
        &mut self,
        logits: &[f32],
        Candidates { allowed, refused }: Candidates<'_>,
        max: f32,
        temperature: f32,
    ) {
        // In units of the logits as they are: the weights divide by the temperature.
        let floor = max - WINDOW * temperature;
        let near = &mut self.near;
        near.clear();
        let mut keep = |token: Token, logit: f32| {
            if logit >= floor && !refused.contains(&token) {
                near.push((f64::from((logit - max) / temperature).exp(), token));
            }
        };
        let (listed, bias) = allowed.listed_and_biased();
        for ((token, logit), bias) in (0..).zip(logits).zip(bias) {
            keep(token, logit + bias);
        }
        for token in listed {
            if let Some(logit) = logits.get(*token as usize) {
                keep(*token, *logit);
            }
        }
    }

    /// Brings the fewest likeliest tokens that hold `mass` to the front, in order; their number.
    fn nucleus(&mut self, mass: f64) -> usize {
        let order = |a: &(f64, Token), b: &(f64, Token)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let mut done = 0;
        let mut held = 0.0;
        // Most nuclei are small: sorting a little at a time finds their end without sorting a vocabulary.
        let mut step = FIRST_SORT;
        while done < self.near.len() {
            let end = self.near.len().min(done + step);
            let rest = &mut self.near[done..];
            if end - done < rest.len() {
                // Brings the next likeliest to the front, in no order yet.
                rest.select_nth_unstable_by(end - done, order);
            }
            self.near[done..end].sort_unstable_by(order);
            for (place, (weight, _)) in self.near[done..end].iter().enumerate() {
                held += weight;
                if held >= mass {
                    return done + place + 1;
                }
            }
            done = end;
            // A flat distribution needs many; then few large sorts are cheaper than many small ones.
            step *= 8;
        }
        self.near.len()
    }
}

/// The token in which a walk through the weights passes `point`.
fn pick(weights: &[(f64, Token)], point: f64) -> Option<Token> {
    let mut walked = 0.0;
    for (weight, token) in weights {
        walked += weight;
        if point < walked {
            return Some(*token);
        }
    }
    // Rounding can leave the point just behind the end.
    weights.last().map(|(_, token)| *token)
}

/// The likeliest allowed token and its logit.
fn likeliest(
    logits: &[f32],
    Candidates { allowed, refused }: Candidates<'_>,
) -> Option<(Token, f32)> {
    let (listed, bias) = allowed.listed_and_biased();
    let is_open = |(token, _): &(Token, f32)| !refused.contains(token);
    // Nearly every draw refuses nothing, and then the whole vocabulary is looked through faster.
    let among = if refused.is_empty() {
        maximum(logits, bias)
    } else {
        let biased = (0..).zip(logits.iter().zip(bias)).map(|(t, (l, b))| (t, l + b));
        biased.filter(is_open).fold(None, better)
    };
    let with_logit = |token: &Token| Some((*token, *logits.get(*token as usize)?));
    listed.iter().filter_map(with_logit).filter(is_open).fold(among, better)
}

/// The likelier of two; of equal ones the lower number. Impossible tokens (minus infinity, NaN)
/// never win.
fn better(best: Option<(Token, f32)>, other: (Token, f32)) -> Option<(Token, f32)> {
    let wins = match best {
        None => other.1 > f32::NEG_INFINITY,
        Some((token, logit)) => match other.1.partial_cmp(&logit) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => other.0 < token,
            _ => false,
        },
    };
    if wins { Some(other) } else { best }
}

/// The first largest sum of logit and bias. Two passes, so that the first one vectorises.
fn maximum(logits: &[f32], bias: &[f32]) -> Option<(Token, f32)> {
    let length = logits.len().min(bias.len());
    let (logits, bias) = (&logits[..length], &bias[..length]);
    // Sixteen maxima side by side, which compilers turn into vector instructions.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, biases) = (logits.chunks_exact(16), bias.chunks_exact(16));
    let tail = chunks.remainder().iter().zip(biases.remainder());
    for (chunk, bias) in chunks.zip(biases) {
        for ((lane, logit), bias) in lanes.iter_mut().zip(chunk).zip(bias) {
            *lane = lane.max(logit + bias);
        }
    }
    let max = tail.map(|(l, b)| l + b).chain(lanes).fold(f32::NEG_INFINITY, f32::max);
    let first = (0..).zip(logits.iter().zip(bias)).find(|(_, (l, b))| **l + **b >= max);
    first.filter(|_| max > f32::NEG_INFINITY).map(|(token, _)| (token, max))
}
