//! A model becomes scores on benchmarks, by OpenCompass or lm-eval.

pub mod data_cache;
pub mod record;
pub mod serving;
pub mod suite;
