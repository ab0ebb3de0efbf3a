//! Evidence: numbers from what trials recorded.
//!
//! Everything here is a pure function of recorded facts, and what it writes goes to a writer that the
//! caller brings. Nothing in this crate runs a model, opens a file, reads a clock or draws ambient
//! randomness, so the same facts give the same bytes on every machine. What comes from matrices and
//! descents ([`diversity::vendi`], [`tsne`]) is the same for any number of threads; its last digits,
//! and where a descent ends, depend on the processor's vector instructions.
//!
//! A number that does not exist is `None`, a null cell or `-`; it is never `NaN`, and never 0 instead.
//!
//! # Layout
//!
//! - [`facts`]: what one trial recorded; the input of everything below
//! - [`funnel`], [`ledger`], [`savings`]: what became of the candidates; what the calls cost; what was
//!   left out
//! - [`bootstrap`], [`permutation`], [`holm`]: intervals for any statistic of resampled rows; tests for means;
//!   several tests at once
//! - [`agreement`], [`rank`], [`resolution`]: do raters say the same; do they order alike; how finely do
//!   they tell samples apart
//! - [`levels`], `distinct`: few values among many rows, which is why the above are fast
//! - [`lineage`]: the seed item behind a candidate, which is what is resampled
//! - [`comparison`]: two variants on the same candidates
//! - [`quality`], [`distribution`]: the committee's scores beside a judge's, and by themselves (paper, 5.4)
//! - [`committee`]: how a trial's reviewers agree, and how each of them judges
//! - [`calibration`]: whether models can review, on texts whose quality is known
//! - [`ablation`]: one row per variant of funnel, ledger, savings and comparison, as CSV, Markdown and
//!   terminal text
//! - [`seed_sweep`]: one experiment under several run seeds
//! - [`ifd`]: how much instructions help a model to expect their responses
//! - [`stats`]: data sets side by side, by all of these
//! - [`measure`]: what was found for several data sets, with intervals, as CSV, Markdown and terminal text
//! - [`rescore`]: a trial's recorded reviews under other thresholds
//! - [`compute`]: tokens as floating-point operations, beside a large model that writes the same samples
//! - [`figure`]: pictures of the above, as SVG
//! - [`frames`]: candidates, reviews and samples as data frames, as Parquet and CSV
//! - [`unit_vectors`], [`neighbours`]: embeddings of a data set; exact nearest neighbours
//! - [`diversity`]: how varied a data set is, from embeddings and from words
//! - [`tsne`]: several sets in one plane
//! - `spectrum`: second moments and eigenvalues
//! - [`foreign_text`], [`proportion`], `grid`: modules of `gra-paper`, which also holds the paper's tables that
//!   figures draw

pub mod ablation;
pub mod agreement;
pub mod bootstrap;
pub mod calibration;
pub mod committee;
pub mod comparison;
pub mod compute;
mod distinct;
pub mod distribution;
pub mod diversity;
pub mod facts;
pub mod figure;
pub mod frames;
pub mod funnel;
pub mod holm;
pub mod ifd;
pub mod ledger;
pub mod levels;
pub mod lineage;
pub mod measure;
pub mod neighbours;
pub mod permutation;
pub mod quality;
pub mod rank;
pub mod rescore;
pub mod resolution;
pub mod savings;
pub mod seed_sweep;
mod spectrum;
pub mod stats;
pub mod tsne;
pub mod unit_vectors;

#[cfg(test)]
mod trial_by_hand;

use gra_paper::grid;
pub use gra_paper::{foreign_text, proportion};
