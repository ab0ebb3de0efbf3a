//! What llama.cpp can compute on.

#![allow(unsafe_code, reason = "calls llama.cpp's C functions")]

use std::ffi::CStr;
use std::sync::OnceLock;

use llama_cpp_2::list_llama_ggml_backend_devices;
use llama_cpp_sys_2 as sys;

use super::runtime;

/// A device as llama.cpp names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// llama.cpp's name, e.g. `CPU` or `CUDA0`.
    pub name: String,
    /// The maker's name.
    pub description: String,
    /// `CPU`, `CUDA`, ..
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
    if runtime::backend().is_err() {
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
pub fn gpus() -> &'static [String] {
    static GPUS: OnceLock<Vec<String>> = OnceLock::new();
    GPUS.get_or_init(|| if cfg!(feature = "cuda") { find_gpus() } else { Vec::new() })
}

/// Asks for names alone: to ask for memory as well takes some of it, in every process that does.
fn find_gpus() -> Vec<String> {
    if runtime::backend().is_err() {
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

/// Their places among llama.cpp's devices; those that it does not have are left out.
pub(super) fn places(names: &[String]) -> Vec<usize> {
    let known = if names.is_empty() { Vec::new() } else { list_llama_ggml_backend_devices() };
    let place =
        |name: &String| known.iter().find(|device| device.name == *name).map(|device| device.index);
    names.iter().filter_map(place).collect()
}
