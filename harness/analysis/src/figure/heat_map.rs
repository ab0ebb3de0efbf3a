//! Panels of shaded squares with their values printed in them, a scale, and a legend of the marks.

use plotters::style::text_anchor::HPos;

use super::canvas::{self, Area, Canvas, Drawn, Letters, wrapped};
use super::{FigureError, palette};
use layout::Layout;

mod layout;
#[cfg(test)]
mod tests;

/// A heat map.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// What is shown.
    pub title: String,
    /// Of what, and of how many.
    pub subtitle: String,
    /// Name and unit of the values.
    pub value: String,
    /// The values at the light and at the dark end of the scale.
    pub range: (f64, f64),
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Side by side, at most three in a row.
    pub panels: Vec<Panel>,
    /// What a frame around a square says.
    pub framed: String,
    /// What a dot in a square says.
    pub dotted: String,
    /// How to read the squares' texts.
    pub notes: Vec<String>,
}

/// A side of the panels.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Name and unit.
    pub name: String,
    /// One per row or column.
    pub ticks: Vec<String>,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it differs in; may be empty when there is only one.
    pub title: String,
    /// Rows in the order of the y axis, each in the order of the x axis.
    pub rows: Vec<Vec<Square>>,
}

/// One square.
#[derive(Clone, Debug, Default)]
pub struct Square {
    /// Its value; `None` leaves it blank.
    pub value: Option<f64>,
    /// Printed in it.
    pub text: String,
    /// Has a frame.
    pub framed: bool,
    /// Has a dot.
    pub dotted: bool,
}

/// Sizes, in pixels.
const SQUARE: (i32, i32) = (74, 44);
const MARGIN: i32 = 24;
/// Left of a panel's squares: the axis' name and its ticks.
const LEFT: i32 = 76;
/// Above them: the panel's title.
const ABOVE: i32 = 34;
/// Below them: ticks and the axis' name.
const BELOW: i32 = 54;
const TEXT: f64 = 13.0;
const LINE: i32 = 20;
const SCALE: (i32, i32) = (220, 14);

impl HeatMap {
    /// Draws it.
    ///
    /// # Errors
    /// When there is no panel, or no square in one.
    pub fn svg(&self) -> Result<String, FigureError> {
        if self.panels.is_empty() || self.x.ticks.is_empty() || self.y.ticks.is_empty() {
            return Err(FigureError::Nothing { what: "no squares" });
        }
        let layout = Layout::of(self);
        canvas::svg(layout.page, |canvas| {
            layout
                .head
                .iter()
                .try_for_each(|(line, place, letters)| canvas.text(line, *place, *letters))?;
            for (panel, corner) in self.panels.iter().zip(&layout.panels) {
                self.panel(canvas, panel, *corner)?;
            }
            self.scale(canvas, layout.foot)?;
            self.legend(canvas, layout.foot + 2 * LINE + SCALE.1, layout.page.0)
        })
    }

    fn squares(&self) -> (i32, i32) {
        (SQUARE.0 * length(&self.x.ticks), SQUARE.1 * length(&self.y.ticks))
    }

