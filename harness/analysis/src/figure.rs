//! Pictures of what was measured, as SVG texts and PNG bytes: the same numbers give the same bytes.
//!
//! Every figure is a struct of numbers that draws itself as a [`Figure`]. Everything is placed by hand
//! on a white page that prints legibly at 17 cm, and texts are measured with the bundled font. SVG files
//! keep their text as text and ask for that font by name; PNG files are rasterised from the same SVG with
//! nothing but that font, unless others are brought along for letters that it lacks. Where a part has no data, the
//! picture says what to run.
//!
//! # Layout
//!
//! - [`averages`]: benchmark averages by source of the data (paper, Fig. 1)
//! - [`rounds`]: the same along the rounds (Fig. 3)
//! - [`variants`]: measures of an ablation's variants (Fig. 4)
//! - [`plane`]: several sets of points on a map (Figs. 5 and 6)
//! - [`raters`]: scores of the same samples by committee and judge (Fig. 7); scores by reviewer
//! - [`violins`]: distributions side by side (Fig. 8)
//! - [`funnel`]: what became of a trial's candidates
//! - [`classifier`]: precision and recall of committee, vote, adjudicator and reviewers
//! - [`compute`]: operations per accepted sample, beside a large model, and against what a judge gives to them
//! - [`models`]: acceptance by generator and domain; how alike each two reviewers score
//! - [`acceptance`]: acceptance over thresholds, from a rescored trial
//! - [`heat_map`]: panels of shaded squares with their values, a scale and a legend
//! - `page`, `canvas`, `axis`: title and caption; shapes and text; ticks, and marks that several figures set
//! - [`font`]: widths of texts, and PNG
//! - [`roles`]: which data set is which of the paper's
//! - `palette`: colours that colour-blind readers can tell apart

pub mod acceptance;
pub mod averages;
mod axis;
mod canvas;
pub mod classifier;
pub mod compute;
pub mod font;
pub mod funnel;
pub mod heat_map;
pub mod models;
mod page;
mod palette;
pub mod plane;
pub mod raters;
pub mod roles;
pub mod rounds;
pub mod variants;
pub mod violins;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use font::Fonts;

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What its file is called, without an ending: letters, digits, `-` and `.`.
    pub name: String,
    /// What is shown; stands above the drawing.
    pub title: String,
    /// Of how many, and how to read it; stands below the drawing.
    pub caption: String,
    /// The drawing with title and caption, a whole document.
    pub svg: String,
    /// Width and height in pixels.
    size: (f64, f64),
    labels: Vec<canvas::Label>,
}

impl Figure {
    /// Texts that meet, or leave the page, each in a sentence. A figure that can be read has none.
    #[must_use]
    pub fn collisions(&self) -> Vec<String> {
        canvas::collisions(self.size, &self.labels)
    }

    /// The same picture in twice its size, as PNG. Letters that the fonts lack are marked ([`font::MARK`]).
    ///
    /// # Errors
    /// When the picture cannot be rasterised, which no figure of this module causes.
    pub fn png(&self, fonts: &Fonts) -> Result<Vec<u8>, FigureError> {
        fonts.png(&self.svg)
    }

    /// The letters of its texts that the fonts lack.
    #[must_use]
    pub fn lacking(&self, fonts: &Fonts) -> BTreeSet<char> {
        let letters = self.labels.iter().flat_map(|label| label.text.chars());
        let letters: BTreeSet<char> = letters.filter(|letter| !letter.is_ascii()).collect();
        letters.into_iter().filter(|letter| fonts.lack(*letter)).collect()
    }
}

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
    /// So few that the picture would show chance.
    #[error("a map of {points} points shows chance alone; it takes at least {least}")]
    TooFew {
        /// How many there are.
        points: usize,
        /// How many it takes.
        least: usize,
    },
    /// The drawing library failed.
    #[error("drawing failed: {0}")]
    Drawing(String),
}
