//! The shell around the method: files, the store, the command line.
//!
//! `gra-synth` asks, `gra-llm` answers, `gra-analysis` counts; this crate connects them and is the
//! only one that touches the file system, the clock and the terminal.
//!
//! # Layout
//!
//! - [`command`]: the command line, most verbs a file each; `session`: what the verbs share, and who answers for a pool
//! - [`experiment`], [`seeds`]: what is to be run, loaded and checked; `builtin`: the files for it that the
//!   program brings; `pool_files`: pools that it writes
//! - [`suite`], [`trial`], [`answering`], [`store`]: all trials of an experiment; one trial; its
//!   questions; its replies and facts
//! - `overwrite`: whether a run would put other results in the place of earlier ones
//! - [`dataset`], `evidence`: data sets as peers; what is measured of them; [`scoring`]: with models where it takes
//!   some
//! - `benchmarks`: the benchmarks that data sets are looked through for
//! - [`calibration`]: whether the models of a pool can review; `raters`: sheets for people to rate, and read back
//! - `comparison`: the data sets of an experiment
//! - `measured`: what results say about the paper's tables and claims; `benchmark_scores` writes scores of trained
//!   models, `training_data` is what they are trained on; `scale`: the commands of `reproduce`
//! - `gallery`: figures of what is stored
//! - `publish`, `export`, [`rows`]: results; data sets in other tools' formats; tables as JSON
//! - [`schema`]: what experiment and pool files may hold, for editors and for readers
//! - `report`: a page about an experiment; `browser`: what it and `view` show of candidates; `trail`: all that is known
//!   of one, and a few lines of it; `html`, [`numbers`]: what pages are made of
//! - [`progress`], `terminal`, [`failure`]: bars and lines; the only ways onto a terminal; exit codes

pub mod answering;
pub(crate) mod benchmark_scores;
mod benchmarks;
mod browser;
mod builtin;
pub mod calibration;
pub mod command;
mod comparison;
pub mod dataset;
mod evidence;
pub mod experiment;
mod export;
pub mod failure;
mod gallery;
mod html;
mod measured;
pub mod numbers;
mod overwrite;
mod pool_files;
pub mod progress;
mod publish;
mod raters;
mod report;
pub mod rows;
mod scale;
pub mod schema;
pub mod scoring;
pub mod seeds;
mod session;
pub mod store;
pub mod suite;
mod terminal;
mod trail;
mod training_data;
pub mod trial;
