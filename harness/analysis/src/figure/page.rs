//! What stands around every drawing: a title above, a caption below, one width.

use plotters::style::text_anchor::HPos;

use super::canvas::{self, Area, Canvas, Drawn, Letters};
use super::{Figure, FigureError, palette};

/// Width of every page, in pixels. Printed 17 cm wide, a pixel is 0.71 points.
pub(super) const WIDTH: f64 = 680.0;
pub(super) const MARGIN: f64 = 20.0;
/// Room for drawings.
pub(super) const ROOM: f64 = WIDTH - 2.0 * MARGIN;
/// Usual text, in pixels: 7.8 points in print.
pub(super) const TEXT: f64 = 11.0;
/// From one line of text to the next.
pub(super) const LINE: f64 = 16.0;
const TITLE: f64 = 15.0;

/// What is said about a drawing.
pub(super) struct Words {
    /// Part of its file's name.
    pub(super) name: String,
    pub(super) title: String,
    /// What is seen, of how many, and how to read it.
    pub(super) caption: String,
}

/// A figure whose drawing has this height.
pub(super) fn page(
    words: Words,
    height: f64,
    draw: impl FnOnce(&mut Canvas<'_>, Area) -> Drawn,
) -> Result<Figure, FigureError> {
    let bold = Letters::new(TITLE, HPos::Left).bold();
    let small = Letters::new(TEXT, HPos::Left).colored(palette::QUIET);
    // Heights of title and caption follow from their lines, and the drawing stands between.
    let (title, caption) = (bold.wrapped(&words.title, ROOM), small.wrapped(&words.caption, ROOM));
    let top = MARGIN + lines(title.len()) * (LINE + 4.0);
    let foot = top + height + LINE;
    let size = (WIDTH, foot + lines(caption.len()) * LINE + MARGIN / 2.0);
    let (svg, labels) = canvas::svg(size, &words.title, |canvas| {
        for (row, line) in title.iter().enumerate() {
            canvas.text(line, (MARGIN, MARGIN + lines(row) * (LINE + 4.0)), bold)?;
        }
        draw(canvas, Area::new((MARGIN, top), (ROOM, height)))?;
        for (row, line) in caption.iter().enumerate() {
            canvas.text(line, (MARGIN, foot + lines(row) * LINE), small)?;
        }
        Ok(())
    })?;
    let Words { name, title, caption } = words;
    Ok(Figure { name, title, caption, svg, size, labels })
}

/// A count of lines, rows or columns as a length.
pub(super) const fn lines(count: usize) -> f64 {
    count as f64
}

/// Says why a part of a figure is empty, and what to do about it.
pub(super) fn notice(canvas: &mut Canvas<'_>, area: Area, text: &str) -> Drawn {
    let letters = Letters::new(TEXT, HPos::Center).colored(palette::QUIET);
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
