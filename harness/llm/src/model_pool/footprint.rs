//! What a pool takes: all its files on disk, and in memory its largest model. Models are loaded one after
//! the other where memory is short, so the largest one decides.
//!
//! The memory is the least that runs: the files, and the KV cache of one sequence at the model's whole
//! context. More sequences at once, and llama.cpp's own buffers, take more.

use std::collections::BTreeMap;
use std::path::Path;

use super::DEFAULT_CONTEXT;
use super::check::{FoundModel, ModelCheck, PoolPart};

/// What some files of a pool take, in bytes. Files that several models share count once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Of all files: as they are, or as the pool states them where they are not here.
    pub disk: u64,
    /// Of those, what is still to be fetched.
    pub missing: u64,
    /// Models whose files are not all here and whose size the pool does not state.
    pub unknown: usize,
    /// The model that takes most memory, and how much; `None` without a known one.
    pub largest: Option<(String, u64)>,
}

impl Footprint {
    /// Of the files of these parts of a pool.
    #[must_use]
    pub fn of(checks: &[ModelCheck], parts: &[PoolPart]) -> Self {
        let mut footprint = Self::default();
        // Bytes of a model, and how many of them are here.
        let mut files: BTreeMap<&Path, (Option<u64>, u64)> = BTreeMap::new();
        for check in checks.iter().filter(|check| parts.contains(&check.part)) {
            let found = check.found.as_ref().ok();
            let size = found.map(FoundModel::size).or(check.stated_size);
            // By path: members that are one file under several names take its room once.
            files.insert(&check.path, (size, check.present));
            let memory = size.map(|size| size.saturating_add(one_sequence(check)));
            if let Some(memory) = memory.filter(|_| check.part != PoolPart::Encoder)
                && footprint.largest.as_ref().is_none_or(|(_, most)| memory > *most)
            {
                footprint.largest = Some((check.name.clone(), memory));
            }
        }
        for (size, here) in files.into_values() {
            footprint.disk += size.unwrap_or(here);
            footprint.missing += size.unwrap_or(here).saturating_sub(here);
            footprint.unknown += usize::from(size.is_none());
        }
        footprint
    }
}

/// Bytes of one sequence's keys and values; 0 where no header says.
fn one_sequence(check: &ModelCheck) -> u64 {
    let found = check.found.as_ref().ok();
    let header = found.and_then(|found| found.header.as_ref().ok());
    let Some(header) = header else { return 0 };
    let trained = header.trained_context().unwrap_or(DEFAULT_CONTEXT.into());
    let context = check.context.map_or(trained.min(DEFAULT_CONTEXT.into()), u64::from);
    // A header that lists `head_count` by layer leaves the cache out; a listed `head_count_kv` counts as all heads.
    let stated = |key| header.of_architecture(key);
    let (Some(layers), Some(heads), Some(width)) =
        (stated("block_count"), stated("attention.head_count"), stated("embedding_length"))
    else {
        return 0;
    };
    let kv_heads = stated("attention.head_count_kv").unwrap_or(heads);
    header.kv_bytes_per_token(layers, heads, kv_heads, width).saturating_mul(context)
}