    /// A panel whose squares start at this corner.
    fn panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, corner: (i32, i32)) -> Drawn {
        let (width, height) = self.squares();
        let (left, top) = corner;
        let title = Letters { bold: true, ..Letters::new(TEXT, HPos::Center) };
        canvas.text(&panel.title, (left + width / 2, top - 14), title)?;
        for (row, squares) in (1..).zip(&panel.rows) {
            for (column, square) in (0..).zip(squares) {
                let (x, y) = (left + column * SQUARE.0, top + height - row * SQUARE.1);
                self.square(canvas, square, Area { x, y, width: SQUARE.0, height: SQUARE.1 })?;
            }
        }
        // Frames last: neighbours would cover them.
        for (row, squares) in (1..).zip(&panel.rows) {
            for (column, _) in (0..).zip(squares).filter(|(_, square)| square.framed) {
                let (x, y) = (left + column * SQUARE.0, top + height - row * SQUARE.1);
                let area = Area { x, y, width: SQUARE.0, height: SQUARE.1 };
                canvas.frame(area.within(1), palette::ACCENT, 4)?;
            }
        }
        let tick = Letters { color: palette::GREY, ..Letters::new(TEXT, HPos::Center) };
        for (at, text) in (0..).zip(&self.x.ticks) {
            let place = (left + at * SQUARE.0 + SQUARE.0 / 2, top + height + 14);
            canvas.text(text, place, tick.fitting(text, SQUARE.0))?;
        }
        let tick = Letters { at: HPos::Right, ..tick };
        for (at, text) in (0..).zip(&self.y.ticks) {
            let place = (left - 8, top + height - at * SQUARE.1 - SQUARE.1 / 2);
            canvas.text(text, place, tick.fitting(text, LEFT - 36))?;
        }
        let name = Letters::new(TEXT, HPos::Center);
        canvas.text(&self.x.name, (left + width / 2, top + height + 36), name)?;
        let name = Letters { upright: true, ..name };
        let place = (left - LEFT + 22, top + height / 2);
        canvas.text(&self.y.name, place, name.fitting(&self.y.name, height + ABOVE))
    }

    fn square(&self, canvas: &mut Canvas<'_>, square: &Square, area: Area) -> Drawn {
        let place = square.value.map(|value| self.place(value));
        let ground = place.map_or(palette::BLANK, palette::shade);
        canvas.fill(area, ground)?;
        canvas.frame(area, palette::PAPER, 1)?;
        let letters = Letters { color: palette::on(ground), ..Letters::new(TEXT, HPos::Center) };
        canvas.text(&square.text, area.middle(), letters.fitting(&square.text, area.width - 10))?;
        if square.dotted {
            let corner = (area.x + area.width - 10, area.y + 10);
            canvas.disc(corner, 4, letters.color)?;
        }
        Ok(())
    }

    /// Where a value stands on the scale, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        if high > low { (value - low) / (high - low) } else { 0.5 }
    }

    fn scale(&self, canvas: &mut Canvas<'_>, top: i32) -> Drawn {
        let (width, height) = SCALE;
        let letters = Letters::new(TEXT, HPos::Left);
        canvas.text(&self.value, (MARGIN, top), letters)?;
        let bar = top + LINE - 4;
        for x in 0..width {
            let shade = palette::shade(f64::from(x) / f64::from(width - 1));
            // Each reaches under the next, so that no seam shows where a viewer scales the page.
            let width = (width - x).min(2);
            canvas.fill(Area { x: MARGIN + x, y: bar, width, height }, shade)?;
        }
        canvas.frame(Area { x: MARGIN, y: bar, width, height }, palette::GREY, 1)?;
        let (low, high) = self.range;
        let below = bar + height + 12;
        for (at, end) in [(HPos::Left, 0), (HPos::Center, width / 2), (HPos::Right, width)] {
            let value = low + (high - low) * f64::from(end) / f64::from(width);
            let tick = Letters { color: palette::GREY, ..Letters::new(TEXT, at) };
            canvas.text(&format!("{value:.2}"), (MARGIN + end, below), tick)?;
        }
        Ok(())
    }

    /// What the marks say, right of the scale, and the notes below it.
    fn legend(&self, canvas: &mut Canvas<'_>, notes: i32, page: i32) -> Drawn {
        let letters = Letters::new(TEXT, HPos::Left);
        let left = MARGIN + self.scale_width() + 40;
        let top = notes - 2 * LINE - SCALE.1;
        let has = |mark: &dyn Fn(&Square) -> bool| self.all_squares().any(mark);
        let mut row = 0;
        let mut entry = |canvas: &mut Canvas<'_>, text: &str| -> Result<Area, FigureError> {
            let area = Area { x: left, y: top + row * 24 - 8, width: 24, height: 16 };
            row += 1;
            canvas.fill(area, palette::BLANK)?;
            let room = page - MARGIN - left - 34;
            canvas.text(text, (left + 34, area.middle().1), letters.fitting(text, room))?;
            Ok(area)
        };
        if has(&|square| square.framed) {
            let area = entry(canvas, &self.framed)?;
            canvas.frame(area.within(1), palette::ACCENT, 4)?;
        }
        if has(&|square| square.dotted) {
            let area = entry(canvas, &self.dotted)?;
            canvas.disc(area.middle(), 4, palette::INK)?;
        }
        let small = Letters { color: palette::GREY, ..letters };
        for (row, line) in (0..).zip(self.wrapped_notes(page)) {
            canvas.text(&line, (MARGIN, notes + LINE + row * LINE), small)?;
        }
        Ok(())
    }

    fn all_squares(&self) -> impl Iterator<Item = &Square> {
        self.panels.iter().flat_map(|panel| panel.rows.iter().flatten())
    }

    /// Of the scale and its name.
    fn scale_width(&self) -> i32 {
        SCALE.0.max(pixels(&self.value))
    }

    fn wrapped_notes(&self, page: i32) -> Vec<String> {
        self.notes.iter().flat_map(|note| wrapped(note, TEXT, page - 2 * MARGIN)).collect()
    }
}

/// Room for a text of the usual size.
fn pixels(text: &str) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "lengths of labels")]
    let width = canvas::width(text, TEXT).ceil() as i32;
    width
}

fn length<T>(of: &[T]) -> i32 {
    number(of.len())
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
