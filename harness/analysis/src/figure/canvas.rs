//! Shapes and text on a white page, in pixels from its top left corner.
//!
//! The drawing library takes whole numbers; it is given tenths of a pixel, and the picture says so in
//! its `viewBox`. Where every text stands is remembered, so that a test can ask whether any of them
//! meet ([`super::Figure::collisions`]).

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoTextStyle, RGBColor, TextStyle};

use super::{FigureError, TEXT, font, palette};

/// Units of the drawing library in a pixel.
const UNITS: f64 = 10.0;

/// The library takes a font's line height for its size.
const LINE_HEIGHT: f64 = 1.24;

/// Smallest text, in pixels: 7 points on a page that is printed 17 cm wide.
pub(super) const SMALLEST: f64 = 10.0;

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) const fn new((x, y): (f64, f64), (width, height): (f64, f64)) -> Self {
        Self { x, y, width, height }
    }

    pub(super) const fn right(self) -> f64 {
        self.x + self.width
    }

    pub(super) const fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub(super) const fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// The same without a border of so many pixels.
    pub(super) const fn within(self, border: f64) -> Self {
        self.without([border; 4])
    }

    /// The same without so much at its left, top, right and bottom.
    pub(super) const fn without(self, [left, top, right, bottom]: [f64; 4]) -> Self {
        Self {
            x: self.x + left,
            y: self.y + top,
            width: self.width - left - right,
            height: self.height - top - bottom,
        }
    }

    fn meets(self, other: Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }

    fn holds(self, other: Self) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }
}

/// How text looks and which part of it stands at its place. Its height is always centred there.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) at: HPos,
    pub(super) bold: bool,
    /// Reads upwards.
    pub(super) upright: bool,
}

impl Letters {
    /// Usual text that begins at its place, stands around it, or ends there.
    pub(super) const LEFT: Self = Self::new(TEXT, HPos::Left);
    pub(super) const CENTER: Self = Self::new(TEXT, HPos::Center);
    pub(super) const RIGHT: Self = Self::new(TEXT, HPos::Right);

    const fn new(size: f64, at: HPos) -> Self {
        Self { size, color: palette::INK, at, bold: false, upright: false }
    }

    pub(super) const fn colored(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn width(self, text: &str) -> f64 {
        font::width(text, self.size, self.bold)
    }

    /// Smaller where it must be to keep a text within so many pixels, but never too small to read.
    pub(super) fn fitting(self, text: &str, most: f64) -> Self {
        // Widths grow with the size: one division tells which size fits.
        let size = self.size.min(most / font::width(text, 1.0, self.bold).max(1e-6));
        Self { size: size.max(SMALLEST), ..self }
    }

    /// A text cut to so many pixels, with an ellipsis where something is missing.
    pub(super) fn cut(self, text: &str, most: f64) -> String {
        if self.width(text) <= most {
            return text.to_owned();
        }
        let mut kept = text.to_owned();
        // Letter by letter: widths differ, so no count of letters is right.
        while kept.pop().is_some() {
            let shown = format!("{}\u{2026}", kept.trim_end());
            if self.width(&shown) <= most {
                return shown;
            }
        }
        String::new()
    }

    /// Lines of at most so many pixels, broken at spaces. A longer word is cut.
    pub(super) fn wrapped(self, text: &str, most: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let longer = lines.last().map(|line| format!("{line} {word}"));
            match longer.filter(|line| self.width(line) <= most).zip(lines.last_mut()) {
                Some((longer, line)) => *line = longer,
                None => lines.push(self.cut(word, most)),
            }
        }
        lines
    }
}

/// A text that was written, and the room that it takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) area: Area,
}

/// A page.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    labels: Vec<Label>,
}

/// What the drawing library says.
pub(super) type Drawn = Result<(), FigureError>;

fn failed(error: impl std::fmt::Display) -> FigureError {
    FigureError::Drawing(error.to_string())
}

