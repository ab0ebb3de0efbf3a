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
//! - [`bootstrap`], [`comparison`]: intervals for means; two variants on the same candidates
//! - [`ablation`]: one row per variant of the three above, as CSV, Markdown and terminal text
//! - [`frames`]: candidates and reviews as data frames, as Parquet and CSV
//! - [`unit_vectors`], [`neighbours`]: embeddings of a data set; exact nearest neighbours
//! - [`diversity`]: how varied a data set is, from embeddings and from words
//! - [`tsne`]: several sets in one plane
//! - `spectrum`: second moments and eigenvalues
//! - `grid`: aligned columns for the terminal

pub mod ablation;
pub mod bootstrap;
pub mod comparison;
pub mod diversity;
pub mod facts;
pub mod frames;
pub mod funnel;
mod grid;
pub mod ledger;
pub mod neighbours;
pub mod savings;
mod spectrum;
pub mod tsne;
pub mod unit_vectors;

#[cfg(test)]
mod trial_by_hand;
