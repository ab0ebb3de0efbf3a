//! `gra-bench`: runs GRA and its ablations, measures the data, regenerates the paper's tables.

use std::process::ExitCode;

use clap::Parser;
use gra_bench::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    hear_of_file_size_limits();
    match gra_bench::command::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => gra_bench::failure::report(&error),
    }
}

/// Makes a write beyond a limit on file sizes fail with a reason. Without a handler, SIGXFSZ ends the
/// program without a word.
fn hear_of_file_size_limits() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // The handler stays when what was registered is dropped.
        let _ = signal(SignalKind::from_raw(libc::SIGXFSZ));
    }
}