#[expect(clippy::cast_possible_truncation, reason = "tenths of pixels on a page")]
fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// An SVG of what is drawn on a page of this size, under a title for those who cannot see it; and the
/// texts in it.
pub(super) fn svg(
    (width, height): (f64, f64),
    title: &str,
    draw: impl FnOnce(&mut Canvas<'_>) -> Drawn,
) -> Result<(String, Vec<Label>), FigureError> {
    let mut drawn = String::new();
    let size = (units(width).unsigned_abs(), units(height).unsigned_abs());
    let labels = {
        let backend = SVGBackend::with_string(&mut drawn, size);
        let mut canvas = Canvas { backend, labels: Vec::new() };
        canvas.fill(Area::new((0.0, 0.0), (width, height)), palette::PAPER)?;
        draw(&mut canvas)?;
        canvas.backend.present().map_err(failed)?;
        canvas.labels
    };
    // The library opens the document without title or role: its first line is replaced.
    let body = drawn.split_once(">\n").map_or("", |(_, body)| body);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{}</title>\n{body}",
        size.0,
        size.1,
        escaped(&font::harmless(title))
    );
    Ok((svg, labels))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Texts that meet or leave a page of this size, each named.
pub(super) fn collisions((width, height): (f64, f64), labels: &[Label]) -> Vec<String> {
    let page = Area::new((0.0, 0.0), (width, height));
    let outside = labels.iter().filter(|label| !page.holds(label.area));
    let mut found: Vec<String> =
        outside.map(|label| format!("`{}` leaves the page", label.text)).collect();
    // Half a pixel of touching is not seen.
    for (place, label) in labels.iter().enumerate() {
        for other in &labels[place + 1..] {
            if label.area.within(0.5).meets(other.area.within(0.5)) {
                found.push(format!("`{}` meets `{}`", label.text, other.text));
            }
        }
    }
    found
}

impl Canvas<'_> {
    pub(super) fn fill(&mut self, area: Area, color: RGBColor) -> Drawn {
        let (from, to) = (place((area.x, area.y)), place((area.right(), area.bottom())));
        self.backend.draw_rect(from, to, &color.filled(), true).map_err(failed)
    }

    pub(super) fn frame(&mut self, area: Area, color: RGBColor, width: f64) -> Drawn {
        let (left, top, right, bottom) = (area.x, area.y, area.right(), area.bottom());
        // Closed past its first corner, so that the corner is as thick as the others.
        let corners =
            [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (right, top)];
        self.path(corners, color, width)
    }

    pub(super) fn path(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: f64,
    ) -> Drawn {
        let style = color.stroke_width(units(width).unsigned_abs());
        self.backend.draw_path(points.into_iter().map(place), &style).map_err(failed)
    }

    /// A dashed straight line.
    pub(super) fn dashes(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        color: RGBColor,
        width: f64,
    ) -> Drawn {
        const DASH: f64 = 4.0;
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |along: f64| {
            // The last dash ends with the line.
            let share = (along / length.max(1e-6)).min(1.0);
            (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
        };
        let mut along = 0.0;
        while along < length {
            self.path([at(along), at(along + DASH)], color, width)?;
            along += DASH + 3.0;
        }
        Ok(())
    }

    pub(super) fn polygon(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
    ) -> Drawn {
        self.backend.fill_polygon(points.into_iter().map(place), &color.filled()).map_err(failed)
    }

    pub(super) fn disc(&mut self, at: (f64, f64), radius: f64, color: RGBColor) -> Drawn {
        let radius = units(radius).unsigned_abs();
        self.backend.draw_circle(place(at), radius, &color.filled(), true).map_err(failed)
    }

    /// A disc with a hole: what others have found.
    pub(super) fn ring(&mut self, at: (f64, f64), radius: f64, color: RGBColor) -> Drawn {
        self.disc(at, radius, color)?;
        self.disc(at, radius - 1.8, palette::PAPER)
    }

    /// One of many that may lie upon each other.
    pub(super) fn dot(&mut self, at: (f64, f64), color: RGBColor) -> Drawn {
        let style = color.mix(0.6).filled();
        self.backend.draw_circle(place(at), 24, &style, true).map_err(failed)
    }

    pub(super) fn text(&mut self, text: &str, at: (f64, f64), letters: Letters) -> Drawn {
        if text.is_empty() {
            return Ok(());
        }
        let text = &*font::harmless(text);
        self.labels.push(Label { text: text.to_owned(), area: room(text, at, letters) });
        // Hung from its top, 0.76 of its size above the base line, in every renderer alike; a capital of
        // Open Sans is 0.714 high.
        let rise = 0.403 * letters.size;
        let (turn, at) = if letters.upright {
            (FontTransform::Rotate270, (at.0 - rise, at.1))
        } else {
            (FontTransform::None, (at.0, at.1 - rise))
        };
        let font = if letters.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style: TextStyle<'_> = (font::FAMILY, letters.size * UNITS * LINE_HEIGHT, font)
            .into_text_style(&(1, 1))
            .transform(turn)
            .color(&letters.color)
            .pos(Pos::new(letters.at, VPos::Top));
        self.backend.draw_text(text, &style, place(at)).map_err(failed)
    }
}

/// The room that a text takes, from the top of its capitals to the bottom of its descenders.
fn room(text: &str, (x, y): (f64, f64), letters: Letters) -> Area {
    let (along, above, below) = (letters.width(text), 0.40 * letters.size, 0.58 * letters.size);
    let before = match letters.at {
        HPos::Left => 0.0,
        HPos::Center => along / 2.0,
        HPos::Right => along,
    };
    if letters.upright {
        Area::new((x - above, y - along + before), (above + below, along))
    } else {
        Area::new((x - before, y - above), (along, above + below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Texts<'a> = &'a [(&'a str, f64, f64, Letters)];

    fn page(draw: impl FnOnce(&mut Canvas<'_>) -> Drawn) -> (String, Vec<String>) {
        let (svg, labels) = svg((50.0, 20.0), "a <page>", draw).unwrap();
        (svg, collisions((50.0, 20.0), &labels))
    }

    #[test]
    fn text_is_escaped_and_wrapped() {
        let letters = Letters::new(10.0, HPos::Center);
        let (text, collisions) = page(|canvas| canvas.text("a < b", (25.0, 10.0), letters));
        assert!(text.contains("a &lt; b") && text.contains("<title>a &lt;page&gt;</title>"));
        assert_eq!(collisions, [""; 0]);
        assert_eq!(letters.wrapped("one two three", 50.0), ["one two", "three"]);
        assert_eq!(letters.wrapped("unbreakable", 30.0), ["unb\u{2026}"]);
        assert!(letters.wrapped("  ", 70.0).is_empty());
    }

    #[test]
    fn letters_shrink_to_their_room_and_no_further_than_can_be_read() {
        let letters = Letters::new(14.0, HPos::Left);
        assert!((letters.fitting("0.5", 200.0).size - 14.0).abs() < 1e-9);
        let small = letters.fitting("0.31-0.40", 60.0);
        assert!(small.width("0.31-0.40") <= 60.0 + 1e-9);
        assert!((letters.fitting("a very long label", 10.0).size - SMALLEST).abs() < 1e-9);
    }

    #[test]
    fn texts_that_meet_or_leave_the_page_are_named() {
        let left = Letters::new(10.0, HPos::Left);
        let upright = Letters { upright: true, ..Letters::new(10.0, HPos::Center) };
        let cases: [(Texts<'_>, &[&str]); 4] = [
            (&[("one", 0.0, 10.0, left), ("two", 25.0, 10.0, left)], &[]),
            (&[("one", 0.0, 10.0, left), ("two", 15.0, 12.0, left)], &["`one` meets `two`"]),
            (&[("far", 45.0, 10.0, left)], &["`far` leaves the page"]),
            (&[("upright", 10.0, 10.0, upright)], &["`upright` leaves the page"]),
        ];
        for (texts, expected) in cases {
            let (_, found) = page(|canvas| {
                texts
                    .iter()
                    .try_for_each(|(text, x, y, letters)| canvas.text(text, (*x, *y), *letters))
            });
            assert_eq!(found, expected);
        }
    }
}
