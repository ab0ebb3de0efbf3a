//! BERT's forward pass (Devlin et al. 2019), for whole batches of texts at once.
//!
//! A row is a token of `width` numbers. All rows of a batch go through the products with weights together;
//! attention is of each text by itself, so nothing is padded. faer adds up an element of a product in an
//! order that does not depend on how many rows there are, so a text's numbers are the same in any company
//! (`decisions/0005-embedding-in-batches.md`). The weights are read from a GGUF file ([`Weights`]).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::gguf::GgufHeader;

/// Numbers that sums over a row keep apart, so that a compiler can add them side by side.
const LANES: usize = 16;

/// A network.
#[derive(Debug)]
pub(super) struct Bert {
    words: Vec<f32>,
    /// The row of each position, that of the first token type added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    /// Numbers of a row.
    width: usize,
    heads: usize,
}

#[derive(Debug)]
struct Layer {
    /// Queries, keys and values, one behind the other.
    attention_in: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

impl Bert {
    /// Takes the weights of a file.
    ///
    /// # Errors
    /// In words, when something is missing or has another form.
    pub(super) fn read(weights: &mut Weights<'_>) -> Result<Self, String> {
        let width = weights.fact("embedding_length")?;
        let heads = weights.fact("attention.head_count")?;
        let inner = weights.fact("feed_forward_length")?;
        let count = weights.fact("context_length")?;
        let epsilon = weights.epsilon()?;
        if !width.is_multiple_of(heads) {
            return Err(format!("its {width} numbers cannot be shared by {heads} heads"));
        }
        let mut positions = weights.matrix("position_embd.weight", width, count)?;
        let kinds = weights.rows("token_types.weight", width)?;
        // Every token is of the first type here, so its row is added once and for all.
        for position in positions.chunks_exact_mut(width) {
            add(position, &kinds[..width]);
        }
        let norm = |weights: &mut Weights<'_>, name: &str| -> Result<Norm, String> {
            let scale = weights.vector(&format!("{name}.weight"), width)?;
            let shift = weights.vector(&format!("{name}.bias"), width)?;
            Ok(Norm { scale, shift, epsilon })
        };
        let layer = |weights: &mut Weights<'_>, at: usize| -> Result<Layer, String> {
            let name = |part: &str| format!("blk.{at}.{part}");
            let mut attention_in = linear(weights, &name("attn_q"), width, width)?;
            // One product of three matrices is faster than three products.
            for part in ["attn_k", "attn_v"] {
                let more = linear(weights, &name(part), width, width)?;
                attention_in.weights.extend(more.weights);
                attention_in.bias.extend(more.bias);
            }
            Ok(Layer {
                attention_in,
                attention_out: linear(weights, &name("attn_output"), width, width)?,
                attention_norm: norm(weights, &name("attn_output_norm"))?,
                up: linear(weights, &name("ffn_up"), width, inner)?,
                down: linear(weights, &name("ffn_down"), inner, width)?,
                norm: norm(weights, &name("layer_output_norm"))?,
            })
        };
        let layers = 0..weights.fact("block_count")?;
        Ok(Self {
            words: weights.rows("token_embd.weight", width)?,
            positions,
            norm: norm(weights, "token_embd_norm")?,
            layers: layers.map(|at| layer(weights, at)).collect::<Result<_, _>>()?,
            width,
            heads,
        })
    }

    /// Numbers of a vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Most tokens of a text.
    pub(super) fn most_tokens(&self) -> usize {
        self.positions.len() / self.width
    }

    /// Tokens that it knows.
    pub(super) fn vocabulary(&self) -> usize {
        self.words.len() / self.width
    }

    /// The mean of each text's last rows, in order.
    pub(super) fn means(&self, texts: &[Vec<usize>], buffers: &mut Buffers) -> Vec<Vec<f32>> {
        let width = self.width;
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let Buffers { rows, change, triples, mixed, inner, scores } = buffers;
        rows.clear();
        for text in texts {
            for (position, &word) in text.iter().enumerate() {
                let start = rows.len();
                rows.extend_from_slice(&self.words[word * width..][..width]);
                add(&mut rows[start..], &self.positions[position * width..][..width]);
            }
        }
        // BERT normalises behind each part, not before it (post-LN).
        self.norm.apply(rows);
        for layer in &self.layers {
            layer.attention_in.apply(rows, triples);
            mixed.resize(rows.len(), 0.0);
            self.attend(&lengths, triples, mixed, scores);
            layer.attention_out.apply(mixed, change);
            add(rows, change);
            layer.attention_norm.apply(rows);
            layer.up.apply(rows, inner);
            for value in inner.iter_mut() {
                *value = gelu(*value);
            }
            layer.down.apply(inner, change);
            add(rows, change);
            layer.norm.apply(rows);
        }
        let mut left = rows.as_slice();
        let mean = |length: usize| {
            let (own, rest) = left.split_at(length * width);
            left = rest;
            let mut mean = vec![0.0; width];
            own.chunks_exact(width).for_each(|row| add(&mut mean, row));
            let scale = 1.0 / approximate(length);
            multiply(&mut mean, scale);
            mean
        };
        lengths.into_iter().map(mean).collect()
    }

    /// Attention of each text to itself, head by head: softmax(Q K^T / sqrt(width of a head)) V.
    fn attend(&self, lengths: &[usize], triples: &[f32], mixed: &mut [f32], scores: &mut Vec<f32>) {
        let (width, of_head) = (self.width, self.width / self.heads);
        let scale = 1.0 / approximate(of_head).sqrt();
        let count: usize = lengths.iter().sum();
        // Tokens are columns, as they lie in memory.
        let triples = MatRef::from_column_major_slice(triples, 3 * width, count);
        let mut mixed = MatMut::from_column_major_slice_mut(mixed, width, count);
        let mut start = 0;
        for &length in lengths {
            scores.resize(length * length, 0.0);
            for head in 0..self.heads {
                // A head's rows of queries (0), keys (1) or values (2), for the tokens of this text alone.
                let part = |of: usize| {
                    triples.submatrix(of * width + head * of_head, start, of_head, length)
                };
                let (queries, keys, values) = (part(0), part(1), part(2));
                // Scores of every token against every token of its text; no mask, texts see both ways.
                let table = MatMut::from_column_major_slice_mut(scores, length, length);
                matmul(table, Accum::Replace, keys.transpose(), queries, scale, Par::Seq);
                scores.chunks_exact_mut(length).for_each(soft_max);
                let table = MatRef::from_column_major_slice(scores, length, length);
                let own = mixed.as_mut().submatrix_mut(head * of_head, start, of_head, length);
                matmul(own, Accum::Replace, values, table, 1.0, Par::Seq);
            }
            start += length;
        }
    }
}

