//! `gra-bench`: runs GRA and its ablations, measures the data, regenerates the paper's tables.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gra_bench::command::Cli;
use signal_hook::consts::SIGXFSZ;

fn main() -> ExitCode {
    // With a handler, a write beyond a limit on file sizes fails with a reason. Without one, the signal ends the
    // program without a word.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => gra_bench::failure::report(&error),
    }
}
