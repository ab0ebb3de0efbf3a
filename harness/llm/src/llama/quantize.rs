//! llama.cpp's own quantiser: one checkpoint becomes several models of a demonstration pool.

#![allow(unsafe_code, reason = "calls llama.cpp's C functions")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use llama_cpp_sys_2 as sys;

use super::runtime;
use crate::gguf::GgufModel;
use gra_files::write_atomically;

/// The quantisations that can be asked for, smallest last.
pub(crate) const TYPES: [(&str, sys::llama_ftype); 8] = [
    ("F32", sys::LLAMA_FTYPE_ALL_F32),
    ("F16", sys::LLAMA_FTYPE_MOSTLY_F16),
    ("Q8_0", sys::LLAMA_FTYPE_MOSTLY_Q8_0),
    ("Q5_K_M", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M),
    ("Q4_K_M", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M),
    ("Q4_0", sys::LLAMA_FTYPE_MOSTLY_Q4_0),
    ("Q3_K_M", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M),
    ("Q2_K", sys::LLAMA_FTYPE_MOSTLY_Q2_K),
];

/// Why a model was not quantised. The output file is then as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// No such type.
    #[error("unknown quantisation `{name}`\n  hint: one of {known}")]
    UnknownType {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The input is no model.
    #[error("cannot quantise {}: {reason}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The output cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// llama.cpp reported a failure.
    #[error("llama.cpp cannot quantise {}: {reason}", path.display())]
    Failed {
        /// The input.
        path: PathBuf,
        /// What llama.cpp said.
        reason: String,
    },
}

/// Quantises a GGUF model to the named type, also from an already quantised one. The output appears
/// complete or not at all.
///
/// # Errors
/// When the type is unknown, the input is no model, or writing fails.
pub fn quantize(input: &Path, output: &Path, type_name: &str) -> Result<(), QuantizeError> {
    let known = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(type_name));
    let (_, ftype) = known.ok_or_else(|| QuantizeError::UnknownType {
        name: type_name.to_owned(),
        known: TYPES.map(|(name, _)| name).join(", "),
    })?;
    let bad_input = |reason: String| QuantizeError::Input { path: input.to_owned(), reason };
    let model = GgufModel::read(input).map_err(|error| bad_input(error.to_string()))?;
    if model.header.tensors.is_empty() {
        return Err(bad_input("it holds a vocabulary and no weights".to_owned()));
    }
    let bad_output = |error| QuantizeError::Output { path: output.to_owned(), error };
    let write = |temporary: &Path| {
        quantize_to(input, temporary, *ftype)?;
        // Temporary files are private; a model is as readable as any other file.
        let mode = fs::metadata(input).map_err(bad_output)?.permissions();
        fs::set_permissions(temporary, mode).map_err(bad_output)
    };
    write_atomically(output, write, bad_output)
}

fn quantize_to(input: &Path, output: &Path, ftype: sys::llama_ftype) -> Result<(), QuantizeError> {
    let failed = |reason: String| QuantizeError::Failed { path: input.to_owned(), reason };
    runtime::backend().map_err(failed)?;
    let c_path = |path: &Path| {
        let text = path.to_str().ok_or_else(|| failed("a path is not valid UTF-8".to_owned()))?;
        CString::new(text).map_err(|error| failed(error.to_string()))
    };
    let (from, to) = (c_path(input)?, c_path(output)?);
    runtime::forget_errors();
    // SAFETY: returns a plain struct by value.
    let mut parameters = unsafe { sys::llama_model_quantize_default_params() };
    parameters.ftype = ftype;
    // A demonstration pool is made from one small file, which may be quantised itself.
    parameters.allow_requantize = true;
    // SAFETY: both paths are NUL-terminated and, like the parameters, outlive the call; the
    // parameters' pointers are null as llama.cpp made them. It catches its own exceptions.
    let code =
        unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const parameters) };
    if code == 0 {
        return Ok(());
    }
    Err(failed(runtime::last_error().unwrap_or_else(|| format!("return code {code}"))))
}
