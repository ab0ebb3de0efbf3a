//! Where a tensor's numbers lie, and how many bytes they take: what llama.cpp expects of a file.

#![allow(unsafe_code, reason = "asks ggml for the sizes of its types")]

use std::io::Read;

use llama_cpp_sys_2 as sys;

use super::GgufError;
use super::reader::Reader;

/// Most dimensions of a tensor (`GGML_MAX_DIMS`).
const MAX_DIMENSIONS: u32 = 4;

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
fn block(kind: u32) -> Option<(u64, u64)> {
    if kind >= sys::GGML_TYPE_COUNT {
        return None;
    }
    // SAFETY: both look a number below `GGML_TYPE_COUNT` up in a constant table.
    let (numbers, bytes) = unsafe { (sys::ggml_blck_size(kind), sys::ggml_type_size(kind)) };
    let (numbers, bytes) = (u64::try_from(numbers).ok()?, bytes as u64);
    (numbers > 0 && bytes > 0).then_some((numbers, bytes))
}
