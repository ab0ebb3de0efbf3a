//! Panels of shaded squares with their values printed in them, a scale, and a legend of the marks.

use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Canvas, Drawn, Letters};
use super::page::{LINE, MARGIN, TEXT, WIDTH, Words, lines, page};
use super::{Figure, FigureError, palette};
use layout::Layout;

mod layout;
#[cfg(test)]
mod tests;

/// A heat map.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// Part of its file's name.
    pub name: String,
    /// What is shown.
    pub title: String,
    /// Of what, and of how many.
    pub subtitle: String,
    /// Name and unit of the values.
    pub value: String,
    /// The values at the ends of the scale: light and dark, or where values are signed two colours with light at 0.
    pub range: (f64, f64),
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Side by side, as many in a row as there is room for.
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
    /// Printed below that, smaller: of how many. May be empty.
    pub below: String,
    /// Has a frame.
    pub framed: bool,
    /// Has a dot.
    pub dotted: bool,
    /// How much it stands out.
    pub emphasis: Emphasis,
}

/// How much a square stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emphasis {
    /// As its value says.
    #[default]
    Full,
    /// Paler, because its value is of one alone.
    Faded,
    /// Not at all: its mirror image says the same.
    Hidden,
}

/// The scale's width and height, in pixels.
const SCALE: (f64, f64) = (200.0, 12.0);

impl HeatMap {
    /// Draws it.
    ///
    /// # Errors
    /// When there is no panel, or no square in one.
    pub fn figure(&self) -> Result<Figure, FigureError> {
        if self.panels.is_empty() || self.x.ticks.is_empty() || self.y.ticks.is_empty() {
            return Err(FigureError::Nothing { what: "no squares" });
        }
        let layout = Layout::of(self);
        let words =
            Words { name: self.name.clone(), title: self.title.clone(), caption: self.caption() };
        page(words, layout.height, |canvas, area| {
            for (place, panel) in self.panels.iter().enumerate() {
                self.panel(canvas, panel, layout.squares(area, place))?;
            }
            let foot = Area { y: area.bottom() - 2.0 * LINE - SCALE.1, ..area };
            self.scale(canvas, foot)?;
            self.legend(canvas, foot)
        })
    }

    fn caption(&self) -> String {
        let subtitle = self.subtitle.trim_end_matches('.');
        let sentences = [format!("{subtitle}.")].into_iter().chain(self.notes.iter().cloned());
        sentences.collect::<Vec<_>>().join(" ")
    }

