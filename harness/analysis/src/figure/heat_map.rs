//! Panels of shaded squares with their values printed in them, a scale, and a legend of the marks; and where all of them
//! stand on the page.

use plotters::style::RGBColor;

use super::canvas::{Area, Canvas, Drawn, Letters, SMALLEST};
use super::{Figure, FigureError, LINE, MARGIN, ROOM, TEXT, WIDTH, lines, page, palette};
use crate::statistics::inference::whole;

/// A heat map.
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// Name and unit.
    pub name: String,
    /// One per row or column.
    pub ticks: Vec<String>,
}

impl Axis {
    /// An axis with these ticks.
    pub(crate) fn new(name: &str, ticks: impl IntoIterator<Item: ToString>) -> Self {
        let ticks = ticks.into_iter().map(|tick| tick.to_string()).collect();
        Self { name: name.to_owned(), ticks }
    }
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
            return Err(FigureError::Nothing("no squares"));
        }
        let layout = Layout::of(self);
        page(&self.name, &self.title, self.caption(), layout.height, |canvas, area| {
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
        let title = Letters::CENTER.bold();
        // A centred text may reach as far as the nearer side of the page lets it.
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
        let tick = Letters::CENTER.colored(palette::QUIET);
        for (column, text) in self.x.ticks.iter().enumerate() {
            let place = (corner(0, column).0 + size.0 / 2.0, area.bottom() + 12.0);
            let tick = tick.fitting(text, size.0 - 4.0);
            canvas.text(&tick.cut(text, size.0 - 4.0), place, tick)?;
        }
        let tick = Letters::RIGHT.colored(palette::QUIET);
        let room = Layout::tick_room(self);
        for (row, text) in self.y.ticks.iter().enumerate() {
            let place = (area.x - 6.0, corner(row, 0).1 + size.1 / 2.0);
            canvas.text(&tick.cut(text, room), place, tick)?;
        }
        let name = Letters::CENTER;
        canvas.text(&name.cut(&self.x.name, most), (middle, area.bottom() + 30.0), name)?;
        let name = Letters { upright: true, ..name };
        let place = (area.x - room - 18.0, area.middle().1);
        canvas.text(&name.cut(&self.y.name, area.height + LINE), place, name)
    }

    fn square(&self, canvas: &mut Canvas<'_>, square: &Square, area: Area) -> Drawn {
        let ground = square.value.map_or(palette::BLANK, |value| self.shade(self.place(value)));
        let ground = match square.emphasis {
            Emphasis::Full => ground,
            Emphasis::Faded => palette::pale(ground, 0.6),
            Emphasis::Hidden => return Ok(()),
        };
        canvas.fill(area, ground)?;
        canvas.frame(area, palette::PAPER, 1.0)?;
        // Dark squares have light letters.
        let letters = Letters::CENTER.colored(palette::on(ground));
        let (x, y) = area.middle();
        let rise = if square.below.is_empty() { 0.0 } else { 7.0 };
        let mut line = |text: &str, y: f64, letters: Letters| {
            let letters = letters.fitting(text, area.width - 4.0);
            canvas.text(&letters.cut(text, area.width - 2.0), (x, y), letters)
        };
        line(&square.text, y - rise, letters)?;
        line(&square.below, y + rise, Letters { size: SMALLEST, ..letters })?;
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
        let letters = Letters::LEFT;
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
        for (tick, share) in [(Letters::LEFT, 0.0), (Letters::CENTER, 0.5), (Letters::RIGHT, 1.0)] {
            let tick = tick.colored(palette::QUIET);
            let text = format!("{:.2}", low + (high - low) * share);
            canvas.text(&text, (bar.x + SCALE.0 * share, bar.bottom() + 11.0), tick)?;
        }
        Ok(())
    }

    /// What the marks say, right of the scale.
    fn legend(&self, canvas: &mut Canvas<'_>, foot: Area) -> Drawn {
        let letters = Letters::LEFT;
        let left = MARGIN + letters.width(&self.value).max(SCALE.0) + 32.0;
        let mut row = 0.0;
        let mut entry = |canvas: &mut Canvas<'_>, text: &str| -> Result<Area, FigureError> {
            let area = Area::new((left, foot.y - 6.0 + row * 22.0), (22.0, 15.0));
            row += 1.0;
            canvas.fill(area, palette::BLANK)?;
            let room = WIDTH - MARGIN - left - 30.0;
            canvas.text(&letters.cut(text, room), (left + 30.0, area.middle().1), letters)?;
            Ok(area)
        };
        // A mark that no square has needs no explanation.
        if self.all_squares().any(|square| square.framed) {
            let area = entry(canvas, &self.framed)?;
            canvas.frame(area.within(1.0), palette::ACCENT, 3.0)?;
        }
        if self.all_squares().any(|square| square.dotted) {
            let area = entry(canvas, &self.dotted)?;
            canvas.disc(area.middle(), 3.0, palette::INK)?;
        }
        Ok(())
    }

    fn all_squares(&self) -> impl Iterator<Item = &Square> {
        self.panels.iter().flat_map(|panel| panel.rows.iter().flatten())
    }
}

/// Above a panel's squares: its title, if it has one.
const ABOVE: [f64; 2] = [8.0, 26.0];
/// Below them: ticks, and the axis' name, if it has one.
const BELOW: [f64; 2] = [28.0, 46.0];
/// Left of them, besides ticks: the axis' name.
const NAME: f64 = 28.0;
/// Between panels.
const GAP: f64 = 14.0;
/// Most room for the names of rows.
const TICKS: f64 = 170.0;

