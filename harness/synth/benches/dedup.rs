//! Deduplication of 4,000 clustered vectors of 384 dimensions, and of 200 against a pool of 4,000.
//! `scripts/bench-evidence` compares with FAISS at full size.

use criterion::{BenchmarkId, Criterion, Throughput};
use gra_synth::dedup::{Contender, dedup};
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;
use gra_synth::stream::Stream;

const DIM: usize = 384;
const CENTRES: usize = 50;

/// Vectors of unit length around common directions.
fn contenders(count: u32) -> Vec<Contender> {
    let mut draw = Stream::named(1, &["bench", "dedup"]);
    #[expect(clippy::cast_precision_loss, reason = "a draw below 2^20")]
    let mut uniform = || draw.below(1 << 20) as f32 / 524_288.0 - 1.0;
    let centres: Vec<f32> = (0..CENTRES * DIM).map(|_| uniform()).collect();
    let contender = |number: u32| {
        let centre = &centres[number as usize % CENTRES * DIM..][..DIM];
        let row: Vec<f32> = centre.iter().map(|x| x + 0.6 * uniform()).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let embedding = Embedding::new(row.iter().map(|x| x / length).collect());
        Contender { id: ItemId::Seed(number), score: number % 3, embedding }
    };
    (0..count).map(contender).collect()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let all = contenders(4200);
    let (pool, wave) = all.split_at(4000);
    let mut group = criterion.benchmark_group("dedup");
    group.sample_size(10);
    for (name, in_pool, contenders) in [("many", &[][..], pool), ("wave", pool, wave)] {
        group.throughput(Throughput::Elements(contenders.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            let target = in_pool.iter().map(|item| (item.id, &item.embedding));
            bench.iter(|| dedup(target.clone(), contenders, 0.9));
        });
    }
    group.finish();
    criterion.final_summary();
}
