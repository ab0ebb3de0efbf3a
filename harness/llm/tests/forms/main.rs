//! The form of a reply, held token by token or told to a server, and that of a prompt. No engine.

#![allow(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "these are tests, and counts are small"
)]

mod automaton;
mod chat_templates;
#[path = "../support/models.rs"]
mod models;
mod patterns;
mod sampler;
#[path = "../support/shapes.rs"]
mod shapes;
mod toy;
