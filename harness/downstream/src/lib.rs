//! What data is worth to a model: it is trained on the data and scored on benchmarks, by the engines that the field
//! uses (paper, section 4.1 and Appendix B).
//!
//! Nothing here trains or scores by itself. It writes what LLaMA-Factory, OpenCompass and lm-eval read, starts them in
//! the environments that `scripts/engines` makes, shows how far they are, and reads what they wrote. Each can be left
//! out: what a cluster trained or scored is imported as well.
//!
//! # Layout
//!
//! - [`engine`]: where an engine of others is installed, its versions; its log, its progress, its end as a program
//! - [`training`]: a data set becomes a trained model
//! - [`evaluation`]: a model becomes scores, each with its items

pub mod engine;
pub mod evaluation;
pub mod training;

/// The values of JSON lines; blank lines are passed over. An error begins with its line, from 1.
pub(crate) fn json_rows(text: &str) -> Result<Vec<serde_json::Value>, String> {
    let read = |(number, line)| {
        serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))
    };
    filled_lines(text).map(read).collect()
}

/// The lines that are not blank, with their numbers from 1.
pub(crate) fn filled_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}
