//! Sentence embedding: llama.cpp's tokenizer, BERT's forward pass, mean pooling and L2 norm.
//!
//! The forward pass is ours ([`bert`]): llama.cpp's takes up to twice the time, and changes the last bits of a
//! vector with what shares its batch (`decisions/0005-embedding-in-batches.md`). It runs on the CPU, whatever
//! generates.

mod bert;
mod weights;

use std::borrow::Cow;
use std::path::Path;

use gra_synth::request::Embedding;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use super::generator::{checked, load_error};
use super::runtime;
use super::settings::EngineSettings;
use crate::abreast::at_once;
use crate::engine::EngineError;
use crate::gguf::GgufHeader;
use bert::{Bert, Desk};
use weights::Weights;

/// Version of the rules of this file; part of fingerprints. Change it when they change a vector.
pub(super) const VERSION: u32 = 3;

/// Tokens of a text that are read, `[CLS]` and `[SEP]` among them: the limit that all-MiniLM-L6-v2
/// was published with.
pub(super) const MAX_TOKENS: usize = 256;

/// Tokens that go through the network at once: enough to keep a core at its best. No vector depends on it.
const BATCH_TOKENS: usize = 256;

/// A loaded sentence encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    name: String,
    /// Its vocabulary; llama.cpp holds no weights of it.
    tokenizer: LlamaModel,
    network: Bert,
    max_tokens: usize,
    /// Whether texts are read without their accents.
    strips_accents: bool,
}

impl Encoder {
    pub(super) fn load(name: &str, path: &Path) -> Result<Self, EngineError> {
        let failed = |reason| load_error(name, path, reason);
        let (header, _) = checked(name, path, true)?;
        let network = Weights::open(path, &header).and_then(|mut weights| Bert::read(&mut weights));
        let network = network.map_err(failed)?;
        let backend = runtime::backend().map_err(failed)?;
        let parameters = LlamaModelParams::default().with_vocab_only(true);
        runtime::forget_errors();
        let tokenizer = LlamaModel::load_from_file(backend, path, &parameters)
            .map_err(|error| failed(runtime::last_error().unwrap_or_else(|| error.to_string())))?;
        let words = tokenizer.n_vocab();
        if usize::try_from(words).is_ok_and(|words| words > network.vocabulary()) {
            return Err(failed(format!("it has {words} tokens and fewer rows for them")));
        }
        Ok(Self {
            name: name.to_owned(),
            max_tokens: MAX_TOKENS.min(network.most_tokens()).max(2),
            strips_accents: strips_accents(&header),
            tokenizer,
            network,
        })
    }

    /// Unit vectors, in order. As many batches are computed side by side as there are threads: threads
    /// that share so little work would spend their time waiting for each other.
    pub(super) fn embed(
        &self,
        texts: &[String],
        settings: &EngineSettings,
    ) -> Result<Vec<Embedding>, EngineError> {
        let lanes = (settings.threads as usize).clamp(1, texts.len().max(1));
        let lane = |first| {
            let texts = texts.iter().skip(first).step_by(lanes);
            move |_: &mut dyn FnMut(())| self.embed_in_turn(texts)
        };
        let done = at_once((0..lanes).map(lane).collect(), |_, ()| {});
        let mut lanes: Vec<_> = done
            .into_iter()
            .map(|lane| Ok(lane?.into_iter()))
            .collect::<Result<_, EngineError>>()?;
        let count = lanes.len();
        Ok((0..texts.len()).filter_map(|text| lanes[text % count].next()).collect())
    }

    /// Batch by batch.
    fn embed_in_turn<'t>(
        &self,
        texts: impl Iterator<Item = &'t String>,
    ) -> Result<Vec<Embedding>, EngineError> {
        let mut desk = Desk::default();
        let mut embeddings = Vec::new();
        let mut texts = texts.map(|text| self.tokens(text)).peekable();
        while let Some(first) = texts.next() {
            let mut taken = first.len();
            let mut batch = vec![first];
            while let Some(text) = texts.next_if(|text| taken + text.len() <= BATCH_TOKENS) {
                taken += text.len();
                batch.push(text);
            }
            for mean in self.network.means(&batch, &mut desk) {
                let embedding = unit(&mean);
                embeddings.push(embedding.ok_or_else(|| EngineError::Evaluation {
                    model: self.name.clone(),
                    reason: "an embedding is zero or not a number".to_owned(),
                })?);
            }
        }
        Ok(embeddings)
    }

    /// `[CLS]`, the text, `[SEP]`; a long text loses its end, never its `[SEP]`.
    fn tokens(&self, text: &str) -> Vec<usize> {
        let text = if self.strips_accents { without_accents(text) } else { Cow::Borrowed(text) };
        let tokens = self.tokenizer.vocab().tokenize(text.as_bytes(), true, false);
        let mut tokens: Vec<usize> =
            tokens.into_iter().filter_map(|token| usize::try_from(token.0).ok()).collect();
        if tokens.len() > self.max_tokens
            && let Some(separator) = tokens.last().copied()
        {
            tokens.truncate(self.max_tokens - 1);
            tokens.push(separator);
        }
        tokens
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
