//! Instruction-following difficulty: how much an instruction helps a model to expect its response
//! (Li et al. 2024, "From Quantity to Quality"; the paper's section 5.5 and Fig. 8; METHOD.md, E5).
//!
//! With `L_c` the mean loss of a response's tokens after the instruction and `L_d` their mean loss
//! without it, two ratios are published under one name: [`LossPair::loss_ratio`] is `L_c / L_d`
//! (Cherry LLM), [`LossPair::perplexity_ratio`] is `exp(L_c - L_d)` (Superfiltering; Li et al. 2024b). They
//! order samples alike only where losses are alike, so both are reported.
//!
//! A ratio above 1 says that the instruction misleads the model. The published scripts drop such
//! samples before they average; here nothing is dropped: the mean over all, the mean below 1 and the
//! share above 1 stand side by side, and what could not be measured is counted by its reason.

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
pub struct LossPair {
    /// `L_c`: after the instruction.
    pub conditional: Loss,
    /// `L_d`: without it.
    pub direct: Loss,
    /// Whether the response lost its end to a limit.
    pub truncated: bool,
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

impl LossPair {
    /// `L_c / L_d`, at least 0.
    ///
    /// # Errors
    /// When it is not defined for these losses.
    pub fn loss_ratio(&self) -> Result<f64, Unmeasured> {
        let (conditional, direct) = self.finite()?;
        // A response that the model is certain of without its instruction.
        if direct == 0.0 {
            return Err(Unmeasured::NoDirectLoss);
        }
        finite(conditional / direct)
    }

    /// `exp(L_c - L_d)`, which is the ratio of the perplexities.
    ///
    /// # Errors
    /// When it is not defined for these losses.
    pub fn perplexity_ratio(&self) -> Result<f64, Unmeasured> {
        let (conditional, direct) = self.finite()?;
        finite((conditional - direct).exp())
    }

    fn finite(&self) -> Result<(f64, f64), Unmeasured> {
        Ok((finite(self.conditional.mean)?, finite(self.direct.mean)?))
    }
}

/// What was found for one sample.
pub type MeasuredLosses = Result<LossPair, Unmeasured>;

fn finite(value: f64) -> Result<f64, Unmeasured> {
    if value.is_finite() { Ok(value) } else { Err(Unmeasured::NotANumber) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(conditional: f64, direct: f64) -> LossPair {
        let loss = |mean| Loss { mean, tokens: 10 };
        LossPair { conditional: loss(conditional), direct: loss(direct), truncated: false }
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
            assert_eq!(pair.loss_ratio(), ratio, "{pair:?}");
            assert_eq!(pair.perplexity_ratio(), perplexities, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn the_formulas_agree_on_the_side_of_one(conditional in 0.01_f64..9.0, direct in 0.01_f64..9.0) {
            let pair = pair(conditional, direct);
            let above = [pair.loss_ratio(), pair.perplexity_ratio()].map(|ratio| ratio.unwrap() > 1.0);
            prop_assert_eq!(above[0], above[1]);
        }
    }
}