    /// A panel whose squares fill this area.
    fn panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, area: Area) -> Drawn {
        let columns = lines(self.x.ticks.len());
        let size = (area.width / columns, area.height / lines(self.y.ticks.len()));
        let corner = |row: usize, column: usize| {
            (area.x + lines(column) * size.0, area.bottom() - lines(row + 1) * size.1)
        };
        let (middle, _) = area.middle();
        let title = Letters::new(TEXT, HPos::Center).bold();
        let most = 2.0 * (middle - MARGIN).min(WIDTH - MARGIN - middle);
        canvas.text(&title.cut(&panel.title, most), (middle, area.y - 12.0), title)?;
        for (row, squares) in panel.rows.iter().enumerate() {
            for (column, square) in squares.iter().enumerate() {
                self.square(canvas, square, Area::new(corner(row, column), size))?;
            }
        }
        // Frames last: neighbours would cover them.
        for (row, squares) in panel.rows.iter().enumerate() {
            for (column, _) in squares.iter().enumerate().filter(|(_, square)| square.framed) {
                let area = Area::new(corner(row, column), size).within(1.0);
                canvas.frame(area, palette::ACCENT, 3.0)?;
            }
        }
        let tick = Letters::new(TEXT, HPos::Center).colored(palette::QUIET);
        for (column, text) in self.x.ticks.iter().enumerate() {
            let place = (corner(0, column).0 + size.0 / 2.0, area.bottom() + 12.0);
            let tick = tick.fitting(text, size.0 - 4.0);
            canvas.text(&tick.cut(text, size.0 - 4.0), place, tick)?;
        }
        let tick = Letters { at: HPos::Right, ..tick };
        let room = Layout::tick_room(self);
        for (row, text) in self.y.ticks.iter().enumerate() {
            let place = (area.x - 6.0, corner(row, 0).1 + size.1 / 2.0);
            canvas.text(&tick.cut(text, room), place, tick)?;
        }
        let name = Letters::new(TEXT, HPos::Center);
        let most = 2.0 * (middle - MARGIN).min(WIDTH - MARGIN - middle);
        canvas.text(&name.cut(&self.x.name, most), (middle, area.bottom() + 30.0), name)?;
        let name = Letters { upright: true, ..name };
        let place = (area.x - room - 18.0, area.middle().1);
        canvas.text(&name.cut(&self.y.name, area.height + LINE), place, name)
    }

    fn square(&self, canvas: &mut Canvas<'_>, square: &Square, area: Area) -> Drawn {
        let place = square.value.map(|value| self.place(value));
        if square.emphasis == Emphasis::Hidden {
            return Ok(());
        }
        let ground = place.map_or(palette::BLANK, |place| self.shade(place));
        let is_faded = square.emphasis == Emphasis::Faded;
        let ground = if is_faded { palette::pale(ground, 0.6) } else { ground };
        canvas.fill(area, ground)?;
        canvas.frame(area, palette::PAPER, 1.0)?;
        // Dark squares have light letters.
        let letters = Letters::new(TEXT, HPos::Center).colored(palette::on(ground));
        let (x, y) = area.middle();
        let rise = if square.below.is_empty() { 0.0 } else { 7.0 };
        let mut line = |text: &str, y: f64, letters: Letters| {
            let letters = letters.fitting(text, area.width - 4.0);
            canvas.text(&letters.cut(text, area.width - 2.0), (x, y), letters)
        };
        line(&square.text, y - rise, letters)?;
        line(&square.below, y + rise, Letters { size: super::canvas::SMALLEST, ..letters })?;
        if square.dotted {
            canvas.disc((area.right() - 8.0, area.y + 8.0), 3.0, letters.color)?;
        }
        Ok(())
    }

    /// Where a value stands on the scale, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        if high > low { (value - low) / (high - low) } else { 0.5 }
    }

    fn shade(&self, place: f64) -> RGBColor {
        if self.range.0 < 0.0 { palette::diverging(place) } else { palette::shade(place) }
    }

    fn scale(&self, canvas: &mut Canvas<'_>, foot: Area) -> Drawn {
        let letters = Letters::new(TEXT, HPos::Left);
        canvas.text(&self.value, (foot.x, foot.y), letters)?;
        let bar = Area::new((foot.x, foot.y + LINE - 5.0), SCALE);
        let steps = 64;
        for step in 0..steps {
            let (x, width) = (SCALE.0 * lines(step) / lines(steps), SCALE.0 / lines(steps));
            // Each reaches under the next, so that no seam shows where a viewer scales the page.
            let width = (2.0 * width).min(SCALE.0 - x);
            let shade = self.shade(lines(step) / lines(steps - 1));
            canvas.fill(Area { x: bar.x + x, width, ..bar }, shade)?;
        }
        canvas.frame(bar, palette::GREY, 1.0)?;
        let (low, high) = self.range;
        for (at, share) in [(HPos::Left, 0.0), (HPos::Center, 0.5), (HPos::Right, 1.0)] {
            let tick = Letters::new(TEXT, at).colored(palette::QUIET);
            let text = format!("{:.2}", low + (high - low) * share);
            canvas.text(&text, (bar.x + SCALE.0 * share, bar.bottom() + 11.0), tick)?;
        }
        Ok(())
    }

    /// What the marks say, right of the scale.
    fn legend(&self, canvas: &mut Canvas<'_>, foot: Area) -> Drawn {
        let letters = Letters::new(TEXT, HPos::Left);
        let left = MARGIN + self.scale_width() + 32.0;
        let has = |mark: &dyn Fn(&Square) -> bool| self.all_squares().any(mark);
        let mut row = 0.0;
        let mut entry = |canvas: &mut Canvas<'_>, text: &str| -> Result<Area, FigureError> {
            let area = Area::new((left, foot.y - 6.0 + row * 22.0), (22.0, 15.0));
            row += 1.0;
            canvas.fill(area, palette::BLANK)?;
            let room = WIDTH - MARGIN - left - 30.0;
            canvas.text(&letters.cut(text, room), (left + 30.0, area.middle().1), letters)?;
            Ok(area)
        };
        if has(&|square| square.framed) {
            let area = entry(canvas, &self.framed)?;
            canvas.frame(area.within(1.0), palette::ACCENT, 3.0)?;
        }
        if has(&|square| square.dotted) {
            let area = entry(canvas, &self.dotted)?;
            canvas.disc(area.middle(), 3.0, palette::INK)?;
        }
        Ok(())
    }

    fn all_squares(&self) -> impl Iterator<Item = &Square> {
        self.panels.iter().flat_map(|panel| panel.rows.iter().flatten())
    }

    /// Of the scale and its name.
    fn scale_width(&self) -> f64 {
        Letters::new(TEXT, HPos::Left).width(&self.value).max(SCALE.0)
    }
}
