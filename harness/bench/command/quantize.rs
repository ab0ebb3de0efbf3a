//! `quantize`: a smaller GGUF by llama.cpp's own quantiser.

use std::io::Write;

use anyhow::Result;

use crate::cli::QuantizeArgs;
use crate::terminal::{self, Printed};

pub(crate) fn run(args: &QuantizeArgs) -> Result<()> {
    gra_llm::llama::quantize::quantize(&args.input, &args.output, &args.to)?;
    writeln!(terminal::stdout(Printed::Text), "{}", args.output.display())?;
    Ok(())
}
