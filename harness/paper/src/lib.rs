//! The paper: what it prints, what it claims, and what a user's results say about both.
//!
//! "A Strategic Coordination Framework of Small LMs Matches Large LMs in Data Synthesis" (ACL 2025). Everything
//! is a pure function of the files of `results/paper/`, which are compiled in, and of CSVs that the caller read.
//! Nothing in this crate runs a model, opens a file or reads a clock, and it knows no data frames: `gra-analysis`
//! stands on it, because figures draw the paper's numbers.
//!
//! # Layout
//!
//! - [`vocabulary`]: base models, seed sets, sources of data, benchmarks
//! - [`reference`](mod@reference): tables, cases, figures and claims as printed; every number by a name
//! - [`claims`]: what the paper claims, what its tables give, and what was measured here
//! - [`benchmarks`]: scores of models that a user trained
//! - [`tables`]: Tables 1 to 3 regenerated, for several formats
//! - [`exact`]: fractions, for numbers that must round as printed ones do
//! - `lines`: CSVs by column, and what is wrong with them
//!
//! Modules that `gra-analysis` uses as well:
//!
//! - [`grid`]: aligned columns for the terminal, and Markdown tables
//! - [`foreign_text`]: text for terminals and spreadsheets, and the only way into a CSV
//! - [`proportion`]: shares with Wilson's interval

pub mod benchmarks;
pub mod claims;
pub mod exact;
pub mod foreign_text;
pub mod grid;
pub mod lines;
pub mod proportion;
pub mod reference;
pub mod tables;
pub mod vocabulary;

pub use reference::{Claim, ClaimVerdict, Kind, PrintedScores, Reference};
pub use vocabulary::{BaseModel, Benchmark, DataSource, ITERATIONS, SeedDataset};
