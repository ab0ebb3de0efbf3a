//! llama.cpp's process-wide state: one backend, one log, the devices that it can compute on; and its calls with its own
//! words for their failures, of which its quantiser is one: one checkpoint becomes several models of a demonstration
//! pool.

#![allow(unsafe_code, reason = "calls llama.cpp's C functions")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fs, io};

use gra_files::write_atomically;
use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::list_llama_ggml_backend_devices;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_sys_2 as sys;

use crate::gguf::GgufModel;

/// Error lines kept to explain a failure.
const KEPT_ERRORS: usize = 16;

/// The quantisations that can be asked for, smallest last.
const TYPES: [(&str, sys::llama_ftype); 8] = [
    ("F32", sys::LLAMA_FTYPE_ALL_F32),
    ("F16", sys::LLAMA_FTYPE_MOSTLY_F16),
    ("Q8_0", sys::LLAMA_FTYPE_MOSTLY_Q8_0),
    ("Q5_K_M", sys::LLAMA_FTYPE_MOSTLY_Q5_K_M),
    ("Q4_K_M", sys::LLAMA_FTYPE_MOSTLY_Q4_K_M),
    ("Q4_0", sys::LLAMA_FTYPE_MOSTLY_Q4_0),
    ("Q3_K_M", sys::LLAMA_FTYPE_MOSTLY_Q3_K_M),
    ("Q2_K", sys::LLAMA_FTYPE_MOSTLY_Q2_K),
];

static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
static LOG: Mutex<Log> = Mutex::new(Log { errors: Vec::new(), sink: None });

/// Takes llama.cpp's log, piece by piece as llama.cpp writes it.
pub type Sink = Box<dyn FnMut(&str) + Send>;

struct Log {
    errors: Vec<String>,
    sink: Option<Sink>,
}

/// The backend, started on first use and kept for the life of the process. llama.cpp is silent from
/// then on, but for [`log_to`].
pub(super) fn backend() -> Result<&'static LlamaBackend, String> {
    let started = BACKEND.get_or_init(|| {
        // SAFETY: the callback is a static function that never unwinds and uses no user data.
        unsafe { sys::llama_log_set(Some(on_log), ptr::null_mut()) };
        #[cfg(feature = "portable")]
        load_libraries()?;
        LlamaBackend::init().map_err(|error| format!("llama.cpp does not start: {error}"))
    });
    started.as_ref().map_err(Clone::clone)
}

/// Loads the library that fits this machine's CPU. Where the program was installed, all of them are in
/// `lib/gra-bench` beside its folder, as `scripts/wheel` packs them; else where they were built. Never in the
/// working directory, where llama.cpp itself would also look.
#[cfg(feature = "portable")]
fn load_libraries() -> Result<(), String> {
    use llama_cpp_2::llama_backend::{load_backends, load_backends_from_path};

    let program =
        std::env::current_exe().map_err(|error| format!("no path of its own: {error}"))?;
    let installed = program.parent().map(|folder| folder.join("../lib/gra-bench"));
    match installed.filter(|folder| folder.is_dir()) {
        Some(folder) => load_backends_from_path(&folder),
        None => load_backends(),
    }
    // SAFETY: a count.
    if unsafe { sys::ggml_backend_dev_count() } == 0 {
        let beside = program.display();
        return Err(format!(
            "none of llama.cpp's libraries beside {beside} fits this CPU\n  hint: install gra-bench again; \
             a copied program needs its folder lib/gra-bench"
        ));
    }
    Ok(())
}

/// Loads a model's file.
pub(super) fn load(path: &Path, parameters: &LlamaModelParams) -> Result<LlamaModel, String> {
    let backend = backend()?;
    forget_errors();
    LlamaModel::load_from_file(backend, path, parameters)
        .map_err(|error| last_error().unwrap_or_else(|| error.to_string()))
}

/// Loads the vocabulary of a model's file, without its weights.
pub(super) fn load_vocabulary(path: &Path) -> Result<LlamaModel, String> {
    load(path, &LlamaModelParams::default().with_vocab_only(true))
}

/// Makes a context of a model.
pub(super) fn new_context(
    model: &LlamaModel,
    parameters: LlamaContextParams,
) -> Result<LlamaContext<'_>, String> {
    let backend = backend()?;
    forget_errors();
    model
        .new_context(backend, parameters)
        .map_err(|error| last_error().unwrap_or_else(|| error.to_string()))
}

/// Why a batch was not evaluated.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    /// The cache holds too few tokens for it.
    #[error("no room in the KV cache")]
    NoKvRoom,
    /// Any other reason, in words.
    #[error("{0}")]
    Other(String),
}

/// Evaluates a batch.
pub(super) fn decode(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
) -> Result<(), BatchError> {
    forget_errors();
    context.decode(batch).map_err(|error| match error {
        DecodeError::NoKvCacheSlot => BatchError::NoKvRoom,
        DecodeError::NTokensZero => BatchError::Other("it was given an empty batch".to_owned()),
        DecodeError::Unknown(code) => {
            let said = last_error().unwrap_or_default();
            BatchError::Other(format!("return code {code} {said}").trim_end().to_owned())
        }
    })
}

/// Sends llama.cpp's log to a closure (`None`: nowhere, the default). The closure must not call llama.cpp.
pub fn log_to(sink: Option<Sink>) {
    log().sink = sink;
}

/// What llama.cpp was built for: instruction sets, threads library, devices. One line.
#[must_use]
pub fn system_info() -> String {
    // SAFETY: returns a pointer to a static buffer that lives until the next call; copied at once.
    let info = unsafe { CStr::from_ptr(sys::llama_print_system_info()) };
    info.to_string_lossy().trim().trim_end_matches('|').trim().to_owned()
}

