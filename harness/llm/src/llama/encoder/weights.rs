//! Reads the weights of a BERT encoder from its GGUF file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::gguf::GgufHeader;

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
    pub(super) fn fact(&self, key: &str) -> Result<usize, String> {
        let value = self.header.of_architecture(key);
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.filter(|value| *value > 0).ok_or_else(|| format!("its header has no {key}"))
    }

    /// What layer normalisation adds to a variance.
    pub(super) fn epsilon(&self) -> Result<f32, String> {
        let key = "attention.layer_norm_epsilon";
        let value = self.header.value(&format!("bert.{key}"));
        #[expect(clippy::cast_possible_truncation, reason = "it is stored as an f32")]
        value.map(|value| value as f32).ok_or_else(|| format!("its header has no {key}"))
    }

    pub(super) fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, String> {
        self.read(name, |shape| shape == [length])
    }

    /// A matrix, row by row.
    pub(super) fn matrix(
        &mut self,
        name: &str,
        width: usize,
        rows: usize,
    ) -> Result<Vec<f32>, String> {
        self.read(name, |shape| shape == [width, rows])
    }

    /// A matrix of any number of rows.
    pub(super) fn rows(&mut self, name: &str, width: usize) -> Result<Vec<f32>, String> {
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
