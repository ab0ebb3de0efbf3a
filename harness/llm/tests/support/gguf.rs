//! Writes small GGUF files, whole ones and parts of one, for tests that damage them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

/// ggml's numbers for types of weights, and the bytes of a block.
pub(crate) const F32: u32 = 0;
pub(crate) const Q8_0: u32 = 8;

/// A file as it is put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gguf {
    pairs: Vec<Vec<u8>>,
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

impl Gguf {
    /// The header of a generator without tensors.
    pub(crate) fn generator() -> Self {
        Self::default()
            .text("general.architecture", "llama")
            .number("llama.context_length", 512)
            .texts("tokenizer.ggml.tokens", &["a", "b", "<|end|>"])
            .text("tokenizer.chat_template", "{{ messages[0].content }}")
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.pair(key, 8, &string(value))
    }

    pub(crate) fn number(self, key: &str, value: u32) -> Self {
        self.pair(key, 4, &value.to_le_bytes())
    }

    pub(crate) fn short(self, key: &str, value: u16) -> Self {
        self.pair(key, 2, &value.to_le_bytes())
    }

    pub(crate) fn texts(self, key: &str, values: &[&str]) -> Self {
        let mut bytes = 8_u32.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        for value in values {
            bytes.extend(string(value));
        }
        self.pair(key, 9, &bytes)
    }

    /// A list of values of four bytes each: numbers (kind 5) or fractions (kind 6).
    pub(crate) fn list(self, key: &str, kind: u32, values: &[[u8; 4]]) -> Self {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values.as_flattened());
        self.pair(key, 9, &bytes)
    }

    /// A pair with any type and bytes.
    pub(crate) fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.push([string(key).as_slice(), &kind.to_le_bytes(), value].concat());
        self
    }

    /// A tensor and the bytes of its numbers.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64], kind: u32, bytes: usize) -> Self {
        let numbers = (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect();
        self.tensors.push((name.to_owned(), shape.to_vec(), kind, numbers));
        self
    }

    /// The file, without padding behind the last tensor.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.pairs.len() as u64).to_le_bytes());
        file.extend(self.pairs.concat());
        let mut offset = 0_usize;
        for (name, shape, kind, numbers) in &self.tensors {
            file.extend(string(name));
            file.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
            for extent in shape {
                file.extend(extent.to_le_bytes());
            }
            file.extend(kind.to_le_bytes());
            file.extend((offset as u64).to_le_bytes());
            offset = (offset + numbers.len()).next_multiple_of(32);
        }
        for (.., numbers) in &self.tensors {
            file.resize(file.len().next_multiple_of(32), 0);
            file.extend(numbers);
        }
        file
    }

    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, self.bytes()).unwrap();
    }
}

/// Writes a model of six tensors in three parts, two tensors each, and gives the paths of the parts.
pub(crate) fn write_parts(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let part = |index: u16| {
        let header = if index == 0 { Gguf::generator() } else { Gguf::default() };
        let part = header
            .short("split.no", index)
            .short("split.count", 3)
            .pair("split.tensors.count", 5, &6_i32.to_le_bytes())
            .tensor(&format!("blk.{index}.a"), &[32, 2], Q8_0, 68)
            .tensor(&format!("blk.{index}.b"), &[5], F32, 20);
        let path = folder.join(format!("{stem}-{:05}-of-00003.gguf", index + 1));
        part.write(&path);
        path
    };
    (0..3).map(part).collect()
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
