//! Sentence embedding: mean pooling and L2 norm over one text at a time.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::path::Path;

use gra_synth::request::Embedding;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::generator::load;
use super::runtime;
use super::settings::EngineSettings;
use crate::abreast::at_once;
use crate::engine::EngineError;
use crate::gguf::GgufHeader;

/// Version of the rules of this file; part of fingerprints. Change it when they change a vector.
pub(super) const VERSION: u32 = 2;

/// Tokens of a text that are read, `[CLS]` and `[SEP]` among them: the limit that all-MiniLM-L6-v2
/// was published with.
pub(super) const MAX_TOKENS: usize = 256;

/// A loaded sentence encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    name: String,
    model: LlamaModel,
    max_tokens: usize,
    /// Whether texts are read without their accents.
    strips_accents: bool,
}

impl Encoder {
    pub(super) fn load(
        name: &str,
        path: &Path,
        settings: &EngineSettings,
    ) -> Result<Self, EngineError> {
        let (header, model, _) = load(name, path, true, settings)?;
        let trained = usize::try_from(model.n_ctx_train()).unwrap_or(MAX_TOKENS);
        Ok(Self {
            name: name.to_owned(),
            max_tokens: MAX_TOKENS.min(trained.max(2)),
            strips_accents: strips_accents(&header),
            model,
        })
    }

    /// Unit vectors, in order. One text per evaluation: what shares a batch would change the last
    /// bits of a vector. On a CPU as many texts are evaluated side by side as there are threads, each
    /// by one thread: threads that share so little work spend their time waiting for each other.
    pub(super) fn embed(
        &self,
        texts: &[String],
        settings: &EngineSettings,
    ) -> Result<Vec<Embedding>, EngineError> {
        let threads = settings.llama_threads();
        if settings.gpu_layers() > 0 {
            return self.embed_in_turn(texts.iter(), threads, settings);
        }
        let lanes = usize::try_from(threads).unwrap_or(1).clamp(1, texts.len().max(1));
        let lane = |first| {
            let texts = texts.iter().skip(first).step_by(lanes);
            move |_: &mut dyn FnMut(())| self.embed_in_turn(texts, 1, settings)
        };
        let done = at_once((0..lanes).map(lane).collect(), |_, ()| {});
        let mut lanes: Vec<_> = done
            .into_iter()
            .map(|lane| Ok(lane?.into_iter()))
            .collect::<Result<_, EngineError>>()?;
        let count = lanes.len();
        Ok((0..texts.len()).filter_map(|text| lanes[text % count].next()).collect())
    }

    /// One after the other.
    fn embed_in_turn<'t>(
        &self,
        texts: impl Iterator<Item = &'t String>,
        threads: i32,
        settings: &EngineSettings,
    ) -> Result<Vec<Embedding>, EngineError> {
        let tokens = u32::try_from(self.max_tokens).unwrap_or(u32::MAX);
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(tokens))
            .with_n_batch(tokens)
            .with_n_ubatch(tokens)
            .with_n_seq_max(1)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_flash_attention_policy(settings.flash_attention().policy())
            .with_embeddings(true)
            .with_pooling_type(LlamaPoolingType::Mean)
            .with_no_perf(true);
        let backend = runtime::backend().map_err(|reason| self.failed(reason))?;
        let mut context = self
            .model
            .new_context(backend, parameters)
            .map_err(|error| self.failed(error.to_string()))?;
        let mut batch = LlamaBatch::new(self.max_tokens, 1);
        let mut embeddings = Vec::new();
        for text in texts {
            batch.clear();
            for (position, token) in (0..).zip(self.tokens(text)) {
                let added = batch.add(token, position, &[0], true);
                added.map_err(|error| self.failed(error.to_string()))?;
            }
            context.encode(&mut batch).map_err(|error| self.failed(error.to_string()))?;
            let vector = context.embeddings_seq_ith(0);
            let vector = vector.map_err(|error| self.failed(error.to_string()))?;
            embeddings.push(
                unit(vector).ok_or_else(|| {
                    self.failed("an embedding is zero or not a number".to_owned())
                })?,
            );
        }
        Ok(embeddings)
    }

    /// `[CLS]`, the text, `[SEP]`; a long text loses its end, never its `[SEP]`.
    fn tokens(&self, text: &str) -> Vec<LlamaToken> {
        let text = if self.strips_accents { without_accents(text) } else { Cow::Borrowed(text) };
        let mut tokens = self.model.vocab().tokenize(text.as_bytes(), true, false);
        if tokens.len() > self.max_tokens
            && let Some(separator) = tokens.last().copied()
        {
            tokens.truncate(self.max_tokens - 1);
            tokens.push(separator);
        }
        tokens
    }

    fn failed(&self, reason: String) -> EngineError {
        EngineError::Evaluation { model: self.name.clone(), reason }
    }
}

/// Whether texts lose their accents. llama.cpp's own key says so, or this project's, where a file tells
/// llama.cpp to leave accents to us.
fn strips_accents(header: &GgufHeader) -> bool {
    let is_on = |key| header.number(key).map(|value| value != 0);
    is_on("gra.normalizer.strip_accents")
        .or_else(|| is_on("tokenizer.ggml.normalizer.strip_accents"))
        .or_else(|| is_on("tokenizer.ggml.normalizer.lowercase"))
        .unwrap_or(true)
}

/// A text's canonical decomposition (NFD) without nonspacing marks (Mn), as BERT's own tokenizer has it.
/// llama.cpp's would drop every mark, which are the vowels of Indic scripts too, and leave Hangul whole.
fn without_accents(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let category = CodePointMapData::<GeneralCategory>::new();
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    let is_kept = |c: &char| category.get(*c) != GeneralCategory::NonspacingMark;
    Cow::Owned(decomposed.chars().filter(is_kept).collect())
}

/// A vector of length 1, summed in `f64` and in order. `None` when it has no direction.
fn unit(vector: &[f32]) -> Option<Embedding> {
    let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "embeddings are f32")]
    let scaled = |v: &f32| (f64::from(*v) / length) as f32;
    (length.is_finite() && length > 0.0).then(|| Embedding(vector.iter().map(scaled).collect()))
}

#[cfg(test)]
mod tests {
    use super::without_accents;

    #[test]
    fn accents_go_and_vowels_stay() {
        let plain = |text| without_accents(text).into_owned();
        assert_eq!(plain("naïve Zoë, Ω ά"), "naive Zoe, Ω α");
        assert_eq!(
            plain("한글 ok"),
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} ok",
            "syllables become letters"
        );
        // Of Hindi's vowel signs those are kept that take a place of their own.
        assert_eq!(plain("हिन्दी"), "ह\u{93f}नद\u{940}");
        assert_eq!(plain("日本 x"), "日本 x");
    }
}
