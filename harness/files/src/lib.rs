//! Files that are whole or absent, and what they hash to.
//!
//! - [`whole`]: writing a file so that its path holds the old bytes or the new ones, whatever happens
//! - [`digest`]: SHA-256 of files, remembered from one run to the next

pub mod digest;
pub mod whole;

pub use whole::{read_if_any, remove_if_any, write_atomic, write_atomically};
