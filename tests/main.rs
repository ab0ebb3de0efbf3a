//! End-to-end tests: the command line, whole experiments, seed sets, prompts.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod bad_input;
mod baselines;
mod calibrate;
mod chromium;
mod cli;
mod downstream;
mod economy;
mod experiments;
mod failures;
mod figures;
mod guide;
mod looking_back;
mod model_files;
mod overwrite;
mod paper;
mod prompts;
mod raters;
mod real_model;
mod report;
mod resume;
mod seeds;
mod servers;
mod stats;
mod store;
mod synth;
mod synthetic;
mod thinking;
mod workbench;
#[cfg(target_os = "linux")]
mod worker;
