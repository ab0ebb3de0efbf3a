//! Embeds texts of a file: our side of `scripts/bench-evidence --only embed`.
//!
//! `embed ENCODER TEXTS THREADS OUT` reads a JSON array of texts, writes their vectors to OUT, little-endian
//! `f32` row by row, and prints the seconds that embedding took. The encoder is loaded, and used once,
//! before the clock starts.

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::ModelPool;
use gra_synth::request::Embedding;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [encoder, texts, threads, out] = arguments.as_slice() else {
        return Err("usage: embed ENCODER TEXTS THREADS OUT".into());
    };
    let pool = format!(
        "name = \"bench\"\n[encoder]\nname = \"encoder\"\npath = '{encoder}'\n\
         [[model]]\nname = \"none\"\npath = \"none\"\n"
    );
    let pool = ModelPool::parse(&pool, Path::new("bench.toml"), Path::new(""))?;
    let settings = EngineSettings { threads: threads.parse()?, ..EngineSettings::default() };
    let texts: Vec<String> = serde_json::from_slice(&fs::read(texts)?)?;
    let mut engine = LlamaEngine::new(pool, settings);
    engine.embed(&texts[..texts.len().min(64)])?;

    let start = Instant::now();
    let vectors = engine.embed(&texts)?;
    let seconds = start.elapsed().as_secs_f64();

    let values = vectors.iter().flat_map(Embedding::vector);
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    fs::write(out, bytes)?;
    #[expect(clippy::print_stdout, reason = "the measurement is what this program is for")]
    {
        println!("{seconds}");
    }
    Ok(())
}
