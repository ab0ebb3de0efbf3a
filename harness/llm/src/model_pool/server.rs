//! A model that a server holds: where it answers, and in which dialect it is asked.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chat_template::TemplateVariables;

/// Requests under way at once where the pool does not say.
pub const DEFAULT_CONCURRENCY: u32 = 16;

/// Seconds that one request may take, tries and waits included, where the pool does not say.
pub const DEFAULT_TIMEOUT_S: u32 = 600;

/// Which program serves. They share the `OpenAI` protocol and differ in how the form of a reply and
/// sampling beyond it are asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// llama.cpp's own server.
    LlamaServer,
    /// vLLM, 0.12 or later.
    Vllm,
    /// `SGLang`.
    Sglang,
    /// `LMDeploy`.
    Lmdeploy,
}

impl Dialect {
    /// As written in pools and fingerprints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Lmdeploy => "lmdeploy",
        }
    }

    /// The dialect of a program, as it names itself where it lists its models; `None` for others.
    #[must_use]
    pub fn of_program(name: &str) -> Option<Self> {
        match name {
            "llamacpp" => Some(Self::LlamaServer),
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::Sglang),
            "lmdeploy" => Some(Self::Lmdeploy),
            _ => None,
        }
    }
}

/// A model behind an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it answers, up to what comes before `/chat/completions`; no slash at the end.
    pub url: String,
    /// The name that the server knows the model by.
    pub model: String,
    /// Which program it is.
    pub dialect: Dialect,
    /// Environment variable that holds the key. The key itself is in no file of ours.
    pub api_key_env: Option<String>,
    /// Requests under way at once.
    pub concurrency: u32,
    /// Seconds that one request may take, tries and waits included.
    pub timeout_s: u32,
    /// What the server said of its model when the pool was written; checked when given, and believed
    /// when the server does not answer, so that a finished run replays without it.
    pub identity: Option<String>,
    /// Variables of the model's chat template, sent with every request as `chat_template_kwargs`.
    pub template: TemplateVariables,
}

impl Server {
    /// Most that one request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s as u64)
    }
}
