//! What `doctor` finds out about a model's chat template and tokenizer before a run: the template is rendered
//! and a prompt tokenised, with the model's vocabulary and without its weights.

use gra_synth::request::ModelName;
use gra_synth::shape::Shape;
use serde::{Deserialize, Serialize};

/// A question that a model will be asked, and what for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedCall {
    /// The role and stage, for people.
    pub purpose: String,
    /// The user message.
    pub message: String,
    /// The form of the reply.
    pub shape: Shape,
}

/// Which model is looked at, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateQuestion {
    /// The model.
    pub model: ModelName,
    /// What it will be asked.
    pub calls: Vec<ProbedCall>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFinding {
    /// What keeps the model from its calls, each with the call's purpose; empty where nothing does.
    pub faults: Vec<String>,
    /// Tokens that the template puts around a message.
    pub frame_tokens: usize,
    /// Text of its own that the template puts before the message, such as a default system turn.
    pub added_text: Option<String>,
    /// The tag of a thought in which the template lets every reply begin.
    pub opens_thought: Option<String>,
    /// What the pool would say to switch thinking off; `None` where the template knows no such switch, or it
    /// is off.
    pub thinking_switch: Option<String>,
    /// Variables that the template reads and that neither pool nor program sets.
    pub unset_variables: Vec<String>,
}
