//! What a GGUF file says about itself, read without loading it.
//!
//! llama.cpp aborts the process on some malformed headers; this reader never does, and allocates no more
//! than the file is long. It reads the header (key-value pairs and tensor descriptions), not the weights, and
//! holds the offsets and types of tensors against what llama.cpp expects, so that it knows where the file
//! must end. Format: GGUF versions 2 and 3, little-endian (ggml, `docs/gguf.md`).

mod model;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

pub use model::GgufModel;
pub(crate) use model::{SplitName, files};
pub use reader::Tensor;
use reader::{HeaderValue, KIND_U32, LEAST_PAIR, LEAST_TENSOR, MAX_KEY, MAX_TENSOR_NAME, Reader};

/// Bytes that tensors are aligned to where the header says nothing, and the key by which it says so.
const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

/// Why a file is no readable GGUF. Every message is the end of a sentence about the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// It cannot be opened or read.
    #[error("{0}")]
    Read(#[source] io::Error),
    /// It does not begin with `GGUF`.
    #[error("it is not a GGUF file: {0}")]
    Magic(&'static str),
    /// Its numbers are stored in the other byte order.
    #[error(
        "it is a GGUF file for big-endian machines; fetch the little-endian one, or turn it round with \
         gguf-py's `gguf-convert-endian`"
    )]
    BigEndian,
    /// A version that llama.cpp does not read.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// The header ends early or holds impossible values.
    #[error("its header is damaged or the file is cut short: {0}")]
    Header(&'static str),
    /// A tensor has numbers that this version's llama.cpp cannot read.
    #[error("a tensor has numbers of type {0}, which this version's llama.cpp does not know")]
    TensorType(u32),
    /// The file ends before its tensors do.
    #[error(
        "it is cut short: it has {size} bytes, and by its header its weights end at byte {end}"
    )]
    CutShort {
        /// Bytes that are there.
        size: u64,
        /// Bytes that the header asks for.
        end: u64,
    },
    /// The parts of a model do not belong together.
    #[error("{0}")]
    Split(String),
    /// Another file than the first of a model in several parts.
    #[error("in its part {file}: {error}")]
    InPart {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        error: Box<GgufError>,
    },
}

/// Facts of a GGUF header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufHeader {
    /// Tensors by name; none for a vocabulary without a model.
    pub tensors: BTreeMap<String, Tensor>,
    strings: BTreeMap<String, String>,
    numbers: BTreeMap<String, f64>,
    end: u64,
}