/// What a thread computes in, kept from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    rows: Vec<f32>,
    change: Vec<f32>,
    triples: Vec<f32>,
    mixed: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
}

/// y = W x + b for every row.
#[derive(Debug)]
struct Linear {
    /// Row by row: one row for each number that comes out.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Reads a linear layer: the matrix and what is added.
fn linear(weights: &mut Weights<'_>, name: &str, from: usize, to: usize) -> Result<Linear, String> {
    Ok(Linear {
        weights: weights.matrix(&format!("{name}.weight"), from, to)?,
        bias: weights.vector(&format!("{name}.bias"), to)?,
    })
}

impl Linear {
    fn apply(&self, rows: &[f32], out: &mut Vec<f32>) {
        let wide = self.bias.len();
        let narrow = self.weights.len() / wide;
        let count = rows.len() / narrow;
        // Begins with the bias, to which the product is added.
        out.clear();
        (0..count).for_each(|_| out.extend_from_slice(&self.bias));
        let weights = MatRef::from_row_major_slice(&self.weights, wide, narrow);
        let rows = MatRef::from_column_major_slice(rows, narrow, count);
        let out = MatMut::from_column_major_slice_mut(out, wide, count);
        matmul(out, Accum::Add, weights, rows, 1.0, Par::Seq);
    }
}

/// Layer normalisation (Ba et al. 2016).
#[derive(Debug)]
struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    fn apply(&self, rows: &mut [f32]) {
        let width = self.scale.len();
        for row in rows.chunks_exact_mut(width) {
            let mean = sum(row, |value| value) / approximate(width);
            let variance = sum(row, |value| (value - mean) * (value - mean)) / approximate(width);
            let by = 1.0 / (variance + self.epsilon).sqrt();
            for ((value, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *value = (*value - mean) * by * scale + shift;
            }
        }
    }
}

/// A sum in a fixed order: so many partial sums side by side, then one after the other.
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += of(*value);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| of(*value)).sum::<f32>()
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

fn multiply(row: &mut [f32], by: f32) {
    for value in row {
        *value *= by;
    }
}

fn soft_max(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in row.iter_mut() {
        *value = exp(*value - most);
    }
    let by = 1.0 / sum(row, |value| value);
    multiply(row, by);
}

/// x Phi(x), the error function by formula 7.1.26 of Abramowitz and Stegun (error below 1.5e-7).
fn gelu(x: f32) -> f32 {
    const TERMS: [f32; 5] = [0.254_829_6, -0.284_496_74, 1.421_413_7, -1.453_152, 1.061_405_4];
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let erf = 1.0 - series * exp(-z * z);
    0.5 * (x + x.abs() * erf)
}

