//! The verbs, one file each.

mod beside;
pub(crate) mod calibrate;
pub(crate) mod claims;
pub(crate) mod compare;
pub(crate) mod compute;
mod doctor;
mod engines;
mod export;
pub(crate) mod figures;
pub(crate) mod init;
mod inspect;
mod plan;
mod quantize;
pub(crate) mod report;
pub(crate) mod rescore;
mod run;
pub mod seed;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod tables;
pub(crate) mod view;
#[cfg(unix)]
mod worker;

use anyhow::Result;

use crate::cli::{Cli, Verb};
use crate::experiment::Overrides;

/// Does what the command line says.
///
/// # Errors
/// Whatever went wrong; [`crate::failure::report`] turns it into a message and an exit code.
pub async fn run(cli: Cli) -> Result<()> {
    let Cli { places, volume, verb } = cli;
    let verbosity = volume.verbosity();
    match verb {
        Verb::Run(args) => {
            let retry_failed = args.retry_failed;
            let overrides = Overrides { retry_failed, ..args.overrides.overrides(args.seeds) };
            let (experiment, json, replace) = (args.experiment, args.json, args.replace);
            run::Run { experiment, overrides, places, verbosity, json, replace }.start().await
        }
        Verb::Ablation(args) => {
            let retry_failed = args.retry_failed;
            let overrides = Overrides { retry_failed, ..args.overrides.overrides(vec![args.seed]) };
            let (experiment, json, replace) = (args.experiment, args.json, args.replace);
            run::Run { experiment, overrides, places, verbosity, json, replace }.start().await
        }
        Verb::Compare(args) => compare::start(args, places, verbosity).await,
        Verb::Stats(args) => stats::start(args, places, verbosity).await,
        Verb::Calibrate(args) => calibrate::start(args, places, verbosity).await,
        Verb::Seed(args) => seed::run(args),
        Verb::Init(args) => init::run(&args),
        Verb::Inspect(args) => inspect::run(&args, &places),
        Verb::Plan(args) => plan::run(&args, &places),
        Verb::Doctor(args) => doctor::start(args, places, verbosity).await,
        Verb::Export(args) => export::run(&args, &places),
        Verb::Report(args) => report::run(&args, &places),
        Verb::View(args) => view::start(args, &places).await,
        Verb::Rescore(args) => rescore::run(&args, &places),
        Verb::Compute(args) => compute::run(&args, &places),
        Verb::Tables(args) => tables::run(&args, &places),
        Verb::Claims(args) => claims::run(&args, &places),
        Verb::Figures(args) => figures::run(&args, &places),
        Verb::Store(args) => store::run(&args, &places),
        Verb::Quantize(args) => quantize::run(&args),
        #[cfg(unix)]
        Verb::Worker => worker::run(),
    }
}
