//! What llama.cpp can compute on; for `doctor`.

use llama_cpp_2::list_llama_ggml_backend_devices;

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
