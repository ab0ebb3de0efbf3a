//! Settings of the llama.cpp engine.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use llama_cpp_2::model::params::LlamaSplitMode;
use llama_cpp_sys_2 as sys;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runtime;

/// Most sequences that llama.cpp can hold, less one for the shared prefix.
pub(crate) const MAX_SLOTS: u32 = 255;

/// Most worker processes.
const MAX_WORKERS: usize = 64;

/// Bytes of a model that lanes pay for: each of them reads all weights for few rows.
const SMALL_MODEL: u64 = 1 << 30;

/// Fewer tokens at once are of no use.
const MIN_UBATCH: u32 = 32;

/// Slots of a lane, unless settings say otherwise.
const LANE_SLOTS: u32 = 4;

/// The same under strict determinism, which computes whole blocks: fewer slots would idle in them.
const STRICT_SLOTS: u32 = 8;

/// Whether attention is computed by llama.cpp's fused kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
}

/// As written in settings and fingerprints.
impl fmt::Display for FlashAttention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How several GPUs share a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayerSplit {
    /// Each has some of its layers.
    #[default]
    Layer,
    /// Each has some rows of every matrix.
    Row,
}

impl LayerSplit {
    /// As llama.cpp's parameters have it.
    pub(super) const fn mode(self) -> LlamaSplitMode {
        match self {
            Self::Layer => LlamaSplitMode::Layer,
            Self::Row => LlamaSplitMode::Row,
        }
    }
}

/// Where llama.cpp runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a worker process, so that what kills it costs one chunk. On Unix; elsewhere as `none`.
    #[default]
    Process,
    /// In the program's own process, for profilers and debuggers.
    None,
}

/// What a reply may depend on besides its request, its model and the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// Worker processes that answer at the same time, each with models of its own. They share `threads`
    /// and `devices`; every other value is that of one worker. Default: one for each GPU, or one.
    pub workers: Option<u32>,
    /// Threads that compute. Default: the machine's physical cores.
    pub threads: u32,
    /// Requests that are written at once, from 1 to 255; fewer when the KV budget asks
    /// for it. Default 16.
    pub slots: u32,
    /// Contexts that work at the same time on a chunk, each with its part of the threads and slots.
    /// Default on CPUs, for models up to 1 GiB: one for 4 slots, and no more than threads; else one.
    pub lanes: Option<u32>,
    /// Most bytes of a chunk's KV cache. Default 4 GiB. One sequence is always allowed.
    pub kv_budget_bytes: u64,
    /// Most bytes of models kept loaded, by the size of their files. Default 8 GiB. The model in
    /// use is always allowed.
    pub resident_bytes: u64,
    /// GPUs by llama.cpp's names, e.g. `CUDA0`. Default: all that this build and this machine have.
    pub devices: Vec<String>,
    /// Layers computed on GPUs. Default: all where there is a GPU, else none.
    pub gpu_layers: Option<u32>,
    /// How the GPUs of one worker share a model. Default: by layers.
    pub split: LayerSplit,
    /// Fused attention. Default: on GPUs only.
    pub flash_attention: FlashAttention,
    /// What replies may depend on. Default: their schedule.
    pub determinism: Determinism,
    /// Most tokens of one step. Default 2048; raised to the number of sequences.
    pub n_batch: u32,
    /// Most tokens that llama.cpp computes at once within a step; lanes share them. Default: 512 on
    /// GPUs, 256 on CPUs, where more take memory and save no time.
    pub n_ubatch: Option<u32>,
    /// Where llama.cpp runs. Default: in a worker process. No reply depends on it.
    pub isolation: Isolation,
    /// Where SHA-256 of model files are kept between runs; default: in memory.
    pub digest_cache: Option<PathBuf>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            workers: None,
            threads: physical_cores(),
            slots: 16,
            lanes: None,
            kv_budget_bytes: 4 << 30,
            resident_bytes: 8 << 30,
            devices: Vec::new(),
            gpu_layers: None,
            split: LayerSplit::default(),
            flash_attention: FlashAttention::default(),
            determinism: Determinism::default(),
            n_batch: 2048,
            n_ubatch: None,
            isolation: Isolation::default(),
            digest_cache: None,
        }
    }
}

