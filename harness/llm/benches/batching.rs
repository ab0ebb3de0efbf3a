//! Replies per second of one slot and of many: 32 requests like response reviews, one stage's
//! prefix, a 135M model. `GRA_BENCH_MODEL` names another; without any
//! the benchmark is skipped. `scripts/bench-engine` compares with other programs.

mod workload;

use std::path::PathBuf;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;

const MODEL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.models/SmolLM2-135M-Instruct.Q4_1.gguf");

/// The model that `GRA_BENCH_MODEL` names, or the one that the set-up fetched.
fn model() -> PathBuf {
    std::env::var_os("GRA_BENCH_MODEL").map_or_else(|| MODEL.into(), PathBuf::from)
}

fn engine(slots: u32) -> Option<LlamaEngine> {
    let model = model();
    if !model.exists() {
        return None;
    }
    workload::engine(&model, EngineSettings { slots, ..EngineSettings::default() }).ok()
}

fn batching(criterion: &mut Criterion) {
    let chunk = workload::requests(32, 0);
    let mut group = criterion.benchmark_group("reviews");
    group.throughput(Throughput::Elements(chunk.len() as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(1));
    for slots in [1, 4, 16] {
        let Some(mut engine) = engine(slots) else { return };
        group.bench_function(BenchmarkId::new("slots", slots), |bencher| {
            bencher.iter(|| engine.complete(&chunk, &mut |_| {}));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    batching(&mut criterion);
    criterion.final_summary();
}