/// A device as llama.cpp names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// llama.cpp's name, e.g. `CPU` or `CUDA0`.
    pub name: String,
    /// The maker's name.
    pub description: String,
    /// `CPU`, `CUDA`, ..
    #[serde(skip)]
    pub backend: String,
    /// Bytes.
    pub memory_total: u64,
    /// Bytes.
    pub memory_free: u64,
}

/// The devices of this machine that this build can use. Empty when llama.cpp does not start.
#[must_use]
pub fn devices() -> Vec<Device> {
    // Devices are registered when the backend starts.
    if backend().is_err() {
        return Vec::new();
    }
    list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| Device {
            name: device.name,
            description: device.description,
            backend: device.backend,
            memory_total: device.memory_total as u64,
            memory_free: device.memory_free as u64,
        })
        .collect()
}

/// Names of the GPUs of this machine that this build can use.
pub(super) fn gpus() -> &'static [String] {
    static GPUS: OnceLock<Vec<String>> = OnceLock::new();
    GPUS.get_or_init(|| if cfg!(feature = "cuda") { find_gpus() } else { Vec::new() })
}

/// Asks for names alone: to ask for memory as well takes some of it, in every process that does.
fn find_gpus() -> Vec<String> {
    if backend().is_err() {
        return Vec::new();
    }
    // SAFETY: places below the count are valid, and names are static strings.
    let gpu = |place| unsafe {
        let device = sys::ggml_backend_dev_get(place);
        let is_gpu = sys::ggml_backend_dev_type(device) == sys::GGML_BACKEND_DEVICE_TYPE_GPU;
        let name = CStr::from_ptr(sys::ggml_backend_dev_name(device));
        is_gpu.then(|| name.to_string_lossy().into_owned())
    };
    // SAFETY: counts.
    let count = unsafe { sys::ggml_backend_dev_count() };
    (0..count).filter_map(gpu).collect()
}

/// Places of devices among llama.cpp's; those that it does not have are left out.
pub(super) fn places(names: &[String]) -> Vec<usize> {
    let known = if names.is_empty() { Vec::new() } else { list_llama_ggml_backend_devices() };
    let place =
        |name: &String| known.iter().find(|device| device.name == *name).map(|device| device.index);
    names.iter().filter_map(place).collect()
}

/// Forgets earlier error lines, so that [`last_error`] tells of what follows.
pub(super) fn forget_errors() {
    log().errors.clear();
}

/// llama.cpp's own words for a failure since [`forget_errors`], if it had any. The reason why a model cannot be
/// loaded stands before the lines that follow from it, other reasons stand last.
pub(super) fn last_error() -> Option<String> {
    let log = log();
    let said = log.errors.iter().find_map(|line| line.split_once("error loading model: "));
    let said = said.map(|(_, reason)| reason).or_else(|| log.errors.last().map(String::as_str));
    said.map(|line| line.trim().to_owned())
}

/// Why a model was not quantised. The output file is then as it was before.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct QuantizeError(String);

/// Quantises a GGUF model to the named type, also from an already quantised one. The output appears
/// complete or not at all.
///
/// # Errors
/// When the type is unknown, the input is no model, or writing fails.
pub fn quantize(input: &Path, output: &Path, type_name: &str) -> Result<(), QuantizeError> {
    let known = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(type_name));
    let (_, ftype) = known.ok_or_else(|| {
        let known = TYPES.map(|(name, _)| name).join(", ");
        QuantizeError(format!("unknown quantisation `{type_name}`\n  hint: one of {known}"))
    })?;
    let bad_input = |reason: &dyn Display| {
        QuantizeError(format!("cannot quantise {}: {reason}", input.display()))
    };
    let model = GgufModel::read(input).map_err(|error| bad_input(&error))?;
    if model.header.tensors.is_empty() {
        return Err(bad_input(&"it holds a vocabulary and no weights"));
    }
    let bad_output =
        |error: io::Error| QuantizeError(format!("cannot write {}: {error}", output.display()));
    let write = |temporary: &Path| {
        quantize_to(input, temporary, *ftype)?;
        // Temporary files are private; a model is as readable as any other file.
        let mode = fs::metadata(input).map_err(bad_output)?.permissions();
        fs::set_permissions(temporary, mode).map_err(bad_output)
    };
    write_atomically(output, write, bad_output)
}

fn quantize_to(input: &Path, output: &Path, ftype: sys::llama_ftype) -> Result<(), QuantizeError> {
    let failed = |reason: String| {
        QuantizeError(format!("llama.cpp cannot quantise {}: {reason}", input.display()))
    };
    backend().map_err(failed)?;
    let c_path = |path: &Path| {
        let text = path.to_str().ok_or_else(|| failed("a path is not valid UTF-8".to_owned()))?;
        CString::new(text).map_err(|error| failed(error.to_string()))
    };
    let (from, to) = (c_path(input)?, c_path(output)?);
    forget_errors();
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
    Err(failed(last_error().unwrap_or_else(|| format!("return code {code}"))))
}

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn on_log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives as long as this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A panic must not cross into C. One in the sink loses that line and nothing else.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let mut log = log();
        if level == sys::GGML_LOG_LEVEL_ERROR && !text.trim().is_empty() {
            if log.errors.len() == KEPT_ERRORS {
                log.errors.remove(0);
            }
            log.errors.push(text.trim().to_owned());
        }
        if let Some(sink) = &mut log.sink {
            sink(&text);
        }
    }));
}