/// Where everything stands.
struct Layout {
    /// Of the whole drawing.
    height: f64,
    columns: usize,
    /// Of a panel with all that is around it.
    panel: (f64, f64),
    /// Of its squares together.
    squares: (f64, f64),
    left: f64,
    above: f64,
}

impl Layout {
    fn of(map: &HeatMap) -> Self {
        let letters = Letters::LEFT;
        let widest = |texts: &mut dyn Iterator<Item = &String>| {
            texts.map(|text| letters.width(text)).fold(0.0, f64::max)
        };
        let two_lines = map.all_squares().any(|square| !square.below.is_empty());
        let text = widest(&mut map.all_squares().flat_map(|s| [&s.text, &s.below]));
        let text = text.max(widest(&mut map.x.ticks.iter()).min(70.0));
        let left = NAME + Self::tick_room(map);
        let count = lines(map.x.ticks.len());
        let most = (ROOM - left) / count;
        let mut width = (text + 14.0).max(40.0).min(most);
        // Titles and the axis' name stand over and under the middle of the squares.
        let bold = letters.bold();
        let titles = map.panels.iter().map(|panel| bold.width(&panel.title));
        let titles = titles.fold(0.0, f64::max);
        let named = titles.max(letters.width(&map.x.name)).min(ROOM - left);
        // Two columns of smaller texts are easier to take in than one of full size.
        let half = ((ROOM - GAP) / 2.0 - left) / count;
        let smallest = text * SMALLEST / TEXT + 4.0;
        if map.panels.len() > 1 && half < width && half >= smallest {
            width = half;
        }
        let inner = (width * count).max(named);
        // The last panel of a row needs no gap behind it.
        let fit = ((ROOM + GAP) / (left + inner + GAP) + 1e-9).floor().max(1.0);
        let columns = whole(fit).min(map.panels.len());
        let size = (width, if two_lines { 38.0 } else { 30.0_f64.min(width.max(18.0)) });
        let squares = (width * count, size.1 * lines(map.y.ticks.len()));
        let above = ABOVE[usize::from(titles > 0.0)];
        let below = BELOW[usize::from(!map.x.name.is_empty())];
        let panel = (left + inner + GAP, above + squares.1 + below);
        let rows = lines(map.panels.len().div_ceil(columns));
        let foot = 3.0 * LINE + SCALE.1;
        Self { height: rows * panel.1 + foot, columns, panel, squares, left, above }
    }

    /// The squares of a panel of a drawing in this area.
    fn squares(&self, area: Area, place: usize) -> Area {
        let (row, column) = (lines(place / self.columns), lines(place % self.columns));
        let inner = self.panel.0 - GAP - self.left;
        let x = area.x + column * self.panel.0 + self.left + (inner - self.squares.0) / 2.0;
        Area::new((x, area.y + row * self.panel.1 + self.above), self.squares)
    }

    /// Room for the names of rows.
    fn tick_room(map: &HeatMap) -> f64 {
        let letters = Letters::LEFT;
        let ticks = map.y.ticks.iter().map(|text| letters.width(text));
        ticks.fold(0.0, f64::max).min(TICKS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(columns: usize, rows: usize, panels: usize) -> HeatMap {
        let axis = |count: usize| Axis {
            name: "an axis with a name (points)".to_owned(),
            ticks: (0..count).map(|tick| tick.to_string()).collect(),
        };
        let square = Square { value: Some(0.4), text: "0.40".to_owned(), ..Square::default() };
        let panel = Panel { title: "a panel".to_owned(), rows: vec![vec![square; columns]; rows] };
        HeatMap {
            name: "map".to_owned(),
            title:
                "A title that is so long that it needs a second line even on a page that is as wide \
                    as all our pages are"
                    .to_owned(),
            subtitle: "n = 1".to_owned(),
            value: "share".to_owned(),
            range: (0.0, 1.0),
            x: axis(columns),
            y: axis(rows),
            panels: vec![panel; panels],
            framed: "framed".to_owned(),
            dotted: "dotted".to_owned(),
            notes: vec!["a note".to_owned()],
        }
    }

    #[test]
    fn no_texts_meet_and_all_values_are_there() {
        for (columns, rows, panels) in [(1, 1, 1), (5, 5, 2), (9, 2, 4), (22, 30, 1)] {
            let figure = map(columns, rows, panels).figure().unwrap();
            assert_eq!(figure.collisions(), [""; 0], "{columns} by {rows}, {panels} panels");
            assert_eq!(figure.svg.matches("0.40").count(), columns * rows * panels);
        }
    }

    #[test]
    fn nothing_makes_no_picture() {
        for empty in [map(0, 1, 1), map(1, 0, 1), map(1, 1, 0)] {
            assert!(empty.figure().is_err());
        }
    }

    #[test]
    fn marks_and_blanks_are_drawn() {
        let mut marked = map(2, 2, 1);
        marked.panels[0].rows[0][0] = Square { framed: true, dotted: true, ..Square::default() };
        let (plain, marked) = (map(2, 2, 1).figure().unwrap().svg, marked.figure().unwrap().svg);
        let added = |what: &str| marked.matches(what).count() - plain.matches(what).count();
        // Once in the square, once in a legend that is not there without marks; and a blank square.
        assert_eq!((added("<polyline"), added("<circle"), added("#EEEEEE")), (2, 2, 3));
        assert_eq!((added("framed"), added("dotted")), (1, 1));
    }
}
