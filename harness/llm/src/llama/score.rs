//! Scoring: one passage at a time, in micro-batches whose borders lie at fixed positions.
//!
//! A score depends on its passage alone, as an embedding does. So flash attention is off, the
//! context's size is the model's, and passages never share a batch.
//!
//! One rule more makes a token's value depend on the tokens before it and on nothing else, bit for
//! bit (measured on x86-64 with seven types of weights): rows are evaluated, and logits asked for, in
//! whole blocks of [`BLOCK`]. llama.cpp's CPU kernels for few rows add up in another order than those
//! for many, which agree with each other whatever the number of rows. A text scored in two halves
//! therefore gives the values of the whole, and what a passage shares with the one before it is not
//! evaluated again, up to a whole block (`decisions/0007-strict-determinism.md`). On GPUs, where the
//! rule was not shown, everything is.

use std::num::NonZeroU32;
use std::ops::Range;
use std::thread;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_batch::LlamaBatch;

use super::generator::{BLOCK, Generator, llama_token};
use super::prompt::tokens;
use super::runtime;
use super::settings::{EngineSettings, FlashAttention};
use crate::engine::{ChunkProgress, EngineError, EngineResult, Watch};
use crate::score::{Border, Bos, Context, Passage, PassageScore};
use crate::vocabulary::Token;

/// Version of the rules of this file; part of fingerprints. Change it when they change a score.
pub(super) const SCORING_VERSION: u32 = 2;

/// Most bytes of logits at once.
const LOGITS_BYTES: usize = 100 << 20;

/// A passage as tokens.
#[derive(Debug)]
struct TokenizedPassage {
    tokens: Vec<Token>,
    /// Place of the continuation's first token; may lie behind the end.
    border: usize,
    truncated: bool,
}

impl TokenizedPassage {
    /// Places of the tokens that are scored. The first token of all has nothing before it.
    fn scored(&self) -> Range<usize> {
        self.border.max(1)..self.tokens.len()
    }
}

/// Scores passages of one model, in order.
pub(super) fn run(
    generator: &Generator,
    passages: &[Passage],
    settings: &EngineSettings,
    watch: &mut Watch<'_>,
) -> EngineResult<Vec<PassageScore>> {
    // All are laid out first: one that does not fit fails before the others cost anything.
    let tokenized: Vec<TokenizedPassage> = passages
        .iter()
        .enumerate()
        .map(|(index, passage)| tokenize(generator, index, passage))
        .collect::<Result<_, _>>()?;
    let mut context = Scorer::new(generator, settings)?;
    let mut progress = ChunkProgress::default();
    let mut scores = Vec::with_capacity(tokenized.len());
    for passage in &tokenized {
        let log_probs = context.log_probs(passage)?;
        progress.replies += 1;
        progress.prompt_tokens += passage.border as u64;
        progress.reply_tokens += log_probs.len() as u64;
        scores.push(PassageScore {
            log_probs,
            context_tokens: u32::try_from(passage.border).unwrap_or(u32::MAX),
            truncated: passage.truncated,
            first_unscored: passage.border == 0 && !passage.tokens.is_empty(),
        });
        watch(progress);
    }
    Ok(scores)
}

/// Tokenises a passage and cuts it to its limit.
fn tokenize(
    generator: &Generator,
    index: usize,
    passage: &Passage,
) -> EngineResult<TokenizedPassage> {
    let model = &generator.model;
    let plain = |text: &str| tokens(model, text, false);
    // Tokens of the context, and the plain text at its end that a joined continuation merges with.
    let (mut all, open) = match (&passage.context, passage.border) {
        (Context::Text { text, bos }, _) => (first_token(generator, *bos)?, text.clone()),
        (Context::Message(message), Border::Apart) => {
            (generator.form()?.tokens(model, message, false), String::new())
        }
        (Context::Message(message), Border::Joined) => {
            generator.form()?.open_tokens(model, message)
        }
    };
    let context = plain(&open);
    let border = all.len() + context.len();
    match passage.border {
        Border::Apart => {
            all.extend(context);
            all.extend(plain(&passage.continuation));
        }
        Border::Joined => all.extend(plain(&(open + &passage.continuation))),
    }
    // The context loses nothing, whatever the limit.
    let limit = passage.max_tokens.map_or(usize::MAX, |limit| limit as usize).max(border);
    let truncated = all.len() > limit;
    all.truncate(limit);
    let tokenized = TokenizedPassage { tokens: all, border, truncated };
    if !tokenized.scored().is_empty() && tokenized.tokens.len() > generator.context as usize {
        return Err(EngineError::PassageTooLong {
            model: generator.name.clone(),
            passage: index,
            tokens: tokenized.tokens.len(),
            context: generator.context,
        });
    }
    Ok(tokenized)
}

