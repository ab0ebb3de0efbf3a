//! What data is worth to a model: it is trained on the data and scored on benchmarks, by the engines that the field
//! uses (paper, section 4.1 and Appendix B).
//!
//! Nothing here trains or scores by itself. It writes what LLaMA-Factory, OpenCompass and lm-eval read, starts them in
//! the environments that `scripts/engines` makes, shows how far they are, and reads what they wrote. Each can be left
//! out: what a cluster trained or scored is imported as well.
//!
//! # Layout
//!
//! - [`environment`]: where an engine is installed, and its versions
//! - [`program`]: a program of others: its log, its progress, its end
//! - [`training`]: a data set becomes a trained model
//! - [`evaluation`]: a model becomes scores, each with its items

pub mod environment;
pub mod evaluation;
pub mod program;
pub mod training;
