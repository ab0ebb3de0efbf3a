//! Measures vectors of a file: our side of `scripts/bench-evidence`.
//!
//! `evidence vendi VECTORS DIM` prints the score and the seconds that it took. `evidence tsne
//! VECTORS DIM OUT` writes the map to OUT, two `f64` per point, and prints divergence and seconds.
//! VECTORS holds little-endian `f32` row by row.

use std::error::Error;
use std::time::Instant;
use std::{env, fs};

use gra_analysis::diversity::tsne;
use gra_analysis::diversity::unit_vectors::UnitVectors;
use gra_analysis::diversity::vendi;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (measure, vectors, dim, out) = match arguments.as_slice() {
        [measure, vectors, dim] => (measure.as_str(), vectors, dim, None),
        [measure, vectors, dim, out] => (measure.as_str(), vectors, dim, Some(out)),
        _ => return Err("usage: evidence vendi|tsne VECTORS DIM [OUT]".into()),
    };
    let dim: usize = dim.parse()?;
    let bytes = fs::read(vectors)?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || dim == 0 || !values.len().is_multiple_of(dim) {
        return Err(format!("{vectors}: no rows of {dim} values").into());
    }
    let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    let rows = UnitVectors::new(&values, values.len() / dim)?;

    let start = Instant::now();
    let number = match (measure, out) {
        ("vendi", None) => vendi(rows)?,
        ("tsne", Some(out)) => {
            let map = tsne::fit(&[rows], 42)?;
            let positions = map.sets.iter().flatten().flatten();
            let bytes: Vec<u8> = positions.flat_map(|x| x.to_le_bytes()).collect();
            fs::write(out, bytes)?;
            map.divergence
        }
        _ => return Err(format!("no measure `{measure}` of these arguments").into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the measurement is what this program is for")]
    {
        println!("{number} {seconds}");
    }
    Ok(())
}