/// e^x within 1e-5 of its value, far closer near 0, for x up to 88; without a branch: 2^n times a polynomial.
fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: adding and taking it away rounds to whole numbers.
    const ROUND: f32 = 12_582_912.0;
    const TERMS: [f32; 7] = [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];
    let twos = x.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    let whole = (twos + ROUND) - ROUND;
    let rest = (twos - whole) * std::f32::consts::LN_2;
    let power = TERMS.iter().rev().fold(0.0, |sum, term| sum * rest + term);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between -126 and 127")]
    let exponent = (whole as i32 + 127).cast_unsigned() << 23;
    f32::from_bits(exponent) * power
}

#[expect(clippy::cast_precision_loss, reason = "lengths of rows and texts are small")]
const fn approximate(count: usize) -> f32 {
    count as f32
}

/// A file whose header is a BERT encoder's in 32-bit floats, as `model_pool::check::unfit` has found.
/// Every failure is a sentence's end: "its ..".
#[derive(Debug)]
pub(super) struct Weights<'a> {
    header: &'a GgufHeader,
    file: File,
}

impl<'a> Weights<'a> {
    pub(super) fn open(path: &Path, header: &'a GgufHeader) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        Ok(Self { header, file })
    }

    /// A size that the header states.
    fn fact(&self, key: &str) -> Result<usize, String> {
        let value = self.header.of_architecture(key);
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.filter(|value| *value > 0).ok_or_else(|| format!("its header has no {key}"))
    }

    /// What layer normalisation adds to a variance.
    fn epsilon(&self) -> Result<f32, String> {
        let key = "attention.layer_norm_epsilon";
        let value = self.header.value(&format!("bert.{key}"));
        #[expect(clippy::cast_possible_truncation, reason = "it is stored as an f32")]
        value.map(|value| value as f32).ok_or_else(|| format!("its header has no {key}"))
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, String> {
        self.read(name, |shape| shape == [length])
    }

    /// A matrix, row by row.
    fn matrix(&mut self, name: &str, width: usize, rows: usize) -> Result<Vec<f32>, String> {
        self.read(name, |shape| shape == [width, rows])
    }

    /// A matrix of any number of rows.
    fn rows(&mut self, name: &str, width: usize) -> Result<Vec<f32>, String> {
        self.read(name, |shape| matches!(shape, [first, rows] if *first == width && *rows > 0))
    }

    fn read(&mut self, name: &str, fits: impl Fn(&[usize]) -> bool) -> Result<Vec<f32>, String> {
        let tensor = self.header.tensors.get(name).ok_or_else(|| format!("it has no {name}"))?;
        let shape =
            tensor.shape.iter().map(|&extent| usize::try_from(extent).unwrap_or(usize::MAX));
        let shape: Vec<usize> = shape.collect();
        if !fits(&shape) {
            return Err(format!(
                "its {name} has the shape {shape:?}, which its header contradicts"
            ));
        }
        // Four bytes a number: the header was checked to hold 32-bit floats.
        let bytes = tensor.shape.iter().fold(4, |bytes: u64, extent| bytes.saturating_mul(*extent));
        let mut raw = Vec::new();
        let read = self.file.seek(SeekFrom::Start(tensor.offset));
        let read = read.and_then(|_| (&self.file).take(bytes).read_to_end(&mut raw));
        if read.map_err(|error| error.to_string())? as u64 != bytes {
            return Err(format!("it is cut short within {name}"));
        }
        let (numbers, _) = raw.as_chunks();
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{exp, gelu, soft_max};

    #[test]
    fn functions_are_those_of_the_book() {
        for step in -800..=800 {
            let x = f64::from(step) / 10.0;
            #[expect(clippy::cast_possible_truncation, reason = "that is what is tested")]
            let found = f64::from(exp(x as f32));
            assert!((found / x.exp() - 1.0).abs() < 1e-5, "exp({x}) = {found}");
        }
        // Phi(1) = 0.841344746, Phi(-2) = 0.022750132.
        for (x, expected) in [(1.0, 0.841_344_8), (-2.0, -0.045_500_264), (0.0, 0.0), (9.0, 9.0)] {
            assert!((gelu(x) - expected).abs() < 1e-6, "gelu({x}) = {}", gelu(x));
        }
        let mut row = [1.0, 2.0, 3.0];
        soft_max(&mut row);
        for (found, expected) in row.iter().zip([0.090_030_57, 0.244_728_47, 0.665_240_96]) {
            assert!((found - expected).abs() < 1e-6, "{row:?}");
        }
    }
}