fn first_token(generator: &Generator, bos: Bos) -> EngineResult<Vec<Token>> {
    let vocab = generator.model.vocab();
    let token = vocab.bos().0.cast_unsigned();
    match bos {
        Bos::Never => Ok(Vec::new()),
        Bos::AsModel if !vocab.should_add_bos() => Ok(Vec::new()),
        // llama.cpp's -1: the model has no such token.
        _ if token != Token::MAX => Ok(vec![token]),
        Bos::AsModel => Ok(Vec::new()),
        Bos::Always => Err(generator.unusable("it has no BOS token to begin a passage with")),
    }
}

struct Scorer<'a> {
    generator: &'a Generator,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'a>,
    /// Most rows of a micro-batch.
    rows: usize,
    threads: usize,
    /// Tokens whose keys and values the context holds, from the first on.
    held: Vec<Token>,
    /// Whether they may serve the next passage.
    shares: bool,
}

impl<'a> Scorer<'a> {
    fn new(generator: &'a Generator, settings: &EngineSettings) -> EngineResult<Self> {
        // Batch and micro-batch are one size, so that borders lie where this file puts them.
        let rows = rows(generator.vocabulary.len());
        let n_batch = u32::try_from(rows).unwrap_or(1);
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(generator.context.next_multiple_of(256)))
            .with_n_seq_max(1)
            .with_n_batch(n_batch)
            .with_n_ubatch(n_batch)
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32)
            .with_n_threads(settings.llama_threads())
            .with_n_threads_batch(settings.llama_threads())
            .with_flash_attention_policy(FlashAttention::Off.policy())
            .with_no_perf(true);
        let context = runtime::new_context(&generator.model, parameters).map_err(|said| {
            generator.failed(format!(
                "no context of {} tokens to score in: {said}; lower the model's `context`",
                generator.context
            ))
        })?;
        let threads = settings.llama_threads().unsigned_abs() as usize;
        let (batch, shares) = (LlamaBatch::new(rows, 1), settings.gpu_layers() == 0);
        Ok(Self { generator, context, batch, rows, threads, held: Vec::new(), shares })
    }

    fn log_probs(&mut self, passage: &TokenizedPassage) -> EngineResult<Vec<f32>> {
        let scored = passage.scored();
        let mut log_probs = Vec::with_capacity(scored.len());
        if scored.is_empty() {
            return Ok(log_probs);
        }
        let start = self.keep_shared(passage)?;
        for piece in pieces(start, passage.tokens.len(), self.rows) {
            // The row of token i predicts token i + 1.
            let wanted = (scored.start - 1).max(piece.start)..(scored.end - 1).min(piece.end);
            // Logits are asked for in whole blocks, too.
            let asked_from = wanted.start / BLOCK * BLOCK;
            self.batch.clear();
            for at in piece.clone() {
                let asked = !wanted.is_empty() && at >= asked_from;
                let position =
                    i32::try_from(at).map_err(|error| self.generator.failed(error.to_string()))?;
                let token = llama_token(passage.tokens[at.min(passage.tokens.len() - 1)]);
                let added = self.batch.add(token, position, &[0], asked);
                added.map_err(|error| self.generator.failed(error.to_string()))?;
            }
            let done = runtime::decode(&mut self.context, &mut self.batch);
            done.map_err(|error| self.generator.failed(error.to_string()))?;
            let rows: Vec<(&[f32], Token)> = wanted
                .filter_map(|at| {
                    let row = i32::try_from(at - piece.start).ok()?;
                    Some((self.context.get_logits_ith(row), passage.tokens[at + 1]))
                })
                .collect();
            log_probs.extend(self.log_softmax(&rows)?);
        }
        // Not the last token: behind it stands what filled its block up.
        self.held.extend_from_slice(&passage.tokens[start..passage.tokens.len() - 1]);
        Ok(log_probs)
    }

    /// Forgets all that the context holds but what this passage shares with it, in whole blocks, and says
    /// where evaluation goes on. What is scored is evaluated in any case: logits are not held.
    fn keep_shared(&mut self, passage: &TokenizedPassage) -> EngineResult<usize> {
        // Positions count from 0 in both, so equal beginnings have equal keys and values.
        let same = self.held.iter().zip(&passage.tokens).take_while(|(a, b)| a == b).count();
        let shared = if self.shares { same.min(passage.scored().start - 1) } else { 0 };
        let start = shared / BLOCK * BLOCK;
        let from =
            u32::try_from(start).map_err(|error| self.generator.failed(error.to_string()))?;
        self.held.truncate(start);
        match self.context.clear_kv_cache_seq(Some(0), Some(from), None) {
            Ok(true) => Ok(start),
            _ => Err(self.generator.failed("the sequence cannot be cleared")),
        }
    }

    /// Log-probabilities of tokens, each from its row; the rows are shared out to threads.
    fn log_softmax(&self, rows: &[(&[f32], Token)]) -> EngineResult<Vec<f32>> {
        let mut values = vec![0.0; rows.len()];
        let share = rows.len().div_ceil(self.threads).max(1);
        thread::scope(|scope| {
            for (rows, values) in rows.chunks(share).zip(values.chunks_mut(share)) {
                scope.spawn(move || {
                    for ((logits, token), value) in rows.iter().zip(values) {
                        *value = log_prob(logits, *token);
                    }
                });
            }
        });
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(self.generator.failed("a log-probability is not a number"))
    }
}

