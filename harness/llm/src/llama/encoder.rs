//! Sentence embedding: llama.cpp's tokenizer, BERT's forward pass, mean pooling and L2 norm.
//!
//! The forward pass is ours ([`bert`]): llama.cpp's takes up to twice the time, and changes the last bits of a
//! vector with what shares its batch (`decisions/0005-embedding-in-batches.md`). It runs on the CPU, whatever
//! generates.
//!
//! A text that is longer than [`MAX_TOKENS`] is read in windows, from its beginning to its end
//! (`decisions/0017-long-texts.md`). So is one in letters that the vocabulary lacks, whose words all are one token: its
//! last window is made of their letters ([`letters`]).

mod bert;
mod letters;

use std::borrow::Cow;
use std::path::Path;

use gra_synth::request::Embedding;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use llama_cpp_2::model::LlamaModel;

use super::runtime;
use super::settings::EngineSettings;
use crate::dispatcher::in_parallel;
use crate::engine::{EngineError, EngineResult};
use crate::gguf::GgufHeader;
use crate::model_pool::check::read_usable;
use bert::{Bert, Buffers, Weights};

/// Version of the rules of this file; part of fingerprints. Change it when they change a vector.
pub(super) const VERSION: u32 = 4;

/// Tokens that are read at once, `[CLS]` and `[SEP]` among them: the limit that all-MiniLM-L6-v2 was published
/// with.
pub(super) const MAX_TOKENS: usize = 256;

/// Tokens of a window of a longer text, without `[CLS]` and `[SEP]`: the length that all-MiniLM-L6-v2 was
/// trained with. A window must not be so long that what only its end says is lost in it.
pub(super) const WINDOW_TOKENS: usize = 128;

/// Where letters of words without tokens are more than this share of a text, the vector says too little of it to
/// make it a duplicate.
const MOST_UNKNOWN: f64 = 0.25;

/// The token of words without tokens, where a file does not say: BERT's.
const UNKNOWN: usize = 100;

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
    /// The token of words that the vocabulary cannot write.
    unknown: usize,
}

/// What is read of a text.
struct Reading {
    /// Tokens of each window.
    windows: Vec<Vec<usize>>,
    /// A vector of the letters of words that have no tokens, where they are much of the text.
    unknown: Option<Vec<f32>>,
}

