//! Deduplicates vectors of a file: our side of `scripts/bench-evidence`.
//!
//! `dedup VECTORS DIM LIMIT OUT` reads little-endian `f32` row by row, takes the rows in their
//! order, writes `row,kept,twin,cosine` lines to OUT and prints the seconds that deduplication
//! took.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;
use std::{env, fs};

use gra_synth::dedup::{Contender, dedup};
use gra_synth::pool::ItemId;
use gra_synth::request::Embedding;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [vectors, dim, limit, out] = arguments.as_slice() else {
        return Err("usage: dedup VECTORS DIM LIMIT OUT".into());
    };
    let (dim, limit): (usize, f64) = (dim.parse()?, limit.parse()?);
    let bytes = fs::read(vectors)?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || dim == 0 || !values.len().is_multiple_of(dim) {
        return Err(format!("{vectors}: no rows of {dim} values").into());
    }
    let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    let contender = |(row, number): (&[f32], u32)| Contender {
        id: ItemId::Seed(number),
        score: 0,
        embedding: Embedding::new(row.into()),
    };
    let contenders: Vec<Contender> = values.chunks(dim).zip(0..).map(contender).collect();

    let start = Instant::now();
    let verdicts = dedup([], &contenders, limit);
    let seconds = start.elapsed().as_secs_f64();

    let mut lines = String::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        let twin = verdict.nearest.map_or(String::new(), |near| match near.id {
            ItemId::Seed(number) => format!("{number},{}", near.cosine),
            ItemId::Candidate { .. } => unreachable!("rows are seed items here"),
        });
        writeln!(lines, "{row},{},{twin}", u8::from(verdict.kept))?;
    }
    fs::write(out, lines)?;
    #[expect(clippy::print_stdout, reason = "the measurement is what this program is for")]
    {
        println!("{seconds}");
    }
    Ok(())
}
