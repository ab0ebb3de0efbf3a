//! The bundled font: how wide a text is, and the font database that pictures are rasterised with.
//!
//! Open Sans, two weights (`fonts/README.md`). Widths are sums of the letters' advances; kerning, which
//! only brings letters closer, is left out, so that a text is never wider than is said here.

use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb::Database;
use ttf_parser::Face;

/// What SVG files ask for. Text stays text, so that it can be searched, read aloud and copied; a viewer
/// without Open Sans takes its own sans-serif, and the room that is left around labels allows for that.
pub(super) const FAMILY: &str = "Open Sans, sans-serif";

const NAME: &str = "Open Sans";
const REGULAR: &[u8] = include_bytes!("../../fonts/OpenSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/OpenSans-Bold.ttf");

/// The weights of CSS and the font files (TrueType) that drawings ask for, for pages that bring them along.
#[must_use]
pub fn files() -> [(u32, &'static [u8]); 2] {
    [(400, REGULAR), (700, BOLD)]
}

/// Of a letter that the font lacks, in heights: those of other scripts are about square.
const FOREIGN: f64 = 1.0;

static FACES: LazyLock<[Option<Face<'static>>; 2]> =
    LazyLock::new(|| [REGULAR, BOLD].map(|bytes| Face::parse(bytes, 0).ok()));

/// The bundled font and no other.
pub(super) static DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut database = Database::new();
    for bytes in [REGULAR, BOLD] {
        database.load_font_data(bytes.to_vec());
    }
    database.set_sans_serif_family(NAME);
    Arc::new(database)
});

/// How wide a text is, in pixels.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let letter = |letter: char| advance(letter, bold).unwrap_or(FOREIGN);
    text.chars().map(letter).sum::<f64>() * size
}

/// Of a letter, in heights of the font; `None` when the font lacks it.
fn advance(letter: char, bold: bool) -> Option<f64> {
    let face = FACES[usize::from(bold)].as_ref()?;
    let glyph = face.glyph_index(letter)?;
    Some(f64::from(face.glyph_hor_advance(glyph)?) / f64::from(face.units_per_em()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_weights_hold_what_figures_write() {
        for bold in [false, true] {
            for letter in
                "azAZ09 .,;:%()[]<>=+-/~_'\"&\u{3bc}\u{3c3}\u{3c4}\u{3b4}\u{2265}\u{2026}".chars()
            {
                assert!(advance(letter, bold).is_some(), "{letter:?}");
            }
        }
        assert_eq!(DATABASE.len(), 2);
    }

    #[test]
    fn widths_are_those_of_the_font() {
        // FreeType 2 (Pillow) gives digits 1171 of 2048 units; bold is wider.
        assert!((width("0123", 10.0, false) - 40.0 * 1171.0 / 2048.0).abs() < 1e-9);
        assert!(width("word", 10.0, true) > width("word", 10.0, false));
        assert!((width("\u{6f22}", 10.0, false) - 10.0).abs() < 1e-9);
    }
}