impl EngineSettings {
    /// The GPUs in use, the default filled in.
    pub(crate) fn devices(&self) -> &[String] {
        match (self.gpu_layers, self.devices.is_empty()) {
            (Some(0), _) => &[],
            (_, true) => runtime::gpus(),
            (_, false) => &self.devices,
        }
    }

    /// Layers computed on GPUs, the default filled in. 0: none is used.
    pub(crate) fn gpu_layers(&self) -> u32 {
        // llama.cpp counts layers in an i32; more than a model has means all.
        let all = if self.devices().is_empty() { 0 } else { 10_000 };
        self.gpu_layers.unwrap_or(all)
    }

    /// Workers, the default filled in.
    #[must_use]
    pub fn workers(&self) -> usize {
        let each_its_own = self.devices().len();
        self.workers.map_or(each_its_own, |workers| workers as usize).max(1)
    }

    /// The settings of one of [`Self::workers`]: its part of the threads and of the GPUs. Where there
    /// are more workers than GPUs several use the same.
    #[must_use]
    pub fn of_worker(&self, worker: usize) -> Self {
        let (workers, gpus) = (self.workers(), self.devices());
        // Neighbouring GPUs, as evenly as whole numbers allow.
        let own = worker * gpus.len() / workers..(worker + 1) * gpus.len() / workers;
        let devices = if own.is_empty() {
            gpus.iter().cycle().skip(worker).take(1).cloned().collect()
        } else {
            gpus[own].to_vec()
        };
        let [at, of] = [worker, workers].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        // More workers than threads still compute, each with one.
        let threads = part(self.threads, at, of).max(1);
        Self { workers: Some(1), threads, devices, ..self.clone() }
    }

    /// What these settings ask for and cannot have, in a sentence.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let gpus = runtime::gpus();
        let seen = if gpus.is_empty() { "no GPU".to_owned() } else { gpus.join(", ") };
        if let Some(unknown) = self.devices.iter().find(|name| !gpus.contains(name)) {
            return Some(format!("`devices` names `{unknown}`; this build sees {seen}"));
        }
        if let Some(layers) = self.gpu_layers.filter(|layers| *layers > 0 && gpus.is_empty()) {
            return Some(format!("`gpu_layers` is {layers}; this build sees {seen}"));
        }
        let workers = self.workers();
        (workers > MAX_WORKERS).then(|| format!("`workers` is {workers}, more than {MAX_WORKERS}"))
    }

    /// Fused attention, the default filled in: `Auto` is left to llama.cpp on GPUs only.
    pub(crate) fn flash_attention(&self) -> FlashAttention {
        match self.flash_attention {
            FlashAttention::Auto if self.gpu_layers() == 0 => FlashAttention::Off,
            chosen => chosen,
        }
    }

    /// What computes, as fingerprints name it.
    pub(super) fn device(&self) -> &'static str {
        match (self.gpu_layers(), self.split) {
            (0, _) => "cpu",
            (_, LayerSplit::Layer) => "gpu",
            (_, LayerSplit::Row) => "gpu;split=row",
        }
    }

    /// Whether replies may depend on nothing but their requests.
    pub(super) fn strict(&self) -> bool {
        self.determinism == Determinism::Strict
    }

    /// Lanes for so many slots of a model of so many bytes, the default filled in.
    pub(super) fn lanes(&self, slots: u32, model_bytes: u64) -> u32 {
        // On a GPU one lane fills the device; large weights are better read once for many rows.
        let pays = self.gpu_layers() == 0 && model_bytes <= SMALL_MODEL;
        let least = if self.strict() { STRICT_SLOTS } else { LANE_SLOTS };
        let default = if pays { (slots / least).min(self.threads) } else { 1 };
        self.lanes.unwrap_or(default).clamp(1, slots.max(1))
    }

    /// Tokens that one of so many lanes computes at once, the default filled in.
    pub(super) fn n_ubatch(&self, lanes: u32) -> u32 {
        let default = if self.gpu_layers() == 0 { 256 } else { 512 };
        (self.n_ubatch.unwrap_or(default) / lanes.max(1)).max(MIN_UBATCH)
    }

    /// Threads as llama.cpp counts them.
    pub(super) fn llama_threads(&self) -> i32 {
        i32::try_from(self.threads.clamp(1, 512)).unwrap_or(1)
    }
}

