//! `gra-bench`: runs GRA and its ablations, measures the data, regenerates the paper's tables.

use std::process::ExitCode;

use clap::Parser;
use gra_bench::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match gra_bench::command::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => gra_bench::failure::report(&error),
    }
}
