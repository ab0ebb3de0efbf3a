//! A loaded model that writes replies.

use std::path::Path;

use gra_synth::shape::Shape;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::decode::strict;
use super::devices;
use super::prompt::PromptForm;
use super::runtime;
use super::settings::EngineSettings;
use crate::automaton::Plan;
use crate::engine::EngineError;
use crate::gguf::{GgufHeader, GgufModel};
use crate::model_pool::check::read_usable;
use crate::model_pool::{DEFAULT_CONTEXT, PoolModel};
use crate::vocabulary::{Token, TokenKind, Vocabulary};

/// Why a file without a template cannot be asked.
pub(super) const NO_TEMPLATE: &str = "its file has no chat template (`tokenizer.chat_template`), so it is no \
                                      instruct model; use an instruct model's GGUF";

/// A loaded model and what was drawn from its file.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) name: String,
    pub(super) model: LlamaModel,
    pub(super) vocabulary: Vocabulary,
    /// Its chat template, or why it cannot be used: a base model may score, and nothing more.
    form: Result<PromptForm, String>,
    /// Tokens that prompt and reply together may take.
    pub(super) context: u32,
    /// Bytes of KV cache per token of one sequence.
    pub(super) kv_bytes: u64,
    /// Whether it is a mixture of experts.
    pub(super) experts: bool,
    /// Rows that its kernels take at once, see [`strict`].
    pub(super) rows: u32,
    /// Bytes of its files.
    pub(super) size: u64,
}

impl Generator {
    pub(super) fn load(
        member: &PoolModel,
        path: &Path,
        settings: &EngineSettings,
    ) -> Result<Self, EngineError> {
        let name = member.name.as_str();
        let (header, model, size) = load(name, path, settings)?;
        let vocabulary = vocabulary(&model);
        let form =
            header.chat_template().ok_or_else(|| NO_TEMPLATE.to_owned()).and_then(|template| {
                PromptForm::new((template, &member.template), &model, &vocabulary)
                    .map_err(|error| error.to_string())
            });
        let trained = model.n_ctx_train().max(1);
        Ok(Self {
            name: name.to_owned(),
            vocabulary,
            form,
            context: member.context.unwrap_or(DEFAULT_CONTEXT.min(trained)),
            kv_bytes: kv_bytes(&header, &model),
            experts: header.of_architecture("expert_count").is_some_and(|experts| experts > 0),
            rows: strict::rows(header.tensors.values().map(|tensor| tensor.kind)),
            size,
            model,
        })
    }

    /// Tokenises plain text.
    pub(super) fn tokens(&self, text: &str) -> Vec<Token> {
        tokens(&self.model, text, false)
    }

    /// The chat template.
    pub(super) fn form(&self) -> Result<&PromptForm, EngineError> {
        let unusable = |reason: &String| EngineError::Unusable {
            model: self.name.clone(),
            reason: reason.clone(),
        };
        self.form.as_ref().map_err(unusable)
    }

    /// Compiles a shape for this model. A thought goes between the tags that the template opens.
    pub(super) fn plan(&self, shape: &Shape) -> Result<Plan, EngineError> {
        let tokenize = |text: &str| self.tokens(text);
        let shape = shape.with_thought_as_text(self.form()?.opened_thought());
        Plan::compile(&shape, &self.vocabulary, &tokenize).map_err(|error| EngineError::Unusable {
            model: self.name.clone(),
            reason: error.to_string(),
        })
    }
}

/// Loads a file after everything that is known to make llama.cpp abort has been ruled out.
fn load(
    name: &str,
    path: &Path,
    settings: &EngineSettings,
) -> Result<(GgufHeader, LlamaModel, u64), EngineError> {
    let failed = |reason| load_error(name, path, reason);
    let GgufModel { header, size } = read_usable(name, path, false)?;
    let backend = runtime::backend().map_err(failed)?;
    let on_cpu = settings.gpu_layers() == 0;
    // For CPUs llama.cpp repacks most weights; a mapped file would stay in memory beside the copy.
    let parameters = LlamaModelParams::default()
        .with_n_gpu_layers(settings.gpu_layers())
        .with_split_mode(settings.split.mode())
        .with_use_mmap(!on_cpu)
        .with_devices(&devices::places(settings.devices()))
        .map_err(|error| failed(error.to_string()))?;
    runtime::forget_errors();
    let model = LlamaModel::load_from_file(backend, path, &parameters)
        .map_err(|error| failed(runtime::last_error().unwrap_or_else(|| error.to_string())))?;
    Ok((header, model, size))
}

pub(super) fn load_error(name: &str, path: &Path, reason: String) -> EngineError {
    EngineError::Load { model: name.to_owned(), path: path.to_owned(), reason }
}

/// Tokenises plain text, or text with special tokens in it. Adds neither BOS nor EOS.
pub(super) fn tokens(model: &LlamaModel, text: &str, special: bool) -> Vec<Token> {
    if text.is_empty() {
        return Vec::new();
    }
    let tokens = model.vocab().tokenize(text.as_bytes(), false, special);
    tokens.into_iter().map(|token| token.0.cast_unsigned()).collect()
}

pub(super) const fn llama_token(token: Token) -> LlamaToken {
    LlamaToken(token.cast_signed())
}

pub(super) fn vocabulary(model: &LlamaModel) -> Vocabulary {
    use llama_cpp_2::token_type::LlamaTokenAttr::{Control, Unknown, Unused};

    let vocab = model.vocab();
    Vocabulary::new(vocab.tokens().map(|token| {
        let kind = if vocab.is_eog(token) {
            TokenKind::End
        } else if vocab.attr(token).intersects(Control | Unknown | Unused) {
            TokenKind::Hidden
        } else {
            TokenKind::Text
        };
        (vocab.token_to_piece(token, true, None), kind)
    }))
}

/// f16 keys and values of every layer.
fn kv_bytes(header: &GgufHeader, model: &LlamaModel) -> u64 {
    let heads = u64::from(model.n_head().max(1));
    let width = u64::try_from(model.n_embd()).unwrap_or(0).div_ceil(heads);
    let key = header.of_architecture("attention.key_length").unwrap_or(width);
    let value = header.of_architecture("attention.value_length").unwrap_or(width);
    let per_layer = u64::from(model.n_head_kv().max(1)).saturating_mul(key.saturating_add(value));
    u64::from(model.n_layer()).saturating_mul(per_layer).saturating_mul(2).max(1)
}
