//! Rectangles, lines and text on a white page, in pixels from its top left corner.

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, FontTransform, IntoTextStyle, RGBColor, ShapeStyle, TextStyle,
};

use super::{FigureError, palette};

/// Widest letter that is common in our texts, in heights of the font. Digits take 0.56 in Helvetica and
/// Liberation Sans, 0.64 in `DejaVu` Sans.
const LETTER: f64 = 0.62;

/// The library takes a font's line height for its size.
const LINE_HEIGHT: f64 = 1.24;

/// Smallest text, in pixels.
const SMALLEST: f64 = 8.0;

/// A part of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    pub(super) const fn middle(self) -> (i32, i32) {
        (self.x + self.width / 2, self.y + self.height / 2)
    }

    /// The same without a border of so many pixels.
    pub(super) const fn within(self, border: i32) -> Self {
        Self {
            x: self.x + border,
            y: self.y + border,
            width: self.width - 2 * border,
            height: self.height - 2 * border,
        }
    }

    const fn corners(self) -> ((i32, i32), (i32, i32)) {
        ((self.x, self.y), (self.x + self.width, self.y + self.height))
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
    pub(super) const fn new(size: f64, at: HPos) -> Self {
        Self { size, color: palette::INK, at, bold: false, upright: false }
    }

    /// Smaller where it must be to keep a text within so many pixels.
    pub(super) fn fitting(self, text: &str, most: i32) -> Self {
        let size = self.size.min(f64::from(most) / (width(text, 1.0)).max(1.0));
        Self { size: size.max(SMALLEST), ..self }
    }
}

/// An estimate of how wide a text is, in pixels; wide fonts stay within.
pub(super) fn width(text: &str, size: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lengths of labels")]
    let letters = text.chars().count() as f64;
    letters * LETTER * size
}

/// Lines of at most so many pixels, broken at spaces. A longer word has a line of its own.
pub(super) fn wrapped(text: &str, size: f64, most: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) < f64::from(most) - size => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A page.
pub(super) struct Canvas<'a>(SVGBackend<'a>);

/// What the drawing library says.
pub(super) type Drawn = Result<(), FigureError>;

fn failed(error: impl std::fmt::Display) -> FigureError {
    FigureError::Drawing(error.to_string())
}

/// An SVG of what is drawn on a page of this size.
pub(super) fn svg(
    size: (i32, i32),
    draw: impl FnOnce(&mut Canvas<'_>) -> Drawn,
) -> Result<String, FigureError> {
    let mut text = String::new();
    let pixels = |length: i32| u32::try_from(length).unwrap_or_default();
    {
        let backend = SVGBackend::with_string(&mut text, (pixels(size.0), pixels(size.1)));
        let mut canvas = Canvas(backend);
        let page = Area { x: 0, y: 0, width: size.0, height: size.1 };
        canvas.fill(page, palette::PAPER)?;
        draw(&mut canvas)?;
        canvas.0.present().map_err(failed)?;
    }
    Ok(text)
}

impl Canvas<'_> {
    pub(super) fn fill(&mut self, area: Area, color: RGBColor) -> Drawn {
        let (from, to) = area.corners();
        self.0.draw_rect(from, to, &color.filled(), true).map_err(failed)
    }

    pub(super) fn frame(&mut self, area: Area, color: RGBColor, width: u32) -> Drawn {
        let ((left, top), (right, bottom)) = area.corners();
        // Closed past its first corner, so that the corner is as thick as the others.
        let path =
            [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (right, top)];
        self.0.draw_path(path, &color.stroke_width(width)).map_err(failed)
    }

    pub(super) fn disc(&mut self, at: (i32, i32), radius: u32, color: RGBColor) -> Drawn {
        let style: ShapeStyle = color.filled();
        self.0.draw_circle(at, radius, &style, true).map_err(failed)
    }

    pub(super) fn text(&mut self, text: &str, at: (i32, i32), letters: Letters) -> Drawn {
        // Hung from its top, 0.76 of its size above the base line, in every renderer alike; a capital is
        // 0.72 high.
        #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
        let rise = (0.4 * letters.size).round() as i32;
        let (turn, at) = if letters.upright {
            (FontTransform::Rotate270, (at.0 - rise, at.1))
        } else {
            (FontTransform::None, (at.0, at.1 - rise))
        };
        let font = if letters.bold { FontStyle::Bold } else { FontStyle::Normal };
        let style: TextStyle<'_> = ("sans-serif", letters.size * LINE_HEIGHT, font)
            .into_text_style(&(1, 1))
            .transform(turn)
            .color(&letters.color)
            .pos(Pos::new(letters.at, VPos::Top));
        self.0.draw_text(text, &style, at).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_wrapped() {
        let text = svg((50, 20), |canvas| {
            canvas.text("a < b & c", (25, 10), Letters::new(10.0, HPos::Center))
        });
        assert!(text.unwrap().contains("a &lt; b &amp; c"));
        assert_eq!(wrapped("one two three", 10.0, 70), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 10.0, 5), ["unbreakable"]);
        assert!(wrapped("  ", 10.0, 70).is_empty());
    }

    #[test]
    fn letters_shrink_to_their_room_and_no_further_than_can_be_read() {
        let letters = Letters::new(14.0, HPos::Left);
        assert!((letters.fitting("0.5", 200).size - 14.0).abs() < 1e-9);
        let small = letters.fitting("0.31-0.40", 60);
        assert!(width("0.31-0.40", small.size) <= 60.0 + 1e-9);
        assert!((letters.fitting("a very long label", 10).size - SMALLEST).abs() < 1e-9);
    }
}