impl Encoder {
    pub(super) fn load(name: &str, path: &Path) -> EngineResult<Self> {
        let failed = |reason| EngineError::load(name, path, reason);
        let header = read_usable(name, path, true)?.header;
        let network = Weights::open(path, &header).and_then(|mut weights| Bert::read(&mut weights));
        let network = network.map_err(failed)?;
        let tokenizer = runtime::load_vocabulary(path).map_err(failed)?;
        let words = tokenizer.n_vocab();
        if usize::try_from(words).is_ok_and(|words| words > network.vocabulary()) {
            return Err(failed(format!("it has {words} tokens and fewer rows for them")));
        }
        Ok(Self {
            name: name.to_owned(),
            // One besides `[CLS]` and `[SEP]`, or there would be no end of windows.
            max_tokens: MAX_TOKENS.min(network.most_tokens()).max(3),
            strips_accents: strips_accents(&header),
            unknown: header
                .number("tokenizer.ggml.unknown_token_id")
                .and_then(|token| usize::try_from(token).ok())
                .unwrap_or(UNKNOWN),
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
    ) -> EngineResult<Vec<Embedding>> {
        let lanes = (settings.threads as usize).clamp(1, texts.len().max(1));
        // Dealt out by turns: texts of one kind stand together and are about as long.
        let lane = |first| {
            let texts = texts.iter().skip(first).step_by(lanes);
            move |_: &mut dyn FnMut(())| self.embed_in_turn(texts)
        };
        let done = in_parallel((0..lanes).map(lane).collect(), |_, ()| {});
        let mut lanes: Vec<_> =
            done.into_iter().map(|lane| Ok(lane?.into_iter())).collect::<EngineResult<_>>()?;
        let count = lanes.len();
        Ok((0..texts.len()).filter_map(|text| lanes[text % count].next()).collect())
    }

    /// Batch by batch.
    fn embed_in_turn<'t>(
        &self,
        texts: impl Iterator<Item = &'t String>,
    ) -> EngineResult<Vec<Embedding>> {
        let mut buffers = Buffers::default();
        let mut counts = Vec::new();
        let mut windows = texts
            .flat_map(|text| {
                let Reading { windows, unknown } = self.reading(text);
                counts.push((windows.len(), unknown));
                windows
            })
            .peekable();
        let mut vectors = Vec::new();
        while let Some(first) = windows.next() {
            let mut taken = first.len();
            let mut batch = vec![first];
            // As many windows as fit, one at least.
            while let Some(next) = windows.next_if(|next| taken + next.len() <= BATCH_TOKENS) {
                taken += next.len();
                batch.push(next);
            }
            for mean in self.network.means(&batch, &mut buffers) {
                vectors.push(self.unit(&mean)?);
            }
        }
        drop(windows);
        let mut vectors = vectors.into_iter();
        // The vectors come in the order of the windows, so a text's are the next ones.
        let mut joined =
            |(count, unknown)| self.joined(vectors.by_ref().take(count).collect(), unknown);
        counts.into_iter().map(&mut joined).collect()
    }

    /// The embedding of a text from the vectors of what was read of it: of a long text, their mean stands for
    /// all of it.
    fn joined(
        &self,
        mut windows: Vec<Vec<f32>>,
        unknown: Option<Vec<f32>>,
    ) -> EngineResult<Embedding> {
        let vector = if let [only] = windows.as_slice() {
            only.clone()
        } else {
            let mut sum = vec![0.0; windows.first().map_or(0, Vec::len)];
            for window in &windows {
                sum.iter_mut().zip(window).for_each(|(sum, value)| *sum += value);
            }
            self.unit(&sum)?
        };
        windows.extend(unknown);
        Ok(match windows.as_slice() {
            [_] => Embedding::new(vector.into()),
            several => Embedding::in_windows(vector.into(), several.concat().into()),
        })
    }

    fn unit(&self, vector: &[f32]) -> EngineResult<Vec<f32>> {
        unit(vector).ok_or_else(|| EngineError::Evaluation {
            model: self.name.clone(),
            reason: "an embedding is zero or not a number".to_owned(),
        })
    }

    /// What is read of a text: `[CLS]`, the text, `[SEP]`; of a text that is too long for that, its windows,
    /// each with both.
    fn reading(&self, text: &str) -> Reading {
        let text = if self.strips_accents { without_accents(text) } else { Cow::Borrowed(text) };
        let tokens = self.tokens(&text);
        let unknown = tokens.contains(&self.unknown).then(|| self.unknown_words(&text)).flatten();
        let windows = match tokens.as_slice() {
            [begin, inside @ .., end] if tokens.len() > self.max_tokens => {
                let length = WINDOW_TOKENS.min(self.max_tokens - 2);
                let window = |start| [&[*begin], &inside[start..start + length], &[*end]].concat();
                starts(inside.len(), length).map(window).collect()
            }
            // Short enough, or so odd that llama.cpp gave no tokens at both ends.
            _ => vec![tokens],
        };
        Reading { windows, unknown }
    }

    fn tokens(&self, text: &str) -> Vec<usize> {
        let tokens = self.tokenizer.vocab().tokenize(text.as_bytes(), true, false);
        tokens.into_iter().filter_map(|token| usize::try_from(token.0).ok()).collect()
    }

    /// A vector of the letters of the words that have no tokens; `None` where they are little of the text.
    fn unknown_words(&self, text: &str) -> Option<Vec<f32>> {
        let is_unknown = |word: &&str| self.tokens(word).contains(&self.unknown);
        let words: Vec<&str> = text.split_whitespace().filter(is_unknown).collect();
        let length = |word: &str| word.chars().count();
        let unknown: usize = words.iter().copied().map(length).sum();
        let all: usize = text.split_whitespace().map(length).sum();
        #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
        let is_much = unknown as f64 > MOST_UNKNOWN * all as f64;
        is_much.then(|| unit(&letters::vector(&words, self.network.width()))).flatten()
    }
}

/// Where the windows of a text begin that has more tokens than a window: one behind another, and the last
/// one ends with the text. So a token more or less moves no window by more than a token.
fn starts(count: usize, length: usize) -> impl Iterator<Item = usize> {
    (0..count - length).step_by(length).chain([count - length])
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
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "embeddings are f32")]
    let scaled = |v: &f32| (f64::from(*v) / length) as f32;
    (length.is_finite() && length > 0.0).then(|| vector.iter().map(scaled).collect())
}

#[cfg(test)]
mod tests {
    use super::{starts, without_accents};

    #[test]
    fn windows_hold_every_token_to_the_last() {
        for (count, expected) in
            [(4, vec![0, 1]), (6, vec![0, 3]), (7, vec![0, 3, 4]), (9, vec![0, 3, 6])]
        {
            assert_eq!(starts(count, 3).collect::<Vec<_>>(), expected, "{count}");
        }
    }

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
