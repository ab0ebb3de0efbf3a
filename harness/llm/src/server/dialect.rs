//! How each program is told what the protocol has no word for: a reply's form, and sampling that is
//! temperature and nucleus alone.
//!
//! Programs have defaults of their own for the rest (llama-server keeps the 40 likeliest tokens and
//! cuts the nucleus before the temperature; vLLM and `SGLang` take what a model's
//! `generation_config.json` says; `LMDeploy` keeps 40). A [`Sampling`](gra_synth::request::Sampling) means the
//! same everywhere, so these are switched off.

use serde::Serialize;

use crate::model_pool::Dialect;
use crate::pattern::{GrammarReader, Pattern, grammar, regular_expression};

/// The fields that a dialect adds to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum DialectFields {
    LlamaServer {
        /// The steps of sampling, in order.
        samplers: [&'static str; 2],
        /// Thoughts stay in the text. Taken out by the server, a reply that is held to a form would be taken
        /// for the thought that the chat template opens.
        reasoning_format: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        grammar: Option<String>,
    },
    Vllm {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        structured_outputs: Option<StructuredOutputs>,
    },
    Sglang {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        ebnf: Option<String>,
    },
    Lmdeploy {
        #[serde(flatten)]
        plain: Plain,
        #[serde(skip_serializing_if = "Option::is_none")]
        response_format: Option<ResponseFormat>,
    },
}

/// Sampling steps that change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Plain {
    top_k: i8,
    min_p: f32,
    repetition_penalty: f32,
}

/// vLLM's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StructuredOutputs {
    grammar: String,
}

/// `LMDeploy`'s.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ResponseFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    regex_schema: String,
}

impl DialectFields {
    pub(super) fn new(dialect: Dialect, form: Option<&Pattern>) -> Self {
        let reader = match dialect {
            Dialect::LlamaServer => GrammarReader::LlamaCpp,
            Dialect::Vllm | Dialect::Sglang | Dialect::Lmdeploy => GrammarReader::XGrammar,
        };
        let grammar = form.map(|form| grammar(form, reader));
        let plain = |top_k| Plain { top_k, min_p: 0.0, repetition_penalty: 1.0 };
        match dialect {
            Dialect::LlamaServer => {
                let samplers = ["temperature", "top_p"];
                Self::LlamaServer { samplers, reasoning_format: "none", grammar }
            }
            Dialect::Vllm => Self::Vllm {
                plain: plain(-1),
                structured_outputs: grammar.map(|grammar| StructuredOutputs { grammar }),
            },
            Dialect::Sglang => Self::Sglang { plain: plain(-1), ebnf: grammar },
            Dialect::Lmdeploy => {
                let format = |form| ResponseFormat {
                    kind: "regex_schema",
                    regex_schema: regular_expression(form),
                };
                Self::Lmdeploy { plain: plain(0), response_format: form.map(format) }
            }
        }
    }
}