impl GgufHeader {
    /// Reads a file's header, and finds the file long enough for its tensors.
    ///
    /// # Errors
    /// When it cannot be read, is no GGUF file or is cut short.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path).map_err(GgufError::Read)?;
        let size = file.metadata().map_err(GgufError::Read)?.len();
        let header = Self::parse(&mut BufReader::new(file), size)?;
        if header.end > size {
            return Err(GgufError::CutShort { size, end: header.end });
        }
        Ok(header)
    }

    /// Parses the header of a file of so many bytes. Whether the weights behind it are there is not looked at.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn parse(input: &mut impl Read, size: u64) -> Result<Self, GgufError> {
        let mut reader = Reader::new(input, size);
        check_magic(&mut reader)?;
        let version = reader.u32()?;
        // A small version that stands in the high bytes was written by the other kind of machine.
        if (2..=3).contains(&version.swap_bytes()) {
            return Err(GgufError::BigEndian);
        }
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        // The counts come before what is counted, tensors first, though the pairs are written first.
        let tensors = reader.count(LEAST_TENSOR)?;
        let pairs = reader.count(LEAST_PAIR)?;
        let mut header = Self::default();
        let mut seen = BTreeSet::new();
        for _ in 0..pairs {
            let key = reader.text(MAX_KEY)?;
            if key.is_empty() || !seen.insert(key.clone()) {
                return Err(GgufError::Header("a key is empty or occurs twice"));
            }
            let kind = reader.u32()?;
            // llama.cpp reads the alignment as this one type and aborts at another.
            if key == ALIGNMENT_KEY && kind != KIND_U32 {
                return Err(GgufError::Header("its alignment is no 32-bit number"));
            }
            match reader.value(kind)? {
                HeaderValue::Text(text) => drop(header.strings.insert(key, text)),
                HeaderValue::Number(number) => drop(header.numbers.insert(key, number)),
                HeaderValue::Skipped => {}
            }
        }
        header.read_tensors(tensors, &mut reader)?;
        Ok(header)
    }

    /// Reads the tensors' descriptions. Tensors lie one behind the other in the order of their descriptions, from
    /// the first aligned byte behind the header; llama.cpp refuses a file where they do not.
    fn read_tensors(
        &mut self,
        count: u64,
        reader: &mut Reader<'_, impl Read>,
    ) -> Result<(), GgufError> {
        let alignment = self.value(ALIGNMENT_KEY).map_or(Some(ALIGNMENT), |_| {
            self.number(ALIGNMENT_KEY).filter(|bytes| bytes.is_power_of_two())
        });
        let alignment = alignment.ok_or(GgufError::Header("its alignment is no power of two"))?;
        // `end`: where the last tensor's numbers end; `next`: where the next one's may begin.
        let (mut end, mut next) = (0, 0);
        for _ in 0..count {
            let name = reader.text(MAX_TENSOR_NAME)?;
            let tensor = Tensor::read(reader)?;
            // Offsets are counted from where all numbers begin, which is known when the last description is read.
            if tensor.offset != next {
                return Err(GgufError::Header("a tensor lies where another is, or leaves a gap"));
            }
            end = next.checked_add(tensor.bytes()?).ok_or(IMPOSSIBLE)?;
            next = end.checked_next_multiple_of(alignment).ok_or(IMPOSSIBLE)?;
            if self.tensors.insert(name, tensor).is_some() {
                return Err(GgufError::Header("two tensors have one name"));
            }
        }
        if count > 0 {
            // From here on offsets are counted from the file's first byte.
            let begin = reader.position().next_multiple_of(alignment);
            for tensor in self.tensors.values_mut() {
                tensor.offset = tensor.offset.checked_add(begin).ok_or(IMPOSSIBLE)?;
            }
            self.end = begin.checked_add(end).ok_or(IMPOSSIBLE)?;
        }
        Ok(())
    }

    /// Bytes that the file must have at least, so that every tensor is whole; 0 when there is none.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
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
    pub(crate) fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.architecture()?))
    }

    /// Tokens that the model was trained to read at once.
    #[must_use]
    pub fn trained_context(&self) -> Option<u64> {
        self.of_architecture("context_length")
    }

    /// Bytes that one token's keys and values take in f16, of a model of so many layers and heads whose rows have
    /// `width` numbers. A head has the size that the header states, else its part of a row.
    pub(crate) fn kv_bytes_per_token(
        &self,
        layers: u64,
        heads: u64,
        kv_heads: u64,
        width: u64,
    ) -> u64 {
        let of_head = width.div_ceil(heads.max(1));
        let size = |key| self.of_architecture(key).unwrap_or(of_head);
        let both = size("attention.key_length").saturating_add(size("attention.value_length"));
        let numbers = layers.saturating_mul(kv_heads.max(1)).saturating_mul(both);
        numbers.saturating_mul(2).max(1)
    }

    /// The model's Jinja chat template.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.text("tokenizer.chat_template")
    }

    /// Whether the model reads in both directions, as encoders do, so that it cannot generate.
    pub(crate) fn is_encoder(&self) -> bool {
        let Some(architecture) = self.architecture() else { return false };
        // Files made by older converters lack the key; their architecture's name tells.
        let marked = self.of_architecture("attention.causal") == Some(0);
        marked || architecture.contains("bert") || architecture == "t5encoder"
    }
}

const IMPOSSIBLE: GgufError = GgufError::Header("its tensors are impossibly large");

/// Reads the first four bytes, and says what the file is when they are not `GGUF`.
fn check_magic(reader: &mut Reader<'_, impl Read>) -> Result<(), GgufError> {
    let magic: [u8; 4] = reader.array().map_err(|error| match error {
        GgufError::Header(_) => GgufError::Magic("it has fewer than four bytes"),
        other => other,
    })?;
    match &magic {
        b"GGUF" => Ok(()),
        b"vers" => Err(GgufError::Magic(
            "it is a Git LFS pointer, which names the file; `git lfs pull` or `hf download` fetches it",
        )),
        b"<!DO" | b"<!do" | b"<htm" => {
            Err(GgufError::Magic("it is a web page; was the address of the page fetched?"))
        }
        [b'P', b'K', ..] => Err(GgufError::Magic("it is a ZIP archive, as PyTorch's weights are")),
        b"ggml" | b"lmgg" | b"fmgg" | b"tjgg" | b"algg" => {
            Err(GgufError::Magic("it is of a format that came before GGUF; fetch a newer file"))
        }
        _ => Err(GgufError::Magic("it does not begin with the letters GGUF")),
    }
}
