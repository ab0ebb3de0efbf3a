//! Instruction-following difficulty: how much an instruction helps a model to expect its response
//! (Li et al. 2024, "From Quantity to Quality"; the paper's section 5.5 and Fig. 8; METHOD.md, E5).
//!
//! With `L_c` the mean loss of a response's tokens after the instruction and `L_d` their mean loss
//! without it, two ratios are published under one name: [`Formula::LossRatio`] is `L_c / L_d`
//! (Cherry LLM), [`Formula::PerplexityRatio`] is `exp(L_c - L_d)` (Superfiltering; Li et al. 2024b). They
//! order samples alike only where losses are alike, so both are reported.
//!
//! A ratio above 1 says that the instruction misleads the model. The published scripts drop such
//! samples before they average; here nothing is dropped: the mean over all, the mean below 1 and the
//! share above 1 stand side by side, and what could not be measured is counted by its reason.

use std::collections::BTreeMap;

/// Mean loss over the tokens of a response that were scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Nats per token; at least 0.
    pub mean: f64,
    /// Tokens that were scored, at least 1.
    pub tokens: u32,
}

/// The two losses of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// `L_c`: after the instruction.
    pub conditional: Loss,
    /// `L_d`: without it.
    pub direct: Loss,
    /// Whether the response lost its end to a limit.
    pub truncated: bool,
}

/// How the two losses are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Formula {
    /// `L_c / L_d`.
    LossRatio,
    /// `exp(L_c - L_d)`, which is the ratio of the perplexities.
    PerplexityRatio,
}

impl Formula {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::LossRatio, Self::PerplexityRatio];

    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LossRatio => "loss-ratio",
            Self::PerplexityRatio => "perplexity-ratio",
        }
    }
}

/// Why a sample has no difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmeasured {
    /// There is no response, or it holds no token.
    EmptyResponse,
    /// The instruction alone fills the limit; nothing of the response is left to score.
    InstructionTooLong,
    /// The response is one token, and nothing stands before it when it is scored alone.
    NothingScored,
    /// `L_d` is 0, so nothing can be divided by it.
    NoDirectLoss,
    /// A loss is not a number; a model that yields such has overflowed.
    NotANumber,
}

impl Unmeasured {
    /// Name used in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EmptyResponse => "empty-response",
            Self::InstructionTooLong => "instruction-too-long",
            Self::NothingScored => "nothing-scored",
            Self::NoDirectLoss => "no-direct-loss",
            Self::NotANumber => "not-a-number",
        }
    }
}

impl Pair {
    /// The sample's difficulty; at least 0.
    ///
    /// # Errors
    /// When the formula is not defined for these losses.
    pub fn difficulty(&self, formula: Formula) -> Result<f64, Unmeasured> {
        let (conditional, direct) = (self.conditional.mean, self.direct.mean);
        if !(conditional.is_finite() && direct.is_finite()) {
            return Err(Unmeasured::NotANumber);
        }
        let value = match formula {
            Formula::LossRatio if direct == 0.0 => return Err(Unmeasured::NoDirectLoss),
            Formula::LossRatio => conditional / direct,
            Formula::PerplexityRatio => (conditional - direct).exp(),
        };
        if value.is_finite() { Ok(value) } else { Err(Unmeasured::NotANumber) }
    }
}

/// What was found for one sample.
pub type Measured = Result<Pair, Unmeasured>;

/// How many samples have no difficulty, by reason; reasons without any are absent.
#[must_use]
pub fn unmeasured(samples: &[Measured], formula: Formula) -> BTreeMap<Unmeasured, u64> {
    let mut counts = BTreeMap::new();
    for reason in samples.iter().filter_map(|sample| difficulty(sample, formula).err()) {
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

/// A sample's difficulty.
///
/// # Errors
/// When it could not be scored, or the formula is not defined for its losses.
pub fn difficulty(sample: &Measured, formula: Formula) -> Result<f64, Unmeasured> {
    sample.as_ref().map_err(|reason| *reason)?.difficulty(formula)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(conditional: f64, direct: f64) -> Pair {
        let loss = |mean| Loss { mean, tokens: 10 };
        Pair { conditional: loss(conditional), direct: loss(direct), truncated: false }
    }

    #[test]
    fn the_two_formulas() {
        let cases = [
            // Both losses, their ratio, the ratio of perplexities.
            (1.0, 2.0, Ok(0.5), Ok((-1.0_f64).exp())),
            (2.0, 2.0, Ok(1.0), Ok(1.0)),
            (3.0, 2.0, Ok(1.5), Ok(1.0_f64.exp())),
            (0.0, 2.0, Ok(0.0), Ok((-2.0_f64).exp())),
            (0.5, 0.0, Err(Unmeasured::NoDirectLoss), Ok(0.5_f64.exp())),
            (f64::NAN, 1.0, Err(Unmeasured::NotANumber), Err(Unmeasured::NotANumber)),
            (1.0, f64::INFINITY, Err(Unmeasured::NotANumber), Err(Unmeasured::NotANumber)),
            (f64::INFINITY, 1.0, Err(Unmeasured::NotANumber), Err(Unmeasured::NotANumber)),
        ];
        for (conditional, direct, ratio, perplexities) in cases {
            let pair = pair(conditional, direct);
            assert_eq!(pair.difficulty(Formula::LossRatio), ratio, "{pair:?}");
            assert_eq!(pair.difficulty(Formula::PerplexityRatio), perplexities, "{pair:?}");
        }
    }

    #[test]
    fn what_has_no_difficulty_is_counted() {
        let samples = [
            Ok(pair(1.0, 2.0)),
            Ok(pair(1.0, 0.0)),
            Err(Unmeasured::EmptyResponse),
            Ok(pair(3.0, 2.0)),
        ];
        let counted = unmeasured(&samples, Formula::LossRatio);
        let expected = [(Unmeasured::EmptyResponse, 1), (Unmeasured::NoDirectLoss, 1)];
        assert_eq!(counted, expected.into());
        let expected = [(Unmeasured::EmptyResponse, 1)];
        assert_eq!(unmeasured(&samples, Formula::PerplexityRatio), expected.into());
    }

    proptest! {
        #[test]
        fn the_formulas_agree_on_the_side_of_one(conditional in 0.01_f64..9.0, direct in 0.01_f64..9.0) {
            let pair = pair(conditional, direct);
            let above = Formula::ALL.map(|formula| pair.difficulty(formula).unwrap() > 1.0);
            prop_assert_eq!(above[0], above[1]);
        }
    }
}
