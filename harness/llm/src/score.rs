//! Scoring: the probability that a model gives a text, token by token.
//!
//! Instruction-following difficulty (IFD; Li et al., 2023; the paper's section 5.5) compares the loss
//! of a response after its instruction with its loss alone; a judge compares the losses of its
//! possible answers. Both score a continuation after a context. Nothing is drawn here, so a
//! [`PassageScore`] has no seed, and it depends on its passage alone.

use gra_synth::request::ModelName;
use serde::{Deserialize, Serialize};

/// A text to score.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// Whose probabilities.
    pub model: ModelName,
    /// What stands before the scored text.
    pub context: Context,
    /// The scored text. Special tokens that it spells stay plain text, and none is added at its end.
    pub continuation: String,
    /// How the border between the two is tokenised.
    #[serde(default)]
    pub border: Border,
    /// Most tokens of context and continuation together. The continuation loses its end to fit,
    /// the context nothing. `None`: a passage that does not fit the model's context is an error.
    #[serde(default)]
    pub max_tokens: Option<u32>,
}

/// What stands before the scored text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Context {
    /// Text as it is; may be empty. Special tokens that it spells stay plain text.
    Text {
        /// The text.
        text: String,
        /// Whether the model's first token stands before it.
        #[serde(default)]
        bos: Bos,
    },
    /// A user's message in the model's chat template, up to where the model begins its reply. The
    /// template says where the model's first token goes.
    Message(String),
}

impl Context {
    /// Text as it is, behind the model's first token where the model wants one.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), bos: Bos::default() }
    }
}

/// Whether a text begins with the model's BOS token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bos {
    /// As the model's file says (`tokenizer.ggml.add_bos_token`).
    #[default]
    AsModel,
    /// Always. A model that has no such token cannot be asked.
    Always,
    /// Never.
    Never,
}

/// How the border between context and continuation is tokenised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// Each alone, one behind the other. The scored tokens are the same after every context.
    #[default]
    Apart,
    /// As one text; what lies behind as many tokens as the context alone has is scored. So do the
    /// published IFD scripts. Where a token spans the border, the first scored one differs
    /// from context to context.
    Joined,
}

/// What a model makes of a passage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassageScore {
    /// Natural logarithm of each scored token's probability given all tokens before it, in order;
    /// at most 0. The log-softmax is computed in `f64` from the model's `f32` logits.
    pub log_probs: Vec<f32>,
    /// Tokens before the first one of the continuation, BOS and chat template included.
    pub context_tokens: u32,
    /// Whether the continuation lost tokens to [`Passage::max_tokens`].
    pub truncated: bool,
    /// Whether the continuation's first token is not scored because no token stands before it.
    pub first_unscored: bool,
}

impl PassageScore {
    /// Logarithm of the probability of all scored tokens together, summed in `f64` and in order.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.log_probs.iter().map(|value| f64::from(*value)).sum()
    }

    /// Mean negative log-probability per scored token, in nats: a training script's loss. `None`
    /// when no token is scored.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let tokens = u32::try_from(self.log_probs.len()).ok().filter(|tokens| *tokens > 0)?;
        Some(-self.total() / f64::from(tokens))
    }
}
