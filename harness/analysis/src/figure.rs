//! Pictures of what was measured, as SVG texts: the same numbers give the same bytes.
//!
//! Everything is placed by hand in pixels on a white page. No font is read: an SVG names the generic
//! family `sans-serif` and whoever shows it brings one, so text is placed by its middle or an end, and
//! room is left by an estimate of its width that wide fonts fit into.
//!
//! # Layout
//!
//! - [`acceptance`]: acceptance over thresholds, from a rescored trial
//! - [`heat_map`]: panels of shaded squares with their values, a scale and a legend
//! - [`plane`]: several sets of points on a map
//! - `canvas`: rectangles, lines and text
//! - `palette`: colours that colour-blind readers can tell apart

pub mod acceptance;
mod canvas;
pub mod heat_map;
mod palette;
pub mod plane;

/// The figure cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FigureError {
    /// There is nothing in it.
    #[error("a figure of nothing: {what}")]
    Nothing {
        /// What is empty.
        what: &'static str,
    },
    /// More sets than can be told apart.
    #[error("{sets} sets cannot be told apart in one picture; it takes at most {most}")]
    TooMany {
        /// How many there are.
        sets: usize,
        /// How many it takes.
        most: usize,
    },
    /// The drawing library failed.
    #[error("drawing failed: {0}")]
    Drawing(String),
}