/// How many of `all` the one at place `at` of `of` gets.
pub(super) fn part(all: u32, at: u32, of: u32) -> u32 {
    all / of + u32::from(at < all % of)
}

/// Cores without their hyperthreads, as far as the system tells; never more than this process may
/// use.
fn physical_cores() -> u32 {
    let usable = available_parallelism().map_or(1, usize::from);
    // Hyperthreads of one core list the same siblings, so as many lists as cores.
    let siblings = (0..1024).map_while(|cpu| {
        let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        fs::read_to_string(topology).ok()
    });
    let cores = siblings.collect::<BTreeSet<_>>().len();
    let cores = if cores == 0 { usable } else { cores.min(usable) };
    u32::try_from(cores).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_gpus(names: &[&str]) -> EngineSettings {
        let devices = names.iter().map(|name| (*name).to_owned()).collect();
        EngineSettings { devices, threads: 7, ..EngineSettings::default() }
    }

    #[test]
    fn each_gpu_has_a_worker_unless_told_otherwise() {
        let pair = with_gpus(&["CUDA0", "CUDA1"]);
        let of = |settings: &EngineSettings| -> Vec<(Vec<String>, u32)> {
            let worker = |at| settings.of_worker(at);
            (0..settings.workers()).map(worker).map(|one| (one.devices, one.threads)).collect()
        };
        let names = |names: &[&str]| with_gpus(names).devices;
        assert_eq!(of(&pair), [(names(&["CUDA0"]), 4), (names(&["CUDA1"]), 3)]);
        let shared = EngineSettings { workers: Some(1), ..pair.clone() };
        assert_eq!(of(&shared), [(names(&["CUDA0", "CUDA1"]), 7)]);
        let crowd = EngineSettings { workers: Some(3), ..with_gpus(&["CUDA0"]) };
        assert!(of(&crowd).iter().all(|(devices, _)| *devices == names(&["CUDA0"])));
        let idle = EngineSettings { gpu_layers: Some(0), ..pair };
        assert_eq!(of(&idle), [(vec![], 7)]);
        // A worker's own settings are for one.
        assert_eq!(shared.of_worker(0).workers(), 1);
    }

    #[test]
    fn what_this_machine_lacks_is_named() {
        let problem = |settings: EngineSettings| settings.problem().unwrap_or_default();
        assert_eq!(problem(EngineSettings::default()), "");
        assert!(
            problem(with_gpus(&["CUDA77"]))
                .starts_with("`devices` names `CUDA77`; this build sees ")
        );
        let many = EngineSettings { workers: Some(1_000), ..EngineSettings::default() };
        assert_eq!(problem(many), "`workers` is 1000, more than 64");
        if !cfg!(feature = "cuda") {
            let layers = EngineSettings { gpu_layers: Some(9), ..EngineSettings::default() };
            assert_eq!(problem(layers), "`gpu_layers` is 9; this build sees no GPU");
        }
    }

    #[test]
    fn lanes_are_for_small_models_on_cpus() {
        let settings = EngineSettings { threads: 4, ..EngineSettings::default() };
        assert_eq!([16, 9, 3].map(|slots| settings.lanes(slots, 1 << 27)), [4, 2, 1]);
        assert_eq!(settings.lanes(16, 5 << 30), 1);
        let told = EngineSettings { lanes: Some(9), ..settings.clone() };
        assert_eq!([16, 2].map(|slots| told.lanes(slots, 5 << 30)), [9, 2]);
        let strict = EngineSettings { determinism: Determinism::Strict, ..settings.clone() };
        assert_eq!(strict.lanes(16, 1 << 27), 2);
        let on_gpu = EngineSettings { threads: 4, ..with_gpus(&["CUDA0"]) };
        assert_eq!(on_gpu.lanes(16, 1 << 27), 1);
        assert_eq!((0..3).map(|at| part(7, at, 3)).collect::<Vec<_>>(), [3, 2, 2]);
    }
}
