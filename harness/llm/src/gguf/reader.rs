//! Reads the values of a GGUF header one after the other, and its descriptions of tensors. What a length or a count
//! claims is compared with the bytes that are left before anything is allocated or repeated.

use std::io::{self, Read};

use llama_cpp_sys_2 as sys;

use super::GgufError;

/// Most bytes of a key.
pub(super) const MAX_KEY: u64 = 65_535;

/// Most bytes of a tensor's name: llama.cpp ends it with a NUL within `GGML_MAX_NAME`.
pub(super) const MAX_TENSOR_NAME: u64 = 63;

/// Bytes that a text may take. A chat template takes thousands, a whole tokenizer as JSON 30 million.
const MAX_TEXT: u64 = 1 << 28;

/// Fewest bytes that a key with its value takes: the key's length, one letter, the value's type, the value.
pub(super) const LEAST_PAIR: u64 = 8 + 1 + 4 + 1;

/// Fewest bytes that a tensor's description takes: the name's length, dimensions, type, offset.
pub(super) const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;

/// Most dimensions of a tensor (`GGML_MAX_DIMS`).
const MAX_DIMENSIONS: u32 = 4;

/// The format's number for values that are unsigned and have 32 bits.
pub(super) const KIND_U32: u32 = 4;

/// A value of a header. Arrays are passed over.
pub(super) enum HeaderValue {
    Text(String),
    Number(f64),
    Skipped,
}

pub(super) struct Reader<'a, R> {
    input: &'a mut R,
    position: u64,
    size: u64,
}

impl<'a, R: Read> Reader<'a, R> {
    /// Reads from the first byte on; there are `size` of them.
    pub(super) const fn new(input: &'a mut R, size: u64) -> Self {
        Self { input, position: 0, size }
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    const fn left(&self) -> u64 {
        self.size.saturating_sub(self.position)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GgufError::Header("it ends within the header"),
            _ => GgufError::Read(error),
        })?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// How many things follow that take at least `least` bytes each.
    pub(super) fn count(&mut self, least: u64) -> Result<u64, GgufError> {
        let count = self.u64()?;
        if count > self.left() / least {
            return Err(GgufError::Header("a count is larger than the file has room for"));
        }
        Ok(count)
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, most: u64) -> Result<String, GgufError> {
        let length = self.count(1)?;
        if length > most {
            return Err(GgufError::Header("a text is impossibly long"));
        }
        let mut bytes = Vec::new();
        // Grows as bytes come: a length that lies allocates no more than the file holds.
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

    #[expect(clippy::cast_precision_loss, reason = "facts of a header stay below 2^53")]
    pub(super) fn value(&mut self, kind: u32) -> Result<HeaderValue, GgufError> {
        Ok(HeaderValue::Number(match kind {
            0 | 7 => f64::from(u8::from_le_bytes(self.array()?)),
            1 => f64::from(i8::from_le_bytes(self.array()?)),
            2 => f64::from(u16::from_le_bytes(self.array()?)),
            3 => f64::from(i16::from_le_bytes(self.array()?)),
            4 => f64::from(self.u32()?),
            5 => f64::from(i32::from_le_bytes(self.array()?)),
            6 => f64::from(f32::from_le_bytes(self.array()?)),
            8 => return Ok(HeaderValue::Text(self.text(MAX_TEXT)?)),
            9 => {
                self.skip_array()?;
                return Ok(HeaderValue::Skipped);
            }
            10 => self.u64()? as f64,
            11 => i64::from_le_bytes(self.array()?) as f64,
            12 => f64::from_le_bytes(self.array()?),
            _ => return Err(GgufError::Header("a value has an unknown type")),
        }))
    }

    fn skip_array(&mut self) -> Result<(), GgufError> {
        let width = match self.u32()? {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                for _ in 0..self.count(8)? {
                    let bytes = self.count(1)?;
                    self.skip(bytes)?;
                }
                return Ok(());
            }
            _ => return Err(GgufError::Header("an array has an unknown type")),
        };
        // Arrays hold vocabularies, which are long and not needed here.
        let length = self.count(width)?;
        self.skip(length * width)
    }
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

impl Tensor {
    /// Reads a description; its offset is counted from where the numbers of all tensors begin.
    pub(super) fn read(reader: &mut Reader<'_, impl Read>) -> Result<Self, GgufError> {
        let dimensions = reader.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(GgufError::Header("a tensor has more than 4 dimensions"));
        }
        let shape = (0..dimensions).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        Ok(Self { shape, kind: reader.u32()?, offset: reader.u64()? })
    }

    /// Bytes of its numbers.
    ///
    /// # Errors
    /// When llama.cpp does not know their type, or the shape cannot be stored in it.
    pub(super) fn bytes(&self) -> Result<u64, GgufError> {
        let (numbers, bytes) = block(self.kind).ok_or(GgufError::TensorType(self.kind))?;
        // Blocks lie along the rows, so the first extent decides how many there are.
        let row = self.shape.first().copied().unwrap_or(1);
        if row % numbers != 0 {
            return Err(GgufError::Header("a tensor's rows do not fill its type's blocks"));
        }
        let mut rows = self.shape.iter().skip(1);
        rows.try_fold(row / numbers, |blocks, extent| blocks.checked_mul(*extent))
            .and_then(|blocks| blocks.checked_mul(bytes))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .ok_or(GgufError::Header("a tensor is impossibly large"))
    }
}

/// How many numbers of this type are stored together, and in how many bytes. `None` for types that
/// llama.cpp has removed or does not have yet.
#[allow(unsafe_code, reason = "asks ggml for the sizes of its types")]
fn block(kind: u32) -> Option<(u64, u64)> {
    if kind >= sys::GGML_TYPE_COUNT {
        return None;
    }
    // SAFETY: both look a number below `GGML_TYPE_COUNT` up in a constant table.
    let (numbers, bytes) = unsafe { (sys::ggml_blck_size(kind), sys::ggml_type_size(kind)) };
    let (numbers, bytes) = (u64::try_from(numbers).ok()?, bytes as u64);
    (numbers > 0 && bytes > 0).then_some((numbers, bytes))
}
