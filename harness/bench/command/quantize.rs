//! `quantize`: a smaller GGUF by llama.cpp's own quantiser.

use std::io::Write;

use anyhow::Result;

use crate::cli::QuantizeArgs;

pub(crate) fn run(args: &QuantizeArgs) -> Result<()> {
    gra_llm::llama::quantize::quantize(&args.input, &args.output, &args.to)?;
    writeln!(std::io::stdout(), "{}", args.output.display())?;
    Ok(())
}
