//! Settings of the llama.cpp engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use llama_cpp_sys_2 as sys;
use serde::{Deserialize, Serialize};

/// Most sequences that llama.cpp can hold, less one for the shared prefix.
pub const MAX_SLOTS: u32 = 255;

/// Whether attention is computed by llama.cpp's fused kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashAttention {
    /// On a GPU where llama.cpp finds it supported; off on a CPU, where it took four times as long
    /// (SmolLM2-135M, 600-token prompts, 16 sequences) and makes replies depend more on their
    /// batch.
    #[default]
    Auto,
    /// Always; contexts cannot be made where it is not supported.
    On,
    /// Never.
    Off,
}

impl FlashAttention {
    /// As llama.cpp's parameters have it.
    pub(super) const fn policy(self) -> sys::llama_flash_attn_type {
        match self {
            Self::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            Self::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Self::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        }
    }

    /// As written in settings and fingerprints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// Where llama.cpp runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a worker process, so that what kills it costs one chunk. On Unix; elsewhere as `None`.
    #[default]
    Process,
    /// In the program's own process, for profilers and debuggers.
    None,
}

/// What a reply may depend on besides its request, its model and the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Determinism {
    /// The schedule: which requests run together, in which order, and how many at once.
    #[default]
    Schedule,
    /// Nothing else: the same bytes alone and in every company. For CPUs only, and slower; see
    /// `decisions/0007-strict-determinism.md`.
    Strict,
}

/// How the engine uses this machine. Missing values take this machine's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// Threads that compute. Default: the machine's physical cores.
    pub threads: u32,
    /// Requests that are written at once, from 1 to [`MAX_SLOTS`]; fewer when the KV budget asks
    /// for it. Default 16.
    pub slots: u32,
    /// Most bytes of a context's KV cache. Default 4 GiB. One sequence is always allowed.
    pub kv_budget_bytes: u64,
    /// Most bytes of models kept loaded, by the size of their files. Default 8 GiB. The model in
    /// use is always allowed.
    pub resident_bytes: u64,
    /// Layers computed on a GPU. Default: all when built with CUDA, else none.
    pub gpu_layers: Option<u32>,
    /// Fused attention. Default: on GPUs only.
    pub flash_attention: FlashAttention,
    /// What replies may depend on. Default: their schedule.
    pub determinism: Determinism,
    /// Most tokens of one step. Default 2048; raised to the number of sequences.
    pub n_batch: u32,
    /// Most tokens that llama.cpp computes at once within a step. Default 512.
    pub n_ubatch: u32,
    /// Where llama.cpp runs. Default: in a worker process. No reply depends on it.
    pub isolation: Isolation,
    /// Where SHA-256 of model files are kept between runs; `None` keeps them in memory.
    pub digest_cache: Option<PathBuf>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            threads: physical_cores(),
            slots: 16,
            kv_budget_bytes: 4 << 30,
            resident_bytes: 8 << 30,
            gpu_layers: None,
            flash_attention: FlashAttention::default(),
            determinism: Determinism::default(),
            n_batch: 2048,
            n_ubatch: 512,
            isolation: Isolation::default(),
            digest_cache: None,
        }
    }
}

impl EngineSettings {
    /// Layers computed on a GPU, the default filled in.
    #[must_use]
    pub fn gpu_layers(&self) -> u32 {
        // llama.cpp counts layers in an i32; more than a model has means all.
        let all = if cfg!(feature = "cuda") { 10_000 } else { 0 };
        self.gpu_layers.unwrap_or(all)
    }

    /// Fused attention, the default filled in: `Auto` is left to llama.cpp on GPUs only.
    #[must_use]
    pub fn flash_attention(&self) -> FlashAttention {
        match self.flash_attention {
            FlashAttention::Auto if self.gpu_layers() == 0 => FlashAttention::Off,
            chosen => chosen,
        }
    }

    /// Whether replies may depend on nothing but their requests.
    pub(super) fn strict(&self) -> bool {
        self.determinism == Determinism::Strict
    }

    /// Threads as llama.cpp counts them.
    pub(super) fn llama_threads(&self) -> i32 {
        i32::try_from(self.threads.clamp(1, 512)).unwrap_or(1)
    }
}

/// Cores without their hyperthreads, as far as the system tells; never more than this process may
/// use.
fn physical_cores() -> u32 {
    let usable = available_parallelism().map_or(1, usize::from);
    let siblings = (0..1024).map_while(|cpu| {
        let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        fs::read_to_string(topology).ok()
    });
    let cores = siblings.collect::<BTreeSet<_>>().len();
    let cores = if cores == 0 { usable } else { cores.min(usable) };
    u32::try_from(cores).unwrap_or(1)
}
