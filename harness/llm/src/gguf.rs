//! What a GGUF file says about itself, read without llama.cpp.
//!
//! llama.cpp aborts the process on some malformed headers; this reader never does. It reads the
//! header only (key-value pairs and tensor descriptions), not the weights. Format: GGUF versions 2
//! and 3, little-endian (ggml, `docs/gguf.md`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Longest string or array that a header may hold; real vocabularies stay below 10 MB.
const MAX_LENGTH: u64 = 1 << 28;

/// Why a file is no readable GGUF.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It cannot be opened or read.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// It does not begin with `GGUF`.
    #[error("it is not a GGUF file (it does not begin with the letters GGUF)")]
    Magic,
    /// A version that llama.cpp no longer reads, or another byte order.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// The header ends early or holds impossible values.
    #[error("its header is damaged or the file is cut short: {0}")]
    Header(&'static str),
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its extents, the one that runs fastest first.
    pub shape: Vec<u64>,
    /// The type of its numbers, as ggml counts them (`enum ggml_type`).
    pub kind: u32,
    /// Offset of its first byte in the file.
    pub offset: u64,
}

/// Facts of a GGUF header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufHeader {
    /// Tensors by name; none for a vocabulary without a model.
    pub tensors: BTreeMap<String, Tensor>,
    strings: BTreeMap<String, String>,
    numbers: BTreeMap<String, f64>,
}

impl GgufHeader {
    /// Reads a file's header.
    ///
    /// # Errors
    /// When it cannot be read or is no GGUF file.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path).map_err(GgufError::Read)?;
        Self::parse(&mut BufReader::new(file))
    }

    /// Parses a header.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn parse(input: &mut impl Read) -> Result<Self, GgufError> {
        let mut reader = Reader { input, position: 0 };
        let mut magic = [0; 4];
        reader.fill(&mut magic).map_err(|_| GgufError::Magic)?;
        if &magic != b"GGUF" {
            return Err(GgufError::Magic);
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensors = reader.u64()?;
        let pairs = reader.u64()?;
        let mut header = Self::default();
        for _ in 0..pairs {
            let key = reader.string()?;
            let kind = reader.u32()?;
            match reader.value(kind)? {
                Value::Text(text) => {
                    header.strings.insert(key, text);
                }
                Value::Number(number) => {
                    header.numbers.insert(key, number);
                }
                Value::Skipped => {}
            }
        }
        for _ in 0..tensors {
            let name = reader.string()?;
            let tensor = reader.tensor()?;
            header.tensors.insert(name, tensor);
        }
        // Offsets are counted from the first aligned byte behind the header.
        let alignment = header.number("general.alignment").unwrap_or(32).max(1);
        let data = reader.position.div_ceil(alignment).saturating_mul(alignment);
        for tensor in header.tensors.values_mut() {
            tensor.offset = tensor.offset.saturating_add(data);
        }
        Ok(header)
    }

    /// Offset of the last tensor's first byte in the file; 0 when there is none.
    #[must_use]
    pub fn last_tensor_offset(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.offset).max().unwrap_or(0)
    }

    /// A string value.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.strings.get(key).map(String::as_str)
    }

    /// A number; 0 or 1 for a switch.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<f64> {
        self.numbers.get(key).copied()
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        let value = self.value(key)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a whole number in range"
        )]
        (value.fract() == 0.0 && (0.0..9e15).contains(&value)).then_some(value as u64)
    }

    /// `general.architecture`, e.g. `llama`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.text("general.architecture")
    }

    /// A whole number of this architecture, e.g. `context_length`.
    #[must_use]
    pub fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.architecture()?))
    }

    /// Tokens that the model was trained to read at once.
    #[must_use]
    pub fn trained_context(&self) -> Option<u64> {
        self.of_architecture("context_length")
    }

    /// The model's Jinja chat template.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.text("tokenizer.chat_template")
    }

    /// Whether the model reads in both directions, as encoders do, so that it cannot generate.
    #[must_use]
    pub fn is_encoder(&self) -> bool {
        let Some(architecture) = self.architecture() else { return false };
        let marked = self.of_architecture("attention.causal") == Some(0);
        marked || architecture.contains("bert") || architecture == "t5encoder"
    }
}

enum Value {
    Text(String),
    Number(f64),
    Skipped,
}

struct Reader<'a, R> {
    input: &'a mut R,
    position: u64,
}

impl<R: Read> Reader<'_, R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GgufError::Header("it ends within the header"),
            _ => GgufError::Read(error),
        })?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<u64, GgufError> {
        let length = self.u64()?;
        if length > MAX_LENGTH {
            return Err(GgufError::Header("a length is impossibly large"));
        }
        Ok(length)
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.length()?;
        let mut bytes = Vec::new();
        // Not allocated up front: a damaged length must not ask for more than the file holds.
        self.input.take(length).read_to_end(&mut bytes).map_err(GgufError::Read)?;
        if bytes.len() as u64 != length {
            return Err(GgufError::Header("it ends within the header"));
        }
        self.position += length;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        let copied = io::copy(&mut self.input.take(bytes), &mut io::sink());
        if copied.map_err(GgufError::Read)? != bytes {
            return Err(GgufError::Header("it ends within the header"));
        }
        self.position += bytes;
        Ok(())
    }

    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        let dimensions = self.u32()?;
        if dimensions > 8 {
            return Err(GgufError::Header("a tensor has more than 8 dimensions"));
        }
        let shape = (0..dimensions).map(|_| self.u64()).collect::<Result<_, _>>()?;
        Ok(Tensor { shape, kind: self.u32()?, offset: self.u64()? })
    }

    #[expect(clippy::cast_precision_loss, reason = "facts of a header stay below 2^53")]
    fn value(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(Value::Number(match kind {
            0 | 7 => f64::from(u8::from_le_bytes(self.array()?)),
            1 => f64::from(i8::from_le_bytes(self.array()?)),
            2 => f64::from(u16::from_le_bytes(self.array()?)),
            3 => f64::from(i16::from_le_bytes(self.array()?)),
            4 => f64::from(self.u32()?),
            5 => f64::from(i32::from_le_bytes(self.array()?)),
            6 => f64::from(f32::from_le_bytes(self.array()?)),
            8 => return Ok(Value::Text(self.string()?)),
            9 => {
                self.skip_array()?;
                return Ok(Value::Skipped);
            }
            10 => self.u64()? as f64,
            11 => i64::from_le_bytes(self.array()?) as f64,
            12 => f64::from_le_bytes(self.array()?),
            _ => return Err(GgufError::Header("a value has an unknown type")),
        }))
    }

    fn skip_array(&mut self) -> Result<(), GgufError> {
        let kind = self.u32()?;
        let length = self.length()?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..length {
                    let bytes = self.length()?;
                    self.skip(bytes)?;
                }
                return Ok(());
            }
            _ => return Err(GgufError::Header("an array has an unknown type")),
        };
        self.skip(length * width)
    }
}
