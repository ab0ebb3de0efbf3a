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
//! - [`decisions`]: what became of a trial's candidates; precision and recall of committee, vote, adjudicator and reviewers
//! - [`compute`]: operations per accepted sample, beside a large model, and against what a judge gives to them
//! - [`squares`]: acceptance by generator and domain, and over thresholds; how alike each two reviewers score
//! - [`heat_map`]: panels of shaded squares with their values, a scale and a legend
//! - `canvas`, `axis`: shapes and text; ticks, and marks that several figures set
//! - [`font`]: widths of texts, and PNG
//! - `palette`: colours that colour-blind readers can tell apart
//!
//! What stands around every drawing is here: a title above, a caption below, one width; and which data set is which of the
//! paper's ([`Role`]).

pub mod averages;
mod axis;
mod canvas;
pub mod compute;
pub mod decisions;
pub mod font;
pub mod heat_map;
mod palette;
pub mod plane;
pub mod raters;
pub mod rounds;
pub mod squares;
pub mod variants;
pub mod violins;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use canvas::{Area, Canvas, Drawn, Letters};
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
    /// There is nothing in it; the text says what is empty.
    #[error("a figure of nothing: {0}")]
    Nothing(&'static str),
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

/// Width of every page, in pixels. Printed 17 cm wide, a pixel is 0.71 points.
const WIDTH: f64 = 680.0;
const MARGIN: f64 = 20.0;
/// Room for drawings.
const ROOM: f64 = WIDTH - 2.0 * MARGIN;
/// Usual text, in pixels: 7.8 points in print.
const TEXT: f64 = 11.0;
/// From one line of text to the next.
const LINE: f64 = 16.0;
const TITLE: f64 = 15.0;

/// A figure whose drawing has this height. Its caption says what is seen, of how many, and how to read it.
fn page(
    name: &str,
    title: &str,
    caption: String,
    height: f64,
    draw: impl FnOnce(&mut Canvas<'_>, Area) -> Drawn,
) -> Result<Figure, FigureError> {
    let bold = Letters { size: TITLE, ..Letters::LEFT }.bold();
    let small = Letters::LEFT.colored(palette::QUIET);
    // Heights of title and caption follow from their lines, and the drawing stands between.
    let (above, below) = (bold.wrapped(title, ROOM), small.wrapped(&caption, ROOM));
    let top = MARGIN + lines(above.len()) * (LINE + 4.0);
    let foot = top + height + LINE;
    let size = (WIDTH, foot + lines(below.len()) * LINE + MARGIN / 2.0);
    let (svg, labels) = canvas::svg(size, title, |canvas| {
        for (row, line) in above.iter().enumerate() {
            canvas.text(line, (MARGIN, MARGIN + lines(row) * (LINE + 4.0)), bold)?;
        }
        draw(canvas, Area::new((MARGIN, top), (ROOM, height)))?;
        for (row, line) in below.iter().enumerate() {
            canvas.text(line, (MARGIN, foot + lines(row) * LINE), small)?;
        }
        Ok(())
    })?;
    let (name, title) = (name.to_owned(), title.to_owned());
    Ok(Figure { name, title, caption, svg, size, labels })
}

/// A count of lines, rows or columns as a length.
const fn lines(count: usize) -> f64 {
    count as f64
}

/// Says why a part of a figure is empty, and what to do about it.
fn notice(canvas: &mut Canvas<'_>, area: Area, text: &str) -> Drawn {
    let letters = Letters::CENTER.colored(palette::QUIET);
    canvas.fill(area, palette::FAINT)?;
    // Lines stand around the middle, whatever their number.
    let rows = letters.wrapped(text, area.width - 16.0);
    let (x, y) = area.middle();
    let top = y - (lines(rows.len()) - 1.0) * LINE / 2.0;
    for (row, line) in rows.iter().enumerate() {
        canvas.text(line, (x, top + lines(row) * LINE), letters)?;
    }
    Ok(())
}

/// What a data set is in the paper's figures 5, 6 and 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The seed set.
    Seeds,
    /// What the pool of small models made.
    Gra,
    /// What one large model made.
    Distilled,
}

impl Role {
    /// In the order of the paper.
    pub const ALL: [Self; 3] = [Self::Seeds, Self::Gra, Self::Distilled];

    /// The name that a data set of this role should have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "vanilla",
            Self::Gra => "gra",
            Self::Distilled => "distill-large",
        }
    }

    /// Which of the data sets has this role: the one of its name. Without such a name, GRA is the first
    /// that is called like a trial (`..-gra-seed-N`), and the seed set the first of those that are neither
    /// called like a trial nor `distill-large`.
    #[must_use]
    pub fn find(self, names: &[&str]) -> Option<usize> {
        let exact = names.iter().position(|name| *name == self.name());
        let is_trial = |name: &&str| name.contains("-seed-");
        let other = || match self {
            Self::Gra => names.iter().position(|name| name.contains("-gra-seed-")),
            Self::Seeds => names.iter().position(|name| {
                !is_trial(name) && !Self::ALL.iter().any(|role| role.name() == *name)
            }),
            Self::Distilled => None,
        };
        exact.or_else(other)
    }

    /// What the paper's section 5.5 says of its IFD; the seed set's value follows from a difference that
    /// can be read in two ways (`claims/P50`).
    fn difficulty(self) -> Vec<(f64, String)> {
        let values: &[(f64, &str)] = match self {
            Self::Seeds => &[(0.6124, "if points"), (0.6617, "if relative")],
            Self::Gra => &[(0.7582, "in the paper")],
            Self::Distilled => &[(0.7549, "in the paper")],
        };
        values.iter().map(|(value, what)| (*value, (*what).to_owned())).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