/// Rows of a micro-batch: a power of two, at least 16, whose logits stay below [`LOGITS_BYTES`]; 512 for 49,152
/// tokens, 128 for 151,936.
fn rows(vocabulary: usize) -> usize {
    let affordable = (LOGITS_BYTES / size_of::<f32>() / vocabulary.max(1)).clamp(16, 512);
    1 << affordable.ilog2()
}

/// What is evaluated of a passage from `start`, the beginning of a block, in micro-batches of whole blocks.
/// The last token predicts nothing that is scored and is left out.
fn pieces(start: usize, tokens: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let end = (tokens - 1).next_multiple_of(BLOCK);
    (start..end).step_by(rows).map(move |start| start..(start + rows).min(end))
}

/// Natural logarithm of a token's softmax, in `f64`.
fn log_prob(logits: &[f32], token: Token) -> f32 {
    // Less the largest, so that no exponential overflows.
    let peak = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - peak).exp()).sum();
    let own = logits.get(token as usize).map_or(f64::NAN, |logit| f64::from(*logit));
    #[expect(clippy::cast_possible_truncation, reason = "scores are f32")]
    let value = (own - peak - sum.ln()) as f32;
    value
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Range, log_prob, pieces, rows};

    #[test]
    fn micro_batches_are_whole_blocks() {
        for size in [16, 128, 512] {
            for tokens in 2..(3 * size + 3) {
                let starts = (0..tokens - 1).step_by(BLOCK);
                for start in starts {
                    let pieces: Vec<_> = pieces(start, tokens, size).collect();
                    let whole = |p: &Range<usize>| p.len().is_multiple_of(BLOCK) && p.len() <= size;
                    assert!(pieces.iter().all(whole), "{start}, {tokens}");
                    assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start), "{tokens}");
                    assert_eq!(pieces[0].start, start);
                    let end = pieces.last().unwrap().end;
                    assert!((tokens - 1..tokens - 1 + BLOCK).contains(&end), "{tokens}: {end}");
                }
            }
        }
    }

    #[test]
    fn logits_stay_below_their_limit() {
        let cases = [(49_152, 512), (151_936, 128), (262_144, 64), (32_000, 512), (512, 512)];
        for (vocabulary, expected) in cases {
            assert_eq!(rows(vocabulary), expected, "{vocabulary}");
        }
    }

    #[test]
    fn log_probabilities_are_of_a_softmax() {
        let logits = [1000.0, 999.0, -1000.0];
        let sum: f32 = (0..3).map(|token| log_prob(&logits, token).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((log_prob(&logits, 1) + 1.313_261_7).abs() < 1e-6);
        assert!(log_prob(&[f32::NAN, 0.0], 0).is_nan() && log_prob(&logits, 3).is_nan());
    }
}
