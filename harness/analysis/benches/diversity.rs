//! The diversity measures on 2,000 clustered vectors of 384 dimensions, and a map of 500 of them.
//! `scripts/bench-evidence` compares with other packages at full size.

use criterion::Criterion;
use gra_analysis::diversity::lexical::{Words, self_bleu};
use gra_analysis::diversity::unit_vectors::{UnitVectors, nearest_distances};
use gra_analysis::diversity::{clusters, manifold, tsne, vendi};
use gra_synth::stream::Stream;

const ROWS: usize = 2000;
const DIM: usize = 384;
const CENTRES: usize = 50;

/// Vectors of unit length around common directions.
fn vectors() -> Vec<f32> {
    let mut draw = Stream::named(1, &["bench", "diversity"]);
    #[expect(clippy::cast_precision_loss, reason = "a draw below 2^20")]
    let mut uniform = || draw.below(1 << 20) as f32 / 524_288.0 - 1.0;
    let centres: Vec<f32> = (0..CENTRES * DIM).map(|_| uniform()).collect();
    let row = |number: usize| {
        let centre = &centres[number % CENTRES * DIM..][..DIM];
        let row: Vec<f32> = centre.iter().map(|x| x + 0.9 * uniform()).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.into_iter().map(move |x| x / length)
    };
    (0..ROWS).flat_map(row).collect()
}

/// Texts of 60 words from a vocabulary of 2,000, in which small numbers are common.
fn texts() -> Vec<String> {
    let mut draw = Stream::named(1, &["bench", "texts"]);
    let mut word = || {
        let most = draw.below(2000) + 1;
        format!("w{}", draw.below(most))
    };
    (0..500).map(|_| (0..60).map(|_| word()).collect::<Vec<String>>().join(" ")).collect()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let values = vectors();
    let rows =
        |from: usize, to: usize| match UnitVectors::new(&values[from * DIM..to * DIM], to - from) {
            Ok(rows) => rows,
            Err(reason) => unreachable!("the rows were normalised: {reason}"),
        };
    let all = rows(0, ROWS);
    let (set, reference) = (rows(0, ROWS / 2), rows(ROWS / 2, ROWS));
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut group = criterion.benchmark_group("diversity");
    group.sample_size(10);
    group.bench_function("vendi", |bench| bench.iter(|| vendi(all)));
    group.bench_function("spread", |bench| bench.iter(|| nearest_distances(all)));
    group.bench_function("manifold", |bench| {
        bench.iter(|| manifold::compare(set, reference, manifold::NEIGHBOURS));
    });
    group.bench_function("clusters", |bench| {
        bench.iter(|| clusters::fit(&[set, reference], clusters::CLUSTERS, 42));
    });
    group.bench_function("distinct", |bench| bench.iter(|| Words::read(&texts).distinct(4)));
    let words = Words::read(&texts);
    group.bench_function("self-bleu", |bench| bench.iter(|| self_bleu(&words)));
    let few = rows(0, 500);
    group.bench_function("map", |bench| bench.iter(|| tsne::fit(&[few], 42)));
    group.finish();
    criterion.final_summary();
}
