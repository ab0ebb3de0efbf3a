//! `quantize`: a smaller GGUF by llama.cpp's own quantiser.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::terminal;

/// Make a smaller GGUF from a GGUF with llama.cpp's own quantiser.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  gra-bench quantize SmolLM2-135M-Instruct.Q4_1.gguf SmolLM2-135M-Instruct.Q8_0.gguf Q8_0")]
pub(crate) struct QuantizeArgs {
    /// GGUF to read.
    input: PathBuf,
    /// GGUF to write.
    output: PathBuf,
    /// `Q8_0`, `Q5_K_M`, `Q4_K_M`, `Q4_0`, `Q3_K_M`, `Q2_K` or `F16`.
    to: String,
}

pub(crate) fn run(args: &QuantizeArgs) -> Result<()> {
    gra_llm::llama::quantize::quantize(&args.input, &args.output, &args.to)?;
    writeln!(terminal::stdout(), "{}", args.output.display())?;
    Ok(())
}
